"""Datagrams of many transports over one socket, each from an address of its own."""

import asyncio
import socket
import struct
import sys
import time

import numpy as np
import pytest

from bench import lanes

SOL_UDP, UDP_SEGMENT = 17, 103

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="one socket for everybody is Linux's")


class Peer:
    """The server's side: a plain socket that is read by hand."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(5)
        self.address = self.socket.getsockname()

    def receive(self):
        return self.socket.recvfrom(4096)


class Received:
    def __init__(self):
        self.packets = []
        self.arrived = asyncio.Event()

    def __call__(self, packets):
        for offset, length, transport, arrival_ns in zip(
            packets.offsets, packets.lengths, packets.transports, packets.arrival_ns, strict=True
        ):
            data = packets.buffer[offset : offset + length].tobytes()
            self.packets.append((int(transport), data))
            assert abs(time.monotonic_ns() - arrival_ns) < 5e9
        self.arrived.set()

    async def wait_for(self, count):
        async with asyncio.timeout(5):
            while len(self.packets) < count:
                self.arrived.clear()
                await self.arrived.wait()
        return self.packets


@pytest.fixture
def peer():
    peer = Peer()
    yield peer
    peer.socket.close()


@pytest.fixture(params=[pytest.param("shared", marks=linux), "own"])
async def client(request, monkeypatch):
    if request.param == "own":
        monkeypatch.setattr(lanes, "_system_calls", lambda: None)
    received = Received()
    client = lanes.Lanes(received)
    yield client, received
    client.close()


async def test_each_transport_is_reached_at_the_address_that_it_sends_from(client, peer):
    lane, received = client
    addresses = {}
    for transport in (1, 2, 300):
        lane.attach(transport, peer.address)
        lane.send(transport, b"from %d" % transport)
        data, addresses[transport] = peer.receive()
        assert data == b"from %d" % transport
    assert len(set(addresses.values())) == 3
    for transport, address in addresses.items():
        peer.socket.sendto(b"to %d" % transport, address)
    assert sorted(await received.wait_for(3)) == [(1, b"to 1"), (2, b"to 2"), (300, b"to 300")]
    assert lane.send_failures == 0


async def test_rows_go_out_each_for_its_own_transport(client, peer):
    lane, _ = client
    for transport in (5, 6):
        lane.attach(transport, peer.address)
    matrix = np.arange(3, dtype=np.uint8)[:, None].repeat(64, axis=1)
    lane.send_rows(matrix, np.array([10, 20, 30], np.int32), [5, 6, 5])
    arrived = [peer.receive() for _ in range(3)]
    assert [data for data, _ in arrived] == [bytes([0]) * 10, bytes([1]) * 20, bytes([2]) * 30]
    addresses = [address for _, address in arrived]
    assert addresses[0] == addresses[2] != addresses[1]


@linux
@pytest.mark.parametrize("gro", [True, False])
async def test_a_segmented_send_arrives_as_the_packets_it_is_made_of(peer, gro):
    received = Received()
    lane = lanes.Lanes(received, gro=gro)
    lane.attach(7, peer.address)
    lane.send(7, b"x")
    _, address = peer.receive()
    content = bytes([1]) * 1000 + bytes([2]) * 1000 + bytes([3]) * 400
    peer.socket.sendmsg([content], [(SOL_UDP, UDP_SEGMENT, struct.pack("=H", 1000))], 0, address)
    peer.socket.sendto(b"alone", address)
    packets = await received.wait_for(4)
    assert packets == [(7, bytes([1]) * 1000), (7, bytes([2]) * 1000), (7, bytes([3]) * 400), (7, b"alone")]
    lane.close()


@linux
async def test_a_busy_socket_loses_nothing_and_is_heard_again_after_a_pause(peer):
    received = Received()
    lane = lanes.Lanes(received)
    lane.attach(1, peer.address)
    lane.send(1, b"x")
    _, address = peer.receive()
    for number in range(1000):
        peer.socket.sendto(number.to_bytes(2), address)
    packets = await received.wait_for(1000)
    assert [int.from_bytes(data) for _, data in packets] == list(range(1000))
    await asyncio.sleep(3 * lanes._POLL_S)
    peer.socket.sendto(b"later", address)
    assert (await received.wait_for(1001))[-1] == (1, b"later")
    assert lane.receive_drops() == 0
    lane.close()


async def test_sending_after_detach_does_nothing(client, peer):
    lane, _ = client
    lane.attach(1, peer.address)
    lane.detach(1)
    lane.detach(1)
    lane.send(1, b"x")
    assert lane.send_failures == 0
