import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.media.fanout import FanoutTable
from sfu.media.pool import PacketPool
from sfu.media.stream import ProducerStream, ReplayWindow
from tests.sim.harness import VP8

STARTS = (0, 1, 32767, 32768, 65534, 65535)


def stream() -> ProducerStream:
    return ProducerStream("audio", PacketPool(8), FanoutTable(), asks_again=True)


def take(one: ProducerStream, number: int) -> int:
    return one.take_number(number & 0xFFFF, 0, VP8, 0, 0.0)[0]


@pytest.mark.parametrize("start", STARTS)
def test_duplicates_are_known_around_the_wrap(start):
    one = stream()
    for number in (start, start + 1, start + 3):
        assert not one.is_duplicate(number & 0xFFFF)
        take(one, number)
        assert one.is_duplicate(number & 0xFFFF)
    assert not one.is_duplicate((start + 2) & 0xFFFF)
    assert not one.is_duplicate((start + 4) & 0xFFFF)


def test_what_is_older_than_the_cache_counts_as_duplicate():
    one = stream()
    take(one, 0)
    take(one, 500)
    assert one.is_duplicate((500 - 128) & 0xFFFF)
    assert not one.is_duplicate(500 - 127)


def test_looking_moves_nothing():
    one = stream()
    take(one, 10)
    one.is_duplicate(30000)
    assert one.highest_ext_seq == 65536 + 10


def test_a_late_packet_fills_its_hole():
    one = stream()
    for number in (1, 4, 2):
        take(one, number)
    assert one.nack.due(0.5)[0] == [65536 + 3]


@given(st.sampled_from(STARTS), st.lists(st.integers(-700, 700), max_size=200))
def test_a_replay_window_never_lets_a_number_through_twice(start, jumps):
    window, seen, position = ReplayWindow(), set(), start + 65536
    highest = None
    for jump in jumps:
        position = max(position + jump, 0)
        if highest is not None and abs(position - highest) > 30000:
            position = highest
        known = window.contains(position & 0xFFFF)
        if position in seen:
            assert known
        elif highest is None or position > highest - 512:
            assert not known
        if not known:
            window.note(position & 0xFFFF)
            seen.add(position)
            highest = position if highest is None else max(highest, position)
