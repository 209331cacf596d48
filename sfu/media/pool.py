"""The packet pool: one byte matrix that packets are received into, forwarded from and retransmitted from."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

STRIDE: Final = 1664
"""Bytes of a row: a full Ethernet packet behind the headroom, and a multiple of a cache line."""
HEADROOM: Final = 64
"""Datagrams are received at this column, so that a canonical header that is longer than the received one can be
written in front of the payload in place. It also keeps rows aligned for AES-GCM."""
MAX_DATAGRAM: Final = STRIDE - HEADROOM
NO_OWNER: Final = -1


class PacketPool:
    """Ring of rows. The pool is the retransmission cache: a packet stays until its row's turn comes again.

    A row is known by its index ("slot"). `owner` and `ext_seq` say which packet it holds now: whoever keeps a slot
    compares both before reading it, so that an overwritten row is never taken for the packet that was there.
    """

    def __init__(self, slots: int = 16384) -> None:
        """`slots` rows of STRIDE bytes (27 MB by default: about three seconds of 20 publishers at 2.5 Mbit/s)."""
        if slots < 1:
            raise ValueError("a packet pool needs at least one slot")
        self.slots = slots
        self.data: NDArray[np.uint8] = np.zeros((slots, STRIDE), dtype=np.uint8)
        # Lists: they are read and written packet by packet, which costs a third of what numpy's columns take.
        self.start = [0] * slots
        """Column of the canonical packet's first byte."""
        self.length = [0] * slots
        """Bytes of the canonical packet, header included."""
        self.payload = [0] * slots
        """Column of the payload's first byte."""
        self.owner = [NO_OWNER] * slots
        """Id of the stream whose packet this is, NO_OWNER for anything else."""
        self.ext_seq = [0] * slots
        whole = self.data.reshape(-1).data
        self.rows: list[memoryview] = [whole[i * STRIDE : (i + 1) * STRIDE] for i in range(slots)]
        """The same bytes row by row, for the scalar path."""
        self._head = 0
        self._last_stream_id = 0

    def new_stream_id(self) -> int:
        """An owner id that is never given again."""
        self._last_stream_id += 1
        return self._last_stream_id

    def reserve(self, max_count: int) -> tuple[int, int]:
        """(first row, rows) of the window to receive into next: contiguous, at least one row, at most `max_count`."""
        return self._head, min(max(max_count, 1), self.slots - self._head)

    def commit(self, count: int) -> None:
        """Take the first `count` rows of the window, right after datagrams were received into them.

        Whatever they held is forgotten. Raises ValueError when the window was smaller.
        """
        end = self._head + count
        if not 0 <= count <= self.slots - self._head:
            raise ValueError("more rows committed than reserved")
        self.owner[self._head : end] = [NO_OWNER] * count
        self._head = end % self.slots

    def assign(self, slot: int, owner: int, ext_seq: int, start: int, payload: int, end: int) -> None:
        """Say what a committed row holds: a canonical packet in columns start..end with its payload at `payload`."""
        self.start[slot] = start
        self.length[slot] = end - start
        self.payload[slot] = payload
        self.ext_seq[slot] = ext_seq
        self.owner[slot] = owner

    def holds(self, slot: int, owner: int, ext_seq: int) -> bool:
        """Whether the row still holds that packet."""
        return self.owner[slot] == owner and self.ext_seq[slot] == ext_seq

    def packet(self, slot: int) -> memoryview:
        """The canonical packet's bytes, in place."""
        start = self.start[slot]
        return self.rows[slot][start : start + self.length[slot]]

    def header_len(self, slot: int) -> int:
        """Bytes of the canonical packet in front of its payload."""
        return self.payload[slot] - self.start[slot]
