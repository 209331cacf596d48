"""What a route of the REST API is. The routes themselves are in `routes/`, one file for each topic.

How to add a route:
1. Find the topic's file in `routes/`, or make one and name it in `routes/__init__.py`.
2. Above the handler, write models for what comes in and goes out, on `Body`, `Query` and `Answer` of routes_bodies.py.
   The docstring below a member is what people read of it; `Field(examples=...)` is what /docs tries.
3. Write the handler, `async def verb(call: Call[MyBody, None]) -> MyAnswer`: it calls one verb of `call.service` with
   `call.caller`, `call.body`, `call.query` and `call.path("id")`. Refusals are `LiveError`s of the verb, never caught.
4. Add a `Route` to the file's `ROUTES`: summary, models, and the error codes of the verb. Those that every route of its
   kind can give (token, body, query, `rate_limited`, `internal_error`) are added here, see `Route.error_codes`.
5. New codes: signaling/errors.py, then their status in errors.py. New words in a path: `PATH_PARAMETERS` below.
6. docs/API.md; a test of the route in tests/api. /openapi.json and /docs have it by themselves.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Literal, TypeVar, cast

from aiohttp import web
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from control_api.tokens.auth import Authenticator
from signaling.errors import ErrorCode, LiveError
from signaling.ports import Identity
from signaling.protocol import invalid_fields
from signaling.rates import RateClass
from signaling.room import OTHER_SESSION
from signaling.service import RoomService

from .proxy import client_of
from .rate_limits import RATE_LIMITS

MAX_BODY_BYTES: Final = 64 * 1024
BODY_TIMEOUT_S: Final = 15.0
"""How long a caller may take to send a body."""

PATH_PARAMETERS: Final = {"id": "Id of the session.", "message_id": "Id of a message."}
"""What the words in braces of a path stand for."""

SERVICE: Final = web.AppKey("service", RoomService)
AUTHENTICATOR: Final = web.AppKey("authenticator", Authenticator)

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
BodyT = TypeVar("BodyT")
QueryT = TypeVar("QueryT")
AnswerT = TypeVar("AnswerT")
ModelT = TypeVar("ModelT", bound=BaseModel)

_OF_EVERY_ROUTE: Final[tuple[ErrorCode, ...]] = ("rate_limited", "internal_error")
_OF_TOKENS: Final[tuple[ErrorCode, ...]] = (
    *("token_missing", "token_invalid", "token_expired", "issuer_unavailable"),
    *("forbidden", "kicked", "banned", "session_ended"),  # join tokens
)
_OF_OPERATORS: Final[tuple[ErrorCode, ...]] = ("token_missing", "token_invalid", "token_expired")
_OF_BODIES: Final[tuple[ErrorCode, ...]] = ("invalid_json", "body_too_large", "invalid_request")
_OF_QUERIES: Final[tuple[ErrorCode, ...]] = ("invalid_request",)


@dataclass(frozen=True)
class Call(Generic[BodyT, QueryT]):
    """A request whose caller, body and query were checked."""

    request: web.Request
    """For what the other members don't have. Token, body and query are not read from it again."""
    body: BodyT
    query: QueryT
    known_caller: Identity | None
    """None for routes that want no token, or the operator's; the others use `caller`."""

    @property
    def caller(self) -> Identity:
        if self.known_caller is None:
            raise RuntimeError(f"{self.request.path} asks for the caller, but its route wants no token")
        return self.known_caller

    @property
    def service(self) -> RoomService:
        return self.request.app[SERVICE]

    def path(self, name: str) -> str:
        """The part of the address that stands for `{name}`, decoded."""
        return self.request.match_info[name]


@dataclass(frozen=True)
class Reply(Generic[AnswerT]):
    """An answer whose status or headers depend on the call."""

    content: AnswerT | None
    status: int | None = None
    """None: the route's."""
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Call[BodyT, QueryT]], Awaitable[AnswerT | Reply[AnswerT]]]


@dataclass(frozen=True)
class Route(Generic[BodyT, QueryT, AnswerT]):
    """One method of one path: all that the server, /openapi.json and the tests know of it."""

    method: Method
    path: str
    handler: Handler[BodyT, QueryT, AnswerT]
    summary: str
    """One line for people, without a full stop."""
    answer: type[AnswerT]
    """A model, sent as JSON; `str`, sent as it is under `content_type`; or NoneType: nothing is sent."""
    status: int = 200
    body: type[BodyT] | None = None
    query: type[QueryT] | None = None
    errors: tuple[ErrorCode, ...] = ()
    """Those of the verb; `error_codes` has all."""
    token: bool = True
    operator: bool = False
    """Takes tokens of the server's operator, and no others."""
    rate: RateClass | None = None
    """What it counts as in rate limits; None: `read` for GET, `manage` for the others."""
    description: str = ""
    """More than the summary says, in Markdown."""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers of the answer, and what they say."""
    other_statuses: Mapping[int, str] = field(default_factory=dict)
    """Statuses of a `Reply` that are no errors: what they mean. They have the body of `answer`."""
    etag: bool = False
    """The answer names its content by a hash, and who has it already (`If-None-Match`) gets 304."""

    @property
    def name(self) -> str:
        """Of the operation; no two routes share one."""
        return str(self.handler.__name__)

    @property
    def topic(self) -> str:
        """The handler's module, whose docstring tells people what the topic is."""
        return self.handler.__module__.rpartition(".")[2]

    @property
    def rate_class(self) -> RateClass:
        return self.rate or ("read" if self.method == "GET" else "manage")

    @property
    def path_parameters(self) -> dict[str, str]:
        """The words in braces, and what they stand for."""
        return {name: PATH_PARAMETERS[name] for name in re.findall(r"{(\w+)}", self.path)}

    @property
    def error_codes(self) -> tuple[ErrorCode, ...]:
        """Every code that this route can answer with, each once."""
        codes = (
            *(_OF_OPERATORS if self.operator else _OF_TOKENS if self.token else ()),
            *(_OF_BODIES if self.body is not None else ()),
            *(_OF_QUERIES if self.query is not None else ()),
            *self.errors,
            *_OF_EVERY_ROUTE,
        )
        return tuple(dict.fromkeys(codes))


AnyRoute = Route[Any, Any, Any]


def add_routes(app: web.Application, routes: tuple[AnyRoute, ...]) -> None:
    for route in routes:
        app.router.add_route(route.method, route.path, _served(route))


def _served(route: AnyRoute) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        limits = request.app[RATE_LIMITS]
        limits.spend_address(route.rate_class, client_of(request).address)
        # Who calls comes first: strangers learn nothing about what a body should look like.
        if route.operator:
            request.app[AUTHENTICATOR].verify_operator(_bearer(request))
        caller = await _caller(request) if route.token and not route.operator else None
        if caller is not None:
            limits.spend_user(route.rate_class, caller.user_id)
        body = await _body(request, route.body) if route.body is not None else None
        query = _checked(route.query, dict(request.query)) if route.query is not None else None
        if caller is not None:
            await _confine(request, caller, body)
        response = _response(route, await route.handler(Call(request, body, query, caller)))
        return _with_etag(request, response) if route.etag else response

    return handle


async def _caller(request: web.Request) -> Identity:
    """Who calls. Raises `AuthError`."""
    return await request.app[AUTHENTICATOR].verify(_bearer(request))


def _bearer(request: web.Request) -> str | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


async def _confine(request: web.Request, caller: Identity, body: object) -> None:
    """A join token opens the routes of its own session, while that is live, and no others. Raises `LiveError`."""
    if caller.session_id is None:
        return
    named = {request.match_info.get("id"), getattr(body, "session_id", None)} - {None}
    if named != {caller.session_id}:
        raise LiveError("forbidden", OTHER_SESSION)
    await request.app[SERVICE].require_join_token_valid(caller)


async def _body(request: web.Request, model: type[ModelT]) -> ModelT:
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
    return _checked(model, _with_whole_numbers(value))


def _with_whole_numbers(value: Any) -> Any:
    """The same value: 5.0 is the integer 5 in JSON (JSON Schema 2020-12, section 4.2.3), and some clients write it."""
    if isinstance(value, dict):
        return {name: _with_whole_numbers(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_with_whole_numbers(member) for member in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _checked(model: type[ModelT], value: dict[str, Any]) -> ModelT:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise LiveError("invalid_request", details=invalid_fields(error)) from None


def _response(route: AnyRoute, given: Any) -> web.Response:
    reply = given if isinstance(given, Reply) else Reply(given)
    status = reply.status or route.status
    if reply.content is None:
        return web.Response(status=status, headers=reply.headers)
    text = reply.content if isinstance(reply.content, str) else reply.content.model_dump_json()
    return web.Response(
        status=status, body=text.encode(), headers={"Content-Type": route.content_type, **reply.headers}
    )


def _with_etag(request: web.Request, response: web.Response) -> web.Response:
    etag = hashlib.sha256(cast(bytes, response.body)).hexdigest()[:32]
    known = {tag.value for tag in request.if_none_match or ()}
    if known & {etag, "*"}:
        response = web.Response(status=304)
    response.etag = etag
    response.headers["Cache-Control"] = "private, no-cache"
    return response
