"""Arithmetic on counters that wrap: 16-bit sequence numbers and 32-bit timestamps (RFC 3550, RFC 1982)."""

from __future__ import annotations

from typing import Final

SEQ_MODULUS: Final = 1 << 16
TIMESTAMP_MODULUS: Final = 1 << 32


def seq_add(seq: int, delta: int) -> int:
    """`seq + delta` modulo 2^16; `delta` may be negative."""
    return (seq + delta) & 0xFFFF


def seq_diff(a: int, b: int) -> int:
    """Shortest signed way from `b` to `a`: -32768..32767, positive when `a` is newer."""
    return ((a - b + 0x8000) & 0xFFFF) - 0x8000


def seq_newer(a: int, b: int) -> bool:
    """Whether `a` comes after `b`. Exactly half the circle away counts as older."""
    return 0 < ((a - b) & 0xFFFF) < 0x8000


def timestamp_add(timestamp: int, delta: int) -> int:
    """`timestamp + delta` modulo 2^32; `delta` may be negative."""
    return (timestamp + delta) & 0xFFFFFFFF


def timestamp_diff(a: int, b: int) -> int:
    """Shortest signed way from `b` to `a` in clock ticks: -2^31..2^31-1, positive when `a` is newer."""
    return ((a - b + 0x80000000) & 0xFFFFFFFF) - 0x80000000


def timestamp_newer(a: int, b: int) -> bool:
    """Whether `a` comes after `b`. Exactly half the circle away counts as older."""
    return 0 < ((a - b) & 0xFFFFFFFF) < 0x80000000


def nearest_ext_seq(seq: int, highest: int) -> int:
    """The number, of those that end in these 16 bits, which is -32768..32767 away from `highest`."""
    return highest + ((seq - highest + 0x8000) & 0xFFFF) - 0x8000


class Unwrapper:
    """Turns 16-bit sequence numbers into ones that never wrap (`ext_seq`).

    The first one becomes `seq + 65536`, so that a packet which was sent before it and arrives after it is still
    positive. Numbers are taken relative to the highest one seen so far, not to the last: reordering cannot drag
    the reference backwards.
    """

    __slots__ = ("highest",)

    def __init__(self) -> None:
        self.highest: int | None = None
        """Highest ext_seq so far, None before the first."""

    def unwrap(self, seq: int) -> int:
        """The ext_seq of `seq`, within -32768..32767 of the highest so far, which it raises when it is newer."""
        highest = self.highest
        if highest is None:
            self.highest = seq + SEQ_MODULUS
            return self.highest
        ext_seq = nearest_ext_seq(seq, highest)
        if ext_seq > highest:
            self.highest = ext_seq
        return ext_seq

    def locate(self, seq: int) -> int:
        """The ext_seq of a number that somebody else reports (a NACK, for instance): moves no reference.

        Raises ValueError before the first `unwrap`, when there is nothing to relate it to.
        """
        highest = self.highest
        if highest is None:
            raise ValueError("no sequence number has been seen yet")
        return nearest_ext_seq(seq, highest)
