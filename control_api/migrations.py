"""Makes a database, or brings an old one to this version.

An empty database gets `schema.sql`. An older one gets the numbered files of `schema_changes/` that it lacks, and then
the rules: the part of `schema.sql` that replaces what is there (functions, triggers, views, policies) and that is run
again whenever it has changed. A test holds both ways to the same result.

Several servers may start at once on one database. The one that holds an advisory lock migrates; the others poll for it
rather than wait inside PostgreSQL, where a blocked session would hold up `CREATE INDEX CONCURRENTLY`. The lock belongs
to the migration's transaction, so it also holds behind a connection pooler and ends with a lost connection.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from . import assets

logger = logging.getLogger(__name__)

LOCK_KEY = 0x47524D49
"""Ours among a database's advisory locks ("GRMI")."""
LOCK_POLL_S = 0.1
LOCK_TIMEOUT_S = 60.0
MIGRATION_TIMEOUT_S = 3600.0
"""A pool's own limit is meant for the queries of a request; an index on a large table takes its time."""

_FILE_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_RULES_BEGIN = "\n-- Rules:"
_RULES_VERSION = 0
"""The row of `greenroom_migrations` that says which rules are in force."""


class MigrationError(Exception):
    """The database can't be brought to this version; the message is for the operator."""


@dataclass(frozen=True)
class Migration:
    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the statements: comment lines, blank lines and indentation may be edited later."""
        lines = (line.strip() for line in self.sql.splitlines())
        statements = "\n".join(line for line in lines if line and not line.startswith("--"))
        return hashlib.sha256(statements.encode()).hexdigest()


@dataclass(frozen=True)
class Schema:
    """The database as this version wants it, and how older ones become that."""

    whole: str
    """SQL that makes an empty database into it."""
    changes: tuple[Migration, ...]
    """All versions in order, from 1."""

    @property
    def rules(self) -> Migration:
        """What `whole` has from the line "-- Rules:" on; empty without such a line."""
        return Migration(_RULES_VERSION, "rules", self.whole.partition(_RULES_BEGIN)[2].partition("\n")[2])


def available(schema: Path | None = None, folder: Path | None = None) -> Schema:
    """What this version brings: the schema file, and `NNNN_name.sql` in `folder`.

    Raises `MigrationError` where a number is missing or used twice.
    """
    schema, folder = schema or assets.schema_file(), folder or assets.schema_changes_dir()
    changes: list[Migration] = []
    for path in sorted(folder.glob("*.sql")):
        match = _FILE_NAME.fullmatch(path.name)
        if match is None or int(match[1]) != len(changes) + 1:
            raise MigrationError(f"the migration {path.name} is not number {len(changes) + 1:04}")
        changes.append(Migration(int(match[1]), match[2], path.read_text(encoding="utf-8")))
    return Schema(schema.read_text(encoding="utf-8"), tuple(changes))


async def migrate(connection: asyncpg.Connection, schema: Schema | None = None) -> list[str]:
    """Apply what is missing, each step in a transaction of its own; return what was done, in words.

    Raises `MigrationError` for a database that is newer than this code or was changed behind its back, when a
    migration fails, and when another server holds the lock for longer than a minute.
    """
    wanted = available() if schema is None else schema
    deadline = asyncio.get_running_loop().time() + LOCK_TIMEOUT_S
    done: list[str] = []
    while True:
        async with connection.transaction():
            if await connection.fetchval("select pg_try_advisory_xact_lock($1)", LOCK_KEY):
                step = await _next_step(connection, wanted)
                if step is None:
                    return done
                done.append(step)
                continue
        if asyncio.get_running_loop().time() > deadline:
            raise MigrationError("another server has been migrating the database for more than a minute")
        await asyncio.sleep(LOCK_POLL_S)


async def _next_step(connection: asyncpg.Connection, schema: Schema) -> str | None:
    """Do one thing that is missing, and say what it was. Runs in a transaction, with the lock."""
    rows = await _recorded(connection)
    applied = [(version, checksum) for version, checksum in rows if version != _RULES_VERSION]
    _check(applied, schema.changes)
    if not applied:
        taken = await connection.fetchval(
            "select current_schema() where to_regclass(format('%I.live_sessions', current_schema())) is not null"
        )
        if taken is not None:
            raise MigrationError(
                f'the schema "{taken}" has a table live_sessions that Greenroom did not make: drop what schema.sql '
                "made, where it was run by hand, or name an empty schema: DATABASE_URL=...?search_path=NAME"
            )
        await _run(connection, Migration(len(schema.changes), "the schema", schema.whole))
        for change in (*schema.changes, schema.rules):
            await _record(connection, change)
        return f"made the database, at version {len(schema.changes)}"
    if len(applied) < len(schema.changes):
        change = schema.changes[len(applied)]
        await _run(connection, change)
        await _record(connection, change)
        return f"applied migration {change.version} ({change.name})"
    if (_RULES_VERSION, schema.rules.checksum) not in rows:
        await _run(connection, schema.rules)
        await _record(connection, schema.rules)
        return "renewed the rules"
    return None


async def _run(connection: asyncpg.Connection, migration: Migration) -> None:
    logger.info("migrating the database: %s (%d)", migration.name, migration.version)
    try:
        await connection.execute(migration.sql, timeout=MIGRATION_TIMEOUT_S)
    except asyncpg.PostgresError as error:
        raise MigrationError(f"migration {migration.version} ({migration.name}) failed: {error}") from error


async def _record(connection: asyncpg.Connection, migration: Migration) -> None:
    await connection.execute(
        "insert into greenroom_migrations (version, name, checksum) values ($1, $2, $3) "
        "on conflict (version) do update set checksum = excluded.checksum, applied_at = now()",
        migration.version,
        migration.name,
        migration.checksum,
    )


async def _recorded(connection: asyncpg.Connection) -> list[tuple[int, str]]:
    if await connection.fetchval("select to_regclass('greenroom_migrations')") is None:
        try:
            await connection.execute(
                """
                create table greenroom_migrations (
                  version    integer primary key,
                  name       text not null,
                  checksum   text not null,
                  applied_at timestamptz not null default now()
                )
                """
            )
        except (asyncpg.InsufficientPrivilegeError, asyncpg.InvalidSchemaNameError) as error:
            raise MigrationError(f"no table can be made in the database: {error}") from error
        await connection.execute(
            "comment on table greenroom_migrations is 'What has been done to this database, by which version.'"
        )
    rows = await connection.fetch("select version, checksum from greenroom_migrations order by version")
    return [(row["version"], row["checksum"]) for row in rows]


def _check(applied: list[tuple[int, str]], changes: tuple[Migration, ...]) -> None:
    if applied and applied[-1][0] > len(changes):
        raise MigrationError(
            f"the database is at version {applied[-1][0]}, this Greenroom knows {len(changes)}: use a newer Greenroom"
        )
    for (version, checksum), change in zip(applied, changes, strict=False):
        if version != change.version or checksum != change.checksum:
            raise MigrationError(
                f"the database's version {change.version} was made from another {change.name} than this "
                "Greenroom's: use the Greenroom that made it, or a new database"
            )
