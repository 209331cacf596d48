"""Received streams as columns: hundreds of packets of many streams are counted by a few array operations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]

NONE: Final = -1
_FIRST_CAPACITY: Final = 256
NACK_RETRY_S: Final = 0.1
NACK_GIVE_UP_S: Final = 1.0
MAX_MISSING: Final = 1000
"""Sequence numbers missed at a time in one stream; libwebrtc gives up on repair there and asks for a keyframe."""


@dataclass(frozen=True, slots=True)
class Totals:
    """Of all streams, from their beginning. Differences of two of them describe the time in between."""

    expected: int
    """Packets that were sent, as the first and the highest sequence numbers of each stream have it."""
    received: int
    """Those that arrived as they were sent first."""
    repaired: int
    """Those of the others that RTX brought."""
    bytes: int
    frames: int = 0
    """Pictures, counted by the marker that ends them, and packets of audio."""

    def __sub__(self, earlier: Totals) -> Totals:
        return Totals(
            self.expected - earlier.expected,
            self.received - earlier.received,
            self.repaired - earlier.repaired,
            self.bytes - earlier.bytes,
            self.frames - earlier.frames,
        )


class Reception:
    """Counts packets per stream; a stream is a row from `add` to `remove`. RTX streams are rows too.

    `transport` (int64), `ssrc` (uint32), `highest` (ext_seq of the newest packet, NONE before the first), `received`.
    The arrays are replaced when the table grows.
    """

    def __init__(self) -> None:
        capacity = _FIRST_CAPACITY
        self.transport: Indices = np.full(capacity, NONE, np.int64)
        self.ssrc: NDArray[np.uint32] = np.zeros(capacity, np.uint32)
        self.highest: Indices = np.full(capacity, NONE, np.int64)
        self.first: Indices = np.zeros(capacity, np.int64)
        self.received: Indices = np.zeros(capacity, np.int64)
        self.bytes: Indices = np.zeros(capacity, np.int64)
        self.counts_loss: NDArray[np.bool_] = np.zeros(capacity, np.bool_)
        """False for RTX streams, whose numbers say nothing about the media."""
        self.is_video: NDArray[np.bool_] = np.zeros(capacity, np.bool_)
        self.missing: dict[int, dict[int, list[float]]] = {}
        """By stream, by ext_seq: when it was noticed and last asked for. Only of streams that miss any."""
        self.repaired = 0
        self.frames = 0
        self._removed = Totals(0, 0, 0, 0)
        self._free = list(range(capacity - 1, -1, -1))
        self._keys: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self._rows: Indices = np.zeros(0, np.int64)
        self._sorted = True

    def add(self, transport: int, ssrc: int, *, is_rtx: bool = False, is_video: bool = False) -> int:
        """A row for a stream that one transport will bring."""
        if not self._free:
            self._grow()
        row = self._free.pop()
        self.transport[row], self.ssrc[row] = transport, ssrc
        self.highest[row], self.first[row] = NONE, 0
        self.received[row] = self.bytes[row] = 0
        self.counts_loss[row] = not is_rtx
        self.is_video[row] = is_video
        self._sorted = False
        return row

    def remove(self, row: int) -> None:
        """The stream has ended; what it counted stays in `totals`."""
        expected = int(self.highest[row] - self.first[row] + 1) if self.highest[row] != NONE else 0
        counts = bool(self.counts_loss[row])
        self._removed = Totals(
            self._removed.expected + expected * counts,
            self._removed.received + int(self.received[row]) * counts,
            0,
            self._removed.bytes + int(self.bytes[row]),
        )
        self.transport[row], self.highest[row] = NONE, NONE
        self.received[row] = self.bytes[row] = 0
        self.missing.pop(row, None)
        self._free.append(row)
        self._sorted = False

    def find(self, transports: Indices, ssrcs: NDArray[np.uint32]) -> Indices:
        """The row of each packet, NONE for unknown streams."""
        if not self._sorted:
            self._sort()
        if not len(self._keys):
            return np.full(len(ssrcs), NONE, np.int64)
        keys = _keys(transports, ssrcs)
        places = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return np.where(self._keys[places] == keys, self._rows[places], NONE)

    def note(self, rows: Indices, seqs: NDArray[np.uint16], sizes: Indices, now: float) -> None:
        """Count packets in the order of their arrival: `rows` without NONE, `seqs` off the wire, `sizes` in bytes."""
        if not len(rows):
            return
        streams, places = np.unique(rows, return_inverse=True)
        fresh = streams[self.highest[streams] == NONE]
        if len(fresh):
            self._begin(fresh, rows, seqs)
        before = self.highest[streams]
        base = self.highest[rows]
        ext_seqs = base + ((seqs.astype(np.int64) - base + 0x8000 & 0xFFFF) - 0x8000)
        np.maximum.at(self.highest, rows, ext_seqs)
        counts = np.bincount(places)
        self.received[streams] += counts
        np.add.at(self.bytes, rows, sizes)
        # Where the numbers went up by 1, 2, ... as many as came, nothing is missing, late or there twice.
        steps = np.bincount(places, ext_seqs - base)
        regular = (self.highest[streams] - before == counts) & (2 * steps == counts * (counts + 1))
        irregular = ~regular & self.counts_loss[streams]
        if irregular.any():
            in_streams = ext_seqs[np.argsort(places, kind="stable")].tolist()
            ends = np.cumsum(counts)
            for place in np.flatnonzero(irregular).tolist():
                of_stream = in_streams[ends[place] - counts[place] : ends[place]]
                self._note_irregular(int(streams[place]), int(before[place]), of_stream, now)

    def note_frames(self, rows: Indices, markers: NDArray[np.bool_]) -> None:
        """Count what the packets of `rows` complete; `markers`: whether each has the marker."""
        self.frames += int(np.count_nonzero(self.counts_loss[rows] & (markers | ~self.is_video[rows])))

    def note_repaired(self, row: int, seq: int) -> None:
        """RTX brought the packet with this number of the original stream."""
        missing = self.missing.get(row)
        if missing is None:
            return
        highest = int(self.highest[row])
        if missing.pop(highest + ((seq - highest + 0x8000 & 0xFFFF) - 0x8000), None) is not None:
            self.repaired += 1
            self._tidy(row)

    def due_nacks(self, row: int, now: float) -> list[int]:
        """16-bit numbers to ask for now. Those that are too old, or too many, are given up."""
        missing = self.missing.get(row, {})
        due: list[int] = []
        for ext_seq, times in list(missing.items()):
            noticed, asked = times
            if now - noticed > NACK_GIVE_UP_S or len(missing) > MAX_MISSING:
                del missing[ext_seq]
            elif now - asked >= NACK_RETRY_S:
                times[1] = now
                due.append(ext_seq & 0xFFFF)
        self._tidy(row)
        return due

    def lost(self, row: int) -> int:
        """Cumulative loss of a stream as a report block has it (RFC 3550 section 6.4.1)."""
        if self.highest[row] == NONE:
            return 0
        return int(self.highest[row] - self.first[row] + 1 - self.received[row])

    def totals(self) -> Totals:
        counted = self.counts_loss & (self.highest != NONE)
        return Totals(
            self._removed.expected + int((self.highest[counted] - self.first[counted] + 1).sum()),
            self._removed.received + int(self.received[counted].sum()),
            self.repaired,
            self._removed.bytes + int(self.bytes.sum()),
            self.frames,
        )

    def _begin(self, fresh: Indices, rows: Indices, seqs: NDArray[np.uint16]) -> None:
        for row in fresh.tolist():
            # One wrap up, so that an earlier packet that arrives late is still positive.
            first = int(seqs[np.argmax(rows == row)]) + 0x10000
            self.first[row], self.highest[row] = first, first - 1

    def _note_irregular(self, row: int, highest: int, ext_seqs: list[int], now: float) -> None:
        missing = self.missing.setdefault(row, {})
        for ext_seq in ext_seqs:
            if ext_seq > highest:
                for gap in range(highest + 1, ext_seq):
                    missing[gap] = [now, 0.0]
                highest = ext_seq
            elif missing.pop(ext_seq, None) is None:
                # A duplicate, or what came before the first packet that was seen: neither says anything about loss.
                self.received[row] -= 1
        self._tidy(row)

    def _tidy(self, row: int) -> None:
        if row in self.missing and not self.missing[row]:
            del self.missing[row]

    def _sort(self) -> None:
        rows = np.flatnonzero(self.transport != NONE)
        keys = _keys(self.transport[rows], self.ssrc[rows])
        order = np.argsort(keys)
        self._keys, self._rows = keys[order], rows[order]
        self._sorted = True

    def _grow(self) -> None:
        capacity = len(self.transport)
        self.transport = np.concatenate([self.transport, np.full(capacity, NONE, np.int64)])
        self.ssrc = np.concatenate([self.ssrc, np.zeros(capacity, np.uint32)])
        self.highest = np.concatenate([self.highest, np.full(capacity, NONE, np.int64)])
        self.first, self.received, self.bytes = (
            np.concatenate([column, np.zeros(capacity, np.int64)]) for column in (self.first, self.received, self.bytes)
        )
        self.counts_loss, self.is_video = (
            np.concatenate([column, np.zeros(capacity, np.bool_)]) for column in (self.counts_loss, self.is_video)
        )
        self._free = list(range(2 * capacity - 1, capacity - 1, -1))


def _keys(transports: Indices, ssrcs: NDArray[np.uint32]) -> NDArray[np.uint64]:
    return transports.astype(np.uint64) << np.uint64(32) | ssrcs.astype(np.uint64)
