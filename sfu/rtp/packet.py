"""The RTP fixed header (RFC 3550 section 5.1) and what tells it from RTCP."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

Buffer = bytes | bytearray | memoryview
"""Unsigned bytes, contiguous. A memoryview must have format `B`."""

FIXED_HEADER_LEN: Final = 12
MIN_RTCP_LEN: Final = 4
FIXED_HEADER: Final = struct.Struct("!BBHII")
"""First byte (version, P, X, CC), second byte (marker, payload type), sequence number, timestamp, SSRC."""
_EXTENSION: Final = struct.Struct("!HH")

RTCP_TYPES: Final = range(192, 224)
"""RFC 5761 section 4: RTCP packet types, as the second byte of a datagram shows them. RTP payload types 64-95 with the
marker bit would look the same, and are therefore never negotiated."""

FixedHeader = tuple[int, int, int, int, int]
"""What `FIXED_HEADER` reads."""


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
    first, second, seq, timestamp, ssrc = FIXED_HEADER.unpack_from(buf)
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
