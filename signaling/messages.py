"""What the server says on the WebSocket: every message of docs/PROTOCOL.md is built here, and encoded here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from pydantic_core import to_json

from sfu.rtp.parameters import MediaKind
from sfu.worker.messages import TransportStats

from .chat_model import ChatMessage
from .errors import LiveError
from .gift_model import Gift
from .model import GuestRequestRecord, Role, SessionRecord, SessionStatistics, Source
from .protocol import PROTOCOL_VERSION
from .receive import ReceiveOffer

Message = dict[str, Any]


class SourceView(BaseModel):
    """One source of a participant."""

    model_config = ConfigDict(use_attribute_docstrings=True, frozen=True)

    source: Source
    kind: MediaKind
    producer_id: str
    paused: bool
    """Muted by its owner, or locked by a host."""


class ParticipantView(BaseModel):
    """A participant as everybody who may see them sees them."""

    model_config = ConfigDict(use_attribute_docstrings=True, frozen=True)

    id: str
    user_id: str
    name: str
    role: Role
    connected: bool
    joined_at: datetime
    audio_muted: bool
    video_muted: bool
    audio_locked: bool
    video_locked: bool
    chat_silenced: bool = False
    """True only for the participant and those who moderate: it is nobody else's business."""
    sources: tuple[SourceView, ...]


class IceServer(BaseModel):
    """An entry of `RTCConfiguration.iceServers`."""

    model_config = ConfigDict(use_attribute_docstrings=True, frozen=True, extra="forbid")

    urls: tuple[str, ...]
    username: str | None = None
    credential: str | None = None


class Welcome(BaseModel):
    """What a client needs to know first, without the envelope."""

    session: SessionRecord
    you: ParticipantView
    participants: list[ParticipantView]
    guest_requests: list[GuestRequestRecord]
    reactions: dict[str, int]
    """How often until now, by type."""
    messages: list[ChatMessage]
    """The latest."""
    more_messages: bool
    """Whether there are older ones."""
    resumed: bool
    resume_token: str
    grace_s: float
    ice_servers: tuple[IceServer, ...]


def encode(message: Message) -> bytes:
    """A message as the payload of a text frame. Members that are None are sent as null."""
    return to_json(message)


def reply(kind: str, request_id: str, members: Message | None = None) -> Message:
    """The one answer to a request that carried an `id`."""
    return {"type": kind, "id": request_id, **(members or {})}


def error(failure: LiveError, request_id: str | None) -> Message:
    message: Message = {"type": "error", "code": failure.code, "message": failure.message}
    if request_id is not None:
        message["id"] = request_id
    if failure.details is not None:
        message["details"] = failure.details
    if failure.retry_after_s is not None:
        message["retry_after_s"] = round(failure.retry_after_s, 3)
    return message


def welcome(content: Welcome, request_id: str | None) -> Message:
    message: Message = {"type": "welcome", "protocol": PROTOCOL_VERSION, **dict(content)}
    if request_id is not None:
        message["id"] = request_id
    return message


def receive_offer(connection_id: str, offer: ReceiveOffer) -> Message:
    tracks = [
        {
            "mid": track.mid,
            "participant_id": track.participant_id,
            "producer_id": track.producer_id,
            "source": track.source,
            "kind": track.kind,
        }
        for track in offer.tracks
    ]
    return {
        "type": "receive_offer",
        "connection_id": connection_id,
        "offer_id": offer.offer_id,
        "sdp": offer.sdp,
        "tracks": tracks,
    }


def media_reset(reason: str) -> Message:
    return {"type": "media_reset", "reason": reason}


def participant_joined(participant: ParticipantView) -> Message:
    return {"type": "participant_joined", "participant": participant}


def participant_updated(participant: ParticipantView) -> Message:
    return {"type": "participant_updated", "participant": participant}


def participant_left(participant_id: str, reason: str) -> Message:
    return {"type": "participant_left", "participant_id": participant_id, "reason": reason}


def session_updated(session: SessionRecord) -> Message:
    return {"type": "session_updated", "session": session}


def session_ended(reason: str, statistics: SessionStatistics) -> Message:
    return {"type": "session_ended", "reason": reason, "stats": statistics}


def reactions(counts: Mapping[str, int], totals: Mapping[str, int]) -> Message:
    return {"type": "reactions", "counts": counts, "totals": totals}


def gift(given: Gift) -> Message:
    return {"type": "gift", "gift": given}


def guest_request_created(request: GuestRequestRecord) -> Message:
    return {"type": "guest_request_created", "request": request}


def invited(request: GuestRequestRecord) -> Message:
    return {"type": "invited", "request": request}


def guest_request_updated(request: GuestRequestRecord) -> Message:
    return {"type": "guest_request_updated", "request": request}


def chat_message(message: ChatMessage) -> Message:
    return {"type": "message", "message": message}


def message_deleted(message: ChatMessage) -> Message:
    return {
        "type": "message_deleted",
        "message_id": message.id,
        "position": message.position,
        "deleted_by": message.deleted_by,
    }


def roster(participants: Sequence[ParticipantView], requests: Sequence[GuestRequestRecord]) -> Message:
    return {"type": "roster", "participants": list(participants), "guest_requests": list(requests)}


def kicked(reason: Literal["kicked", "banned"]) -> Message:
    return {"type": "kicked", "reason": reason}


def connection_stats(connection: str, stats: TransportStats) -> Message:
    """One of a participant's two connections, for the reply to `get_stats`."""
    return {"connection": connection, **stats.model_dump(exclude={"transport_id", "remote_address"})}
