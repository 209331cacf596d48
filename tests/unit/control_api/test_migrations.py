from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
import pytest

from control_api.migrations import Migration, MigrationError, available, migrate

FIRST = Migration(1, "schema", "create table one (value integer)")
SECOND = Migration(2, "more", "create table two (value integer); insert into one values (2)")


async def run(dsn: str, migrations: list[Migration] | None = None) -> int:
    connection = await asyncpg.connect(dsn)
    try:
        return await migrate(connection, migrations)
    finally:
        await connection.close()


async def value(dsn: str, statement: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_the_schema_is_applied_once(database_dsn: str) -> None:
    assert await run(database_dsn) == len(available())
    assert await run(database_dsn) == 0
    assert await value(database_dsn, "select count(*) from live_sessions") == 0
    assert await value(database_dsn, "select name from greenroom_migrations where version = 1") == "schema"


async def test_servers_that_start_at_once_apply_everything_once(database_dsn: str) -> None:
    applied = await asyncio.gather(*(run(database_dsn, [FIRST, SECOND]) for _ in range(6)))
    assert sum(applied) == 2
    assert await value(database_dsn, "select count(*) from one") == 1


async def test_later_migrations_follow(database_dsn: str) -> None:
    assert await run(database_dsn, [FIRST]) == 1
    assert await run(database_dsn, [FIRST, SECOND]) == 1
    assert await value(database_dsn, "select max(version) from greenroom_migrations") == 2


async def test_a_failing_migration_leaves_nothing_behind(database_dsn: str) -> None:
    broken = Migration(2, "broken", "create table two (value integer); select 1/0")
    with pytest.raises(MigrationError, match=r"migration 2 \(broken\) failed: division by zero"):
        await run(database_dsn, [FIRST, broken])
    assert await value(database_dsn, "select to_regclass('two')") is None
    assert await value(database_dsn, "select max(version) from greenroom_migrations") == 1
    assert await run(database_dsn, [FIRST, SECOND]) == 1


async def test_a_newer_database_is_refused(database_dsn: str) -> None:
    await run(database_dsn, [FIRST, SECOND])
    with pytest.raises(MigrationError, match="the database is at version 2, this Greenroom knows 1"):
        await run(database_dsn, [FIRST])


async def test_a_database_made_from_another_schema_is_refused(database_dsn: str) -> None:
    await run(database_dsn, [FIRST])
    with pytest.raises(MigrationError, match="was made from another schema"):
        await run(database_dsn, [Migration(1, "schema", "create table another (value integer)")])


def test_comments_may_be_edited() -> None:
    commented = Migration(1, "schema", "-- why\n\n  create table one (value integer)\n")
    assert commented.checksum == FIRST.checksum
    assert commented.checksum != SECOND.checksum


def test_numbered_files(tmp_path: Path) -> None:
    schema, folder = tmp_path / "schema.sql", tmp_path / "migrations"
    schema.write_text("select 1")
    assert [migration.version for migration in available(schema, folder)] == [1]
    folder.mkdir()
    (folder / "0002_chat.sql").write_text("select 2")
    (folder / "0003_gifts.sql").write_text("select 3")
    assert [(m.version, m.name) for m in available(schema, folder)] == [(1, "schema"), (2, "chat"), (3, "gifts")]


@pytest.mark.parametrize("name", ["0003_gap.sql", "0001_again.sql", "two.sql"])
def test_gaps_and_strange_names_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "schema.sql").write_text("select 1")
    (tmp_path / name).write_text("select 2")
    (tmp_path / "migrations").mkdir()
    (tmp_path / name).rename(tmp_path / "migrations" / name)
    with pytest.raises(MigrationError, match=name):
        available(tmp_path / "schema.sql", tmp_path / "migrations")
