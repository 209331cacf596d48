"""The list of live sessions."""

from __future__ import annotations

from typing import Any, Final

from signaling.listing import ActiveOrder, ActiveSearch
from signaling.model import SessionRecord

from .rows import Bound
from .sessions import SESSION, session_of

# By viewers there is no index: the count changes with everybody who comes and goes, and rewriting an index each time
# would cost more than sorting what is live now.
_COLUMNS: Final[dict[ActiveOrder, tuple[str, ...]]] = {
    "started": ("s.started_at", "s.id"),
    "viewers": ("s.viewer_count", "s.started_at", "s.id"),
}


class Listing(Bound):
    async def active_sessions(self, search: ActiveSearch) -> list[SessionRecord]:
        statement, values = active_query(search)
        async with self._transaction() as connection:
            rows = await connection.fetch(statement, *values)
        return [session_of(row) for row in rows]


def active_query(search: ActiveSearch) -> tuple[str, list[Any]]:
    """The statement and its values. Only what is asked for is in it, so that each kind gets a plan of its own."""
    conditions = ["s.status = 'live'"]
    values: list[Any] = [search.limit]
    if search.text:
        values.append(f"%{_literally(search.text)}%")
        conditions.append(f"(s.title ilike ${len(values)} or s.host_name ilike ${len(values)})")
    columns = _COLUMNS[search.order]
    if search.after is not None:
        place = (search.after.viewers, search.after.started_at, search.after.session_id)[-len(columns) :]
        places = ", ".join(f"${number}" for number in range(len(values) + 1, len(values) + len(place) + 1))
        conditions.append(f"({', '.join(columns)}) < ({places})")
        values.extend(place)
    order = ", ".join(f"{column} desc" for column in columns)
    return f"{SESSION} where {' and '.join(conditions)} order by {order} limit $1", values


def _literally(text: str) -> str:
    """A text in which LIKE sees no wildcards."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
