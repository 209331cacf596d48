"""What those who run the server see of it: metrics, health, the log, and what pages report."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.support.api import Api, User
from tests.support.crew import Crew
from tests.support.server import ROOT, Server
from tests.support.waiting import until
from tests.support.ws import WsClient, refused_hello

OPERATIONS = ROOT / "docs" / "operations"
DASHBOARD = OPERATIONS / "grafana.json"
RULES = OPERATIONS / "alerts.yml"

TOKEN = "a token of the operator, hunter2"
WORDS = "words-that-people-wrote"

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture(scope="module")
def server(made_data_dir: Path) -> Iterator[Server]:
    server = Server(copy_of=made_data_dir, log_format="json", log_level="DEBUG", metrics_token=TOKEN)
    server.start()
    try:
        yield server
        server.stop()
    finally:
        server.discard()


async def scrape(server: Server) -> str:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with aiohttp.ClientSession() as http, http.get(f"{server.url}/metrics", headers=headers) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        return await response.text()


async def samples(server: Server) -> Samples:
    families = text_string_to_metric_families(await scrape(server))
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def value(found: Samples, name: str, **labels: str) -> float:
    return found.get((f"greenroom_{name}", frozenset(labels.items())), 0.0)


def expressions() -> list[str]:
    """Of the dashboard and the rules."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    shown = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    rules = [rule["expr"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    return shown + rules


# Metrics


async def test_every_metric_of_the_dashboard_and_the_rules_is_exported(server: Server) -> None:
    families = text_string_to_metric_families(await scrape(server))
    exported = set()
    for family in families:
        suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",))
        exported |= {family.name + suffix for suffix in suffixes}
    named = {name for expression in expressions() for name in re.findall(r"greenroom_\w+", expression)}
    assert len(named) > 30
    assert named <= exported


async def test_a_session_shows_while_it_lasts_and_is_summed_up_when_it_ends(server: Server) -> None:
    before = await samples(server)
    async with Api(server.url) as api:
        host, viewer = await api.user("Hana"), await api.user("Vera")
        session = await host.start("A show")
        socket = await WsClient.open(host, session["id"])
        other = await WsClient.open(viewer, session["id"])
        during = await samples(server)
        for name in ("sessions", "viewers"):
            assert value(during, name) == value(before, name) + 1, name
        assert value(during, "websockets") == value(before, "websockets") + 2
        assert value(during, "viewers_peak") >= 1
        await host.end(session["id"])
        await socket.wait_closed()
        await other.wait_closed()

        async def closed() -> bool:
            found = await samples(server)
            closes = "websocket_closes_total"
            return value(found, closes, by="server", code="4410") == value(before, closes, by="server", code="4410") + 2

        await until(closed, "both closes are counted")
        await socket.close()
        await other.close()
    after = await samples(server)

    def grown(name: str, **labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    assert grown("sessions") == grown("viewers") == grown("websockets") == 0
    assert grown("sessions_ended_total", reason="ended_by_host") == 1
    assert grown("session_duration_seconds_count") == grown("session_guest_ratio_count") == 1
    assert grown("websocket_messages_received_total", type="hello") == 2
    assert grown("websocket_messages_sent_total") >= 2
    assert grown("http_request_duration_seconds_count", method="POST", route="/live/start", status="201") == 1


async def test_media_shows_in_the_figures_of_its_worker(server: Server) -> None:
    before = await samples(server)

    def grown(found: Samples, name: str, **labels: str) -> float:
        return value(found, name, **labels) - value(before, name, **labels)

    crew = Crew(server)
    try:
        host, session_id = await crew.live()
        publisher = await crew.raw(host, session_id)
        await publisher.publish()
        viewer = await crew.raw(await crew.user("Vera"), session_id)
        video = await viewer.receiving(publisher.id, "camera", packets=50)
        assert viewer.receiver is not None
        viewer.receiver.send_pli(video)

        async def told() -> bool:
            found = await samples(server)
            return (
                grown(found, "worker_packets_total", worker="0", direction="in") >= 50
                and grown(found, "worker_packets_total", worker="0", direction="out") >= 50
                and grown(found, "worker_bytes_total", worker="0", direction="out") > 5000
                and grown(found, "worker_repairs_total", worker="0", kind="pli_received") >= 1
                and value(found, "worker_rooms", worker="0") >= 1
                and value(found, "worker_cpu_seconds_total", worker="0") > 0
            )

        await until(told, "the worker's figures show it")
    finally:
        await crew.dismiss()
    after = await samples(server)
    for direction in ("publish", "receive"):
        assert grown(after, "transports_total", direction=direction, outcome="connected") == 1
        assert grown(after, "transport_connect_seconds_count", direction=direction) == 1


async def test_no_label_comes_from_a_client(server: Server) -> None:
    async with Api(server.url) as api:
        host = await api.user("Hana")
        session = await host.start(WORDS)
        socket = await WsClient.open(host, session["id"])
        await socket.send(type="hunter2-type", id="1")
        await socket.socket.close(code=4999, message=b"hunter2")
        async with api.http.get(f"{server.url}/hunter2-path/{session['id']}") as response:
            assert response.status == 404
        await host.end(session["id"])

        async def counted() -> bool:
            return value(await samples(server), "websocket_closes_total", by="client", code="other") == 1

        await until(counted, "the close is counted")
    text = await scrape(server)
    assert value(await samples(server), "websocket_messages_received_total", type="other") >= 1
    for word in ("hunter2", WORDS, session["id"], host.user_id, '"4999"'):
        assert word not in text


async def test_a_stuck_worker_holds_up_no_scrape(server: Server) -> None:
    async def answers(wanted: float) -> bool:
        return value(await samples(server), "worker_up", worker="0") == wanted

    await until(lambda: answers(1), "the worker answers")
    (pid,) = server.worker_pids()
    os.kill(pid, signal.SIGSTOP)
    try:
        async with asyncio.timeout(10):
            assert value(await samples(server), "worker_starts_total", worker="0") == 1
        await until(lambda: answers(0), "the worker is called stuck")
        async with Api(server.url) as api, api.http.get(f"{server.url}/readyz") as response:
            assert response.status == 503
            assert (await response.json())["workers"] == "unavailable"
    finally:
        os.kill(pid, signal.SIGCONT)
    await until(lambda: answers(1), "the worker answers again")


@pytest.mark.parametrize("given", [None, "Bearer hunter2", TOKEN, f"Basic {TOKEN}"])
async def test_with_a_token_it_alone_opens_the_metrics(server: Server, given: str | None) -> None:
    headers = {} if given is None else {"Authorization": given}
    async with aiohttp.ClientSession() as http, http.get(f"{server.url}/metrics", headers=headers) as response:
        assert response.status == 401
        assert "greenroom_" not in await response.text()


async def test_without_a_token_this_machine_alone_reads_them(api: Api) -> None:
    async def status(**headers: str) -> int:
        async with api.http.get(f"{api.base_url}/metrics", headers=headers) as response:
            return response.status

    assert await status() == 200
    assert await status(Host="greenroom.example") == 403
    assert await status(**{"X-Forwarded-For": "192.0.2.1"}) == 403


# Health


async def test_strangers_hear_nothing_about_workers(server: Server) -> None:
    async def health(**headers: str) -> Any:
        async with aiohttp.ClientSession() as http, http.get(f"{server.url}/healthz", headers=headers) as response:
            assert response.status == 200
            return await response.json()

    (worker,) = (await health())["workers"]
    assert worker["port"] == server.rtc_port
    for stranger in ({"Host": "greenroom.example"}, {"X-Forwarded-For": "192.0.2.1"}):
        assert await health(**stranger) == {"status": "ok", "workers": []}


async def test_ready(server: Server) -> None:
    async with aiohttp.ClientSession() as http, http.get(f"{server.url}/readyz") as response:
        assert response.status == 200
        assert await response.json() == {
            "status": "ok",
            "database": "ok",
            "migrations": "ok",
            "workers": "ok",
            "stopping": False,
        }


# Errors of pages


async def test_a_page_reports_an_error(server: Server) -> None:
    before = value(await samples(server), "client_errors_total", kind="rejection")
    async with Api(server.url) as api:
        report = {"kind": "rejection", "message": "oh\nno", "source": "/ui/main.js:1:2", "stack": "Error\n  at f"}
        async with api.http.post(f"{server.url}/client-errors", json=report) as response:
            assert response.status == 204
        for wrong in ({"kind": "hunter2"}, {"message": "x" * 501}, {"stack": "x" * 4001}):
            async with api.http.post(f"{server.url}/client-errors", json=report | wrong) as response:
                assert response.status == 422
    assert value(await samples(server), "client_errors_total", kind="rejection") == before + 1
    (entry,) = [entry for entry in log(server) if entry["logger"] == "greenroom.page"]
    assert (entry["kind"], entry["said"], entry["source"]) == ("rejection", "oh\\nno", "/ui/main.js:1:2")


async def test_a_flood_of_reports_is_refused(api: Api) -> None:
    statuses = []
    for _ in range(80):
        async with api.http.post(
            f"{api.base_url}/client-errors", json={"kind": "error", "message": "again"}
        ) as response:
            statuses.append(response.status)
            if response.status == 429:
                assert int(response.headers["Retry-After"]) >= 1
    assert set(statuses) == {204, 429}


# The log


def log(server: Server) -> list[dict[str, Any]]:
    """Every line but those that are for whoever sits in front of it."""
    lines = server.log_path.read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


async def test_nothing_secret_and_nothing_that_people_wrote_is_logged(server: Server) -> None:
    secret = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbmEifQ.c2lnbmF0dXJlLWh1bnRlcjI"
    async with Api(server.url) as api:
        host, viewer = await api.user(f"Hana {WORDS}"), await api.user(f"Vera {WORDS}")
        session = await host.start(f"Title {WORDS}", description=f"Description {WORDS}")
        await viewer.join(session["id"])
        await viewer.request_guest(session["id"], f"Let me {WORDS}")
        await viewer.call("POST", "/live/send-message", {"session_id": session["id"], "text": f"Hello {WORDS}"})
        await _say_secrets(api, server, secret, session["id"], host.token)
        assert (await refused_hello(User(api, secret, "nobody", "Nobody"), session["id"]))[1] == 4401
        socket = await WsClient.open(host, session["id"])
        await socket.send(type="publish_offer", id="7", sdp=f"v=0 {WORDS}", sources={}, secret=secret)
        await socket.send(type="send_message", id="8", text=f"And {WORDS}", client_id=WORDS)
        await socket.send(type="set_muted", id=secret[:60], kind=WORDS, muted=True)
        await socket.socket.send_str(f'{{"broken {secret} {WORDS}')
        await socket.wait_closed()
        await socket.close()
        report = {"kind": "error", "message": f"at {server.url}/?token={secret}", "stack": f"Bearer {secret}"}
        async with api.http.post(f"{server.url}/client-errors", json=report) as response:
            assert response.status == 204
        await host.end(session["id"])
        written = server.log_path.read_text()
        for name, forbidden in {
            "a signature": "c2lnbmF0dXJl",
            "a token": "eyJ",
            "the token of the operator": TOKEN,
            "a password": "hunter2",
            "what people wrote": WORDS,
            "the host": host.user_id,
            "the viewer": viewer.user_id,
        }.items():
            assert forbidden not in written, f"{name} is in the log"
    entries = log(server)
    assert all({"event", "level", "logger", "timestamp"} <= set(entry) for entry in entries)
    lines = [entry for entry in entries if entry["event"] == "request" and entry["route"] == "/live/start"]
    assert {"method", "route", "status", "ms", "request_id", "client"} <= set(lines[0])


async def _say_secrets(api: Api, server: Server, secret: str, session_id: str, token: str) -> None:
    """In every place of a request where a client could put one."""
    good = {"Authorization": f"Bearer {token}"}
    for method, path, headers, body in (
        ("GET", f"/live/active?token={secret}", good, None),
        ("GET", f"/live/active?q={WORDS}&cursor={secret}", good, None),
        ("GET", f"/live/sessions/{secret}", good, None),
        ("GET", f"/{secret}/{WORDS}", {}, None),
        ("GET", "/live/active", {"Authorization": f"Bearer {secret}"}, None),
        ("GET", "/live/active", {"Authorization": f"Basic hunter2-{WORDS}"}, None),
        ("GET", "/live/active", {"Cookie": f"token={secret}", "Referer": f"https://x/?{secret}"}, None),
        ("GET", "/live/active", {"X-Request-ID": f"{secret}-{WORDS}-longer-than-what-an-id-may-be-hunter2"}, None),
        ("POST", "/live/join", good, {"session_id": session_id, secret: WORDS}),
        ("POST", "/live/start", good, {"title": WORDS, "description": secret, "password": "hunter2"}),
        ("POST", "/auth/dev-token", {}, {"name": "\u0000", "token": secret}),
    ):
        async with api.http.request(method, server.url + path, headers=headers, json=body) as response:
            assert response.status < 500, path
    async with api.http.post(f"{server.url}/live/join", data=f"{{{secret} {WORDS}", headers=good) as response:
        assert response.status == 400
    host, port = server.url.removeprefix("http://").split(":")
    for raw in (
        f"GET /?token={secret} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\x01{WORDS}\r\n\r\n",
        f"HUNTER2 /{WORDS}?{secret} HTTP/1.1\r\nHost: x\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: {secret}\r\n\r\n",
    ):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(raw.encode())
        await asyncio.wait_for(reader.read(), 10)
        writer.close()


async def test_a_request_id_leads_from_the_answer_to_the_log(server: Server) -> None:
    async with aiohttp.ClientSession() as http:
        headers = {"X-Request-ID": "support-call-17"}
        async with http.get(f"{server.url}/live/active", headers=headers) as response:
            assert response.headers["X-Request-ID"] == "support-call-17"
        async with http.get(f"{server.url}/") as response:
            assert re.fullmatch("[0-9a-f]{32}", response.headers["X-Request-ID"])
    (entry,) = [entry for entry in log(server) if entry.get("request_id") == "support-call-17"]
    assert (entry["route"], entry["status"]) == ("/live/active", 401)


# Prometheus' own opinion


def test_promtool_finds_nothing_wrong(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    panels = tmp_path / "panels.yml"
    rules = [
        {"record": f"panel_{number}", "expr": expression.replace("$__rate_interval", "5m").replace("$instance", ".*")}
        for number, expression in enumerate(expressions())
    ]
    panels.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    for path in (RULES, panels):
        result = subprocess.run([promtool, "check", "rules", str(path)], capture_output=True, text=True, timeout=60)
        assert result.returncode == 0, result.stdout + result.stderr


def test_the_dashboard_is_whole() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    for panel in dashboard["panels"]:
        assert panel["title"]
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        if panel["type"] != "row":
            assert all(target["expr"] for target in panel["targets"])
