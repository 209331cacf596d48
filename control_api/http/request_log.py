"""The id of a request, and the one line that is logged about it."""

from __future__ import annotations

import re
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeGuard

import structlog
from aiohttp import hdrs, web
from aiohttp.abc import AbstractAccessLogger

from .proxy import UNKNOWN_ADDRESS, client_of

HEADER: Final = "X-Request-ID"
REQUEST_ID: Final = web.RequestKey("request_id", str)

NO_ROUTE: Final = "(none)"
PAGE: Final = "(page)"
"""Stands for all files of the page."""

API_PATHS: Final[web.AppKey[frozenset[str]]] = web.AppKey("api_paths")
"""The templates of all routes that are no files of the page."""

_USABLE_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_METHODS: Final = frozenset(hdrs.METH_ALL)
QUIET_ROUTES: Final = frozenset({PAGE, "/healthz", "/readyz", "/metrics"})
"""Logged as DEBUG while all is well: they come by dozens, from every page that opens and from whoever watches."""


@web.middleware
async def with_request_id(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Take over the caller's `X-Request-ID`, or make one. All that is logged meanwhile carries it."""
    given = request.headers.get(HEADER, "")
    request[REQUEST_ID] = given if _USABLE_ID.fullmatch(given) else uuid.uuid4().hex
    with structlog.contextvars.bound_contextvars(request_id=request[REQUEST_ID]):
        return await handler(request)


async def tell_request_id(request: web.Request, response: web.StreamResponse) -> None:
    """A signal handler of `on_response_prepare`."""
    if REQUEST_ID in request:
        response.headers[HEADER] = request[REQUEST_ID]


def route_of(request: web.BaseRequest) -> str:
    """The route's template, as few as there are in the code; never the path that was asked for."""
    if not _came_in(request) or (resource := request.match_info.route.resource) is None:
        return NO_ROUTE
    return resource.canonical if resource.canonical in request.app[API_PATHS] else PAGE


def method_of(request: web.BaseRequest) -> str:
    return request.method if request.method in _METHODS else "(other)"


class RequestLog(AbstractAccessLogger):
    """For `web.AppRunner(access_log_class=...)`: called when an answer was sent, with the seconds that it took."""

    def __init__(self, logger: Any, log_format: str) -> None:
        super().__init__(logger, log_format)
        self._log = structlog.stdlib.get_logger("greenroom.request")

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        route = route_of(request)
        quiet = route in QUIET_ROUTES and response.status < 500
        (self._log.debug if quiet else self._log.info)(
            "websocket" if response.status == 101 else "request",
            method=method_of(request),
            route=route,
            status=response.status,
            ms=round(1000 * time, 1),
            client=_client(request),
            **({"request_id": request[REQUEST_ID]} if REQUEST_ID in request else {}),
        )


def _client(request: web.BaseRequest) -> str:
    return client_of(request).address if _came_in(request) else request.remote or UNKNOWN_ADDRESS


def _came_in(request: web.BaseRequest) -> TypeGuard[web.Request]:
    """Whether the application saw the request. What was no HTTP is refused before, and has neither route nor app."""
    return isinstance(request, web.Request) and REQUEST_ID in request
