import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.media.transport_feedback import BUSY, INTERVAL, MAX_PENDING, ArrivalRecorder
from sfu.rtp.rtcp import TwccReport, parse_compound
from sfu.rtp.twcc import TwccFeedback

STARTS = (0, 1, 32767, 32768, 65534, 65535)


def as_report(feedback: TwccFeedback) -> TwccReport:
    (parsed,) = parse_compound(feedback.to_bytes())
    assert isinstance(parsed, TwccReport)
    return parsed


def sent_and_read(feedback: TwccFeedback) -> TwccFeedback:
    return as_report(feedback).read()


def test_nothing_is_reported_while_nothing_comes():
    recorder = ArrivalRecorder(1)
    assert math.isinf(recorder.next_due())
    assert recorder.poll(2, 100.0) == []


@pytest.mark.parametrize("start", STARTS)
def test_reports_join_without_holes_and_are_counted(start):
    recorder = ArrivalRecorder(1)
    for offset in (0, 2):
        recorder.note((start + offset) & 0xFFFF, 10.0 + offset / 1000)
    assert recorder.next_due() == 10.0 + INTERVAL
    assert recorder.poll(2, 10.05) == []
    (first,) = map(sent_and_read, recorder.poll(2, 10.1))
    recorder.note((start + 5) & 0xFFFF, 10.2)
    (second,) = map(sent_and_read, recorder.poll(2, 10.3))
    assert (first.base_seq, first.status_count, first.feedback_count) == (start, 3, 0)
    assert (second.base_seq, second.status_count, second.feedback_count) == ((start + 3) & 0xFFFF, 3, 1)
    assert [seq for seq, at in second.results() if at is None] == [(start + 3) & 0xFFFF, (start + 4) & 0xFFFF]
    assert math.isinf(recorder.next_due())


def test_a_late_packet_is_reported_after_all():
    recorder = ArrivalRecorder(1)
    for seq in (1, 3):
        recorder.note(seq, 10.0)
    recorder.poll(2, 10.1)
    recorder.note(2, 10.15)
    recorder.note(4, 10.16)
    reports = [sent_and_read(feedback) for feedback in recorder.poll(2, 10.3)]
    assert [seq for report in reports for seq, _ in report.arrivals] == [2, 4]
    assert [report.feedback_count for report in reports] == [1, 2]
    assert reports[1].base_seq == 4


def test_under_load_reports_come_more_often():
    recorder = ArrivalRecorder(1)
    for seq in range(BUSY + 1):
        recorder.note(seq, 10.0)
    recorder.poll(2, 10.1)
    recorder.note(500, 11.0)
    assert recorder.next_due() == 11.0 + INTERVAL / 2


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.floats(0, 0.01)), max_size=300))
def test_whatever_numbers_a_peer_sends_the_reports_can_be_read(arrivals):
    recorder = ArrivalRecorder(1)
    now = 1.0
    for seq, pause in arrivals:
        now += pause
        recorder.note(seq, now)
        for feedback in recorder.poll(2, now):
            assert len(feedback.to_bytes()) <= 1200
            sent_and_read(feedback)


def test_memory_is_bounded():
    recorder = ArrivalRecorder(1)
    for seq in range(3 * MAX_PENDING):
        recorder.note(seq & 0xFFFF, 1.0)
    reported = sum(len(feedback.arrivals) for feedback in recorder.poll(2, 2.0))
    assert reported == MAX_PENDING
