"""Receiver estimated maximum bitrate (draft-alvestrand-rmcat-remb-03)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final, Self

from .rtcp_header import FEEDBACK_SSRCS_LEN, PT_PSFB, pack_feedback, pack_words, parse_feedback_ssrcs

FMT_APPLICATION_LAYER: Final = 15
"""RFC 4585 section 6.4: anything may follow; REMB is known by its identifier."""

_IDENTIFIER: Final = b"REMB"
_MANTISSA_BITS: Final = 18
_MAX_SSRCS: Final = 255
_FIXED_LEN: Final = 8


@dataclass(slots=True, frozen=True)
class Remb:
    """The sum of bitrates that the receiver of `ssrcs` believes it can take."""

    sender_ssrc: int
    bitrate_bps: int
    """On the wire 18 bits times a power of two (up to 2^81): rounded down when sent."""
    ssrcs: tuple[int, ...]

    @classmethod
    def parse_body(cls, body: bytes) -> Self:
        """From what stands behind the RTCP header. Raises ValueError when it is truncated or not REMB."""
        sender_ssrc, _ = parse_feedback_ssrcs(body)
        fci = body[FEEDBACK_SSRCS_LEN:]
        if not is_remb(body) or len(fci) < _FIXED_LEN:
            raise ValueError("REMB identifier is missing or the message truncated")
        count = fci[4]
        exponent = fci[5] >> 2
        mantissa = (fci[5] & 0x03) << 16 | fci[6] << 8 | fci[7]
        if len(fci) != _FIXED_LEN + 4 * count:
            raise ValueError("REMB names another number of SSRCs than it holds")
        return cls(sender_ssrc, mantissa << exponent, struct.unpack_from(f"!{count}I", fci, _FIXED_LEN))

    def to_bytes(self) -> bytes:
        if len(self.ssrcs) > _MAX_SSRCS or self.bitrate_bps < 0:
            raise ValueError("REMB has too many SSRCs or a negative bitrate")
        exponent = max(0, self.bitrate_bps.bit_length() - _MANTISSA_BITS)
        if exponent > 0x3F:
            raise ValueError("REMB bitrate is too large")
        mantissa = self.bitrate_bps >> exponent
        fixed = _IDENTIFIER + bytes(
            [len(self.ssrcs), exponent << 2 | mantissa >> 16, mantissa >> 8 & 0xFF, mantissa & 0xFF]
        )
        ssrcs = pack_words(struct.Struct(f"!{len(self.ssrcs)}I"), *self.ssrcs)
        return pack_feedback(FMT_APPLICATION_LAYER, PT_PSFB, self.sender_ssrc, 0, fixed + ssrcs)


def is_remb(body: bytes) -> bool:
    """Whether the body of an application layer feedback carries REMB's identifier."""
    return body[FEEDBACK_SSRCS_LEN : FEEDBACK_SSRCS_LEN + len(_IDENTIFIER)] == _IDENTIFIER
