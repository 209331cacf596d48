import asyncio

import pytest

from control_api.store import Database
from control_api.store.database import POOL_SIZE
from signaling.ports import Identity, StoreRefused, StoreUnavailable


async def test_connections_in_use_and_those_who_wait_for_one(database):
    assert database.connections[1] == 0
    go, busy = asyncio.Event(), []

    async def use():
        async with database.transaction():
            busy.append(1)
            await go.wait()

    async with asyncio.TaskGroup() as group:
        for _ in range(POOL_SIZE + 3):
            group.create_task(use())
        while len(busy) < POOL_SIZE or database.usage.waiting_now < 3:
            await asyncio.sleep(0.01)
        assert database.connections == (POOL_SIZE, POOL_SIZE)
        go.set()
    assert database.usage.waiting_now == 0
    assert database.connections[1] == 0
    assert database.usage.wait_s.cumulative()[-1] >= POOL_SIZE + 3


async def test_failures_are_counted_by_who_is_at_fault(database, monkeypatch):
    with pytest.raises(StoreRefused):
        async with database.transaction(Identity(user_id="u", name="U")) as connection:
            await connection.execute("delete from live_webhooks")
    with pytest.raises(Exception, match="no_such_table"):
        async with database.transaction() as connection:
            await connection.execute("select * from no_such_table")
    assert database.usage.failures == {"refused": 1, "defect": 1}

    async def lose_the_connection():
        async with database.transaction() as connection:
            connection.terminate()
            await connection.fetchval("select 1")

    with pytest.raises(StoreUnavailable):
        await lose_the_connection()
    assert database.usage.failures["unavailable"] == 1


async def test_a_database_that_is_not_connected_has_no_connections():
    assert Database("postgresql://nowhere").connections == (0, 0)
