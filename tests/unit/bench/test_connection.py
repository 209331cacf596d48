"""The first picture counts when it could be shown, not when its first packet came."""

from types import SimpleNamespace

import numpy as np
import pytest

from bench import clips
from bench.connection import KeyframeWatch, ReceiveConnection
from bench.reception import Reception
from sfu.rtp.nack import Nack
from sfu.rtp.rtcp import ReceiverReport, parse_compound

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


def test_what_is_lost_is_asked_for_by_a_compound_packet_and_reported():
    reception = Reception()
    connection = ReceiveConnection(SimpleNamespace(index=3), reception, lambda *_: None)
    connection.apply(
        SimpleNamespace(
            sections=[
                SimpleNamespace(sends=True, ssrc=70, kind="video", rtx_ssrc=71),
                SimpleNamespace(sends=True, ssrc=80, kind="audio", rtx_ssrc=None),
            ]
        )
    )
    for ssrc in (70, 80):
        rows = reception.find(np.full(2, 3), np.full(2, ssrc, np.uint32))
        reception.note(rows, np.array([65534, 1], np.uint16), np.full(2, 100), 5.0)
    ((row, entries),) = reception.due_nacks(5.0, 10)
    own = connection.own_ssrc
    assert parse_compound(connection.nack(row, entries)) == [ReceiverReport(own), Nack(own, 70, (65535, 0))]
    (report,) = connection.reports(5.1)
    (read,) = parse_compound(report)
    assert [(block.ssrc, block.cumulative_lost) for block in read.reports] == [(70, 2), (80, 2)]
