"""On an application of its own, whose access log is kept."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re

import aiohttp
import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestServer

from control_api.http.errors import errors_as_json
from control_api.http.proxy import PROXIES, TrustedProxies
from control_api.http.request_log import API_PATHS, RequestLog, tell_request_id, with_request_id
from control_api.observe import logs


async def hello(request):
    logging.getLogger("signaling.service").warning("inside")
    return web.Response(text="hello")


async def broken(request):
    raise RuntimeError("the engine is on fire")


@pytest.fixture
def written():
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = io.StringIO()
    logs.configure("DEBUG", "json", stream)
    logging.getLogger("asyncio").setLevel("WARNING")
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
async def url(written):
    app = web.Application(middlewares=[with_request_id, errors_as_json])
    app[PROXIES] = TrustedProxies(["127.0.0.1"])
    app[API_PATHS] = frozenset({"/hello/{id}", "/broken", "/healthz"})
    app.router.add_get("/hello/{id}", hello)
    app.router.add_get("/broken", broken)
    app.router.add_get("/healthz", hello)
    app.router.add_get("/ui/main.js", hello)
    app.on_response_prepare.append(tell_request_id)
    server = TestServer(app)
    await server.start_server(access_log=logging.getLogger("x"), access_log_class=RequestLog)
    yield str(server.make_url("/")).rstrip("/")
    await server.close()


async def get(url, **headers):
    async with aiohttp.ClientSession() as http, http.get(url, headers=headers) as response:
        return response, await response.text()


def requests(entries):
    return [entry for entry in entries if entry["logger"] == "greenroom.request"]


async def test_one_line_tells_the_template_and_not_the_path_or_the_query(url, written):
    response, _ = await get(f"{url}/hello/ana?token=hunter2", **{"X-Forwarded-For": "192.0.2.7"})
    (line,) = requests(written())
    assert {k: line[k] for k in ("event", "method", "route", "status", "client", "level")} == {
        "event": "request",
        "method": "GET",
        "route": "/hello/{id}",
        "status": 200,
        "client": "192.0.2.7",
        "level": "info",
    }
    assert line["ms"] >= 0
    assert line["request_id"] == response.headers["X-Request-ID"]
    assert "hunter2" not in json.dumps(written())
    assert "ana" not in json.dumps(written())


async def test_what_is_logged_meanwhile_has_the_same_id(url, written):
    await get(f"{url}/hello/1", **{"X-Request-ID": "call-17.a:b_c"})
    inside, line = (entry for entry in written() if entry["logger"] != "asyncio")
    assert inside["event"] == "inside"
    assert inside["request_id"] == line["request_id"] == "call-17.a:b_c"


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "a\tb", "ä", "<script>", "a;b", "[31m"])
async def test_an_id_that_is_no_id_is_replaced(url, written, given):
    response, _ = await get(f"{url}/hello/1", **{"X-Request-ID": given})
    assert re.fullmatch("[0-9a-f]{32}", response.headers["X-Request-ID"])


async def test_each_request_of_a_connection_has_an_id_of_its_own(url, written):
    async with aiohttp.ClientSession() as http:
        for _ in range(3):
            async with http.get(f"{url}/hello/1") as response:
                await response.read()
    assert len({line["request_id"] for line in requests(written())}) == 3


async def test_an_internal_error_tells_the_id_and_the_log_the_rest(url, written):
    response, text = await get(f"{url}/broken?token=hunter2")
    error = json.loads(text)["error"]
    assert (response.status, error["code"]) == (500, "internal_error")
    assert error["details"] == {"request_id": response.headers["X-Request-ID"]}
    assert "fire" not in text
    (failure,) = [entry for entry in written() if entry["level"] == "error"]
    assert failure["request_id"] == error["details"]["request_id"]
    assert failure["event"] == "GET /broken failed"
    assert "the engine is on fire" in failure["exception"]
    assert "hunter2" not in json.dumps(written())


async def test_pages_probes_and_nonsense(url, written):
    for path in ("/ui/main.js", "/healthz", "/nothing/eyJhbGciOiJIUzI1NiJ9.e30.x"):
        await get(url + path)
    assert [(line["route"], line["level"]) for line in requests(written())] == [
        ("(page)", "debug"),
        ("/healthz", "debug"),
        ("(none)", "info"),
    ]
    assert "eyJ" not in json.dumps(written())


async def test_what_is_no_http_gets_its_line_and_is_not_repeated(url, written):
    host, _, port = url.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: hunter\x012\r\n\r\n")
    assert b" 400 " in await reader.readline()
    await reader.read()
    writer.close()
    (line,) = requests(written())
    assert (line["method"], line["route"], line["status"], line["client"]) == ("(other)", "(none)", 400, "127.0.0.1")
    assert [entry["logger"] for entry in written() if entry["logger"] != "asyncio"] == ["greenroom.request"]
