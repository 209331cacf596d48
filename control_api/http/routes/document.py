"""What this server's API is, for programs. `/docs` shows the same to people."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from control_api.http.route_table import AnyRoute, Call, Route

DOCUMENT: Final = web.AppKey("document", str)


async def openapi(call: Call[None, None]) -> str:
    return call.request.app[DOCUMENT]


ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route("GET", "/openapi.json", openapi, "Describe this API (OpenAPI 3.1)", answer=str, token=False, etag=True),
)
