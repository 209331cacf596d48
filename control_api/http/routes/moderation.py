"""Keeping people out of a host's sessions, and the stage quiet."""

from __future__ import annotations

from typing import Final, Self

from pydantic import model_validator

from control_api.http.route_table import AnyRoute, Call, Route
from control_api.http.routes_bodies import Answer, Id, SessionBody
from signaling.errors import ErrorCode
from signaling.model import BanReason, BanRecord, UserId
from signaling.protocol import require_one_target


class BanBody(SessionBody):
    participant_id: Id | None = None
    user_id: UserId | None = None
    """Of somebody who need not be in the session."""
    reason: BanReason = ""

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        require_one_target(self.participant_id, self.user_id)
        return self


class UnbanBody(SessionBody):
    user_id: UserId


class MuteAllBody(SessionBody):
    except_cohosts: bool = False


class BanAnswer(Answer):
    ban: BanRecord


class BansAnswer(Answer):
    bans: list[BanRecord]


class UnbannedAnswer(Answer):
    user_id: str


class MutedAnswer(Answer):
    muted: int


async def ban(call: Call[BanBody, None]) -> BanAnswer:
    body = call.body
    record = await call.service.ban(
        call.caller, body.session_id, participant_id=body.participant_id, user_id=body.user_id, reason=body.reason
    )
    return BanAnswer(ban=record)


async def unban(call: Call[UnbanBody, None]) -> UnbannedAnswer:
    await call.service.unban(call.caller, call.body.session_id, call.body.user_id)
    return UnbannedAnswer(user_id=call.body.user_id)


async def bans(call: Call[None, None]) -> BansAnswer:
    return BansAnswer(bans=await call.service.bans(call.caller, call.path("id")))


async def mute_all(call: Call[MuteAllBody, None]) -> MutedAnswer:
    return MutedAnswer(muted=await call.service.mute_all(call.caller, call.body.session_id, call.body.except_cohosts))


_OF_MODERATORS: Final[tuple[ErrorCode, ...]] = (
    *("session_not_found", "session_ended", "not_joined", "forbidden", "database_unavailable"),
)

ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        "POST",
        "/live/ban",
        ban,
        "Keep a user out of all sessions of this host",
        description="For the host; for cohosts guests and viewers. By `participant_id` or by `user_id`.",
        body=BanBody,
        answer=BanAnswer,
        errors=(*_OF_MODERATORS, "participant_not_found"),
    ),
    Route(
        "POST",
        "/live/unban",
        unban,
        "Let a user in again",
        description="For the host; for cohosts, where the ban was made in this session. A kick is lifted with it.",
        body=UnbanBody,
        answer=UnbannedAnswer,
        errors=(*_OF_MODERATORS, "ban_not_found"),
    ),
    Route(
        "GET",
        "/live/sessions/{id}/bans",
        bans,
        "List whom the host does not let in",
        description="Newest first. Cohosts see the bans of this session.",
        answer=BansAnswer,
        errors=_OF_MODERATORS,
    ),
    Route(
        "POST",
        "/live/mute-all",
        mute_all,
        "Mute the microphones of everybody on stage",
        description="For host and cohosts; the host is never muted so, and cohosts only by the host.",
        body=MuteAllBody,
        answer=MutedAnswer,
        errors=_OF_MODERATORS,
    ),
)
