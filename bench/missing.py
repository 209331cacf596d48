"""Sequence numbers that did not arrive: what to ask for and when, in time that goes with what is due.

Losses come in bursts, so what is kept is gaps with a bit for each number rather than a number at a time. What has to be
asked for waits in the order of its time, and only that is looked at.
"""

from __future__ import annotations

import heapq
import operator
import struct
from bisect import bisect_right
from collections.abc import Iterator
from typing import Final

NACK_RETRY_S: Final = 0.1
NACK_GIVE_UP_S: Final = 1.0
"""With NACK_RETRY_S ten requests, which is where libwebrtc stops asking for a packet."""
MAX_MISSING: Final = 1000
"""Sequence numbers missed at a time in one stream; libwebrtc gives up on repair there and asks for a keyframe."""
MAX_ASKED: Final = 100
"""Numbers in one NACK, but for those that its last entry has room for."""

_ENTRY: Final = struct.Struct("!HH")
_ENTRY_NUMBERS: Final = 17
"""RFC 4585 section 6.2.1: a number, and a bit for each of the 16 behind it."""


class Gap:
    """Consecutive numbers of which some are missing: bit i of `mask` is number `begin` + i."""

    __slots__ = ("begin", "due", "mask", "noticed")

    def __init__(self, begin: int, mask: int, now: float) -> None:
        self.begin, self.mask, self.noticed, self.due = begin, mask, now, now


_BEGIN: Final = operator.attrgetter("begin")


class Gaps:
    """Of one stream, in the order of their numbers. Iterates over the missing numbers."""

    __slots__ = ("count", "fresh", "gaps")

    def __init__(self) -> None:
        self.gaps: list[Gap] = []
        self.count = 0
        """Missing numbers in all gaps."""
        self.fresh = False
        """Whether `Missing.due` is going to look for gaps that are new."""

    def __iter__(self) -> Iterator[int]:
        return (gap.begin + bit for gap in self.gaps for bit in range(gap.mask.bit_length()) if gap.mask >> bit & 1)

    def take(self, ext_seq: int) -> bool:
        """The number is not missing any more; False when it was not missing."""
        place = bisect_right(self.gaps, ext_seq, key=_BEGIN) - 1
        if place < 0:
            return False
        gap = self.gaps[place]
        bit = 1 << ext_seq - gap.begin
        if not gap.mask & bit:
            return False
        gap.mask ^= bit
        self.count -= 1
        if not gap.mask:
            del self.gaps[place]
        return True

    def give_up(self, now: float) -> None:
        """Forget what is too old and, of what is too much, the oldest."""
        kept = [gap for gap in self.gaps if now - gap.noticed <= NACK_GIVE_UP_S]
        if len(kept) < len(self.gaps):
            self.gaps = kept
            self.count = sum(gap.mask.bit_count() for gap in kept)
        while self.count > MAX_MISSING:
            oldest = self.gaps[0]
            mask, excess = oldest.mask, self.count - MAX_MISSING
            if mask.bit_count() <= excess:
                self.count -= mask.bit_count()
                del self.gaps[0]
                continue
            for _ in range(excess):
                mask &= mask - 1
            oldest.mask, self.count = mask, MAX_MISSING

    def ask(self, now: float) -> bytes:
        """Entries of a NACK for what is due, empty when nothing is."""
        begin, mask = 0, 0
        for gap in self.gaps:
            if gap.due <= now:
                gap.due = now + NACK_RETRY_S
                if not mask:
                    begin = gap.begin
                mask |= gap.mask << gap.begin - begin
        return pack_mask(begin, mask)


class Missing(dict[int, Gaps]):
    """By stream; only of streams that miss any."""

    def __init__(self) -> None:
        super().__init__()
        self.unasked: set[int] = set()
        """Streams that nothing repairs. What they miss is remembered, for it may be late."""
        self._waiting: list[tuple[float, int]] = []
        """A heap of when to look at which stream. What it says of a stream that is not there any more does no harm."""

    def add(self, row: int, begin: int, end: int, now: float) -> None:
        """The numbers from `begin` to before `end`, higher than all before, did not come."""
        gaps = self.get(row)
        if gaps is None:
            gaps = self[row] = Gaps()
        gaps.gaps.append(Gap(begin, (1 << end - begin) - 1, now))
        gaps.count += end - begin
        if not gaps.fresh:
            gaps.fresh = True
            heapq.heappush(self._waiting, (now, row))

    def take(self, row: int, ext_seq: int) -> bool:
        """The number has arrived; False when it was not missing."""
        gaps = self.get(row)
        if gaps is None or not gaps.take(ext_seq):
            return False
        if not gaps.gaps:
            del self[row]
        return True

    def due(self, now: float, most: int) -> Iterator[tuple[int, bytes]]:
        """Streams with the entries of a NACK for each, `most` at a time: the others have to wait for the next call."""
        while self._waiting and self._waiting[0][0] <= now and most > 0:
            _, row = heapq.heappop(self._waiting)
            gaps = self.get(row)
            if gaps is None:
                continue
            gaps.give_up(now)
            if not gaps.gaps:
                del self[row]
                continue
            if row in self.unasked:
                heapq.heappush(self._waiting, (now + NACK_RETRY_S, row))
                continue
            gaps.fresh = False
            entries = gaps.ask(now)
            if entries:
                heapq.heappush(self._waiting, (now + NACK_RETRY_S, row))
                most -= 1
                yield row, entries


def pack_mask(begin: int, mask: int) -> bytes:
    """Entries for the numbers `begin` + i of each bit i in `mask`, MAX_ASKED of them."""
    entries = bytearray()
    left = MAX_ASKED
    while mask and left > 0:
        skipped = (mask & -mask).bit_length() - 1
        mask >>= skipped
        begin += skipped
        following = mask >> 1 & 0xFFFF
        entries += _ENTRY.pack(begin & 0xFFFF, following)
        left -= 1 + following.bit_count()
        mask >>= _ENTRY_NUMBERS
        begin += _ENTRY_NUMBERS
    return bytes(entries)
