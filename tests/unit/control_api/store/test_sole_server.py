from __future__ import annotations

import asyncio

import asyncpg
import pytest

from control_api.store import Database, SoleServer
from control_api.store import sole_server as module
from tests.support.waiting import until


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_S", 0.05)
    monkeypatch.setattr(module, "RETRY_S", 0.02)
    monkeypatch.setattr(module, "PATIENCE_S", 0.3)


class Server:
    def __init__(self, database: Database) -> None:
        self.losses = 0
        self.right = SoleServer(database, self._lost)
        self.starting: asyncio.Task[None] | None = None

    def _lost(self) -> None:
        self.losses += 1

    def start(self) -> asyncio.Task[None]:
        self.starting = asyncio.create_task(self.right.acquire())
        return self.starting


async def holder(database: Database) -> int | None:
    async with database.owner() as connection:
        return await connection.fetchval(module._HOLDER)


async def cut(database: Database) -> None:
    """End the connection that holds the lock."""
    async with database.owner() as connection:
        await connection.execute("select pg_terminate_backend($1)", await holder(database))


async def test_the_second_waits_until_the_first_lets_go(database: Database) -> None:
    first, second = Server(database), Server(database)
    await first.start()
    waiting = second.start()
    await asyncio.wait({waiting}, timeout=0.3)
    assert not waiting.done()
    await first.right.release()
    await asyncio.wait_for(waiting, 10)
    assert (first.losses, second.losses) == (0, 0)
    await second.right.release()


async def test_whoever_waits_may_be_told_to_stop(database: Database) -> None:
    first, second = Server(database), Server(database)
    await first.start()
    waiting = second.start()
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await second.right.release()
    await first.right.release()
    assert await holder(database) is None


# Alone, or everybody's, as when the database restarts.
TERMINATE = {
    "its own": "select pg_terminate_backend($1)",
    "all": "select pg_terminate_backend(pid) from pg_stat_activity "
    "where pid <> pg_backend_pid() and query like '%advisory%' or pid = $1",
}


@pytest.mark.parametrize("which", TERMINATE)
async def test_who_serves_keeps_the_right_over_a_lost_connection_though_another_waits(
    database: Database, which: str
) -> None:
    first, second = Server(database), Server(database)
    await first.start()
    waiting = second.start()
    await asyncio.wait({waiting}, timeout=0.2)
    before = await holder(database)
    # The one that waits loses its connection, too, as when the database restarts.
    async with database.owner() as connection:
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where pid <> pg_backend_pid() and datname = current_database() and query like '%pg_try_advisory_lock(%' "
            f"or pid = {before}"
        )

    async def held_anew() -> bool:
        return await holder(database) not in (None, before)

    await until(held_anew, "the lock again")
    await asyncio.wait({waiting}, timeout=0.5)
    assert not waiting.done()
    assert first.losses == 0
    await first.right.release()
    await asyncio.wait_for(waiting, 10)
    await second.right.release()


async def test_a_server_that_was_replaced_is_told(database: Database) -> None:
    first = Server(database)
    await first.start()
    async with database.owner() as usurper:
        await cut(database)
        while not await usurper.fetchval(module._TRY):
            # The first one was faster.
            await cut(database)
        await until(lambda: first.losses == 1, "hearing of it")
    await first.right.release()


async def test_its_own_connection_that_the_database_still_believes_in_is_no_other_server(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Server(database)
    await first.start()
    before = await holder(database)
    broken = asyncio.Event()
    original = asyncpg.Connection.fetchval

    async def fail_once(self: asyncpg.Connection, query: str, *values: object, **options: object) -> object:
        if query == "select 1" and not broken.is_set():
            broken.set()
            raise TimeoutError
        return await original(self, query, *values, **options)

    async def never_closed(self: asyncpg.Connection, *, timeout: float | None = None) -> None:
        """As when the network swallows it."""

    monkeypatch.setattr(asyncpg.Connection, "close", never_closed)
    monkeypatch.setattr(asyncpg.Connection, "fetchval", fail_once)
    await asyncio.wait_for(broken.wait(), 10)
    monkeypatch.undo()

    async def held_anew() -> bool:
        return await holder(database) not in (None, before)

    await until(held_anew, "the lock again")
    assert first.losses == 0
    await first.right.release()
