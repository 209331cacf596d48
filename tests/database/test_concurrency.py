"""Many at once, each with a connection of their own: what must never be true is refused, and nobody deadlocks."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest

from control_api.store import Database
from control_api.store.database import speak_as
from signaling.ports import Identity

SHOW = "11111111-1111-4111-8111-111111111111"
VIEWERS = 30
CONNECTIONS = 12

Act = Callable[[asyncpg.Connection], Awaitable[object]]


@pytest.fixture
async def show(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """Looks at a session with 30 viewers, all of whom ask to come up, and a stage for 20."""
    async with database.owner() as connection:
        await connection.execute(
            f"""
            insert into live_sessions (id, host_user_id, host_name, title) values ('{SHOW}', 'ana', 'Ana', 'Show');
            insert into live_session_settings (session_id) values ('{SHOW}');
            insert into live_participants (session_id, user_id, name, role) values ('{SHOW}', 'ana', 'Ana', 'host');
            insert into live_participants (session_id, user_id, name, role)
            select '{SHOW}', 'viewer ' || n, 'X', 'viewer' from generate_series(1, {VIEWERS}) n;
            insert into live_guest_requests (session_id, participant_id, user_id, name)
            select session_id, id, user_id, name from live_participants where role = 'viewer';
            """
        )
        yield connection


async def outcomes(database: Database, user: str, acts: list[Act], isolation: str = "read_committed") -> Counter[str]:
    """Run all at once, in transactions of their own in somebody's name; how many ended how."""
    turns = asyncio.Semaphore(CONNECTIONS)

    async def run(act: Act) -> str:
        async with turns, database.owner() as connection:
            try:
                async with connection.transaction(isolation=isolation):
                    await connection.execute(speak_as(Identity(user_id=user, name="X")))
                    await act(connection)
            except asyncpg.PostgresError as error:
                return error.constraint_name or type(error).__name__
            return "done"

    return Counter(await asyncio.gather(*map(run, acts)))


def approval(number: int) -> Act:
    return lambda connection: connection.execute(
        "update live_guest_requests set status = 'approved', answered_at = now(), answered_by = 'ana' "
        "where user_id = $1",
        f"viewer {number}",
    )


@pytest.mark.parametrize("isolation", ["read_committed", "repeatable_read", "serializable"])
async def test_no_more_come_on_stage_than_it_takes(
    database: Database, show: asyncpg.Connection, isolation: str
) -> None:
    ended = await outcomes(database, "ana", [approval(number) for number in range(1, VIEWERS + 1)], isolation)
    guests = await show.fetchval("select count(*) from live_participants where role = 'guest'")
    assert guests == await show.fetchval("select guest_count from live_sessions") == ended["done"]
    assert guests == 20 if isolation == "read_committed" else 1 <= guests <= 20
    assert ended.keys() <= {"done", "live_participants_max_guests", "SerializationError"}


async def test_of_many_who_want_the_same_one_gets_it(database: Database, show: asyncpg.Connection) -> None:
    start = "insert into live_sessions (host_user_id, host_name, title) values ('zoe', 'Zoe', 'X')"
    ended = await outcomes(database, "zoe", [lambda c: c.execute(start)] * CONNECTIONS)
    assert ended == {"done": 1, "live_sessions_one_live_per_host": CONNECTIONS - 1}

    come = f"insert into live_participants (session_id, user_id, name, role) values ('{SHOW}', 'dan', 'Dan', 'viewer')"
    ended = await outcomes(database, "dan", [lambda c: c.execute(come)] * CONNECTIONS)
    assert ended["done"] == 1

    ask = (
        "insert into live_guest_requests (session_id, participant_id, user_id, name) "
        "select session_id, id, user_id, name from live_participants where user_id = 'dan'"
    )
    ended = await outcomes(database, "dan", [lambda c: c.execute(ask)] * CONNECTIONS)
    assert ended == {"done": 1, "live_guest_requests_one_pending": CONNECTIONS - 1}
    assert await show.fetchval("select count(*) from live_participants where role = 'host'") == 1


async def test_what_is_done_with_sql_does_not_deadlock_with_the_server(
    database: Database, show: asyncpg.Connection
) -> None:
    """The server locks the session first, whatever it does. So do the triggers, before they lock its events."""

    def as_the_server(number: int) -> Act:
        async def act(connection: asyncpg.Connection) -> None:
            await connection.fetchval("select live_lock_session($1)", SHOW)
            await approval(number)(connection)

        return act

    def with_sql(statement: str) -> Callable[[int], Act]:
        return lambda number: lambda connection: connection.execute(statement, f"viewer {number}")

    kick = with_sql("update live_participants set status = 'kicked', left_at = now() where user_id = $1")
    ban = with_sql(
        "insert into live_bans (host_user_id, user_id, session_id, name, banned_by) "
        f"values ('ana', $1, '{SHOW}', 'X', 'ana')"
    )
    ended = await outcomes(
        database,
        "ana",
        [
            act(number)
            for number, act in zip(
                range(1, VIEWERS + 1), [as_the_server, kick, approval, as_the_server, ban, approval] * 5, strict=True
            )
        ],
    )
    assert ended == {"done": VIEWERS}
