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

MAX_LEVELLING: Final = 16
"""Bytes of RTP padding (RFC 3550 section 5.1) that make a shorter packet of a frame as long as its neighbours. Encoders
cut a frame into packets that differ by a byte, and by the header extensions that only the last one has; segmentation
offload takes packets of one length, and every send that it saves is worth more than the bytes."""

_STAGED: Final = 128
_PADDING_BIT: Final = 0x20
_WIDTH_STEP: Final = 64
_TWO_BYTE_PROFILE_FIRST: Final = 0x10
_BEHIND_ALL_PORTS: Final = 1 << 40


@dataclass(slots=True)
class _Forwarded:
    """A packet of the pool, or what is sent in its place, and whom it goes to."""

    slot: int
    owner: int
    ext_seq: int
    payload_type: int
    rows: RowIndices
    video: bool
    replacement: bytes | None


class ForwardBatch:
    """Packets that one wake-up brought, in their order, each with the rows that it goes to."""

    def __init__(self, pool: PacketPool) -> None:
        self.pool = pool
        self._packets: list[_Forwarded] = []

    def __len__(self) -> int:
        return len(self._packets)

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
        """A packet of the pool for `rows`, which are sorted by port and have each port once; `replacement` is another
        canonical packet to send in its place."""
        self._packets.append(_Forwarded(slot, owner, ext_seq, payload_type, rows, video, replacement))

    def take(self, drops: Counter[str]) -> list[_Forwarded]:
        """All packets that are still in the pool; empties the batch."""
        packets = [packet for packet in self._packets if self.pool.holds(packet.slot, packet.owner, packet.ext_seq)]
        if len(packets) < len(self._packets):
            drops[DROP_OVERWRITTEN] += len(self._packets) - len(packets)
        self._packets.clear()
        return packets


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
class _Staged:
    """Packets at the left edge of the staging matrix: parallel arrays."""

    packets: list[_Forwarded]
    lengths: RowIndices
    octets: RowIndices
    """Lengths of their payloads."""
    width: int
    """Columns that hold all of them."""
    two_byte: bool
    """Whether one of them has header extensions in the two-byte form."""


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
        packets = batch.take(self._drops)
        for first in range(0, len(packets), _STAGED):
            staged = self._stage(packets[first : first + _STAGED])
            if self._is_one_block(staged):
                yield from self._build_block(staged, now)
            else:
                yield from self._build_mixed(staged, now)

    def _stage(self, packets: list[_Forwarded]) -> _Staged:
        """Copy packets to where they can be fanned out by one strided copy."""
        pool = self._pool
        lengths: list[int] = []
        octets: list[int] = []
        two_byte = False
        for packet, row in zip(packets, self._staging_rows, strict=False):
            source = pool.packet(packet.slot) if packet.replacement is None else packet.replacement
            length = len(source)
            row[:length] = source
            lengths.append(length)
            octets.append(length - pool.header_len(packet.slot))
            two_byte |= row[12] == _TWO_BYTE_PROFILE_FIRST
        if len(packets) > 1:
            self._level(packets, lengths)
        width = -(-max(lengths) // _WIDTH_STEP) * _WIDTH_STEP
        return _Staged(packets, np.array(lengths, np.int64), np.array(octets, np.int64), width, two_byte)

    def _level(self, packets: list[_Forwarded], lengths: list[int]) -> None:
        """Pad the shorter ones among staged video packets of one stream where little is missing."""
        by_stream: dict[int, list[int]] = {}
        for index, packet in enumerate(packets):
            if packet.video:
                by_stream.setdefault(packet.owner, []).append(index)
        for indices in by_stream.values():
            targets = levels([lengths[index] for index in indices])
            for index in indices:
                row, length, target = self._staging_rows[index], lengths[index], targets[lengths[index]]
                if length == target or row[0] & _PADDING_BIT:
                    continue
                row[0] |= _PADDING_BIT
                row[length:target] = bytes(target - length)
                row[target - 1] = target - length
                lengths[index] = target

    # Packets of one stream for all of its consumers: most wake-ups bring just that

    def _is_one_block(self, staged: _Staged) -> bool:
        """Whether all staged packets go to the same rows, each of which takes them all."""
        packets = staged.packets
        first = packets[0]
        rows, payload_type = first.rows, first.payload_type
        if staged.two_byte or len(packets) > self.max_rows or not len(rows):
            return False
        for packet in packets:
            if packet.rows is not rows or packet.payload_type != payload_type:
                return False
        lowest = min(packet.ext_seq for packet in packets)
        table = self._table
        return bool(table.accepts[rows, payload_type].all() and (table.first_ext_seq[rows] <= lowest).all())

    def _build_block(self, staged: _Staged, now: float) -> Iterator[int]:
        table, packets, width = self._table, staged.packets, staged.width
        every_row, per_row = packets[0].rows, len(packets)
        ext_seqs = np.array([packet.ext_seq for packet in packets], np.int64)
        octets, size = int(staged.octets.sum()), int(staged.lengths.sum())
        send_time = _send_time(now)
        step = self.max_rows // per_row
        for begin in range(0, len(every_row), step):
            rows = every_row[begin : begin + step]
            shape = (len(rows), per_row)
            count = len(rows) * per_row
            data = self.data[:count]
            ports = table.port[rows]
            data.reshape(*shape, STRIDE)[:, :, :width] = self._staging[:per_row, :width]
            data[:, 20:23] = send_time
            self.length[:count].reshape(shape)[:] = staged.lengths
            self.port[:count].reshape(shape)[:] = ports[:, None]
            self._ssrc[:count].reshape(shape)[:] = table.ssrc[rows][:, None]
            self._seq[:count].reshape(shape)[:] = (ext_seqs - table.seq_offset[rows][:, None]) & 0xFFFF
            timestamp_offsets = table.timestamp_offset[rows]
            if timestamp_offsets.any():
                timestamps = self._timestamp[:count].reshape(shape)
                timestamps[:] = (timestamps + timestamp_offsets[:, None]) & 0xFFFFFFFF
            transport_seqs = self._ports.take_blocks_of_transport_seqs(ports, per_row, now)
            self._transport_seq[:count].reshape(shape)[:] = transport_seqs & 0xFFFF
            table.packets[rows] += per_row
            table.octets[rows] += octets
            table.bytes[rows] += size
            yield count

    # Anything else

    def _build_mixed(self, staged: _Staged, now: float) -> Iterator[int]:
        selected, rows, audio_count = self._select(staged)
        for begin in range(0, len(rows), self.max_rows):
            part = slice(begin, begin + self.max_rows)
            count = self._fill(staged, selected[part], rows[part])
            self._stamp(count, min(max(audio_count - begin, 0), count), now)
            yield count

    def _select(self, staged: _Staged) -> tuple[RowIndices, RowIndices, int]:
        """Which staged packet goes to which row of the table, all pairs that are really to be sent, and how many of
        them are audio.

        Audio comes first, so that it is video which does not fit when the kernel's buffer is full; each of the two is
        sorted by port.
        """
        table, packets = self._table, staged.packets
        ext_seqs = np.array([packet.ext_seq for packet in packets], np.int64)
        payload_types = np.array([packet.payload_type for packet in packets], np.int64)
        rows = np.concatenate([packet.rows for packet in packets])
        selected = np.repeat(np.arange(len(packets)), [len(packet.rows) for packet in packets])
        started = ext_seqs[selected] >= table.first_ext_seq[rows]
        accepted = table.accepts[rows, payload_types[selected]]
        wanted = started & accepted
        if not wanted.all():
            self._drops[DROP_BEFORE_START] += int(np.count_nonzero(~started))
            self._drops[DROP_NOT_ACCEPTED] += int(np.count_nonzero(started & ~accepted))
            selected, rows = selected[wanted], rows[wanted]
        video = np.array([_BEHIND_ALL_PORTS if packet.video else 0 for packet in packets], np.int64)[selected]
        order = np.argsort(table.port[rows] + video, kind="stable")
        return selected[order], rows[order], len(video) - int(np.count_nonzero(video))

    def _fill(self, staged: _Staged, selected: RowIndices, rows: RowIndices) -> int:
        table = self._table
        count = len(rows)
        ext_seqs = np.array([packet.ext_seq for packet in staged.packets], np.int64)[selected]
        lengths = staged.lengths[selected]
        if staged.width < STRIDE // 4:
            self.data[:count, : staged.width] = self._staging[selected, : staged.width]
        else:
            self._staging.take(selected, axis=0, out=self.data[:count], mode="clip")
        self.length[:count] = lengths
        self.port[:count] = table.port[rows]
        self._ssrc[:count] = table.ssrc[rows]
        self._seq[:count] = (ext_seqs - table.seq_offset[rows]) & 0xFFFF
        timestamp_offsets = table.timestamp_offset[rows]
        if timestamp_offsets.any():
            self._timestamp[:count] = (self._timestamp[:count] + timestamp_offsets) & 0xFFFFFFFF
        np.add.at(table.packets, rows, 1)
        np.add.at(table.octets, rows, staged.octets[selected])
        np.add.at(table.bytes, rows, lengths)
        return count

    def _stamp(self, count: int, audio_count: int, now: float) -> None:
        """Write transport-cc number and abs-send-time. The first `audio_count` rows and the others are each sorted by
        port."""
        data = self.data
        parts = [self.port[:audio_count], self.port[audio_count:count]]
        transport_seqs = np.concatenate([self._ports.take_transport_seqs(part, now) for part in parts if len(part)])
        transport_seqs &= 0xFFFF
        send_time = _send_time(now)
        two_byte = (data[:count, 12] == _TWO_BYTE_PROFILE_FIRST).nonzero()[0]
        self._transport_seq[:count] = transport_seqs
        if not len(two_byte):
            data[:count, 20:23] = send_time
            return
        one_byte = (data[:count, 12] != _TWO_BYTE_PROFILE_FIRST).nonzero()[0]
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
        header_len = pool.header_len(slot)
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
        self._ssrc[row] = retransmission.ssrc


def _send_time(now: float) -> NDArray[np.uint8]:
    return np.frombuffer(abs_send_time(now).to_bytes(3), dtype=np.uint8)


def levels(lengths: Sequence[int]) -> dict[int, int]:
    """What each of these lengths is brought to: the longest one that is at most MAX_LEVELLING away."""
    targets: dict[int, int] = {}
    level = 0
    for length in sorted(set(lengths), reverse=True):
        if level - length > MAX_LEVELLING or not level:
            level = length
        targets[length] = level
    return targets


def _row_views(matrix: NDArray[np.uint8]) -> list[memoryview]:
    whole = matrix.reshape(-1).data
    width = matrix.shape[1]
    return [whole[i * width : (i + 1) * width] for i in range(matrix.shape[0])]
