"""Bad input of every kind, beside a room that must not notice: the packets between its two peers are counted."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import jwt
import pytest
import pytest_asyncio
from aioice import stun

from control_api.auth import ALGORITHM, load_or_create_secret
from tests.support import sdp
from tests.support.api import Api, ApiError, User
from tests.support.crew import Crew
from tests.support.raw_peer import RawPeer
from tests.support.raw_streams import ReceivedStream
from tests.support.raw_transport import RawTransport
from tests.support.server import Server
from tests.support.waiting import until
from tests.support.ws import ProtocolError, WsClient, refused_hello

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

UNKNOWN_SESSION = "00000000-0000-4000-8000-000000000000"


@dataclass
class ControlRoom:
    """A room of its own that everything else happens beside."""

    host: RawPeer
    viewer: RawPeer

    async def assert_undisturbed(self) -> None:
        """Nothing is lost, nothing was reset, and media still flows."""
        for source in ("camera", "microphone"):
            stream = await self.viewer.receiving(self.host.id, source)
            before = stream.received
            await asyncio.sleep(0.3)
            assert stream.received > before, f"the {source} stopped"
            await whole(stream)
        for peer in (self.host, self.viewer):
            assert not peer.ws.closed.is_set()
            assert peer.resets == 0
            assert peer.failures == []
            assert (await peer.ws.request("ping"))["type"] == "pong"


async def whole(stream: ReceivedStream) -> None:
    await until(lambda: stream.lost == 0, "no packet is missing", timeout=5)


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def control_room(crew: Crew) -> AsyncIterator[ControlRoom]:
    user, session_id = await crew.live("Control host")
    host = await crew.raw(user, session_id)
    await host.publish()
    viewer = await crew.raw(await crew.user("Control viewer"), session_id)
    for source in ("camera", "microphone"):
        await viewer.receiving(host.id, source)
    room = ControlRoom(host, viewer)
    yield room
    await room.assert_undisturbed()


@pytest.fixture
def stranger(server: Server) -> Iterator[socket.socket]:
    """A UDP socket that nobody knows, connected to the media port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as endpoint:
        endpoint.connect(("127.0.0.1", server.rtc_port))
        endpoint.setblocking(False)
        yield endpoint


async def drops(crew: Crew) -> int:
    """Datagrams that the workers counted as dropped."""
    report = await crew.api.healthz()
    return sum(sum(worker["drops"].values()) for worker in report["workers"])


async def counted(crew: Crew, before: int, at_least: int) -> None:
    async def enough() -> bool:
        return await drops(crew) >= before + at_least

    await until(enough, f"{at_least} drops are counted")


def answers(endpoint: socket.socket) -> list[bytes]:
    found = []
    while True:
        try:
            found.append(endpoint.recv(2048))
        except BlockingIOError:
            return found


# Datagrams


async def test_garbage_datagrams(crew: Crew, stranger: socket.socket) -> None:
    before = await drops(crew)
    rng = random.Random(1)
    for first_byte in range(256):
        for length in (1, 2, 11, 12, 19, 20, 100, 1500):
            stranger.send(bytes([first_byte]) + rng.randbytes(length - 1))
        await asyncio.sleep(0.002)
    stranger.send(b"")
    stranger.send(rng.randbytes(9000))
    await counted(crew, before, 1500)
    assert answers(stranger) == [], "nothing is told to who proved nothing"


async def test_truncated_and_altered_datagrams_from_a_known_address(crew: Crew, control_room: ControlRoom) -> None:
    """The publisher's own address, and packets that were genuine once."""
    assert control_room.host.publisher is not None
    transport = control_room.host.publisher.transport
    genuine: list[bytes] = []
    send = transport.send_datagram

    def record(data: bytes) -> None:
        genuine.append(data)
        send(data)

    transport.send_datagram = record  # type: ignore[method-assign]
    transport.dtls.transport._send_now = record  # type: ignore[attr-defined]
    await until(lambda: len(genuine) > 60, "packets are sent")
    transport.send_datagram = send  # type: ignore[method-assign]
    received_before = control_room.viewer.received(control_room.host.id, "camera")
    before = await drops(crew)
    rng = random.Random(2)
    for packet in genuine[:40]:
        send(packet)
        for length in (1, 3, 11, 12, len(packet) - 1):
            send(packet[:length])
        altered = bytearray(packet)
        altered[rng.randrange(12, len(packet))] ^= 0x55
        send(bytes(altered))
        await asyncio.sleep(0.002)
    for content_type in (20, 21, 22, 23, 63):
        send(bytes([content_type, 0xFE, 0xFD]) + rng.randbytes(60))
    await counted(crew, before, 100)
    stream = await control_room.viewer.receiving(control_room.host.id, "camera")
    assert stream.duplicates == 0, "a replayed packet is not forwarded twice"
    assert stream.received > received_before


async def test_spoofed_media_and_checks(crew: Crew, control_room: ControlRoom, stranger: socket.socket) -> None:
    """The right SSRC, the right ufrag: worth nothing from an address that has shown no password."""
    assert control_room.host.publisher is not None
    transport = control_room.host.publisher.transport
    camera = control_room.host.publisher.streams["camera"]
    before = await drops(crew)
    for index in range(50):
        header = bytes([0x80, sdp.VP8_PT]) + (camera.seq + index & 0xFFFF).to_bytes(2, "big") + bytes(4)
        stranger.send(header + camera.ssrc.to_bytes(4, "big") + bytes(200))
    await counted(crew, before, 50)

    unsigned = transport.check_request()
    stranger.send(bytes(unsigned))
    wrong = transport.check_request()
    wrong.add_message_integrity(b"not the password of anybody here")
    stranger.send(bytes(wrong))
    await asyncio.sleep(0.3)
    for answer in answers(stranger):
        assert stun.parse_message(answer).message_class == stun.Class.ERROR
    stray = transport.check_request()
    stray.attributes["USERNAME"] = "nobody:knows"
    stray.add_message_integrity(b"x" * 24)
    stranger.send(bytes(stray))
    assert control_room.host.publisher.server is not None
    before = control_room.viewer.received(control_room.host.id, "camera")
    await until(
        lambda: control_room.viewer.received(control_room.host.id, "camera") > before + 20,
        "the publisher's address is still the publisher's",
    )


async def test_a_flood_of_datagrams(crew: Crew, stranger: socket.socket) -> None:
    before = await drops(crew)
    noise = [random.Random(3).randbytes(1200) for _ in range(50)]
    for _ in range(100):
        for datagram in noise:
            stranger.send(datagram)
        await asyncio.sleep(0.01)
    await counted(crew, before, 1000)


async def test_a_peer_with_another_certificate_is_refused(crew: Crew) -> None:
    """The fingerprint in the signaling is what ties media to a participant."""
    user, session_id = await crew.live()
    client = await crew.socket(user, session_id)
    transport = RawTransport()
    local = transport.local
    local.fingerprint = "sha-256 " + ":".join(["AB"] * 32)
    offer = sdp.publish_offer(local, [sdp.SentTrack("0", "audio", 1234)], setup="actpass")
    reply = await client.request("publish_offer", connection_id=None, sdp=offer, sources={"0": "microphone"})
    server = sdp.parse(reply["sdp"])
    address = next(address for address in server.candidates if ":" not in address[0])
    role = "server" if server.first("setup") == "active" else "client"
    try:
        await transport.connect(server.credentials, address, role)
    except (TimeoutError, ConnectionError):
        pass
    stats = await client.request("get_stats")
    assert all(entry["state"] != "connected" for entry in stats["connections"])
    await transport.close()


# Session descriptions


def good_offer() -> str:
    return sdp.publish_offer(RawTransport().local, [sdp.SentTrack("0", "audio", 1), sdp.SentTrack("1", "video", 2, 3)])


def without(offer: str, prefix: str) -> str:
    return "\r\n".join(line for line in offer.split("\r\n") if not line.startswith(prefix))


def thousand_sections() -> str:
    """In less than the largest frame."""
    first = good_offer()
    return first + "".join(f"m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:{index}\r\n" for index in range(2, 1000))


BAD_OFFERS: dict[str, Callable[[], str]] = {
    "empty": lambda: "",
    "no SDP": lambda: "hello",
    "binary": lambda: "\x00\ud83d\ude00\r\n" * 20,
    "truncated": lambda: good_offer()[:120],
    "truncated in a media section": lambda: good_offer()[: good_offer().index("a=rtpmap")],
    "without fingerprint": lambda: without(good_offer(), "a=fingerprint"),
    "with a fingerprint that is none": lambda: good_offer().replace("sha-256 ", "sha-256 ZZ:"),
    "without ICE": lambda: without(without(good_offer(), "a=ice-ufrag"), "a=ice-pwd"),
    "a thousand media sections": thousand_sections,
    "the same mid twice": lambda: good_offer().replace("a=mid:1", "a=mid:0"),
    "payload type out of range": lambda: good_offer().replace(f"{sdp.OPUS_PT}", "300"),
    "no known codec": lambda: good_offer().replace("opus/48000/2", "speex/16000").replace("VP8/90000", "H261/90000"),
}


@pytest.mark.parametrize("name", BAD_OFFERS)
async def test_bad_offers(crew: Crew, name: str) -> None:
    user, session_id = await crew.live()
    client = await crew.socket(user, session_id)
    offer = BAD_OFFERS[name]()
    sources = {"0": "microphone", "1": "camera"}
    with pytest.raises(ProtocolError) as refused:
        await client.request("publish_offer", connection_id=None, sdp=offer, sources=sources)
    assert refused.value.code == "invalid_sdp"
    good = await client.request("publish_offer", connection_id=None, sdp=good_offer(), sources=sources)
    assert good["type"] == "publish_answer", "a good offer is welcome after a bad one"


async def test_bad_answers(crew: Crew) -> None:
    host_user, session_id = await crew.live()
    host = await crew.raw(host_user, session_id)
    await host.publish()
    client = await crew.socket(await crew.user("Viewer"), session_id)
    offer = await client.wait_for("receive_offer")
    ids = {"connection_id": offer["connection_id"], "offer_id": offer["offer_id"]}
    local = RawTransport().local
    good = sdp.receive_answer(local, sdp.parse(offer["sdp"]))
    for bad in ("", "v=0\r\n", good[:150], without(good, "a=fingerprint"), thousand_sections()):
        with pytest.raises(ProtocolError) as refused:
            await client.request("receive_answer", **ids, sdp=bad)
        assert refused.value.code == "invalid_sdp"
    for stale in (ids | {"offer_id": 4711}, ids | {"connection_id": "unheard-of"}):
        with pytest.raises(ProtocolError) as refused:
            await client.request("receive_answer", **stale, sdp=good)
        assert refused.value.code == "stale_answer"


# Tokens


def tokens(server: Server) -> dict[str, tuple[str | None, str]]:
    """Token and expected error, by what is wrong with it."""
    secret = load_or_create_secret(server.data_dir)
    claims = {"sub": "somebody", "name": "Somebody", "exp": int(time.time()) + 3600}
    good = jwt.encode(claims, secret, algorithm=ALGORITHM)
    header, payload, signature = good.split(".")
    return {
        "missing": (None, "token_missing"),
        "garbage": ("abc", "token_invalid"),
        "foreign": (jwt.encode(claims, b"x" * 32, algorithm=ALGORITHM), "token_invalid"),
        "expired": (jwt.encode(claims | {"exp": 1_000_000}, secret, algorithm=ALGORITHM), "token_expired"),
        "unsigned": (jwt.encode(claims, "", algorithm="none"), "token_invalid"),
        "other algorithm": (jwt.encode(claims, secret * 2, algorithm="HS512"), "token_invalid"),
        "altered": (f"{header}.{payload[:-2]}AA.{signature}", "token_invalid"),
        "without subject": (jwt.encode({"exp": claims["exp"]}, secret, algorithm=ALGORITHM), "token_invalid"),
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
    token = jwt.encode(claims, load_or_create_secret(server.data_dir), algorithm=ALGORITHM)
    _, session_id = await crew.live()
    await User(crew.api, token, "somebody", "Somebody").join(session_id)


# Sessions and roles


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
    offer = {"connection_id": None, "sdp": good_offer(), "sources": {"0": "microphone", "1": "camera"}}
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


# The WebSocket


async def test_a_frame_of_a_megabyte(crew: Crew) -> None:
    _, session_id = await crew.live()
    client = await crew.socket(await crew.user("Loud"), session_id)
    await client.send(type="ping", padding="x" * (1 << 20))
    assert await client.wait_closed() == 1009


@pytest.mark.parametrize("frame", ["", "nonsense", "[]", "42", '{"type": 5}', '{"no": "type"}', "[" * 100_000])
async def test_frames_that_are_no_messages(crew: Crew, frame: str) -> None:
    _, session_id = await crew.live()
    client = await crew.socket(await crew.user("Confused"), session_id)
    await client.socket.send_str(frame)
    assert await client.wait_closed() == 4400


async def test_binary_frames(crew: Crew) -> None:
    _, session_id = await crew.live()
    client = await crew.socket(await crew.user("Confused"), session_id)
    await client.socket.send_bytes(bytes(range(256)))
    assert await client.wait_closed() == 4400


async def test_messages_with_wrong_members(crew: Crew) -> None:
    user, session_id = await crew.live()
    client = await crew.socket(user, session_id)
    for type, members, code in (
        ("fly", {}, "unknown_type"),
        ("publish_offer", {}, "invalid_request"),
        ("publish_offer", {"connection_id": None, "sdp": 5, "sources": []}, "invalid_request"),
        ("set_muted", {"kind": "smell", "muted": True}, "invalid_request"),
        ("manage_participant", {"participant_id": "nobody", "action": "kick"}, "participant_not_found"),
        ("manage_participant", {"participant_id": client.participant_id, "action": "explode"}, "invalid_request"),
        ("respond_guest_request", {"request_id": "none", "approve": True}, "request_not_found"),
        ("set_subscription", {"producer_id": "none", "paused": True}, "unknown_producer"),
        ("hello", {"protocol": 1, "token": user.token}, "invalid_request"),
    ):
        with pytest.raises(ProtocolError) as refused:
            await client.request(type, **members)
        assert refused.value.code == code, (type, members)
    assert (await client.request("ping"))["type"] == "pong"


async def test_a_hello_that_is_none(crew: Crew) -> None:
    _, session_id = await crew.live()
    user = await crew.user("Rude")
    client = await WsClient.connect(user, session_id)
    await client.send(type="ping")
    assert await client.wait_closed() == 4400
    client = await WsClient.connect(user, session_id)
    await client.send(type="hello", protocol=99, token=user.token)
    assert await client.wait_closed() == 4406


async def test_a_flood_of_messages(crew: Crew) -> None:
    _, session_id = await crew.live()
    client = await crew.socket(await crew.user("Chatty"), session_id)
    frame = json.dumps({"type": "ping"})
    try:
        for _ in range(5000):
            await client.socket.send_str(frame)
    except (ConnectionError, aiohttp.ClientError):
        pass
    assert await client.wait_closed() == 4429


async def test_a_client_that_never_reads(crew: Crew, server: Server) -> None:
    """Its outbox is bounded: it is cut off, the others are served meanwhile, and it may come back."""
    host, session_id = await crew.live(require_approval=True)
    async with Api(server.url, aiohttp.TCPConnector(socket_factory=small_socket)) as stuck_api:
        stuck_host = User(stuck_api, host.token, host.user_id, host.name)
        stuck = await WsClient.open(stuck_host, session_id)
        stuck.transport.pause_reading()
        # Every request tells the host two kilobytes, twice: 8 MB in all. The kernel keeps 4 MB for a loopback
        # connection, and the outbox 512 messages.
        viewers = [await crew.socket(await crew.user("Asking"), session_id) for _ in range(40)]
        await asyncio.gather(*(ask_and_cancel(viewer, times=45) for viewer in viewers))
        onlooker = await crew.socket(await crew.user("Onlooker"), session_id)

        async def cut() -> bool:
            session = (await onlooker.request("ping"))["type"] == "pong"
            (row,) = [entry for entry in await host.participants(session_id) if entry["role"] == "host"]
            return session and not row["connected"]

        # Sooner than the heartbeat, which would notice after 20 seconds, could have a part in it.
        await until(cut, "the client that does not read is cut off", timeout=15, interval=0.25)
        stuck.transport.resume_reading()
        assert await stuck.wait_closed() in (4429, 1006)
        again = await crew.socket(host, session_id, resume=stuck.resume_token)
        assert again.welcome["resumed"] is True
        await stuck.close()


def small_socket(address: Any) -> socket.socket:
    """The kernel would take megabytes for a client that does not read."""
    endpoint = socket.socket(*address[:3])
    endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    return endpoint


async def ask_and_cancel(viewer: WsClient, times: int) -> None:
    for _ in range(times):
        await viewer.request("request_guest", message="\N{WAVING HAND SIGN}" * 500)
        await viewer.request("cancel_guest_request")


async def test_sockets_that_say_nothing_do_not_count(crew: Crew) -> None:
    """A hundred connections without a hello cost the others nothing."""
    _, session_id = await crew.live()
    user = await crew.user("Silent")
    silent = [await WsClient.connect(user, session_id) for _ in range(100)]
    speaking = await crew.socket(await crew.user("Speaking"), session_id)
    assert (await speaking.request("ping"))["type"] == "pong"
    await asyncio.gather(*(client.close() for client in silent))


# HTTP


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


async def test_sockets_of_foreign_pages_are_refused(crew: Crew) -> None:
    """A page of another origin has the user's browser, but not the user's word."""
    _, session_id = await crew.live()
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await crew.api.http.ws_connect(
            f"{crew.api.base_url}/ws/live/{session_id}", headers={"Origin": "https://evil.example"}
        )
    assert refused.value.status == 403
