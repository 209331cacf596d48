"""A seeded network and a virtual clock (habit 14): events in order of time, links that lose, delay and reorder."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass


class Clock:
    """Runs what was scheduled, in order of time. Nothing ever waits for real."""

    def __init__(self) -> None:
        self.now = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def at(self, when: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._events, (max(when, self.now), next(self._order), action))

    def run_until(self, end: float) -> None:
        while self._events and self._events[0][0] <= end:
            self.now, _, action = heapq.heappop(self._events)
            action()
        self.now = end


@dataclass(frozen=True)
class LinkProfile:
    """One direction of a path. `loss` 0-1; `delay` and `jitter` (uniform, reorders) in seconds."""

    loss: float = 0.0
    delay: float = 0.02
    jitter: float = 0.0


class Link:
    def __init__(self, clock: Clock, profile: LinkProfile, seed: int, deliver: Callable[[bytes], None]) -> None:
        self._clock = clock
        self._profile = profile
        self._random = random.Random(seed)
        self._deliver = deliver
        self.lost = 0

    def send(self, data: bytes) -> None:
        if self._random.random() < self._profile.loss:
            self.lost += 1
            return
        arrival = self._clock.now + self._profile.delay + self._random.random() * self._profile.jitter
        self._clock.at(arrival, lambda: self._deliver(data))
