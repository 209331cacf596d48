"""Full intra request (RFC 5104 section 4.3.1)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final, Self

from .rtcp_header import FEEDBACK_SSRCS_LEN, PT_PSFB, pack_feedback, pack_words, parse_feedback_ssrcs

FMT_FIR: Final = 4
_ENTRY: Final = struct.Struct("!IB3x")


@dataclass(slots=True, frozen=True)
class Fir:
    """Orders a keyframe from each stream named. A repeated command number is a repetition, not a new command."""

    sender_ssrc: int
    entries: tuple[tuple[int, int], ...]
    """(media SSRC, command sequence number 0-255)."""

    @classmethod
    def parse_body(cls, body: bytes) -> Self:
        """From what stands behind the RTCP header. The packet's own media SSRC is unused (0). Raises ValueError."""
        sender_ssrc, _ = parse_feedback_ssrcs(body)
        fci = body[FEEDBACK_SSRCS_LEN:]
        if not fci or len(fci) % _ENTRY.size:
            raise ValueError("FIR has no entries or a truncated one")
        return cls(sender_ssrc, tuple((ssrc, command) for ssrc, command in _ENTRY.iter_unpack(fci)))

    def to_bytes(self) -> bytes:
        if not self.entries:
            raise ValueError("FIR without entries")
        fci = b"".join([pack_words(_ENTRY, ssrc, command) for ssrc, command in self.entries])
        return pack_feedback(FMT_FIR, PT_PSFB, self.sender_ssrc, 0, fci)
