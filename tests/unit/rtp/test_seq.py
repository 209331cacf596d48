import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.rtp.seq import Unwrapper, seq_add, seq_diff, seq_newer, timestamp_add, timestamp_diff, timestamp_newer

STARTS = [0, 1, 32767, 32768, 65534, 65535]


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("step", [0, 1, 2, 100, 32767])
def test_sequence_distance_around_the_circle(start, step):
    ahead = seq_add(start, step)
    assert seq_diff(ahead, start) == step
    assert seq_diff(start, ahead) == -step
    assert seq_newer(ahead, start) is (step > 0)
    assert not seq_newer(start, ahead)


@pytest.mark.parametrize("start", STARTS)
def test_half_the_circle_away_counts_as_older_both_ways(start):
    opposite = seq_add(start, 32768)
    assert seq_diff(opposite, start) == -32768
    assert not seq_newer(opposite, start)
    assert not seq_newer(start, opposite)


@pytest.mark.parametrize("start", [0, 1, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1])
@pytest.mark.parametrize("step", [0, 1, 3000, 2**31 - 1])
def test_timestamp_distance_around_the_circle(start, step):
    ahead = timestamp_add(start, step)
    assert timestamp_diff(ahead, start) == step
    assert timestamp_diff(start, ahead) == -step
    assert timestamp_newer(ahead, start) is (step > 0)
    assert not timestamp_newer(start, ahead)
    assert timestamp_add(ahead, -step) == start


@pytest.mark.parametrize("start", STARTS)
def test_unwrapping_never_wraps(start):
    unwrapper = Unwrapper()
    first = unwrapper.unwrap(start)
    assert first == start + 65536
    for step in range(1, 200_000, 997):
        assert unwrapper.unwrap(seq_add(start, step)) == first + step
    assert unwrapper.highest is not None
    assert unwrapper.highest > first + 65536


@pytest.mark.parametrize("start", STARTS)
def test_packets_from_before_the_first_are_positive(start):
    unwrapper = Unwrapper()
    first = unwrapper.unwrap(start)
    for back in (1, 2, 1000, 32767, 32768):
        assert unwrapper.unwrap(seq_add(start, -back)) == first - back > 0
    assert unwrapper.highest == first


@pytest.mark.parametrize("start", STARTS)
def test_late_packets_do_not_drag_the_reference_back(start):
    unwrapper = Unwrapper()
    first = unwrapper.unwrap(start)
    unwrapper.unwrap(seq_add(start, 20_000))
    assert unwrapper.unwrap(seq_add(start, -10_000)) == first - 10_000
    assert unwrapper.unwrap(seq_add(start, 40_000)) == first + 40_000


@pytest.mark.parametrize("start", STARTS)
def test_locating_moves_no_reference(start):
    unwrapper = Unwrapper()
    with pytest.raises(ValueError):
        unwrapper.locate(start)
    first = unwrapper.unwrap(start)
    assert unwrapper.locate(seq_add(start, 30_000)) == first + 30_000
    assert unwrapper.highest == first


@given(st.sampled_from(STARTS), st.integers(0, 2**32))
def test_a_shuffled_stream_unwraps_to_its_own_order(start, seed):
    shuffle = random.Random(seed)
    sent = list(range(400))
    received = sorted(sent, key=lambda index: index + shuffle.uniform(0, 50))
    unwrapper = Unwrapper()
    origin = unwrapper.unwrap(start)
    assert [unwrapper.unwrap(seq_add(start, index)) - origin for index in received] == received
