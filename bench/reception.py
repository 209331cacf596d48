"""Received streams as columns: hundreds of packets of many streams are counted by a few array operations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .missing import Missing

Indices = NDArray[np.int64]

NONE: Final = -1
_FIRST_CAPACITY: Final = 256
_FIRST: Final = np.zeros(1, np.int64)


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
        self.missing = Missing()
        self.repaired = 0
        self.frames = 0
        self._removed = Totals(0, 0, 0, 0)
        self._free = list(range(capacity - 1, -1, -1))
        self._keys: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self._rows: Indices = np.zeros(0, np.int64)
        self._sorted = True

    def add(
        self, transport: int, ssrc: int, *, is_rtx: bool = False, is_video: bool = False, is_repaired: bool = True
    ) -> int:
        """A row for a stream that one transport will bring. `is_repaired`: what it misses may be asked for."""
        if not self._free:
            self._grow()
        row = self._free.pop()
        self.transport[row], self.ssrc[row] = transport, ssrc
        self.highest[row], self.first[row] = NONE, 0
        self.received[row] = self.bytes[row] = 0
        self.counts_loss[row] = not is_rtx
        self.is_video[row] = is_video
        if not is_repaired:
            self.missing.unasked.add(row)
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
        self.missing.unasked.discard(row)
        self._free.append(row)
        self._sorted = False

    def find(self, transports: Indices, ssrcs: NDArray[np.uint32]) -> Indices:
        """The row of each packet, NONE for unknown streams."""
        if not self._sorted:
            self._sort()
        if not len(self._keys) or not len(ssrcs):
            return np.full(len(ssrcs), NONE, np.int64)
        keys = _keys(transports, ssrcs)
        # Packets of one stream come together, so not every one is looked up.
        heads = _heads(keys[1:] != keys[:-1])
        keys_of_runs = keys[heads]
        places = self._keys.searchsorted(keys_of_runs)
        places[places == len(self._keys)] = 0
        rows = np.where(self._keys[places] == keys_of_runs, self._rows[places], NONE)
        return rows.repeat(_lengths(heads, len(keys)))

    def note(self, rows: Indices, seqs: NDArray[np.uint16], sizes: Indices, now: float) -> None:
        """Count packets in the order of their arrival: `rows` without NONE, `seqs` off the wire, `sizes` in bytes."""
        if not len(rows):
            return
        # A run is neighbours of one stream whose numbers go up by one; from here on everything is done by the run.
        heads = _heads((rows[1:] != rows[:-1]) | (seqs[1:] - seqs[:-1] != 1))
        run_rows = rows[heads]
        order = run_rows.argsort(kind="stable")
        run_rows, firsts = run_rows[order], seqs[heads][order].astype(np.int64)
        counts, octets = _lengths(heads, len(rows))[order], np.add.reduceat(sizes, heads)[order]
        begins = _heads(run_rows[1:] != run_rows[:-1])
        streams = run_rows[begins]
        before = self.highest[streams]
        if before.min() == NONE:
            self._begin(streams, firsts[begins])
            before = self.highest[streams]
        # Where each run goes on where the one before it ended, nothing is missing, late or there twice.
        expected = np.empty_like(firsts)
        expected[1:] = firsts[:-1] + counts[:-1]
        expected[begins] = before + 1
        regular = np.logical_and.reduceat(firsts - expected & 0xFFFF == 0, begins)
        self.bytes[streams] += np.add.reduceat(octets, begins)
        received = np.add.reduceat(counts, begins)
        if regular.all():
            self.received[streams] += received
            self.highest[streams] = before + received
            return
        self.received[streams[regular]] += received[regular]
        self.highest[streams[regular]] = (before + received)[regular]
        bounds = [*begins.tolist(), len(firsts)]
        of_runs = list(zip(firsts.tolist(), counts.tolist(), strict=True))
        for place in np.flatnonzero(~regular).tolist():
            self._note_irregular(
                int(streams[place]), int(before[place]), of_runs[bounds[place] : bounds[place + 1]], now
            )

    def note_frames(self, rows: Indices, markers: NDArray[np.bool_]) -> None:
        """Count what the packets of `rows` complete; `markers`: whether each has the marker."""
        self.frames += int(np.count_nonzero(self.counts_loss[rows] & (markers | ~self.is_video[rows])))

    def note_repaired(self, row: int, seq: int) -> None:
        """RTX brought the packet with this number of the original stream."""
        highest = int(self.highest[row])
        if self.missing.take(row, highest + ((seq - highest + 0x8000 & 0xFFFF) - 0x8000)):
            self.repaired += 1

    def due_nacks(self, now: float, most: int) -> Iterator[tuple[int, bytes]]:
        """Rows of which packets are to be asked for now, `most` of them, each with the entries of a NACK. What is too
        old, or too much, is given up."""
        return self.missing.due(now, most)

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

    def _begin(self, streams: Indices, seqs: Indices) -> None:
        """Those of `streams` that have had no packet begin with these."""
        fresh = self.highest[streams] == NONE
        # One wrap up, so that an earlier packet that arrives late is still positive.
        self.first[streams[fresh]] = seqs[fresh] + 0x10000
        self.highest[streams[fresh]] = seqs[fresh] + 0xFFFF

    def _note_irregular(self, row: int, highest: int, runs: list[tuple[int, int]], now: float) -> None:
        """Runs of one stream: the number that each begins with, off the wire, and how many packets it has."""
        counts_loss = bool(self.counts_loss[row])
        received = 0
        for first, count in runs:
            begin = highest + ((first - highest + 0x8000 & 0xFFFF) - 0x8000)
            end = begin + count
            if not counts_loss:
                received += count
            elif begin > highest:
                received += count
                if begin > highest + 1:
                    self.missing.add(row, highest + 1, begin, now)
            else:
                # A duplicate, or what came before the first packet that was seen, says nothing about loss.
                late = range(begin, min(end, highest + 1))
                received += count - len(late) + sum(self.missing.take(row, ext_seq) for ext_seq in late)
            highest = max(highest, end - 1)
        self.received[row] += received
        self.highest[row] = highest

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


def _heads(differs: NDArray[np.bool_]) -> Indices:
    """Where runs begin, by whether each element but the first differs from the one before it."""
    return np.concatenate([_FIRST, differs.nonzero()[0] + 1])


def _lengths(heads: Indices, total: int) -> Indices:
    """Of the runs that begin there, in so many elements."""
    lengths = np.empty_like(heads)
    np.subtract(heads[1:], heads[:-1], out=lengths[:-1])
    lengths[-1] = total - heads[-1]
    return lengths
