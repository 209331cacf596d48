import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.media.consumer import NACK_LIMITED, NACK_NOT_CACHED, NACK_UNMAPPED, NACK_WITHOUT_RTX
from sfu.media.ingress import MAX_LATENESS
from sfu.rtp.parameters import Encoding
from sfu.rtp.rtcp import ReportBlock, SenderReport, SourceDescription, parse_compound
from sfu.rtp.seq import timestamp_diff
from tests.sim import harness
from tests.sim.harness import Sfu, keyframe, rtp, rtx, video

STARTS = (0, 1, 32767, 32768, 65534, 65535)


def audio(seq: int, payload: bytes = b"opus") -> bytes:
    return rtp(harness.AUDIO_SSRC, seq, 960 * seq, harness.PUBLISHED_OPUS, payload)


def test_nothing_is_sent_before_the_subscriber_is_ready(sfu):
    producer = sfu.produce(harness.video_parameters())
    consumer = sfu.consume(sfu.subscriber(), producer)
    assert sfu.wake_up([keyframe(1)], 0.0) == []
    consumer.start((96, 97), 0.0)
    assert len(sfu.wake_up([keyframe(2)], 0.0)) == 1


def test_video_begins_with_a_keyframe_which_is_asked_for(sfu):
    producer = sfu.produce(harness.video_parameters())
    sfu.wake_up([keyframe(1), video(2)], 0.0)
    consumer = sfu.started(sfu.subscriber(), producer, 1.0)
    assert producer.keyframes.next_due() == 1.0
    assert sfu.wake_up([video(3)], 1.0) == []
    assert not consumer.sends
    sent = sfu.wake_up([video(4), keyframe(5), video(6)], 1.1)
    assert [packet.payload for packet in sent] == [harness.VP8_KEYFRAME_START + b"key", harness.VP8_DELTA_START]


def test_a_late_packet_from_before_the_keyframe_is_not_for_those_who_began_with_it(sfu):
    producer = sfu.produce(harness.video_parameters())
    sfu.started(sfu.subscriber(), producer)
    sent = sfu.wake_up([keyframe(5), video(4), video(6)], 0.0)
    assert [packet.seq for packet in sent] == [1000, 1001]


def test_audio_begins_at_once_but_not_with_what_was_said_before(sfu):
    producer = sfu.produce(harness.audio_parameters())
    sfu.wake_up([audio(1), audio(3)], 0.0)
    sfu.started(sfu.subscriber(), producer)
    assert sfu.wake_up([audio(2)], 0.0) == []
    assert len(sfu.wake_up([audio(4)], 0.0)) == 1


@pytest.mark.parametrize("who", ["viewer", "owner or host"])
def test_each_pause_stops_every_packet_and_resuming_continues_the_numbers(sfu, who):
    producer = sfu.produce(harness.video_parameters())
    consumer = sfu.started(sfu.subscriber(), producer, first_seq=65535)
    pause = {
        "viewer": consumer.set_paused,
        "owner or host": producer.set_paused,
    }[who]
    before = sfu.wake_up([keyframe(1), video(2)], 0.0)
    pause(True, 0.1)
    assert sfu.wake_up([video(3), keyframe(4), video(5)], 0.2) == []
    pause(False, 1.0)
    after = sfu.wake_up([video(6), keyframe(7), video(8)], 1.1)
    assert [packet.seq for packet in [*before, *after]] == [65535, 0, 1, 2]
    assert [packet.timestamp for packet in [*before, *after]] == [3000, 6000, 21000, 24000]


def test_what_is_dropped_for_a_mute_is_counted_as_such(sfu):
    producer = sfu.produce(harness.audio_parameters())
    sfu.started(sfu.subscriber(), producer)
    producer.set_paused(True, 0.0)
    assert sfu.wake_up([audio(1)], 0.0) == []
    assert sfu.drops == ["producer_paused"]


def test_a_replaced_stream_goes_on_with_numbers_and_time(sfu):
    producer = sfu.produce(harness.audio_parameters(encodings=(Encoding(),)))
    sfu.started(sfu.subscriber(), producer, first_seq=7)
    first = sfu.wake_up([rtp(50, 900, 4_000_000_000, harness.PUBLISHED_OPUS, b"x")], 10.0)
    mid = [(harness.PUBLISHED_MID, b"a")]
    second = sfu.wake_up([rtp(51, 3, 17, harness.PUBLISHED_OPUS, b"y", elements=mid)], 10.5)
    assert [packet.seq for packet in [*first, *second]] == [7, 8]
    assert timestamp_diff(second[0].timestamp, first[0].timestamp) == 24000


def test_a_nack_is_answered_by_rtx(sfu):
    producer = sfu.produce(harness.video_parameters())
    subscriber = sfu.subscriber()
    consumer = sfu.started(subscriber, producer, first_seq=65535)
    sent = sfu.wake_up([keyframe(1), video(2, harness.VP8_CONTINUATION + b"again", marker=True)], 0.0)
    (again,) = sfu.retransmit(consumer.answer_nack([0], 0.1, sfu.counters), 0.1)
    assert again.ssrc == consumer.parameters.rtx_ssrc
    assert again.payload_type == 97
    assert again.payload == b"\x00\x00" + sent[1].payload
    assert again.timestamp == sent[1].timestamp
    assert again.data[1] & 0x80
    (next_one,) = sfu.retransmit(consumer.answer_nack([65535], 0.1, sfu.counters), 0.1)
    assert next_one.seq == again.seq + 1
    assert consumer.stats().retransmitted == 2
    assert consumer.stats().nacked == 2


def test_a_packet_repaired_on_the_way_in_can_be_asked_for(sfu):
    producer = sfu.produce(harness.video_parameters())
    consumer = sfu.started(sfu.subscriber(), producer, first_seq=0)
    sfu.wake_up([keyframe(1), video(3)], 0.0)
    assert consumer.answer_nack([1], 0.0, sfu.counters) == []
    assert sfu.counters[NACK_NOT_CACHED] == 1
    sfu.wake_up([rtx(1, video(2))], 0.05)
    assert len(consumer.answer_nack([1], 0.1, sfu.counters)) == 1


@pytest.mark.parametrize(("behind", "forwarded"), [(MAX_LATENESS - 1, True), (MAX_LATENESS, False)])
def test_what_srtp_would_refuse_as_too_old_is_left_to_retransmission(sfu, behind, forwarded):
    producer = sfu.produce(harness.video_parameters())
    consumer = sfu.started(sfu.subscriber(), producer, first_seq=0)
    newest = 2 + behind
    sfu.wake_up([keyframe(1), *(video(seq) for seq in range(3, newest + 1))], 0.0)
    assert bool(sfu.wake_up([video(2)], 0.1)) == forwarded
    assert len(consumer.answer_nack([1], 0.2, sfu.counters)) == 1


def test_refusals_are_counted_by_reason(sfu):
    producer = sfu.produce(harness.video_parameters())
    consumer = sfu.started(sfu.subscriber(), producer, first_seq=0)
    silent = sfu.consume(sfu.subscriber(), producer)
    without_rtx = sfu.consume(sfu.subscriber(), producer, first_seq=0)
    without_rtx.start((96,), 0.0)
    sfu.wake_up([keyframe(1)], 0.0)
    assert silent.answer_nack([0], 0.0, sfu.counters) == []
    assert sfu.counters[NACK_UNMAPPED] == 1
    assert consumer.answer_nack([5], 0.0, sfu.counters) == []
    assert sfu.counters[NACK_UNMAPPED] == 2
    assert len(consumer.answer_nack([0], 0.0, sfu.counters)) == 1
    assert consumer.answer_nack([0], 0.001, sfu.counters) == []
    assert sfu.counters[NACK_LIMITED] == 1
    assert without_rtx.answer_nack([0], 0.0, sfu.counters) == []
    assert sfu.counters[NACK_WITHOUT_RTX] == 1


def test_an_overwritten_packet_is_never_sent_again():
    sfu = Sfu(slots=4)
    producer = sfu.produce(harness.video_parameters())
    consumer = sfu.started(sfu.subscriber(), producer, first_seq=0)
    sfu.wake_up([keyframe(1)], 0.0)
    answer = consumer.answer_nack([0], 0.0, sfu.counters)
    sfu.wake_up([video(seq) for seq in range(2, 6)], 0.0)
    assert sfu.retransmit(answer, 0.0) == []
    assert consumer.answer_nack([0], 1.0, sfu.counters) == []
    assert sfu.counters[NACK_NOT_CACHED] == 1


def test_a_muted_source_is_not_sent_again_either(sfu):
    producer = sfu.produce(harness.video_parameters())
    consumer = sfu.started(sfu.subscriber(), producer, first_seq=0)
    sfu.wake_up([keyframe(1)], 0.0)
    producer.set_paused(True, 0.0)
    assert consumer.answer_nack([0], 0.1, sfu.counters) == []


def test_sender_reports_carry_the_publishers_clock_on(sfu):
    producer = sfu.produce(harness.video_parameters())
    consumer = sfu.started(sfu.subscriber(), producer)
    sfu.wake_up([keyframe(1)], 0.0)
    assert consumer.sender_report(0.0) is None
    ntp = 0x1234_5678_8000_0000
    sfu.publisher.on_rtcp([SenderReport(harness.VIDEO_SSRC, ntp, 0xFFFFFFFF, 0, 0)], 10.0)
    report, _ = parse_compound(consumer.sender_report(10.5))
    assert report.ssrc == consumer.parameters.ssrc
    assert report.ntp == ntp + (1 << 31)
    assert report.rtp_timestamp == 44999
    assert report.packet_count == 1
    assert report.octet_count == 5


def test_sender_reports_wrap_as_their_fields_do(sfu):
    producer = sfu.produce(harness.video_parameters())
    consumer = sfu.started(sfu.subscriber(), producer)
    sfu.wake_up([keyframe(1)], 0.0)
    sfu.publisher.on_rtcp([SenderReport(harness.VIDEO_SSRC, (1 << 64) - 1, 0xFFFFFFFF, 0, 0)], 10.0)
    sfu.table.packets[consumer._row] = sfu.table.octets[consumer._row] = (1 << 32) + 6
    report, description = parse_compound(consumer.sender_report(11.0))
    assert report == SenderReport(consumer.parameters.ssrc, (1 << 32) - 1, 89_999, 7, 11)
    assert description == SourceDescription.for_cname(consumer.parameters.ssrc, "ana")


def test_the_round_trip_comes_from_the_reports(sfu):
    producer = sfu.produce(harness.video_parameters())
    consumer = sfu.started(sfu.subscriber(), producer)
    sfu.wake_up([keyframe(1)], 0.0)
    sfu.publisher.on_rtcp([SenderReport(harness.VIDEO_SSRC, 1 << 40, 0, 0, 0)], 0.0)
    report, _ = parse_compound(consumer.sender_report(1.0))
    block = ReportBlock(consumer.parameters.ssrc, 0, 3, 0, 900, report.ntp >> 16 & 0xFFFFFFFF, round(0.2 * 65536))
    consumer.note_report(block, 1.25)
    assert consumer.rtt == pytest.approx(0.05, abs=0.001)
    assert consumer.stats().jitter_ms == pytest.approx(10)
    assert consumer.stats().lost == 3
    consumer.note_report(ReportBlock(consumer.parameters.ssrc, 0, 3, 0, 900, 4711, 0), 9.0)
    assert consumer.rtt == pytest.approx(0.05, abs=0.001)


def test_closing_frees_the_row_and_forwards_nothing_more(sfu):
    producer = sfu.produce(harness.audio_parameters())
    consumer = sfu.started(sfu.subscriber(), producer)
    sfu.wake_up([audio(1)], 0.0)
    sfu.receive([audio(2)], 0.0)
    consumer.close(0.0)
    consumer.close(0.0)
    assert sfu.build(0.0) == []
    assert sfu.wake_up([audio(3)], 0.0) == []
    assert producer.consumers == []


def test_an_answer_that_changes_the_types_applies_at_once(sfu):
    producer = sfu.produce(harness.audio_parameters())
    consumer = sfu.started(sfu.subscriber(), producer)
    red = bytes([harness.PUBLISHED_OPUS]) + b"only"
    (with_red,) = sfu.wake_up([rtp(harness.AUDIO_SSRC, 1, 0, harness.PUBLISHED_RED, red)], 0.0)
    consumer.start((111,), 0.0)
    (without,) = sfu.wake_up([rtp(harness.AUDIO_SSRC, 2, 0, harness.PUBLISHED_RED, red)], 0.0)
    assert (with_red.payload_type, without.payload_type) == (63, 111)


moves = st.lists(
    st.one_of(
        st.tuples(st.just("packets"), st.integers(1, 12)),
        st.tuples(st.just("lose"), st.integers(1, 5)),
        st.tuples(st.just("swap"), st.just(0)),
        st.tuples(st.sampled_from(["viewer", "owner or host"]), st.booleans()),
    ),
    max_size=60,
)


@given(first_seq=st.sampled_from(STARTS), first_in=st.sampled_from(STARTS), moves=moves)
def test_whatever_happens_numbers_are_contiguous_unique_and_lead_back(first_seq, first_in, moves):
    """A subscriber sees one unbroken sequence but for packets that never came, and time never jumps back."""
    sfu = Sfu(slots=2048)
    producer = sfu.produce(harness.video_parameters())
    consumer = sfu.started(sfu.subscriber(), producer, first_seq=first_seq)
    pauses = {"viewer": consumer.set_paused, "owner or host": producer.set_paused}
    number = first_in
    sent: list[tuple[int, int, bytes]] = []
    lost_while_sending: set[int] = set()

    def wake_up(numbers: list[int]) -> None:
        datagrams = [
            video(n, (harness.VP8_KEYFRAME_START if n % 7 == 0 else harness.VP8_DELTA_START) + n.to_bytes(4), 3000 * n)
            for n in numbers
        ]
        sent.extend((packet.seq, packet.timestamp, packet.payload[2:]) for packet in sfu.wake_up(datagrams, 0.0))

    for kind, argument in moves:
        if kind == "packets":
            wake_up(list(range(number, number + argument)))
            number += argument
        elif kind == "lose":
            if consumer.sends:
                lost_while_sending.update(range(number, number + argument))
            number += argument
        elif kind == "swap":
            wake_up([number + 1, number])
            number += 2
        else:
            pauses[kind](argument, 0.0)

    position = {(seq - first_seq) & 0xFFFF: int.from_bytes(payload) for seq, _, payload in sent}
    assert len(position) == len(sent), "a number was used twice"
    if not sent:
        return
    holes = set(range(max(position) + 1)) - position.keys()
    # A swap around a start leaves the packet in front of it out; every other hole is a packet that never came.
    assert len(holes) <= len(lost_while_sending) + sum(kind == "swap" for kind, _ in moves)
    in_order = [position[index] for index in sorted(position)]
    assert in_order == sorted(in_order)
    stream = producer.stream
    if consumer.sends:
        for index, original in position.items():
            ext_seq = consumer._map.reverse((first_seq + index) & 0xFFFF, stream.highest_ext_seq)
            assert bytes(sfu.pool.packet(stream.cache.find(ext_seq)))[-4:] == original.to_bytes(4)
