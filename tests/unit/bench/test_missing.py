"""Packets are asked for when they are due, and what is asked for is what is missing."""

from random import Random

import pytest

from bench.missing import MAX_ASKED, MAX_MISSING, NACK_GIVE_UP_S, NACK_RETRY_S, Missing, pack_mask
from sfu.rtp.nack import Nack, pack_entries


def numbers_in(entries):
    return sorted(Nack.parse_body(bytes(8) + entries).seqs)


def due(missing, now, most=1000):
    return {row: numbers_in(entries) for row, entries in missing.due(now, most)}


@pytest.mark.parametrize("seed", range(50))
def test_entries_are_those_of_the_ordinary_writer(seed):
    random = Random(seed)
    begin = random.choice([0, 65000, 65535, 70000])
    numbers = random.sample(range(begin, begin + random.choice([40, 300, 2000])), random.randrange(1, 40))
    mask = sum(1 << number - begin for number in numbers)
    assert pack_mask(begin, mask) == pack_entries(number & 0xFFFF for number in numbers)


def test_a_nack_is_not_longer_than_a_datagram():
    alternate = sum(1 << 17 * number for number in range(MAX_MISSING))
    assert len(numbers_in(pack_mask(0, alternate))) == MAX_ASKED
    assert len(numbers_in(pack_mask(0, (1 << MAX_MISSING) - 1))) == -(-MAX_ASKED // 17) * 17


def test_gaps_of_one_stream_share_a_nack():
    missing = Missing()
    missing.add(3, 65530, 65533, 1.0)
    missing.add(3, 65540, 65541, 1.01)
    assert due(missing, 1.02) == {3: [4, 65530, 65531, 65532]}


def test_each_gap_is_asked_for_at_its_own_time():
    missing = Missing()
    missing.add(3, 10, 12, 1.0)
    missing.add(4, 70, 71, 1.0)
    assert due(missing, 1.0) == {3: [10, 11], 4: [70]}
    missing.add(3, 15, 16, 1.05)
    assert due(missing, 1.06) == {3: [15]}
    assert due(missing, 1.001 + NACK_RETRY_S) == {3: [10, 11], 4: [70]}
    assert due(missing, 1.061 + NACK_RETRY_S) == {3: [15]}


def test_what_arrived_is_not_asked_for():
    missing = Missing()
    missing.add(3, 10, 14, 1.0)
    assert missing.take(3, 12)
    assert not missing.take(3, 12)
    assert not missing.take(3, 9)
    assert not missing.take(3, 14)
    assert not missing.take(4, 10)
    assert due(missing, 1.0) == {3: [10, 11, 13]}
    for number in (10, 11, 13):
        assert missing.take(3, number)
    assert missing == {}
    assert due(missing, 2.0) == {}


def test_a_turn_asks_for_so_many_and_the_others_come_next():
    missing = Missing()
    for row in range(10):
        missing.add(row, 5, 6, 1.0 + row / 1000)
    assert list(due(missing, 1.02, most=4)) == [0, 1, 2, 3]
    assert list(due(missing, 1.04, most=4)) == [4, 5, 6, 7]
    assert list(due(missing, 1.06, most=4)) == [8, 9]
    assert list(due(missing, 1.001 + 0.02 + NACK_RETRY_S, most=1000)) == [0, 1, 2, 3]


def test_a_stream_that_was_dealt_with_is_not_looked_at_before_it_is_due():
    missing = Missing()
    missing.add(1, 5, 6, 1.0)
    assert due(missing, 1.0) == {1: [5]}
    gap = missing[1].gaps[0]
    missing[1].gaps = None
    assert due(missing, 1.0 + NACK_RETRY_S / 2) == {}, "and that without a look at its gaps"
    missing[1].gaps = [gap]
    assert due(missing, 1.001 + NACK_RETRY_S) == {1: [5]}


def test_a_packet_is_asked_for_ten_times():
    missing = Missing()
    missing.add(1, 5, 6, 0.0)
    times = [tick for tick in range(200) if due(missing, tick / 50 + 1e-6)]
    assert len(times) == round(NACK_GIVE_UP_S / NACK_RETRY_S)
    assert missing == {}


def test_the_oldest_are_given_up_when_there_are_too_many():
    missing = Missing()
    missing.add(1, 0, 30, 1.0)
    missing.add(1, 100, 120, 1.0)
    missing.add(1, 1000, 1000 + MAX_MISSING - 5, 1.0)
    due(missing, 1.0)
    assert list(missing[1]) == [*range(115, 120), *range(1000, 1000 + MAX_MISSING - 5)]


def test_a_stream_that_ended_is_not_asked_for():
    missing = Missing()
    missing.add(1, 5, 6, 1.0)
    missing.pop(1)
    assert due(missing, 2.0) == {}
    missing.add(1, 7, 8, 2.0)
    assert due(missing, 2.0) == {1: [7]}
