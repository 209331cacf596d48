"""Reactions: hearts, claps and the like, counted."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field, StringConstraints

from control_api.http.route_table import AnyRoute, Call, Route
from control_api.http.routes_bodies import Answer, SessionBody
from signaling.protocol import ReactionCount


class ReactBody(SessionBody):
    type: Annotated[str, StringConstraints(min_length=1, max_length=32), Field(examples=["heart"])]
    count: ReactionCount = 1


class ReactedAnswer(Answer):
    type: str
    count: int


class ReactionsAnswer(Answer):
    totals: dict[str, int]
    """How often, by type."""


async def react(call: Call[ReactBody, None]) -> ReactedAnswer:
    body = call.body
    await call.service.react(call.caller, body.session_id, body.type, body.count)
    return ReactedAnswer(type=body.type, count=body.count)


async def reaction_totals(call: Call[None, None]) -> ReactionsAnswer:
    return ReactionsAnswer(totals=await call.service.reaction_totals(call.caller, call.path("id")))


ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        "POST",
        "/live/react",
        react,
        "React to what happens",
        description="For participants. Which types there are is configured; `details.types` of `unknown_reaction` and "
        "the totals name them.",
        body=ReactBody,
        rate="react",
        answer=ReactedAnswer,
        errors=(
            *("session_not_found", "session_ended", "not_joined", "kicked", "banned", "forbidden"),
            *("unknown_reaction", "database_unavailable"),
        ),
    ),
    Route(
        "GET",
        "/live/sessions/{id}/reactions",
        reaction_totals,
        "Count the reactions of a session",
        description="For those who are or were in the session and were not removed.",
        answer=ReactionsAnswer,
        errors=("session_not_found", "forbidden", "database_unavailable"),
    ),
)
