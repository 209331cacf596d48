"""Which neighbouring datagrams share an offloaded send (UDP_SEGMENT): those to one destination, of one length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .udp import SameForAll

MAX_SEGMENTS: Final = 16
"""Datagrams in one offloaded send. Measured: more gain nothing; the kernel allows 64 and 65,507 bytes in all."""


def run_starts(slots: NDArray[np.int64], lengths: NDArray[np.int32], max_segments: int) -> NDArray[np.int64]:
    """Indices at which a new send begins. At least one row is needed.

    A run has one destination and one length, only its last datagram may be shorter, and it has at most `max_segments`.
    (A chain of ever shorter datagrams is cut into more runs than it need be; video frames do not look like that.)
    """
    count = len(slots)
    same = slots[1:] == slots[:-1]
    if not same.any():
        return np.arange(count)
    growth = lengths[1:] - lengths[:-1]
    starting = np.ones(count, np.bool_)
    np.not_equal(growth, 0, out=starting[1:])
    starting[1:] |= ~same
    shrinks = same & (growth < 0)
    if shrinks.any():
        # The first shorter one ends a run, and a chain of ever shorter ones goes out in pairs at best.
        last = np.zeros(count, np.bool_)
        last[1:] = shrinks
        last[2:] &= ~shrinks[:-1]
        starting[2:] |= last[1:-1]
        starting &= ~last
    starts = starting.nonzero()[0]
    if len(starts) * max_segments >= count and _longest_run(starts, count) <= max_segments:
        return starts
    position = np.arange(count)
    position -= starts.repeat(np.diff(starts, append=count))
    return np.flatnonzero(position % max_segments == 0)


def _longest_run(starts: NDArray[np.int64], count: int) -> int:
    longest = count - int(starts[-1])
    return longest if len(starts) == 1 else max(longest, int((starts[1:] - starts[:-1]).max()))


def pattern_runs(lengths: Sequence[int], max_segments: int) -> list[tuple[int, int]]:
    """(first, end) of the runs that packets of these lengths to one destination are cut into, as `run_starts` does."""
    runs: list[tuple[int, int]] = []
    begin = 0
    for index in range(1, len(lengths) + 1):
        if (
            index == len(lengths)
            or index - begin == max_segments
            or lengths[index] > lengths[begin]
            or lengths[index - 1] != lengths[begin]
        ):
            runs.append((begin, index))
            begin = index
    return runs


def block_spans(
    blocks: Sequence[SameForAll], runs: Sequence[Sequence[tuple[int, int]]]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First row and end of each send of blocks whose slots are each sent these runs."""
    spans: list[tuple[int, int]] = []
    row = 0
    for block, parts in zip(blocks, runs, strict=True):
        for _ in block.names:
            spans += [(row + begin, row + end) for begin, end in parts]
            row += len(block.pattern)
    both = np.array(spans, np.int64)
    return both[:, 0], both[:, 1]
