"""The fan-out table: a row per consumer, whose columns say how a forwarded packet is rewritten for it.

Mute, pause, kick and start change rows, never the loop that reads them (`egress.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

_INITIAL_ROWS: Final = 64
_PAYLOAD_TYPES: Final = 128

_Value = TypeVar("_Value", bound=np.generic)
RowIndices = NDArray[np.int64]
NO_ROWS: Final[RowIndices] = np.zeros(0, dtype=np.int64)


class FanoutTable:
    """Columns for all consumers of a worker. One table rather than one per stream, so that the packets of all streams
    that a wake-up brought are rewritten by one pass over one set of columns."""

    def __init__(self) -> None:
        size = _INITIAL_ROWS
        self._free = list(range(size - 1, -1, -1))
        self.ssrc = np.zeros(size, dtype=np.uint32)
        self.port = np.zeros(size, dtype=np.int64)
        """Index of the destination in the PortTable."""
        self.seq_offset = np.zeros(size, dtype=np.int64)
        """Outgoing sequence number = ext_seq of the stream - seq_offset, modulo 2^16."""
        self.first_ext_seq = np.zeros(size, dtype=np.int64)
        """Packets of the stream below this number are not for the consumer: they were sent before it started."""
        self.timestamp_offset = np.zeros(size, dtype=np.int64)
        """Added to the stream's RTP timestamps, modulo 2^32."""
        self.accepts = np.zeros((size, _PAYLOAD_TYPES), dtype=np.bool_)
        """By canonical payload type."""
        self.packets = np.zeros(size, dtype=np.int64)
        self.octets = np.zeros(size, dtype=np.int64)
        """Payload bytes sent, as sender reports count them."""
        self.bytes = np.zeros(size, dtype=np.int64)
        """RTP bytes sent, headers included."""

    def _grow(self) -> None:
        size = len(self.ssrc)
        self._free.extend(range(2 * size - 1, size - 1, -1))
        self.ssrc = _doubled(self.ssrc)
        self.port = _doubled(self.port)
        self.seq_offset = _doubled(self.seq_offset)
        self.first_ext_seq = _doubled(self.first_ext_seq)
        self.timestamp_offset = _doubled(self.timestamp_offset)
        self.accepts = _doubled(self.accepts)
        self.packets = _doubled(self.packets)
        self.octets = _doubled(self.octets)
        self.bytes = _doubled(self.bytes)

    def add(self, ssrc: int, port: int, payload_types: Iterable[int]) -> int:
        """A row for a consumer, which no stream forwards to yet."""
        if not self._free:
            self._grow()
        row = self._free.pop()
        self.ssrc[row] = ssrc
        self.port[row] = port
        self.accepts[row] = False
        self.accepts[row, list(payload_types)] = True
        for column in (
            self.seq_offset,
            self.first_ext_seq,
            self.timestamp_offset,
            self.packets,
            self.octets,
            self.bytes,
        ):
            column[row] = 0
        return row

    def remove(self, row: int) -> None:
        """Free a row that no stream forwards to any more. Packets that still wait for it in a batch are not sent."""
        self.accepts[row] = False
        self._free.append(row)


def _doubled(column: NDArray[_Value]) -> NDArray[_Value]:
    return np.concatenate([column, np.zeros_like(column)])


class ActiveRows:
    """The rows that one stream is forwarded to right now, sorted by port. A port has one of them at most."""

    def __init__(self) -> None:
        self._rows: dict[int, tuple[int, bool]] = {}
        """(port, whether it takes RED) by row."""
        self._changed = False
        self._all = self._with_red = self._without_red = NO_ROWS

    def activate(self, row: int, port: int, *, takes_red: bool) -> None:
        """Each port has one row at most: a subscriber consumes a producer once."""
        self._rows[row] = (port, takes_red)
        self._changed = True

    def deactivate(self, row: int) -> None:
        """Does nothing when the row is not active."""
        if self._rows.pop(row, None) is not None:
            self._changed = True

    @property
    def all(self) -> RowIndices:
        """The same array until something changes, and then another one: what is queued keeps its own."""
        self._rebuild()
        return self._all

    @property
    def with_red(self) -> RowIndices:
        """Those whose subscribers take the redundant form of audio (RFC 2198)."""
        self._rebuild()
        return self._with_red

    @property
    def without_red(self) -> RowIndices:
        """Those whose subscribers take the audio codec but not its redundant form."""
        self._rebuild()
        return self._without_red

    def _rebuild(self) -> None:
        # Only when somebody looks: a thousand viewers who begin with one keyframe are a thousand changes.
        if not self._changed:
            return
        self._changed = False
        ordered = sorted((port, row, takes_red) for row, (port, takes_red) in self._rows.items())
        self._all = np.array([row for _, row, _ in ordered], dtype=np.int64)
        self._with_red = np.array([row for _, row, red in ordered if red], dtype=np.int64)
        self._without_red = np.array([row for _, row, red in ordered if not red], dtype=np.int64)
