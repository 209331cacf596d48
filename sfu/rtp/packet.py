"""The RTP fixed header (RFC 3550 section 5.1) and what can be told of a datagram before it is decrypted."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

Buffer = bytes | bytearray | memoryview
"""Unsigned bytes, contiguous. A memoryview must have format `B`."""

FIXED_HEADER_LEN: Final = 12
MIN_RTCP_LEN: Final = 4
_FIXED: Final = struct.Struct("!BBHII")
_EXTENSION: Final = struct.Struct("!HH")
_PEEK: Final = struct.Struct("!xBH4xI")

# RFC 5761 section 4: RTCP packet types as they look in the second byte; RTP payload types 64-95 with the marker bit
# would collide, and are therefore never negotiated.
_RTCP_FIRST_TYPE: Final = 192
_RTCP_LAST_TYPE: Final = 223


@dataclass(slots=True)
class RtpHeader:
    """A parsed header. Offsets and lengths are in bytes from the start of the packet."""

    marker: bool
    payload_type: int
    """0-127."""
    seq: int
    timestamp: int
    ssrc: int
    csrc_count: int
    header_len: int
    """Fixed header, CSRCs and extension: where the payload begins."""
    extension_profile: int | None
    """The 16 bits "defined by profile" (`0xBEDE`, `0x1000`-`0x100F` by RFC 8285), None without an extension."""
    extension_offset: int
    """Where the extension's elements begin (behind its own four bytes of header); 0 without one."""
    extension_len: int
    """Length of the elements with their padding; a multiple of four, may be 0."""
    padding_len: int
    """Padding at the end of the packet with its count byte; 0 when the P bit is clear."""


def parse_header(buf: Buffer) -> RtpHeader:
    """Parse the header of a decrypted packet. Raises ValueError on anything that RFC 3550 does not allow."""
    size = len(buf)
    if size < FIXED_HEADER_LEN:
        raise ValueError("RTP packet is shorter than its fixed header")
    first, second, seq, timestamp, ssrc = _FIXED.unpack_from(buf)
    if first & 0xC0 != 0x80:
        raise ValueError("RTP version is not 2")
    csrc_count = first & 0x0F
    header_len = FIXED_HEADER_LEN + 4 * csrc_count
    profile: int | None = None
    extension_offset = extension_len = 0
    if first & 0x10:
        extension_offset = header_len + 4
        if size < extension_offset:
            raise ValueError("RTP header extension is truncated")
        profile, words = _EXTENSION.unpack_from(buf, header_len)
        extension_len = 4 * words
        header_len = extension_offset + extension_len
    if size < header_len:
        raise ValueError("RTP CSRC list or header extension is truncated")
    padding_len = 0
    if first & 0x20:
        padding_len = buf[-1] if size > header_len else 0
        if padding_len == 0 or padding_len > size - header_len:
            raise ValueError("RTP padding is empty or longer than the payload")
    return RtpHeader(
        second >= 0x80,
        second & 0x7F,
        seq,
        timestamp,
        ssrc,
        csrc_count,
        header_len,
        profile,
        extension_offset,
        extension_len,
        padding_len,
    )


def looks_like_rtcp(buf: Buffer) -> bool:
    """Whether a datagram that is already known to be RTP or RTCP (first byte 128-191) is RTCP, by RFC 5761."""
    return len(buf) >= MIN_RTCP_LEN and _RTCP_FIRST_TYPE <= buf[1] <= _RTCP_LAST_TYPE


def peek(buf: Buffer) -> tuple[int, int, int]:
    """(ssrc, seq, payload type) of an SRTP packet, whose header travels in clear.

    Enough to drop a duplicate before paying for its decryption; nothing in it is authenticated yet.
    Raises ValueError when the fixed header is truncated or the version is not 2.
    """
    if len(buf) < FIXED_HEADER_LEN or buf[0] & 0xC0 != 0x80:
        raise ValueError("not an RTP packet")
    payload_type, seq, ssrc = _PEEK.unpack_from(buf)
    return ssrc, seq, payload_type & 0x7F
