"""The table of routes agrees with its handlers, its models and the errors that there are."""

from collections import Counter
from types import NoneType
from typing import get_args, get_type_hints

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from pydantic import BaseModel

from control_api.http.errors import STATUS, errors_as_json
from control_api.http.proxy import PROXIES, TrustedProxies
from control_api.http.rate_limits import RATE_LIMITS, RateLimits
from control_api.http.request_log import API_PATHS
from control_api.http.route_table import PATH_PARAMETERS, Call, Reply, Route, add_routes
from control_api.http.routes import DEV_ROUTES, ROUTES
from control_api.http.routes_bodies import Body, Query
from signaling.errors import LiveError

EVERY = [*ROUTES, *DEV_ROUTES]


@pytest.mark.parametrize("route", EVERY, ids=lambda route: route.name)
def test_an_entry_says_what_its_handler_takes_and_gives(route):
    hints = get_type_hints(route.handler)
    assert hints["call"] == Call[route.body or NoneType, route.query or NoneType]
    given = hints["return"]
    assert route.answer in (given, *get_args(given))


@pytest.mark.parametrize("route", EVERY, ids=lambda route: route.name)
def test_an_entry_is_fit_for_people(route):
    assert route.summary
    assert not route.summary.endswith(".")
    assert set(route.path_parameters) <= set(PATH_PARAMETERS)
    assert set(route.error_codes) <= set(STATUS)
    assert not {code for code, times in Counter(route.errors).items() if times > 1}


def test_no_two_entries_share_a_name_or_an_address():
    assert len({route.name for route in EVERY}) == len(EVERY)
    assert len({(route.method, route.path) for route in EVERY}) == len(EVERY)


def test_what_comes_in_refuses_what_it_does_not_know():
    for route in EVERY:
        for model in (route.body, route.query):
            assert model is None or model.model_config["extra"] == "forbid", route.name
        assert route.body is None or route.body.model_config["strict"], route.name


class Number(Body):
    number: int


class Page(Query):
    page: int = 1


class Doubled(BaseModel):
    doubled: int


async def double(call: Call[Number, Page]) -> Doubled:
    if call.body.number < 0:
        raise LiveError("forbidden")
    return Doubled(doubled=call.body.number * 2 + call.query.page)


async def teapot(call: Call[None, None]) -> Reply[Doubled]:
    return Reply(Doubled(doubled=0), status=418, headers={"Server-Timing": "tea"})


async def text(call: Call[None, None]) -> str:
    return f"<{call.path('id')}>"


async def nothing(call: Call[None, None]) -> None:
    pass


async def impostor(call: Call[None, None]) -> str:
    return call.caller.user_id


@pytest.fixture
async def client():
    app = web.Application(middlewares=[errors_as_json])
    app[PROXIES] = TrustedProxies()
    app[RATE_LIMITS] = RateLimits(enabled=False)
    app[API_PATHS] = frozenset()
    routes = (
        Route("POST", "/double", double, "Double", Doubled, body=Number, query=Page, token=False),
        Route("GET", "/teapot", teapot, "Brew", Doubled, token=False),
        Route(
            "GET", "/text/{id}", text, "Write", str, token=False, content_type="text/plain; charset=utf-8", etag=True
        ),
        Route("DELETE", "/nothing", nothing, "Do nothing", NoneType, status=204, token=False),
        Route("GET", "/impostor", impostor, "Forget the token", str, token=False),
    )
    add_routes(app, routes)
    async with TestClient(TestServer(app)) as client:
        yield client


async def test_body_and_query_reach_the_handler_checked(client):
    async with client.post("/double?page=5", json={"number": 4}) as response:
        assert (response.status, await response.json()) == (200, {"doubled": 13})
    async with client.post("/double?page=5", data='{"number": 4.0}') as response:
        assert (response.status, await response.json()) == (200, {"doubled": 13})
    for query, body in (
        ("", {"number": "4"}),
        ("", {"number": 4.5}),
        ("", {"number": True}),
        ("?page=x", {"number": 4}),
        ("?other=1", {"number": 4}),
    ):
        async with client.post(f"/double{query}", json=body) as response:
            assert (response.status, (await response.json())["error"]["code"]) == (422, "invalid_request")
    async with client.post("/double", json={"number": -1}) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (403, "forbidden")


async def test_a_reply_has_its_own_status_and_headers(client):
    async with client.get("/teapot") as response:
        assert (response.status, response.headers["Server-Timing"]) == (418, "tea")
        assert await response.json() == {"doubled": 0}


async def test_an_answer_may_be_text_or_nothing(client):
    async with client.get("/text/a%20b") as response:
        assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert await response.text() == "<a b>"
    async with client.delete("/nothing") as response:
        assert (response.status, await response.read()) == (204, b"")


async def test_who_has_the_answer_already_is_told_so(client):
    async with client.get("/text/a") as response:
        etag = response.headers["ETag"]
    async with client.get("/text/a", headers={"If-None-Match": etag}) as response:
        assert (response.status, await response.read(), response.headers["ETag"]) == (304, b"", etag)
    async with client.get("/text/b", headers={"If-None-Match": etag}) as response:
        assert (response.status, await response.text()) == (200, "<b>")


async def test_a_route_without_a_token_can_not_ask_for_the_caller(client):
    async with client.get("/impostor") as response:
        assert response.status == 500
