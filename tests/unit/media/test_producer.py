import pytest

from sfu.rtp.fir import Fir
from sfu.rtp.parameters import ReceivedCodec
from sfu.rtp.pli import Pli
from tests.sim import harness
from tests.sim.harness import keyframe


def by_feedback(*feedback: str):
    codec = harness.VP8.model_copy(update={"feedback": feedback})
    received = ReceivedCodec(payload_type=harness.PUBLISHED_VP8, rtx_payload_type=None, codec=codec)
    return harness.video_parameters(codecs=(received,))


@pytest.mark.parametrize(
    ("feedback", "expected"),
    [(("nack pli", "ccm fir"), Pli), (("nack pli",), Pli), (("ccm fir",), Fir), ((), Pli)],
)
def test_fir_is_for_publishers_that_know_nothing_else(sfu, feedback, expected):
    producer = sfu.produce(by_feedback(*feedback))
    sfu.consume(sfu.subscriber(), producer)
    producer.request_keyframe(1.0)
    assert isinstance(producer.keyframe_packet(1, 1.0), expected)
    assert producer.keyframe_packet(1, 1.0) is None


def test_each_fir_is_a_new_command(sfu):
    producer = sfu.produce(by_feedback("ccm fir"))
    sfu.consume(sfu.subscriber(), producer)
    numbers = []
    for now in (1.0, 2.0):
        producer.request_keyframe(now)
        numbers.append(producer.keyframe_packet(1, now).entries)
    assert numbers == [((harness.VIDEO_SSRC, 1),), ((harness.VIDEO_SSRC, 2),)]


def test_audio_has_no_keyframes(sfu):
    producer = sfu.produce(harness.audio_parameters())
    sfu.consume(sfu.subscriber(), producer)
    producer.request_keyframe(1.0)
    assert producer.keyframe_packet(1, 1.0) is None


def test_a_payload_type_has_one_meaning(sfu):
    twice = (
        ReceivedCodec(payload_type=100, codec=harness.VP8),
        ReceivedCodec(payload_type=101, rtx_payload_type=100, codec=harness.VP8),
    )
    with pytest.raises(ValueError):
        sfu.produce(harness.video_parameters(codecs=twice))


def test_unmuting_asks_for_a_keyframe(sfu):
    producer = sfu.produce(harness.video_parameters(), paused=True)
    sfu.started(sfu.subscriber(), producer)
    assert producer.keyframe_packet(1, 5.0) is None
    producer.set_paused(False, 5.0)
    assert isinstance(producer.keyframe_packet(1, 5.0), Pli)


def test_statistics_survive_a_new_ssrc(sfu):
    producer = sfu.produce(harness.video_parameters())
    assert producer.stats().mime_type == ""
    sfu.receive([keyframe(1)], 0.0)
    producer.bind(77, 1.0)
    assert producer.stats().packets == 1
