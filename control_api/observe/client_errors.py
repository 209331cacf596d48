"""Errors that pages report. Anybody may send them, so they are few, small, and never trusted."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, Literal, get_args

import structlog
from aiohttp import web
from prometheus_client import Counter

from signaling.errors import LiveError
from signaling.outbox import TokenBucket

from .scrubbing import one_line

ErrorKind = Literal["error", "rejection", "media", "other"]
"""Thrown and not caught; a promise that failed unheard; a media connection that failed; what is none of these."""

RATE: Final = 5.0
BURST: Final = 50.0
"""Reports a second of everybody together: a broken page is open in a thousand browsers, and one report would do."""


class ClientErrors:
    """Counts and logs reports. `clock` is monotonic, in seconds."""

    def __init__(self, counter: Counter, clock: Callable[[], float] = time.monotonic) -> None:
        self._counter = counter
        self._clock = clock
        self._bucket = TokenBucket(RATE, BURST, clock())
        self._log = structlog.stdlib.get_logger("greenroom.page")
        for kind in get_args(ErrorKind):
            counter.labels(kind)

    def take(self, kind: ErrorKind, message: str, source: str, stack: str) -> None:
        """Raises `LiveError` `rate_limited`."""
        if not self._bucket.take(self._clock()):
            raise LiveError("rate_limited", retry_after_s=self._bucket.wait_s)
        self._counter.labels(kind).inc()
        # Members, and on one line each: what a stranger wrote must not look like something that the server says.
        self._log.warning(
            "a page reports an error", kind=kind, said=one_line(message), source=one_line(source), stack=one_line(stack)
        )


CLIENT_ERRORS: Final = web.AppKey("client_errors", ClientErrors)
