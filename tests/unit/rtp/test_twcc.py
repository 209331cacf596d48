import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.rtp.rtcp import parse_compound
from sfu.rtp.twcc import MAX_FEEDBACK_LEN, TwccFeedback, build_feedback
from sfu.rtp.twcc_report import TwccReport

STARTS = [0, 1, 32767, 32768, 65534, 65535]


def parsed(feedbacks):
    """Through the wire and back."""
    packets = []
    for feedback in feedbacks:
        data = feedback.to_bytes()
        assert len(data) <= MAX_FEEDBACK_LEN
        assert len(data) % 4 == 0
        (report,) = parse_compound(data)
        whole = report.read()
        seqs = [seq for seq, _ in whole.arrivals]
        newest = seqs[-1] - whole.base_seq & 0xFFFF if seqs else -1
        assert (report.base_seq, report.status_count) == (whole.base_seq, whole.status_count)
        assert (report.received, report.newest_index) == (len(seqs), newest)
        packets.append(whole)
    return packets


def all_results(feedbacks):
    return [result for feedback in parsed(feedbacks) for result in feedback.results()]


def chunks_of(feedback, count):
    body = feedback.to_bytes()[20:]
    return [body[2 * index] << 8 | body[2 * index + 1] for index in range(count)]


def test_layout_of_one_packet():
    (feedback,) = build_feedback(0x11111111, 0x22222222, 9, [(65536 + 5, 64_000 * 3 + 500)])
    assert feedback.to_bytes() == bytes.fromhex(
        "8fcd0005 11111111 22222222 0005 0001 000003 09"
        "2001"  # run of one small delta
        "02 00"  # 500 us in quarters of a millisecond; a byte of zero padding
    )


def test_a_run_is_one_chunk():
    (feedback,) = build_feedback(1, 2, 0, [(65536 + index, index * 1000) for index in range(200)])
    assert chunks_of(feedback, 1) == [0x2000 | 200]
    assert len(feedback.to_bytes()) == 20 + 2 + 200 + 2


def test_scattered_losses_use_one_bit_symbols():
    arrivals = [(65536 + index, index * 1000) for index in range(0, 14, 2)]
    (feedback,) = build_feedback(1, 2, 0, arrivals, 65536)
    assert chunks_of(feedback, 1) == [0b10_10101010101010]


def test_large_deltas_use_two_bit_symbols():
    arrivals = [(65536, 0), (65537, 100_000), (65539, 90_000), (65540, 90_000), (65541, 90_250)]
    (feedback,) = build_feedback(1, 2, 0, arrivals)
    # small, large, lost, large (negative), small, small
    assert chunks_of(feedback, 1) == [0b11_01_10_00_10_01_01_00]
    assert all_results([feedback]) == [
        (0, 0),
        (1, 100_000),
        (2, None),
        (3, 90_000),
        (4, 90_000),
        (5, 90_250),
    ]


@pytest.mark.parametrize("start", STARTS)
def test_losses_ahead_of_the_first_arrival_are_reported(start):
    (feedback,) = build_feedback(1, 2, 0, [(65536 + start + 3, 64_000)], 65536 + start)
    expected = [((start + step) & 0xFFFF, None) for step in range(3)] + [((start + 3) & 0xFFFF, 64_000)]
    assert all_results([feedback]) == expected


def test_long_losses_take_a_few_bytes():
    (feedback,) = build_feedback(1, 2, 0, [(65536, 0), (65536 + 30_000, 250)])
    assert len(feedback.to_bytes()) <= 20 + 2 * 6 + 4
    results = all_results([feedback])
    assert len(results) == 30_001
    assert results[0] == (0, 0)
    assert results[-1] == (30_000, 250)
    assert {arrival for _, arrival in results[1:-1]} == {None}


def test_a_gap_wider_than_a_packet_can_tell_is_left_out():
    feedbacks = build_feedback(1, 2, 0, [(70_000, 0), (140_000, 250), (140_001, 500)], 70_000 - 66_000)
    assert [feedback.status_count for feedback in parsed(feedbacks)] == [1, 2]


def test_the_widest_range():
    (feedback,) = parsed(build_feedback(1, 2, 0, [(65536, 0), (65536 + 65_534, 250)]))
    assert feedback.status_count == 65_535


@pytest.mark.parametrize("jump_us", [32_767 * 250 + 250, -32_769 * 250])
def test_a_delta_that_does_not_fit_starts_another_packet(jump_us):
    at_us = 64_000_000
    arrivals = [(65536, at_us), (65538, at_us + jump_us), (65539, at_us + jump_us + 250)]
    feedbacks = build_feedback(1, 2, 255, arrivals)
    assert [feedback.feedback_count for feedback in feedbacks] == [255, 0]
    assert all_results(feedbacks) == [
        (0, at_us),
        (1, None),
        (2, at_us + jump_us),
        (3, at_us + jump_us + 250),
    ]


@pytest.mark.parametrize("jump_us", [32_767 * 250, -32_768 * 250])
def test_the_widest_delta_fits(jump_us):
    at_us = 64_000_000
    assert len(build_feedback(1, 2, 0, [(65536, at_us), (65537, at_us + jump_us)])) == 1


def test_rounding_does_not_add_up():
    arrivals = [(65536 + index, index * 1_249) for index in range(2_000)]
    results = all_results(build_feedback(1, 2, 0, arrivals))
    assert all(0 <= index * 1_249 - arrival_us < 250 for index, (_, arrival_us) in enumerate(results))


def test_order_of_the_arrivals_does_not_matter():
    arrivals = [(65540, 5_000), (65536, 1_000), (65538, 9_000)]
    assert build_feedback(1, 2, 0, arrivals) == build_feedback(1, 2, 0, sorted(arrivals))


def test_reference_time_wraps_after_twelve_days():
    wrap_us = 64_000 << 24
    (feedback,) = parsed(build_feedback(1, 2, 0, [(65536, wrap_us + 128_000)]))
    assert feedback.reference_time == 2
    assert feedback.arrivals == ((0, 128_000),)


def test_negative_times_of_a_clock_are_fine():
    (feedback,) = parsed(build_feedback(1, 2, 0, [(65536, -64_000), (65537, -63_000)]))
    assert feedback.reference_time == (1 << 24) - 1
    assert feedback.arrivals[1][1] - feedback.arrivals[0][1] == 1_000


def test_nothing_arrived_nothing_to_report():
    assert build_feedback(1, 2, 0, [], 65536) == []


@pytest.mark.parametrize(("arrivals", "base"), [([(5, 0), (5, 1)], None), ([(5, 0)], 6)])
def test_numbers_that_come_twice_or_before_the_base_are_refused(arrivals, base):
    with pytest.raises(ValueError):
        build_feedback(1, 2, 0, arrivals, base)


steps = st.lists(
    st.tuples(
        st.one_of(st.just(1), st.integers(1, 20), st.integers(1, 40_000)),
        st.one_of(st.integers(0, 20_000), st.integers(-200_000, 200_000), st.integers(-10_000_000, 10_000_000)),
    ),
    min_size=1,
    max_size=60,
)


@pytest.mark.parametrize("start", STARTS)
@given(steps=steps, repeat=st.integers(1, 30))
def test_round_trip(start, steps, repeat):
    ext_seq, arrival_us = 65536 + start, 10_000_000_000
    arrivals = []
    for seq_step, time_step_us in steps * repeat:
        ext_seq += seq_step
        arrival_us += time_step_us
        arrivals.append((ext_seq, arrival_us))
    built = build_feedback(1, 2, 250, arrivals, 65536 + start)
    packets = parsed(built)
    assert packets == built
    assert [arrival for packet in packets for arrival in packet.arrivals] == [
        (ext_seq & 0xFFFF, arrival_us // 250 * 250) for ext_seq, arrival_us in arrivals
    ]
    covered = sum(packet.status_count for packet in packets)
    assert covered == arrivals[-1][0] - (65536 + start) + 1


def valid_body():
    (feedback,) = build_feedback(1, 2, 0, [(65536, 0), (65537, 100_000), (65540, 100_250)])
    return feedback.to_bytes()[4:]


def test_every_truncation_is_refused():
    body = valid_body()
    needed = 16 + 2 + 1 + 2 + 1
    for length in range(needed):
        with pytest.raises(ValueError):
            TwccFeedback.parse_body(body[:length])
    assert len(TwccFeedback.parse_body(body[:needed]).arrivals) == 3


@pytest.mark.parametrize("chunks", ["6001", "ffff", "3fff", "dfff"])
def test_reserved_symbols_and_missing_deltas_are_refused(chunks):
    body = bytes(8) + bytes.fromhex("0000 0005 000000 00") + bytes.fromhex(chunks) + bytes(4)
    with pytest.raises(ValueError):
        TwccFeedback.parse_body(body)


def test_a_report_on_nothing_is_refused():
    with pytest.raises(ValueError):
        TwccFeedback.parse_body(bytes(20))


def test_symbols_behind_the_last_packet_are_ignored():
    body = bytes(8) + bytes.fromhex("0007 0002 000000 00") + bytes.fromhex("bfff 01 02")
    assert TwccFeedback.parse_body(body).arrivals == ((7, 250), (8, 750))


def test_a_few_bytes_cannot_ask_for_much_memory():
    body = bytes(8) + bytes.fromhex("0000 ffff 000000 00") + bytes.fromhex("3fff") * 9
    tracemalloc.start()
    with pytest.raises(ValueError):
        TwccFeedback.parse_body(body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50_000


@pytest.mark.parametrize(
    "feedback",
    [
        TwccFeedback(1, 2, 0, 0, 0, 0, ()),
        TwccFeedback(1, 2, 0, 1, 0, 256, ((0, 0),)),
        TwccFeedback(1, 2, 0, 1, 1 << 24, 0, ((0, 64_000 << 24),)),
        TwccFeedback(1, 2, 0, 1, 0, 0, ((1, 0),)),
        TwccFeedback(1, 2, 0, 2, 0, 0, ((1, 0), (0, 0))),
        TwccFeedback(1, 2, 0, 1, 0, 0, ((0, 10_000_000),)),
        TwccFeedback(1, 2, 65536, 1, 0, 0, ((0, 0),)),
    ],
    ids=str,
)
def test_what_cannot_be_sent_is_refused(feedback):
    with pytest.raises(ValueError):
        feedback.to_bytes()


@given(st.binary(max_size=200))
def test_any_bytes_give_a_value_or_a_value_error(body):
    try:
        report = TwccReport.parse_body(body)
    except ValueError:
        report = None
    try:
        feedback = TwccFeedback.parse_body(body)
    except ValueError:
        return
    assert report is not None, "what can be read whole can be read in short"
    assert report.received == len(feedback.arrivals)
    assert len(feedback.arrivals) <= len(body)
    assert len(feedback.arrivals) <= feedback.status_count
