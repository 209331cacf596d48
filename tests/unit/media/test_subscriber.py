import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.media.subscriber import EAGER_ATTEMPTS, EAGER_INTERVAL, MAX_COMPOUND_LEN, REPORT_INTERVAL, join_compounds
from sfu.rtp.fir import Fir
from sfu.rtp.nack import Nack
from sfu.rtp.parameters import Encoding
from sfu.rtp.pli import Pli
from sfu.rtp.remb import Remb
from sfu.rtp.rtcp import Bye, SenderReport, SourceDescription, parse_compound
from sfu.rtp.twcc import build_feedback
from tests.sim import harness
from tests.sim.harness import keyframe


def test_pli_and_fir_ask_the_producer_once(sfu):
    producer = sfu.produce(harness.video_parameters())
    subscriber = sfu.subscriber()
    consumer = sfu.started(subscriber, producer)
    ssrc = consumer.parameters.ssrc
    actions = subscriber.on_rtcp([Pli(9, ssrc), Fir(9, ((ssrc, 1),)), Pli(9, ssrc)], 0.0)
    assert actions.keyframe_requests == [producer]
    assert consumer.keyframe_requests == 3
    assert sfu.repairs == {"pli_received": 3}


def test_what_is_asked_for_again_is_counted_and_what_was_sent(sfu):
    subscriber = sfu.subscriber()
    consumer = sfu.started(subscriber, sfu.produce(harness.video_parameters()), first_seq=100)
    sfu.wake_up([keyframe(10)], 0.0)
    subscriber.on_rtcp([Nack(9, consumer.parameters.ssrc, (100, 4000))], 0.1)
    assert sfu.repairs == {"nack_received": 2, "rtx_sent": 1}


def test_no_keyframe_is_asked_for_what_is_paused(sfu):
    producer = sfu.produce(harness.video_parameters())
    subscriber = sfu.subscriber()
    consumer = sfu.started(subscriber, producer)
    consumer.set_paused(True, 0.0)
    assert subscriber.on_rtcp([Pli(9, consumer.parameters.ssrc)], 0.0).keyframe_requests == []


def test_feedback_about_strangers_is_counted(sfu):
    subscriber = sfu.subscriber()
    actions = subscriber.on_rtcp([Pli(9, 4711), Nack(9, 4711, (1,))], 0.0)
    assert actions.keyframe_requests == []
    assert actions.retransmissions == []
    assert sfu.counters["rtcp_unknown_ssrc"] == 2


def test_one_viewer_cannot_touch_anothers_consumer(sfu):
    producer = sfu.produce(harness.video_parameters())
    other = sfu.started(sfu.subscriber(), producer)
    sfu.wake_up([keyframe(1)], 0.0)
    actions = sfu.subscriber().on_rtcp([Nack(9, other.parameters.ssrc, (1000,))], 0.0)
    assert actions.retransmissions == []


def test_bandwidth_messages_are_kept(sfu):
    subscriber = sfu.subscriber()
    subscriber.on_rtcp([Remb(9, 2_000_000, ())], 0.0)
    assert subscriber.remb_bps == 2_000_000
    (feedback,) = build_feedback(1, 2, 0, [(5, 1000)])
    subscriber.on_rtcp(parse_compound(feedback.to_bytes()), 0.0)
    assert sfu.counters["twcc_never_sent"] == 1


def test_the_first_report_follows_the_publishers_promptly(sfu):
    producer = sfu.produce(harness.video_parameters())
    subscriber = sfu.subscriber()
    consumer = sfu.started(subscriber, producer)
    sfu.wake_up([keyframe(1)], 0.0)
    assert subscriber.poll(EAGER_INTERVAL) == []
    sfu.publisher.on_rtcp([SenderReport(harness.VIDEO_SSRC, 1 << 40, 0, 0, 0)], 0.15)
    assert subscriber.next_due() <= 2 * EAGER_INTERVAL
    (compound,) = subscriber.poll(2 * EAGER_INTERVAL)
    report, description = parse_compound(compound)
    assert isinstance(report, SenderReport)
    assert report.ssrc == consumer.parameters.ssrc
    assert isinstance(description, SourceDescription)
    assert description.chunks[0].items == ((1, b"ana"),)
    assert subscriber.next_due() == pytest.approx(2 * EAGER_INTERVAL + REPORT_INTERVAL)


def test_a_publisher_without_reports_is_not_waited_for_for_ever(sfu):
    producer = sfu.produce(harness.video_parameters())
    subscriber = sfu.subscriber()
    sfu.started(subscriber, producer)
    sfu.wake_up([keyframe(1)], 0.0)
    now = 0.0
    for _ in range(EAGER_ATTEMPTS + 3):
        now = subscriber.next_due()
        subscriber.poll(now)
    assert subscriber.next_due() == pytest.approx(now + REPORT_INTERVAL)


def test_who_gets_nothing_costs_nothing_until_something_comes(sfu):
    producer = sfu.produce(harness.video_parameters())
    subscriber = sfu.subscriber()
    sfu.started(subscriber, producer)
    polls = 0
    while not math.isinf(now := subscriber.next_due()):
        subscriber.poll(now)
        polls += 1
    assert polls <= EAGER_ATTEMPTS + 1
    sfu.wake_up([keyframe(1)], 100.0)
    sfu.publisher.on_rtcp([SenderReport(harness.VIDEO_SSRC, 1 << 40, 0, 0, 0)], 100.0)
    subscriber.wake(100.0)
    (compound,) = subscriber.poll(subscriber.next_due())
    assert isinstance(parse_compound(compound)[0], SenderReport)
    assert subscriber.next_due() == pytest.approx(100.0 + EAGER_INTERVAL + REPORT_INTERVAL)


@given(st.lists(st.integers(1, 2 * MAX_COMPOUND_LEN), max_size=60))
def test_compounds_are_joined_in_order_and_none_is_cut(lengths):
    parts = [index.to_bytes(4) * length for index, length in enumerate(lengths)]
    datagrams = join_compounds(parts)
    assert b"".join(datagrams) == b"".join(parts)
    assert all(len(datagram) <= MAX_COMPOUND_LEN or datagram in parts for datagram in datagrams)
    assert all(len(one) + len(other) > MAX_COMPOUND_LEN for one, other in pairwise(datagrams))


def test_another_source_is_told_about_as_soon_as_its_publisher_tells(sfu):
    """The times of the old one say nothing about it."""
    producer = sfu.produce(harness.video_parameters())
    subscriber = sfu.subscriber()
    sfu.started(subscriber, producer)
    sfu.wake_up([keyframe(1)], 0.0)
    sfu.publisher.on_rtcp([SenderReport(harness.VIDEO_SSRC, 1 << 40, 0, 0, 0)], 0.0)
    assert len(subscriber.poll(subscriber.next_due())) == 1
    sfu.publisher._bind(producer, 0x4444, 0.2)
    first = keyframe(1)
    sfu.wake_up([first[:8] + (0x4444).to_bytes(4) + first[12:]], 0.2)
    sfu.publisher.on_rtcp([SenderReport(0x4444, 1 << 50, 0, 0, 0)], 0.21)
    subscriber.wake(0.21)
    (compound,) = subscriber.poll(0.32)
    assert parse_compound(compound)[0].ntp >> 50 == 1


def test_many_reports_are_spread_over_datagrams(sfu):
    subscriber = sfu.subscriber()
    ssrcs = range(1, 61)
    for ssrc in ssrcs:
        parameters = harness.video_parameters(mid=str(ssrc), encodings=(Encoding(ssrc=ssrc),))
        sfu.started(subscriber, sfu.produce(parameters))
    first_of_keyframe = keyframe(1)
    sfu.wake_up([first_of_keyframe[:8] + ssrc.to_bytes(4) + first_of_keyframe[12:] for ssrc in ssrcs], 0.0)
    sfu.publisher.on_rtcp([SenderReport(ssrc, 1 << 40, 0, 0, 0) for ssrc in ssrcs], 0.0)
    compounds = subscriber.poll(0.5)
    assert len(compounds) > 1
    assert all(len(compound) <= 1200 for compound in compounds)
    reports = [packet for compound in compounds for packet in parse_compound(compound)]
    assert sum(isinstance(packet, SenderReport) for packet in reports) == 60


def test_a_producer_is_consumed_once(sfu):
    producer = sfu.produce(harness.video_parameters())
    subscriber = sfu.subscriber()
    first = sfu.started(subscriber, producer)
    with pytest.raises(ValueError, match="already"):
        sfu.started(subscriber, producer)
    sfu.started(sfu.subscriber(), producer)
    subscriber.remove_consumer(first.id, 0.0)
    assert sfu.started(subscriber, producer).id in subscriber.consumers


def test_a_removed_consumer_says_goodbye_and_is_forgotten(sfu):
    producer = sfu.produce(harness.video_parameters())
    subscriber = sfu.subscriber()
    consumer = sfu.started(subscriber, producer)
    goodbye = parse_compound(subscriber.remove_consumer(consumer.id, 0.0))[-1]
    assert isinstance(goodbye, Bye)
    assert goodbye.ssrcs == (consumer.parameters.ssrc, consumer.parameters.rtx_ssrc)
    assert subscriber.remove_consumer(consumer.id, 0.0) is None
    assert math.isinf(subscriber.next_due())
    assert sfu.wake_up([keyframe(1)], 0.0) == []


def test_ssrcs_are_unique_on_a_transport(sfu):
    producer = sfu.produce(harness.video_parameters())
    subscriber = sfu.subscriber()
    consumer = sfu.started(subscriber, producer)
    with pytest.raises(ValueError):
        subscriber.add_consumer(consumer, 0.0)


def test_closing_stops_everything(sfu):
    producer = sfu.produce(harness.video_parameters())
    subscriber = sfu.subscriber()
    sfu.started(subscriber, producer)
    sfu.started(subscriber, sfu.produce(harness.audio_parameters()))
    subscriber.close(0.0)
    assert producer.consumers == []
    assert math.isinf(subscriber.next_due())
