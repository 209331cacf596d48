"""Headers that every answer carries, and that tell a browser how little it has to allow."""

from __future__ import annotations

from typing import Final

from aiohttp import hdrs, web, web_response

from control_api.settings import is_loopback

from .proxy import client_of

SECURITY_HEADERS: Final = {
    # Nothing inline, nothing from elsewhere, and nothing at all of a kind that the page does not use. 'self' covers the
    # WebSocket of the same host too; where media goes is not connect-src's business (WebRTC).
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    # A page of another site that opens this one gets no handle on its window, and can't embed what it serves.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(self), display-capture=(self)",
    "Referrer-Policy": "no-referrer",
    # Without it aiohttp tells its own version and Python's.
    "Server": "Greenroom",
    "X-Content-Type-Options": "nosniff",
}
STRICT_TRANSPORT_SECURITY: Final = "max-age=31536000"
"""A year (RFC 6797). Without includeSubDomains: the operator's other hosts are not this server's to decide about."""

# What was no HTTP is refused by aiohttp itself, and signals do not reach that answer.
setattr(web_response, "SERVER_SOFTWARE", SECURITY_HEADERS["Server"])  # noqa: B010 - not a name that it exports


async def secure(request: web.Request, response: web.StreamResponse) -> None:
    """For `on_response_prepare`."""
    response.headers.update(SECURITY_HEADERS)
    response.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
    client = client_of(request)
    # Browsers remember it for all ports of a host: on localhost it would lock out a developer's other servers.
    if client.scheme == "https" and not is_loopback(client.hostname):
        response.headers["Strict-Transport-Security"] = STRICT_TRANSPORT_SECURITY
