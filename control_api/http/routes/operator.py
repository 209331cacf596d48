"""For the operator of the server, whose tokens `greenroom sessions` makes; tokens of accounts open nothing here."""

from __future__ import annotations

from typing import Final

from control_api.http.route_table import AnyRoute, Call, Route
from control_api.http.routes_bodies import Answer, SessionAnswer, SessionBody
from signaling.model import SessionRecord


class OperatorSessionsAnswer(Answer):
    sessions: list[SessionRecord]
    """The oldest first."""


async def operator_sessions(call: Call[None, None]) -> OperatorSessionsAnswer:
    return OperatorSessionsAnswer(sessions=call.service.operator_sessions())


async def operator_end_session(call: Call[SessionBody, None]) -> SessionAnswer:
    return SessionAnswer(session=await call.service.operator_end(call.body.session_id))


ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        "GET",
        "/operator/sessions",
        operator_sessions,
        "List all live sessions",
        answer=OperatorSessionsAnswer,
        operator=True,
    ),
    Route(
        "POST",
        "/operator/end-session",
        operator_end_session,
        "End anybody's session for everybody",
        body=SessionBody,
        answer=SessionAnswer,
        operator=True,
        errors=("session_not_found", "session_ended", "database_unavailable"),
    ),
)
