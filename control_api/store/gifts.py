"""Gifts and their catalogue."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import asyncpg

from signaling.gift_model import GiftKind, GiftRecord, GiftTotals, GiverTotal, NewGift

from .rows import Bound, is_uuid, lock_session, require_attendance, session_exists, with_text_ids

# What the catalogue has no longer was given all the same.
_GIFT: Final = """
select g.id, g.session_id, g.participant_id, g.user_id, g.name, g.gift_id, coalesce(c.name, g.gift_id) as gift_name,
       coalesce(c.icon, '') as icon, g.quantity, g.value, g.created_at, s.host_user_id, g.key, g.status, g.settled_at
  from live_gifts g join live_sessions s on s.id = g.session_id left join live_gift_catalogue c on c.id = g.gift_id
"""


class Gifts(Bound):
    async def gift_catalogue(self) -> list[GiftKind]:
        async with self._transaction() as connection:
            rows = await connection.fetch(
                "select id, name, icon, value from live_gift_catalogue where active order by value, id"
            )
        return [GiftKind.model_validate(dict(row)) for row in rows]

    async def find_gift(self, session_id: str, user_id: str, key: str) -> GiftRecord | None:
        async with self._transaction() as connection:
            return await _by_key(connection, session_id, user_id, key)

    async def add_gift(self, gift: NewGift) -> GiftRecord:
        async with self._transaction() as connection:
            await lock_session(connection, gift.session_id)
            await connection.execute(
                """
                insert into live_gifts (id, session_id, participant_id, user_id, name, gift_id, quantity, key)
                values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (session_id, user_id, key) do nothing
                """,
                gift.id,
                gift.session_id,
                gift.participant_id,
                gift.user_id,
                gift.name,
                gift.gift_id,
                gift.quantity,
                gift.key,
            )
            written = await _by_key(connection, gift.session_id, gift.user_id, gift.key)
        if written is None:
            raise LookupError(f"gift {gift.id} was written and is not there")
        return written

    async def settle_gift(self, session_id: str, gift_id: str, paid: bool, at: datetime) -> GiftRecord:
        async with self._transaction() as connection:
            await lock_session(connection, session_id)
            await connection.execute(
                "update live_gifts set status = $2, settled_at = $3 where id = $1 and status = 'pending'",
                gift_id,
                "paid" if paid else "refused",
                at,
            )
            row = await connection.fetchrow(_GIFT + " where g.id = $1", gift_id)
        if row is None:
            raise LookupError(f"there is no gift {gift_id}")
        return _gift(row)

    async def pending_gifts(self) -> list[GiftRecord]:
        async with self._transaction() as connection:
            rows = await connection.fetch(_GIFT + " where g.status = 'pending' order by g.created_at")
        return [_gift(row) for row in rows]

    async def gift_totals(self, session_id: str, limit: int) -> GiftTotals | None:
        if not is_uuid(session_id):
            return None
        async with self._transaction() as connection:
            if not await session_exists(connection, session_id):
                return None
            await require_attendance(connection, session_id)
            whole = await connection.fetchrow(
                """
                select coalesce(sum(gifts), 0)::bigint as gifts, coalesce(sum(value), 0)::bigint as value
                  from live_gift_totals where session_id = $1
                """,
                session_id,
            )
            senders = await connection.fetch(
                """
                select user_id, name, gifts, value from live_gift_totals where session_id = $1
                 order by value desc, user_id limit $2
                """,
                session_id,
                limit,
            )
        givers = [GiverTotal.model_validate(dict(row)) for row in senders]
        return GiftTotals(gifts=whole["gifts"], value=whole["value"], senders=givers)


async def _by_key(connection: asyncpg.Connection, session_id: str, user_id: str, key: str) -> GiftRecord | None:
    row = await connection.fetchrow(
        _GIFT + " where g.session_id = $1 and g.user_id = $2 and g.key = $3", session_id, user_id, key
    )
    return None if row is None else _gift(row)


def _gift(row: asyncpg.Record) -> GiftRecord:
    return GiftRecord.model_validate(with_text_ids(row))
