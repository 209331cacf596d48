"""The fan-out table: a row per consumer, whose columns say how a forwarded packet is rewritten for it.

Mute, pause, kick and start change rows, never the loop that reads them (`egress.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

_INITIAL_ROWS: Final = 64
_PAYLOAD_TYPES: Final = 128

_Value = TypeVar("_Value", bound=np.generic)
RowIndices = NDArray[np.int64]
ConsumerColumns = tuple[int, int, int, int]
"""(port, SSRC, sequence offset, timestamp offset) of a row."""


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
        self.removals = 0
        """How many rows were freed so far."""

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
        self.removals += 1
        self._free.append(row)


def _doubled(column: NDArray[_Value]) -> NDArray[_Value]:
    return np.concatenate([column, np.zeros_like(column)])


class Audience:
    """The rows that packets of one stream go to: each port once, sorted by port, with their columns side by side.

    Who takes a stream changes a few times a minute and packets come hundreds of times a second, so what a packet needs
    of its consumers is gathered when they change. An audience stays as it is; a change makes another one, and what is
    queued keeps its own.
    """

    def __init__(self, table: FanoutTable, rows: RowIndices) -> None:
        self.rows = rows
        self.size = len(rows)
        self.sending: Any = None
        """For whoever sends, to keep what it knows about these ports."""
        self._table = table
        self._packets = self._octets = self._bytes = 0
        self._retired = False
        self._parts: dict[int, Audience] = {}
        self._gather()

    def _gather(self) -> None:
        table, rows = self._table, self.rows
        self._removals = table.removals
        self.ports: NDArray[np.int64] = table.port[rows]
        self.ssrc: NDArray[np.uint32] = table.ssrc[rows].astype(">u4")
        self.seq_offset: NDArray[np.uint16] = (table.seq_offset[rows] & 0xFFFF).astype(np.uint16)
        timestamp_offset = table.timestamp_offset[rows]
        self.timestamp_offset: NDArray[np.int64] | None = timestamp_offset if timestamp_offset.any() else None
        self._consumers: list[ConsumerColumns] | None = None
        self._first_ext_seq = int(table.first_ext_seq[rows].max(initial=0))
        self._all_accept = frozenset(np.flatnonzero(np.all(table.accepts[rows], axis=0)).tolist())
        for part in self._parts.values():
            part.retire()
        self._parts.clear()

    def consumers(self) -> list[ConsumerColumns]:
        """The columns as rows, for whoever goes through them one by one."""
        if self._consumers is None:
            timestamp_offset = [0] * self.size if self.timestamp_offset is None else self.timestamp_offset.tolist()
            columns = (self.ports.tolist(), self.ssrc.tolist(), self.seq_offset.tolist(), timestamp_offset)
            self._consumers = list(zip(*columns, strict=True))
        return self._consumers

    def accepting(self, payload_type: int) -> Audience:
        """Those that negotiated it: this audience itself where all did."""
        # Consumers leave their stream before their rows are freed, so it is only what was queued that may hold one.
        if self._retired and self._removals != self._table.removals:
            self._gather()
        if payload_type in self._all_accept:
            return self
        part = self._parts.get(payload_type)
        if part is None:
            part = Audience(self._table, self.rows[self._table.accepts[self.rows, payload_type]])
            part._retired = self._retired
            self._parts[payload_type] = part
        return part

    def started(self, ext_seq: int) -> Audience:
        """Those for whom this packet is: this audience itself where nobody began with a later one."""
        if ext_seq >= self._first_ext_seq:
            return self
        part = Audience(self._table, self.rows[self._table.first_ext_seq[self.rows] <= ext_seq])
        part.retire()
        return part

    def count(self, packets: int, octets: int, size: int) -> None:
        """So much was sent to each row: packets, bytes of payload, bytes of RTP."""
        self._packets += packets
        self._octets += octets
        self._bytes += size
        if self._retired:
            self.settle()

    def settle(self) -> None:
        """Bring the table's counters up to date."""
        if self._packets:
            table, rows = self._table, self.rows
            table.packets[rows] += self._packets
            table.octets[rows] += self._octets
            table.bytes[rows] += self._bytes
            self._packets = self._octets = self._bytes = 0
        for part in self._parts.values():
            part.settle()

    def retire(self) -> None:
        """Another audience takes its place; counters are up to date from now on."""
        self._retired = True
        for part in self._parts.values():
            part.retire()
        self.settle()


class ActiveRows:
    """The rows that one stream is forwarded to right now. A port has one of them at most."""

    def __init__(self, table: FanoutTable) -> None:
        self._table = table
        self._rows: dict[int, tuple[int, bool]] = {}
        """(port, whether it takes RED) by row."""
        self._audiences: dict[bool | None, Audience] = {}
        """By whether they take RED, None for all; made when somebody looks: a thousand viewers who begin with one
        keyframe are a thousand changes."""

    def activate(self, row: int, port: int, *, takes_red: bool) -> None:
        """Each port has one row at most: a subscriber consumes a producer once."""
        self._rows[row] = (port, takes_red)
        self._retire()

    def deactivate(self, row: int) -> None:
        """Does nothing when the row is not active."""
        if self._rows.pop(row, None) is not None:
            self._retire()

    @property
    def all(self) -> Audience:
        """The same one until something changes."""
        return self._audiences.get(None) or self._audience(None)

    @property
    def with_red(self) -> Audience:
        """Those whose subscribers take the redundant form of audio (RFC 2198)."""
        return self._audiences.get(True) or self._audience(True)

    @property
    def without_red(self) -> Audience:
        """Those whose subscribers take the audio codec but not its redundant form."""
        return self._audiences.get(False) or self._audience(False)

    def settle(self) -> None:
        """Bring the table's counters of these rows up to date."""
        for audience in self._audiences.values():
            audience.settle()

    def _retire(self) -> None:
        for audience in self._audiences.values():
            audience.retire()
        self._audiences.clear()

    def _audience(self, takes_red: bool | None) -> Audience:
        ordered = sorted(
            (port, row) for row, (port, red) in self._rows.items() if takes_red is None or red is takes_red
        )
        audience = Audience(self._table, np.array([row for _, row in ordered], dtype=np.int64))
        self._audiences[takes_red] = audience
        return audience
