"""When a worker's socket is read: as soon as something comes, now and then while nothing is in a hurry, or a thousand
times a second at most while there is much to do."""

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

PACE_S: Final = 0.001
"""How long a busy worker leaves its socket alone: what comes together costs less than it does one by one. Event loops
count in milliseconds."""
BUSY: Final = 0.6
"""Share of the time spent on what was read above which there is a pause after each look. Below it, nothing waits."""
CALM: Final = 0.15
"""Below this share the pauses end. Far below BUSY, because they make the share fall by themselves."""
WINDOW_S: Final = 0.1
"""Over which the share is taken."""


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
        self._urgent_at = self._looked_at = self._window_began = loop.time()
        self._busy_s = 0.0
        self._paced = False
        self._pause: asyncio.TimerHandle | None = None
        loop.add_reader(fileno, self._readable)

    def close(self) -> None:
        """Idempotent. To be called before the socket is closed."""
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._fileno)

    def _readable(self) -> None:
        before = self._looked_at
        arrivals = self._look()
        if self._paced:
            self._leave_alone(PACE_S)
        elif arrivals is Arrivals.PATIENT and self._looked_at < before + REST_S and self._quiet:
            self._leave_alone(REST_S)

    def _leave_alone(self, seconds: float) -> None:
        self._loop.remove_reader(self._fileno)
        self._pause = self._loop.call_later(seconds, self._return)

    def _return(self) -> None:
        wait_s: float | None = None
        try:
            arrivals = self._look()
            if self._paced:
                wait_s = PACE_S
            elif arrivals is Arrivals.PATIENT and self._quiet:
                wait_s = REST_S
        finally:
            # Whatever a look has met, it is not the last one.
            if wait_s is not None:
                self._pause = self._loop.call_later(wait_s, self._return)
            else:
                self._pause = None
                self._loop.add_reader(self._fileno, self._readable)

    @property
    def _quiet(self) -> bool:
        return self._looked_at > self._urgent_at + QUIET_AFTER_S

    def _look(self) -> Arrivals:
        begun = self._looked_at = self._loop.time()
        arrivals = self._take()
        if arrivals is Arrivals.URGENT:
            self._urgent_at = begun
        ended = self._loop.time()
        self._busy_s += ended - begun
        elapsed = ended - self._window_began
        if elapsed >= WINDOW_S:
            self._paced = self._busy_s > (CALM if self._paced else BUSY) * elapsed
            self._busy_s, self._window_began = 0.0, ended
        return arrivals
