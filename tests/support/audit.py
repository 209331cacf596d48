"""What the database wrote down about a session."""

from __future__ import annotations

from control_api.store import Database

Act = tuple[str, str | None, str | None]
"""Type, user id of who did it, user id of whom it concerns."""


async def acts(database: Database, session_id: str, *types: str) -> list[Act]:
    """Events of these types, in order."""
    async with database.transaction() as connection:
        rows = await connection.fetch(
            "select type, actor_user_id, target_user_id from live_events "
            "where session_id = $1 and type = any($2::text[]) order by id",
            session_id,
            types,
        )
    return [tuple(row) for row in rows]
