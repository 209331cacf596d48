"""Two sessions in a database, and people who come to it with plain SQL."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

SHOW = "11111111-1111-4111-8111-111111111111"
"""Ana's session: Ben is cohost, Cleo and Carl guests, Dan and Dora viewers, Kai was kicked, Lea has left."""
OTHER = "22222222-2222-4222-8222-222222222222"
"""Zoe's session, with Yan as viewer: nobody of the show is in it."""
PEOPLE = {
    SHOW: {"ana": "host", "ben": "cohost", "cleo": "guest", "carl": "guest", "dan": "viewer", "dora": "viewer"},
    OTHER: {"zoe": "host", "yan": "viewer"},
}
TABLES = (
    "live_sessions",
    "live_session_settings",
    "live_participants",
    "live_guest_requests",
    "live_chat_messages",
    "live_reactions",
    "live_gift_catalogue",
    "live_gifts",
    "live_bans",
    "live_events",
    "live_visits",
    "live_session_stats",
    "live_webhooks",
    "live_webhook_outbox",
    "greenroom_migrations",
)
CLOSED = ("live_webhooks", "live_webhook_outbox", "greenroom_migrations")
"""Nobody's but the server's."""


def person(name: str, session: str = SHOW) -> str:
    """The participant's id."""
    names = [*PEOPLE[SHOW], "kai", "lea", *PEOPLE[OTHER]]
    return f"{'3' if session == SHOW else '4'}0000000-0000-4000-8000-{names.index(name):012}"


class Sql:
    """The database as somebody may use it. Everything that is done in `acting` is undone."""

    def __init__(self, owner: asyncpg.Connection) -> None:
        self.owner = owner

    @asynccontextmanager
    async def acting(self, user: str | None, role: str = "authenticated") -> AsyncIterator[asyncpg.Connection]:
        transaction = self.owner.transaction()
        await transaction.start()
        try:
            await self.owner.execute(f"set local role {role}")
            claims = json.dumps({"sub": user, "role": role}) if user else ""
            await self.owner.fetchval("select set_config('request.jwt.claims', $1, true)", claims)
            yield self.owner
        finally:
            await transaction.rollback()

    async def seen(self, user: str | None, query: str, *values: Any) -> list[Any]:
        """The first column of what somebody gets."""
        async with self.acting(user) as connection:
            return [row[0] for row in await connection.fetch(query, *values)]

    async def may(self, user: str, statement: str, *values: Any) -> int:
        """Number of rows that a statement reached; raises what it raises."""
        async with self.acting(user) as connection:
            return int((await connection.execute(statement, *values)).rpartition(" ")[2])

    async def may_not(self, user: str, statement: str, *values: Any) -> None:
        """Refused, or there was nothing to be reached."""
        try:
            reached = await self.may(user, statement, *values)
        except (asyncpg.InsufficientPrivilegeError, asyncpg.IntegrityConstraintViolationError):
            return
        assert reached == 0, f"{user} reached {reached} rows with {statement}"


async def populate(connection: asyncpg.Connection) -> None:
    for session, people in PEOPLE.items():
        host = next(iter(people))
        await connection.execute(
            "insert into live_sessions (id, host_user_id, host_name, title) values ($1, $2, $2, 'Show')",
            session,
            host,
        )
        await connection.execute(
            "insert into live_session_settings (session_id, enable_gifts) values ($1, true)", session
        )
        visitors = {**people, **({"kai": "viewer", "lea": "viewer"} if session == SHOW else {})}
        for name, role in visitors.items():
            await connection.execute(
                "insert into live_participants (id, session_id, user_id, name, role) values ($1, $2, $3, $3, $4)",
                person(name, session),
                session,
                name,
                role,
            )
        viewer = list(people)[-1]
        mine = (session, person(viewer, session), viewer)
        await connection.execute(
            "insert into live_guest_requests (session_id, participant_id, user_id, name, message) "
            "values ($1, $2, $3, $3, 'Please')",
            *mine,
        )
        await connection.execute(
            "insert into live_chat_messages (session_id, participant_id, user_id, name, body) "
            "values ($1, $2, $3, $3, 'Secret of the room')",
            *mine,
        )
        await connection.execute(
            "insert into live_reactions (session_id, user_id, type, count) values ($1, $2, 'heart', 3)",
            session,
            viewer,
        )
        await connection.execute(
            "insert into live_gifts (session_id, participant_id, user_id, name, gift_id, quantity, key, value) "
            "values ($1, $2, $3, $3, 'rose', 2, 'key', 1)",
            *mine,
        )
    await connection.execute(
        "update live_participants set status = 'kicked', left_at = now() where user_id = 'kai'; "
        "update live_participants set status = 'left', left_at = now() where user_id = 'lea'; "
        "update live_gifts set status = 'paid', settled_at = now() where user_id = 'yan'; "
        "insert into live_bans (host_user_id, user_id, session_id, name, banned_by) "
        f"values ('ana', 'mallory', '{SHOW}', 'Mallory', 'ana'), ('zoe', 'max', '{OTHER}', 'Max', 'zoe'); "
        "insert into live_webhooks (url) values ('https://example.com/hook')"
    )
