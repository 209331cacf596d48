from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
import pytest

from control_api.migrations import Migration, MigrationError, Schema, available, migrate

FIRST = Migration(1, "spine", "create table one (value integer)")
SECOND = Migration(2, "more", "create table two (value integer); insert into one values (2)")
RULES = "create or replace view both_of_them as select 1 as number;"
"""What later versions of a schema run again."""


def schema(*changes: Migration, rules: str = RULES) -> Schema:
    tables = ";\n".join(change.sql for change in changes)
    return Schema(f"{tables};\n\n-- Rules: again and again.\n{rules}", changes)


async def run(dsn: str, wanted: Schema | None = None) -> list[str]:
    connection = await asyncpg.connect(dsn)
    try:
        return await migrate(connection, wanted)
    finally:
        await connection.close()


async def value(dsn: str, statement: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_the_schema_is_applied_once(database_dsn: str) -> None:
    assert await run(database_dsn) == [f"made the database, at version {len(available().changes)}"]
    assert await run(database_dsn) == []
    assert await value(database_dsn, "select count(*) from live_sessions") == 0
    versions = await value(database_dsn, "select array_agg(version order by version) from greenroom_migrations")
    assert versions == list(range(len(available().changes) + 1))


async def test_servers_that_start_at_once_apply_everything_once(database_dsn: str) -> None:
    await run(database_dsn, schema(FIRST))
    applied = await asyncio.gather(*(run(database_dsn, schema(FIRST, SECOND)) for _ in range(6)))
    assert sorted(applied)[-1] == ["applied migration 2 (more)"]
    assert sum(map(len, applied)) == 1
    assert await value(database_dsn, "select count(*) from one") == 1


async def test_servers_that_start_at_once_make_one_database(database_dsn: str) -> None:
    made = await asyncio.gather(*(run(database_dsn) for _ in range(4)))
    assert sum(map(len, made)) == 1


async def test_later_migrations_follow_and_then_the_rules(database_dsn: str) -> None:
    await run(database_dsn, schema(FIRST))
    newer = schema(FIRST, SECOND, rules="create or replace view both_of_them as select value as number from two;")
    newer = Schema(newer.whole.replace("create or replace view", "drop view both_of_them; create view"), newer.changes)
    assert await run(database_dsn, newer) == ["applied migration 2 (more)", "renewed the rules"]
    assert await run(database_dsn, newer) == []
    assert await value(database_dsn, "select max(version) from greenroom_migrations") == 2
    assert await value(database_dsn, "select count(*) from both_of_them") == 0


async def test_a_failing_migration_leaves_nothing_behind(database_dsn: str) -> None:
    broken = Migration(2, "broken", "create table two (value integer); select 1/0")
    await run(database_dsn, schema(FIRST))
    with pytest.raises(MigrationError, match=r"migration 2 \(broken\) failed: division by zero"):
        await run(database_dsn, schema(FIRST, broken))
    assert await value(database_dsn, "select to_regclass('two')") is None
    assert await value(database_dsn, "select max(version) from greenroom_migrations") == 1
    assert len(await run(database_dsn, schema(FIRST, SECOND))) == 1


async def test_tables_that_were_made_by_hand_are_left_alone(database_dsn: str) -> None:
    connection = await asyncpg.connect(database_dsn)
    try:
        await connection.execute(available().whole)
    finally:
        await connection.close()
    with pytest.raises(MigrationError, match="empty schema"):
        await run(database_dsn)
    assert await value(database_dsn, "select count(*) from live_gift_catalogue") == 5


async def test_a_schema_that_is_not_there_is_told_in_words(database_dsn: str) -> None:
    with pytest.raises(MigrationError, match="no schema"):
        await run(database_dsn.replace("search_path=", "search_path=not_"))


async def test_a_newer_database_is_refused(database_dsn: str) -> None:
    await run(database_dsn, schema(FIRST, SECOND))
    with pytest.raises(MigrationError, match="the database is at version 2, this Greenroom knows 1"):
        await run(database_dsn, schema(FIRST))


async def test_a_database_made_from_another_schema_is_refused(database_dsn: str) -> None:
    await run(database_dsn, schema(FIRST))
    with pytest.raises(MigrationError, match="was made from another spine"):
        await run(database_dsn, schema(Migration(1, "spine", "create table another (value integer)")))


def test_comments_may_be_edited() -> None:
    commented = Migration(1, "spine", "-- why\n\n  create table one (value integer)\n")
    assert commented.checksum == FIRST.checksum
    assert commented.checksum != SECOND.checksum


def test_numbered_files(tmp_path: Path) -> None:
    (tmp_path / "schema.sql").write_text("select 0")
    folder = tmp_path / "changes"
    folder.mkdir()
    for name in ("0001_spine.sql", "0002_chat.sql", "0003_gifts.sql"):
        (folder / name).write_text("select 1")
    changes = available(tmp_path / "schema.sql", folder).changes
    assert [(m.version, m.name) for m in changes] == [(1, "spine"), (2, "chat"), (3, "gifts")]


@pytest.mark.parametrize("name", ["0003_gap.sql", "0001_again.sql", "two.sql"])
def test_gaps_and_strange_names_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "schema.sql").write_text("select 1")
    folder = tmp_path / "changes"
    folder.mkdir()
    for file in ("0001_spine.sql", name):
        (folder / file).write_text("select 2")
    with pytest.raises(MigrationError, match="is not number"):
        available(tmp_path / "schema.sql", folder)


# What a catalogue says about our objects, without numbers that differ from database to database.
_CATALOGUE = """
select 'column', c.table_name || '.' || c.column_name || ' ' || c.data_type || ' ' || c.is_nullable
       || ' ' || c.ordinal_position || ' ' || coalesce(c.column_default, '') || ' ' || c.is_identity
       || coalesce(col_description(format('%I', c.table_name)::regclass, c.ordinal_position), '')
  from information_schema.columns c where c.table_schema = current_schema()
union all
select 'constraint', conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid)
  from pg_constraint where connamespace = current_schema()::regnamespace
union all
select 'index', replace(indexdef, current_schema() || '.', '') from pg_indexes where schemaname = current_schema()
union all
select 'trigger', replace(pg_get_triggerdef(t.oid), current_schema() || '.', '')
  from pg_trigger t join pg_class c on c.oid = t.tgrelid
 where c.relnamespace = current_schema()::regnamespace and not t.tgisinternal
union all
select 'policy', row(tablename, policyname, roles, cmd, replace(qual, current_schema() || '.', ''), with_check)::text
  from pg_policies where schemaname = current_schema()
union all
select 'function', oid::regprocedure || ' ' || prosrc || ' ' || prosecdef::text || coalesce(proacl::text, '')
  from pg_proc where pronamespace = current_schema()::regnamespace
union all
select 'table', concat(relname, ' ', relkind, ' ', relrowsecurity) || coalesce(relacl::text, '')
       || coalesce(obj_description(oid, 'pg_class'), '')
  from pg_class where relnamespace = current_schema()::regnamespace and relkind in ('r', 'v', 'S')
 order by 1, 2
"""


async def catalogue(dsn: str) -> list[str]:
    connection = await asyncpg.connect(dsn)
    try:
        return [f"{row[0]} {row[1]}" for row in await connection.fetch(_CATALOGUE)]
    finally:
        await connection.close()


async def test_an_old_database_becomes_what_a_new_one_is(database_dsn: str, another_database_dsn: str) -> None:
    spine = available().changes[0]
    await run(database_dsn, Schema(spine.sql, (spine,)))
    connection = await asyncpg.connect(database_dsn)
    try:
        await connection.execute(
            """
            insert into live_sessions (id, host_user_id, host_name, title)
            values ('11111111-1111-4111-8111-111111111111', 'ana', 'Ana', 'Old');
            insert into live_session_settings (session_id) values ('11111111-1111-4111-8111-111111111111');
            insert into live_participants (session_id, user_id, name, role)
            values ('11111111-1111-4111-8111-111111111111', 'ana', 'Ana', 'host'),
                   ('11111111-1111-4111-8111-111111111111', 'ben', 'Ben', 'viewer');
            """
        )
    finally:
        await connection.close()
    await run(database_dsn)
    await run(another_database_dsn)
    assert await catalogue(database_dsn) == await catalogue(another_database_dsn)
    assert await value(database_dsn, "select peak_viewer_count from live_sessions") == 1
    await value(database_dsn, "update live_sessions set status = 'ended', ended_at = now(), end_reason = 'x'")
    assert await value(database_dsn, "select unique_viewers from live_session_stats") == 1
    assert await value(database_dsn, "select count(*) from live_visits where left_at is null") == 0
