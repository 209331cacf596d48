"""Keeping Python's cyclic garbage collector from stalling the forwarding loop.

A full collection looks at every object of the process: some 50 ms with 500 participants, longer than a frame of video.
What is frozen is not looked at, and freezing costs nothing. Transports break their own cycles when they close, so that
there is little to collect; what there is waits until the worker has no rooms.
"""

from __future__ import annotations

import gc
from time import perf_counter
from typing import Final, Literal

FREEZE_EVERY: Final = 16
"""Transports made between two freezes: their objects are a small part of what a young collection looks at."""


class Collector:
    """Tells the collector what stays, and how long its longest pause was."""

    def __init__(self) -> None:
        self.longest_pause_ms = 0.0
        """Since the worker began, but for what it did while it had no rooms."""
        self._made = 0
        self._began = 0.0
        self._counts = True
        gc.callbacks.append(self._measure)
        self.empty()

    def close(self) -> None:
        gc.callbacks.remove(self._measure)

    def transport_made(self) -> None:
        self._made += 1
        if self._made % FREEZE_EVERY == 0:
            gc.freeze()

    def empty(self) -> None:
        """Nothing is forwarded right now: collect everything."""
        self._counts = False
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        self._counts = True

    def _measure(self, phase: Literal["start", "stop"], info: dict[str, int]) -> None:
        if phase == "start":
            self._began = perf_counter()
        elif self._counts:
            self.longest_pause_ms = max(self.longest_pause_ms, 1000 * (perf_counter() - self._began))
