"""Loss is counted right whatever the numbers do: wraps, reordering, duplicates, repair."""

from random import Random

import numpy as np
import pytest

from bench.missing import NACK_GIVE_UP_S, NACK_RETRY_S
from bench.reception import NONE, Reception
from sfu.rtp.nack import Nack

STARTS = [0, 1, 32767, 32768, 65530, 65534, 65535]


def feed(reception, row, numbers, now=0.0, size=100):
    """Packets with these numbers (any integers) in one batch."""
    rows = np.full(len(numbers), row, np.int64)
    seqs = np.array([number & 0xFFFF for number in numbers], np.uint16)
    reception.note(rows, seqs, np.full(len(numbers), size), now)


def asked(reception, now, most=100):
    """{row: numbers} of the NACKs that are due."""
    return {row: list(Nack.parse_body(bytes(8) + entries).seqs) for row, entries in reception.due_nacks(now, most)}


@pytest.fixture
def reception():
    return Reception()


@pytest.fixture
def row(reception):
    return reception.add(7, 1234)


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("batch", [1, 3, 64])
def test_what_arrives_in_order_is_no_loss(reception, row, start, batch):
    numbers = list(range(start, start + 200))
    for begin in range(0, 200, batch):
        feed(reception, row, numbers[begin : begin + batch])
    totals = reception.totals()
    assert (totals.expected, totals.received, totals.bytes) == (200, 200, 20_000)
    assert reception.missing == {}
    assert reception.lost(row) == 0


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("batch", [1, 3, 64])
def test_holes_are_counted_once_across_the_wrap(reception, row, start, batch):
    numbers = [number for number in range(start, start + 200) if number - start not in (3, 4, 100)]
    for begin in range(0, len(numbers), batch):
        feed(reception, row, numbers[begin : begin + batch])
    totals = reception.totals()
    assert (totals.expected, totals.received) == (200, 197)
    assert [number & 0xFFFF for number in reception.missing[row]] == [start + hole & 0xFFFF for hole in (3, 4, 100)]


@pytest.mark.parametrize("start", STARTS)
def test_late_packets_fill_their_holes(reception, row, start):
    feed(reception, row, [start, start + 3, start + 2])
    feed(reception, row, [start + 1, start + 4])
    totals = reception.totals()
    assert (totals.expected, totals.received) == (5, 5)
    assert reception.missing == {}


def test_duplicates_hide_no_loss(reception, row):
    feed(reception, row, [10, 11, 11])
    feed(reception, row, [13, 13])
    totals = reception.totals()
    assert (totals.expected, totals.received) == (4, 3)


def test_repair_is_counted_apart(reception, row):
    feed(reception, row, [65534, 65535, 2])
    reception.note_repaired(row, 0)
    reception.note_repaired(row, 0)
    totals = reception.totals()
    assert (totals.expected, totals.received, totals.repaired) == (5, 3, 1)
    assert [number & 0xFFFF for number in reception.missing[row]] == [1]


def test_differences_of_totals_describe_a_window(reception, row):
    feed(reception, row, [1, 3])
    before = reception.totals()
    feed(reception, row, [4, 6])
    window = reception.totals() - before
    assert (window.expected, window.received) == (3, 2)


def test_streams_are_told_apart_in_one_batch(reception):
    first, second = reception.add(1, 5), reception.add(2, 5)
    transports = np.array([1, 2, 1, 3, 2])
    found = reception.find(transports, np.array([5, 5, 5, 5, 6], np.uint32))
    assert found.tolist() == [first, second, first, NONE, NONE]
    rows = np.array([first, second, first, second])
    reception.note(rows, np.array([1, 50, 2, 52], np.uint16), np.full(4, 10), 0.0)
    assert reception.lost(first) == 0
    assert reception.lost(second) == 1


def test_no_stream_is_known_before_the_first(reception):
    assert reception.find(np.array([1]), np.array([1], np.uint32)).tolist() == [NONE]


def test_rtx_streams_say_nothing_about_loss(reception):
    row = reception.add(1, 9, is_rtx=True)
    feed(reception, row, [1, 9])
    assert reception.totals().expected == 0
    assert reception.missing == {}


def test_what_a_stream_counted_outlives_it(reception, row):
    feed(reception, row, [1, 3])
    reception.remove(row)
    totals = reception.totals()
    assert (totals.expected, totals.received, totals.bytes) == (3, 2, 200)
    assert reception.find(np.array([7]), np.array([1234], np.uint32)).tolist() == [NONE]
    again = reception.add(7, 1234)
    feed(reception, again, [500])
    assert reception.totals().expected == 4


def test_the_table_grows(reception):
    rows = [reception.add(number, 1) for number in range(1000)]
    assert len(set(rows)) == 1000
    feed(reception, rows[-1], [1, 2])
    found = reception.find(np.arange(1000), np.ones(1000, np.uint32))
    assert found.tolist() == rows
    assert reception.totals().received == 2


def test_missing_packets_are_asked_for_again_and_given_up(reception, row):
    feed(reception, row, [65535, 2], now=10.0)
    assert asked(reception, 10.0) == {row: [0, 1]}
    assert asked(reception, 10.0 + NACK_RETRY_S / 2) == {}
    assert asked(reception, 10.0 + 1.5 * NACK_RETRY_S) == {row: [0, 1]}
    assert asked(reception, 10.2 + NACK_GIVE_UP_S) == {}
    assert reception.missing == {}
    assert reception.lost(row) == 2


def test_pictures_end_with_the_marker_and_every_packet_of_audio_is_a_frame(reception):
    video, audio = reception.add(7, 1, is_video=True), reception.add(7, 2)
    rtx = reception.add(7, 3, is_rtx=True)
    rows = np.array([video, video, video, audio, audio, rtx])
    reception.note_frames(rows, np.array([False, True, False, False, True, True]))
    assert reception.totals().frames == 3


class Plain:
    """One packet after the other, as a receiver of one stream would count them."""

    def __init__(self):
        self.highest = self.first = None
        self.received = self.repaired = 0
        self.missing = []

    def arrive(self, seq):
        if self.highest is None:
            self.first, self.highest = seq + 0x10000, seq + 0xFFFF
        number = self.nearest(seq)
        if number > self.highest:
            self.missing += range(self.highest + 1, number)
            self.highest = number
            self.received += 1
        elif number in self.missing:
            self.missing.remove(number)
            self.received += 1

    def repair(self, seq):
        number = self.nearest(seq)
        if number in self.missing:
            self.missing.remove(number)
            self.repaired += 1

    def nearest(self, seq):
        return self.highest + ((seq - self.highest + 0x8000 & 0xFFFF) - 0x8000)


def damaged(random, seq, count):
    """Numbers from `seq` on, some lost (alone and in bursts), some twice, some late."""
    numbers = list(range(seq, seq + count))
    for _ in range(random.randrange(4)):
        begin = random.randrange(len(numbers))
        del numbers[begin : begin + random.choice([1, 1, 2, 30])]
        if not numbers:
            return []
    for _ in range(random.randrange(3)):
        numbers.insert(random.randrange(len(numbers) + 1), random.choice(numbers))
        place = random.randrange(len(numbers))
        numbers.insert(max(0, place - random.randrange(5)), numbers.pop(place))
    return numbers


@pytest.mark.parametrize("seed", range(60))
def test_batches_of_many_streams_are_counted_as_packet_by_packet(reception, seed):
    random = Random(seed)
    streams = {reception.add(number, 5): (Plain(), random.choice(STARTS)) for number in range(random.choice([1, 4, 9]))}
    octets = 0
    for _ in range(30):
        arrivals = []
        for row, (plain, seq) in streams.items():
            count = random.choice([1, 6, 6, 40])
            numbers = damaged(random, seq, count) if random.random() < 0.5 else list(range(seq, seq + count))
            streams[row] = plain, seq + count
            arrivals.append([(row, number & 0xFFFF) for number in numbers])
        if random.random() < 0.5:
            # Runs of one stream between those of others, as two calls of the server may bring them.
            arrivals = [part for each in arrivals for part in (each[: len(each) // 2], each[len(each) // 2 :])]
            random.shuffle(arrivals)
        packets = [packet for each in arrivals for packet in each]
        sizes = np.array([random.randrange(20, 1200) for _ in packets], np.int64)
        rows, seqs = (np.array(column) for column in zip(*packets, strict=True)) if packets else (np.zeros(0),) * 2
        reception.note(rows.astype(np.int64), seqs.astype(np.uint16), sizes, 0.0)
        octets += int(sizes.sum())
        for row, seq in packets:
            streams[row][0].arrive(seq)
        for row, (plain, _) in streams.items():
            if plain.missing and random.random() < 0.3:
                for number in random.sample(plain.missing, random.randrange(1, len(plain.missing) + 1)):
                    reception.note_repaired(row, number & 0xFFFF)
                    plain.repair(number & 0xFFFF)
            assert list(reception.missing.get(row, ())) == plain.missing
            if plain.highest is not None:
                assert (reception.highest[row], reception.first[row]) == (plain.highest, plain.first)
                assert reception.received[row] == plain.received
    begun = [plain for plain, _ in streams.values() if plain.highest is not None]
    totals = reception.totals()
    assert totals.expected == sum(plain.highest - plain.first + 1 for plain in begun)
    assert totals.received == sum(plain.received for plain in begun)
    assert totals.repaired == sum(plain.repaired for plain in begun)
    assert totals.bytes == octets


def test_what_nothing_repairs_is_not_asked_for_but_may_be_late(reception):
    row = reception.add(1, 2, is_repaired=False)
    feed(reception, row, [1, 5], now=1.0)
    assert asked(reception, 1.0) == {}
    assert asked(reception, 1.5) == {}
    feed(reception, row, [3], now=1.5)
    assert reception.lost(row) == 2
    assert asked(reception, 2.2) == {}
    assert reception.missing == {}
