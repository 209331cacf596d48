"""What a session was, while it is live and when it is over."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from control_api.http.route_table import AnyRoute, Call, Route
from control_api.http.routes_bodies import Answer, Query
from signaling.model import SessionStatistics, TimelineEvent


class TimelineQuery(Query):
    after: int = Field(default=0, ge=0, le=2**63 - 1, description="Only events with a greater `id`.")
    limit: int = Field(default=100, ge=1, le=1000)


class StatisticsAnswer(Answer):
    stats: SessionStatistics


class TimelineAnswer(Answer):
    events: list[TimelineEvent]
    """In the order in which they happened."""
    next_after: int
    """The `after` of the next page."""
    more: bool
    """Whether the next page has something now."""


async def session_statistics(call: Call[None, None]) -> StatisticsAnswer:
    return StatisticsAnswer(stats=await call.service.session_statistics(call.caller, call.path("id")))


async def timeline(call: Call[None, TimelineQuery]) -> TimelineAnswer:
    page = await call.service.timeline(call.caller, call.path("id"), call.query.after, call.query.limit)
    return TimelineAnswer(events=page.events, next_after=page.next_after, more=page.more)


ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        "GET",
        "/live/sessions/{id}/stats",
        session_statistics,
        "Show a session's statistics",
        description="Until now, or of the whole session. For those who are or were in it and were not removed.",
        answer=StatisticsAnswer,
        errors=("session_not_found", "forbidden", "database_unavailable"),
    ),
    Route(
        "GET",
        "/live/sessions/{id}/timeline",
        timeline,
        "List what happened in a session, in order",
        description="Enough to replay it. For the host, and for cohosts while they are in the session.",
        query=TimelineQuery,
        answer=TimelineAnswer,
        errors=("session_not_found", "forbidden", "database_unavailable"),
    ),
)
