"""What publishers put on the wire, decrypted as the server would."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from bench import clips, sdp
from bench.sender import Pacer, PacketBatch, SentStream, TransportCounter
from sfu.net.srtp import RowPointers, SrtpInbound, SrtpKeys, SrtpOutbound
from sfu.rtp.nack import Nack
from sfu.rtp.packet import parse_header
from sfu.rtp.pli import Pli
from sfu.rtp.rtcp import SenderReport, parse_compound

KEY = bytes(range(28))
VIDEO = sdp.SentTrack("0", "video", "camera", 1111, 2222)
AUDIO = sdp.SentTrack("1", "audio", "microphone", 3333)


class Wire:
    """Takes what the batch sends and decrypts it."""

    def __init__(self):
        keys = SrtpKeys("AEAD_AES_128_GCM", send=KEY, receive=KEY)
        self.inbound = SrtpInbound(keys)
        self.reports = []
        self.transport = SimpleNamespace(
            index=5, srtp_out=SrtpOutbound(keys), closed=False, send_rtcp=self.reports.append
        )
        self.batch = PacketBatch(self._send_rows)
        self.counter = TransportCounter()
        self.packets = []

    def stream(self, track, bitrate_bps=1_500_000):
        return SentStream(self.transport, self.counter, track, bitrate_bps, 0.0)

    def _send_rows(self, matrix, lengths, transports):
        pointers = RowPointers(np.zeros((1, 2048), np.uint8), 0)
        for row, length in enumerate(lengths):
            assert transports[row] == 5
            pointers.matrix[0, :length] = matrix[row, :length]
            pointers.lengths[0] = length
            assert self.inbound.unprotect(pointers, 0) is None
            data = pointers.matrix[0, : pointers.lengths[0]].tobytes()
            header = parse_header(data)
            self.packets.append((header, data[header.header_len :], data))

    def take(self):
        self.batch.flush()
        taken, self.packets = self.packets, []
        return taken


@pytest.fixture
def wire():
    return Wire()


def transport_seq(packet):
    return int.from_bytes(packet[2][21:23])


def test_a_frame_is_one_timestamp_in_packets_in_a_row_with_the_marker_at_the_end(wire):
    stream = wire.stream(VIDEO)
    stream.send_frame(wire.batch)
    packets = wire.take()
    headers = [header for header, _, _ in packets]
    assert len(packets) == len(clips.vp8_clip(1_500_000)[0])
    assert {header.timestamp for header in headers} == {headers[0].timestamp}
    assert [header.marker for header in headers] == [False] * (len(headers) - 1) + [True]
    assert [header.seq for header in headers] == [headers[0].seq + i & 0xFFFF for i in range(len(headers))]
    assert {(header.ssrc, header.payload_type) for header in headers} == {(1111, sdp.VP8_PT)}
    assert clips.starts_vp8_keyframe(packets[0][1])


def test_timestamps_follow_the_pace_of_the_source(wire):
    stream = wire.stream(AUDIO)
    stamps = []
    for _ in range(3):
        stream.send_frame(wire.batch)
        stream.due += stream.interval_s
        ((header, _, _),) = wire.take()
        stamps.append(header.timestamp)
    assert [later - earlier & 0xFFFFFFFF for earlier, later in pairwise(stamps)] == [960, 960]


def test_header_extensions_are_where_the_offer_says(wire):
    video, audio = wire.stream(VIDEO), wire.stream(AUDIO)
    video.send_frame(wire.batch)
    audio.send_frame(wire.batch)
    packets = wire.take()
    assert [transport_seq(packet) for packet in packets] == list(range(1, len(packets) + 1)), "one count for both"
    for header, _, data in packets:
        elements = data[header.extension_offset : header.extension_offset + header.extension_len]
        assert header.extension_profile == 0xBEDE
        assert elements[0] == sdp.EXTENSION_IDS[sdp.ABS_SEND_TIME_URI] << 4 | 2
        assert elements[4] == sdp.EXTENSION_IDS[sdp.TRANSPORT_CC_URI] << 4 | 1
        assert elements[7] == sdp.EXTENSION_IDS[sdp.MID_URI] << 4
        assert elements[8:9] == (b"0" if header.ssrc == 1111 else b"1")


def test_every_audio_packet_says_when_it_was_sent(wire):
    stream = wire.stream(AUDIO)
    for _ in range(5):
        stream.send_frame(wire.batch)
    times = [clips.read_stamp(payload) for _, payload, _ in wire.take()]
    assert times == sorted(times)
    assert times[0] > 0


def test_a_nack_is_answered_by_rtx_with_the_same_payload(wire):
    stream = wire.stream(VIDEO)
    stream.send_frame(wire.batch)
    sent = wire.take()
    lost = sent[3]
    stream.handle(Nack(9, 1111, (lost[0].seq,)), wire.batch)
    ((header, payload, _),) = wire.take()
    assert (header.ssrc, header.payload_type, header.timestamp) == (2222, sdp.VP8_RTX_PT, lost[0].timestamp)
    assert payload == lost[0].seq.to_bytes(2) + lost[1]
    stream.handle(Nack(9, 3333, (lost[0].seq,)), wire.batch)
    stream.handle(Nack(9, 1111, (lost[0].seq + 500 & 0xFFFF,)), wire.batch)
    assert wire.take() == [], "other streams' and unknown packets are not sent"


def test_a_keyframe_follows_a_request(wire):
    stream = wire.stream(VIDEO)
    for _ in range(3):
        stream.send_frame(wire.batch)
    wire.take()
    stream.handle(Pli(9, 4444), wire.batch)
    stream.send_frame(wire.batch)
    assert not clips.starts_vp8_keyframe(wire.take()[0][1])
    stream.handle(Pli(9, 1111), wire.batch)
    stream.send_frame(wire.batch)
    assert clips.starts_vp8_keyframe(wire.take()[0][1])


def test_the_pacer_sends_each_stream_at_its_own_pace(wire):
    pacer = Pacer(wire.batch)
    video, audio = wire.stream(VIDEO), wire.stream(AUDIO)
    pacer.add(video)
    pacer.add(audio)
    now, wakeups = 0.0, 0
    while now < 10.0:
        due = pacer.run(now)
        assert due > now
        now, wakeups = due, wakeups + 1
    packets = wire.take()
    audio_packets = sum(header.ssrc == 3333 for header, _, _ in packets)
    video_frames = sum(header.marker for header, _, _ in packets)
    assert (audio_packets, video_frames) == (pytest.approx(500, abs=2), pytest.approx(300, abs=2))
    assert len(wire.reports) == pytest.approx(20, abs=2), "a sender report each second and stream"
    assert isinstance(parse_compound(wire.reports[0])[0], SenderReport)


def test_a_stream_that_was_removed_is_silent_and_the_others_go_on(wire):
    pacer = Pacer(wire.batch)
    video, audio = wire.stream(VIDEO), wire.stream(AUDIO)
    pacer.add(video)
    pacer.add(audio)
    pacer.run(0.5)
    wire.take()
    pacer.remove(video)
    pacer.run(0.9)
    assert {header.ssrc for header, _, _ in wire.take()} == {3333}


def test_a_client_that_was_held_up_does_not_catch_up_in_one_burst(wire):
    pacer = Pacer(wire.batch)
    stream = wire.stream(AUDIO)
    pacer.add(stream)
    pacer.run(0.1)
    wire.take()
    pacer.run(60.0)
    assert len(wire.take()) <= 2
