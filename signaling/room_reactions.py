"""The reactions in a live room, in memory: their totals, and what everybody is still to be told."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from . import messages
from .batches import WriteInDoubt
from .counters import SessionTally
from .messages import Message

INTERVAL_S: Final = 0.1
"""Between two events of a room."""
PER_MEMBER_S: Final = 0.0005
"""So that a room costs no more than 2,000 frames a second, however many are in it: with 1,000, two events a second."""


class RoomReactions:
    """`tell_all` sends an event to everybody in the room, `size` tells how many that are."""

    def __init__(self, tell_all: Callable[[Message], None], tally: SessionTally, size: Callable[[], int]) -> None:
        self.in_doubt = False
        """Whether some may have been written that are not counted here."""
        self._tell_all = tell_all
        self._tally = tally
        self._size = size
        self._totals: Counter[str] = Counter()
        self._untold: Counter[str] = Counter()
        self._timer: asyncio.TimerHandle | None = None
        self._told_at = 0.0

    def load(self, totals: Mapping[str, int]) -> None:
        """What the database has, while none is on its way there."""
        self._totals = Counter(totals)
        self.in_doubt = False

    def totals(self, kinds: Iterable[str]) -> dict[str, int]:
        """By type; those of `kinds` also where there was none."""
        return dict.fromkeys(kinds, 0) | self._totals

    def written(self, kind: str, count: int, future: asyncio.Future[None]) -> None:
        """What is on its way to the database has come there, or not."""
        if future.cancelled():
            return
        failure = future.exception()
        if failure is not None:
            self.in_doubt = self.in_doubt or isinstance(failure, WriteInDoubt)
            return
        self._totals[kind] += count
        self._untold[kind] += count
        self._tally.reaction(kind, count)
        if self._timer is None:
            loop = asyncio.get_running_loop()
            interval_s = max(INTERVAL_S, self._size() * PER_MEMBER_S)
            self._timer = loop.call_later(max(0.0, self._told_at + interval_s - loop.time()), self.tell)

    def tell(self) -> None:
        """Tell everybody now what they were not told yet."""
        self.close()
        if self._untold:
            self._told_at = asyncio.get_running_loop().time()
            self._tell_all(messages.reactions(dict(self._untold), dict(self._totals)))
            self._untold.clear()

    def close(self) -> None:
        """The room is no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
