"""Builds the packets of a wake-up, of all streams, for all their consumers: one block of rows, a few column writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sfu.rtp.ntp import abs_send_time

from .fanout import FanoutTable, RowIndices
from .pool import STRIDE, PacketPool
from .ports import PortTable

DROP_OVERWRITTEN: Final = "overwritten"
"""The packet's row in the pool was taken by a later one before it could be forwarded."""
DROP_NOT_ACCEPTED: Final = "payload_type_not_accepted"
"""The consumer did not negotiate the packet's codec (counted per consumer)."""
DROP_BEFORE_START: Final = "before_consumer_start"
"""The packet belongs in front of what the consumer began with (counted per consumer)."""

_STAGED: Final = 128
_TWO_BYTE_PROFILE_FIRST: Final = 0x10
_BEHIND_ALL_PORTS: Final = 1 << 40


class ForwardBatch:
    """Packets that one wake-up brought, in their order, each with the rows that it goes to."""

    def __init__(self, pool: PacketPool) -> None:
        self.pool = pool
        self.slots: list[int] = []
        self.owners: list[int] = []
        self.ext_seqs: list[int] = []
        self.payload_types: list[int] = []
        self.rows: list[RowIndices] = []
        self.video: list[bool] = []
        self.replacements: dict[int, bytes] = {}
        """By index: bytes to send in place of what the pool holds."""

    def __len__(self) -> int:
        return len(self.slots)

    def add(
        self,
        slot: int,
        owner: int,
        ext_seq: int,
        payload_type: int,
        rows: RowIndices,
        *,
        video: bool,
        replacement: bytes | None = None,
    ) -> None:
        """A packet of the pool for `rows`; `replacement` is another canonical packet to send in its place."""
        if replacement is not None:
            self.replacements[len(self.slots)] = replacement
        self.slots.append(slot)
        self.owners.append(owner)
        self.ext_seqs.append(ext_seq)
        self.payload_types.append(payload_type)
        self.rows.append(rows)
        self.video.append(video)

    def clear(self) -> None:
        for column in (self.slots, self.owners, self.ext_seqs, self.payload_types, self.rows, self.video):
            column.clear()
        self.replacements.clear()


@dataclass(slots=True, frozen=True)
class Retransmission:
    """A packet of the pool that is to be sent again by RTX (RFC 4588)."""

    slot: int
    owner: int
    ext_seq: int
    port: int
    ssrc: int
    payload_type: int
    seq: int
    original_seq: int
    timestamp_offset: int


@dataclass(slots=True, frozen=True)
class _Block:
    """Which staged packet goes to which table row: parallel arrays. Audio comes first, so that it is video which does
    not fit when the kernel's buffer is full; each of the two is sorted by port."""

    staged: RowIndices
    rows: RowIndices
    ext_seqs: RowIndices
    audio_count: int


class Egress:
    """The output matrix. After each step of `build` its first rows are plain packets ready for SRTP."""

    def __init__(
        self, pool: PacketPool, table: FanoutTable, ports: PortTable, drops: Counter[str], max_rows: int = 1024
    ) -> None:
        """`max_rows` packets are built at a time; larger batches come in several steps. `drops` counts by reason."""
        self.max_rows = max_rows
        self.data: NDArray[np.uint8] = np.zeros((max_rows, STRIDE), dtype=np.uint8)
        self.port: NDArray[np.int64] = np.zeros(max_rows, dtype=np.int64)
        """Destination of each row; equal ones are adjacent."""
        self.length: NDArray[np.int64] = np.zeros(max_rows, dtype=np.int64)
        self.ssrc: NDArray[np.uint32] = np.zeros(max_rows, dtype=np.uint32)
        self._drops = drops
        self._pool = pool
        self._table = table
        self._ports = ports
        self._staging: NDArray[np.uint8] = np.zeros((_STAGED, STRIDE), dtype=np.uint8)
        self._staging_rows = _row_views(self._staging)
        self._data_rows = _row_views(self.data)
        self._seq = self.data[:, 2:4].view(">u2")[:, 0]
        self._timestamp = self.data[:, 4:8].view(">u4")[:, 0]
        self._ssrc = self.data[:, 8:12].view(">u4")[:, 0]
        self._transport_seq = self.data[:, 17:19].view(">u2")[:, 0]

    def build(self, batch: ForwardBatch, now: float) -> Iterator[int]:
        """Yield the number of rows built, step by step, until the whole batch is; empties the batch.

        Rows of a step are valid until the next one. Per destination they keep the order of arrival within a stream.
        """
        for first in range(0, len(batch), _STAGED):
            last = min(first + _STAGED, len(batch))
            lengths, headers = self._stage(batch, first, last)
            block = self._select(batch, first, last)
            for begin in range(0, len(block.rows), self.max_rows):
                part = slice(begin, begin + self.max_rows)
                staged, rows, ext_seqs = block.staged[part], block.rows[part], block.ext_seqs[part]
                count = self._fill(staged, rows, ext_seqs, lengths[staged], headers[staged])
                self._stamp(count, min(max(block.audio_count - begin, 0), count), now)
                yield count
        batch.clear()

    def _stage(self, batch: ForwardBatch, first: int, last: int) -> tuple[RowIndices, RowIndices]:
        """Copy packets to the left edge of the staging matrix, where one `take` can fan them out.

        Returns their lengths and header lengths.
        """
        pool = self._pool
        slots = np.array(batch.slots[first:last], dtype=np.int64)
        starts = pool.start[slots]
        lengths = pool.length[slots].astype(np.int64)
        for index, (slot, start, length) in enumerate(
            zip(batch.slots[first:last], starts.tolist(), lengths.tolist(), strict=True)
        ):
            replacement = batch.replacements.get(first + index)
            if replacement is None:
                self._staging_rows[index][:length] = pool.rows[slot][start : start + length]
            else:
                lengths[index] = len(replacement)
                self._staging_rows[index][: len(replacement)] = replacement
        return lengths, (pool.payload[slots] - starts).astype(np.int64)

    def _select(self, batch: ForwardBatch, first: int, last: int) -> _Block:
        """All (packet, consumer) pairs that are really to be sent, grouped by destination."""
        pool, table = self._pool, self._table
        slots = np.array(batch.slots[first:last], dtype=np.int64)
        ext_seqs = np.array(batch.ext_seqs[first:last], dtype=np.int64)
        payload_types = np.array(batch.payload_types[first:last], dtype=np.int64)
        owners = np.array(batch.owners[first:last], dtype=np.int64)
        intact = (pool.owner[slots] == owners) & (pool.ext_seq[slots] == ext_seqs)
        rows = np.concatenate(batch.rows[first:last])
        staged = np.repeat(np.arange(last - first), [len(of_packet) for of_packet in batch.rows[first:last]])
        started = ext_seqs[staged] >= table.first_ext_seq[rows]
        accepted = table.accepts[rows, payload_types[staged]]
        wanted = started & accepted & intact[staged]
        if not wanted.all():
            self._drops[DROP_OVERWRITTEN] += int(np.count_nonzero(~intact))
            self._drops[DROP_BEFORE_START] += int(np.count_nonzero(~started))
            self._drops[DROP_NOT_ACCEPTED] += int(np.count_nonzero(started & ~accepted))
            staged, rows = staged[wanted], rows[wanted]
        video = np.array(batch.video[first:last], dtype=np.int64)[staged]
        order = np.argsort(table.port[rows] + video * _BEHIND_ALL_PORTS, kind="stable")
        staged, rows = staged[order], rows[order]
        return _Block(staged, rows, ext_seqs[staged], len(video) - int(video.sum()))

    def _fill(
        self,
        staged: RowIndices,
        rows: RowIndices,
        ext_seqs: RowIndices,
        lengths: RowIndices,
        header_lengths: RowIndices,
    ) -> int:
        table = self._table
        count = len(rows)
        np.take(self._staging, staged, axis=0, out=self.data[:count], mode="clip")
        self.length[:count] = lengths
        self.port[:count] = table.port[rows]
        self.ssrc[:count] = table.ssrc[rows]
        self._seq[:count] = (ext_seqs - table.seq_offset[rows]) & 0xFFFF
        timestamp_offsets = table.timestamp_offset[rows]
        if timestamp_offsets.any():
            self._timestamp[:count] = (self._timestamp[:count] + timestamp_offsets) & 0xFFFFFFFF
        np.add.at(table.packets, rows, 1)
        np.add.at(table.octets, rows, lengths - header_lengths)
        np.add.at(table.bytes, rows, lengths)
        return count

    def _stamp(self, count: int, audio_count: int, now: float) -> None:
        """Write what speaks about the connection: SSRC, transport-cc number, abs-send-time.

        The first `audio_count` rows and the others are each sorted by port.
        """
        data = self.data
        self._ssrc[:count] = self.ssrc[:count]
        parts = [self.port[:audio_count], self.port[audio_count:count]]
        transport_seqs = np.concatenate([self._ports.take_transport_seqs(part, now) for part in parts if len(part)])
        transport_seqs &= 0xFFFF
        send_time = np.frombuffer(abs_send_time(now).to_bytes(3), dtype=np.uint8)
        two_byte = np.flatnonzero(data[:count, 12] == _TWO_BYTE_PROFILE_FIRST)
        self._transport_seq[:count] = transport_seqs
        if not len(two_byte):
            data[:count, 20:23] = send_time
            return
        one_byte = np.flatnonzero(data[:count, 12] != _TWO_BYTE_PROFILE_FIRST)
        data[one_byte, 20:23] = send_time
        data[two_byte, 17] = 2
        data[two_byte, 18] = transport_seqs[two_byte] >> 8
        data[two_byte, 19] = transport_seqs[two_byte] & 0xFF
        data[two_byte, 22:25] = send_time

    def build_retransmissions(self, retransmissions: Sequence[Retransmission], now: float) -> Iterator[int]:
        """Like `build`, packet by packet: retransmissions are rare."""
        ordered = sorted(retransmissions, key=lambda retransmission: retransmission.port)
        for first in range(0, len(ordered), self.max_rows):
            count = 0
            for retransmission in ordered[first : first + self.max_rows]:
                if not self._pool.holds(retransmission.slot, retransmission.owner, retransmission.ext_seq):
                    self._drops[DROP_OVERWRITTEN] += 1
                    continue
                self._write_rtx(count, retransmission)
                count += 1
            if count:
                self._stamp(count, 0, now)
                yield count

    def _write_rtx(self, row: int, retransmission: Retransmission) -> None:
        pool = self._pool
        slot = retransmission.slot
        packet = pool.packet(slot)
        header_len = int(pool.payload[slot] - pool.start[slot])
        out = self._data_rows[row]
        out[:header_len] = packet[:header_len]
        out[header_len : header_len + 2] = retransmission.original_seq.to_bytes(2)
        length = len(packet) + 2
        out[header_len + 2 : length] = packet[header_len:]
        out[1] = packet[1] & 0x80 | retransmission.payload_type
        self._seq[row] = retransmission.seq
        timestamp = int.from_bytes(packet[4:8]) + retransmission.timestamp_offset
        self._timestamp[row] = timestamp & 0xFFFFFFFF
        self.length[row] = length
        self.port[row] = retransmission.port
        self.ssrc[row] = retransmission.ssrc


def _row_views(matrix: NDArray[np.uint8]) -> list[memoryview]:
    whole = matrix.reshape(-1).data
    width = matrix.shape[1]
    return [whole[i * width : (i + 1) * width] for i in range(matrix.shape[0])]
