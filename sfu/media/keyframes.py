"""When to ask a publisher for a keyframe, on behalf of all who want one."""

from __future__ import annotations

import math
from typing import Final

MIN_INTERVAL: Final = 0.4
"""Seconds between two requests: a keyframe costs the publisher many times a delta frame's bits, and half of this is
what a viewer waits for the first picture of a popular stream."""
MAX_INTERVAL: Final = 4.0
MAX_TRIES: Final = 12
"""Requests without an answer, some 40 s, after which only a new demand asks again."""


class KeyframeRequester:
    """Coalesces demands: the first is passed on at once, later ones MIN_INTERVAL after it, and unanswered ones are
    repeated at doubling intervals. A keyframe that begins after a demand answers it."""

    def __init__(self) -> None:
        self._due = math.inf
        self._last_sent = -math.inf
        self._tries = 0
        self.sent = 0

    def demand(self, now: float) -> None:
        """Somebody cannot decode without a keyframe."""
        if self._tries >= MAX_TRIES:
            self._tries = 0
        self._due = min(self._due, max(now, self._last_sent + MIN_INTERVAL))

    def keyframe_began(self) -> None:
        """All demands so far are answered."""
        self._due = math.inf
        self._tries = 0

    def next_due(self) -> float:
        """When a request is to be sent, inf when none is wanted."""
        return self._due

    def poll(self, now: float) -> bool:
        """Whether to send a request now; it counts as sent."""
        if now < self._due:
            return False
        self._last_sent = now
        self._tries += 1
        self.sent += 1
        if self._tries >= MAX_TRIES:
            self._due = math.inf
        else:
            self._due = now + min(MIN_INTERVAL * 2 ** (self._tries - 1), MAX_INTERVAL)
        return True
