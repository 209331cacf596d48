"""The WebSocket over real sockets: what only aiohttp and the kernel can show."""

import asyncio
import json

import aiohttp
import pytest

from tests.api.conftest import ALLOWED
from tests.support import sdp
from tests.support.fakes import ANYBODY, credentials
from tests.support.waiting import until
from tests.support.ws import ProtocolError, SocketClosed, WsClient


@pytest.fixture
async def session(host):
    return (await host.start())["id"]


@pytest.fixture
async def host_socket(host, session):
    client = await WsClient.open(host, session)
    yield client
    await client.close()


async def test_the_two_faces_are_one_room(host, viewer, session, host_socket):
    """Over the WebSocket and over REST: each sees what the other does."""
    viewer_socket = await WsClient.open(viewer, session)
    assert viewer_socket.socket.protocol == "greenroom.v1"
    joined = await host_socket.wait_for("participant_joined")
    assert joined["participant"]["name"] == viewer.name
    request = (await viewer_socket.request("request_guest", message="me"))["request"]
    asked = await host_socket.wait_for("guest_request_created")
    assert asked["request"] == request
    await host.respond(session, request["id"], True)
    updated = await viewer_socket.wait_for("participant_updated", lambda m: m["participant"]["role"] == "guest")
    assert updated["participant"]["id"] == viewer_socket.participant_id
    await host_socket.request("manage_participant", participant_id=viewer_socket.participant_id, action="mute_audio")
    assert (await host.participants(session))[1]["audio_locked"]
    with pytest.raises(ProtocolError, match="locked_by_host"):
        await viewer_socket.request("set_muted", kind="audio", muted=False)
    await host.end(session)
    for client in (host_socket, viewer_socket):
        assert await client.wait_closed() == 4410
        assert client.events[-1]["type"] == "session_ended"
        assert client.events[-1]["reason"] == "ended_by_host"
        assert client.events[-1]["stats"]["unique_viewers"] == 1


@pytest.mark.parametrize(
    ("token", "code"), [("", "token_missing"), ("nonsense", "token_invalid"), (None, None)], ids=str
)
async def test_bad_tokens(served, viewer, session, host_socket, token, code):
    if token is None:
        token, code = served.authenticator.issue("Old", ttl_s=-3600), "token_expired"
    client = await WsClient.connect(viewer, session)
    with pytest.raises(ProtocolError, match=code):
        await client.request("hello", protocol=1, token=token)
    assert await client.wait_closed() == 4401
    assert (await host_socket.request("ping"))["type"] == "pong"


async def test_a_token_in_the_url_counts_nothing(api, viewer, session):
    url = f"{api.base_url}/ws/live/{session}?token={viewer.token}"
    async with api.http.ws_connect(url) as socket:
        await socket.send_str('{"type": "ping"}')
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
        assert socket.close_code == 4400


async def test_no_hello_in_time(viewer, session):
    client = await WsClient.connect(viewer, session)
    assert await client.wait_closed() == 4400


@pytest.mark.parametrize("size", [300_000, 1_000_000])
async def test_a_frame_that_is_too_big(served, viewer, session, host_socket, size):
    client = await WsClient.open(viewer, session)
    await client.send(type="ping", junk="x" * size)
    assert await client.wait_closed() == 1009
    await until(lambda: served.service.counters.sockets_closed == {("server", 1009): 1}, "it is counted as ours")
    assert (await host_socket.request("ping"))["type"] == "pong"
    again = await WsClient.open(viewer, session, resume=client.resume_token)
    assert again.welcome["resumed"]
    await again.close()


async def test_a_frame_that_just_fits(viewer, session):
    client = await WsClient.open(viewer, session)
    assert (await client.request("ping", junk="x" * 250_000))["type"] == "pong"
    await client.close()


async def test_binary_frames_and_garbage(viewer, session, host_socket):
    for send in ("send_bytes", "send_str"):
        client = await WsClient.open(viewer, session)
        await getattr(client.socket, send)(b"\xff\x00" if send == "send_bytes" else "{")
        assert await client.wait_closed() == 4400
    assert (await host_socket.request("ping"))["type"] == "pong"


async def test_a_flood(viewer, session, host_socket):
    client = await WsClient.open(viewer, session)
    for _ in range(400):
        try:
            await client.send(type="ping")
        except ConnectionError:
            break
    assert await client.wait_closed() == 4429
    assert (await host_socket.request("ping"))["type"] == "pong"


async def test_a_flood_of_pings_is_cut_off_before_anybody_has_said_who_they_are(viewer, session, host_socket):
    client = await WsClient.connect(viewer, session)
    for _ in range(400):
        try:
            await client.socket.ping()
        except ConnectionError:
            break
    assert await client.wait_closed() == 4429
    assert (await host_socket.request("ping"))["type"] == "pong"


async def test_a_client_that_never_reads_is_dropped_and_the_room_goes_on(served, api, viewer, session, host_socket):
    _, writer = await asyncio.open_connection("127.0.0.1", int(api.base_url.rpartition(":")[2]), limit=1)
    writer.write(
        f"GET /ws/live/{session} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
    )
    writer.transport.pause_reading()
    writer.write(text_frame(json.dumps({"type": "hello", "protocol": 1, "token": viewer.token})))
    await host_socket.wait_for("participant_joined")

    def connected():
        events = [e for e in host_socket.events if e["type"] == "participant_updated"]
        mine = [e for e in events if e["participant"]["user_id"] == viewer.user_id]
        return not mine or mine[-1]["participant"]["connected"]

    # What the room says, only larger: the kernel's buffers swallow the first megabytes.
    room = served.service._rooms[session]
    frame = json.dumps({"type": "session_updated", "padding": "x" * 200_000}).encode()
    for _ in range(400):
        link = room.by_user[viewer.user_id].link
        if link is None:
            break
        link.send(frame)
        await asyncio.sleep(0.005)
    await until(lambda: not connected(), "the server dropping the client")
    assert (await host_socket.request("ping"))["type"] == "pong"
    writer.transport.abort()
    again = await WsClient.open(viewer, session)
    await again.close()


def text_frame(text):
    """A masked text frame (RFC 6455, section 5.2) with the mask 0."""
    data = text.encode()
    return bytes([0x81, 0xFE]) + len(data).to_bytes(2, "big") + bytes(4) + data


async def test_a_lost_connection_resumes(viewer, session, host_socket):
    client = await WsClient.open(viewer, session)
    await client.drop()
    await host_socket.wait_for("participant_updated", lambda m: m["participant"]["connected"] is False)
    again = await WsClient.open(viewer, session, resume=client.resume_token)
    assert again.welcome["resumed"]
    assert not [event for event in host_socket.events if event["type"] == "participant_left"]
    await again.close()


async def test_a_second_socket_takes_over(viewer, session):
    first = await WsClient.open(viewer, session)
    second = await WsClient.open(viewer, session)
    assert await first.wait_closed() == 4409
    assert (await second.request("ping"))["type"] == "pong"
    await second.close()


async def test_kick_closes_and_locks_out(host, viewer, session, host_socket):
    client = await WsClient.open(viewer, session)
    await host.manage(session, client.participant_id, "kick")
    assert await client.wait_closed() == 4403
    assert client.events[-1]["type"] == "kicked"
    with pytest.raises((SocketClosed, ProtocolError)):
        await WsClient.open(viewer, session, resume=client.resume_token)


@pytest.mark.parametrize("path", ["nonsense", "00000000-0000-4000-8000-000000000000"])
async def test_unknown_sessions(viewer, path):
    client = await WsClient.connect(viewer, path)
    with pytest.raises(ProtocolError, match="session_not_found"):
        await client.request("hello", protocol=1, token=viewer.token)
    assert await client.wait_closed() == 4404


async def test_stopping_says_come_back(served, viewer, session, host_socket):
    silent = await WsClient.connect(viewer, session)
    client = await WsClient.open(viewer, session)
    await served.runner.cleanup()
    for socket in (host_socket, client, silent):
        assert await socket.wait_closed() == 1001
    assert [s.status for s in (await served.service.list_active(ANYBODY)).sessions] == ["live"]


@pytest.mark.parametrize(
    ("origin", "welcome"),
    [
        (None, True),
        ("same", True),
        (ALLOWED, True),
        ("https://evil.example", False),
        ("null", False),
        ("http://[", False),
        ("", False),
    ],
)
async def test_only_pages_of_known_origins_connect(api, session, origin, welcome):
    headers = {} if origin is None else {"Origin": api.base_url if origin == "same" else origin}
    url = f"{api.base_url}/ws/live/{session}"
    if welcome:
        await (await api.http.ws_connect(url, headers=headers)).close()
        return
    with pytest.raises(aiohttp.WSServerHandshakeError) as failure:
        await api.http.ws_connect(url, headers=headers)
    assert failure.value.status == 403


async def test_an_upgrade_that_is_none(api, session):
    async with api.http.get(f"{api.base_url}/ws/live/{session}") as response:
        assert response.status == 422
        assert (await response.json())["error"]["code"] == "invalid_request"


async def test_foreign_subprotocols_are_refused_and_not_logged(api, session, caplog):
    with pytest.raises(aiohttp.WSServerHandshakeError) as failure:
        await api.http.ws_connect(f"{api.base_url}/ws/live/{session}", protocols=("a-secret-token",))
    assert failure.value.status == 422
    assert "a-secret-token" not in caplog.text


async def test_tokens_are_in_no_log(viewer, session, caplog):
    with caplog.at_level(0):
        client = await WsClient.open(viewer, session)
        await client.socket.send_str("garbage" + viewer.token)
        await client.wait_closed()
    assert viewer.token not in caplog.text


async def test_without_a_worker_there_is_no_media_and_the_room_goes_on(served, host, session, host_socket):
    served.plane.down = True
    offer = sdp.publish_offer(credentials(), [sdp.SentTrack("0", "audio", 1)])
    with pytest.raises(ProtocolError, match="media_unavailable"):
        await host_socket.request("publish_offer", connection_id=None, sdp=offer, sources={"0": "microphone"})
    assert (await host_socket.request("ping"))["type"] == "pong"


async def test_what_clients_seldom_say(host, viewer, session, host_socket):
    client = await WsClient.open(viewer, session)
    assert (await client.request("receive_restart"))["type"] == "ok"
    assert (await host_socket.request("publish_close"))["type"] == "ok"
    with pytest.raises(ProtocolError, match="unknown_connection"):
        await host_socket.request("publish_offer", connection_id="gone", sdp="", sources={})
    invited = (await host_socket.request("invite_guest", participant_id=client.participant_id))["request"]
    with pytest.raises(ProtocolError, match="forbidden"):
        await client.request("cancel_invitation", request_id=invited["id"])
    assert (await host_socket.request("cancel_invitation", request_id=invited["id"]))["type"] == "ok"
    with pytest.raises(ProtocolError, match="request_answered"):
        await host_socket.request("cancel_invitation", request_id=invited["id"])
    await client.close()
