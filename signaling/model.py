"""The values of a live session, as the store keeps them and the API shows them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

MAX_GUESTS = 20
"""Guests (cohosts among them) who can be on stage beside the host."""

DEFAULT_REACTIONS: Final = ("heart", "fire", "clap", "laugh", "wow", "sad")
"""Types of reactions, where nothing else is configured."""

SessionType = Literal["camera", "screen", "audio"]
Source = Literal["camera", "microphone", "screen", "screen_audio"]
RequestStatus = Literal["pending", "approved", "rejected", "cancelled", "expired"]
RequestKind = Literal["request", "invitation"]
"""Who asked: the viewer, or a host or cohost."""
ParticipantStatus = Literal["joined", "left", "kicked"]
_STORABLE = r"^[^\x00]*$"
"""NUL is the one character that PostgreSQL's text can't hold."""
_STORABLE_WORDS = r"^[^\x00]*[^\s\x00][^\x00]*$"
Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=_STORABLE_WORDS)]
Description = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000, pattern=_STORABLE)]
SearchText = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200, pattern=_STORABLE)]
BanReason = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500, pattern=_STORABLE)]
UserId = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=_STORABLE)]
RequestMessage = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500, pattern=_STORABLE)]


class Role(StrEnum):
    HOST = "host"
    COHOST = "cohost"
    GUEST = "guest"
    VIEWER = "viewer"


class SessionSettings(BaseModel):
    """What a host decides about a session. The same names in `POST /live/start`, the database and `welcome`."""

    model_config = ConfigDict(use_attribute_docstrings=True, frozen=True, extra="forbid")

    max_participants: int = Field(default=1000, ge=1, le=100_000)
    allow_guests: bool = True
    require_approval: bool = True
    max_guests: int = Field(default=MAX_GUESTS, ge=1, le=MAX_GUESTS)
    enable_chat: bool = True
    enable_gifts: bool = False
    guest_audio_default: bool = True
    """Whether a guest comes on stage with the microphone on."""
    guest_video_default: bool = True
    slow_mode_s: int = Field(default=0, ge=0, le=3600)
    """Seconds between two chat messages of one viewer or guest; 0: no limit."""
    locked: bool = False
    """Nobody new comes in; who was in before may come back."""


def _without_defaults(schema: dict[str, Any]) -> None:
    for member in schema["properties"].values():
        member.pop("default", None)


class SettingsChange(SessionSettings):
    """Some of the settings: those that were given."""

    model_config = ConfigDict(use_attribute_docstrings=True, strict=True, json_schema_extra=_without_defaults)

    def applied_to(self, settings: SessionSettings) -> SessionSettings:
        return settings.model_copy(update=self.model_dump(exclude_unset=True))


class SessionRecord(BaseModel):
    """Takes what a database has, also a title that the API would not: one row must not be in the way of a list."""

    model_config = ConfigDict(use_attribute_docstrings=True, frozen=True)

    id: str
    """UUID."""
    host_user_id: str
    host_name: str
    title: str
    description: str = ""
    session_type: SessionType = "camera"
    status: Literal["live", "ended"] = "live"
    started_at: datetime
    ended_at: datetime | None = None
    end_reason: str | None = None
    settings: SessionSettings = SessionSettings()
    viewer_count: int = 0
    """Kept by triggers: joined participants with the role viewer."""
    guest_count: int = 0
    """Kept by triggers: joined participants with the role guest or cohost."""


class ParticipantRecord(BaseModel):
    """One row per user and session; leaving and coming back changes it."""

    model_config = ConfigDict(use_attribute_docstrings=True, frozen=True)

    id: str
    """UUID."""
    session_id: str
    user_id: str
    name: str
    role: Role
    status: ParticipantStatus = "joined"
    audio_locked: bool = False
    """Muted by the host; survives a restart."""
    video_locked: bool = False
    chat_silenced: bool = False
    """May not write in the chat; survives leaving and a restart."""
    joined_at: datetime
    left_at: datetime | None = None


class GuestRequestRecord(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True, frozen=True)

    id: str
    """UUID."""
    session_id: str
    participant_id: str
    user_id: str
    name: str
    message: RequestMessage = ""
    status: RequestStatus = "pending"
    created_at: datetime
    answered_at: datetime | None = None
    answered_by: str | None = None
    """User id of who answered; None where no approval was needed."""
    kind: RequestKind = "request"
    invited_by: str | None = None
    """User id of the host or cohost who asked a viewer up."""


class BanRecord(BaseModel):
    """A user who may come into no session of a host."""

    model_config = ConfigDict(use_attribute_docstrings=True, frozen=True)

    host_user_id: str
    user_id: str
    session_id: str
    """Where it was decided."""
    name: str
    reason: BanReason = ""
    banned_by: str
    created_at: datetime


class SessionStatistics(BaseModel):
    """What a session was, or is until now. The database computes it."""

    model_config = ConfigDict(use_attribute_docstrings=True, frozen=True)

    duration_s: float
    peak_viewers: int
    """Most viewers at once."""
    total_viewers: int
    """Visits as a viewer: who came twice counts twice."""
    unique_viewers: int
    """Users who were a viewer at some time; who came on stage later is among them."""
    guests: int
    """Users who came on stage."""
    participation_rate: float
    """Share (0-1) of the unique viewers who wrote, reacted, gave, or asked to come on stage."""
    messages: int
    """Written by people."""
    reactions: dict[str, int]
    """By type."""
    gifts: int
    """Paid ones, by quantity."""
    gift_value: int
    average_watch_time_s: float
    """Mean over the unique viewers of how long each was there."""


class TimelineEvent(BaseModel):
    """Something that happened in a session."""

    model_config = ConfigDict(use_attribute_docstrings=True, frozen=True)

    id: int
    """Grows with time within a session."""
    at: datetime
    type: str
    actor_user_id: str | None
    """Who did it; null: the server."""
    target_user_id: str | None
    """Whom it concerns."""
    data: dict[str, Any]
    """By type: docs/API.md."""
