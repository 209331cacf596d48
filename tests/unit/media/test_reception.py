import pytest

from sfu.media.reception import ReceivedSenderReport, Reception

CLOCK = 90000


def received(numbers: list[int]) -> Reception:
    reception = Reception()
    for index, number in enumerate(numbers):
        reception.note_packet(number + 65536, 3000 * number, 100, CLOCK, index / 30)
    return reception


def test_an_even_stream_has_no_jitter_and_no_loss():
    reception = received(list(range(50)))
    assert reception.lost == 0
    assert reception.jitter_seconds == pytest.approx(0.0, abs=1e-9)
    assert reception.bytes == 5000


def test_uneven_arrivals_are_jitter():
    reception = Reception()
    for number in range(200):
        reception.note_packet(65536 + number, 3000 * number, 100, CLOCK, number / 30 + 0.01 * (number % 2))
    assert reception.jitter_seconds == pytest.approx(0.01, rel=0.05)


def test_a_new_timeline_is_not_jitter():
    reception = received(list(range(50)))
    reception.note_packet(65536 + 50, 4_000_000_000, 100, CLOCK, 2.0)
    assert reception.jitter_seconds < 0.001


def test_late_and_repaired_packets_are_no_longer_lost():
    reception = received([0, 1, 5])
    assert reception.lost == 3
    reception.note_packet(65536 + 2, 6000, 100, CLOCK, 1.0)
    reception.note_repair(65536 + 3)
    assert reception.lost == 1


def test_a_packet_from_before_the_first_counts_as_expected():
    reception = received([5, 4])
    assert reception.expected == 2
    assert reception.lost == 0


def test_the_fraction_is_about_the_time_since_the_last_report():
    reception = received([0, 1, 2, 4])
    assert reception.has_news
    assert reception.report(7, 1.0).fraction_lost == 256 // 5
    assert not reception.has_news
    reception.note_packet(65536 + 5, 15000, 100, CLOCK, 1.1)
    block = reception.report(7, 2.0)
    assert block.fraction_lost == 0
    assert block.cumulative_lost == 1
    assert block.highest_ext_seq == 5


def test_what_came_by_rtx_is_reported_as_lost_on_the_way():
    reception = received([0, 2])
    reception.note_repair(65536 + 1)
    assert reception.lost == 0
    assert reception.report(7, 1.0).cumulative_lost == 1


def test_without_a_sender_report_the_fields_are_zero():
    block = received([0]).report(7, 1.0)
    assert (block.lsr, block.dlsr) == (0, 0)


def test_the_delay_since_the_sender_report_is_told():
    reception = received([0])
    reception.sender_report = ReceivedSenderReport(0xAAAA_BBBB_CCCC_DDDD, 0, 10.0)
    block = reception.report(7, 10.25)
    assert block.lsr == 0xBBBB_CCCC
    assert block.dlsr == 16384
