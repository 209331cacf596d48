from __future__ import annotations

import asyncio
import time

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from prometheus_client.parser import text_string_to_metric_families

from control_api.http.errors import errors_as_json
from control_api.http.request_log import API_PATHS, with_request_id
from control_api.http.seats import Seats
from control_api.observe.metric_families import of_connections
from control_api.observe.metrics import Metrics

BUCKET = "greenroom_http_request_duration_seconds"


def samples(text):
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def count(found, **labels):
    return found.get((f"{BUCKET}_count", frozenset(labels.items())), 0)


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
async def url(metrics):
    async def hello(request):
        return web.Response(text="hello")

    async def socket(request):
        response = web.WebSocketResponse()
        await response.prepare(request)
        await response.receive()
        return response

    app = web.Application(middlewares=[with_request_id, metrics.middleware, errors_as_json])
    app[API_PATHS] = frozenset({"/hello/{id}", "/socket"})
    app.router.add_get("/hello/{id}", hello)
    app.router.add_get("/socket", socket)
    app.router.add_get("/style.css", hello)
    server = TestServer(app)
    await server.start_server()
    yield str(server.make_url("/")).rstrip("/")
    await server.close()


async def test_requests_are_counted_by_template(metrics, url):
    async with aiohttp.ClientSession() as http:
        for number in range(50):
            for path in (f"/hello/{number}", f"/nothing/{number}", "/style.css"):
                async with http.get(url + path) as response:
                    await response.read()
        async with http.post(f"{url}/hello/1") as response:
            assert response.status == 405
    found = samples(await metrics.text())
    assert count(found, method="GET", route="/hello/{id}", status="200") == 50
    assert count(found, method="GET", route="(none)", status="404") == 50
    assert count(found, method="GET", route="(page)", status="200") == 50
    assert count(found, method="POST", route="(none)", status="405") == 1
    assert sum(1 for name, _ in found if name == f"{BUCKET}_count") == 4


async def test_how_long_a_websocket_lasted_is_no_latency(metrics, url):
    async with aiohttp.ClientSession() as http, http.ws_connect(f"{url}/socket") as socket:
        await socket.close()
    assert not [name for name, _ in samples(await metrics.text()) if name == f"{BUCKET}_count"]


async def test_two_applications_count_apart(metrics):
    metrics.client_errors.labels("error").inc()
    key = ("greenroom_client_errors_total", frozenset({("kind", "error")}))
    assert samples(await metrics.text())[key] == 1
    assert key not in samples(await Metrics().text())


async def test_a_figure_that_does_not_come_or_fails_holds_up_nothing(metrics, monkeypatch):
    monkeypatch.setattr("control_api.observe.metrics.REFRESH_TIMEOUT_S", 0.05)
    cancelled = []

    async def stuck():
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(True)

    async def broken():
        raise OSError("away")

    metrics.refresh_before(stuck)
    metrics.refresh_before(broken)
    began = time.monotonic()
    assert "greenroom_http_request_duration_seconds" in await metrics.text()
    assert time.monotonic() - began < 2
    assert cancelled


async def test_refused_connections_are_seen_by_the_limit_that_was_reached(metrics):
    seats = Seats(total=3, per_address=1)
    metrics.add(of_connections(seats))
    for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"):
        seats.take(address)
    found = samples(await metrics.text())
    assert found["greenroom_connections", frozenset()] == 3
    refused = "greenroom_connections_refused_total"
    assert found[refused, frozenset({("limit", "address")})] == 1
    assert found[refused, frozenset({("limit", "total")})] == 1
