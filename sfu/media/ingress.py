"""From an authenticated packet to the batch: its canonical header is written in front of its payload, in place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sfu.rtp.extensions import canonical_first
from sfu.rtp.packet import FIXED_HEADER, FIXED_HEADER_LEN, FixedHeader
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


def take(
    pool: PacketPool,
    route: Route,
    codec: Codec,
    header: FixedHeader,
    rest: bytes,
    slot: int,
    payload: int,
    end: int,
    padding_len: int,
    size: int,
    now: float,
    batch: ForwardBatch,
) -> str | None:
    """Make the packet canonical, account for it and put it into the batch. Returns why it is not forwarded.

    The packet is authenticated and no duplicate. `header` is its own fixed header (with the original's sequence number
    where it came by RTX), `rest` what stands behind that in its canonical one, payload..end the columns of its row that
    have payload and padding, and `size` the bytes that came.
    """
    # Arguments rather than an object: making one costs as much as the rest of this function's own work.
    stream, producer = route.stream, route.producer
    start = payload - FIXED_HEADER_LEN - len(rest)
    if start < 0 or end - start > MAX_PACKET_LEN:
        return DROP_TOO_LONG
    row = pool.rows[slot]
    content_end = end - padding_len
    is_red = codec.mime_type == RED_MIME_TYPE and payload < content_end
    if is_red:
        try:
            rewrite_red_payload_types(row[payload:content_end], producer.red_mapping)
        except ValueError:
            return DROP_MALFORMED_RED
    first, second, seq, timestamp, ssrc = header
    payload_type = codec.payload_type
    # The fan-out writes every consumer's own sequence number and SSRC.
    FIXED_HEADER.pack_into(row, start, canonical_first(first), second & 0x80 | payload_type, seq, timestamp, ssrc)
    row[start + FIXED_HEADER_LEN : payload] = rest
    ext_seq, repairable = stream.take_number(seq, slot, codec, timestamp, now)
    if route.is_rtx:
        stream.reception.note_repair(ext_seq)
    else:
        stream.reception.note_packet(ext_seq, timestamp, size, codec.clock_rate, now)
    if not repairable:
        producer.request_keyframe(now)
    pool.assign(slot, stream.id, ext_seq, start, payload, end)
    is_video = stream.kind == "video"
    keyframe = is_video and _begins_keyframe(codec, row[payload:content_end])
    if keyframe:
        producer.keyframes.keyframe_began()
        if stream.nack is not None:
            stream.nack.note_keyframe(now)
    if stream.waiting:
        stream.offer_to_waiting(ext_seq, timestamp, payload_type, keyframe, now)
    if not producer.forwards:
        return DROP_PAUSED
    active = stream.active
    audience = active.all
    if not audience.size:
        return DROP_NO_CONSUMER
    highest = stream.highest_ext_seq
    if highest is not None and highest - ext_seq >= MAX_LATENESS:
        return DROP_LATE
    if is_red:
        _forward_red(pool, stream, slot, ext_seq, payload_type, row[payload:content_end], batch)
    else:
        batch.add(slot, stream.id, ext_seq, payload_type, audience, video=is_video)
    return None


def _forward_red(
    pool: PacketPool,
    stream: ProducerStream,
    slot: int,
    ext_seq: int,
    payload_type: int,
    content: memoryview,
    batch: ForwardBatch,
) -> None:
    """Redundancy for those who accepted it, the primary block for the others."""
    active = stream.active
    if active.with_red.size:
        batch.add(slot, stream.id, ext_seq, payload_type, active.with_red, video=False)
    if active.without_red.size:
        primary_type, primary = _without_redundancy(pool, slot, content)
        batch.add(slot, stream.id, ext_seq, primary_type, active.without_red, video=False, replacement=primary)


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
