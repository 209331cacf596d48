"""ICE-lite (RFC 8445 section 2.5): answer the peer's connectivity checks, and believe its nominations.

A lite agent sends no checks of its own. It is always controlled, and a peer's authenticated checks are what shows that
the peer still wants to receive (in place of the checks that RFC 7675 has a full agent send).
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from . import stun

CONSENT_S: Final = 30.0
"""Lifetime of consent after a valid check (RFC 7675 section 5.1)."""

MAX_ADDRESSES: Final = 8
"""Addresses remembered for one transport. A browser with a LAN, a VPN and a TURN server has about six pairs with us."""

Address = TypeVar("Address", bound=Hashable)
"""Any value that names a path to the peer."""

_ICE_CHARS: Final = string.ascii_letters + string.digits + "+/"
_UFRAG_LENGTH: Final = 8
_PWD_LENGTH: Final = 24
"""144 bits; RFC 8445 section 5.3 asks for at least 128."""


def _random_ice_chars(length: int) -> str:
    return "".join(secrets.choice(_ICE_CHARS) for _ in range(length))


@dataclass(frozen=True, slots=True)
class CheckOutcome(Generic[Address]):
    """What a check did."""

    response: bytes
    error: int | None = None
    """The STUN error code of `response`, or None. Where there is one the address was not learned."""
    selection_changed: bool = False
    consent_restored: bool = False
    """The check came after consent had expired."""
    forgotten: Address | None = None
    """An address that had to make room."""


class IceLite(Generic[Address]):
    """One transport's ICE state."""

    selected: Address | None
    """Where DTLS and media go: the address nominated last, or the first valid one while nothing is nominated."""
    consent_expires_at: float | None
    """On the clock of `now`; None before the first valid check."""

    def __init__(self, ufrag: str, pwd: str) -> None:
        """`ufrag` 4-256 and `pwd` 22-256 characters (RFC 8839 section 5.4); `ValueError` otherwise."""
        if not 4 <= len(ufrag) <= 256 or not 22 <= len(pwd) <= 256:
            raise ValueError("ufrag or pwd has a length that RFC 8839 does not allow")
        self.ufrag = ufrag
        self.pwd = pwd
        self.selected = None
        self.consent_expires_at = None
        # Ordered by the last check, the oldest first.
        self._addresses: dict[Address, None] = {}
        self._last: tuple[Address, stun.RepeatedCheck] | None = None

    @classmethod
    def generate(cls) -> IceLite[Address]:
        """With unguessable credentials."""
        return cls(_random_ice_chars(_UFRAG_LENGTH), _random_ice_chars(_PWD_LENGTH))

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Addresses that proved themselves, the most recently checked last."""
        return tuple(self._addresses)

    def handle_check(
        self, request: stun.BindingRequest, address: Address, mapped: tuple[str, int], now: float
    ) -> CheckOutcome[Address]:
        """Answer a check that named our ufrag and came from `address`, which is `mapped` (host, port) as text.

        400: it is not signed. 401: it is signed with another password. 487: the peer says it is controlled; a lite
        agent cannot become controlling, so the peer has to switch (RFC 8445 section 7.3.1.1).
        """
        if not request.signed:
            return CheckOutcome(stun.error_response(request, stun.BAD_REQUEST, None), stun.BAD_REQUEST)
        if not request.verify(self.pwd):
            return CheckOutcome(stun.error_response(request, stun.UNAUTHENTICATED, None), stun.UNAUTHENTICATED)
        if request.controlled:
            return CheckOutcome(stun.error_response(request, stun.ROLE_CONFLICT, self.pwd), stun.ROLE_CONFLICT)
        restored = self.consent_expires_at is not None and now >= self.consent_expires_at
        self.consent_expires_at = now + CONSENT_S
        forgotten = self._learn(address)
        # The old path fell silent for so long that the first one to come back is the better guess.
        selected = address if request.use_candidate or restored or self.selected is None else self.selected
        changed = selected != self.selected
        self.selected = selected
        if address == selected:
            self._last = (address, stun.RepeatedCheck(request, mapped, self.pwd))
        return CheckOutcome(
            stun.success_response(request, mapped, self.pwd),
            selection_changed=changed,
            consent_restored=restored,
            forgotten=forgotten,
        )

    def answer_repeated(self, data: bytes, address: Address, now: float) -> bytes | None:
        """The response to a datagram from the selected address that is its last good check once more, by which consent
        goes on. None for any other: it is to be read, and given to `handle_check`."""
        last, expires_at = self._last, self.consent_expires_at
        if last is None or last[0] != address or self.selected != address or expires_at is None or now >= expires_at:
            return None
        response = last[1].answer(data)
        if response is not None:
            self.consent_expires_at = now + CONSENT_S
            self._learn(address)
        return response

    def forget(self, address: Address) -> bool:
        """The address proved to be another transport's. Returns whether the selection changed (possibly to None)."""
        self._addresses.pop(address, None)
        self._last = None
        if self.selected != address:
            return False
        self.selected = next(reversed(self._addresses), None)
        return True

    def _learn(self, address: Address) -> Address | None:
        forgotten = None
        if address in self._addresses:
            del self._addresses[address]
        elif len(self._addresses) >= MAX_ADDRESSES:
            forgotten = next(known for known in self._addresses if known != self.selected)
            del self._addresses[forgotten]
        self._addresses[address] = None
        return forgotten
