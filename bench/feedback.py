"""Transport-cc feedback of many receivers at a time (draft-holmer-rmcat-transport-wide-cc-extensions-01).

A thousand subscribers that report every 100 ms are 10,000 packets a second. Where everything arrived, in order, the
packets of all of them are filled in as columns, as one run of small deltas or (after a pause) of large ones; the rest
takes the ordinary builder.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sfu.rtp.twcc import REFERENCE_TIME_MODULUS, REFERENCE_TIME_US, TICK_US, build_feedback

from .reception import NONE, Indices

SHARDS: Final = 10
"""Each call of `build` serves one in this many transports, so that feedback is spread over the interval."""
MAX_ROWS: Final = 256
STRIDE: Final = 1408
_MAX_DELTAS_LEN: Final = 1000
"""Bytes of deltas that still fit into one datagram."""

_FIRST_WORDS: Final = np.frombuffer(b"\x8f\xcd", np.uint8)
_DELTAS: Final = 22
_TICKS_PER_REFERENCE: Final = REFERENCE_TIME_US // TICK_US
_RUN: Final = 13
"""Bits below the symbol in a run-length chunk. The symbols of a small and a large delta are its length in bytes."""

_Records = tuple[Indices, NDArray[np.uint16], Indices]


class FeedbackBuilder:
    """Remembers which packets came when, and writes reports into `matrix` (uint8, MAX_ROWS x STRIDE)."""

    def __init__(self, max_transports: int) -> None:
        self.matrix: NDArray[np.uint8] = np.zeros((MAX_ROWS, STRIDE), np.uint8)
        self.lengths: NDArray[np.int32] = np.zeros(MAX_ROWS, np.int32)
        self._columns16 = self.matrix.view(">u2")
        self._columns32 = self.matrix.view(">u4")
        self._flat = self.matrix.reshape(-1)
        self._highest: Indices = np.full(max_transports, NONE, np.int64)
        self._count: NDArray[np.uint8] = np.zeros(max_transports, np.uint8)
        self._sender_ssrc: NDArray[np.uint32] = np.zeros(max_transports, np.uint32)
        self._media_ssrc: NDArray[np.uint32] = np.zeros(max_transports, np.uint32)
        self._current: list[_Records] = []
        self._ticks: deque[list[_Records]] = deque(maxlen=SHARDS)
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
        self._ticks.append(self._current)
        self._current = []
        self._shard = (self._shard + 1) % SHARDS
        records = [each for tick in self._ticks for each in tick]
        if not records:
            return
        transports = np.concatenate([each[0] for each in records])
        chosen = np.flatnonzero(transports % SHARDS == self._shard)
        if not len(chosen):
            return
        order = chosen[np.argsort(transports[chosen], kind="stable")]
        seqs = np.concatenate([each[1] for each in records])[order].astype(np.int64)
        ticks = np.concatenate([each[2] for each in records])[order] // TICK_US
        yield from self._fill(transports[order], seqs, ticks)

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
        for group in np.flatnonzero(~(small | large)).tolist():
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
        rows = len(owners)
        padded = _DELTAS + width * counts + 3 & ~3
        self.lengths[:rows] = padded
        for pad in range(1, 4):
            self._flat[np.arange(rows) * STRIDE + padded - pad] = 0
        self.matrix[:rows, :2] = _FIRST_WORDS
        self._columns16[:rows, 1] = padded // 4 - 1
        self._columns32[:rows, 1] = self._sender_ssrc[owners]
        self._columns32[:rows, 2] = self._media_ssrc[owners]
        self._columns16[:rows, 6] = base & 0xFFFF
        self._columns16[:rows, 7] = counts
        reference = ticks[starts] // _TICKS_PER_REFERENCE % REFERENCE_TIME_MODULUS
        self._columns32[:rows, 4] = reference << 8 | self._count[owners]
        self._columns16[:rows, 10] = width << _RUN | counts
        self._count[owners] += 1
        position = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        target = np.repeat(np.arange(rows) * STRIDE + _DELTAS, counts) + width * position
        deltas = ahead[np.repeat(starts, counts) + position]
        for byte in range(width):
            self._flat[target + byte] = deltas >> 8 * (width - 1 - byte) & 0xFF

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
