"""What a session was: its statistics and its timeline. The database computes both, and decides who may see them."""

from __future__ import annotations

from typing import NamedTuple

from .errors import LiveError
from .model import SessionStatistics, TimelineEvent
from .ports import Identity
from .registry import Registry, stored


class TimelinePage(NamedTuple):
    events: list[TimelineEvent]
    next_after: int
    """What to ask with next; where nothing was found, the same as before."""
    more: bool
    """Whether there is more now."""


class StatisticsVerbs(Registry):
    """Every one may raise `LiveError`: `session_not_found`, `forbidden`, `database_unavailable`."""

    async def session_statistics(self, identity: Identity, session_id: str) -> SessionStatistics:
        """For those who are or were in the session and were not thrown out, and for its host."""
        statistics = await stored(self._store_as(identity).session_statistics(session_id))
        if statistics is None:
            raise LiveError("session_not_found")
        return statistics

    async def timeline(self, identity: Identity, session_id: str, after: int, limit: int) -> TimelinePage:
        """Events with ids above `after`, in order. For the host, and for cohosts while they are in the session."""
        events = await stored(self._store_as(identity).timeline(session_id, after, limit + 1))
        if events is None:
            raise LiveError("session_not_found")
        page = events[:limit]
        return TimelinePage(page, page[-1].id if page else after, len(events) > limit)
