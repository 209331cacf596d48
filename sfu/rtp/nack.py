"""Generic NACK (RFC 4585 section 6.2.1)."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from .packet import Buffer
from .rtcp_header import FEEDBACK_SSRCS_LEN, PT_RTPFB, pack_feedback, parse_feedback_ssrcs
from .seq import seq_diff

FMT_NACK: Final = 1
_ENTRY: Final = struct.Struct("!HH")
_BITMASK_LEN: Final = 16


@dataclass(slots=True, frozen=True)
class Nack:
    """Asks for packets again."""

    sender_ssrc: int
    media_ssrc: int
    seqs: tuple[int, ...]
    """16-bit, in the order of the packet's entries."""

    @classmethod
    def parse_body(cls, body: bytes) -> Self:
        """From what stands behind the RTCP header. Raises ValueError when an entry is truncated or there is none."""
        sender_ssrc, media_ssrc = parse_feedback_ssrcs(body)
        return cls(sender_ssrc, media_ssrc, tuple(parse_entries(body[FEEDBACK_SSRCS_LEN:])))

    def to_bytes(self) -> bytes:
        if not self.seqs:
            raise ValueError("NACK without sequence numbers")
        return pack_feedback(FMT_NACK, PT_RTPFB, self.sender_ssrc, self.media_ssrc, pack_entries(self.seqs))


def parse_entries(fci: Buffer) -> list[int]:
    """The 16-bit numbers that entries of PID and bitmask name. Raises ValueError where one is truncated or none is.

    Each entry names at most 17 numbers, so a datagram cannot grow into more than about five times its bytes.
    """
    if not fci or len(fci) % _ENTRY.size:
        raise ValueError("NACK has no entries or a truncated one")
    seqs: list[int] = []
    for first, bitmask in _ENTRY.iter_unpack(fci):
        seqs.append(first)
        if bitmask:
            seqs += [first + bit + 1 & 0xFFFF for bit in range(_BITMASK_LEN) if bitmask >> bit & 1]
    return seqs


def pack_entries(seqs: Iterable[int]) -> bytes:
    """PID and bitmask entries for sequence numbers, as few as possible also across the 65535 wrap.

    The numbers may come in any order and repeated, but must lie within half the circle of each other, as the
    numbers missing from one stream do.
    """
    unique = set(seqs)
    if not unique:
        return b""
    if not all(0 <= seq <= 0xFFFF for seq in unique):
        raise ValueError("sequence number is not 16-bit")
    reference = next(iter(unique))
    distances = sorted(seq_diff(seq, reference) for seq in unique)
    entries = bytearray()
    first, bitmask = distances[0], 0
    for distance in distances[1:]:
        ahead = distance - first
        if ahead <= _BITMASK_LEN:
            bitmask |= 1 << ahead - 1
        else:
            entries += _ENTRY.pack(first + reference & 0xFFFF, bitmask)
            first, bitmask = distance, 0
    entries += _ENTRY.pack(first + reference & 0xFFFF, bitmask)
    return bytes(entries)
