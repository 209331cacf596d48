"""Transport-cc feedback of many receivers at a time (draft-holmer-rmcat-transport-wide-cc-extensions-01).

A thousand subscribers that report every 100 ms are 10,000 packets a second, so the reports of all of them are filled in
as columns: where everything arrived as one run of small deltas or (after a pause) of large ones, where some are missing
as vectors of one or two bits for each. Only what is out of order takes the ordinary builder.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sfu.rtp.twcc import MAX_FEEDBACK_LEN, REFERENCE_TIME_MODULUS, REFERENCE_TIME_US, TICK_US, build_feedback

from .reception import NONE, Indices

SHARDS: Final = 10
"""Each call of `build` serves one in this many transports, so that feedback is spread over the interval."""
MAX_ROWS: Final = 256
STRIDE: Final = 1408
_MAX_DELTAS_LEN: Final = 1000
"""Bytes of deltas that still fit into one datagram."""

_FIRST_WORDS: Final = np.frombuffer(b"\x8f\xcd", np.uint8)
_CHUNKS: Final = 20
_DELTAS: Final = 22
_TICKS_PER_REFERENCE: Final = REFERENCE_TIME_US // TICK_US
_RUN: Final = 13
"""Bits below the symbol in a run-length chunk. The symbols of a small and a large delta are its length in bytes."""

_ONE_BIT, _TWO_BITS = 0x8000, 0xC000
"""Vector chunks of 14 and 7 symbols; those of one bit say only whether a packet came, with a small delta."""
_VECTOR_BITS: Final = 14

_Records = tuple[Indices, NDArray[np.uint16], Indices]


class FeedbackBuilder:
    """Remembers which packets came when, and writes reports into `matrix` (uint8, MAX_ROWS x STRIDE)."""

    def __init__(self, max_transports: int) -> None:
        self.matrix: NDArray[np.uint8] = np.zeros((MAX_ROWS, STRIDE), np.uint8)
        self.lengths: NDArray[np.int32] = np.zeros(MAX_ROWS, np.int32)
        self._columns16 = self.matrix.view(">u2")
        self._columns32 = self.matrix.view(">u4")
        self._flat16 = self._columns16.reshape(-1)
        self._flat = self.matrix.reshape(-1)
        self._highest: Indices = np.full(max_transports, NONE, np.int64)
        self._count: NDArray[np.uint8] = np.zeros(max_transports, np.uint8)
        self._sender_ssrc: NDArray[np.uint32] = np.zeros(max_transports, np.uint32)
        self._media_ssrc: NDArray[np.uint32] = np.zeros(max_transports, np.uint32)
        self._current: list[_Records] = []
        self._dealt: list[list[_Records]] = [[] for _ in range(SHARDS)]
        self._shard = 0

    def begin(self, transport: int, sender_ssrc: int, media_ssrc: int) -> None:
        """A transport of this index has (again) nothing reported."""
        self._highest[transport], self._count[transport] = NONE, 0
        self._sender_ssrc[transport], self._media_ssrc[transport] = sender_ssrc, media_ssrc

    def note(self, transports: Indices, seqs: NDArray[np.uint16], arrival_us: Indices) -> None:
        """Packets in the order of their arrival: transport-wide numbers off the wire, times on any clock."""
        self._current.append((transports, seqs, arrival_us))

    def build(self) -> Iterator[list[int]]:
        """Fill `matrix` and `lengths` with what is due; yields the transport of each row, some rows at a time.

        To be called every 100 ms / SHARDS.
        """
        if self._current:
            self._deal()
        self._shard = (self._shard + 1) % SHARDS
        records, self._dealt[self._shard] = self._dealt[self._shard], []
        if not records:
            return
        transports, seqs, ticks = _joined(records)
        order = transports.astype(np.int16).argsort(kind="stable")
        yield from self._fill(transports[order], seqs[order].astype(np.int64), ticks[order])

    def _deal(self) -> None:
        """Each shard gets its packets once, so that no call looks at those of the others."""
        transports, seqs, arrival_us = _joined(self._current)
        self._current = []
        shards = (transports % SHARDS).astype(np.uint8)
        order = shards.argsort(kind="stable")
        columns = transports[order], seqs[order], arrival_us[order] // TICK_US
        begin = 0
        for shard, end in enumerate(np.bincount(shards, minlength=SHARDS).cumsum().tolist()):
            if end > begin:
                self._dealt[shard].append((columns[0][begin:end], columns[1][begin:end], columns[2][begin:end]))
            begin = end

    def _fill(self, transports: Indices, seqs: Indices, ticks: Indices) -> Iterator[list[int]]:
        starts = np.flatnonzero(np.diff(transports, prepend=transports[0] - 1))
        counts = np.diff(starts, append=len(transports))
        owners = transports[starts]
        known = self._highest[owners]
        base = np.where(known == NONE, seqs[starts] + 0xFFFF, known)
        ext_seqs = np.repeat(base, counts)
        ext_seqs += (seqs - ext_seqs + 0x8000 & 0xFFFF) - 0x8000
        position = np.arange(len(transports)) - np.repeat(starts, counts)
        ahead = np.diff(ticks, prepend=ticks[0])
        ahead[starts] = ticks[starts] % _TICKS_PER_REFERENCE
        in_order = np.logical_and.reduceat(ext_seqs == np.repeat(base + 1, counts) + position, starts)
        least, most = np.minimum.reduceat(ahead, starts), np.maximum.reduceat(ahead, starts)
        small = in_order & (least >= 0) & (most <= 0xFF) & (counts <= _MAX_DELTAS_LEN)
        large = in_order & ~small & (least >= -0x8000) & (most <= 0x7FFF) & (2 * counts <= _MAX_DELTAS_LEN)
        self._highest[owners] = np.maximum(known, np.maximum.reduceat(ext_seqs, starts))
        for width, fitting in ((1, small), (2, large)):
            groups = np.flatnonzero(fitting)
            for begin in range(0, len(groups), MAX_ROWS):
                part = groups[begin : begin + MAX_ROWS]
                self._fill_runs(width, owners[part], starts[part], counts[part], base[part] + 1, ticks, ahead)
                yield owners[part].tolist()
        rest = ~(small | large)
        if not rest.any():
            return
        steps = np.diff(ext_seqs, prepend=0)
        steps[starts] = ext_seqs[starts] - base
        spans = ext_seqs[starts + counts - 1] - base
        holes = rest & (np.minimum.reduceat(steps, starts) > 0) & (least >= -0x8000) & (most <= 0x7FFF)
        holes &= _CHUNKS + 2 * (spans // (_VECTOR_BITS // 2) + 1) + 2 * counts <= MAX_FEEDBACK_LEN - 3
        groups = np.flatnonzero(holes)
        for begin in range(0, len(groups), MAX_ROWS):
            part = groups[begin : begin + MAX_ROWS]
            self._fill_vectors(
                owners[part], starts[part], counts[part], base[part] + 1, spans[part], ext_seqs, ticks, ahead
            )
            yield owners[part].tolist()
        for group in np.flatnonzero(rest & ~holes).tolist():
            span = slice(starts[group], starts[group] + counts[group])
            first = int(known[group]) + 1 if known[group] != NONE else None
            yield self._fill_irregular(int(owners[group]), first, ext_seqs[span].tolist(), ticks[span].tolist())

    def _fill_runs(
        self,
        width: int,
        owners: Indices,
        starts: Indices,
        counts: Indices,
        base: Indices,
        ticks: Indices,
        ahead: Indices,
    ) -> None:
        """Reports without losses; `width` bytes for each delta."""
        rows = np.arange(len(owners)) * STRIDE
        self._fill_heads(owners, ticks[starts], base, counts, _DELTAS + width * counts)
        self._columns16[: len(owners), _CHUNKS // 2] = width << _RUN | counts
        position = _positions(counts)
        target = np.repeat(rows + _DELTAS, counts) + width * position
        deltas = ahead[np.repeat(starts, counts) + position]
        for byte in range(width):
            self._flat[target + byte] = deltas >> 8 * (width - 1 - byte) & 0xFF

    def _fill_vectors(
        self,
        owners: Indices,
        starts: Indices,
        counts: Indices,
        base: Indices,
        spans: Indices,
        ext_seqs: Indices,
        ticks: Indices,
        ahead: Indices,
    ) -> None:
        """Reports on `spans` numbers of which `counts` arrived."""
        rows = np.arange(len(owners)) * STRIDE
        packets = np.repeat(starts, counts) + _positions(counts)
        begins = np.cumsum(counts) - counts
        deltas = ahead[packets]
        wide = (deltas < 0) | (deltas > 0xFF)
        widths = 1 + wide
        bits = 1 + np.logical_or.reduceat(wide, begins)
        symbols = _VECTOR_BITS // bits
        chunks = -(-spans // symbols)
        index = ext_seqs[packets] - np.repeat(base, counts)
        symbols_of, bits_of = np.repeat(symbols, counts), np.repeat(bits, counts)
        chunk, place = np.divmod(index, symbols_of)
        chunk += np.repeat(np.cumsum(chunks) - chunks, counts)
        # A symbol is the number of bytes of its delta. Each has bits of its own, so that their sum is their union.
        values = widths << (symbols_of - 1 - place) * bits_of
        words = np.bincount(chunk, values, int(chunks.sum())).astype(np.int64)
        words |= np.repeat(np.where(bits == 1, _ONE_BIT, _TWO_BITS), chunks)
        deltas_at = rows + _CHUNKS + 2 * chunks
        self._fill_heads(owners, ticks[starts], base, spans, _CHUNKS + 2 * chunks + np.add.reduceat(widths, begins))
        self._flat16[np.repeat((rows + _CHUNKS) // 2, chunks) + _positions(chunks)] = words
        before = np.cumsum(widths) - widths
        target = np.repeat(deltas_at - before[begins], counts) + before
        self._flat[target + wide] = deltas & 0xFF
        self._flat[target[wide]] = deltas[wide] >> 8 & 0xFF

    def _fill_heads(
        self, owners: Indices, first_ticks: Indices, base: Indices, statuses: Indices, lengths: Indices
    ) -> None:
        """What stands before the chunks, and the zeros behind everything."""
        rows = len(owners)
        padded = lengths + 3 & ~3
        self.lengths[:rows] = padded
        for pad in range(1, 4):
            self._flat[np.arange(rows) * STRIDE + padded - pad] = 0
        self.matrix[:rows, :2] = _FIRST_WORDS
        self._columns16[:rows, 1] = padded // 4 - 1
        self._columns32[:rows, 1] = self._sender_ssrc[owners]
        self._columns32[:rows, 2] = self._media_ssrc[owners]
        self._columns16[:rows, 6] = base & 0xFFFF
        self._columns16[:rows, 7] = statuses
        reference = first_ticks // _TICKS_PER_REFERENCE % REFERENCE_TIME_MODULUS
        self._columns32[:rows, 4] = reference << 8 | self._count[owners]
        self._count[owners] += 1

    def _fill_irregular(self, owner: int, first: int | None, ext_seqs: list[int], ticks: list[int]) -> list[int]:
        arrivals = {
            ext_seq: tick * TICK_US
            for ext_seq, tick in zip(ext_seqs, ticks, strict=True)
            if first is None or ext_seq >= first
        }
        if not arrivals:
            return []
        reports = build_feedback(
            int(self._sender_ssrc[owner]),
            int(self._media_ssrc[owner]),
            int(self._count[owner]),
            list(arrivals.items()),
            first,
        )[:MAX_ROWS]
        self._count[owner] = int(self._count[owner]) + len(reports) & 0xFF
        for row, report in enumerate(reports):
            data = report.to_bytes()
            self.matrix[row, : len(data)] = np.frombuffer(data, np.uint8)
            self.lengths[row] = len(data)
        return [owner] * len(reports)


def _joined(records: list[_Records]) -> _Records:
    transports, seqs, times = zip(*records, strict=True)
    return np.concatenate(transports), np.concatenate(seqs), np.concatenate(times)


def _positions(counts: Indices) -> Indices:
    """0, 1, ... for each count, one behind the other."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
