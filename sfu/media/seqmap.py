"""A consumer's sequence numbers: contiguous for its subscriber whatever pauses in between, with a way back."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from sfu.rtp.seq import SEQ_MODULUS, seq_diff

_MAX_SEGMENTS: Final = 64
"""Pauses that are remembered. A NACK reaches back a second or two; even a viewer who toggles has fewer in that time."""


@dataclass(slots=True)
class _Segment:
    first_out: int
    offset: int
    """in - out."""
    last_out: int | None
    """None while the segment is open."""


class SequenceMap:
    """Between the ext_seqs of a stream ("in") and those of one consumer ("out").

    A segment lasts from a start or resume to the next pause and subtracts one offset. Losses on the way in stay gaps,
    so that the subscriber asks for them and a late or repaired packet goes out under its right number.
    """

    def __init__(self, first_seq: int) -> None:
        """`first_seq`, 0-65535, is the first number that the subscriber will see."""
        # One turn above zero, as Unwrapper has it: a NACK for "before the first" stays positive.
        self.next_out = first_seq % SEQ_MODULUS + SEQ_MODULUS
        """Number that the next segment begins with."""
        self._segments: deque[_Segment] = deque(maxlen=_MAX_SEGMENTS)

    @property
    def is_open(self) -> bool:
        return bool(self._segments) and self._segments[-1].last_out is None

    def begin(self, ext_seq: int) -> int:
        """Open a segment with the stream's packet `ext_seq`. Returns the offset: out = in - offset."""
        self._segments.append(_Segment(self.next_out, ext_seq - self.next_out, None))
        return self._segments[-1].offset

    def end(self, highest_in: int | None) -> None:
        """Close the open segment; `highest_in` is the newest packet of the stream so far. No-op when none is open."""
        if not self.is_open:
            return
        segment = self._segments[-1]
        # A segment whose own first packet was withdrawn has sent nothing and takes no numbers.
        last_out = segment.first_out - 1 if highest_in is None else highest_in - segment.offset
        segment.last_out = max(last_out, segment.first_out - 1)
        self.next_out = segment.last_out + 1

    def clear(self) -> None:
        """Forget the way back (the stream is another one now); numbers continue."""
        self._segments.clear()

    def forward(self, ext_seq: int) -> int | None:
        """Out number of a packet of the open segment, None for one from before it."""
        if not self.is_open:
            return None
        out = ext_seq - self._segments[-1].offset
        return out if out >= self._segments[-1].first_out else None

    def reverse(self, seq: int, highest_in: int | None) -> int | None:
        """The stream's ext_seq behind an outgoing 16-bit `seq`; None when no such packet was sent, or too long ago."""
        highest_out = self._highest_out(highest_in)
        out = highest_out + seq_diff(seq, highest_out & 0xFFFF)
        if out > highest_out:
            return None
        for segment in reversed(self._segments):
            if out >= segment.first_out:
                return out + segment.offset
        return None

    def _highest_out(self, highest_in: int | None) -> int:
        if not self.is_open or highest_in is None:
            return self.next_out - 1
        segment = self._segments[-1]
        return max(highest_in - segment.offset, segment.first_out - 1)
