"""Bodies and answers of the REST API (docs/API.md)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from sfu.worker.messages import WorkerStats
from signaling.messages import ParticipantView
from signaling.model import Description, GuestRequestRecord, RequestMessage, SessionRecord, SessionSettings, SessionType
from signaling.model import Title as SessionTitle
from signaling.permissions import ManageAction

Id = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class Body(BaseModel):
    """Base of all bodies: unknown members are refused, and nothing is converted (`"1"` is no number)."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class StartBody(SessionSettings):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    title: SessionTitle
    description: Description = ""
    session_type: SessionType = "camera"

    def settings(self) -> SessionSettings:
        return SessionSettings(**self.model_dump(include=set(SessionSettings.model_fields)))


class SessionBody(Body):
    session_id: Id


class RequestGuestBody(SessionBody):
    message: RequestMessage = ""


class RespondBody(SessionBody):
    request_id: Id
    approve: bool


class ManageBody(SessionBody):
    participant_id: Id
    action: ManageAction


class DevTokenBody(Body):
    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]


class ActiveQuery(BaseModel):
    """Query parameters are text, and so are converted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    limit: int = Field(default=50, ge=1, le=100)
    offset: int = Field(default=0, ge=0, le=1_000_000)


class JoinedAnswer(BaseModel):
    session: SessionRecord
    participant: ParticipantView
    ws_path: str
    """Of the WebSocket, on the same host."""


class LeftAnswer(BaseModel):
    status: Literal["left"] = "left"


class SessionAnswer(BaseModel):
    session: SessionRecord


class SessionsAnswer(BaseModel):
    sessions: list[SessionRecord]


class ParticipantAnswer(BaseModel):
    participant: ParticipantView


class ParticipantsAnswer(BaseModel):
    participants: list[ParticipantView]


class GuestRequestAnswer(BaseModel):
    request: GuestRequestRecord


class GuestRequestsAnswer(BaseModel):
    guest_requests: list[GuestRequestRecord]


class TokenAnswer(BaseModel):
    token: str
    user_id: str
    name: str


class HealthReport(BaseModel):
    status: Literal["ok", "unavailable"]
    """`ok` while the database answers and at least one worker does."""
    database: Literal["ok", "unavailable"]
    workers: list[WorkerStats]
    """Of those that answer."""
