"""recvmmsg, sendmmsg and UDP segmentation offload: Linux's calls for many datagrams at once."""

from __future__ import annotations

import ctypes
import errno
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .destinations import NAME_STRIDE, DestinationTable
from .kernel import (
    MAX_SENT_AT_ONCE,
    MESSAGE,
    SOL_UDP,
    UDP_SEGMENT,
    Incoming,
    MatrixRows,
    Outgoing,
)
from .segments import MAX_SEGMENTS, block_spans, pattern_runs, run_starts
from .udp import WOULD_BLOCK, SameForAll, UdpSocket, send_drop_reason

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


class MmsgSocket(UdpSocket):
    """`UdpSocket` with one system call per batch."""

    def __init__(self, host: str, port: int, drops: dict[str, int], max_batch: int) -> None:
        if _CALLS is None:
            raise OSError(errno.ENOSYS, "recvmmsg and sendmmsg are not available")
        super().__init__(host, port, drops, max_batch)
        self._recvmmsg, self._sendmmsg = _CALLS
        self._fd = self._socket.fileno()
        self._incoming: Incoming | None = None
        self._sent_rows: MatrixRows | None = None
        self._index = np.arange(MAX_SENT_AT_ONCE)
        self._outgoing = Outgoing(ipv6=self.ipv6)
        self._blocks = Outgoing(ipv6=self.ipv6)
        self._block_rows: MatrixRows | None = None
        self.offload = self._probe_offload()

    def close(self) -> None:
        super().close()
        self._fd = -1

    def receive(self, matrix: NDArray[np.uint8], first_row: int, max_count: int, column: int) -> int:
        incoming = self._incoming
        if incoming is None or incoming.matrix is not matrix or incoming.column != column:
            incoming = self._incoming = Incoming(matrix, column, ipv6=self.ipv6)
        count = min(max_count, self.max_batch, len(matrix) - first_row)
        if count <= 0:
            return 0
        pointer = incoming.pointer + first_row * MESSAGE.itemsize
        received: int = self._recvmmsg(self._fd, pointer, count, 0, None)
        if received <= 0:
            self.keys = []
            if received < 0 and ctypes.get_errno() not in WOULD_BLOCK:
                self._drops["receive_error"] += 1
            return 0
        self.lengths, self.keys = incoming.take(first_row, first_row + received)
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
            known = self._sent_rows = MatrixRows(matrix)
        sent = 0
        for begin in range(0, len(rows), MAX_SENT_AT_ONCE):
            part = slice(begin, begin + MAX_SENT_AT_ONCE)
            sent += self._send_part(known, rows[part], column, lengths[part], slots[part], destinations)
        return sent

    def _send_part(
        self,
        known: MatrixRows,
        rows: NDArray[np.int64],
        column: int,
        lengths: NDArray[np.int32],
        slots: NDArray[np.int64],
        destinations: DestinationTable,
    ) -> int:
        count = len(rows)
        outgoing = self._outgoing
        outgoing.bases[:count] = rows * known.stride + (known.pointer + column)
        outgoing.lengths[:count] = lengths
        starts = run_starts(slots, lengths, MAX_SEGMENTS) if self.offload else self._index[:count]
        ends = np.append(starts[1:], count)
        sends = len(starts)
        if sends == count:
            outgoing.single()
            outgoing.names[:count] = slots * NAME_STRIDE + destinations.names_pointer
        else:
            outgoing.segmented(starts, ends - starts, lengths[starts])
            outgoing.names[:sends] = slots[starts] * NAME_STRIDE + destinations.names_pointer
        done: int = self._sendmmsg(self._fd, outgoing.pointer, sends, 0)
        if done == sends:
            return count

        def one_by_one(run: slice) -> int:
            send = super(MmsgSocket, self).send_rows
            return send(known.matrix, rows[run], column, lengths[run], slots[run], destinations)

        return count - self._send_rest(outgoing, done, starts, ends, one_by_one)

    def send_blocks(
        self,
        matrix: NDArray[np.uint8],
        lengths: NDArray[np.int32],
        blocks: Sequence[SameForAll],
        destinations: DestinationTable,
    ) -> int:
        count = len(lengths)
        if count > MAX_SENT_AT_ONCE:
            return super().send_blocks(matrix, lengths, blocks, destinations)
        outgoing = self._block_outgoing(matrix)
        runs = [pattern_runs(block.pattern, MAX_SEGMENTS if self.offload else 1) for block in blocks]
        sends = outgoing.fill_blocks(lengths, blocks, runs)
        done: int = self._sendmmsg(self._fd, outgoing.pointer, sends, 0)
        if done == sends:
            return count

        def one_by_one(run: slice) -> int:
            slots = np.concatenate([block.row_slots() for block in blocks])
            send = super(MmsgSocket, self).send_rows
            return send(matrix, self._index[run], 0, lengths[run], slots[run], destinations)

        return count - self._send_rest(outgoing, done, *block_spans(blocks, runs), one_by_one)

    def _block_outgoing(self, matrix: NDArray[np.uint8]) -> Outgoing:
        """With addresses of the rows of `matrix`, from the first one on: they stay the same from block to block."""
        known = self._block_rows
        if known is None or known.matrix is not matrix:
            known = self._block_rows = MatrixRows(matrix)
            self._blocks.bases[:] = self._index * known.stride + known.pointer
        return self._blocks

    def _send_rest(
        self,
        outgoing: Outgoing,
        done: int,
        starts: NDArray[np.int64],
        ends: NDArray[np.int64],
        one_by_one: Callable[[slice], int],
    ) -> int:
        """Go on after a call that took fewer messages than all (or none, -1). Returns how many datagrams were lost."""
        sends, position, lost = len(starts), 0, 0
        while True:
            if done > 0:
                position += done
            elif (error := ctypes.get_errno()) != errno.EINTR:
                begin, end = int(starts[position]), int(ends[position])
                if error in WOULD_BLOCK:
                    self._drops[send_drop_reason(error)] += int(ends[-1]) - begin
                    return lost + int(ends[-1]) - begin
                if end - begin > 1 and error in _OFFLOAD_REFUSED:
                    self.offload = self.offload and error not in _OFFLOAD_MISSING
                    lost += end - begin - one_by_one(slice(begin, end))
                else:
                    self._drops[send_drop_reason(error)] += end - begin
                    lost += end - begin
                position += 1
            if position >= sends:
                return lost
            done = self._sendmmsg(self._fd, outgoing.pointer + position * MESSAGE.itemsize, sends - position, 0)

    def _probe_offload(self) -> bool:
        try:
            self._socket.getsockopt(SOL_UDP, UDP_SEGMENT)
        except OSError:
            return False
        return True
