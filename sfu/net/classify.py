"""What a datagram on the shared port is, told by its first byte (RFC 7983, RFC 5764)."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Kind(IntEnum):
    UNKNOWN = 0
    STUN = 1
    DTLS = 2
    RTP = 3
    """RTP or RTCP; RFC 5761 tells the two apart by the second byte."""


def _kind(first_byte: int) -> Kind:
    if first_byte <= 3:
        return Kind.STUN
    if 20 <= first_byte <= 63:
        return Kind.DTLS
    if 128 <= first_byte <= 191:
        return Kind.RTP
    return Kind.UNKNOWN


KINDS: Final = tuple(map(_kind, range(256)))
"""By the first byte."""


def classify(first_byte: int) -> Kind:
    """The kind of a datagram that begins with `first_byte` (0-255).

    ZRTP (16-19) and TURN channels (64-79) are never spoken here, so they are unknown too.
    """
    return KINDS[first_byte]
