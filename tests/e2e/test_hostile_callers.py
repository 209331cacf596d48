"""Callers without a right to what they ask for, beside a room that must not notice."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import jwt
import pytest

from control_api.tokens.auth import load_or_create_secret
from tests.support import sdp
from tests.support.api import ApiError, User
from tests.support.crew import Crew
from tests.support.raw_transport import RawTransport
from tests.support.server import Server
from tests.support.waiting import until
from tests.support.ws import ProtocolError, WsClient, refused_hello

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(120),
    pytest.mark.usefixtures("control_room"),
]


def tokens(server: Server) -> dict[str, tuple[str | None, str]]:
    """Token and expected error, by what is wrong with it."""
    secret = load_or_create_secret(server.data_dir)
    claims = {"sub": "somebody", "name": "Somebody", "exp": int(time.time()) + 3600}
    good = jwt.encode(claims, secret, algorithm="HS256")
    header, payload, signature = good.split(".")
    return {
        "missing": (None, "token_missing"),
        "garbage": ("abc", "token_invalid"),
        "foreign": (jwt.encode(claims, b"x" * 32, algorithm="HS256"), "token_invalid"),
        "expired": (jwt.encode(claims | {"exp": 1_000_000}, secret, algorithm="HS256"), "token_expired"),
        "unsigned": (jwt.encode(claims, "", algorithm="none"), "token_invalid"),
        "other algorithm": (jwt.encode(claims, secret * 2, algorithm="HS512"), "token_invalid"),
        "altered": (f"{header}.{payload[:-2]}AA.{signature}", "token_invalid"),
        "without subject": (jwt.encode({"exp": claims["exp"]}, secret, algorithm="HS256"), "token_invalid"),
    }


TOKEN_KINDS = (
    "missing", "garbage", "foreign", "expired", "unsigned", "other algorithm", "altered", "without subject"
)  # fmt: skip


@pytest.mark.parametrize("kind", TOKEN_KINDS)
async def test_bad_tokens(crew: Crew, server: Server, kind: str) -> None:
    token, code = tokens(server)[kind]
    _, session_id = await crew.live()
    with pytest.raises(ApiError) as refused:
        await crew.api.call("POST", "/live/join", {"session_id": session_id}, token)
    assert (refused.value.status, refused.value.code) == (401, code)
    impostor = User(crew.api, token or "", "", "")
    assert await refused_hello(impostor, session_id) == (code, 4401)


async def test_a_token_of_a_hundred_kilobytes(crew: Crew) -> None:
    _, session_id = await crew.live()
    client = await WsClient.connect(await crew.user("Wordy"), session_id)
    with pytest.raises(ProtocolError) as refused:
        await client.request("hello", protocol=1, token="a" * 100_000)
    assert refused.value.code in ("invalid_request", "token_invalid")
    await client.close()


async def test_the_check_for_bad_tokens_accepts_a_good_one(crew: Crew, server: Server) -> None:
    claims = {"sub": "somebody", "name": "Somebody", "exp": int(time.time()) + 3600}
    token = jwt.encode(claims, load_or_create_secret(server.data_dir), algorithm="HS256")
    _, session_id = await crew.live()
    await User(crew.api, token, "somebody", "Somebody").join(session_id)


UNKNOWN_SESSION = "00000000-0000-4000-8000-000000000000"


@pytest.mark.parametrize("session_id", [UNKNOWN_SESSION, "nonsense", "'; drop table live_sessions; --", "x" * 500])
async def test_unknown_sessions(crew: Crew, session_id: str) -> None:
    user = await crew.user("Lost")
    attempts: list[Callable[[], Awaitable[Any]]] = [
        lambda: user.join(session_id),
        lambda: user.leave(session_id),
        lambda: user.end(session_id),
        lambda: user.request_guest(session_id),
    ]
    for attempt in attempts:
        with pytest.raises(ApiError) as refused:
            await attempt()
        assert (refused.value.status, refused.value.code) in ((404, "session_not_found"), (422, "invalid_request"))
    if session_id in (UNKNOWN_SESSION, "nonsense"):
        with pytest.raises(ApiError) as refused:
            await user.session(session_id)
        assert (refused.value.status, refused.value.code) == (404, "session_not_found")
        assert await refused_hello(user, session_id) == ("session_not_found", 4404)


async def test_actions_above_ones_role(crew: Crew) -> None:
    host, session_id = await crew.live()
    people = {role: await crew.user(role) for role in ("cohost", "guest", "viewer", "asking")}
    ids = {role: (await user.join(session_id))["id"] for role, user in people.items()}
    outsider = await crew.user("outsider")
    for role in ("cohost", "guest"):
        await crew.bring_on_stage(host, people[role], session_id)
    await host.manage(session_id, ids["cohost"], "promote")
    request = await people["asking"].request_guest(session_id)
    host_id = next(entry["id"] for entry in await host.participants(session_id) if entry["role"] == "host")
    cohost, guest, viewer = people["cohost"], people["guest"], people["viewer"]

    forbidden: list[tuple[str, Awaitable[Any]]] = [
        ("viewer mutes", viewer.manage(session_id, ids["guest"], "mute_audio")),
        ("viewer kicks", viewer.manage(session_id, ids["guest"], "kick")),
        ("viewer approves", viewer.respond(session_id, request["id"], approve=True)),
        ("viewer ends", viewer.end(session_id)),
        ("viewer reads requests", viewer.call("GET", f"/live/sessions/{session_id}/guest-requests")),
        ("guest mutes", guest.manage(session_id, ids["cohost"], "mute_audio")),
        ("guest ends", guest.end(session_id)),
        ("cohost promotes", cohost.manage(session_id, ids["guest"], "promote")),
        ("cohost ends", cohost.end(session_id)),
        ("cohost manages the host", cohost.manage(session_id, host_id, "kick")),
        ("host manages themselves", host.manage(session_id, host_id, "mute_audio")),
    ]
    for what, attempt in forbidden:
        with pytest.raises(ApiError) as refused:
            await attempt
        assert (refused.value.status, refused.value.code) == (403, "forbidden"), what
    for what, attempt in [
        ("outsider manages", outsider.manage(session_id, ids["guest"], "kick")),
        ("outsider ends", outsider.end(session_id)),
        ("outsider lists", outsider.participants(session_id)),
    ]:
        with pytest.raises(ApiError) as refused:
            await attempt
        assert refused.value.status in (403, 409), what
        assert refused.value.code in ("forbidden", "not_joined"), what

    client = await crew.socket(viewer, session_id)
    description = sdp.publish_offer(RawTransport().local, [sdp.SentTrack("0", "audio", 1)])
    offer = {"connection_id": None, "sdp": description, "sources": {"0": "microphone"}}
    for type, members in (
        ("publish_offer", offer),
        ("manage_participant", {"participant_id": ids["guest"], "action": "kick"}),
        ("respond_guest_request", {"request_id": request["id"], "approve": True}),
        ("end", {}),
    ):
        with pytest.raises(ProtocolError) as denied:
            await client.request(type, **members)
        assert denied.value.code == "forbidden", type
    assert (await host.session(session_id))["status"] == "live"


async def test_the_twenty_first_guest_is_refused(crew: Crew) -> None:
    host, session_id = await crew.live(require_approval=False)
    for number in range(20):
        guest = await crew.user(f"Guest {number}")
        await guest.join(session_id)
        assert (await guest.request_guest(session_id))["status"] == "approved"
    last = await crew.user("Late")
    await last.join(session_id)
    with pytest.raises(ApiError) as refused:
        await last.request_guest(session_id)
    assert (refused.value.status, refused.value.code) == (409, "stage_full")
    assert (await host.session(session_id))["guest_count"] == 20


async def test_bad_bodies(crew: Crew) -> None:
    user = await crew.user("Clumsy")
    headers = {"Authorization": f"Bearer {user.token}", "Content-Type": "application/json"}
    for body, status, code in (
        (b"", 400, "invalid_json"),
        (b"{", 400, "invalid_json"),
        (b"[]", 400, "invalid_json"),
        (b"\xff\xfe", 400, "invalid_json"),
        (b"[" * 50_000, 400, "invalid_json"),
        (b"{}", 422, "invalid_request"),
        (json.dumps({"title": "x" * 300}).encode(), 422, "invalid_request"),
        (json.dumps({"title": "x", "max_guests": 21}).encode(), 422, "invalid_request"),
        (json.dumps({"title": "x", "colour": "red"}).encode(), 422, "invalid_request"),
        (json.dumps({"title": "x" * (1 << 20)}).encode(), 413, "body_too_large"),
    ):
        async with crew.api.http.post(crew.api.base_url + "/live/start", data=body, headers=headers) as response:
            answer = await response.json()
        assert (response.status, answer["error"]["code"]) == (status, code), body[:40]


async def test_errors_tell_nothing_of_the_inside(crew: Crew) -> None:
    for path in ("/live/unknown", "/%00", "/../../etc/passwd", "/live/sessions/%ff%fe"):
        async with crew.api.http.get(crew.api.base_url + path) as response:
            text = await response.text()
        assert response.status in (400, 401, 404), path
        assert "Traceback" not in text
        assert ".py" not in text


POST = b"POST /auth/dev-token HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"


async def said_to(server: Server, request: bytes) -> bytes:
    """What the server answers to bytes that no honest client sends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(request)
    try:
        return await asyncio.wait_for(reader.read(), 20)
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64) + b"\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX: a\x00b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX-Request-ID: a\rX-Evil: 1\r\n\r\n", 400),
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        (POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n", 400),
        (POST + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nabcde", 400),
        (POST + b"Content-Encoding: br\r\nContent-Length: 5\r\n\r\nabcde", 400),
    ],
)
async def test_what_is_no_http_or_no_body(crew: Crew, server: Server, request_bytes: bytes, status: int) -> None:
    head = (await said_to(server, request_bytes)).partition(b"\r\n\r\n")[0]
    assert head.split()[1] == str(status).encode()
    assert b"Server: Greenroom" in head
    assert b"aiohttp" not in head, "no version for those who look for one with a hole"
    assert b"X-Evil" not in head
    server.assert_log_clean()


async def test_hanging_up_in_the_middle_of_a_body(crew: Crew, server: Server) -> None:
    """Anybody can do it, any number of times: it is a line in the log, and no defect of the server."""
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(POST + b'X-Request-ID: hung-up\r\nContent-Length: 100\r\n\r\n{"na')
    await asyncio.sleep(0.1)
    writer.transport.abort()
    await until(lambda: "request_id=hung-up" in server.log_path.read_text(), "the request is logged")
    (line,) = [line for line in server.log_path.read_text().splitlines() if "request_id=hung-up" in line]
    assert "status=499" in line
    server.assert_log_clean()
