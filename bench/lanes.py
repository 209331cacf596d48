"""Sockets that carry thousands of transports: what a load client sends and receives, by the batch.

A server tells transports apart by the address that they come from. On Linux all of 127.0.0.0/8 is local, so towards a
server on this machine one socket serves every transport, each with a source address of its own; UDP_GRO brings the
packets that the server segmented in one piece. Towards other machines every transport has a socket of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import ipaddress
import socket
import struct
import sys
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sfu.net.interfaces import local_addresses

from .packets import HEADER_READ, Packets
from .reception import Indices

MAX_TRANSPORTS: Final = 16384
MAX_MESSAGES: Final = 512
"""Twice what 800 viewers of one publisher get within _POLL_S: what is counted together costs less."""
MESSAGE_STRIDE: Final = 65536
"""The longest thing that UDP_GRO can put together."""
_MAX_SENT_AT_ONCE: Final = 1024
"""UIO_MAXIOV."""
_BATCHES_PER_WAKEUP: Final = 8
_BUSY_MESSAGES: Final = 16
_POLL_S: Final = 0.004
"""A socket that brought so many messages at once is not waited for but looked at again after this time: full batches
cost a third of small ones, and the kernel has noted when each packet came."""

_FIRST_ADDRESS: Final = int(ipaddress.IPv4Address("127.1.0.0"))
_BUFFER_BYTES: Final = 64 * 1024 * 1024
"""About a quarter of a second of 200,000 packets/s, so that a client that is held up does not look like loss."""
_UNPRIVILEGED_BUFFER_BYTES: Final = 4 * 1024 * 1024

# Linux's numbers, which Python's socket module does not have.
_SO_RCVBUFFORCE: Final = 33
_SO_TIMESTAMPNS: Final = 35
_SO_MEMINFO: Final = 55
_IP_PKTINFO: Final = 8
_SOL_UDP: Final = 17
_UDP_GRO: Final = 104
_MEMINFO: Final = struct.Struct("=9I")
_MEMINFO_DROPS: Final = 8

_MESSAGE: Final = np.dtype(
    {
        "names": ["name", "name_length", "iov", "iov_count", "control", "control_length", "flags", "length"],
        "formats": ["<u8", "<u4", "<u8", "<u8", "<u8", "<u8", "<i4", "<u4"],
        "offsets": [0, 8, 16, 24, 32, 40, 48, 56],
        "itemsize": 64,
    }
)
_IOVEC: Final = np.dtype([("base", "<u8"), ("length", "<u8")])

# Control messages come in this order: the time, the segment size where there is one, the address it was sent to.
_RECEIVED: Final = np.dtype(
    {
        "names": ["time_s", "time_ns", "second_type", "segment", "address_after_segment", "address"],
        "formats": ["<i8", "<i8", "<i4", "<i4", ">u4", ">u4"],
        "offsets": [16, 24, 44, 48, 80, 56],
        "itemsize": 96,
    }
)
_SENT: Final = np.dtype(
    {
        "names": ["length", "level", "type", "source"],
        "formats": ["<u8", "<i4", "<i4", ">u4"],
        "offsets": [0, 8, 12, 20],
        "itemsize": 32,
    }
)
_SENT_LENGTH: Final = 28
_NAME: Final = np.dtype(
    {"names": ["family", "port", "address"], "formats": ["<u2", ">u2", ">u4"], "offsets": [0, 2, 4], "itemsize": 16}
)


Consumer = Callable[[Packets], None]


def _system_calls() -> tuple[Any, Any] | None:
    if not sys.platform.startswith("linux") or sys.byteorder != "little" or ctypes.sizeof(ctypes.c_void_p) != 8:
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        recvmmsg, sendmmsg = libc.recvmmsg, libc.sendmmsg
    except AttributeError:
        return None
    recvmmsg.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p]
    sendmmsg.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int]
    return recvmmsg, sendmmsg


class Lanes:
    """All sockets of a client process. Transports are numbers below MAX_TRANSPORTS, given by the caller."""

    def __init__(self, consume: Consumer, *, gro: bool = True) -> None:
        """`consume` gets what arrives, on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._consume = consume
        self._gro = gro
        self._calls = _system_calls()
        self._local = frozenset(local_addresses())
        self._shared: _SharedLane | None = None
        self._polling = False
        self._own: dict[int, _OwnLane] = {}
        self._on_shared: set[int] = set()
        self.send_failures = 0

    def attach(self, transport: int, remote: tuple[str, int]) -> None:
        """Give the transport a local address and its peer's."""
        if self._calls is not None and remote[0] in self._local and ":" not in remote[0]:
            if self._shared is None:
                self._shared = _SharedLane(*self._calls, gro=self._gro)
                self._loop.add_reader(self._shared.socket.fileno(), self._drain_shared)
            self._shared.point(transport, remote)
            self._on_shared.add(transport)
        else:
            lane = _OwnLane(transport, remote)
            self._own[transport] = lane
            self._loop.add_reader(lane.socket.fileno(), self._drain_own, lane)

    def detach(self, transport: int) -> None:
        """Idempotent."""
        self._on_shared.discard(transport)
        lane = self._own.pop(transport, None)
        if lane is not None:
            self._loop.remove_reader(lane.socket.fileno())
            lane.socket.close()

    def close(self) -> None:
        for transport in list(self._own):
            self.detach(transport)
        if self._shared is not None:
            self._loop.remove_reader(self._shared.socket.fileno())
            self._shared.socket.close()
            self._shared = None

    def send(self, transport: int, data: bytes) -> None:
        """One datagram; what the kernel does not take is counted."""
        try:
            if transport in self._on_shared and self._shared is not None:
                self._shared.send(transport, data)
            elif transport in self._own:
                self._own[transport].send(data)
        except OSError:
            self.send_failures += 1

    def send_rows(self, matrix: NDArray[np.uint8], lengths: NDArray[np.int32], transports: list[int]) -> None:
        """The first rows of a C-contiguous matrix, each for one transport."""
        if self._shared is not None and self._on_shared.issuperset(transports):
            self.send_failures += self._shared.send_rows(matrix, lengths, np.array(transports, np.int64))
            return
        for row, transport in enumerate(transports):
            self.send(transport, matrix[row, : lengths[row]].tobytes())

    @property
    def shared_port(self) -> int:
        """Local port of the transports towards this machine; 0 without any."""
        return 0 if self._shared is None else int(self._shared.socket.getsockname()[1])

    def drain(self) -> None:
        """Take what has come without waiting for the loop."""
        self._drain_shared()

    def receive_drops(self) -> int:
        """Datagrams that the kernel dropped because this process did not read fast enough."""
        return 0 if self._shared is None else self._shared.receive_drops()

    def _drain_shared(self) -> None:
        lane = self._shared
        if lane is None:
            return
        messages = 0
        for _ in range(_BATCHES_PER_WAKEUP):
            packets = lane.receive()
            if packets is None:
                break
            messages += lane.message_count
            self._consume(packets)
            if lane.message_count < MAX_MESSAGES:
                break
        busy = messages >= _BUSY_MESSAGES
        if busy:
            self._loop.call_later(_POLL_S, self._drain_shared)
        if busy != self._polling:
            self._polling = busy
            if busy:
                self._loop.remove_reader(lane.socket.fileno())
            else:
                self._loop.add_reader(lane.socket.fileno(), self._drain_shared)

    def _drain_own(self, lane: _OwnLane) -> None:
        packets = lane.receive()
        if packets is not None:
            self._consume(packets)


class _WallOffset:
    """How far the wall clock, which the kernel stamps with, is ahead of the monotonic one."""

    _REFRESH_NS: Final = 1_000_000_000
    _TRIES: Final = 5

    def __init__(self) -> None:
        self._offset_ns = 0
        self._due_ns = 0

    def ns(self) -> int:
        """The same for a second: from call to call it would differ by what happened between two readings."""
        if time.monotonic_ns() >= self._due_ns:
            self._offset_ns = min(self._read() for _ in range(self._TRIES))[1]
            self._due_ns = time.monotonic_ns() + self._REFRESH_NS
        return self._offset_ns

    @staticmethod
    def _read() -> tuple[int, int]:
        """How long it took, and the offset."""
        before, wall, after = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        return after - before, wall - (before + after) // 2


class _SharedLane:
    """One socket for all transports towards this machine."""

    def __init__(self, recvmmsg: Any, sendmmsg: Any, *, gro: bool) -> None:
        self._recvmmsg, self._sendmmsg = recvmmsg, sendmmsg
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        if gro:
            with contextlib.suppress(OSError):
                self.socket.setsockopt(_SOL_UDP, _UDP_GRO, 1)
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
        except OSError:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _UNPRIVILEGED_BUFFER_BYTES)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _UNPRIVILEGED_BUFFER_BYTES)
        self.socket.bind(("0.0.0.0", 0))
        self._fd = self.socket.fileno()
        self.message_count = 0
        """Of the last `receive`; each holds one packet or a run of them."""
        self._wall_offset = _WallOffset()
        self._remotes: dict[int, tuple[str, int]] = {}
        self._prepare_receive()
        self._prepare_send()

    def point(self, transport: int, remote: tuple[str, int]) -> None:
        self._remotes[transport] = remote
        name = self._send_names[transport : transport + 1]
        name["family"], name["port"] = socket.AF_INET, remote[1]
        name["address"] = int(ipaddress.IPv4Address(remote[0]))

    def send(self, transport: int, data: bytes) -> None:
        control = struct.pack("=i4s4x", 0, (_FIRST_ADDRESS + transport).to_bytes(4))
        self.socket.sendmsg([data], [(socket.IPPROTO_IP, _IP_PKTINFO, control)], 0, self._remotes[transport])

    def send_rows(self, matrix: NDArray[np.uint8], lengths: NDArray[np.int32], transports: Indices) -> int:
        """Returns how many the kernel did not take."""
        lost = 0
        for begin in range(0, len(transports), _MAX_SENT_AT_ONCE):
            part = transports[begin : begin + _MAX_SENT_AT_ONCE]
            count = len(part)
            self._sent_iov["base"][:count] = self._rows[:count] * matrix.shape[1] + (
                matrix.ctypes.data + begin * matrix.shape[1]
            )
            self._sent_iov["length"][:count] = lengths[begin : begin + count]
            self._sent["name"][:count] = part * _NAME.itemsize + self._send_names.ctypes.data
            self._sent["control"][:count] = part * _SENT.itemsize + self._send_control.ctypes.data
            lost += self._send_prepared(count)
        return lost

    def _send_prepared(self, count: int) -> int:
        position, lost = 0, 0
        while position < count:
            pointer = self._sent.ctypes.data + position * _MESSAGE.itemsize
            done: int = self._sendmmsg(self._fd, pointer, count - position, 0)
            if done > 0:
                position += done
            elif ctypes.get_errno() != errno.EINTR:
                lost += 1
                position += 1
        return lost

    def receive(self) -> Packets | None:
        self._received["control_length"] = _RECEIVED.itemsize
        count: int = self._recvmmsg(self._fd, self._received.ctypes.data, MAX_MESSAGES, 0, None)
        self.message_count = max(count, 0)
        if count <= 0:
            return None
        control = self._control[:count]
        message_lengths = self._received["length"][:count].astype(np.int64)
        segmented = control["second_type"] == _UDP_GRO
        segments = np.where(segmented, control["segment"], message_lengths).astype(np.int64)
        address = np.where(segmented, control["address_after_segment"], control["address"]).astype(np.int64)
        arrival_ns = control["time_s"] * 1_000_000_000 + control["time_ns"] - self._wall_offset.ns()
        packets_of = np.maximum(-(-message_lengths // np.maximum(segments, 1)), 1)
        message = np.repeat(np.arange(count), packets_of)
        position = np.arange(len(message)) - np.repeat(np.cumsum(packets_of) - packets_of, packets_of)
        within = position * segments[message]
        return Packets(
            self._flat,
            message * MESSAGE_STRIDE + within,
            np.minimum(segments[message], message_lengths[message] - within),
            address[message] - _FIRST_ADDRESS,
            arrival_ns[message],
        )

    def receive_drops(self) -> int:
        drops: int = _MEMINFO.unpack(self.socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size))[
            _MEMINFO_DROPS
        ]
        return drops

    def _prepare_receive(self) -> None:
        index = np.arange(MAX_MESSAGES)
        self._flat = np.zeros(MAX_MESSAGES * MESSAGE_STRIDE + HEADER_READ, np.uint8)
        self._control = np.zeros(MAX_MESSAGES, _RECEIVED)
        self._received_iov = np.zeros(MAX_MESSAGES, _IOVEC)
        self._received_iov["base"] = index * MESSAGE_STRIDE + self._flat.ctypes.data
        self._received_iov["length"] = MESSAGE_STRIDE
        self._received = np.zeros(MAX_MESSAGES, _MESSAGE)
        self._received["iov"] = index * _IOVEC.itemsize + self._received_iov.ctypes.data
        self._received["iov_count"] = 1
        self._received["control"] = index * _RECEIVED.itemsize + self._control.ctypes.data

    def _prepare_send(self) -> None:
        self._rows = np.arange(_MAX_SENT_AT_ONCE)
        self._send_names = np.zeros(MAX_TRANSPORTS, _NAME)
        self._send_control = np.zeros(MAX_TRANSPORTS, _SENT)
        self._send_control["length"] = _SENT_LENGTH
        self._send_control["level"], self._send_control["type"] = socket.IPPROTO_IP, _IP_PKTINFO
        self._send_control["source"] = np.arange(MAX_TRANSPORTS) + _FIRST_ADDRESS
        self._sent_iov = np.zeros(_MAX_SENT_AT_ONCE, _IOVEC)
        self._sent = np.zeros(_MAX_SENT_AT_ONCE, _MESSAGE)
        self._sent["name_length"], self._sent["iov_count"] = _NAME.itemsize, 1
        self._sent["control_length"] = _SENT.itemsize
        self._sent["iov"] = self._rows * _IOVEC.itemsize + self._sent_iov.ctypes.data


class _OwnLane:
    """A socket for one transport, with the calls that every platform has."""

    _ROWS: Final = 32
    _STRIDE: Final = 2048

    def __init__(self, transport: int, remote: tuple[str, int]) -> None:
        family = socket.AF_INET6 if ":" in remote[0] else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _UNPRIVILEGED_BUFFER_BYTES)
        self.socket.connect(remote)
        self._transport = transport
        self._flat = np.zeros(self._ROWS * self._STRIDE, np.uint8)

    def send(self, data: bytes) -> None:
        self.socket.send(data)

    def receive(self) -> Packets | None:
        lengths: list[int] = []
        for row in range(self._ROWS):
            try:
                lengths.append(self.socket.recv_into(self._flat[row * self._STRIDE : (row + 1) * self._STRIDE].data))
            except OSError:
                break
        if not lengths:
            return None
        count = len(lengths)
        return Packets(
            self._flat,
            np.arange(count) * self._STRIDE,
            np.array(lengths, np.int64),
            np.full(count, self._transport, np.int64),
            np.full(count, time.monotonic_ns(), np.int64),
        )
