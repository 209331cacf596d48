"""Transport-cc reports made by columns are those that the ordinary builder would make."""

from random import Random

import numpy as np
import pytest

from bench.feedback import SHARDS, FeedbackBuilder
from sfu.rtp.rtcp import parse_compound
from sfu.rtp.twcc import MAX_FEEDBACK_LEN, TwccFeedback

STARTS = [0, 1, 32767, 32768, 65530, 65534, 65535]


class Receiver:
    """Feeds a builder and reads everything that it reports."""

    def __init__(self, transports=40):
        self.builder = FeedbackBuilder(transports)
        for transport in range(transports):
            self.builder.begin(transport, 1000 + transport, 7)
        self.reports: dict[int, list[TwccFeedback]] = {}

    def arrive(self, *packets):
        """(transport, seq, arrival_us)"""
        transports, seqs, times = (np.array(column) for column in zip(*packets, strict=True))
        self.builder.note(transports.astype(np.int64), (seqs & 0xFFFF).astype(np.uint16), times.astype(np.int64))

    def tick(self, times=SHARDS):
        for _ in range(times):
            for owners in self.builder.build():
                for row, owner in enumerate(owners):
                    length = self.builder.lengths[row]
                    (report,) = parse_compound(self.builder.matrix[row, :length].tobytes())
                    assert report.sender_ssrc == 1000 + owner
                    assert report.media_ssrc == 7
                    assert length <= MAX_FEEDBACK_LEN
                    self.reports.setdefault(owner, []).append(report.read())

    def results(self, transport):
        return [result for report in self.reports.get(transport, []) for result in report.results()]


def times_of(results):
    return [arrival for _, arrival in results]


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 21, 300])
def test_everything_that_arrived_is_reported_once(start, count):
    receiver = Receiver()
    packets = [(3, start + number, 1_000_000 + 250 * number) for number in range(count)]
    receiver.arrive(*packets)
    receiver.tick()
    assert receiver.results(3) == [(seq & 0xFFFF, arrival) for _, seq, arrival in packets]
    assert list(receiver.reports) == [3]
    receiver.tick()
    assert len(receiver.reports[3]) == 1, "and not again"


@pytest.mark.parametrize("start", STARTS)
def test_reports_go_on_where_the_last_one_ended(start):
    receiver = Receiver()
    for part in range(5):
        receiver.arrive(*((9, start + 10 * part + number, 10_000 * (10 * part + number)) for number in range(10)))
        receiver.tick()
    assert [seq for seq, _ in receiver.results(9)] == [start + number & 0xFFFF for number in range(50)]
    assert None not in times_of(receiver.results(9))
    assert [report.feedback_count for report in receiver.reports[9]] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("start", STARTS)
def test_lost_packets_are_reported_lost(start):
    receiver = Receiver()
    receiver.arrive((1, start, 1000), (1, start + 2, 3000))
    receiver.tick()
    receiver.arrive((1, start + 5, 9000))
    receiver.tick()
    assert receiver.results(1) == [
        (start & 0xFFFF, 1000),
        (start + 1 & 0xFFFF, None),
        (start + 2 & 0xFFFF, 3000),
        (start + 3 & 0xFFFF, None),
        (start + 4 & 0xFFFF, None),
        (start + 5 & 0xFFFF, 9000),
    ]


def test_reordered_and_duplicate_packets_do_no_harm():
    receiver = Receiver()
    receiver.arrive((1, 10, 1000), (1, 12, 2000), (1, 11, 3000), (1, 12, 4000))
    receiver.tick()
    receiver.arrive((1, 11, 5000))
    receiver.tick()
    receiver.arrive((1, 13, 6000))
    receiver.tick()
    assert [seq for seq, _ in receiver.results(1)] == [10, 11, 12, 13]


def test_a_pause_longer_than_a_small_delta_is_reported():
    receiver = Receiver()
    receiver.arrive((1, 1, 1_000_000), (1, 2, 1_000_000 + 70_000), (1, 3, 31_000_000))
    receiver.tick()
    assert receiver.results(1) == [(1, 1_000_000), (2, 1_070_000), (3, 31_000_000)]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 400, 900])
@pytest.mark.parametrize("step_us", [250, 500, 70_000, 1_000_000])
def test_every_length_and_pace_is_reported_as_it_was(count, step_us):
    receiver = Receiver()
    packets = [(2, 65000 + number, 500_000 + step_us * number) for number in range(count)]
    receiver.arrive((2, 64999, 250_000))
    receiver.tick()
    receiver.arrive(*packets)
    receiver.tick()
    assert receiver.results(2)[1:] == [(seq & 0xFFFF, arrival) for _, seq, arrival in packets]


def test_simple_reports_are_those_of_the_ordinary_builder():
    receiver = Receiver()
    receiver.arrive(*((2, 65530 + number, 300_000 + 750 * number) for number in range(21)))
    receiver.tick()
    (report,) = receiver.reports[2]
    assert report.to_bytes() == receiver.builder.matrix[0, : receiver.builder.lengths[0]].tobytes()


def test_all_transports_are_served_within_the_interval_each_at_its_own_tick():
    receiver = Receiver(transports=40)
    receiver.arrive(*((transport, number, 1000 * number) for number in range(30) for transport in range(40)))
    receiver.tick(1)
    assert len(receiver.reports) == 4
    receiver.tick(SHARDS - 1)
    assert len(receiver.reports) == 40
    assert all(len(receiver.results(transport)) == 30 for transport in range(40))


def test_a_transport_that_begins_anew_has_nothing_to_go_on_from():
    receiver = Receiver()
    receiver.arrive((1, 100, 1000))
    receiver.tick()
    receiver.builder.begin(1, 1001, 7)
    receiver.arrive((1, 7, 2000))
    receiver.tick()
    assert receiver.results(1) == [(100, 1000), (7, 2000)]
    assert [report.feedback_count for report in receiver.reports[1]] == [0, 0]


@pytest.mark.parametrize("pace_us", [500, 30_000, 70_000])
@pytest.mark.parametrize("seed", range(30))
def test_losses_of_many_at_a_time_are_reported_as_the_ordinary_builder_would(seed, pace_us, monkeypatch):
    random = Random(seed)
    receiver = Receiver()
    monkeypatch.setattr(receiver.builder, "_fill_irregular", lambda *_: pytest.fail("nothing is out of order"))
    start, time_us = random.choice(STARTS), 1_000_000
    expected: dict[int, list[tuple[int, int | None]]] = {}
    for _ in range(4):
        count = random.choice([1, 2, 14, 15, 120])
        packets = []
        for transport in range(1, 8):
            for number in range(count):
                time_us += random.randrange(pace_us)
                arrived = random.random() < 0.6
                if arrived:
                    packets.append((transport, start + number, time_us))
                if arrived or transport in expected:
                    expected.setdefault(transport, []).append(
                        (start + number & 0xFFFF, time_us // 250 * 250 if arrived else None)
                    )
        if packets:
            receiver.arrive(*packets)
        receiver.tick()
        start += count
    for transport, results in expected.items():
        while results and results[-1][1] is None:
            results.pop()
        assert receiver.results(transport) == results


def test_a_burst_that_is_too_long_for_one_report_is_split():
    receiver = Receiver()
    receiver.arrive((1, 10, 1000), (1, 5000, 2000), *((1, 5002 + 2 * number, 3000) for number in range(900)))
    receiver.tick()
    arrived = [seq for seq, arrival in receiver.results(1) if arrival is not None]
    assert arrived == [10, 5000, *range(5002, 6802, 2)]
