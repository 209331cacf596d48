"""A database with people in it, for tests that look at it as somebody who is not the server."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest_asyncio

from control_api.store import Database
from tests.conftest import own_schema
from tests.support.plain_sql import Sql, populate


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def populated(postgres_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """Made once: no test leaves anything behind."""
    async with own_schema(postgres_dsn) as dsn:
        database = Database(dsn)
        await database.migrate()
        async with database.owner() as connection:
            await populate(connection)
            yield connection


@pytest_asyncio.fixture(loop_scope="module")
async def sql(populated: asyncpg.Connection) -> AsyncIterator[Sql]:
    transaction = populated.transaction()
    await transaction.start()
    yield Sql(populated)
    await transaction.rollback()
