import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.media.egress import ForwardBatch
from sfu.media.pool import HEADROOM, MAX_DATAGRAM
from sfu.media.publisher import MAX_BINDINGS, Publisher
from sfu.rtp.nack import Nack
from sfu.rtp.parameters import Encoding
from sfu.rtp.pli import Pli
from sfu.rtp.remb import Remb
from sfu.rtp.rtcp import ReceiverReport, SenderReport, TwccReport, parse_compound
from tests.sim import harness
from tests.sim.harness import Sfu, keyframe, rtp, rtx, video

PADDING_PROBE = rtp(harness.VIDEO_RTX_SSRC, 1, 0, harness.PUBLISHED_VP8_RTX, bytes(9) + b"\x0a")


def padded(packet: bytes, count: int) -> bytes:
    return bytes([packet[0] | 0x20]) + packet[1:] + bytes(count - 1) + bytes([count])


@pytest.mark.parametrize(
    ("datagram", "reason"),
    [
        (b"\x80", "rtp_malformed"),
        (b"\x00" * 20, "rtp_malformed"),
        (bytes([0x90]) + video(1)[1:12] + b"\xbe\xde\x00\xff", "rtp_malformed"),
        (rtp(0x9999, 1, 0, 100, b"x"), "rtp_unknown_ssrc"),
        (rtp(harness.VIDEO_SSRC, 1, 0, 100, b"x"), "rtp_unknown_payload_type"),
        (rtp(harness.VIDEO_RTX_SSRC, 1, 0, harness.PUBLISHED_VP8, b"xx"), "rtp_unknown_payload_type"),
        (rtp(harness.VIDEO_RTX_SSRC, 1, 0, harness.PUBLISHED_VP8_RTX, b"x"), "rtx_malformed"),
        (padded(rtp(harness.VIDEO_RTX_SSRC, 1, 0, harness.PUBLISHED_VP8_RTX, b""), 10), "rtx_padding"),
        (rtp(harness.AUDIO_SSRC, 1, 0, harness.PUBLISHED_RED, b"\xff"), "red_malformed"),
        (rtp(harness.AUDIO_SSRC, 1, 0, harness.PUBLISHED_RED, b"\x05abc"), "red_malformed"),
        (video(1, bytes(MAX_DATAGRAM - 12)), "rtp_too_long"),
        (video(1), "no_active_consumer"),
    ],
)
def test_every_drop_has_its_reason(sfu, datagram, reason):
    sfu.produce(harness.video_parameters())
    sfu.produce(harness.audio_parameters())
    assert sfu.wake_up([datagram], 0.0) == []
    assert sfu.drops == [reason]


@given(st.binary(max_size=200), st.booleans())
def test_garbage_is_dropped_without_a_stumble(garbage, looks_like_ours):
    sfu = Sfu()
    producer = sfu.produce(harness.video_parameters())
    sfu.started(sfu.subscriber(), producer)
    start = video(1)[:12]
    sfu.wake_up([start[:0] + bytes([0x90]) + start[1:] + garbage if looks_like_ours else garbage], 0.0)
    sent = sfu.wake_up([keyframe(200)], 0.1)
    assert len(sent) == 1


def test_a_duplicate_is_recognised_before_it_is_decrypted(sfu):
    sfu.produce(harness.video_parameters())
    sfu.receive([video(5)], 0.0)
    sfu.pool.rows[0][HEADROOM : HEADROOM + 14] = video(5)
    assert sfu.publisher.admit(0, HEADROOM, 14) == "rtp_duplicate"
    sfu.pool.rows[0][HEADROOM : HEADROOM + 14] = video(4)
    assert sfu.publisher.admit(0, HEADROOM, 14) is None


def test_a_duplicate_by_rtx_is_recognised_before_it_is_decrypted(sfu):
    sfu.produce(harness.video_parameters())
    sfu.receive([video(5), video(7), rtx(1, video(6))], 0.0)
    assert "rtp_duplicate" not in sfu.drops
    sfu.receive([rtx(1, video(6))], 0.0)
    assert sfu.drops[-1] == "rtp_duplicate"
    sfu.receive([rtx(2, video(6)), video(6)], 0.0)
    assert sfu.drops[-2:] == ["rtp_duplicate", "rtp_duplicate"]


def test_subscribers_see_canonical_types_and_ids_only(sfu):
    producer = sfu.produce(harness.audio_parameters())
    sfu.started(sfu.subscriber(), producer)
    elements = [
        (harness.PUBLISHED_MID, b"a"),
        (harness.PUBLISHED_TWCC, b"\x12\x34"),
        (harness.PUBLISHED_LEVEL, b"\x85"),
        (13, b"own"),
    ]
    datagram = rtp(harness.AUDIO_SSRC, 9, 1000, harness.PUBLISHED_OPUS, b"opus", marker=True, elements=elements)
    (sent,) = sfu.wake_up([datagram], 0.0)
    assert sent.payload_type == 111
    assert sent.data[1] & 0x80
    assert sent.payload == b"opus"
    assert sent.timestamp == 1000
    extension = sent.data[16 : 16 + 4 * sent.data[15]]
    assert extension[7:13] == bytes([0x30, 0x85, 13 << 4 | 2]) + b"own"
    assert b"\x12\x34" not in sent.data


def test_an_rtx_packet_is_forwarded_as_the_packet_that_it_repairs(sfu):
    producer = sfu.produce(harness.video_parameters())
    sfu.started(sfu.subscriber(), producer, first_seq=100)
    original = video(11, harness.VP8_CONTINUATION + b"lost one", marker=True)
    direct = sfu.wake_up([keyframe(10), video(12)], 0.0)
    (repaired,) = sfu.wake_up([rtx(77, original)], 0.1)
    assert [sent.seq for sent in direct] == [100, 102]
    assert repaired.seq == 101
    assert repaired.ssrc == direct[0].ssrc
    assert repaired.payload_type == 96
    assert repaired.payload == harness.VP8_CONTINUATION + b"lost one"
    assert producer.stats().retransmitted == 1
    assert producer.stats().lost == 0


def test_red_blocks_get_canonical_types_and_a_subscriber_without_red_gets_the_primary(sfu):
    producer = sfu.produce(harness.audio_parameters())
    with_red, without_red = sfu.subscriber(), sfu.subscriber()
    sfu.consume(with_red, producer).start((111, 63), 0.0)
    sfu.consume(without_red, producer).start((111,), 0.0)
    redundant = bytes([0x80 | harness.PUBLISHED_OPUS, 0, 0, 3, harness.PUBLISHED_OPUS]) + b"oldnew!"
    sent = sfu.wake_up([rtp(harness.AUDIO_SSRC, 1, 0, harness.PUBLISHED_RED, redundant)], 0.0)
    by_port = {packet.port: packet for packet in sent}
    assert by_port[with_red.port].payload_type == 63
    assert by_port[with_red.port].payload == bytes([0x80 | 111, 0, 0, 3, 111]) + b"oldnew!"
    assert by_port[without_red.port].payload_type == 111
    assert by_port[without_red.port].payload == b"new!"


def test_an_undeclared_ssrc_is_known_by_its_mid(sfu):
    one = sfu.produce(harness.video_parameters(encodings=(Encoding(),), mid="one"))
    two = sfu.produce(harness.video_parameters(encodings=(Encoding(),), mid="two"))
    sfu.receive([rtp(77, 1, 0, harness.PUBLISHED_VP8, b"xx", elements=[(harness.PUBLISHED_MID, b"two")])], 0.0)
    assert two.stream.ssrc == 77
    assert one.stream.ssrc is None
    sfu.receive([rtp(78, 1, 0, harness.PUBLISHED_VP8, b"xx")], 0.0)
    assert one.stream.ssrc == 78


def test_an_undeclared_ssrc_that_could_be_several_sources_is_nobodys(sfu):
    sfu.produce(harness.video_parameters(encodings=(Encoding(),), mid="one"))
    sfu.produce(harness.video_parameters(encodings=(Encoding(),), mid="two"))
    sfu.receive([rtp(77, 1, 0, harness.PUBLISHED_VP8, b"xx")], 0.0)
    assert sfu.drops == ["rtp_unknown_ssrc"]


def test_a_peer_cannot_bring_ssrcs_without_end(sfu):
    sfu.produce(harness.video_parameters())
    for ssrc in range(5000, 5000 + 2 * MAX_BINDINGS):
        sfu.receive([rtp(ssrc, 1, 0, harness.PUBLISHED_VP8, b"xx", elements=[(harness.PUBLISHED_MID, b"v")])], 0.0)
    assert sfu.drops.count("rtp_too_many_ssrcs") == MAX_BINDINGS


def test_what_is_taken_is_refused(sfu):
    sfu.produce(harness.video_parameters())
    with pytest.raises(ValueError):
        sfu.produce(harness.video_parameters(mid="other"))
    with pytest.raises(ValueError):
        sfu.produce(harness.video_parameters(encodings=(Encoding(),)))


def test_a_loss_is_asked_for_and_a_repaired_one_no_longer(sfu):
    sfu.started(sfu.subscriber(), sfu.produce(harness.video_parameters()))
    sfu.receive([keyframe(65533), video(65534), video(2)], 1.0)
    now = sfu.publisher.next_due()
    assert now < 1.05
    (nack,) = [packet for packet in sfu.requests(now) if isinstance(packet, Nack)]
    assert nack.media_ssrc == harness.VIDEO_SSRC
    assert nack.seqs == (65535, 0, 1)
    sfu.receive([rtx(1, video(65535)), video(0)], 1.06)
    later = [packet for packet in sfu.requests(1.3) if isinstance(packet, Nack)]
    assert [packet.seqs for packet in later] == [(1,)]
    assert (sfu.repairs["nack_sent"], sfu.repairs["rtx_received"]) == (4, 1)


def test_nothing_is_asked_of_a_paused_producer(sfu):
    producer = sfu.produce(harness.video_parameters())
    sfu.started(sfu.subscriber(), producer)
    sfu.receive([keyframe(1), video(5)], 1.0)
    producer.set_paused(True, 1.0)
    sfu.receive([video(9)], 1.001)
    assert not [packet for packet in sfu.requests(1.5) if isinstance(packet, Nack | Pli)]


def test_nothing_is_asked_on_nobodys_behalf(sfu):
    sfu.produce(harness.video_parameters())
    sfu.receive([keyframe(1), video(5), video(2000)], 1.0)
    assert not [packet for packet in sfu.requests(1.5) if isinstance(packet, Nack | Pli)]


def test_a_hole_too_big_to_repair_asks_for_a_keyframe(sfu):
    sfu.started(sfu.subscriber(), sfu.produce(harness.video_parameters()))
    sfu.receive([keyframe(1), video(2000)], 1.0)
    assert [type(packet) for packet in sfu.requests(1.0)][-1] is Pli
    assert sfu.repairs["pli_sent"] == 1


def test_transport_cc_feedback_reports_what_arrived(sfu):
    sfu.produce(harness.video_parameters())
    for number in (65534, 65535, 1):
        elements = [(harness.PUBLISHED_TWCC, number.to_bytes(2))]
        sfu.receive([video(number, elements=elements)], 1.0 + (number == 1) * 0.01)
    (feedback,) = [
        packet.read() for packet in sfu.requests(sfu.publisher.next_due() + 0.1) if isinstance(packet, TwccReport)
    ]
    assert feedback.base_seq == 65534
    assert feedback.status_count == 4
    assert [seq for seq, _ in feedback.arrivals] == [65534, 65535, 1]
    assert feedback.arrivals[2][1] - feedback.arrivals[0][1] == pytest.approx(10_000, abs=500)


def test_remb_is_for_publishers_without_transport_cc(sfu):
    extensions = tuple(e for e in harness.EXTENSIONS if e.id != harness.PUBLISHED_TWCC)
    sfu.produce(harness.video_parameters(header_extensions=extensions))
    sfu.receive([video(1)], 1.0)
    (remb,) = [packet for packet in sfu.requests(1.0) if isinstance(packet, Remb)]
    assert remb.ssrcs == (harness.VIDEO_SSRC,)
    assert remb.bitrate_bps >= 900_000


def test_reports_follow_the_packets_and_end_with_them(sfu):
    sfu.produce(harness.video_parameters())
    assert math.isinf(sfu.publisher.next_due())
    sfu.publisher.on_rtcp([SenderReport(harness.VIDEO_SSRC, 0x0001_0002_0003_0000, 5, 1, 1)], 0.5)
    for seq in (65534, 65535, 1, 2):
        sfu.receive([video(seq)], 1.0)
    (report,) = [packet for packet in sfu.requests(2.0) if isinstance(packet, ReceiverReport)]
    (block,) = report.reports
    assert block.ssrc == harness.VIDEO_SSRC
    assert block.cumulative_lost == 1
    assert block.fraction_lost == 256 // 5
    assert block.highest_ext_seq == 0x10002
    assert block.lsr == 0x0002_0003
    assert block.dlsr == round(1.5 * 65536)
    for now in (3.0, 4.0, 5.0):
        sfu.publisher.poll(now)
    assert math.isinf(sfu.publisher.next_due())


def test_compounds_begin_with_a_report_and_fit_a_datagram(sfu):
    sfu.started(sfu.subscriber(), sfu.produce(harness.video_parameters()))
    sfu.receive([keyframe(1)], 0.0)
    datagrams = [
        video(2 * number, elements=[(harness.PUBLISHED_TWCC, (number * 3).to_bytes(2))]) for number in range(1, 240)
    ]
    sfu.receive(datagrams, 0.0)
    for compound in sfu.publisher.poll(1.0):
        assert len(compound) <= 1216
        assert isinstance(parse_compound(compound)[0], ReceiverReport)


def test_a_removed_producer_is_unknown_and_its_consumers_are_silent(sfu):
    producer = sfu.produce(harness.video_parameters())
    sfu.started(sfu.subscriber(), producer)
    assert sfu.wake_up([keyframe(1)], 0.0)
    sfu.publisher.remove_producer("v", 0.0)
    sfu.publisher.remove_producer("v", 0.0)
    assert sfu.wake_up([keyframe(2)], 0.0) == []
    assert sfu.drops[-1] == "rtp_unknown_ssrc"


def test_a_publisher_without_producers_drops_everything(sfu):
    publisher = Publisher(sfu.pool, 1, sfu.counters)
    sfu.pool.rows[0][HEADROOM : HEADROOM + 14] = video(1)
    assert publisher.receive(0, HEADROOM, 14, 0.0, ForwardBatch(sfu.pool)) == "rtp_unknown_ssrc"
