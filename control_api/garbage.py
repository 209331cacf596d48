"""Keeping Python's cyclic garbage collector from holding up everybody in the control process.

A full collection looks at every object of the process, and it comes again and again while their number grows: more than
100 ms with a thousand participants, during which nobody is answered. What is frozen is not looked at. Sockets and
participants are no circles when they go, so there is next to nothing to find among them.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Final

LOOK_EVERY_S: Final = 1.0
FREEZE_EVERY: Final = 16
"""Sockets opened between two freezes: their objects are a small part of what a young collection looks at."""
COLLECT_AFTER: Final = 1000
"""Sockets that have to close, and as many as are open, before everything is looked at while some are open: the circles
that an error left may have been frozen."""


class Garbage:
    """Tells the collector what stays. `opened` and `closed` count sockets since the start."""

    def __init__(self, opened: Callable[[], int], closed: Callable[[], int]) -> None:
        self._opened = opened
        self._closed = closed
        self._frozen_at = self._collected_at = 0
        self.collect()

    async def watch(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self.look()

    def look(self) -> None:
        opened, closed = self._opened(), self._closed()
        left, here = closed - self._collected_at, opened - closed
        if left and (not here or left >= max(COLLECT_AFTER, here)):
            self.collect()
        elif opened - self._frozen_at >= FREEZE_EVERY:
            self._frozen_at = opened
            gc.freeze()

    def collect(self) -> None:
        """Look at everything."""
        self._frozen_at, self._collected_at = self._opened(), self._closed()
        gc.unfreeze()
        gc.collect()
        gc.freeze()
