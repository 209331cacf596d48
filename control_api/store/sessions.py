"""Sessions and their settings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg

from signaling.model import GuestRequestRecord, ParticipantRecord, SessionRecord, SessionSettings, SessionStatistics
from signaling.ports import StoreRefused

from .participants import insert_participant, save_request
from .rows import Bound, is_uuid, lock_session, with_text_ids
from .statistics import statistics_of

_SETTINGS: Final = tuple(SessionSettings.model_fields)
SESSION: Final = f"""
select s.id, s.host_user_id, s.host_name, s.title, s.description, s.session_type, s.status, s.started_at, s.ended_at,
       s.end_reason, s.viewer_count, s.guest_count, {", ".join(f"o.{name}" for name in _SETTINGS)}
  from live_sessions s join live_session_settings o on o.session_id = s.id
"""
"""A session with its settings, as `session_of` reads it; conditions follow."""
_PLACES: Final = ", ".join(f"${number}" for number in range(2, len(_SETTINGS) + 2))


class Sessions(Bound):
    async def create_session(self, session: SessionRecord, host: ParticipantRecord) -> None:
        async with self._transaction() as connection:
            await connection.execute(
                """
                insert into live_sessions (id, host_user_id, host_name, title, description, session_type, started_at)
                values ($1, $2, $3, $4, $5, $6, $7)
                """,
                session.id,
                session.host_user_id,
                session.host_name,
                session.title,
                session.description,
                session.session_type,
                session.started_at,
            )
            await connection.execute(
                f"insert into live_session_settings (session_id, {', '.join(_SETTINGS)}) values ($1, {_PLACES})",
                session.id,
                *_values(session.settings),
            )
            await insert_participant(connection, host)

    async def end_session(self, session_id: str, reason: str, at: datetime) -> SessionStatistics:
        async with self._transaction() as connection:
            if await lock_session(connection, session_id) == "live":
                await connection.execute(
                    "update live_sessions set status = 'ended', ended_at = $2, end_reason = $3 where id = $1",
                    session_id,
                    at,
                    reason,
                )
            return await statistics_of(connection, session_id, self._caller)

    async def get_session(self, session_id: str) -> SessionRecord | None:
        if not is_uuid(session_id):
            return None
        async with self._transaction() as connection:
            row = await connection.fetchrow(SESSION + " where s.id = $1", session_id)
        return None if row is None else session_of(row)

    async def live_session_ids(self) -> list[str]:
        async with self._transaction() as connection:
            rows = await connection.fetch("select id from live_sessions where status = 'live' order by started_at, id")
        return [str(row["id"]) for row in rows]

    async def save_settings(
        self, session_id: str, settings: SessionSettings, withdrawn: Sequence[GuestRequestRecord] = ()
    ) -> None:
        async with self._transaction() as connection:
            await lock_session(connection, session_id)
            done = await connection.execute(
                f"update live_session_settings set ({', '.join(_SETTINGS)}) = ({_PLACES}) where session_id = $1",
                session_id,
                *_values(settings),
            )
            if done != "UPDATE 1":
                raise StoreRefused("forbidden")
            for request in withdrawn:
                await save_request(connection, request)


def _values(settings: SessionSettings) -> tuple[int | bool, ...]:
    return tuple(getattr(settings, name) for name in _SETTINGS)


def session_of(row: asyncpg.Record) -> SessionRecord:
    """A row of `SESSION`."""
    values = with_text_ids(row)
    settings = SessionSettings.model_validate({name: values.pop(name) for name in _SETTINGS})
    return SessionRecord.model_validate({**values, "settings": settings})
