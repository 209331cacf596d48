"""How late an event loop is: what everything on it waits when one thing takes too long."""

from __future__ import annotations

import asyncio
from typing import Final

INTERVAL_S: Final = 0.25
WINDOW_S: Final = 15.0
"""What is scraped every 15 s misses no delay, because the window before is remembered, too."""


class LagMeter:
    """Measures from now on, four times a second."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._worst_s = self._worst_before_s = 0.0
        self._window_ends = loop.time() + WINDOW_S
        self._due = loop.time()
        self._timer = self._wait()

    def worst_ms(self) -> float:
        """Greatest delay of this window and the one before, which are 15-30 s."""
        # A loop that is late right now has not run the timer that would say so.
        late_s = max(0.0, self._loop.time() - self._due)
        return 1000 * max(self._worst_s, self._worst_before_s, late_s)

    def close(self) -> None:
        self._timer.cancel()

    def _wait(self) -> asyncio.TimerHandle:
        self._due = self._loop.time() + INTERVAL_S
        return self._loop.call_at(self._due, self._measure)

    def _measure(self) -> None:
        now = self._loop.time()
        if now >= self._window_ends:
            self._worst_before_s, self._worst_s = self._worst_s, 0.0
            self._window_ends = now + WINDOW_S
        self._worst_s = max(self._worst_s, now - self._due)
        self._timer = self._wait()
