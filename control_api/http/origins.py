"""Which web pages may use the server: its own, and those that the operator names (RFC 6454)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from .errors import Handler
from .proxy import client_of

_CORS_HEADERS: Final = {
    "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, If-None-Match, X-Request-ID",
    "Access-Control-Max-Age": "600",
}
_EXPOSED_HEADERS: Final = "ETag, Retry-After, X-Request-ID"


class Origins:
    """`allowed` are origins as browsers write them, such as `https://example.com`."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        self._allowed = frozenset(allowed)

    def may_connect(self, request: web.Request) -> bool:
        """Whether a WebSocket may be opened: browsers ask nobody before they open one to another site."""
        origin = request.headers.get(hdrs.ORIGIN)
        # Not the scheme: behind a proxy that nobody named as trusted, https looks like http from here.
        return origin is None or origin in self._allowed or _host(origin) == client_of(request).host

    @web.middleware
    async def cors(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer preflights of allowed origins, and let their pages read the answers."""
        origin = request.headers.get(hdrs.ORIGIN)
        allowed = origin in self._allowed
        if allowed and request.method == hdrs.METH_OPTIONS and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers:
            response: web.StreamResponse = web.Response(status=204, headers=_CORS_HEADERS)
        else:
            response = await handler(request)
        if response.prepared or not self._allowed:
            return response
        # Always: what a browser has cached for the server's own page is no answer for that of another origin.
        response.headers.add(hdrs.VARY, hdrs.ORIGIN)
        if origin is not None and allowed:
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
            response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = _EXPOSED_HEADERS
        return response


def _host(origin: str) -> str | None:
    """`host:port` of an origin; None for `null` and what else is no address."""
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None
