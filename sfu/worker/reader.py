"""When a worker's socket is read: as soon as something comes, or now and then while nothing is in a hurry."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum, auto
from typing import Final

REST_S: Final = 0.05
"""How long a quiet socket is left alone: what the first datagram that is in a hurry waits for at most. Waking up costs
more than answering a check, and a thousand idle participants send one each five milliseconds."""
QUIET_AFTER_S: Final = 1.0
"""Without a datagram in a hurry; a microphone that transmits silence sends two in that time."""


class Arrivals(Enum):
    """What a look at a socket has brought."""

    NONE = auto()
    PATIENT = auto()
    """Only what may wait while there is no media: checks that keep consent alive, and RTCP."""
    URGENT = auto()


class SocketReader:
    """Reads from now on until `close`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, fileno: int, take: Callable[[], Arrivals]) -> None:
        """`take` reads what the socket `fileno` has."""
        self._loop = loop
        self._fileno = fileno
        self._take = take
        self._urgent_at = self._looked_at = loop.time()
        self._resting: asyncio.TimerHandle | None = None
        loop.add_reader(fileno, self._readable)

    def close(self) -> None:
        """Idempotent. To be called before the socket is closed."""
        if self._resting is not None:
            self._resting.cancel()
        self._loop.remove_reader(self._fileno)

    def _readable(self) -> None:
        before, self._looked_at = self._looked_at, self._loop.time()
        arrivals = self._take()
        if arrivals is Arrivals.URGENT:
            self._urgent_at = self._looked_at
        elif (
            arrivals is Arrivals.PATIENT
            and self._looked_at < before + REST_S
            and self._looked_at > self._urgent_at + QUIET_AFTER_S
        ):
            self._loop.remove_reader(self._fileno)
            self._rest()

    def _rest(self) -> None:
        self._resting = self._loop.call_later(REST_S, self._look)

    def _look(self) -> None:
        self._looked_at = self._loop.time()
        arrivals = self._take()
        if arrivals is Arrivals.PATIENT:
            self._rest()
            return
        if arrivals is Arrivals.URGENT:
            self._urgent_at = self._looked_at
        self._resting = None
        self._loop.add_reader(self._fileno, self._readable)
