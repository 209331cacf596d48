"""Both implementations of a socket, over loopback; what one does the other has to do."""

from __future__ import annotations

import select
import socket
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from sfu.net import mmsg
from sfu.net.address import address_key
from sfu.net.destinations import NAME_STRIDE, DestinationTable
from sfu.net.mmsg import MmsgSocket, socket_class
from sfu.net.udp import SameForAll, UdpSocket

COLUMN = 16
STRIDE = 1600

needs_mmsg = pytest.mark.skipif(socket_class() is UdpSocket, reason="recvmmsg and sendmmsg are Linux's")
KINDS = [pytest.param("portable"), pytest.param("mmsg", marks=needs_mmsg), pytest.param("offload", marks=needs_mmsg)]


def open_socket(kind: str, host: str, drops: Counter[str]) -> UdpSocket:
    if kind == "portable":
        return UdpSocket(host, 0, drops, 8)
    made = MmsgSocket(host, 0, drops, 8)
    if kind == "offload" and not made.offload:
        pytest.skip("this kernel has no UDP_SEGMENT")
    made.offload = kind == "offload"
    return made


@pytest.fixture
def drops() -> Counter[str]:
    return Counter()


@pytest.fixture(params=KINDS)
def udp(request: pytest.FixtureRequest, host: str, drops: Counter[str]) -> Iterator[UdpSocket]:
    made = open_socket(request.param, host, drops)
    yield made
    made.close()


@pytest.fixture
def peers(host: str) -> Iterator[list[socket.socket]]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = [socket.socket(family, socket.SOCK_DGRAM) for _ in range(3)]
    for peer in made:
        peer.bind((host, 0))
        peer.settimeout(5)
    yield made
    for peer in made:
        peer.close()


def wait_readable(udp: UdpSocket) -> None:
    assert select.select([udp], [], [], 5)[0]


def test_received_rows_lengths_and_keys(udp: UdpSocket, peers: list[socket.socket]) -> None:
    matrix = np.full((6, STRIDE), 0xEE, np.uint8)
    sent = [(peers[0], b"first"), (peers[1], b""), (peers[0], bytes(1400)), (peers[2], b"x")]
    for peer, data in sent:
        peer.sendto(data, (udp.host, udp.port))
    wait_readable(udp)
    count = udp.receive(matrix, 1, 99, COLUMN)
    assert count == 4
    assert udp.lengths == [5, 0, 1400, 1]
    assert udp.keys == [address_key(*peer.getsockname()[:2]) for peer, _ in sent]
    for row, (_, data) in enumerate(sent, 1):
        assert matrix[row, COLUMN : COLUMN + len(data)].tobytes() == data
        assert (matrix[row, :COLUMN] == 0xEE).all()
    assert (matrix[0] == 0xEE).all()
    assert (matrix[5] == 0xEE).all()


def test_nothing_waiting(udp: UdpSocket, drops: Counter[str]) -> None:
    assert udp.receive(np.zeros((4, STRIDE), np.uint8), 0, 4, COLUMN) == 0
    assert udp.keys == []
    assert not drops


@pytest.mark.parametrize(("first_row", "max_count", "expected"), [(0, 3, 3), (10, 99, 2), (0, 99, 8), (12, 99, 0)])
def test_a_batch_ends_at_the_count_the_matrix_and_the_limit(
    udp: UdpSocket, peers: list[socket.socket], first_row: int, max_count: int, expected: int
) -> None:
    for i in range(10):
        peers[0].sendto(bytes([i]), (udp.host, udp.port))
    wait_readable(udp)
    matrix = np.zeros((12, STRIDE), np.uint8)
    assert udp.receive(matrix, first_row, max_count, COLUMN) == expected
    assert udp.receive(matrix, 0, 99, COLUMN) == min(8, 10 - expected)
    assert matrix[0, COLUMN] == expected


def test_a_datagram_that_was_cut_fills_its_row_and_no_more(udp: UdpSocket, peers: list[socket.socket]) -> None:
    peers[0].sendto(b"\xaa" * 3000, (udp.host, udp.port))
    wait_readable(udp)
    matrix = np.zeros((2, STRIDE), np.uint8)
    assert udp.receive(matrix, 0, 2, COLUMN) == 1
    assert udp.lengths[0] == STRIDE - COLUMN
    assert not matrix[1].any()


def test_a_scalar_send(udp: UdpSocket, peers: list[socket.socket]) -> None:
    assert udp.send(b"hello", address_key(*peers[0].getsockname()[:2]))
    data, source = peers[0].recvfrom(100)
    assert data == b"hello"
    assert source[:2] == (udp.host, udp.port)


def test_failed_sends_are_counted(udp: UdpSocket, drops: Counter[str], peers: list[socket.socket]) -> None:
    assert not udp.send(bytes(70000), address_key(*peers[0].getsockname()[:2]))
    assert drops == {"send_too_long": 1}


# Equal runs, a shorter last one, a run longer than one offloaded send, single packets, ever shorter ones.
PLAN = [(0, 1200)] * 5 + [(0, 300), (0, 300), (1, 300)] + [(2, 700)] * 40 + [(1, 900), (1, 800), (1, 700), (1, 1000)]


def send_plan(udp: UdpSocket, peers: list[socket.socket], plan: list[tuple[int, int]]) -> tuple[int, list[list[bytes]]]:
    table = DestinationTable()
    slots = [table.add() for _ in peers]
    for slot, peer in zip(slots, peers, strict=True):
        table.point(slot, 0, address_key(*peer.getsockname()[:2]))
    generator = np.random.default_rng(1)
    matrix = generator.integers(0, 256, (len(plan) + 1, STRIDE), np.uint8)
    # Rows in reverse, so that a row's index is not its position.
    rows = np.arange(len(plan), 0, -1)
    expected: list[list[bytes]] = [[] for _ in peers]
    for row, (peer_index, length) in zip(rows.tolist(), plan, strict=True):
        expected[peer_index].append(matrix[row, COLUMN : COLUMN + length].tobytes())
    lengths = np.array([length for _, length in plan], np.int32)
    destinations = np.array([slots[peer] for peer, _ in plan])
    return udp.send_rows(matrix, rows, COLUMN, lengths, destinations, table), expected


def received(peers: list[socket.socket], expected: list[list[bytes]]) -> list[list[bytes]]:
    return [[peer.recv(2000) for _ in messages] for peer, messages in zip(peers, expected, strict=True)]


def test_rows_arrive_whole_and_in_order(udp: UdpSocket, peers: list[socket.socket], drops: Counter[str]) -> None:
    sent, expected = send_plan(udp, peers, PLAN)
    assert sent == len(PLAN)
    assert received(peers, expected) == expected
    assert not drops


def test_more_rows_than_one_call_takes(udp: UdpSocket, peers: list[socket.socket]) -> None:
    for peer in peers:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 1024 * 1024)
    plan = [(i % 3, 40 + i % 2) for i in range(1100)]
    sent, expected = send_plan(udp, peers, plan)
    assert sent == len(plan)
    assert received(peers, expected) == expected


@needs_mmsg
def test_a_send_fails_alone(host: str, peers: list[socket.socket], drops: Counter[str]) -> None:
    udp = open_socket("mmsg", host, drops)
    table = DestinationTable()
    good, bad = table.add(), table.add()
    table.point(good, 0, address_key(*peers[0].getsockname()[:2]))
    # Port 0 is nowhere: EINVAL.
    table.point(bad, 0, address_key(host, 0))
    matrix = np.arange(9, dtype=np.uint8)[:, None].repeat(STRIDE, axis=1)
    slots = np.array([good] * 4 + [bad] * 2 + [good] * 3)
    assert udp.send_rows(matrix, np.arange(9), COLUMN, np.full(9, 10, np.int32), slots, table) == 7
    assert [peers[0].recv(100)[0] for _ in range(7)] == [0, 1, 2, 3, 6, 7, 8]
    assert drops == {"send_error": 2}
    udp.close()


class FailingCall:
    """sendmmsg that refuses offloaded messages with an error, or everything after a while."""

    def __init__(self, real: Any, error: int, when: Any) -> None:
        self.real, self.error, self.when, self.calls = real, error, when, 0

    def __call__(self, fd: int, messages: int, count: int, flags: int) -> int:
        self.calls += 1
        if self.when(self, messages):
            mmsg.ctypes.set_errno(self.error)
            return -1
        return int(self.real(fd, messages, 1, flags))


def is_offloaded(_: FailingCall, message: int) -> bool:
    return bool(mmsg.ctypes.c_uint64.from_address(message + 40).value)


@needs_mmsg
@pytest.mark.parametrize(("error", "stays_on"), [("EIO", False), ("ENOPROTOOPT", False), ("EINVAL", True)])
def test_refused_offload_loses_nothing(
    host: str, peers: list[socket.socket], drops: Counter[str], error: str, stays_on: bool
) -> None:
    udp = open_socket("offload", host, drops)
    assert isinstance(udp, MmsgSocket)
    udp._sendmmsg = FailingCall(udp._sendmmsg, getattr(mmsg.errno, error), is_offloaded)
    sent, expected = send_plan(udp, peers, PLAN)
    assert sent == len(PLAN)
    assert received(peers, expected) == expected
    assert udp.offload is stays_on
    assert not drops
    udp.close()


@needs_mmsg
def test_a_full_socket_buffer_drops_the_rest_and_counts_it(
    host: str, peers: list[socket.socket], drops: Counter[str]
) -> None:
    udp = open_socket("mmsg", host, drops)
    assert isinstance(udp, MmsgSocket)
    call = FailingCall(udp._sendmmsg, mmsg.errno.EAGAIN, lambda call, _: call.calls > 10)
    udp._sendmmsg = call
    sent, _ = send_plan(udp, peers, PLAN)
    assert sent == 10
    assert drops == {"send_would_block": len(PLAN) - 10}
    assert call.calls == 11
    udp.close()


def send_blocks(
    udp: UdpSocket, peers: list[socket.socket], patterns: list[tuple[list[int], list[int]]], tag: int
) -> tuple[int, list[list[bytes]]]:
    """Each pattern, (indices of peers, lengths), as a block whose packets became `tag` bytes longer."""
    table = DestinationTable()
    slots = [table.add() for _ in peers]
    for slot, peer in zip(slots, peers, strict=True):
        table.point(slot, 0, address_key(*peer.getsockname()[:2]))
    plan = [(peer, length + tag) for chosen, lengths in patterns for peer in chosen for length in lengths]
    matrix = np.random.default_rng(1).integers(0, 256, (len(plan) + 1, STRIDE), np.uint8)
    expected: list[list[bytes]] = [[] for _ in peers]
    for row, (peer, length) in enumerate(plan):
        expected[peer].append(matrix[row, :length].tobytes())
    blocks = []
    for chosen, lengths in patterns:
        of_block = np.array([slots[peer] for peer in chosen])
        names = of_block * NAME_STRIDE + table.names_pointer
        blocks.append(SameForAll(of_block, names, names.tolist(), lengths))
    sizes = np.array([length for _, length in plan], np.int32)
    return udp.send_blocks(matrix, sizes, blocks, table), expected


BLOCKS = {
    "one packet to one": [([1], [100])],
    "one packet to each": [([0, 1, 2], [100])],
    "a frame to each": [([0, 1, 2], [1200, 1200, 1200, 300])],
    "unequal packets": [([0, 2], [100, 200, 300])],
    "sound and two frames": [([0, 1, 2], [80]), ([0, 1], [1200] * 5), ([1, 2], [900, 1000, 1000, 400])],
    "more than one offloaded send": [([2, 0], [700] * 40)],
    "many": [([0, 1, 2], [60]), ([0, 1, 2], [61]), ([1, 2], [62] * 20), ([0], [63, 64])],
}


@pytest.mark.parametrize("patterns", BLOCKS.values(), ids=BLOCKS.keys())
@pytest.mark.parametrize("tag", [10, 16])
def test_blocks_arrive_whole_and_in_order(
    udp: UdpSocket, peers: list[socket.socket], drops: Counter[str], patterns: list[Any], tag: int
) -> None:
    for _ in range(2):
        sent, expected = send_blocks(udp, peers, patterns, tag)
        assert sent == sum(map(len, expected))
        assert received(peers, expected) == expected
    assert not drops


def test_what_one_send_leaves_behind_does_not_change_the_next(udp: UdpSocket, peers: list[socket.socket]) -> None:
    for name in ("a frame to each", "one packet to each", "sound and two frames", "unequal packets", "many"):
        _, expected = send_blocks(udp, peers, BLOCKS[name], 16)
        assert received(peers, expected) == expected


@needs_mmsg
@pytest.mark.parametrize(("error", "stays_on"), [("EIO", False), ("ENOPROTOOPT", False), ("EINVAL", True)])
def test_refused_offload_of_blocks_loses_nothing(
    host: str, peers: list[socket.socket], drops: Counter[str], error: str, stays_on: bool
) -> None:
    udp = open_socket("offload", host, drops)
    assert isinstance(udp, MmsgSocket)
    udp._sendmmsg = FailingCall(udp._sendmmsg, getattr(mmsg.errno, error), is_offloaded)
    sent, expected = send_blocks(udp, peers, BLOCKS["sound and two frames"], 16)
    assert sent == sum(map(len, expected))
    assert received(peers, expected) == expected
    assert udp.offload is stays_on
    assert not drops
    udp.close()


@needs_mmsg
def test_a_full_socket_buffer_drops_the_rest_of_the_blocks(
    host: str, peers: list[socket.socket], drops: Counter[str]
) -> None:
    udp = open_socket("mmsg", host, drops)
    assert isinstance(udp, MmsgSocket)
    udp._sendmmsg = FailingCall(udp._sendmmsg, mmsg.errno.EAGAIN, lambda call, _: call.calls > 4)
    sent, expected = send_blocks(udp, peers, BLOCKS["sound and two frames"], 16)
    assert sent == 4
    assert drops == {"send_would_block": sum(map(len, expected)) - 4}
    udp.close()


@needs_mmsg
@pytest.mark.parametrize("matrix", [np.zeros((4, 3200), np.uint8)[:, ::2], np.zeros((4, 1600), np.uint16)])
def test_matrices_that_the_kernel_would_misread(matrix: np.ndarray, drops: Counter[str]) -> None:
    udp = open_socket("mmsg", "127.0.0.1", drops)
    with pytest.raises(ValueError):
        udp.receive(matrix, 0, 4, COLUMN)
    udp.close()


@pytest.mark.usefixtures("ipv6")
def test_an_ipv6_socket_leaves_ipv4_alone(drops: Counter[str]) -> None:
    six = UdpSocket("::", 0, drops, 8)
    four = UdpSocket("0.0.0.0", six.port, drops, 8)
    four.close()
    six.close()


def test_a_taken_port_is_an_os_error(drops: Counter[str]) -> None:
    first = UdpSocket("127.0.0.1", 0, drops, 8)
    with pytest.raises(OSError):
        socket_class()("127.0.0.1", first.port, drops, 8)
    first.close()
