"""Going live, coming in, and what there is to see."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import ConfigDict, Field

from control_api.http.route_table import AnyRoute, Call, Route
from control_api.http.routes_bodies import Answer, Query, SessionAnswer, SessionBody
from signaling.listing import MAX_CURSOR, ActiveOrder
from signaling.messages import IceServer, ParticipantView
from signaling.model import Description, SearchText, SessionRecord, SessionSettings, SessionStatistics, SessionType
from signaling.model import Title as SessionTitle


class StartBody(SessionSettings):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    title: SessionTitle = Field(examples=["Friday night"])
    description: Description = ""
    session_type: SessionType = "camera"

    def settings(self) -> SessionSettings:
        return SessionSettings(**self.model_dump(include=set(SessionSettings.model_fields)))


class ActiveQuery(Query):
    q: SearchText = Field(default="", description="Something in the title or the host's name, in any case.")
    order: ActiveOrder = Field(default="started", description="Newest first, or most viewers first.")
    cursor: str | None = Field(default=None, max_length=MAX_CURSOR, description="The `next_cursor` of the page before.")
    limit: int = Field(default=50, ge=1, le=100)


class JoinedAnswer(Answer):
    session: SessionRecord
    participant: ParticipantView
    ice_servers: tuple[IceServer, ...]
    """For `RTCPeerConnection`, as in `welcome`."""
    ws_path: str
    """Of the WebSocket, on the same host."""


class LeftAnswer(Answer):
    status: Literal["left"] = "left"


class EndedAnswer(SessionAnswer):
    stats: SessionStatistics


class SessionsAnswer(Answer):
    sessions: list[SessionRecord]
    next_cursor: str | None
    """For the next page; null: there is none."""


class ParticipantsAnswer(Answer):
    participants: list[ParticipantView]


async def start(call: Call[StartBody, None]) -> JoinedAnswer:
    body = call.body
    return _joined(
        call,
        *await call.service.start(call.caller, body.title, body.description, body.session_type, body.settings()),
    )


async def join(call: Call[SessionBody, None]) -> JoinedAnswer:
    return _joined(call, *await call.service.join(call.caller, call.body.session_id))


async def leave(call: Call[SessionBody, None]) -> LeftAnswer:
    await call.service.leave(call.caller, call.body.session_id)
    return LeftAnswer()


async def end(call: Call[SessionBody, None]) -> EndedAnswer:
    session, statistics = await call.service.end(call.caller, call.body.session_id)
    return EndedAnswer(session=session, stats=statistics)


async def active(call: Call[None, ActiveQuery]) -> SessionsAnswer:
    query = call.query
    page = await call.service.list_active(call.caller, query.q, query.order, query.cursor, query.limit)
    return SessionsAnswer(sessions=page.sessions, next_cursor=page.next_cursor)


async def session(call: Call[None, None]) -> SessionAnswer:
    return SessionAnswer(session=await call.service.get_session(call.caller, call.path("id")))


async def participants(call: Call[None, None]) -> ParticipantsAnswer:
    return ParticipantsAnswer(participants=await call.service.participants(call.caller, call.path("id")))


def _joined(call: Call[Any, None], session: SessionRecord, participant: ParticipantView) -> JoinedAnswer:
    return JoinedAnswer(
        session=session,
        participant=participant,
        ice_servers=call.service.config.ice_servers(participant.id),
        ws_path=f"/ws/live/{session.id}",
    )


ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        "POST",
        "/live/start",
        start,
        "Go live",
        description="The caller becomes the session's host; a user hosts one live session at a time.",
        body=StartBody,
        rate="start",
        answer=JoinedAnswer,
        status=201,
        errors=("already_live", "database_unavailable"),
    ),
    Route(
        "POST",
        "/live/join",
        join,
        "Come in as a viewer",
        description="Who is in already stays what they are.",
        body=SessionBody,
        rate="join",
        answer=JoinedAnswer,
        errors=(
            "session_not_found",
            "session_ended",
            "kicked",
            "banned",
            "session_locked",
            "session_full",
            "database_unavailable",
        ),
    ),
    Route(
        "POST",
        "/live/leave",
        leave,
        "Leave a session",
        description="Not for the host, who ends it instead.",
        body=SessionBody,
        rate="join",
        answer=LeftAnswer,
        errors=("session_not_found", "session_ended", "not_joined", "forbidden", "database_unavailable"),
    ),
    Route(
        "POST",
        "/live/end",
        end,
        "End a session for everybody",
        description="For its host.",
        body=SessionBody,
        answer=EndedAnswer,
        errors=("session_not_found", "session_ended", "not_joined", "forbidden", "database_unavailable"),
    ),
    Route(
        "GET",
        "/live/active",
        active,
        "List the live sessions",
        description="Counts change while one turns the pages: by viewers, a session may come twice or not at all.",
        query=ActiveQuery,
        answer=SessionsAnswer,
        etag=True,
        errors=("database_unavailable",),
    ),
    Route(
        "GET",
        "/live/sessions/{id}",
        session,
        "Show a session, live or ended",
        answer=SessionAnswer,
        errors=("session_not_found", "database_unavailable"),
    ),
    Route(
        "GET",
        "/live/sessions/{id}/participants",
        participants,
        "List who is in a session",
        description="For its participants. Viewers are listed for host and cohosts only.",
        answer=ParticipantsAnswer,
        errors=("session_not_found", "session_ended", "not_joined", "database_unavailable"),
    ),
)
