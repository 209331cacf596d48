"""RTP streams of a raw peer: one that is sent at a steady pace, one that is received and counted."""

from __future__ import annotations

import itertools
import random
import struct
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Protocol

from . import clips, rtcp, sdp

HISTORY_LEN = 2048
NACK_RETRY_S = 0.05
NACK_GIVE_UP_S = 1.0
_HEADER = struct.Struct("!BBHII")


class SentStream(Protocol):
    """What a pacer drives: `send_next` every `interval_s`."""

    ssrc: int
    interval_s: float

    def send_next(self) -> None: ...
    def handle_feedback(self, packet: rtcp.Packet) -> None: ...
    def sender_report(self) -> bytes: ...


class Link:
    """What the streams of one connection share: where packets go, and the count that transport-cc gives them."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self.send = send
        self._transport_seqs = itertools.count(1)

    def next_transport_seq(self) -> int:
        return next(self._transport_seqs) & 0xFFFF


class _Sender:
    """Numbers and sends packets, remembers them, and answers NACK by RTX where that was negotiated."""

    def __init__(self, link: Link, track: sdp.SentTrack, payload_type: int, clock_hz: int) -> None:
        self.ssrc = track.ssrc
        self._link = link
        self._track = track
        self._payload_type = payload_type
        self._clock_hz = clock_hz
        self._started = time.monotonic()
        self.seq = random.randrange(1 << 16)
        self._timestamp_origin = random.randrange(1 << 32)
        self.timestamp = self._timestamp_origin
        self._rtx_seq = random.randrange(1 << 16)
        self._history: dict[int, tuple[int, bool, bytes]] = {}
        self._order: deque[int] = deque()
        self.packets = 0
        self.octets = 0
        self.withheld: Callable[[int], bool] = lambda index: False
        """Given the number of a packet (from 0), whether it is numbered but not sent: loss before the server."""
        self.feedback: Counter[str] = Counter()
        """What the server asked for, by kind."""

    def advance(self, index: int, interval_s: float) -> None:
        self.timestamp = self._timestamp_origin + round(index * interval_s * self._clock_hz) & 0xFFFFFFFF

    def send(self, payload: bytes, marker: bool) -> None:
        self._history[self.seq] = (self.timestamp, marker, payload)
        self._order.append(self.seq)
        if len(self._order) > HISTORY_LEN:
            del self._history[self._order.popleft()]
        if not self.withheld(self.packets):
            self._link.send(self._packet(self._payload_type, self.seq, self.timestamp, self.ssrc, marker, payload))
        self.seq = self.seq + 1 & 0xFFFF
        self.packets += 1
        self.octets += len(payload)

    def _packet(self, payload_type: int, seq: int, timestamp: int, ssrc: int, marker: bool, payload: bytes) -> bytes:
        header = _HEADER.pack(0x90, marker << 7 | payload_type, seq, timestamp, ssrc)
        return header + self._extensions() + payload

    def _extensions(self) -> bytes:
        """MID, abs-send-time, transport-cc, and one that the server has never heard of and must hand on."""
        ids = sdp.EXTENSION_IDS
        send_time = round(time.monotonic() * (1 << 18)) & 0xFFFFFF
        mid = self._track.mid.encode()
        elements = (
            bytes([ids[sdp.MID_URI] << 4 | len(mid) - 1])
            + mid
            + bytes([ids[sdp.ABS_SEND_TIME_URI] << 4 | 2])
            + send_time.to_bytes(3, "big")
            + bytes([ids[sdp.TRANSPORT_CC_URI] << 4 | 1])
            + self._link.next_transport_seq().to_bytes(2, "big")
            + bytes([ids[sdp.UNKNOWN_URI] << 4 | 1])
            + UNKNOWN_VALUE
        )
        if self._track.kind == "audio":
            elements += bytes([ids[sdp.AUDIO_LEVEL_URI] << 4, 0x80 | 20])
        elements += bytes(-len(elements) % 4)
        return struct.pack("!HH", 0xBEDE, len(elements) // 4) + elements

    def handle_feedback(self, packet: rtcp.Packet) -> None:
        self.feedback[type(packet).__name__] += 1
        if isinstance(packet, rtcp.NackPacket) and self._track.rtx_ssrc is not None:
            for seq in packet.seqs:
                self._retransmit(seq)

    def _retransmit(self, seq: int) -> None:
        if seq not in self._history:
            return
        timestamp, marker, payload = self._history[seq]
        assert self._track.rtx_ssrc is not None
        body = struct.pack("!H", seq) + payload
        self._link.send(self._packet(sdp.VP8_RTX_PT, self._rtx_seq, timestamp, self._track.rtx_ssrc, marker, body))
        self._rtx_seq = self._rtx_seq + 1 & 0xFFFF

    def sender_report(self) -> bytes:
        elapsed_s = time.monotonic() - self._started
        timestamp = self._timestamp_origin + round(elapsed_s * self._clock_hz) & 0xFFFFFFFF
        report = rtcp.sender_report(self.ssrc, time.time(), timestamp, self.packets, self.octets)
        return report + rtcp.source_description(self.ssrc, "raw-peer")


UNKNOWN_VALUE = b"\xca\xfe"
"""Content of the header extension that the server does not know."""


class Vp8Stream(_Sender):
    """A looped clip, by default of 640x360, at 30 frames a second; a keyframe request begins it anew."""

    interval_s = 1 / clips.VIDEO_FPS

    def __init__(self, link: Link, track: sdp.SentTrack, clip: clips.Clip | None = None) -> None:
        super().__init__(link, track, sdp.VP8_PT, clips.VIDEO_CLOCK_HZ)
        self._clip = clip or clips.vp8_clip()
        self._position = 0
        self.frames = 0

    def send_next(self) -> None:
        self.advance(self.frames, self.interval_s)
        payloads = self._clip[self._position % len(self._clip)]
        for index, payload in enumerate(payloads):
            self.send(payload, marker=index == len(payloads) - 1)
        self._position += 1
        self.frames += 1

    def handle_feedback(self, packet: rtcp.Packet) -> None:
        super().handle_feedback(packet)
        if isinstance(packet, rtcp.KeyframeRequest):
            self._position = 0


class OpusStream(_Sender):
    """A tone in packets of 20 ms."""

    interval_s = clips.AUDIO_PACKET_S

    def __init__(self, link: Link, track: sdp.SentTrack) -> None:
        super().__init__(link, track, sdp.OPUS_PT, clips.AUDIO_CLOCK_HZ)
        self._clip = clips.opus_clip()
        self._position = 0

    def send_next(self) -> None:
        self.advance(self._position, self.interval_s)
        self.send(self._clip[self._position % len(self._clip)], marker=False)
        self._position += 1


class ReceivedStream:
    """Packets of one SSRC, with its RTX stream folded in."""

    def __init__(
        self, ssrc: int, rtx_ssrc: int | None, codec_names: dict[int, str], extension_ids: dict[str, int]
    ) -> None:
        self.ssrc = ssrc
        self.rtx_ssrc = rtx_ssrc
        self._codec_names = codec_names
        self._extension_ids = extension_ids
        self.seqs: set[int] = set()
        """Unwrapped sequence numbers that arrived, first or by RTX."""
        self.packets = 0
        """First transmissions that arrived."""
        self.repaired = 0
        """Packets that only RTX brought."""
        self.duplicates = 0
        self.octets = 0
        self.payload_types: Counter[int] = Counter()
        self.extensions: Counter[str] = Counter()
        """How often each negotiated header extension was there, by URI."""
        self.unknown_extension: bytes | None = None
        self.last_payload = b""
        self.keyframes = 0
        self.first_payload: bytes | None = None
        """Of the first packet since `forget`."""
        self.last_arrival = 0.0
        self.reports: list[rtcp.SenderReport] = []
        self.withheld: Callable[[int], bool] = lambda ext_seq: False
        """Whether an arriving packet is to be treated as lost: loss behind the server."""
        self.withheld_count = 0
        self._highest = -1
        self._lowest = 0
        self._missing: dict[int, tuple[float, float]] = {}

    @property
    def codecs(self) -> set[str]:
        """Names of the codecs that arrived, as the offer calls their payload types; `unknown` for those it lacks."""
        return {self._codec_names.get(number, "unknown") for number in self.payload_types}

    @property
    def received(self) -> int:
        return self.packets + self.repaired

    @property
    def lost(self) -> int:
        """Holes between the first and the last packet that nothing has filled."""
        return 0 if not self.seqs else self._highest - self._lowest + 1 - len(self.seqs)

    @property
    def highest_seq(self) -> int:
        """Extended, as a report block wants it."""
        return max(self._highest, 0) & 0xFFFFFFFF

    def forget(self) -> None:
        """Start watching anew for `first_payload` and `keyframes`."""
        self.first_payload = None
        self.keyframes = 0

    def receive(self, packet: bytes, arrival: float) -> None:
        first, second, seq, _, ssrc = _HEADER.unpack_from(packet)
        payload_type = second & 0x7F
        header_len = self._read_extensions(packet, 12 + 4 * (first & 0x0F)) if first & 0x10 else 12 + 4 * (first & 0x0F)
        payload = packet[header_len:]
        if first & 0x20:
            payload = payload[: -payload[-1]]
        self.payload_types[payload_type] += 1
        if self._codec_names.get(payload_type) == "rtx" and ssrc == self.rtx_ssrc:
            if len(payload) > 2:
                self._take(struct.unpack_from("!H", payload)[0], payload[2:], arrival, repaired=True)
        elif payload:
            self._take(seq, payload, arrival, repaired=False)

    def _take(self, seq: int, payload: bytes, arrival: float, *, repaired: bool) -> None:
        ext_seq = self._unwrap(seq)
        if not repaired and self.withheld(ext_seq):
            self.withheld_count += 1
            return
        self._note_gap(ext_seq, arrival)
        self._missing.pop(ext_seq, None)
        if ext_seq in self.seqs:
            self.duplicates += 1
            return
        self._lowest = min(self._lowest, ext_seq) if self.seqs else ext_seq
        self.seqs.add(ext_seq)
        self.octets += len(payload)
        if repaired:
            self.repaired += 1
        else:
            self.packets += 1
        self.last_arrival = arrival
        self.last_payload = payload
        if self.first_payload is None:
            self.first_payload = payload
        self.keyframes += clips.starts_vp8_keyframe(payload)

    def _unwrap(self, seq: int) -> int:
        if self._highest < 0:
            return seq + (1 << 16)
        return self._highest + ((seq - self._highest + 0x8000) & 0xFFFF) - 0x8000

    def _note_gap(self, ext_seq: int, arrival: float) -> None:
        if self._highest >= 0:
            for missing in range(self._highest + 1, ext_seq):
                self._missing[missing] = (arrival, 0.0)
        self._highest = max(self._highest, ext_seq)

    def due_nacks(self, now: float) -> list[int]:
        """16-bit numbers to ask for now; each is asked for again until it arrives or is a second old."""
        due = []
        for ext_seq, (noticed, asked) in list(self._missing.items()):
            if now - noticed > NACK_GIVE_UP_S:
                del self._missing[ext_seq]
            elif now - asked >= NACK_RETRY_S:
                self._missing[ext_seq] = (noticed, now)
                due.append(ext_seq & 0xFFFF)
        return due

    def _read_extensions(self, packet: bytes, offset: int) -> int:
        profile: int
        words: int
        profile, words = struct.unpack_from("!HH", packet, offset)
        data = packet[offset + 4 : offset + 4 + 4 * words]
        found = dict(_one_byte_elements(data) if profile == 0xBEDE else _two_byte_elements(data))
        for uri, number in self._extension_ids.items():
            if number in found:
                self.extensions[uri] += 1
                if uri == sdp.UNKNOWN_URI:
                    self.unknown_extension = found[number]
        return offset + 4 + 4 * words


def _one_byte_elements(data: bytes) -> list[tuple[int, bytes]]:
    elements = []
    offset = 0
    while offset < len(data) and data[offset] >> 4 != 15:
        if data[offset] == 0:
            offset += 1
            continue
        length = (data[offset] & 0x0F) + 1
        elements.append((data[offset] >> 4, data[offset + 1 : offset + 1 + length]))
        offset += 1 + length
    return elements


def _two_byte_elements(data: bytes) -> list[tuple[int, bytes]]:
    elements = []
    offset = 0
    while offset + 1 < len(data):
        if data[offset] == 0:
            offset += 1
            continue
        length = data[offset + 1]
        elements.append((data[offset], data[offset + 2 : offset + 2 + length]))
        offset += 2 + length
    return elements
