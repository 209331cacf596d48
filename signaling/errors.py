"""What a caller may be told when a verb is refused. The codes are those of docs/API.md and keep their meaning."""

from __future__ import annotations

from typing import Any, Final, Literal

ErrorCode = Literal[
    "invalid_json",
    "invalid_sdp",
    "unknown_type",
    "token_missing",
    "token_invalid",
    "token_expired",
    "issuer_unavailable",
    "forbidden",
    "kicked",
    "banned",
    "session_locked",
    "guests_not_allowed",
    "not_found",
    "session_not_found",
    "participant_not_found",
    "request_not_found",
    "ban_not_found",
    "message_not_found",
    "chat_disabled",
    "silenced",
    "slow_mode",
    "gifts_disabled",
    "gift_not_found",
    "payment_refused",
    "payment_unavailable",
    "unknown_reaction",
    "method_not_allowed",
    "already_live",
    "already_on_stage",
    "request_pending",
    "invitation_pending",
    "request_answered",
    "not_a_guest",
    "wrong_role",
    "stage_full",
    "session_full",
    "locked_by_host",
    "not_joined",
    "stale_answer",
    "unknown_connection",
    "unknown_producer",
    "session_ended",
    "body_too_large",
    "invalid_request",
    "request_too_soon",
    "rate_limited",
    "internal_error",
    "database_unavailable",
    "media_unavailable",
]

MESSAGES: Final[dict[ErrorCode, str]] = {
    "invalid_json": "The body is not a JSON object.",
    "invalid_sdp": "The session description can't be used.",
    "unknown_type": "The server does not know this type of message.",
    "token_missing": "A token is needed.",
    "token_invalid": "The token is not valid here.",
    "token_expired": "The token has expired.",
    "issuer_unavailable": "The service that issues the tokens can't be reached now; try again.",
    "forbidden": "Your role does not allow this.",
    "kicked": "You were removed from this session and can't come back.",
    "banned": "The host of this session does not let you in.",
    "session_locked": "This session is locked: nobody new comes in now.",
    "guests_not_allowed": "This session takes no guests.",
    "not_found": "There is nothing at this address.",
    "session_not_found": "There is no such session.",
    "participant_not_found": "There is no such participant in this session.",
    "request_not_found": "There is no such request in this session.",
    "ban_not_found": "This user is not banned.",
    "message_not_found": "There is no such message in this session.",
    "chat_disabled": "The chat is switched off.",
    "silenced": "You may not write in this chat.",
    "slow_mode": "You wrote a moment ago; wait a little.",
    "gifts_disabled": "This session takes no gifts.",
    "gift_not_found": "There is no such gift.",
    "payment_refused": "The gift could not be paid for.",
    "payment_unavailable": "Whether the gift is paid for can't be told now; try again with the same key.",
    "unknown_reaction": "There is no such reaction here.",
    "method_not_allowed": "This address does not take that method.",
    "already_live": "You are live already.",
    "already_on_stage": "You are on stage already.",
    "request_pending": "There is a request to come up already; the host has not answered it yet.",
    "invitation_pending": "There is an invitation to come up already; it has not been answered yet.",
    "request_answered": "This request is no longer open.",
    "not_a_guest": "This participant is not a guest.",
    "wrong_role": "This can't be done with a participant of that role.",
    "stage_full": "The stage is full.",
    "session_full": "The session is full.",
    "locked_by_host": "The host has muted you.",
    "not_joined": "You are not in this session.",
    "stale_answer": "This answers an offer that is no longer open.",
    "unknown_connection": "There is no such connection.",
    "unknown_producer": "There is no such source.",
    "session_ended": "The session has ended.",
    "body_too_large": "The body is too large.",
    "invalid_request": "A member is missing, unknown or out of range.",
    "request_too_soon": "The host has just turned you down; wait a little before you ask again.",
    "rate_limited": "Too much at once; wait a little.",
    "internal_error": "Something went wrong on the server.",
    "database_unavailable": "The database can't be reached now; try again.",
    "media_unavailable": "The media server can't take this now; try again.",
}


RETRY_AFTER_S: Final[dict[ErrorCode, float]] = {
    "request_too_soon": 60.0,
    "rate_limited": 1.0,
    "slow_mode": 1.0,
    "issuer_unavailable": 5.0,
    "database_unavailable": 1.0,
    "media_unavailable": 1.0,
    "payment_unavailable": 2.0,
}
"""Of the errors that pass by themselves: when to try again, where the one who raises them knows no better."""


class LiveError(Exception):
    """A refused verb. `code` is for programs, `message` for people, `details` (JSON values) for what more is to say.

    `retry_after_s` (seconds, above 0) says when the same may work, for what passes by itself; None for what does not.
    Everything in it may be shown to the caller.
    """

    def __init__(
        self,
        code: ErrorCode,
        message: str | None = None,
        details: Any = None,
        *,
        retry_after_s: float | None = None,
    ) -> None:
        self.code: ErrorCode = code
        self.message = message or MESSAGES[code]
        self.details = details
        self.retry_after_s = RETRY_AFTER_S.get(code) if retry_after_s is None else retry_after_s
        super().__init__(f"{code}: {self.message}")
