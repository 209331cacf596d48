"""What recvmmsg and sendmmsg read and write: the kernel's structures in arrays that are made once.

Large batches fill them by columns. A single datagram, which most wake-ups bring, is better off with items of a
memoryview: an operation on a column costs microseconds when the code behind it is not in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .address import SOCKADDR_IN6_SIZE, SOCKADDR_IN_SIZE, AddressKey
from .destinations import NAME_STRIDE
from .udp import SameForAll

# struct mmsghdr, struct iovec, and a struct cmsghdr with its 2-byte payload, of 64-bit little-endian Linux. (musl's
# narrower fields with explicit padding have the same layout there.)
MESSAGE: Final = np.dtype(
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
# Where fields are, in items of 4 and 8 bytes.
_MESSAGE_U4: Final = MESSAGE.itemsize // 4
_MESSAGE_U8: Final = MESSAGE.itemsize // 8
_NAME_LENGTH_U4: Final = 2
_LENGTH_U4: Final = 14
_NAME_U8: Final = NAME_STRIDE // 8

SOL_UDP: Final = 17
UDP_SEGMENT: Final = 103

MAX_SENT_AT_ONCE: Final = 1024
"""UIO_MAXIOV: the kernel takes no more messages in one call."""

_FEW_ROWS: Final = 16
"""Up to here addresses and lengths are written one by one."""


class MatrixRows:
    """Addresses of a matrix, looked up once; holds the matrix alive while the kernel's structures point into it."""

    def __init__(self, matrix: NDArray[np.uint8]) -> None:
        if matrix.ndim != 2 or matrix.dtype != np.uint8 or not matrix.flags.c_contiguous:
            raise ValueError("packets live in a C-contiguous two-dimensional uint8 matrix")
        self.matrix = matrix
        self.pointer = matrix.ctypes.data
        self.stride = matrix.shape[1]


class Incoming:
    """A message for each row of a matrix, to receive into from `column` on. Nothing has to be filled in before a call;
    the 112 bytes for a row are little beside it."""

    def __init__(self, matrix: NDArray[np.uint8], column: int, *, ipv6: bool) -> None:
        rows = MatrixRows(matrix)
        self.matrix, self.column = matrix, column
        index = np.arange(len(matrix))
        self._names = np.zeros((len(matrix), NAME_STRIDE), np.uint8)
        self._iov = np.zeros(len(matrix), _IOVEC)
        self._iov["base"] = index * rows.stride + (rows.pointer + column)
        self._iov["length"] = rows.stride - column
        self._messages = np.zeros(len(matrix), MESSAGE)
        self._messages["name"] = index * NAME_STRIDE + self._names.ctypes.data
        self._messages["name_length"] = SOCKADDR_IN6_SIZE
        self._messages["iov"] = index * _IOVEC.itemsize + self._iov.ctypes.data
        self._messages["iov_count"] = 1
        self.pointer = self._messages.ctypes.data
        self._items = self._messages.view(np.uint32).data
        self._name_bytes = self._names.reshape(-1).data
        self._name_items = self._names.reshape(-1).view(np.uint64).data
        self._ipv6 = ipv6

    def take(self, first: int, end: int) -> tuple[list[int], list[AddressKey]]:
        """Lengths and senders of what came into rows first..end-1, which may be received into again."""
        items = self._items
        for row in range(first, end):
            # The kernel wrote how long the address is.
            items[row * _MESSAGE_U4 + _NAME_LENGTH_U4] = SOCKADDR_IN6_SIZE
        lengths: list[int] = items[first * _MESSAGE_U4 + _LENGTH_U4 : end * _MESSAGE_U4 : _MESSAGE_U4].tolist()
        keys: list[AddressKey]
        if not self._ipv6:
            keys = self._name_items[first * _NAME_U8 : end * _NAME_U8 : _NAME_U8].tolist()  # type: ignore[assignment]
            return lengths, keys
        names = self._name_bytes
        starts = range(first * NAME_STRIDE, end * NAME_STRIDE, NAME_STRIDE)
        keys = [bytes(names[start : start + SOCKADDR_IN6_SIZE]) for start in starts]
        return lengths, keys


class Outgoing:
    """Headers of up to MAX_SENT_AT_ONCE messages. Message i sends row i, while nothing says otherwise: what a send
    without segmentation has to fill in are addresses and lengths."""

    def __init__(self, *, ipv6: bool) -> None:
        index = np.arange(MAX_SENT_AT_ONCE)
        self._index = index
        self._control = np.zeros(MAX_SENT_AT_ONCE, _CONTROL)
        self._control["length"] = _CONTROL_LENGTH
        self._control["level"] = SOL_UDP
        self._control["type"] = UDP_SEGMENT
        self._iov = np.zeros(MAX_SENT_AT_ONCE, _IOVEC)
        self._single_iov = index * _IOVEC.itemsize + self._iov.ctypes.data
        self._messages = np.zeros(MAX_SENT_AT_ONCE, MESSAGE)
        self._messages["name_length"] = SOCKADDR_IN6_SIZE if ipv6 else SOCKADDR_IN_SIZE
        self._messages["control"] = index * _CONTROL.itemsize + self._control.ctypes.data
        self.pointer = self._messages.ctypes.data
        self.names = self._messages["name"]
        self.bases = self._iov["base"]
        self.lengths = self._iov["length"]
        self._message_items = self._messages.view(np.uint64).data
        self._iov_items = self._iov.view(np.uint64).data
        self._changed = MAX_SENT_AT_ONCE
        self.single()

    def single(self) -> None:
        """Every message is one row."""
        changed = self._changed
        if changed:
            self._messages["iov"][:changed] = self._single_iov[:changed]
            self._messages["iov_count"][:changed] = 1
            self._messages["control_length"][:changed] = 0
            self._changed = 0

    def segmented(self, starts: NDArray[np.int64], counts: NDArray[np.int64], lengths: NDArray[np.int32]) -> None:
        """Message i is `counts[i]` rows from `starts[i]` on; all but its last one are `lengths[i]` long."""
        sends = len(starts)
        messages = self._messages[:sends]
        messages["iov"] = self._single_iov[starts]
        messages["iov_count"] = counts
        messages["control_length"] = np.where(counts > 1, _CONTROL.itemsize, 0)
        self._control["segment"][:sends] = lengths
        self._changed = max(self._changed, sends)

    def fill_blocks(
        self, lengths: NDArray[np.int32], blocks: Sequence[SameForAll], runs: Sequence[Sequence[tuple[int, int]]]
    ) -> int:
        """Messages for blocks whose slots are each sent these runs. Returns how many there are."""
        count = len(lengths)
        if any(len(parts) < len(block.pattern) for parts, block in zip(runs, blocks, strict=True)):
            self.lengths[:count] = lengths
            return self._fill_segmented(lengths, blocks, runs)
        self.single()
        if count > _FEW_ROWS:
            self.lengths[:count] = lengths
            first = 0
            for block in blocks:
                names, per_slot = block.names, len(block.pattern)
                end = first + len(names) * per_slot
                self.names[first:end] = names if per_slot == 1 else names.repeat(per_slot)
                first = end
            return count
        items, iov_items, row = self._message_items, self._iov_items, 0
        for block in blocks:
            for name in block.name_items:
                for _ in block.pattern:
                    items[row * _MESSAGE_U8] = name
                    row += 1
        for row, length in enumerate(lengths.data):
            iov_items[2 * row + 1] = length
        return count

    def _fill_segmented(
        self, lengths: NDArray[np.int32], blocks: Sequence[SameForAll], runs: Sequence[Sequence[tuple[int, int]]]
    ) -> int:
        row = sends = 0
        starts: list[NDArray[np.int64]] = []
        counts: list[int] = []
        for parts, block in zip(runs, blocks, strict=True):
            slots, per_slot = len(block.names), len(block.pattern)
            end = sends + slots * len(parts)
            self.names[sends:end] = block.names if len(parts) == 1 else block.names.repeat(len(parts))
            first = self._index[row : row + slots * per_slot : per_slot]
            starts.append(
                first if len(parts) == 1 else (first[:, None] + np.array([begin for begin, _ in parts])).reshape(-1)
            )
            counts += [end - begin for begin, end in parts] * slots
            sends, row = end, row + slots * per_slot
        all_starts = starts[0] if len(starts) == 1 else np.concatenate(starts)
        self.segmented(all_starts, np.array(counts), lengths[all_starts])
        return sends
