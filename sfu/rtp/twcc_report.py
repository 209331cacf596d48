"""Transport-cc feedback that was received, as far as it is read of each: how much arrived, and what came last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from .packet import Buffer
from .rtcp_header import FEEDBACK_SSRCS_LEN, PT_RTPFB, pack_packet, parse_feedback_ssrcs
from .twcc import (
    FIXED,
    FIXED_END,
    FMT_TWCC,
    LARGE,
    MAX_RUN,
    ONE_BIT_SYMBOLS,
    RESERVED,
    SMALL,
    TWO_BIT_SYMBOLS,
    TwccFeedback,
)

_SMALL_RUN: Final = SMALL << 13
_LARGE_RUN: Final = LARGE << 13
"""Where run-length chunks of these symbols begin."""


@dataclass(slots=True)
class TwccReport:
    """A feedback packet that was received, its arrival times still unread.

    A server with a thousand subscribers gets ten thousand of these a second, and mostly wants to know how much arrived.
    (Not frozen for the same reason: to make a frozen one takes four times as long.)
    """

    sender_ssrc: int
    media_ssrc: int
    base_seq: int
    status_count: int
    """1-65535."""
    received: int
    """How many of them arrived."""
    newest_index: int
    """Of the last one that arrived, counted from `base_seq`; -1 when none did."""
    body: bytes

    def read(self) -> TwccFeedback:
        """All of it. Raises ValueError when a delta is malformed."""
        return TwccFeedback.parse_body(self.body)

    def to_bytes(self) -> bytes:
        """As it came, without what padding it had."""
        return pack_packet(FMT_TWCC, PT_RTPFB, self.body + bytes(-len(self.body) % 4))

    @classmethod
    def parse_body(cls, body: bytes) -> Self:
        """From what stands behind the RTCP header. Raises ValueError when it is truncated or uses reserved symbols.

        The work is bounded by the number of status chunks in `body`.
        """
        sender_ssrc, media_ssrc = parse_feedback_ssrcs(body)
        if len(body) < FIXED_END:
            raise ValueError("transport-cc feedback is truncated")
        base_seq, status_count, _ = FIXED.unpack_from(body, FEEDBACK_SSRCS_LEN)
        if status_count == 0:
            raise ValueError("transport-cc feedback reports on no packet")
        received, newest = count_statuses(body, FIXED_END, len(body), status_count)
        return cls(sender_ssrc, media_ssrc, base_seq, status_count, received, newest, body)


def count_statuses(data: Buffer, offset: int, end: int, status_count: int) -> tuple[int, int]:
    """(how many arrived, index of the last that did or -1), told by the status chunks from `offset` on; deltas reach to
    `end`.

    Raises ValueError when chunks or deltas are missing, or a symbol is reserved.
    """
    index, received, newest, delta_bytes = 0, 0, -1, 0
    while index < status_count:
        if offset + 2 > end:
            raise ValueError("transport-cc status chunks are truncated")
        chunk = data[offset] << 8 | data[offset + 1]
        offset += 2
        if _SMALL_RUN <= chunk < _LARGE_RUN:
            # Packets that came regularly, which is what most chunks tell.
            count = chunk & MAX_RUN
            if count > status_count - index:
                count = status_count - index
            received += count
            delta_bytes += count
            index += count
            if count:
                newest = index - 1
            continue
        count, small, large, last = _count_symbols(chunk, status_count - index)
        received += small + large
        delta_bytes += small + 2 * large
        if last >= 0:
            newest = index + last
        index += count
    if offset + delta_bytes > end:
        raise ValueError("transport-cc feedback has fewer deltas than packets received")
    return received, newest


def _count_symbols(chunk: int, left: int) -> tuple[int, int, int, int]:
    """(symbols of a chunk, at most `left`; small deltas; large deltas; index of the last that arrived, or -1)."""
    if chunk < 0x8000:
        count, symbol = min(chunk & MAX_RUN, left), chunk >> 13
        if symbol == RESERVED:
            raise ValueError("transport-cc status symbol is reserved")
        arrived = count if symbol else 0
        return count, arrived if symbol == SMALL else 0, arrived if symbol == LARGE else 0, arrived - 1
    if not chunk & 0x4000:
        count = min(ONE_BIT_SYMBOLS, left)
        bits = (chunk & 0x3FFF) >> ONE_BIT_SYMBOLS - count
        return count, bits.bit_count(), 0, count - (bits & -bits).bit_length() if bits else -1
    count = min(TWO_BIT_SYMBOLS, left)
    bits = (chunk & 0x3FFF) >> 2 * (TWO_BIT_SYMBOLS - count)
    small, large = bits & 0x1555, bits >> 1 & 0x1555
    if small & large:
        raise ValueError("transport-cc status symbol is reserved")
    either = small | large
    last = count - 1 - ((either & -either).bit_length() - 1) // 2 if either else -1
    return count, small.bit_count(), large.bit_count(), last
