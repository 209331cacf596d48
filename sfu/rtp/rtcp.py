"""RTCP compounds (RFC 3550 section 6, RFC 5506): sender and receiver reports, SDES, BYE, and feedback by its codecs."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

from .fir import FMT_FIR, Fir
from .nack import FMT_NACK, Nack
from .packet import Buffer
from .pli import FMT_PLI, Pli
from .remb import FMT_APPLICATION_LAYER, Remb, is_remb
from .rtcp_header import (
    PT_BYE,
    PT_PSFB,
    PT_RR,
    PT_RTPFB,
    PT_SDES,
    PT_SR,
    RTCP_HEADER_LEN,
    RtcpPacket,
    pack_packet,
    pack_words,
    serialise_compound,
)
from .twcc import FMT_TWCC
from .twcc_report import TwccReport

__all__ = [
    "Bye",
    "Fir",
    "Nack",
    "Pli",
    "ReceiverReport",
    "Remb",
    "ReportBlock",
    "RtcpPacket",
    "SdesChunk",
    "SenderReport",
    "SourceDescription",
    "TwccReport",
    "UnknownPacket",
    "pack_sender_report",
    "parse_compound",
    "serialise_compound",
]

SDES_CNAME: Final = 1
MAX_CUMULATIVE_LOST: Final = 0x7FFFFF
MIN_CUMULATIVE_LOST: Final = -0x800000

_SSRC: Final = struct.Struct("!I")
_SENDER: Final = struct.Struct("!IQIII")
_REPORT: Final = struct.Struct("!IIIIII")
_WHOLE_SENDER_REPORT: Final = struct.Struct("!BBHIQIII")
_MAX_COUNT: Final = 31
_MAX_TEXT: Final = 255


@dataclass(slots=True)
class ReportBlock:
    """How one stream is received (RFC 3550 section 6.4.1)."""

    ssrc: int
    fraction_lost: int
    """0-255 in 1/256, since the last report."""
    cumulative_lost: int
    """Signed 24 bits; serialising clamps to -8388608..8388607, as the RFC asks."""
    highest_ext_seq: int
    """Low 16 bits the highest sequence number, high 16 bits the wraps counted."""
    jitter: int
    """Ticks of the stream's clock."""
    lsr: int
    """Middle 32 bits of the last SR's NTP time, 0 before the first."""
    dlsr: int
    """Time since that SR in 1/65536 s."""

    @classmethod
    def parse(cls, block: tuple[int, int, int, int, int, int]) -> Self:
        ssrc, losses, *others = block
        lost = losses & 0xFFFFFF
        return cls(ssrc, losses >> 24, lost - (1 << 24) if lost & 0x800000 else lost, *others)

    def to_bytes(self) -> bytes:
        lost = min(max(self.cumulative_lost, MIN_CUMULATIVE_LOST), MAX_CUMULATIVE_LOST) & 0xFFFFFF
        losses = self.fraction_lost << 24 | lost
        return pack_words(_REPORT, self.ssrc, losses, self.highest_ext_seq, self.jitter, self.lsr, self.dlsr)


@dataclass(slots=True, frozen=True)
class SenderReport:
    ssrc: int
    ntp: int
    """64-bit NTP time (32.32) at which `rtp_timestamp` was or would have been sampled."""
    rtp_timestamp: int
    packet_count: int
    octet_count: int
    """Payload bytes, without headers and padding."""
    reports: tuple[ReportBlock, ...] = ()

    @classmethod
    def parse_body(cls, count: int, body: bytes) -> Self:
        if len(body) < _SENDER.size:
            raise ValueError("sender report is truncated")
        ssrc, ntp, rtp_timestamp, packet_count, octet_count = _SENDER.unpack_from(body)
        reports = _parse_reports(count, body, _SENDER.size)
        return cls(ssrc, ntp, rtp_timestamp, packet_count, octet_count, reports)

    def to_bytes(self) -> bytes:
        sender = pack_words(_SENDER, self.ssrc, self.ntp, self.rtp_timestamp, self.packet_count, self.octet_count)
        return _pack_reports(PT_SR, sender, self.reports)


def pack_sender_report(ssrc: int, ntp: int, rtp_timestamp: int, packet_count: int, octet_count: int) -> bytes:
    """What `SenderReport.to_bytes` makes without report blocks, at a fifth of the cost. Values are in range."""
    return _WHOLE_SENDER_REPORT.pack(0x80, PT_SR, 6, ssrc, ntp, rtp_timestamp, packet_count, octet_count)


@dataclass(slots=True, frozen=True)
class ReceiverReport:
    ssrc: int
    reports: tuple[ReportBlock, ...] = ()

    @classmethod
    def parse_body(cls, count: int, body: bytes) -> Self:
        (ssrc,) = _parse_ssrcs(1, body)
        return cls(ssrc, _parse_reports(count, body, _SSRC.size))

    def to_bytes(self) -> bytes:
        return _pack_reports(PT_RR, pack_words(_SSRC, self.ssrc), self.reports)


def _parse_reports(count: int, body: bytes, offset: int) -> tuple[ReportBlock, ...]:
    """Bytes behind the blocks are a profile's extension (RFC 3550 section 6.4.3) and ignored."""
    end = offset + count * _REPORT.size
    if len(body) < end:
        raise ValueError("report block is truncated")
    return tuple(ReportBlock.parse(block) for block in _REPORT.iter_unpack(body[offset:end]))


def _pack_reports(packet_type: int, head: bytes, reports: tuple[ReportBlock, ...]) -> bytes:
    if len(reports) > _MAX_COUNT:
        raise ValueError("more than 31 report blocks")
    return pack_packet(len(reports), packet_type, head + b"".join([report.to_bytes() for report in reports]))


def _parse_ssrcs(count: int, body: bytes) -> tuple[int, ...]:
    if len(body) < 4 * count:
        raise ValueError("RTCP packet is truncated")
    return struct.unpack_from(f"!{count}I", body)


@dataclass(slots=True, frozen=True)
class SdesChunk:
    ssrc: int
    items: tuple[tuple[int, bytes], ...]
    """(type 1-255, text of at most 255 bytes)."""


@dataclass(slots=True, frozen=True)
class SourceDescription:
    """SDES (RFC 3550 section 6.5)."""

    chunks: tuple[SdesChunk, ...]

    @classmethod
    def for_cname(cls, ssrc: int, cname: str) -> Self:
        return cls((SdesChunk(ssrc, ((SDES_CNAME, cname.encode()),)),))

    @classmethod
    def parse_body(cls, count: int, body: bytes) -> Self:
        chunks: list[SdesChunk] = []
        offset = 0
        for _ in range(count):
            chunk, offset = _parse_chunk(body, offset)
            chunks.append(chunk)
        return cls(tuple(chunks))

    def to_bytes(self) -> bytes:
        if len(self.chunks) > _MAX_COUNT:
            raise ValueError("more than 31 SDES chunks")
        return pack_packet(len(self.chunks), PT_SDES, b"".join([_pack_chunk(chunk) for chunk in self.chunks]))


def _parse_chunk(body: bytes, offset: int) -> tuple[SdesChunk, int]:
    (ssrc,) = _parse_ssrcs(1, body[offset : offset + 4])
    offset += 4
    items: list[tuple[int, bytes]] = []
    while offset < len(body):
        item_type = body[offset]
        if item_type == 0:
            # At least one zero ends the list; the chunk ends at the next word.
            return SdesChunk(ssrc, tuple(items)), offset + 4 & ~3
        text = body[offset + 2 : offset + 2 + body[offset + 1]] if offset + 1 < len(body) else b""
        if offset + 1 >= len(body) or len(text) < body[offset + 1]:
            raise ValueError("SDES item is truncated")
        items.append((item_type, text))
        offset += 2 + len(text)
    raise ValueError("SDES chunk has no end")


def _pack_chunk(chunk: SdesChunk) -> bytes:
    packed = bytearray(pack_words(_SSRC, chunk.ssrc))
    for item_type, text in chunk.items:
        if not 1 <= item_type <= 0xFF or len(text) > _MAX_TEXT:
            raise ValueError("SDES item has type 0 or more than 255 bytes")
        packed += bytes([item_type, len(text)]) + text
    return bytes(packed) + bytes(4 - len(packed) % 4)


@dataclass(slots=True, frozen=True)
class Bye:
    """Streams that end (RFC 3550 section 6.6)."""

    ssrcs: tuple[int, ...]
    reason: bytes = b""
    """At most 255 bytes of UTF-8, or nothing."""

    @classmethod
    def parse_body(cls, count: int, body: bytes) -> Self:
        ssrcs = _parse_ssrcs(count, body)
        tail = body[4 * count :]
        if tail and len(tail) < 1 + tail[0]:
            raise ValueError("BYE reason is truncated")
        return cls(ssrcs, tail[1 : 1 + tail[0]] if tail else b"")

    def to_bytes(self) -> bytes:
        if len(self.ssrcs) > _MAX_COUNT or len(self.reason) > _MAX_TEXT:
            raise ValueError("BYE has more than 31 SSRCs or a reason of more than 255 bytes")
        body = pack_words(struct.Struct(f"!{len(self.ssrcs)}I"), *self.ssrcs)
        if self.reason:
            reason = bytes([len(self.reason)]) + self.reason
            body += reason + bytes(-len(reason) % 4)
        return pack_packet(len(self.ssrcs), PT_BYE, body)


@dataclass(slots=True, frozen=True)
class UnknownPacket:
    """A packet that nothing here acts on (APP, XR, feedback of other kinds), kept as it came."""

    packet_type: int
    count: int
    """The five-bit field: RC, SC, FMT or subtype."""
    body: bytes
    """Behind the header, without padding."""

    def to_bytes(self) -> bytes:
        return pack_packet(self.count, self.packet_type, self.body)


def _parse_application_layer(body: bytes) -> RtcpPacket:
    if is_remb(body):
        return Remb.parse_body(body)
    return UnknownPacket(PT_PSFB, FMT_APPLICATION_LAYER, body)


_COUNTED: Final[dict[int, Callable[[int, bytes], RtcpPacket]]] = {
    PT_SR: SenderReport.parse_body,
    PT_RR: ReceiverReport.parse_body,
    PT_SDES: SourceDescription.parse_body,
    PT_BYE: Bye.parse_body,
}

_FEEDBACK: Final[dict[tuple[int, int], Callable[[bytes], RtcpPacket]]] = {
    (PT_RTPFB, FMT_NACK): Nack.parse_body,
    (PT_RTPFB, FMT_TWCC): TwccReport.parse_body,
    (PT_PSFB, FMT_PLI): Pli.parse_body,
    (PT_PSFB, FMT_FIR): Fir.parse_body,
    (PT_PSFB, FMT_APPLICATION_LAYER): _parse_application_layer,
}


def parse_compound(buf: Buffer) -> list[RtcpPacket]:
    """All packets of a decrypted RTCP datagram, a compound or one of reduced size (RFC 5506).

    Padding is accepted on every packet and of any length, because libwebrtc pads transport-cc feedback that way.
    Raises ValueError, for the whole datagram, when a packet is truncated or a known one malformed.
    """
    data = bytes(buf)
    if not data:
        raise ValueError("RTCP datagram is empty")
    packets: list[RtcpPacket] = []
    offset = 0
    while offset < len(data):
        packet, offset = _parse_packet(data, offset)
        packets.append(packet)
    return packets


def _parse_packet(data: bytes, offset: int) -> tuple[RtcpPacket, int]:
    if len(data) - offset < RTCP_HEADER_LEN:
        raise ValueError("RTCP header is truncated")
    first, packet_type = data[offset], data[offset + 1]
    if first & 0xC0 != 0x80:
        raise ValueError("RTCP version is not 2")
    start = offset + RTCP_HEADER_LEN
    end = start + 4 * (data[offset + 2] << 8 | data[offset + 3])
    if end > len(data):
        raise ValueError("RTCP packet is longer than its datagram")
    body = data[start:end]
    if first & 0x20:
        padding_len = body[-1] if body else 0
        if not 1 <= padding_len <= len(body):
            raise ValueError("RTCP padding is empty or longer than the packet")
        body = body[:-padding_len]
    return _parse_body(packet_type, first & 0x1F, body), end


def _parse_body(packet_type: int, count: int, body: bytes) -> RtcpPacket:
    counted = _COUNTED.get(packet_type)
    if counted is not None:
        return counted(count, body)
    feedback = _FEEDBACK.get((packet_type, count))
    return UnknownPacket(packet_type, count, body) if feedback is None else feedback(body)
