"""What is sent to webhooks, and how it is signed (docs/OPERATIONS.md, Webhooks)."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from pydantic_core import from_json, to_json

SIGNATURE_HEADER: Final = "Greenroom-Signature"
EVENT_ID_HEADER: Final = "Greenroom-Event-Id"

EVENT_TYPES: Final = (
    *("session_started", "session_ended", "settings_changed"),
    *("participant_joined", "participant_left", "participant_kicked", "role_changed"),
    *("guest_requested", "guest_invited", "guest_request_answered"),
    *("audio_muted", "audio_unmuted", "video_muted", "video_unmuted", "chat_silenced", "chat_unsilenced"),
    *("banned", "unbanned", "gift_sent", "message_sent", "message_deleted", "reactions"),
)
"""All that schema.sql records."""


_INTERNAL_NAMES: Final = (".internal", ".local")


def receiver_url(value: str) -> str:
    """An address that events may be sent to. Raises `ValueError`, which does not quote it.

    Events name users, so they travel encrypted, or do not leave the operator's own network: http is for addresses of
    this machine and of private networks, and for names that exist in such a network only (`backend`, `x.internal`).
    """
    try:
        parts = urlsplit(value)
        host, sound = parts.hostname or "", parts.port != 0 and value.isprintable() and " " not in value
    except ValueError:
        host, sound = "", False
    if not sound or not host or not (parts.scheme == "https" or (parts.scheme == "http" and _is_internal(host))):
        raise ValueError("a webhook's address begins with https:// (or http:// and an address of your own network)")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise ValueError("a webhook's address has no user, password and fragment")
    return value


def _is_internal(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith(_INTERNAL_NAMES)


def event_type(value: str) -> str:
    """Raises `ValueError` for what is no event."""
    if value not in EVENT_TYPES:
        raise ValueError(f"{value!r} is not an event; there are {', '.join(EVENT_TYPES)}")
    return value


@dataclass(frozen=True)
class Delivery:
    """An event on its way to one address, claimed by this process for a while."""

    id: int
    """In the outbox."""
    attempts: int
    """This one among them."""
    event_id: int
    type: str
    session_id: str
    at: datetime
    actor_user_id: str | None
    target_user_id: str | None
    data: str
    """JSON."""

    def body(self) -> bytes:
        return to_json(
            {
                "id": self.event_id,
                "type": self.type,
                "session_id": self.session_id,
                "at": self.at,
                "actor_user_id": self.actor_user_id,
                "target_user_id": self.target_user_id,
                "data": from_json(self.data),
            }
        )


def headers_of(delivery: Delivery, body: bytes, secret: bytes, at: float) -> Mapping[str, str]:
    """`at`: Unix time, seconds."""
    return {
        "Content-Type": "application/json",
        SIGNATURE_HEADER: signature(secret, body, at),
        EVENT_ID_HEADER: str(delivery.event_id),
    }


def signature(secret: bytes, body: bytes, at: float) -> str:
    """The value of `Greenroom-Signature`: HMAC-SHA256 of the time and the body, so that neither can be replaced."""
    timestamp = str(int(at))
    return f"t={timestamp},v1={hmac.digest(secret, timestamp.encode() + b'.' + body, 'sha256').hex()}"
