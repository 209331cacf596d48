from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sfu.net.segments import block_spans, pattern_runs, run_starts
from sfu.net.udp import SameForAll


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4)), min_size=1, max_size=60), st.integers(1, 16))
def test_runs_are_what_segmentation_allows(rows: list[tuple[int, int]], most: int) -> None:
    slots = np.array([slot for slot, _ in rows])
    lengths = np.array([length for _, length in rows], np.int32)
    starts = run_starts(slots, lengths, most).tolist()
    assert starts[0] == 0
    for begin, end in zip(starts, [*starts[1:], len(rows)], strict=True):
        run = rows[begin:end]
        assert 1 <= len(run) <= most
        assert {slot for slot, _ in run} == {run[0][0]}
        assert all(length == run[0][1] for _, length in run[:-1])
        assert run[-1][1] <= run[0][1]


@given(st.lists(st.integers(1, 4), min_size=1, max_size=40), st.integers(1, 16))
def test_runs_of_a_pattern_are_what_segmentation_allows(lengths: list[int], most: int) -> None:
    runs = pattern_runs(lengths, most)
    assert [begin for begin, _ in runs] == [0, *(end for _, end in runs[:-1])]
    assert runs[-1][1] == len(lengths)
    for begin, end in runs:
        run = lengths[begin:end]
        assert 1 <= len(run) <= most
        assert all(length == run[0] for length in run[:-1])
        assert run[-1] <= run[0]
        # As long as they can be.
        assert end == len(lengths) or len(run) == most or run[-1] < run[0] or lengths[end] > run[0]


def test_a_frame_of_equal_packets_is_one_run() -> None:
    slots = np.array([0] * 6 + [1] * 6)
    lengths = np.array([1200] * 5 + [300] + [1200] * 5 + [300], np.int32)
    assert run_starts(slots, lengths, 16).tolist() == [0, 6]


def test_the_rows_of_each_send_of_blocks() -> None:
    slots = np.array([4, 7])
    blocks = [SameForAll(slots, slots, [4, 7], [9, 9, 5]), SameForAll(slots[:1], slots[:1], [4], [6])]
    starts, ends = block_spans(blocks, [[(0, 2), (2, 3)], [(0, 1)]])
    assert list(zip(starts.tolist(), ends.tolist(), strict=True)) == [(0, 2), (2, 3), (3, 5), (5, 6), (6, 7)]
