"""Deadlines of a worker: one heap and one timer of the event loop, however many transports wait for something."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
from collections.abc import Callable
from math import inf
from typing import Final

logger = logging.getLogger(__name__)

TimerCallback = Callable[[float], float | None]
"""Called with `now`; returns when it wants to be called again (same clock), or None or inf for never."""

AT_ONCE_S: Final = 0.002
"""How long callbacks may run one after the other. Eight hundred subscribers whose reports are due at once must not
hold up media until all are sent."""
PAUSE_S: Final = 0.001
"""Then the loop sees to everything else for so long, at least once."""


class Timer:
    """A deadline that can move. Made by `Timers.add`."""

    __slots__ = ("_callback", "_timers", "due")

    def __init__(self, timers: Timers, callback: TimerCallback) -> None:
        self._timers = timers
        self._callback: TimerCallback | None = callback
        self.due = inf

    def not_later_than(self, when: float) -> None:
        """Make sure that the callback runs at `when` (inf: never) or before. Costs one comparison when it does
        already."""
        if when < self.due and self._callback is not None:
            self.due = when
            self._timers._push(when, self)

    def cancel(self) -> None:
        self._callback = None
        self.due = inf

    def _run(self, now: float) -> None:
        callback = self._callback
        if callback is None:
            return
        self.due = inf
        try:
            due = callback(now)
        except Exception:
            # One transport's defect must not stop the deadlines of the others; without a new due it stays silent.
            logger.exception("timer failed")
            return
        if due is not None:
            self.not_later_than(due)


class Timers:
    """A due-heap on the loop's monotonic clock. Entries that were overtaken or cancelled are skipped at the top."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._handle: asyncio.TimerHandle | None = None
        self._armed_for = inf
        self._not_before = -inf
        """The end of a pause."""

    def add(self, callback: TimerCallback) -> Timer:
        return Timer(self, callback)

    def close(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._heap.clear()
        self._armed_for = -inf

    def _push(self, when: float, timer: Timer) -> None:
        heapq.heappush(self._heap, (when, next(self._order), timer))
        self._arm()

    def _arm(self) -> None:
        if not self._heap:
            return
        when = max(self._heap[0][0], self._not_before)
        if when >= self._armed_for:
            return
        if self._handle is not None:
            self._handle.cancel()
        self._armed_for = when
        self._handle = self._loop.call_at(when, self._fire)

    def _fire(self) -> None:
        self._handle = None
        # Nothing has to be armed for what callbacks push.
        self._armed_for = -inf
        self._run_due()
        self._armed_for = inf
        self._arm()

    def _run_due(self) -> None:
        now = self._loop.time()
        heap = self._heap
        while heap and heap[0][0] <= now:
            when, _, timer = heapq.heappop(heap)
            if timer.due == when:
                timer._run(now)
                ended = self._loop.time()
                if ended >= now + AT_ONCE_S:
                    self._not_before = ended + PAUSE_S
                    return
