"""The common header of RTCP packets (RFC 3550 section 6.4.1) and the numbers that name them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, Protocol

PT_SR: Final = 200
PT_RR: Final = 201
PT_SDES: Final = 202
PT_BYE: Final = 203
PT_RTPFB: Final = 205
PT_PSFB: Final = 206

RTCP_HEADER_LEN: Final = 4
_HEADER: Final = struct.Struct("!BBH")
_SSRCS: Final = struct.Struct("!II")
FEEDBACK_SSRCS_LEN: Final = _SSRCS.size
_MAX_BODY_LEN: Final = 4 * 0xFFFF


class RtcpPacket(Protocol):
    """One packet of a compound."""

    def to_bytes(self) -> bytes:
        """The packet with its header, a multiple of four bytes. Raises ValueError when a field is out of range."""


def pack_packet(count: int, packet_type: int, body: bytes) -> bytes:
    """Header and body; `count` is the five-bit field (RC, SC or FMT).

    Raises ValueError when the body is no multiple of four bytes, or 256 KiB and more.
    """
    if len(body) % 4 or len(body) > _MAX_BODY_LEN:
        raise ValueError("RTCP packet is too long or not a whole number of words")
    return _HEADER.pack(0x80 | count, packet_type, len(body) // 4) + body


def pack_words(layout: struct.Struct, *values: int) -> bytes:
    """`layout.pack` whose complaint about a value out of range is a ValueError."""
    try:
        return layout.pack(*values)
    except struct.error as error:
        raise ValueError(f"RTCP field is out of range: {error}") from None


def pack_feedback(fmt: int, packet_type: int, sender_ssrc: int, media_ssrc: int, fci: bytes = b"") -> bytes:
    """A feedback packet (RFC 4585 section 6.1); `fci` is a multiple of four bytes."""
    return pack_packet(fmt, packet_type, pack_words(_SSRCS, sender_ssrc, media_ssrc) + fci)


def parse_feedback_ssrcs(body: bytes) -> tuple[int, int]:
    """(sender SSRC, media SSRC) of a feedback packet's body. Raises ValueError when it is truncated."""
    if len(body) < FEEDBACK_SSRCS_LEN:
        raise ValueError("RTCP feedback is truncated")
    sender_ssrc, media_ssrc = _SSRCS.unpack_from(body)
    return sender_ssrc, media_ssrc


def serialise_compound(packets: Sequence[RtcpPacket]) -> bytes:
    """Packets one behind the other. RFC 3550 wants an SR or RR first unless reduced size (RFC 5506) was negotiated."""
    return b"".join([packet.to_bytes() for packet in packets])
