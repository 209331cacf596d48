"""Counting in a real PostgreSQL that dies while it counts."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Sequence

import asyncpg
import pytest

from control_api.embedded.postgres import EmbeddedPostgres
from control_api.store import Database, PostgresStore
from control_api.store.commits import _was_committed, commit_once
from signaling.batches import BatchLimits, BatchWriter, WriteInDoubt
from signaling.errors import LiveError
from signaling.ports import CommitInDoubt, StoreRefused, StoreUnavailable
from tests.unit.control_api.test_store import started


async def reacted(connection: asyncpg.Connection, session_id: str, count: int = 1) -> int:
    await connection.execute(
        """
        insert into live_reactions as r (session_id, user_id, type, count) values ($1, 'ben', 'heart', $2)
        on conflict (session_id, user_id, type) do update set count = r.count + excluded.count
        """,
        session_id,
        count,
    )
    await connection.execute("select live_record($1, 'reactions')", session_id)
    return count


async def counted(database: Database, session_id: str) -> int:
    async with database.transaction() as connection:
        return int(
            await connection.fetchval(
                "select coalesce(sum(count), 0) from live_reactions where session_id = $1", session_id
            )
        )


async def killed_by(database: Database, connection: asyncpg.Connection) -> None:
    async with database.owner() as owner:
        await owner.execute("select pg_terminate_backend($1)", connection.get_server_pid())


async def test_what_is_committed_is_told(database: Database) -> None:
    session = await started(PostgresStore(database))
    assert await commit_once(database, [session.id], lambda c: reacted(c, session.id, 3)) == 3
    assert await counted(database, session.id) == 3


async def test_a_connection_that_is_lost_before_the_commit_leaves_no_doubt(database: Database) -> None:
    session = await started(PostgresStore(database))

    async def write(connection: asyncpg.Connection) -> int:
        await killed_by(database, connection)
        return await reacted(connection, session.id)

    with pytest.raises(StoreUnavailable) as caught:
        await commit_once(database, [session.id], write)
    assert not isinstance(caught.value, CommitInDoubt)
    assert await counted(database, session.id) == 0


async def test_a_connection_that_is_lost_when_it_comes_to_the_commit_is_settled(database: Database) -> None:
    session = await started(PostgresStore(database))

    async def write(connection: asyncpg.Connection) -> int:
        count = await reacted(connection, session.id)
        await killed_by(database, connection)
        return count

    with pytest.raises(CommitInDoubt) as caught:
        await commit_once(database, [session.id], write)
    assert await caught.value.settle() is None
    assert await counted(database, session.id) == 0


async def test_a_commit_whose_answer_was_lost_is_found(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    session = await started(PostgresStore(database))
    transaction = database.transaction

    def losing_the_answer() -> object:
        class Lost:
            async def __aenter__(self) -> asyncpg.Connection:
                self.real = transaction()
                return await self.real.__aenter__()

            async def __aexit__(self, *error: object) -> None:
                await self.real.__aexit__(None, None, None)
                raise StoreUnavailable("the answer was lost")

        return Lost()

    monkeypatch.setattr(database, "transaction", losing_the_answer)
    with pytest.raises(CommitInDoubt) as caught:
        await commit_once(database, [session.id], lambda c: reacted(c, session.id, 2))
    monkeypatch.undo()
    assert await caught.value.settle() == 2
    assert await counted(database, session.id) == 2


async def test_a_number_that_somebody_else_got_after_a_crash_is_no_proof(database: Database) -> None:
    session, other = await started(PostgresStore(database)), await started(PostgresStore(database))
    numbers: list[str] = []

    async def write(connection: asyncpg.Connection) -> int:
        numbers.append(await connection.fetchval("select pg_current_xact_id()::text"))
        return await reacted(connection, session.id)

    await commit_once(database, [session.id], write)
    assert await _was_committed(database, numbers[0], [session.id])
    assert not await _was_committed(database, numbers[0], [other.id])
    assert not await _was_committed(database, str(int(numbers[0]) + 10**6), [session.id])


async def test_reactions_are_counted_exactly_while_postgres_is_killed(embedded_postgres: EmbeddedPostgres) -> None:
    server = embedded_postgres
    database = Database(await server.start())
    try:
        await database.migrate()
        await database.connect()
        session = await started(PostgresStore(database))
        tally: Counter[str] = Counter()

        async def write(items: Sequence[int]) -> Sequence[int | StoreRefused]:
            async def add_up(connection: asyncpg.Connection) -> Sequence[int]:
                await reacted(connection, session.id, sum(items))
                return items

            return await commit_once(database, [session.id], add_up)

        writer: BatchWriter[int, int] = BatchWriter(write, BatchLimits(retry_for_s=20, max_retry_s=0.2))

        async def react() -> None:
            while not tally["stop"]:
                try:
                    count = await writer.add(session.id, 1)
                    tally["acknowledged"] += count
                except WriteInDoubt:
                    tally["in doubt"] += 1
                except LiveError:
                    tally["refused"] += 1
                    await asyncio.sleep(0.01)

        async def until(more: int) -> None:
            goal = tally["acknowledged"] + more
            async with asyncio.timeout(60):
                while tally["acknowledged"] < goal:
                    await asyncio.sleep(0.005)

        reacting = [asyncio.create_task(react()) for _ in range(20)]
        await until(500)
        for _ in range(3):
            assert server.pid is not None
            os.kill(server.pid, signal.SIGKILL)
            await until(300)
        tally["stop"] = 1
        await asyncio.gather(*reacting)
        await writer.close()
        assert tally["in doubt"] == 0
        assert await counted(database, session.id) == tally["acknowledged"]
    finally:
        await database.close()
