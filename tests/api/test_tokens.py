"""Who gets in with which token, over real sockets: issuers with keys of their own, join tokens, and the end of both."""

import json
import logging
import uuid
from contextlib import asynccontextmanager

import aiohttp
import pytest

from control_api.http.routes import ROUTES
from control_api.tokens.auth import Authenticator, TokenRules
from control_api.tokens.jwks import JwksSource, JwksTimings
from signaling.ports import Identity
from tests.api.conftest import SECRET, serve
from tests.support.api import Api, ApiError, User, refused
from tests.support.issuer import Issuer, account, ec_key, jwk, rsa_key, sign
from tests.support.waiting import until
from tests.support.ws import ProtocolError, SocketClosed, WsClient, refused_hello


@pytest.fixture
async def session(host):
    return (await host.start())["id"]


async def join_token(user, session_id, **wish):
    """The bearer of a new join token."""
    answer = await user.call("POST", "/live/join-token", {"session_id": session_id, **wish})
    return User(user.api, answer["token"], answer["user_id"], answer["name"])


# Join tokens


async def test_somebody_without_an_account_is_let_in(host, session):
    answer = await host.call("POST", "/live/join-token", {"session_id": session, "name": " Bob  B. "})
    assert set(answer) == {"token", "session_id", "user_id", "name", "expires_at", "ws_path"}
    assert (answer["session_id"], answer["name"], answer["ws_path"]) == (session, "Bob B.", f"/ws/live/{session}")
    bob = User(host.api, answer["token"], answer["user_id"], answer["name"])
    socket = await WsClient.open(bob, session)
    assert socket.welcome["you"]["role"] == "viewer"
    assert socket.welcome["you"]["name"] == "Bob B."
    assert socket.welcome["you"]["user_id"] == bob.user_id
    request = await bob.request_guest(session)
    await host.respond(session, request["id"], True)
    assert [p["role"] for p in await bob.participants(session)] == ["host", "guest"]
    assert (await bob.session(session))["id"] == session
    await bob.leave(session)
    assert await socket.wait_closed() == 1000


async def test_for_oneself(viewer, session):
    confined = await join_token(viewer, session)
    assert (confined.user_id, confined.name) == (viewer.user_id, viewer.name)
    socket = await WsClient.open(confined, session)
    assert socket.welcome["you"]["user_id"] == viewer.user_id
    await socket.close()


async def test_refusals(host, viewer, session):
    with refused(403, "forbidden"):
        await viewer.join(session)
        await join_token(viewer, session, name="Bob")
    with refused(404, "session_not_found"):
        await join_token(host, str(uuid.uuid4()))
    for wish in ({"user_id": "a\0b"}, {"user_id": ""}, {"name": " "}, {"name": "x" * 81}, {"role": "host"}, {"ttl": 9}):
        with refused(422, "invalid_request"):
            await join_token(host, session, **wish)
    with refused(422, "invalid_request"):
        await join_token(host, session, user_id=host.user_id, name="Somebody else")
    with refused(401, "token_missing"):
        await host.api.call("POST", "/live/join-token", {"session_id": session})


async def test_a_cohost_can_not_become_the_host(api, host, session):
    cohost = await api.user("Carla")
    participant = await cohost.join(session)
    request = await cohost.request_guest(session)
    await host.respond(session, request["id"], True)
    await host.manage(session, participant["id"], "promote")
    impostor = await join_token(cohost, session, user_id=host.user_id, name=host.name)
    assert impostor.user_id != host.user_id
    await impostor.join(session)
    with refused(403, "forbidden"):
        await impostor.end(session)


def sample(schema, definitions, session_id):
    """Something that fits a JSON schema, as far as bodies here go."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    if "properties" in schema:
        wanted = schema.get("required", [])
        content = {name: sample(schema["properties"][name], definitions, session_id) for name in wanted}
        return {**content, "session_id": session_id} if "session_id" in content else content
    if "enum" in schema or "const" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    return {"boolean": True, "integer": 1, "number": 1.0, "array": [], "object": {}}.get(schema.get("type"), "x")


async def test_it_opens_no_route_of_another_session_and_none_without_one(api, host, session, served):
    """Every route with a token, present and future: one that is not confined has to be thought about here."""
    bob = await join_token(host, session, user_id="bob")
    await bob.join(session)
    other = await (await api.user("Olga")).start()
    refused_routes = set()
    for route in ROUTES:
        if not route.token:
            continue
        body = None
        if route.body is not None:
            schema = route.body.model_json_schema()
            body = sample(schema, schema.get("$defs", {}), other["id"])
        path = route.path
        for name in route.path_parameters:
            path = path.replace(f"{{{name}}}", other["id"] if name == "id" else "x")
        with pytest.raises(ApiError) as failure:
            await bob.call(route.method, path, body)
        if failure.value.status != 422:  # a body that `sample` did not get right never reaches the verb
            expected = (401, "token_invalid") if route.operator else (403, "forbidden")
            assert (failure.value.status, failure.value.code) == expected, route.path
            refused_routes.add(f"{route.method} {route.path}")
    assert {
        *("POST /live/start", "GET /live/active", "POST /live/join", "POST /live/leave", "POST /live/end"),
        *("GET /live/sessions/{id}", "GET /live/sessions/{id}/participants", "POST /live/manage-participant"),
        *("GET /live/sessions/{id}/guest-requests", "POST /live/request-guest", "POST /live/join-token"),
    } <= refused_routes
    assert await refused_hello(bob, other["id"]) == ("forbidden", 4401)
    assert (await bob.session(session))["viewer_count"] == 1


async def test_a_bearer_stays_as_long_as_they_are_in(host, session):
    """A link dies with its minutes; who came in with it gets new tokens for themselves."""
    bob = await join_token(host, session, user_id="bob")
    with refused(409, "not_joined"):
        await join_token(bob, session)
    socket = await WsClient.open(bob, session)
    again = await join_token(bob, session)
    assert again.user_id == bob.user_id
    with refused(403, "forbidden"):
        await join_token(bob, session, name="A friend")
    await socket.close()


async def test_an_open_socket_outlives_its_token_and_nothing_else_does(served, host, session):
    served.authenticator.__init__(SECRET, rules=TokenRules(leeway_s=0), join_ttl_s=1)
    bob = await join_token(host, session, user_id="bob")
    socket = await WsClient.open(bob, session)

    async def expired():
        async with host.api.http.get(
            f"{served.url}/live/sessions/{session}", headers={"Authorization": f"Bearer {bob.token}"}
        ) as response:
            return response.status == 401 and (await response.json())["error"]["code"] == "token_expired"

    await until(expired, "the end of the token's second")
    assert (await socket.request("ping"))["type"] == "pong"
    assert await refused_hello(bob, session, resume=socket.resume_token) == ("token_expired", 4401)
    assert (await socket.request("ping"))["type"] == "pong"
    await socket.close()


# Revocation


@pytest.mark.parametrize("kind", ["account", "own join token", "invited"])
async def test_the_token_of_somebody_who_was_kicked(host, viewer, session, kind):
    if kind != "account":
        grantor, wish = (viewer, {}) if kind == "own join token" else (host, {"user_id": "bob"})
        viewer = await join_token(grantor, session, **wish)
    socket = await WsClient.open(viewer, session)
    await host.manage(session, socket.participant_id, "kick")
    assert await socket.wait_closed() == 4403
    assert await refused_hello(viewer, session) == ("kicked", 4403)
    assert await refused_hello(viewer, session, resume=socket.resume_token) == ("kicked", 4403)
    for verb in (viewer.join, viewer.leave, viewer.participants, viewer.request_guest, viewer.end):
        with refused(403, "kicked"):
            await verb(session)
    with refused(403, "kicked"):
        await join_token(viewer, session)
    if kind != "account":
        with refused(403, "kicked"):
            await viewer.session(session)


async def test_a_join_token_after_the_end(host, viewer, session):
    bob, vera = await join_token(host, session, user_id="bob"), await join_token(viewer, session)
    unused = await join_token(host, session, user_id="unused")
    sockets = [await WsClient.open(bearer, session) for bearer in (bob, vera)]
    await host.end(session)
    for socket in sockets:
        assert await socket.wait_closed() == 4410
    for bearer in (bob, vera, unused):
        assert await refused_hello(bearer, session) == ("session_ended", 4410)
        for verb in (bearer.join, bearer.leave, bearer.participants, bearer.session, bearer.request_guest):
            with refused(410, "session_ended"):
                await verb(session)
    with refused(410, "session_ended"):
        await join_token(host, session)


async def test_a_join_token_of_another_server(host, session):
    token, _ = Authenticator(b"another secret, of another server, 32 bytes").issue_join_token(
        Identity(user_id="invited:bob", name="Bob", session_id=session)
    )
    stranger = User(host.api, token, "invited:bob", "Bob")
    with refused(401, "token_invalid"):
        await stranger.join(session)
    assert await refused_hello(stranger, session) == ("token_invalid", 4401)


# Other issuers


@asynccontextmanager
async def served_for(issuer, database, static_dir):
    """A server that takes an issuer's tokens, and a client of it."""
    source = JwksSource(issuer.url, JwksTimings(timeout_s=1, unknown_kid_burst=20))
    await source.open()
    authenticator = Authenticator(SECRET, source, TokenRules(audience="live", issuer="https://id.example/"))
    try:
        async for server in serve(database, static_dir, dev_tokens=False, authenticator=authenticator):
            async with Api(server.url) as api:
                yield api
    finally:
        await source.close()


def user_of(api, name, key, kid, **claims):
    token = sign(account(f"auth0|{name}", name=name, aud="live", iss="https://id.example/", **claims), key, kid=kid)
    return User(api, token, f"auth0|{name}", name)


async def test_tokens_of_an_issuer_its_rotation_and_its_absence(database, static_dir, caplog):
    caplog.set_level(logging.DEBUG)
    async with Issuer(jwk(rsa_key(), "old")) as issuer, served_for(issuer, database, static_dir) as api:
        host = user_of(api, "Hana", rsa_key(), "old")
        session = (await host.start())["id"]
        assert (await host.session(session))["host_name"] == "Hana"

        issuer.publish(jwk(ec_key(), "new"))
        viewer = user_of(api, "Vera", ec_key(), "new")
        socket = await WsClient.open(viewer, session)
        assert socket.welcome["you"]["user_id"] == "auth0|Vera"
        assert issuer.requests == 2
        with refused(401, "token_invalid"):
            await host.session(session)

        await issuer.leave()
        assert (await viewer.session(session))["id"] == session
        late = user_of(api, "Lea", ec_key("newer"), "newer")
        headers = {"Authorization": f"Bearer {late.token}"}
        async with api.http.get(f"{api.base_url}/live/active", headers=headers) as response:
            assert response.status == 503
            assert int(response.headers["Retry-After"]) >= 1
            assert (await response.json())["error"]["code"] == "issuer_unavailable"
        waiting = await WsClient.connect(late, session)
        with pytest.raises(ProtocolError, match="issuer_unavailable"):
            await waiting.request("hello", protocol=1, token=late.token)
        await issuer.come_back()
        issuer.publish(jwk(ec_key(), "new"), jwk(ec_key("newer"), "newer"))
        welcome = await waiting.request("hello", protocol=1, token=late.token)
        assert welcome["you"]["user_id"] == "auth0|Lea"
        await waiting.close()
        await socket.close()
        for user in (host, viewer, late):
            assert user.token not in caplog.text
            assert user.token.split(".")[2] not in caplog.text
    assert SECRET.decode() not in caplog.text


async def test_what_an_issuer_s_server_does_not_take(database, static_dir):
    async with Issuer(jwk(rsa_key(), "r")) as issuer, served_for(issuer, database, static_dir) as api:
        host = user_of(api, "Hana", rsa_key(), "r")
        session = (await host.start())["id"]
        bad = {
            "the server's own secret": sign(account(aud="live", iss="https://id.example/"), SECRET, kid="r"),
            "another audience": user_of(api, "Hana", rsa_key(), "r", nonce="x").token[:-6] + "AAAAAA",
            "another key": user_of(api, "Hana", rsa_key("mine"), "r").token,
            "without audience": sign(account(iss="https://id.example/"), rsa_key(), kid="r"),
        }
        for name, token in bad.items():
            stranger = User(api, token, "", name)
            with refused(401, "token_invalid"):
                await stranger.session(session)
            assert await refused_hello(stranger, session) == ("token_invalid", 4401), name
        with refused(404, "not_found"):
            await api.call("POST", "/auth/dev-token", {"name": "Ana"})
        bob = await join_token(host, session, user_id="bob")
        await (await WsClient.open(bob, session)).close()
        assert issuer.requests == 1


async def test_no_answer_or_log_shows_a_token(host, session, caplog, served):
    caplog.set_level(logging.DEBUG)
    bob = await join_token(host, session, user_id="bob")
    tampered = bob.token[:-6] + "AAAAAA"
    for token in (bob.token, tampered):
        for path in ("/live/active", f"/live/sessions/{session}", "/live/nothing", f"/live/sessions/{uuid.uuid4()}"):
            headers = {"Authorization": f"Bearer {token}"}
            async with host.api.http.get(served.url + path, headers=headers) as response:
                text = await response.text() + json.dumps(dict(response.headers))
            assert token not in text
            assert "invited:bob" not in text or path == f"/live/sessions/{session}"
    with pytest.raises((ProtocolError, SocketClosed)):
        await WsClient.open(User(host.api, tampered, "", ""), session)
    assert bob.token not in caplog.text
    assert tampered not in caplog.text


async def test_headers_that_are_no_bearer_tokens(served, host):
    for value, code in {
        "": "token_missing",
        "Bearer": "token_missing",
        "Bearer ": "token_missing",
        f"Basic {host.token}": "token_missing",
        host.token: "token_missing",
        f"Bearer {host.token} {host.token}": "token_invalid",
        f"Bearer {'x' * 8000}": "token_invalid",
        "Bearer é": "token_invalid",
    }.items():
        async with (
            aiohttp.ClientSession(served.url) as http,
            http.get("/live/active", headers={"Authorization": value}) as response,
        ):
            assert response.status == 401
            assert response.headers["WWW-Authenticate"] == "Bearer"
            assert (await response.json())["error"]["code"] == code
