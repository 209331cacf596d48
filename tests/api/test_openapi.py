"""/openapi.json: valid, and neither more nor less than what the server does."""

import aiohttp
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from control_api.http import openapi
from control_api.http.errors import STATUS
from control_api.http.routes import DEV_ROUTES, ROUTES
from tests.api.conftest import serve
from tests.support.api import Api

# What is no part of the REST API: the page's files, and the WebSocket of docs/PROTOCOL.md.
PAGE = {"/", "/docs", "/index.html", "/ui/main.js", "/style.css", "/icon.svg", "/v/{version}/{name}"}
WEBSOCKET = "/ws/live/{session_id}"


@pytest.fixture
async def document(api):
    return await api.call("GET", "/openapi.json")


@pytest.fixture
def built():
    return openapi.document((*ROUTES, *DEV_ROUTES))


def operations(document):
    return {
        (method.upper(), path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


async def test_it_is_valid_openapi_3_1(document):
    validate(document, cls=OpenAPIV31SpecValidator)
    assert document["openapi"].startswith("3.1")


async def test_it_has_every_route_of_the_application_and_nothing_else(served, document):
    routes = {
        (route.method, route.resource.canonical)
        for route in served.runner.app.router.routes()
        if route.method != "HEAD" and route.resource is not None
    }
    api_routes = {(method, path) for method, path in routes if path not in PAGE | {WEBSOCKET}}
    assert api_routes == set(operations(document))


async def test_a_server_with_a_secret_does_not_describe_dev_tokens(database, static_dir):
    async for served in serve(database, static_dir, dev_tokens=False):
        async with Api(served.url) as api:
            document = await api.call("GET", "/openapi.json")
    assert "/auth/dev-token" not in document["paths"]
    assert "DevTokenBody" not in document["components"]["schemas"]


def test_every_operation_tells_its_errors_with_their_status_and_codes(built):
    for route in (*ROUTES, *DEV_ROUTES):
        responses = built["paths"][route.path][route.method.lower()]["responses"]
        for code in route.error_codes:
            response = responses[str(STATUS[code])]
            assert f"`{code}`" in response["description"], (route.path, code)
            assert "application/json" in response["content"]
        assert str(route.status) in responses


def test_waiting_and_signing_in_are_in_the_headers(built):
    responses = built["paths"]["/live/active"]["get"]["responses"]
    assert "WWW-Authenticate" in responses["401"]["headers"]
    assert "Retry-After" in responses["429"]["headers"]
    assert "Retry-After" in responses["503"]["headers"]
    assert "ETag" in built["paths"]["/openapi.json"]["get"]["responses"]["200"]["headers"]


def test_the_lock_is_shut_where_a_token_is_needed(built):
    for route in (*ROUTES, *DEV_ROUTES):
        security = built["paths"][route.path][route.method.lower()]["security"]
        scheme = "operator" if route.operator else "token"
        assert security == ([{scheme: []}] if route.token else []), route.path


def test_no_query_parameter_is_null(built):
    for operation in operations(built).values():
        for parameter in operation.get("parameters", ()):
            assert "null" not in str(parameter["schema"]), parameter["name"]
            assert parameter["schema"].get("default", "") is not None


def test_every_schema_is_used(built):
    text = str(built)
    for name in built["components"]["schemas"]:
        assert f"'#/components/schemas/{name}'" in text, name


def test_every_topic_and_every_word_of_a_path_is_explained(built):
    topics = {tag["name"]: tag["description"] for tag in built["tags"]}
    for operation in operations(built).values():
        assert all(topics[tag] for tag in operation["tags"])
        assert all(
            parameter["description"] for parameter in operation.get("parameters", ()) if parameter["in"] == "path"
        )


async def test_who_has_it_already_is_told_so(served):
    async with aiohttp.ClientSession(served.url) as http:
        async with http.get("/openapi.json") as response:
            assert response.content_type == "application/json"
            etag = response.headers["ETag"]
        async with http.get("/openapi.json", headers={"If-None-Match": etag}) as response:
            assert response.status == 304
