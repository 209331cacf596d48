"""The first picture counts when it could be shown, not when its first packet came."""

import pytest

from bench import clips
from bench.connection import KeyframeWatch

KEYFRAME, DELTA = clips.vp8_clip(600_000)[:2]


def feed(watch, packets):
    """Feeds (seq, frame, index) and tells after which of them a picture was whole."""
    done = []
    for position, (seq, frame, index) in enumerate(packets):
        if watch.add(seq & 0xFFFF, index == len(frame) - 1, frame[index].data):
            done.append(position)
    return done


@pytest.mark.parametrize("start", [0, 32767, 65530, 65535])
def test_a_keyframe_is_whole_with_its_last_packet(start):
    packets = [(start + index, KEYFRAME, index) for index in range(len(KEYFRAME))]
    assert feed(KeyframeWatch(), packets) == [len(KEYFRAME) - 1]


def test_frames_before_the_keyframe_do_not_count():
    packets = [(10 + index, DELTA, index) for index in range(len(DELTA))]
    start = 10 + len(DELTA)
    packets += [(start + index, KEYFRAME, index) for index in range(len(KEYFRAME))]
    assert feed(KeyframeWatch(), packets) == [len(packets) - 1]


def test_a_keyframe_with_a_hole_does_not_count_but_the_next_does():
    packets = [(index, KEYFRAME, index) for index in range(len(KEYFRAME)) if index != 2]
    assert feed(KeyframeWatch(), packets) == []
    again = [(100 + index, KEYFRAME, index) for index in range(len(KEYFRAME))]
    assert feed(KeyframeWatch(), packets + again) == [len(packets) + len(again) - 1]
