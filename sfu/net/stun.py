"""A thin shell around aioice's STUN codec (RFC 8489) for the only thing an ICE-lite agent reads: Binding requests."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from aioice import stun

BAD_REQUEST: Final = 400
UNAUTHENTICATED: Final = 401
ROLE_CONFLICT: Final = 487
_REASONS: Final = {BAD_REQUEST: "Bad Request", UNAUTHENTICATED: "Unauthenticated", ROLE_CONFLICT: "Role Conflict"}

_COOKIE: Final = stun.COOKIE.to_bytes(4, "big")

MAX_LENGTH: Final = 1280
"""RFC 8489 section 6.1 keeps STUN below the smallest IPv6 MTU; browsers' checks take about 150 bytes."""


@dataclass(frozen=True, slots=True)
class BindingRequest:
    """A connectivity check. Nothing in it may be believed before `verify`."""

    message: stun.Message
    username: str
    """`<our ufrag>:<their ufrag>` (RFC 8445 section 7.2.2); empty when there was none."""
    signed: bool
    """It carries MESSAGE-INTEGRITY, good or bad."""
    use_candidate: bool
    controlled: bool
    """The sender believes that it is the controlled agent, too. PRIORITY, ICE-CONTROLLING and its tie-breaker are not
    needed by a lite agent, and FFmpeg leaves them out."""

    @property
    def local_ufrag(self) -> str:
        """The part of the username that names the receiver of the check."""
        return self.username.partition(":")[0]

    def verify(self, pwd: str) -> bool:
        """Whether MESSAGE-INTEGRITY was made with our password."""
        return self.message.check_message_integrity(pwd.encode())


def parse_binding_request(data: bytes) -> BindingRequest | None:
    """Read a datagram classified as STUN. None for other sound STUN messages: indications, and responses to nothing.

    `ValueError` for bad bytes and for a FINGERPRINT that does not match. Attributes after MESSAGE-INTEGRITY are
    ignored.
    """
    if len(data) > MAX_LENGTH:
        raise ValueError("STUN message is too long")
    if data[4:8] != _COOKIE:
        raise ValueError("STUN magic cookie is missing")
    try:
        message = stun.parse_message(data)
    except (ValueError, KeyError, IndexError, TypeError, struct.error) as exc:
        raise ValueError(f"malformed STUN message: {exc}") from exc
    if message.message_method != stun.Method.BINDING or message.message_class != stun.Class.REQUEST:
        return None
    attributes = message.attributes
    return BindingRequest(
        message=message,
        username=attributes.get("USERNAME", ""),
        signed="MESSAGE-INTEGRITY" in attributes,
        use_candidate="USE-CANDIDATE" in attributes,
        controlled="ICE-CONTROLLED" in attributes,
    )


def success_response(request: BindingRequest, mapped: tuple[str, int], pwd: str) -> bytes:
    """A signed success response that tells the peer the address it was seen at."""
    message = stun.Message(
        stun.Method.BINDING,
        stun.Class.RESPONSE,
        request.message.transaction_id,
        {"XOR-MAPPED-ADDRESS": mapped},
    )
    message.add_message_integrity(pwd.encode())
    return bytes(message)


def error_response(request: BindingRequest, code: int, pwd: str | None) -> bytes:
    """An error response; signed when `pwd` is given, which RFC 8489 section 9.1.3 forbids for 400 and 401."""
    message = stun.Message(
        stun.Method.BINDING,
        stun.Class.ERROR,
        request.message.transaction_id,
        {"ERROR-CODE": (code, _REASONS[code])},
    )
    if pwd is None:
        message.add_fingerprint()
    else:
        message.add_message_integrity(pwd.encode())
    return bytes(message)
