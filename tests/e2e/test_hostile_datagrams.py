"""Garbage, truncated, replayed and spoofed datagrams on the media port, beside a room that must not notice."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Iterator

import pytest
from aioice import stun

from tests.support import sdp
from tests.support.control_room import ControlRoom
from tests.support.crew import Crew
from tests.support.raw_transport import RawTransport
from tests.support.server import Server
from tests.support.waiting import until

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(120),
    pytest.mark.usefixtures("control_room"),
]


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
    send, send_now = transport.send_datagram, transport.dtls.transport._send_now  # type: ignore[attr-defined]

    def record(data: bytes) -> None:
        genuine.append(data)
        send(data)

    transport.send_datagram = record  # type: ignore[method-assign]
    transport.dtls.transport._send_now = record  # type: ignore[attr-defined]
    await until(lambda: len(genuine) > 60, "packets are sent")
    transport.send_datagram = send  # type: ignore[method-assign]
    transport.dtls.transport._send_now = send_now  # type: ignore[attr-defined]
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
