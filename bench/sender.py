"""Publishers' streams: pre-packetised payloads numbered, stamped with their sending time and encrypted by the batch."""

from __future__ import annotations

import heapq
import random
import struct
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from sfu.net.srtp import CData, RowPointers, protect_rows
from sfu.rtp.canonical import ABS_SEND_TIME_URI, AUDIO_LEVEL_URI, MID_URI, TRANSPORT_CC_URI
from sfu.rtp.fir import Fir
from sfu.rtp.nack import Nack
from sfu.rtp.ntp import abs_send_time, ntp_from_unix
from sfu.rtp.pli import Pli
from sfu.rtp.rtcp import RtcpPacket, SenderReport, SourceDescription, serialise_compound

from . import clips
from .sdp import EXTENSION_IDS, OPUS_PT, VP8_PT, VP8_RTX_PT, SentTrack
from .transport import ClientTransport

REPORT_INTERVAL_S: Final = 1.0
MAX_ROWS: Final = 256
_STRIDE: Final = 1536
_HISTORY: Final = 1024
"""Packets that can be sent again: two seconds of 5 Mbit/s."""
_BEHIND_S: Final = 1.0
"""A sender that is later than this goes on from now instead of catching up in one burst."""

_HEADER_LEN: Final = 28
_START: Final = struct.Struct("!xBHII")
_SEND_TIME: Final = 17
_TRANSPORT_SEQ: Final = 21


class SendRows(Protocol):
    """`Lanes.send_rows`."""

    def __call__(self, matrix: NDArray[np.uint8], lengths: NDArray[np.int32], transports: list[int], /) -> None: ...


class PacketBatch:
    """Packets that are encrypted and sent together."""

    def __init__(self, send_rows: SendRows) -> None:
        self._matrix: NDArray[np.uint8] = np.zeros((MAX_ROWS, _STRIDE), np.uint8)
        self._rows = [row.data for row in self._matrix]
        self._pointers = RowPointers(self._matrix, 0)
        self._send_rows = send_rows
        self._transports: list[int] = []
        self._handles: list[CData] = []
        self.packets = 0
        """Sent, repairs not counted: that is how many every subscriber is to have."""
        self.octets = 0
        """Bytes of the encrypted packets."""
        self.frames = 0
        """Pictures, and packets of audio."""

    def add(self, transport: ClientTransport, header: bytes | bytearray, body: Sequence[bytes]) -> None:
        if transport.srtp_out is None or transport.closed:
            return
        if len(self._handles) == MAX_ROWS:
            self.flush()
        row = self._rows[len(self._handles)]
        end = len(header)
        row[:end] = header
        for part in body:
            start, end = end, end + len(part)
            row[start:end] = part
        self._pointers.lengths[len(self._handles)] = end
        self._transports.append(transport.index)
        self._handles.append(transport.srtp_out.handle)

    def flush(self) -> None:
        """Encrypt and send what has gathered."""
        if not self._handles:
            return
        if protect_rows(self._pointers, 0, self._handles):
            raise AssertionError("a packet of the load client could not be encrypted")
        lengths = self._pointers.lengths[: len(self._handles)]
        self.octets += int(lengths.sum())
        self._send_rows(self._matrix, lengths, self._transports)
        self._transports, self._handles = [], []


@dataclass(slots=True)
class TransportCounter:
    """The transport-wide number, one for all streams of a connection."""

    value: int = 0

    def next(self) -> int:
        self.value = self.value + 1 & 0xFFFF
        return self.value


class SentStream:
    """One source of one publisher, at its own pace."""

    def __init__(
        self, transport: ClientTransport, counter: TransportCounter, track: SentTrack, bitrate_bps: int, now: float
    ) -> None:
        """`bitrate_bps` is that of video; audio is as it is."""
        self.transport = transport
        self.ssrc = track.ssrc
        self.packets = 0
        self.due = now + random.random() * 0.03
        self._video = track.kind == "video"
        self._clip: tuple[clips.Frame, ...] = (
            clips.vp8_clip(bitrate_bps) if self._video else tuple((payload,) for payload in clips.opus_clip())
        )
        self.interval_s = 1 / clips.VIDEO_FPS if self._video else clips.AUDIO_PACKET_S
        self._clock_hz = clips.VIDEO_CLOCK_HZ if self._video else clips.AUDIO_CLOCK_HZ
        self._rtx_ssrc = track.rtx_ssrc
        self._counter = counter
        self._header = _header_template(track)
        self._position = 0
        self._seq = random.randrange(1 << 16)
        self._rtx_seq = random.randrange(1 << 16)
        self._timestamp_origin = random.randrange(1 << 32)
        self._started = self.due
        self._timestamp = self._timestamp_origin
        self._octets = 0
        self._history: OrderedDict[int, tuple[int, int, tuple[bytes, ...]]] = OrderedDict()
        self._next_report = now + random.random() * 0.2

    def send_frame(self, batch: PacketBatch) -> None:
        """The next frame, all its packets at once: libwebrtc's pacer lets 40 ms of media go in one burst."""
        frame = self._clip[self._position % len(self._clip)]
        self._position += 1
        batch.frames += 1
        self._timestamp = self._timestamp_at(self.due)
        for index, payload in enumerate(frame):
            marker = 0x80 if self._video and index == len(frame) - 1 else 0
            now_ns = time.monotonic_ns()
            body = (payload.data[: -clips.STAMP_LEN], clips.stamp(now_ns)) if payload.stamped else (payload.data,)
            second = marker | (VP8_PT if self._video else OPUS_PT)
            self._add(batch, second, self._seq, self._timestamp, self.ssrc, body, now_ns)
            batch.packets += 1
            self._remember(second, body)
            self._seq = self._seq + 1 & 0xFFFF
            self.packets += 1
            self._octets += len(payload.data)

    def report_when_due(self, now: float) -> None:
        if now < self._next_report:
            return
        self._next_report = now + REPORT_INTERVAL_S
        report = SenderReport(
            self.ssrc,
            ntp_from_unix(time.time()),
            self._timestamp_at(now),
            self.packets & 0xFFFFFFFF,
            self._octets & 0xFFFFFFFF,
        )
        self.transport.send_rtcp(serialise_compound([report, SourceDescription.for_cname(self.ssrc, "load-client")]))

    def handle(self, packet: RtcpPacket, batch: PacketBatch) -> None:
        """Feedback of the server: keyframe requests and NACK concern this stream when they name its SSRC."""
        match packet:
            case Pli(media_ssrc=self.ssrc):
                self._position = 0
            case Fir() if any(ssrc == self.ssrc for ssrc, _ in packet.entries):
                self._position = 0
            case Nack(media_ssrc=self.ssrc) if self._rtx_ssrc is not None:
                for seq in packet.seqs:
                    self._retransmit(seq, self._rtx_ssrc, batch)

    def _timestamp_at(self, when: float) -> int:
        return self._timestamp_origin + round((when - self._started) * self._clock_hz) & 0xFFFFFFFF

    def _remember(self, second: int, body: tuple[bytes, ...]) -> None:
        self._history[self._seq] = (second, self._timestamp, body)
        if len(self._history) > _HISTORY:
            self._history.popitem(last=False)

    def _retransmit(self, seq: int, rtx_ssrc: int, batch: PacketBatch) -> None:
        kept = self._history.get(seq)
        if kept is None:
            return
        second, timestamp, body = kept
        again = (seq.to_bytes(2), *body)
        self._add(batch, second & 0x80 | VP8_RTX_PT, self._rtx_seq, timestamp, rtx_ssrc, again, time.monotonic_ns())
        self._rtx_seq = self._rtx_seq + 1 & 0xFFFF

    def _add(
        self, batch: PacketBatch, second: int, seq: int, timestamp: int, ssrc: int, body: tuple[bytes, ...], now_ns: int
    ) -> None:
        header = self._header
        _START.pack_into(header, 0, second, seq, timestamp, ssrc)
        header[0] = 0x90
        header[_SEND_TIME : _SEND_TIME + 3] = abs_send_time(now_ns / 1e9).to_bytes(3)
        header[_TRANSPORT_SEQ : _TRANSPORT_SEQ + 2] = self._counter.next().to_bytes(2)
        batch.add(self.transport, header, body)


def _header_template(track: SentTrack) -> bytearray:
    """Header and one-byte extensions (RFC 8285), with the ones that change in front."""
    mid = track.mid.encode()[:1]
    elements = (
        bytes([EXTENSION_IDS[ABS_SEND_TIME_URI] << 4 | 2, 0, 0, 0])
        + bytes([EXTENSION_IDS[TRANSPORT_CC_URI] << 4 | 1, 0, 0])
        + bytes([EXTENSION_IDS[MID_URI] << 4])
        + mid
    )
    if track.kind == "audio":
        elements += bytes([EXTENSION_IDS[AUDIO_LEVEL_URI] << 4, 0x80 | 30])
    elements = elements.ljust(_HEADER_LEN - 16, b"\0")
    return bytearray(12) + bytearray(struct.pack("!HH", 0xBEDE, len(elements) // 4) + elements)


class Pacer:
    """Sends every stream's frames when they are due."""

    def __init__(self, batch: PacketBatch) -> None:
        self._batch = batch
        self._heap: list[tuple[float, int, SentStream]] = []
        self._number = 0
        self._gone: set[SentStream] = set()

    def add(self, stream: SentStream) -> None:
        self._gone.discard(stream)
        self._push(stream)

    def remove(self, stream: SentStream) -> None:
        self._gone.add(stream)

    def run(self, now: float) -> float:
        """Send what is due at `now` and return when the next frame is: at the latest in a second."""
        while self._heap and self._heap[0][0] <= now:
            _, _, stream = heapq.heappop(self._heap)
            if stream in self._gone:
                self._gone.discard(stream)
                continue
            if now - stream.due > _BEHIND_S:
                stream.due = now
            stream.send_frame(self._batch)
            stream.report_when_due(now)
            stream.due += stream.interval_s
            self._push(stream)
        self._batch.flush()
        return self._heap[0][0] if self._heap else now + 1.0

    def _push(self, stream: SentStream) -> None:
        self._number += 1
        heapq.heappush(self._heap, (stream.due, self._number, stream))
