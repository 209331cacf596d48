"""Picture loss indication (RFC 4585 section 6.3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from .rtcp_header import PT_PSFB, pack_feedback, parse_feedback_ssrcs

FMT_PLI: Final = 1


@dataclass(slots=True, frozen=True)
class Pli:
    """Asks the sender of `media_ssrc` for a keyframe."""

    sender_ssrc: int
    media_ssrc: int

    @classmethod
    def parse_body(cls, body: bytes) -> Self:
        """From what stands behind the RTCP header; bytes behind the SSRCs are ignored. Raises ValueError."""
        return cls(*parse_feedback_ssrcs(body))

    def to_bytes(self) -> bytes:
        return pack_feedback(FMT_PLI, PT_PSFB, self.sender_ssrc, self.media_ssrc)
