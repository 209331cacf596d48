"""From an authenticated packet to the batch: its canonical header is written in front of its payload, in place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sfu.rtp.packet import RtpHeader
from sfu.rtp.parameters import Codec
from sfu.rtp.payload import is_keyframe, red_primary, rewrite_red_payload_types

from .egress import ForwardBatch
from .pool import PacketPool
from .producer import RED_MIME_TYPE, Producer
from .stream import ProducerStream

MAX_PACKET_LEN: Final = 1500
"""Bytes of a canonical packet. More does not fit an Ethernet frame anyway, and a row of the output matrix has to have
room for RTX's two bytes and what libsrtp may append."""

MAX_LATENESS: Final = 100
"""Packets behind the newest. libsrtp refuses to protect what is 128 behind; subscribers that miss such a packet have
asked for it by now, or will, and get it by RTX."""

_PADDING_BIT: Final = 0x20

DROP_MALFORMED: Final = "rtp_malformed"
DROP_TOO_LONG: Final = "rtp_too_long"
"""Header or packet do not fit a row of the pool once canonical."""
DROP_MALFORMED_RED: Final = "red_malformed"
DROP_PAUSED: Final = "producer_paused"
DROP_LATE: Final = "too_late_to_forward"
"""Repaired after so long that it is left to retransmission; it is cached."""
DROP_NO_CONSUMER: Final = "no_active_consumer"
"""Nobody to send it to right now; it is cached all the same."""


@dataclass(slots=True, frozen=True)
class Route:
    """Whose an SSRC is."""

    producer: Producer
    stream: ProducerStream
    is_rtx: bool


@dataclass(slots=True)
class ReceivedPacket:
    """An authenticated packet, as received, and where its own payload lies (columns of its row)."""

    slot: int
    packet: memoryview
    """The whole packet in its row."""
    header: RtpHeader
    canonical: bytes
    """The canonical header, which takes the place of its own."""
    codec: Codec
    seq: int
    """The original's, where it came by RTX."""
    payload: int
    end: int
    repaired: bool


def take(pool: PacketPool, route: Route, received: ReceivedPacket, now: float, batch: ForwardBatch) -> str | None:
    """Make the packet canonical, account for it and put it into the batch. Returns why it is not forwarded.

    The packet must be no duplicate.
    """
    stream, producer, codec, header = route.stream, route.producer, received.codec, received.header
    row = pool.rows[received.slot]
    payload = row[received.payload : received.end - header.padding_len]
    start = received.payload - len(received.canonical)
    if start < 0 or received.end - start > MAX_PACKET_LEN:
        return DROP_TOO_LONG
    if codec.mime_type == RED_MIME_TYPE and payload:
        try:
            rewrite_red_payload_types(payload, producer.red_mapping)
        except ValueError:
            return DROP_MALFORMED_RED
    # Sequence number and SSRC stay as they came: the fan-out writes every consumer's own.
    row[start : received.payload] = received.canonical
    row[start + 1] = header.marker << 7 | codec.payload_type
    ext_seq = _account(route, received, now)
    pool.assign(received.slot, stream.id, ext_seq, start, received.payload, received.end)
    keyframe = _begins_keyframe(codec, payload)
    if keyframe:
        producer.keyframes.keyframe_began()
        if stream.nack is not None:
            stream.nack.note_keyframe(now)
    if stream.waiting:
        stream.offer_to_waiting(ext_seq, header.timestamp, codec.payload_type, keyframe, now)
    return _forward(pool, route, received.slot, ext_seq, codec, payload, batch)


def _account(route: Route, received: ReceivedPacket, now: float) -> int:
    """Number the packet and count it. Returns its ext_seq."""
    stream, timestamp, codec = route.stream, received.header.timestamp, received.codec
    ext_seq, repairable = stream.take_number(received.seq, received.slot, codec, timestamp, now)
    if received.repaired:
        stream.reception.note_repair(ext_seq)
    else:
        stream.reception.note_packet(ext_seq, timestamp, len(received.packet), codec.clock_rate, now)
    if not repairable:
        route.producer.request_keyframe(now)
    return ext_seq


def _forward(
    pool: PacketPool, route: Route, slot: int, ext_seq: int, codec: Codec, payload: memoryview, batch: ForwardBatch
) -> str | None:
    if not route.producer.forwards:
        return DROP_PAUSED
    stream, active = route.stream, route.stream.active
    audience = active.all
    if not audience.size:
        return DROP_NO_CONSUMER
    highest = stream.highest_ext_seq
    if highest is not None and highest - ext_seq >= MAX_LATENESS:
        return DROP_LATE
    if codec.mime_type != RED_MIME_TYPE or not payload:
        batch.add(slot, stream.id, ext_seq, codec.payload_type, audience, video=stream.kind == "video")
        return None
    if active.with_red.size:
        batch.add(slot, stream.id, ext_seq, codec.payload_type, active.with_red, video=False)
    if active.without_red.size:
        primary_type, primary = _without_redundancy(pool, slot, payload)
        batch.add(slot, stream.id, ext_seq, primary_type, active.without_red, video=False, replacement=primary)
    return None


def _without_redundancy(pool: PacketPool, slot: int, payload: memoryview) -> tuple[int, bytes]:
    """Payload type and canonical packet of the primary block of a RED packet (RFC 2198)."""
    primary_type, offset, length = red_primary(payload)
    header = bytearray(pool.packet(slot)[: pool.header_len(slot)])
    header[0] &= ~_PADDING_BIT & 0xFF
    header[1] = header[1] & 0x80 | primary_type
    return primary_type, bytes(header) + bytes(payload[offset : offset + length])


def _begins_keyframe(codec: Codec, payload: memoryview) -> bool:
    """A payload that cannot be read is the decoder's business: it is forwarded, but nobody begins with it."""
    if not payload:
        return False
    try:
        return is_keyframe(codec.mime_type, payload)
    except ValueError:
        return False
