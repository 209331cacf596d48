"""The REST API: from a request to the verb of the room service, and back. Documented in docs/API.md."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from signaling.errors import LiveError
from signaling.messages import ParticipantView
from signaling.model import SessionRecord
from signaling.ports import Identity
from signaling.protocol import invalid_fields
from signaling.service import RoomService

from . import routes_bodies as bodies
from .auth import Authenticator
from .settings import is_loopback

MAX_BODY_BYTES: Final = 64 * 1024
BODY_TIMEOUT_S: Final = 15.0
"""How long a caller may take to send a body."""

Model = TypeVar("Model", bound=BaseModel)


class Health(Protocol):
    """Asked by `GET /healthz`."""

    async def check(self) -> bodies.HealthReport: ...


SERVICE: Final = web.AppKey("service", RoomService)
AUTHENTICATOR: Final = web.AppKey("authenticator", Authenticator)
HEALTH: Final[web.AppKey[Health]] = web.AppKey("health")


async def start(request: web.Request) -> web.Response:
    identity = _caller(request)
    body = await _body(request, bodies.StartBody)
    session, participant = await request.app[SERVICE].start(
        identity, body.title, body.description, body.session_type, body.settings()
    )
    return _answer(_joined(session, participant), status=201)


async def join(request: web.Request) -> web.Response:
    identity = _caller(request)
    body = await _body(request, bodies.SessionBody)
    session, participant = await request.app[SERVICE].join(identity, body.session_id)
    return _answer(_joined(session, participant))


async def leave(request: web.Request) -> web.Response:
    identity = _caller(request)
    body = await _body(request, bodies.SessionBody)
    await request.app[SERVICE].leave(identity, body.session_id)
    return _answer(bodies.LeftAnswer())


async def end(request: web.Request) -> web.Response:
    identity = _caller(request)
    body = await _body(request, bodies.SessionBody)
    return _answer(bodies.SessionAnswer(session=await request.app[SERVICE].end(identity, body.session_id)))


async def active(request: web.Request) -> web.Response:
    _caller(request)
    query = _checked(bodies.ActiveQuery, dict(request.query))
    return _answer(bodies.SessionsAnswer(sessions=await request.app[SERVICE].list_active(query.limit, query.offset)))


async def session(request: web.Request) -> web.Response:
    _caller(request)
    return _answer(bodies.SessionAnswer(session=await request.app[SERVICE].get_session(request.match_info["id"])))


async def participants(request: web.Request) -> web.Response:
    identity = _caller(request)
    present = await request.app[SERVICE].participants(identity, request.match_info["id"])
    return _answer(bodies.ParticipantsAnswer(participants=present))


async def request_guest(request: web.Request) -> web.Response:
    identity = _caller(request)
    body = await _body(request, bodies.RequestGuestBody)
    created = await request.app[SERVICE].request_guest(identity, body.session_id, body.message)
    return _answer(bodies.GuestRequestAnswer(request=created), status=201)


async def guest_requests(request: web.Request) -> web.Response:
    identity = _caller(request)
    pending = await request.app[SERVICE].guest_requests(identity, request.match_info["id"])
    return _answer(bodies.GuestRequestsAnswer(guest_requests=pending))


async def respond_guest_request(request: web.Request) -> web.Response:
    identity = _caller(request)
    body = await _body(request, bodies.RespondBody)
    answered = await request.app[SERVICE].respond_guest_request(
        identity, body.session_id, body.request_id, body.approve
    )
    return _answer(bodies.GuestRequestAnswer(request=answered))


async def manage_participant(request: web.Request) -> web.Response:
    identity = _caller(request)
    body = await _body(request, bodies.ManageBody)
    participant = await request.app[SERVICE].manage_participant(
        identity, body.session_id, body.participant_id, body.action
    )
    return _answer(bodies.ParticipantAnswer(participant=participant))


async def dev_token(request: web.Request) -> web.Response:
    # A page of another site can make its own name point here (DNS rebinding) and would then count as ours.
    host = request.url.host
    if host is None or not is_loopback(host):
        raise LiveError("forbidden", "Tokens for trying out are for pages of this machine.")
    body = await _body(request, bodies.DevTokenBody)
    authenticator = request.app[AUTHENTICATOR]
    try:
        token = authenticator.issue(body.name)
    except ValueError:
        details = [{"field": "name", "problem": "a name of printable characters is needed"}]
        raise LiveError("invalid_request", details=details) from None
    identity = authenticator.verify(token)
    return _answer(bodies.TokenAnswer(token=token, user_id=identity.user_id, name=identity.name))


async def healthz(request: web.Request) -> web.Response:
    report = await request.app[HEALTH].check()
    return _answer(report, status=200 if report.status == "ok" else 503)


ROUTES: Final[tuple[tuple[str, str, Callable[[web.Request], Awaitable[web.Response]]], ...]] = (
    ("POST", "/live/start", start),
    ("POST", "/live/join", join),
    ("POST", "/live/leave", leave),
    ("POST", "/live/end", end),
    ("GET", "/live/active", active),
    ("GET", "/live/sessions/{id}", session),
    ("GET", "/live/sessions/{id}/participants", participants),
    ("POST", "/live/request-guest", request_guest),
    ("GET", "/live/sessions/{id}/guest-requests", guest_requests),
    ("POST", "/live/respond-guest-request", respond_guest_request),
    ("POST", "/live/manage-participant", manage_participant),
    ("GET", "/healthz", healthz),
)
DEV_TOKEN_ROUTE: Final = ("POST", "/auth/dev-token", dev_token)


def _caller(request: web.Request) -> Identity:
    """Who calls. Raises `AuthError`."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return request.app[AUTHENTICATOR].verify(token.strip() if scheme.lower() == "bearer" else None)


async def _body(request: web.Request, model: type[Model]) -> Model:
    """The body. Raises `LiveError`: `invalid_json`, `invalid_request`; and aiohttp's 413."""
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            raw = await request.read()
    except TimeoutError:
        raise LiveError("invalid_request", "The body took too long.") from None
    try:
        value = from_json(raw, allow_inf_nan=False)
    except ValueError:
        raise LiveError("invalid_json") from None
    if not isinstance(value, dict):
        raise LiveError("invalid_json")
    return _checked(model, value)


def _checked(model: type[Model], value: dict[str, Any]) -> Model:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise LiveError("invalid_request", details=invalid_fields(error)) from None


def _joined(session: SessionRecord, participant: ParticipantView) -> bodies.JoinedAnswer:
    return bodies.JoinedAnswer(session=session, participant=participant, ws_path=f"/ws/live/{session.id}")


def _answer(content: BaseModel, status: int = 200) -> web.Response:
    return web.Response(status=status, body=content.model_dump_json().encode(), content_type="application/json")
