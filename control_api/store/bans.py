"""Whom hosts don't let in. The rows' triggers throw out and let back in; see `live_record_ban` in schema.sql."""

from __future__ import annotations

from signaling.model import BanRecord

from .rows import Bound, lock_session, with_text_ids

MAX_BANS = 10_000
"""That are listed, for one host."""


class Bans(Bound):
    async def add_ban(self, ban: BanRecord) -> None:
        async with self._transaction() as connection:
            await lock_session(connection, ban.session_id)
            await connection.execute(
                """
                insert into live_bans (host_user_id, user_id, session_id, name, reason, banned_by)
                values ($1, $2, $3, $4, $5, $6) on conflict do nothing
                """,
                ban.host_user_id,
                ban.user_id,
                ban.session_id,
                ban.name,
                ban.reason,
                ban.banned_by,
            )

    async def remove_ban(self, host_user_id: str, user_id: str) -> bool:
        async with self._transaction() as connection:
            done = await connection.execute(
                "delete from live_bans where host_user_id = $1 and user_id = $2", host_user_id, user_id
            )
        return bool(done == "DELETE 1")

    async def bans(self, host_user_id: str) -> list[BanRecord]:
        async with self._transaction() as connection:
            rows = await connection.fetch(
                """
                select host_user_id, user_id, session_id, name, reason, banned_by, created_at
                  from live_bans where host_user_id = $1 order by created_at desc, user_id limit $2
                """,
                host_user_id,
                MAX_BANS,
            )
        return [BanRecord.model_validate(with_text_ids(row)) for row in rows]
