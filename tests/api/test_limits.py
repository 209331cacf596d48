"""What users and addresses may do, who they are behind a proxy, and what is told to browsers."""

import asyncio
import json
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace

import aiohttp
import pytest
from aiohttp import web

from control_api.http.app import create_app
from control_api.http.proxy import TrustedProxies
from control_api.http.rate_limits import LIMITS, RATE_LIMITS, Limit, Rate, RateLimits
from control_api.http.routes import DEV_ROUTES, ROUTES
from control_api.store import PostgresStore
from control_api.tokens.auth import Authenticator
from signaling.messages import IceServer
from signaling.registry import ServiceConfig
from signaling.service import RoomService
from tests.support.api import Api, ApiError
from tests.support.fakes import FakePlane
from tests.support.ws import ProtocolError, WsClient

from .conftest import ALLOWED, SECRET, ScriptedHealth

CLOSED = Rate(0.001, 0.5)
"""Lets nothing pass; the next try is 500 s away."""
OPEN = Rate(1e6, 1e6)


def limits(**classes):
    """Everything is allowed but for the classes that are given as (user, address)."""
    unlimited = {name: Limit(OPEN, OPEN) for name in LIMITS}
    return RateLimits(unlimited | {name: Limit(*rates) for name, rates in classes.items()}, requests=OPEN)


@pytest.fixture
async def limited(database, static_dir):
    """Makes servers with limits of their own."""

    @asynccontextmanager
    async def serve(rate_limits=None, config=None, **options):
        service = RoomService(PostgresStore(database), FakePlane(), config or ServiceConfig())
        await service.open()
        app = create_app(
            service,
            Authenticator(SECRET),
            ScriptedHealth(),
            dev_tokens=True,
            static_dir=static_dir,
            allowed_origins=[ALLOWED],
            rate_limits=rate_limits,
            **options,
        )
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=2)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            async with Api(f"http://127.0.0.1:{runner.addresses[0][1]}") as api:
                yield SimpleNamespace(api=api, app=app, service=service)
        finally:
            await runner.cleanup()
            await service.close()

    return serve


async def answer(api, method, path, body=None, **headers):
    async with api.http.request(method, api.base_url + path, json=body, headers=headers) as response:
        return response, await response.json() if "json" in response.content_type else None


# Rates


async def test_a_user_who_does_too_much_is_refused_and_told_for_how_long(limited):
    async with limited(limits(read=(Rate(0.01, 3), OPEN))) as server:
        busy, calm = await server.api.user("Busy"), await server.api.user("Calm")
        for _ in range(3):
            await busy.active()
        response, body = await answer(server.api, "GET", "/live/active", Authorization=f"Bearer {busy.token}")
        assert response.status == 429
        assert body["error"]["code"] == "rate_limited"
        assert 99 <= int(response.headers["Retry-After"]) <= 100
        assert await calm.active() == [], "the others do not notice"


async def test_rest_and_websocket_share_what_a_user_may_do(limited):
    async with limited(limits(ask=(Rate(0.01, 2), OPEN))) as server:
        host, guest = await server.api.user("Host"), await server.api.user("Guest")
        session = await host.start()
        socket = await WsClient.open(guest, session["id"])
        await socket.request("request_guest")
        with pytest.raises(ApiError) as refusal:
            await guest.request_guest(session["id"])
        assert refusal.value.code == "request_pending"
        with pytest.raises(ProtocolError) as limit:
            await socket.request("cancel_guest_request")
        assert limit.value.code == "rate_limited"
        assert (await socket.request("ping"))["type"] == "pong", "the socket is still good for something"
        await socket.close()


async def test_a_websocket_error_says_when_to_try_again(limited):
    async with limited(limits(ask=(CLOSED, OPEN))) as server:
        host, guest = await server.api.user("Host"), await server.api.user("Guest")
        session = await host.start()
        socket = await WsClient.open(guest, session["id"])
        await socket.send(type="request_guest")
        error = await socket.wait_for("error")
        assert (error["code"], error["retry_after_s"]) == ("rate_limited", 500)
        await socket.close()


async def test_an_address_pays_before_its_token_is_looked_at(limited):
    async with limited(limits(read=(OPEN, Rate(0.01, 2)))) as server:
        codes = [
            (await answer(server.api, "GET", "/live/active", Authorization="Bearer x"))[0].status for _ in range(4)
        ]
        assert codes == [401, 401, 429, 429]


@pytest.mark.parametrize("path", ["/", "/style.css", "/nothing", "/live/active", "/ws/live/x", "/healthz"])
async def test_nothing_at_all_is_free(limited, path):
    async with limited(RateLimits(requests=Rate(0.01, 1))) as server:
        assert (await answer(server.api, "GET", path))[0].status != 429
        response, body = await answer(server.api, "GET", path)
        assert (response.status, body["error"]["code"]) == (429, "rate_limited")
        assert "Content-Security-Policy" in response.headers


async def test_every_route_is_limited_by_address_and_says_so(limited):
    everything = dict.fromkeys(LIMITS, (OPEN, CLOSED))
    async with limited(limits(**everything)) as server:
        for route in (*ROUTES, *DEV_ROUTES):
            response, body = await answer(server.api, route.method, route.path.replace("{", "").replace("}", ""))
            assert (response.status, body["error"]["code"]) == (429, "rate_limited"), route.path
            assert "rate_limited" in route.error_codes
    classes = {name for _, name in server.app[RATE_LIMITS].refused}
    assert {"start", "join", "token", "ask", "manage", "chat", "gift", "read"} <= classes, "each pays what it costs"


async def test_every_route_with_a_token_is_limited_by_user(limited):
    everything = dict.fromkeys(LIMITS, (CLOSED, OPEN))
    headers = {"Authorization": f"Bearer {Authenticator(SECRET).issue('Vera')}"}
    async with limited(limits(**everything)) as server:
        for route in ROUTES:
            # The operator's token belongs to no user.
            if route.token and not route.path.startswith("/operator/"):
                path = route.path.replace("{", "").replace("}", "")
                response, body = await answer(server.api, route.method, path, **headers)
                assert (response.status, body["error"]["code"]) == (429, "rate_limited"), route.path


async def test_a_page_of_a_friendly_origin_can_read_when_to_try_again(limited):
    async with limited(limits(read=(OPEN, CLOSED))) as server:
        response, _ = await answer(server.api, "GET", "/live/active", Origin=ALLOWED)
        assert response.status == 429
        assert response.headers["Access-Control-Allow-Origin"] == ALLOWED
        assert "Retry-After" in response.headers["Access-Control-Expose-Headers"]


async def test_an_office_watches_with_the_limits_that_are_shipped(limited):
    """A hundred people behind one address open the page, sign in, join and stay; ten come at the same time."""
    async with limited(RateLimits(), max_sockets_per_address=5_000) as server:
        host = await server.api.user("Host")
        session = await host.start(max_participants=1000)

        door = asyncio.Semaphore(10)

        async def watch():
            async with door:
                return await come_in()

        async def come_in():
            for path in ("/", "/style.css", "/ui/main.js"):
                assert (await answer(server.api, "GET", path))[0].status == 200
            user = await server.api.user("Viewer")
            await user.active()
            await user.join(session["id"])
            socket = await WsClient.open(user, session["id"])
            for _ in range(5):
                await socket.request("ping")
            await socket.request("get_stats")
            return socket

        for socket in await asyncio.gather(*(watch() for _ in range(100))):
            await socket.close()


# Connections


async def test_an_address_has_so_many_sockets(limited):
    async with limited(max_sockets_per_address=2) as server:
        host = await server.api.user("Host")
        session = await host.start()
        sockets = [await WsClient.open(await server.api.user("Viewer"), session["id"]) for _ in range(2)]
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await WsClient.open(await server.api.user("Late"), session["id"])
        assert refusal.value.status == 429
        assert refusal.value.headers is not None
        assert refusal.value.headers["Retry-After"] == "10"
        await sockets.pop().close()
        sockets.append(await opened(server.api, session["id"]))
        for socket in sockets:
            await socket.close()


async def opened(api, session_id):
    """A socket, as soon as there is room for one."""
    for _ in range(100):
        with suppress(aiohttp.WSServerHandshakeError):
            return await WsClient.open(await api.user("Next"), session_id)
        await asyncio.sleep(0.02)
    raise AssertionError("the seat of a closed socket stays taken")


# Behind a proxy


def from_proxy(address, **more):
    return {"X-Forwarded-For": address} | more


async def test_callers_behind_a_trusted_proxy_are_counted_one_by_one(limited):
    closing = limits(read=(OPEN, Rate(0.01, 1)))
    async with limited(closing, proxies=TrustedProxies(["127.0.0.1"])) as server:
        for address in ("203.0.113.1", "203.0.113.2"):
            statuses = [
                (await answer(server.api, "GET", "/healthz", **from_proxy(address)))[0].status for _ in range(2)
            ]
            assert statuses == [200, 429]
        forged = "198.51.100.9, 203.0.113.1"
        assert (await answer(server.api, "GET", "/healthz", **from_proxy(forged)))[0].status == 429


async def test_a_stranger_gains_nothing_by_making_up_addresses(limited):
    async with limited(limits(read=(OPEN, Rate(0.01, 1)))) as server:
        statuses = [
            (await answer(server.api, "GET", "/healthz", **from_proxy(f"203.0.113.{n}")))[0].status for n in range(3)
        ]
        assert statuses == [200, 429, 429]


async def test_strict_transport_security_where_the_client_came_by_https(limited):
    https = from_proxy("203.0.113.1", **{"X-Forwarded-Proto": "https", "X-Forwarded-Host": "live.example"})
    async with limited(proxies=TrustedProxies(["127.0.0.1"])) as server:
        response, _ = await answer(server.api, "GET", "/", **https)
        assert response.headers["Strict-Transport-Security"] == "max-age=31536000"
        for headers in ({}, https | {"X-Forwarded-Proto": "http"}, https | {"X-Forwarded-Host": "localhost:8443"}):
            response, _ = await answer(server.api, "GET", "/", **headers)
            assert "Strict-Transport-Security" not in response.headers
    async with limited() as server:
        response, _ = await answer(server.api, "GET", "/", **https)
        assert "Strict-Transport-Security" not in response.headers, "only the operator's proxies are believed"


async def test_the_origin_is_compared_with_what_the_proxy_was_asked_for(limited):
    headers = {"Origin": "https://live.example", "X-Forwarded-Host": "live.example"}
    for proxies, status in ((["127.0.0.1"], 101), ([], 403)):
        async with limited(proxies=TrustedProxies(proxies)) as server:
            try:
                async with server.api.http.ws_connect(server.api.base_url + "/ws/live/x", headers=headers):
                    found = 101
            except aiohttp.WSServerHandshakeError as refusal:
                found = refusal.status
            assert found == status


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Forwarded-Host", "X-Forwarded-Proto"])
async def test_tokens_for_trying_out_are_not_for_those_behind_a_proxy(limited, header):
    """A proxy on the same machine that nobody named would otherwise let the whole world sign in as anybody."""
    async with limited() as server:
        response, body = await answer(
            server.api, "POST", "/auth/dev-token", {"name": "Eve"}, **{header: "for=203.0.113.9"}
        )
        assert (response.status, body["error"]["code"]) == (403, "forbidden")
    async with limited(proxies=TrustedProxies(["127.0.0.1"])) as server:
        response, _ = await answer(server.api, "POST", "/auth/dev-token", {"name": "Eve"}, **from_proxy("203.0.113.9"))
        assert response.status == 403


# What is told to browsers


async def test_headers_of_every_answer(limited):
    async with limited() as server:
        for path in ("/", "/ui/main.js", "/nothing", "/live/active"):
            response, _ = await answer(server.api, "GET", path)
            assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
            assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
            assert response.headers["Server"] == "Greenroom"
            policy = dict(part.strip().split(" ", 1) for part in response.headers["Content-Security-Policy"].split(";"))
            assert policy["connect-src"] == "'self'", "a script that got in has nowhere to send anything to"


async def test_preflights_allow_what_the_api_has(limited):
    methods = {route.method for route in ROUTES}
    async with limited() as server:
        headers = {"Origin": ALLOWED, "Access-Control-Request-Method": "POST"}
        async with server.api.http.options(server.api.base_url + "/live/start", headers=headers) as response:
            assert methods <= set(response.headers["Access-Control-Allow-Methods"].split(", "))
            assert "*" not in json.dumps(dict(response.headers))
        headers["Origin"] = "https://stranger.example"
        async with server.api.http.options(server.api.base_url + "/live/start", headers=headers) as response:
            assert not [name for name in response.headers if name.startswith("Access-Control")]


# TURN


async def test_ice_servers_come_with_the_answer_and_the_welcome(limited):
    def servers(participant_id):
        return (IceServer(urls=("turn:t.example",), username=f"1:{participant_id}", credential="c"),)

    async with limited(config=ServiceConfig(ice_servers=servers)) as server:
        host = await server.api.user("Host")
        started = await host.call("POST", "/live/start", {"title": "T"})
        viewer = await server.api.user("Viewer")
        joined = await viewer.call("POST", "/live/join", {"session_id": started["session"]["id"]})
        for found in (started, joined):
            (entry,) = found["ice_servers"]
            assert entry == {
                "urls": ["turn:t.example"],
                "username": f"1:{found['participant']['id']}",
                "credential": "c",
            }
        socket = await WsClient.open(viewer, started["session"]["id"])
        assert socket.welcome["ice_servers"] == joined["ice_servers"]
        await socket.close()
