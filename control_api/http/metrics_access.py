"""Who may read metrics, and what else is for those who watch the server: callers on its machine, or with a token."""

from __future__ import annotations

import hmac
from typing import Final

from aiohttp import hdrs, web

from signaling.errors import LiveError

from .proxy import is_local


class MetricsAccess:
    """With a token that alone counts; without one, whether the caller is on this machine."""

    def __init__(self, token: str | None = None) -> None:
        self._token = None if token is None else token.encode()

    def require(self, request: web.Request) -> None:
        """Raises `LiveError`: `forbidden`; `token_missing` or `token_invalid` where there is a token."""
        if self._token is None:
            if not is_local(request):
                raise LiveError(
                    "forbidden", "Only for callers on the server's machine, or with GREENROOM_METRICS_TOKEN."
                )
            return
        scheme, _, given = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        if scheme.lower() != "bearer" or not given.strip():
            raise LiveError("token_missing")
        if not hmac.compare_digest(given.strip().encode(errors="surrogateescape"), self._token):
            raise LiveError("token_invalid")


METRICS_ACCESS: Final = web.AppKey("metrics_access", MetricsAccess)
