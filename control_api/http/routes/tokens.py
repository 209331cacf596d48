"""Tokens that the server itself gives out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from pydantic import Field, StringConstraints

from control_api.http.proxy import is_local
from control_api.http.route_table import AUTHENTICATOR, AnyRoute, Call, Route
from control_api.http.routes_bodies import Answer, Body, SessionBody
from signaling.errors import LiveError

# What `clean_name` and `is_user_id` make of texts, for those who read the schema.
_CONTROLS = r"\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069"
_VISIBLE = rf"[^\s{_CONTROLS}]"

Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=80),
    Field(examples=["Ana"], json_schema_extra={"pattern": _VISIBLE}),
]
UserId = Annotated[
    str,
    StringConstraints(min_length=1, max_length=150),
    Field(json_schema_extra={"pattern": f"^[^{_CONTROLS}]*{_VISIBLE}[^{_CONTROLS}]*$"}),
]


class DevTokenBody(Body):
    name: Name


class JoinTokenBody(SessionBody):
    user_id: UserId | None = None
    """The caller's own, or what the host calls somebody without an account."""
    name: Name | None = None
    """Of somebody without an account."""


class TokenAnswer(Answer):
    token: str
    user_id: str
    name: str


class JoinTokenAnswer(Answer):
    token: str
    session_id: str
    user_id: str
    name: str
    expires_at: datetime
    ws_path: str
    """Of the WebSocket, on the same host."""


async def join_token(call: Call[JoinTokenBody, None]) -> JoinTokenAnswer:
    authenticator, body = call.request.app[AUTHENTICATOR], call.body
    bearer = await call.service.join_grant(call.caller, body.session_id, body.user_id, body.name)
    try:
        token, expires_at = authenticator.issue_join_token(bearer)
    except ValueError:
        details = [{"field": "user_id", "problem": "printable characters are needed"}]
        raise LiveError("invalid_request", details=details) from None
    known = await authenticator.verify(token)
    return JoinTokenAnswer(
        token=token,
        session_id=body.session_id,
        user_id=known.user_id,
        name=known.name,
        expires_at=expires_at,
        ws_path=f"/ws/live/{body.session_id}",
    )


async def dev_token(call: Call[DevTokenBody, None]) -> TokenAnswer:
    authenticator = call.request.app[AUTHENTICATOR]
    if not is_local(call.request):
        raise LiveError("forbidden", "Tokens for trying out are for pages of this machine.")
    try:
        token = authenticator.issue(call.body.name)
    except ValueError:
        details = [{"field": "name", "problem": "a name of printable characters is needed"}]
        raise LiveError("invalid_request", details=details) from None
    identity = await authenticator.verify(token)
    return TokenAnswer(token=token, user_id=identity.user_id, name=identity.name)


ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        "POST",
        "/live/join-token",
        join_token,
        "Make a token that opens one session for a few minutes",
        description="For the caller, without `user_id` and `name`; by host and cohosts also for people without an "
        "account, who come in as viewers: with a `name`, or a `user_id` of the host's choice, or both.",
        body=JoinTokenBody,
        rate="token",
        answer=JoinTokenAnswer,
        status=201,
        errors=("session_not_found", "not_joined", "wrong_role", "database_unavailable"),
    ),
)
DEV_ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        "POST",
        "/auth/dev-token",
        dev_token,
        "Get a token for trying the server out",
        description="Only where no secret is configured, and only under a name or address of this machine.",
        body=DevTokenBody,
        rate="token",
        answer=TokenAnswer,
        token=False,
        errors=("forbidden",),
    ),
)
