"""RTCP as a test peer reads and writes it. Independent of `sfu.rtp`, so that a mistake there is not made twice."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

SR, RR, SDES, BYE, RTPFB, PSFB = 200, 201, 202, 203, 205, 206
NTP_UNIX_OFFSET_S = 2_208_988_800


@dataclass(frozen=True)
class ReportBlock:
    ssrc: int
    fraction_lost: int
    cumulative_lost: int
    highest_seq: int
    jitter: int
    lsr: int
    dlsr: int


@dataclass(frozen=True)
class SenderReport:
    ssrc: int
    ntp: int
    rtp_timestamp: int
    packet_count: int
    octet_count: int
    reports: tuple[ReportBlock, ...]


@dataclass(frozen=True)
class ReceiverReport:
    ssrc: int
    reports: tuple[ReportBlock, ...]


@dataclass(frozen=True)
class NackPacket:
    media_ssrc: int
    seqs: tuple[int, ...]


@dataclass(frozen=True)
class KeyframeRequest:
    """PLI, or FIR."""

    media_ssrc: int


@dataclass(frozen=True)
class TransportFeedback:
    """transport-cc: the numbers that were reported on and whether they had arrived."""

    base_seq: int
    arrived: tuple[bool, ...]


@dataclass(frozen=True)
class Remb:
    bitrate_bps: int


@dataclass(frozen=True)
class Goodbye:
    ssrcs: tuple[int, ...]


Packet = SenderReport | ReceiverReport | NackPacket | KeyframeRequest | TransportFeedback | Remb | Goodbye


def parse(data: bytes) -> Iterator[Packet]:
    """Packets of a compound that a peer cares for; others are skipped. A malformed one raises, which fails the test."""
    offset = 0
    while offset < len(data):
        first, packet_type, words = struct.unpack_from("!BBH", data, offset)
        assert first >> 6 == 2, "RTCP version is not 2"
        end = offset + 4 + 4 * words
        assert end <= len(data), "RTCP packet is longer than its datagram"
        body = data[offset + 4 : end]
        if first & 0x20:
            body = body[: -body[-1]]
        packet = _parse_one(packet_type, first & 0x1F, body)
        if packet is not None:
            yield packet
        offset = end


def _parse_one(packet_type: int, count: int, body: bytes) -> Packet | None:
    if packet_type == SR:
        ssrc, ntp, rtp_timestamp, packets, octets = struct.unpack_from("!IQIII", body)
        return SenderReport(ssrc, ntp, rtp_timestamp, packets, octets, _reports(body[24:], count))
    if packet_type == RR:
        return ReceiverReport(struct.unpack_from("!I", body)[0], _reports(body[4:], count))
    if packet_type == BYE:
        return Goodbye(struct.unpack_from(f"!{count}I", body))
    if packet_type in (RTPFB, PSFB):
        return _parse_feedback(packet_type, count, body)
    return None


def _reports(data: bytes, count: int) -> tuple[ReportBlock, ...]:
    blocks = []
    for index in range(count):
        ssrc, loss, highest, jitter, lsr, dlsr = struct.unpack_from("!IIIIII", data, 24 * index)
        cumulative = loss & 0xFFFFFF
        if cumulative & 0x800000:
            cumulative -= 1 << 24
        blocks.append(ReportBlock(ssrc, loss >> 24, cumulative, highest, jitter, lsr, dlsr))
    return tuple(blocks)


def _parse_feedback(packet_type: int, fmt: int, body: bytes) -> Packet | None:
    _, media_ssrc = struct.unpack_from("!II", body)
    fci = body[8:]
    if (packet_type, fmt) == (RTPFB, 1):
        seqs = [
            first + offset & 0xFFFF
            for first, mask in struct.iter_unpack("!HH", fci)
            for offset in (0, *(bit + 1 for bit in range(16) if mask >> bit & 1))
        ]
        return NackPacket(media_ssrc, tuple(seqs))
    if (packet_type, fmt) == (RTPFB, 15):
        return _parse_transport_feedback(fci)
    if (packet_type, fmt) == (PSFB, 1):
        return KeyframeRequest(media_ssrc)
    if (packet_type, fmt) == (PSFB, 4):
        return KeyframeRequest(struct.unpack_from("!I", fci)[0])
    if (packet_type, fmt) == (PSFB, 15) and fci[:4] == b"REMB":
        word = int.from_bytes(fci[5:8], "big")
        return Remb((word & 0x3FFFF) << (word >> 18))
    return None


def _parse_transport_feedback(fci: bytes) -> TransportFeedback:
    base_seq, status_count = struct.unpack_from("!HH", fci)
    arrived: list[bool] = []
    offset = 8
    while len(arrived) < status_count:
        (chunk,) = struct.unpack_from("!H", fci, offset)
        offset += 2
        if not chunk & 0x8000:
            arrived += [chunk >> 13 & 0x3 != 0] * (chunk & 0x1FFF)
        elif chunk & 0x4000:
            arrived += [chunk >> shift & 0x3 != 0 for shift in range(12, -1, -2)]
        else:
            arrived += [bool(chunk >> shift & 0x1) for shift in range(13, -1, -1)]
    return TransportFeedback(base_seq, tuple(arrived[:status_count]))


def sender_report(ssrc: int, unix_s: float, rtp_timestamp: int, packet_count: int, octet_count: int) -> bytes:
    ntp = round((unix_s + NTP_UNIX_OFFSET_S) * (1 << 32)) & 0xFFFFFFFFFFFFFFFF
    body = struct.pack("!IQIII", ssrc, ntp, rtp_timestamp, packet_count & 0xFFFFFFFF, octet_count & 0xFFFFFFFF)
    return _pack(0, SR, body)


def receiver_report(ssrc: int, blocks: Iterable[ReportBlock]) -> bytes:
    blocks = list(blocks)[:31]
    body = struct.pack("!I", ssrc)
    for block in blocks:
        loss = block.fraction_lost << 24 | block.cumulative_lost & 0xFFFFFF
        body += struct.pack("!IIIIII", block.ssrc, loss, block.highest_seq, block.jitter, block.lsr, block.dlsr)
    return _pack(len(blocks), RR, body)


def source_description(ssrc: int, cname: str) -> bytes:
    item = struct.pack("!IBB", ssrc, 1, len(cname)) + cname.encode() + b"\0"
    return _pack(1, SDES, item + bytes(-len(item) % 4))


def nack(sender_ssrc: int, media_ssrc: int, seqs: Iterable[int]) -> bytes:
    fci = b"".join(struct.pack("!HH", seq, 0) for seq in seqs)
    return _pack(1, RTPFB, struct.pack("!II", sender_ssrc, media_ssrc) + fci)


def pli(sender_ssrc: int, media_ssrc: int) -> bytes:
    return _pack(1, PSFB, struct.pack("!II", sender_ssrc, media_ssrc))


def _pack(count: int, packet_type: int, body: bytes) -> bytes:
    return struct.pack("!BBH", 0x80 | count, packet_type, len(body) // 4) + body
