"""What the database computes about sessions, and what it remembers of them."""

from __future__ import annotations

from typing import Final

import asyncpg
from pydantic_core import from_json

from signaling.model import SessionStatistics, TimelineEvent
from signaling.ports import Identity, StoreRefused

from .rows import Bound, is_uuid, session_exists

_STATISTICS: Final = ", ".join(SessionStatistics.model_fields)
# Which events first, from the index: otherwise PostgreSQL looks up the text of every message of the session.
TIMELINE: Final = """
select id, at, type, actor_user_id, target_user_id, data from live_timeline
 where session_id = $1
   and id = any(array(select id from live_events where session_id = $1 and id > $2 order by id limit $3))
 order by id
"""


class Statistics(Bound):
    async def session_statistics(self, session_id: str) -> SessionStatistics | None:
        if not is_uuid(session_id):
            return None
        async with self._transaction() as connection:
            if not await session_exists(connection, session_id):
                return None
            return await statistics_of(connection, session_id, self._caller)

    async def timeline(self, session_id: str, after: int, limit: int) -> list[TimelineEvent] | None:
        if not is_uuid(session_id):
            return None
        async with self._transaction() as connection:
            if not await session_exists(connection, session_id):
                return None
            # Who may not see the events would see none of them, as if nothing had happened.
            if self._caller is not None and not await connection.fetchval("select live_moderates($1)", session_id):
                raise StoreRefused("forbidden")
            rows = await connection.fetch(TIMELINE, session_id, after, limit)
        return [TimelineEvent.model_validate({**row, "data": from_json(row["data"])}) for row in rows]


async def statistics_of(connection: asyncpg.Connection, session_id: str, caller: Identity | None) -> SessionStatistics:
    """Of a session that exists. Raises `StoreRefused` `forbidden`."""
    # The second judges who asks, which the server itself would not pass: it is in no session.
    function = "live_statistics" if caller is None else "live_session_statistics"
    row = await connection.fetchrow(f"select {_STATISTICS} from {function}($1)", session_id)
    if row is None:
        raise StoreRefused("forbidden")
    return SessionStatistics.model_validate({**row, "reactions": from_json(row["reactions"])})
