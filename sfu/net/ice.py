"""ICE-lite (RFC 8445 section 2.5): answer the peer's connectivity checks, and believe its nominations."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

CONSENT_S = 30.0


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """What a check did."""

    response: bytes
    error: int | None = None
    """The STUN error code of `response`, or None. With 400 and 401 nothing was proved: nothing else is set."""
    selection_changed: bool = False
    consent_restored: bool = False
    forgotten: Hashable | None = None
    """An address that had to make room."""


class IceLite:
    """One transport's ICE state."""

    selected: Hashable | None
    """Where DTLS and media go: the address nominated last, or the first valid one while nothing is nominated."""
    consent_expires_at: float | None
    """None before the first valid check."""

    def __init__(self, ufrag: str, pwd: str) -> None:
        self.ufrag = ufrag
        self.pwd = pwd

    @classmethod
    def generate(cls) -> IceLite:
        """Unguessable credentials."""
        raise NotImplementedError
