"""Tokens that the server itself gives out."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, StringConstraints

from control_api.route_table import AUTHENTICATOR, AnyRoute, Call, Route
from control_api.routes_bodies import Body
from control_api.settings import is_loopback
from signaling.errors import LiveError


class DevTokenBody(Body):
    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]


class TokenAnswer(BaseModel):
    token: str
    user_id: str
    name: str


async def dev_token(call: Call[DevTokenBody, None]) -> TokenAnswer:
    authenticator = call.request.app[AUTHENTICATOR]
    # A page of another site can make its own name point here (DNS rebinding) and would then count as ours.
    host = call.request.url.host
    if host is None or not is_loopback(host):
        raise LiveError("forbidden", "Tokens for trying out are for pages of this machine.")
    try:
        token = authenticator.issue(call.body.name)
    except ValueError:
        details = [{"field": "name", "problem": "a name of printable characters is needed"}]
        raise LiveError("invalid_request", details=details) from None
    identity = await authenticator.verify(token)
    return TokenAnswer(token=token, user_id=identity.user_id, name=identity.name)


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
