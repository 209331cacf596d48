"""The receive connection of one participant: its streams, its reports, and when its first picture was whole."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sfu.rtp.nack import FMT_NACK
from sfu.rtp.ntp import dlsr_from_seconds, ntp_middle
from sfu.rtp.packet import RtpHeader
from sfu.rtp.pli import Pli
from sfu.rtp.rtcp import ReceiverReport, ReportBlock, RtcpPacket, SenderReport, serialise_compound
from sfu.rtp.rtcp_header import PT_RR, PT_RTPFB

from .clips import starts_vp8_keyframe
from .reception import NONE, Reception
from .sdp import Description
from .transport import ClientTransport

_MAX_BLOCKS: Final = 31
_NACK: Final = struct.Struct("!BBHIBBHII")
"""A receiver report without blocks, and the head of a generic NACK."""
PLI_INTERVAL_S: Final = 0.5


@dataclass(slots=True)
class Stream:
    """One received source. `row` and `rtx_row` are those of `Reception`."""

    ssrc: int
    kind: str
    row: int
    rtx_row: int | None
    watch: KeyframeWatch
    report_ntp: int = 0
    report_arrival: float = 0.0
    lost_reported: int = 0
    expected_reported: int = 0


class KeyframeWatch:
    """Sees whether a keyframe has arrived whole and in order: then a decoder would show its first picture."""

    def __init__(self) -> None:
        self._next_seq: int | None = None

    def add(self, seq: int, marker: bool, payload: bytes) -> bool:
        """The next packet of the stream; True when it completes a keyframe."""
        if starts_vp8_keyframe(payload):
            self._next_seq = seq
        if self._next_seq != seq:
            self._next_seq = None
            return False
        self._next_seq = seq + 1 & 0xFFFF
        return marker


class ReceiveConnection:
    """Streams by what the server's offers say."""

    def __init__(
        self, transport: ClientTransport, reception: Reception, seek: Callable[[int, ReceiveConnection | None], None]
    ) -> None:
        """`seek` is told for which rows every packet is to be opened for `look`, and when that is over."""
        self.transport = transport
        self.own_ssrc = random.randrange(1, 1 << 32)
        self.streams: dict[int, Stream] = {}
        """By SSRC."""
        self.first_media_ns: int | None = None
        """Arrival (monotonic) of what completed the first picture; of the first sound where no video is offered."""
        self.on_media: Callable[[], None] = lambda: None
        self.next_pli = 0.0
        self._reception = reception
        self._seek = seek
        self._by_row: dict[int, Stream] = {}

    def apply(self, offer: Description) -> None:
        """Take up the streams that are new in an offer and forget those that it does not have any more."""
        offered = {section.ssrc: section for section in offer.sections if section.sends and section.ssrc is not None}
        for ssrc in self.streams.keys() - offered.keys():
            self._forget(self.streams.pop(ssrc))
        for ssrc, section in offered.items():
            if ssrc in self.streams:
                continue
            is_repaired = section.rtx_ssrc is not None
            row = self._reception.add(
                self.transport.index, ssrc, is_video=section.kind == "video", is_repaired=is_repaired
            )
            rtx_row = None
            if section.rtx_ssrc is not None:
                rtx_row = self._reception.add(self.transport.index, section.rtx_ssrc, is_rtx=True)
            self.streams[ssrc] = self._by_row[row] = Stream(ssrc, section.kind, row, rtx_row, KeyframeWatch())
            if rtx_row is not None:
                self._by_row[rtx_row] = self.streams[ssrc]
        if self.first_media_ns is None:
            for stream in self.streams.values():
                self._seek(stream.row, self if self._counts_as_media(stream) else None)

    def close(self) -> None:
        for stream in self.streams.values():
            self._forget(stream)
        self.streams.clear()

    def stream(self, row: int) -> Stream:
        return self._by_row[row]

    def look(self, stream: Stream, header: RtpHeader, payload: bytes, arrival_ns: int) -> None:
        """A decrypted packet of a stream that is looked at until the first media is there."""
        if stream.kind == "video" and not stream.watch.add(header.seq, header.marker, payload):
            return
        if self.first_media_ns is not None or not self._counts_as_media(stream):
            return
        self.first_media_ns = arrival_ns
        for each in self.streams.values():
            self._seek(each.row, None)
        self.on_media()

    def request_keyframes(self, now: float) -> None:
        """PLI for every video stream that has begun, while none has shown a picture: browsers say nothing of streams
        that they have not seen."""
        self.next_pli = now + PLI_INTERVAL_S
        requests = [
            Pli(self.own_ssrc, each.ssrc)
            for each in self.streams.values()
            if each.kind == "video" and self._reception.highest[each.row] != NONE
        ]
        for begin in range(0, len(requests), _MAX_BLOCKS):
            compound: list[RtcpPacket] = [ReceiverReport(self.own_ssrc), *requests[begin : begin + _MAX_BLOCKS]]
            self.transport.send_rtcp(serialise_compound(compound))

    def nack(self, row: int, entries: bytes) -> bytes:
        """A compound packet that asks for what `entries` (RFC 4585 section 6.2.1) names of a stream."""
        return _NACK.pack(
            0x80, PT_RR, 1, self.own_ssrc,
            0x80 | FMT_NACK, PT_RTPFB, 2 + len(entries) // 4, self.own_ssrc, self._by_row[row].ssrc,
        ) + entries  # fmt: skip

    def handle(self, packet: RtcpPacket, now: float) -> None:
        if isinstance(packet, SenderReport) and packet.ssrc in self.streams:
            stream = self.streams[packet.ssrc]
            stream.report_ntp, stream.report_arrival = packet.ntp, now

    def reports(self, now: float) -> list[bytes]:
        """Receiver reports about all streams that have begun (RFC 3550 section 6.4.2)."""
        blocks = [self._block(each, now) for each in self.streams.values() if self._reception.highest[each.row] != NONE]
        return [
            ReceiverReport(self.own_ssrc, tuple(blocks[begin : begin + _MAX_BLOCKS])).to_bytes()
            for begin in range(0, len(blocks), _MAX_BLOCKS)
        ]

    def _block(self, stream: Stream, now: float) -> ReportBlock:
        reception, row = self._reception, stream.row
        highest, lost = int(reception.highest[row]), reception.lost(row)
        expected = highest - int(reception.first[row]) + 1
        new_lost, new_expected = lost - stream.lost_reported, expected - stream.expected_reported
        stream.lost_reported, stream.expected_reported = lost, expected
        fraction = max(0, min(255, 256 * new_lost // new_expected)) if new_expected > 0 else 0
        since = dlsr_from_seconds(now - stream.report_arrival) if stream.report_ntp else 0
        return ReportBlock(stream.ssrc, fraction, lost, highest & 0xFFFFFFFF, 0, ntp_middle(stream.report_ntp), since)

    def _counts_as_media(self, stream: Stream) -> bool:
        return stream.kind == "video" or all(each.kind == "audio" for each in self.streams.values())

    def _forget(self, stream: Stream) -> None:
        for row in (stream.row, stream.rtx_row):
            if row is not None:
                self._seek(row, None)
                self._reception.remove(row)
                del self._by_row[row]
