"""recvmmsg, sendmmsg and UDP segmentation offload: Linux's calls for many datagrams at once.

The kernel's structures are numpy arrays, so that a batch of headers is filled by a few column assignments.
"""

from __future__ import annotations

import ctypes
import errno
import sys
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .address import SOCKADDR_IN6_SIZE, SOCKADDR_IN_SIZE, AddressKey
from .destinations import NAME_STRIDE, DestinationTable
from .udp import WOULD_BLOCK, UdpSocket, send_drop_reason

# struct mmsghdr, struct iovec, and a struct cmsghdr with its 2-byte payload, of 64-bit little-endian Linux. (musl's
# narrower fields with explicit padding have the same layout there.)
_MESSAGE: Final = np.dtype(
    {
        "names": ["name", "name_length", "iov", "iov_count", "control", "control_length", "flags", "length"],
        "formats": ["<u8", "<u4", "<u8", "<u8", "<u8", "<u8", "<i4", "<u4"],
        "offsets": [0, 8, 16, 24, 32, 40, 48, 56],
        "itemsize": 64,
    }
)
_IOVEC: Final = np.dtype([("base", "<u8"), ("length", "<u8")])
_CONTROL: Final = np.dtype(
    {
        "names": ["length", "level", "type", "segment"],
        "formats": ["<u8", "<i4", "<i4", "<u2"],
        "offsets": [0, 8, 12, 16],
        "itemsize": 24,
    }
)
_CONTROL_LENGTH: Final = 18
_NAME: Final = np.dtype(
    {"names": ["ipv4", "ipv6"], "formats": ["<u8", f"V{SOCKADDR_IN6_SIZE}"], "offsets": [0, 0], "itemsize": NAME_STRIDE}
)

_SOL_UDP: Final = 17
_UDP_SEGMENT: Final = 103

_MAX_SEGMENTS: Final = 16
"""Datagrams in one offloaded send. Measured: more gain nothing; the kernel allows 64 and 65,507 bytes in all."""

_MAX_SENT_AT_ONCE: Final = 1024
"""UIO_MAXIOV: the kernel takes no more messages in one call."""

_FEW_ROWS: Final = 6
"""Up to here single sends (4-6 us each) cost less than filling the columns of a batch (about 30 us), measured."""

_OFFLOAD_MISSING: Final = frozenset({errno.EIO, errno.ENOPROTOOPT, errno.EOPNOTSUPP})
"""The device or the kernel cannot do it at all (EIO: no checksum offload)."""

_OFFLOAD_REFUSED: Final = _OFFLOAD_MISSING | {errno.EINVAL, errno.EMSGSIZE}
"""EINVAL and EMSGSIZE: these segments are too long for this path, while others may pass."""


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


_CALLS: Final = _system_calls()


def socket_class() -> type[UdpSocket]:
    """The fastest implementation that works here."""
    return UdpSocket if _CALLS is None else MmsgSocket


def run_starts(slots: NDArray[np.int64], lengths: NDArray[np.int32], max_segments: int) -> NDArray[np.int64]:
    """Indices at which a new send begins. At least one row is needed.

    A run has one destination and one length, only its last datagram may be shorter, and it has at most `max_segments`.
    (A chain of ever shorter datagrams is cut into more runs than it need be; video frames do not look like that.)
    """
    count = len(slots)
    same = slots[1:] == slots[:-1]
    if not same.any():
        return np.arange(count)
    growth = lengths[1:] - lengths[:-1]
    starting = np.ones(count, np.bool_)
    np.not_equal(growth, 0, out=starting[1:])
    starting[1:] |= ~same
    shrinks = same & (growth < 0)
    if shrinks.any():
        # The first shorter one ends a run, and a chain of ever shorter ones goes out in pairs at best.
        last = np.zeros(count, np.bool_)
        last[1:] = shrinks
        last[2:] &= ~shrinks[:-1]
        starting[2:] |= last[1:-1]
        starting &= ~last
    starts = starting.nonzero()[0]
    if len(starts) * max_segments >= count and _longest_run(starts, count) <= max_segments:
        return starts
    position = np.arange(count)
    position -= starts.repeat(np.diff(starts, append=count))
    return np.flatnonzero(position % max_segments == 0)


def _longest_run(starts: NDArray[np.int64], count: int) -> int:
    longest = count - int(starts[-1])
    return longest if len(starts) == 1 else max(longest, int((starts[1:] - starts[:-1]).max()))


class _Rows:
    """Addresses of a matrix, looked up once; holds the matrix alive while the kernel's structures point into it."""

    def __init__(self, matrix: NDArray[np.uint8]) -> None:
        if matrix.ndim != 2 or matrix.dtype != np.uint8 or not matrix.flags.c_contiguous:
            raise ValueError("packets live in a C-contiguous two-dimensional uint8 matrix")
        self.matrix = matrix
        self.pointer = matrix.ctypes.data
        self.stride = matrix.shape[1]


class MmsgSocket(UdpSocket):
    """`UdpSocket` with one system call per batch."""

    def __init__(self, host: str, port: int, drops: dict[str, int], max_batch: int) -> None:
        if _CALLS is None:
            raise OSError(errno.ENOSYS, "recvmmsg and sendmmsg are not available")
        super().__init__(host, port, drops, max_batch)
        self._recvmmsg, self._sendmmsg = _CALLS
        self._fd = self._socket.fileno()
        self._received_rows: _Rows | None = None
        self._sent_rows: _Rows | None = None
        self._prepare_receive()
        self._prepare_send()
        self.offload = self._probe_offload()

    def close(self) -> None:
        super().close()
        self._fd = -1

    def receive(self, matrix: NDArray[np.uint8], first_row: int, max_count: int, column: int) -> int:
        rows = self._received_rows
        if rows is None or rows.matrix is not matrix:
            rows = self._received_rows = _Rows(matrix)
            self._row_offsets = np.arange(self.max_batch, dtype=np.uint64) * np.uint64(rows.stride)
        count = min(max_count, self.max_batch, len(matrix) - first_row)
        if count <= 0:
            return 0
        np.add(
            self._row_offsets,
            np.uint64(rows.pointer + first_row * rows.stride + column),
            out=self._received_iov["base"],
        )
        self._received_iov["length"] = rows.stride - column
        self._received["name_length"] = SOCKADDR_IN6_SIZE
        received: int = self._recvmmsg(self._fd, self._received_pointer, count, 0, None)
        if received <= 0:
            self.keys = []
            if received < 0 and ctypes.get_errno() not in WOULD_BLOCK:
                self._drops["receive_error"] += 1
            return 0
        self.lengths[:received] = self._received["length"][:received]
        self.keys = self._received_keys(received)
        return received

    def send_rows(
        self,
        matrix: NDArray[np.uint8],
        rows: NDArray[np.int64],
        column: int,
        lengths: NDArray[np.int32],
        slots: NDArray[np.int64],
        destinations: DestinationTable,
    ) -> int:
        if len(rows) <= _FEW_ROWS:
            return super().send_rows(matrix, rows, column, lengths, slots, destinations)
        known = self._sent_rows
        if known is None or known.matrix is not matrix:
            known = self._sent_rows = _Rows(matrix)
        sent = 0
        for begin in range(0, len(rows), _MAX_SENT_AT_ONCE):
            part = slice(begin, begin + _MAX_SENT_AT_ONCE)
            sent += self._send_part(known, rows[part], column, lengths[part], slots[part], destinations)
        return sent

    def _send_part(
        self,
        known: _Rows,
        rows: NDArray[np.int64],
        column: int,
        lengths: NDArray[np.int32],
        slots: NDArray[np.int64],
        destinations: DestinationTable,
    ) -> int:
        count = len(rows)
        starts = run_starts(slots, lengths, _MAX_SEGMENTS) if self.offload else self._index[:count]
        ends = np.empty_like(starts)
        ends[:-1], ends[-1] = starts[1:], count
        self._fill_messages(known, rows, column, lengths, slots, destinations, starts, ends)
        position, lost = 0, 0
        while position < len(starts):
            done: int = self._sendmmsg(self._fd, self._sent_pointer + position * 64, len(starts) - position, 0)
            if done > 0:
                position += done
                continue
            error = ctypes.get_errno()
            begin, end = int(starts[position]), int(ends[position])
            if error == errno.EINTR:
                continue
            if error in WOULD_BLOCK:
                self._drops[send_drop_reason(error)] += count - begin
                lost += count - begin
                break
            if end - begin > 1 and error in _OFFLOAD_REFUSED:
                self.offload = self.offload and error not in _OFFLOAD_MISSING
                run = slice(begin, end)
                sent = super().send_rows(known.matrix, rows[run], column, lengths[run], slots[run], destinations)
                lost += end - begin - sent
            else:
                self._drops[send_drop_reason(error)] += end - begin
                lost += end - begin
            position += 1
        return count - lost

    def _fill_messages(
        self,
        known: _Rows,
        rows: NDArray[np.int64],
        column: int,
        lengths: NDArray[np.int32],
        slots: NDArray[np.int64],
        destinations: DestinationTable,
        starts: NDArray[np.int64],
        ends: NDArray[np.int64],
    ) -> None:
        count, sends = len(rows), len(starts)
        messages = self._sent[:sends]
        self._sent_iov["base"][:count] = rows * known.stride + (known.pointer + column)
        self._sent_iov["length"][:count] = lengths
        messages["control_length"] = 0
        if sends == count:
            messages["name"] = slots * NAME_STRIDE + destinations.names_pointer
            messages["iov"] = self._single_iov[:count]
            messages["iov_count"] = 1
            return
        segments = ends - starts
        messages["name"] = slots[starts] * NAME_STRIDE + destinations.names_pointer
        messages["iov"] = self._single_iov[starts]
        messages["iov_count"] = segments
        messages["control_length"][segments > 1] = _CONTROL.itemsize
        self._control["segment"][:sends] = lengths[starts]

    def _received_keys(self, count: int) -> list[AddressKey]:
        keys: list[AddressKey] = self._names["ipv6" if self.ipv6 else "ipv4"][:count].tolist()
        return keys

    def _prepare_receive(self) -> None:
        self._names = np.zeros(self.max_batch, _NAME)
        self._received_iov = np.zeros(self.max_batch, _IOVEC)
        self._received = np.zeros(self.max_batch, _MESSAGE)
        index = np.arange(self.max_batch)
        self._received["name"] = index * NAME_STRIDE + self._names.ctypes.data
        self._received["iov"] = index * _IOVEC.itemsize + self._received_iov.ctypes.data
        self._received["iov_count"] = 1
        self._received_pointer = self._received.ctypes.data

    def _prepare_send(self) -> None:
        self._index = np.arange(_MAX_SENT_AT_ONCE)
        self._control = np.zeros(_MAX_SENT_AT_ONCE, _CONTROL)
        self._control["length"] = _CONTROL_LENGTH
        self._control["level"] = _SOL_UDP
        self._control["type"] = _UDP_SEGMENT
        self._sent_iov = np.zeros(_MAX_SENT_AT_ONCE, _IOVEC)
        self._single_iov = self._index * _IOVEC.itemsize + self._sent_iov.ctypes.data
        self._sent = np.zeros(_MAX_SENT_AT_ONCE, _MESSAGE)
        self._sent["name_length"] = SOCKADDR_IN6_SIZE if self.ipv6 else SOCKADDR_IN_SIZE
        self._sent["control"] = self._index * _CONTROL.itemsize + self._control.ctypes.data
        self._sent_pointer = self._sent.ctypes.data

    def _probe_offload(self) -> bool:
        try:
            self._socket.getsockopt(_SOL_UDP, _UDP_SEGMENT)
        except OSError:
            return False
        return True
