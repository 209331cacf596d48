"""The server as strangers meet it: over TLS, with the limits that it ships with."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.support.browsers import Person
from tests.support.certificates import write_certificate
from tests.support.server import Server
from tests.support.waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

KNOCK = """
async () => {
  const { token } = await (await fetch("/auth/dev-token", { method: "POST", body: '{"name": "Eager"}' })).json();
  const answers = [];
  for (let number = 0; number < 30; number++) {
    const body = JSON.stringify({ session_id: "00000000-0000-0000-0000-000000000000" });
    const response = await fetch("/live/join", { method: "POST", body, headers: { Authorization: `Bearer ${token}` } });
    answers.push([response.status, Number(response.headers.get("Retry-After"))]);
  }
  return answers;
}
"""


async def test_a_stage_over_tls(start_server: Callable[..., Server], chromium: Browser, tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path)
    server = start_server(tls_cert=certificate, tls_key=key, rate_limits="on")
    host = await Person.arrive(chromium, server.url, "Hana Host")
    viewer = await Person.arrive(chromium, server.url, "Viola Viewer")
    try:
        session_id = await host.go_live("Behind a lock")
        host_id = await host.own_id()
        await viewer.watch(session_id)
        write_certificate(tmp_path)
        await viewer.sees(host_id, timeout=40)
        renewed = ssl.PEM_cert_to_DER_cert(certificate.read_text())
        address = ("127.0.0.1", server.port)
        await until(
            lambda: ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(address)) == renewed,
            "the renewed certificate is served",
            interval=0.5,
        )
        assert await viewer.status() == "connected"
        assert await host.status() == "connected"

        answers = await viewer.page.evaluate(KNOCK)
        refused = [retry_after for status, retry_after in answers if status == 429]
        assert {status for status, _ in answers} == {404, 429}
        assert refused
        assert min(refused) >= 1
        assert await viewer.status() == "connected", "whoever knocks too often loses nothing that they have"
    finally:
        await viewer.leave()
        await host.leave()
