"""Every route of docs/API.md: what it gives, and how it refuses."""

import json
import re
import uuid
import zlib
from pathlib import Path

import aiohttp
import jwt
import pytest

from control_api.http.errors import STATUS
from control_api.http.routes import DEV_ROUTES, ROUTES
from control_api.http.routes_bodies import Readiness
from tests.api.conftest import SECRET, serve
from tests.support.api import Api, refused

API = (Path(__file__).parents[2] / "docs" / "API.md").read_text()
SESSION = {
    *("id", "title", "description", "session_type", "status", "started_at", "ended_at", "end_reason"),
    *("host_user_id", "host_name", "settings", "viewer_count", "guest_count"),
}
PARTICIPANT = {
    *("id", "user_id", "name", "role", "connected", "joined_at", "audio_muted", "video_muted"),
    *("audio_locked", "video_locked", "chat_silenced", "sources"),
}


# The happy path of every route


async def test_start_with_defaults(host):
    answer = await host.call("POST", "/live/start", {"title": "  My show  "})
    assert set(answer) == {"session", "participant", "ice_servers", "ws_path"}
    assert set(answer["session"]) == SESSION
    assert set(answer["participant"]) == PARTICIPANT
    assert answer["session"]["title"] == "My show"
    assert answer["participant"]["role"] == "host"
    assert answer["ws_path"] == f"/ws/live/{answer['session']['id']}"
    assert answer["session"]["settings"] == {
        "max_participants": 1000,
        "allow_guests": True,
        "require_approval": True,
        "max_guests": 20,
        "enable_chat": True,
        "enable_gifts": False,
        "guest_audio_default": True,
        "guest_video_default": True,
        "slow_mode_s": 0,
        "locked": False,
    }


async def test_start_with_everything(host):
    settings = {
        "max_participants": 7,
        "allow_guests": False,
        "require_approval": False,
        "max_guests": 3,
        "enable_chat": False,
        "enable_gifts": True,
        "guest_audio_default": False,
        "guest_video_default": False,
        "slow_mode_s": 30,
        "locked": True,
    }
    session = await host.start("T", description="D", session_type="audio", **settings)
    assert session["settings"] == settings
    stored = await host.session(session["id"])
    assert (stored["description"], stored["session_type"], stored["settings"]) == ("D", "audio", settings)


async def test_a_session_from_start_to_end(api, host, viewer):
    session = await host.start()
    assert [s["id"] for s in await viewer.active()] == [session["id"]]
    participant = await viewer.join(session["id"])
    assert [p["name"] for p in await host.participants(session["id"])] == [host.name, viewer.name]
    assert [p["name"] for p in await viewer.participants(session["id"])] == [host.name]
    request = await viewer.request_guest(session["id"], "me")
    pending = await host.call("GET", f"/live/sessions/{session['id']}/guest-requests")
    assert pending == {"guest_requests": [request]}
    assert (await host.respond(session["id"], request["id"], True))["status"] == "approved"
    assert (await host.manage(session["id"], participant["id"], "mute_audio"))["audio_locked"]
    assert (await host.manage(session["id"], participant["id"], "promote"))["role"] == "cohost"
    assert (await viewer.session(session["id"]))["guest_count"] == 1
    await viewer.leave(session["id"])
    ended = await host.end(session["id"])
    assert (ended["status"], ended["end_reason"]) == ("ended", "ended_by_host")
    assert await viewer.active() == []
    assert (await viewer.session(session["id"]))["status"] == "ended"


async def test_create_and_request_answer_201(served, host, viewer):
    headers = {"Authorization": f"bearer {host.token}"}
    async with aiohttp.ClientSession(served.url) as http:
        async with http.post("/live/start", json={"title": "T"}, headers=headers) as response:
            assert response.status == 201
            session_id = (await response.json())["session"]["id"]
        await viewer.join(session_id)
        headers = {"Authorization": f"Bearer {viewer.token}"}
        body = {"session_id": session_id}
        async with http.post("/live/request-guest", json=body, headers=headers) as response:
            assert response.status == 201


async def test_active_is_paged(api, host, viewer):
    first = await host.start("first")
    second = await viewer.start("second")
    page = await api.call("GET", "/live/active?limit=1", token=host.token)
    assert [s["id"] for s in page["sessions"]] == [second["id"]]
    page = await api.call("GET", f"/live/active?limit=1&cursor={page['next_cursor']}", token=host.token)
    assert [s["id"] for s in page["sessions"]] == [first["id"]]
    assert page["next_cursor"] is None
    page = await api.call("GET", "/live/active", token=host.token)
    assert [s["id"] for s in page["sessions"]] == [second["id"], first["id"]]


async def test_healthz(served, api):
    served.health.report = Readiness(status="unavailable", database="unavailable", migrations="ok", workers="ok")
    assert await api.healthz() == {"status": "ok", "workers": []}
    async with api.http.get(f"{served.url}/readyz") as response:
        assert response.status == 503
        assert (await response.json())["database"] == "unavailable"


async def test_a_dev_token_is_a_token(api):
    answer = await api.call("POST", "/auth/dev-token", {"name": "  Ana "})
    assert answer["name"] == "Ana"
    claims = jwt.decode(answer["token"], SECRET, algorithms=["HS256"])
    assert claims["sub"] == answer["user_id"]


async def test_no_dev_token_for_a_foreign_name_that_leads_here(served):
    async with aiohttp.ClientSession() as session:
        headers = {"Host": "attacker.example"}
        async with session.post(f"{served.url}/auth/dev-token", json={"name": "Ana"}, headers=headers) as response:
            assert response.status == 403
            assert (await response.json())["error"]["code"] == "forbidden"


async def test_no_dev_tokens_where_a_secret_is_configured(database, static_dir):
    async for served in serve(database, static_dir, dev_tokens=False):
        async with Api(served.url) as api:
            with refused(404, "not_found"):
                await api.call("POST", "/auth/dev-token", {"name": "Ana"})


# Refusals

EVERY = [(route.method, re.sub(r"\{\w+\}", str(uuid.uuid4()), route.path)) for route in ROUTES if route.token]


async def test_no_route_without_a_token(api):
    for method, path in EVERY:
        with refused(401, "token_missing"):
            await api.call(method, path, {} if method == "POST" else None)


async def test_bad_tokens(api, host):
    def signed(claims, secret=SECRET, algorithm="HS256"):
        return jwt.encode(claims, secret, algorithm=algorithm)

    expired = signed({"sub": "u", "exp": 1})
    foreign = signed({"sub": "u"}, b"another secret that is long enough, really")
    unsigned = jwt.encode({"sub": "u"}, None, algorithm="none")
    for token, code in [(expired, "token_expired")] + [
        (token, "token_invalid")
        for token in (foreign, unsigned, "x", "a.b.c", host.token[:-3], "x" * 8000, signed({"name": "no sub"}))
    ]:
        with refused(401, code):
            await api.call("GET", "/live/active", token=token)


async def test_a_401_names_the_scheme_and_a_token_in_the_query_counts_nothing(served, host):
    async with aiohttp.ClientSession(served.url) as http:
        for headers in ({}, {"Authorization": f"Basic {host.token}"}, {"Authorization": host.token}):
            async with http.get(f"/live/active?token={host.token}", headers=headers) as response:
                assert response.status == 401
                assert response.headers["WWW-Authenticate"] == "Bearer"


POSTS = [route.path for route in (*ROUTES, *DEV_ROUTES) if route.method == "POST" and not route.operator]


NO_OBJECTS = (b"", b"{", b"[]", b"7", b"null", b"\xff\xfe", b'{"a": NaN}', b"[" * 50_000)


@pytest.mark.parametrize("path", POSTS)
async def test_bodies_that_are_no_json_object(served, host, path):
    headers = {"Authorization": f"Bearer {host.token}"}
    async with aiohttp.ClientSession(served.url) as http:
        for body in NO_OBJECTS:
            async with http.post(path, data=body, headers=headers) as response:
                assert response.status == 400, body[:20]
                assert (await response.json())["error"]["code"] == "invalid_json"


VALID = {
    "/live/start": {"title": "T"},
    "/live/join": {"session_id": "s"},
    "/live/leave": {"session_id": "s"},
    "/live/end": {"session_id": "s"},
    "/live/request-guest": {"session_id": "s"},
    "/live/respond-guest-request": {"session_id": "s", "request_id": "r", "approve": True},
    "/live/manage-participant": {"session_id": "s", "participant_id": "p", "action": "kick"},
    "/live/cancel-request": {"session_id": "s"},
    "/live/respond-all": {"session_id": "s", "approve": True},
    "/live/clear-requests": {"session_id": "s"},
    "/live/invite-guest": {"session_id": "s", "participant_id": "p"},
    "/live/cancel-invitation": {"session_id": "s", "request_id": "r"},
    "/live/respond-invitation": {"session_id": "s", "request_id": "r", "accept": True},
    "/live/ban": {"session_id": "s", "user_id": "u"},
    "/live/unban": {"session_id": "s", "user_id": "u"},
    "/live/mute-all": {"session_id": "s"},
    "/live/send-message": {"session_id": "s", "text": "Hi"},
    "/live/react": {"session_id": "s", "type": "heart"},
    "/live/send-gift": {"session_id": "s", "gift_id": "rose", "key": "k"},
    "/live/join-token": {"session_id": "s"},
    "/auth/dev-token": {"name": "Ana"},
    "/client-errors": {"kind": "error", "message": "oops"},
}


@pytest.mark.parametrize("path", POSTS)
async def test_missing_and_unknown_members_are_named(host, path):
    with refused(422, "invalid_request") as failure:
        await host.call("POST", path, {})
    missing = next(iter(VALID[path]))
    assert missing in [detail["field"] for detail in failure.value.details]
    with refused(422, "invalid_request") as failure:
        await host.call("POST", path, VALID[path] | {"surprise": "x"})
    assert [detail["field"] for detail in failure.value.details] == ["surprise"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"title": ""},
        {"title": "   "},
        {"title": "x" * 201},
        {"title": "nul\x00"},
        {"title": 5},
        {"description": "x" * 2001},
        {"session_type": "hologram"},
        {"max_participants": 0},
        {"max_participants": 100_001},
        {"max_participants": "5"},
        {"max_participants": True},
        {"max_guests": 0},
        {"max_guests": 21},
        {"max_guests": 1.5},
        {"allow_guests": "yes"},
        {"guest_audio_default": 1},
        {"max_participants": 10**400},
    ],
)
async def test_start_checks_its_members(host, wrong):
    with refused(422, "invalid_request") as failure:
        await host.call("POST", "/live/start", {"title": "T"} | wrong)
    assert failure.value.details[0]["field"] == next(iter(wrong))


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "offset=1", "order=name", "cursor=x", "page=2"])
async def test_active_checks_its_query(host, query):
    with refused(422, "invalid_request"):
        await host.call("GET", f"/live/active?{query}")


@pytest.mark.parametrize(
    "session_id", ["7be5d82e-39e9-4a63-8b69-c32212995e1f", "nonsense", "%00", "'; drop table", "x" * 64]
)
async def test_unknown_sessions(host, session_id):
    for path in ("", "/participants", "/guest-requests"):
        with refused(404, "session_not_found"):
            await host.call("GET", f"/live/sessions/{session_id}{path}")
    for path, body in VALID.items():
        if "session_id" in body:
            with refused(404, "session_not_found"):
                await host.call("POST", path, body | {"session_id": session_id})


async def test_actions_above_ones_role(api, host, viewer):
    session = await host.start()
    other = await api.user("Otto")
    participant = await other.join(session["id"])
    with refused(409, "not_joined"):
        await viewer.participants(session["id"])
    await viewer.join(session["id"])
    with refused(403, "forbidden"):
        await viewer.end(session["id"])
    with refused(403, "forbidden"):
        await viewer.manage(session["id"], participant["id"], "kick")
    with refused(403, "forbidden"):
        await viewer.call("GET", f"/live/sessions/{session['id']}/guest-requests")
    with refused(403, "forbidden"):
        await host.leave(session["id"])
    with refused(404, "participant_not_found"):
        await host.manage(session["id"], str(uuid.uuid4()), "kick")
    with refused(404, "request_not_found"):
        await host.respond(session["id"], str(uuid.uuid4()), True)
    with refused(409, "already_live") as failure:
        await host.start()
    assert failure.value.details == {"session_id": session["id"]}


async def test_kicked_with_the_old_token_and_a_new_one(served, host, viewer):
    session = await host.start()
    participant = await viewer.join(session["id"])
    await host.manage(session["id"], participant["id"], "kick")
    for token in (viewer.token, served.authenticator.issue("Another name", viewer.user_id)):
        viewer.token = token
        with refused(403, "kicked"):
            await viewer.join(session["id"])


async def test_an_ended_session(host, viewer):
    session = await host.start()
    await host.end(session["id"])
    with refused(410, "session_ended"):
        await viewer.join(session["id"])
    with refused(410, "session_ended"):
        await host.end(session["id"])


async def test_the_stage_is_full(api, host):
    session = await host.start(max_guests=1, require_approval=False)
    first, second = await api.user("A"), await api.user("B")
    for user in (first, second):
        await user.join(session["id"])
    assert (await first.request_guest(session["id"]))["status"] == "approved"
    with refused(409, "stage_full"):
        await second.request_guest(session["id"])


async def test_a_full_session_and_roles_that_do_not_fit(api, host, viewer):
    session = await host.start(max_participants=2, require_approval=False)
    participant = await viewer.join(session["id"])
    with refused(409, "session_full"):
        await (await api.user("Late")).join(session["id"])
    with refused(409, "not_a_guest"):
        await host.manage(session["id"], participant["id"], "remove_guest")
    with refused(409, "wrong_role"):
        await host.manage(session["id"], participant["id"], "promote")
    await viewer.request_guest(session["id"])
    with refused(409, "wrong_role"):
        await host.manage(session["id"], participant["id"], "demote")


async def test_routes_and_methods_that_are_not_there(served, api, host):
    with refused(404, "not_found"):
        await host.call("GET", "/live/nothing")
    with refused(405, "method_not_allowed"):
        await host.call("GET", "/live/start")
    async with api.http.get(f"{served.url}/live/start") as response:
        assert response.headers["Allow"] == "POST"


async def test_a_body_that_is_too_large(host):
    with refused(413, "body_too_large"):
        await host.call("POST", "/live/start", {"title": "T", "description": "x" * 70_000})


async def test_a_compressed_body_is_none(served, host):
    """So what looks small can't become large."""
    bomb = zlib.compress(b'{"title": "' + b"x" * 10_000_000 + b'"}')
    headers = {"Authorization": f"Bearer {host.token}", "Content-Encoding": "deflate"}
    async with (
        aiohttp.ClientSession(served.url) as http,
        http.post("/live/start", data=bomb, headers=headers) as response,
    ):
        assert (response.status, (await response.json())["error"]["code"]) == (400, "invalid_json")


async def test_a_database_that_is_away(served, host):
    session = await host.start()
    await served.database.close()
    with refused(503, "database_unavailable"):
        await host.call("GET", "/live/active")
    with refused(503, "database_unavailable"):
        await host.end(session["id"])
    headers = {"Authorization": f"Bearer {host.token}"}
    async with aiohttp.ClientSession(served.url) as http, http.get("/live/active", headers=headers) as response:
        assert response.headers["Retry-After"] == "1"


async def test_a_defect_is_logged_and_not_told(served, host, monkeypatch, caplog):
    async def broken(*_):
        raise RuntimeError("secret detail")

    monkeypatch.setattr(served.service, "list_active", broken)
    with refused(500, "internal_error") as failure:
        await host.call("GET", "/live/active")
    assert "secret" not in str(failure.value)
    assert "secret detail" in caplog.text
    assert host.token not in caplog.text


# CORS


async def test_pages_of_allowed_origins_may_call(served, host):
    headers = {"Origin": "https://friend.example", "Authorization": f"Bearer {host.token}"}
    preflight = {"Origin": "https://friend.example", "Access-Control-Request-Method": "POST"}
    async with aiohttp.ClientSession(served.url) as http:
        async with http.options("/live/start", headers=preflight) as response:
            assert response.status == 204
            assert "Authorization" in response.headers["Access-Control-Allow-Headers"]
        for path, status in (("/live/active", 200), ("/live/nothing", 404)):
            async with http.get(path, headers=headers) as response:
                assert response.status == status
                assert response.headers["Access-Control-Allow-Origin"] == "https://friend.example"
                assert response.headers["Vary"] == "Origin"


async def test_pages_of_allowed_origins_may_import_the_library(served):
    async with aiohttp.ClientSession(served.url) as http:
        async with http.get("/ui/main.js", headers={"Origin": "https://friend.example"}) as response:
            assert response.status == 200
            assert response.headers["Access-Control-Allow-Origin"] == "https://friend.example"
        async with http.get("/ui/main.js") as response:
            # What is kept of the own page is no answer for other pages.
            assert "Origin" in response.headers.getall("Vary")
            assert "Access-Control-Allow-Origin" not in response.headers


async def test_pages_of_other_origins_may_not_read(served, host):
    for origin in ("https://evil.example", "null", "https://friend.example.evil.example"):
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        async with aiohttp.ClientSession(served.url) as http:
            async with http.options("/live/start", headers=headers) as response:
                assert response.status == 405
                assert "Access-Control-Allow-Origin" not in response.headers
            async with http.get("/healthz", headers=headers) as response:
                assert "Access-Control-Allow-Origin" not in response.headers


# The page of the API


def test_the_document_has_every_route():
    for route in (*ROUTES, *DEV_ROUTES):
        assert f"`{route.method} {route.path}" in API, route.path


def test_the_document_has_every_code_with_its_status():
    rows = re.findall(r"^\| (\d{3}|-) \| ((?:`[a-z_]+`(?:, )?)+)", API, re.MULTILINE)
    documented = {code: status for status, codes in rows for code in re.findall(r"`([a-z_]+)`", codes)}
    assert set(documented) == set(STATUS)
    for code, status in documented.items():
        assert status in ("-", str(STATUS[code])), code


async def test_every_answer_is_json_that_nobody_caches(served, host):
    headers = {"Authorization": f"Bearer {host.token}"}
    async with aiohttp.ClientSession(served.url) as http:
        for path in ("/live/active", "/live/nothing", "/healthz"):
            # What has an ETag is kept by its reader, for whom it was made, and asked for again each time.
            caching = "private, no-cache" if path == "/live/active" else "no-store"
            async with http.get(path, headers=headers) as response:
                assert response.content_type == "application/json"
                assert response.headers["Cache-Control"] == caching
                assert response.headers["X-Content-Type-Options"] == "nosniff"
                json.loads(await response.text())


async def test_counts_reach_the_list(host, viewer):
    session = await host.start()
    await viewer.join(session["id"])
    assert [s["viewer_count"] for s in await host.active()] == [1]
