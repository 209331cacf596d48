"""Brings a database to this version: `schema.sql` is migration 1, later ones are numbered files beside it.

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


def available(schema: Path | None = None, folder: Path | None = None) -> list[Migration]:
    """All migrations in order: the schema file, then `NNNN_name.sql` in `folder` (which need not exist).

    Raises `MigrationError` where a number is missing or used twice.
    """
    schema, folder = schema or assets.schema_file(), folder or assets.migrations_dir()
    migrations = [Migration(1, "schema", schema.read_text(encoding="utf-8"))]
    for path in sorted(folder.glob("*.sql")):
        match = _FILE_NAME.fullmatch(path.name)
        if match is None or int(match[1]) != len(migrations) + 1:
            raise MigrationError(f"the migration {path.name} is not number {len(migrations) + 1:04}")
        migrations.append(Migration(int(match[1]), match[2], path.read_text(encoding="utf-8")))
    return migrations


async def migrate(connection: asyncpg.Connection, migrations: list[Migration] | None = None) -> int:
    """Apply what is missing, each migration in a transaction of its own; return how many were applied.

    Raises `MigrationError` for a database that is newer than this code or was changed behind its back, when a
    migration fails, and when another server holds the lock for longer than a minute.
    """
    wanted = available() if migrations is None else migrations
    deadline = asyncio.get_running_loop().time() + LOCK_TIMEOUT_S
    applied = 0
    while True:
        progress = await _apply_next(connection, wanted)
        if progress is True:
            applied += 1
        elif progress is False:
            return applied
        elif asyncio.get_running_loop().time() > deadline:
            raise MigrationError("another server has been migrating the database for more than a minute")
        else:
            await asyncio.sleep(LOCK_POLL_S)


async def _apply_next(connection: asyncpg.Connection, migrations: list[Migration]) -> bool | None:
    """True: one was applied. False: nothing is missing. None: another server is at it."""
    async with connection.transaction():
        if not await connection.fetchval("select pg_try_advisory_xact_lock($1)", LOCK_KEY):
            return None
        done = await _applied(connection)
        _check(done, migrations)
        if len(done) == len(migrations):
            return False
        migration = migrations[len(done)]
        logger.info("applying migration %d (%s)", migration.version, migration.name)
        try:
            await connection.execute(migration.sql, timeout=MIGRATION_TIMEOUT_S)
        except asyncpg.PostgresError as error:
            raise MigrationError(f"migration {migration.version} ({migration.name}) failed: {error}") from error
        await connection.execute(
            "insert into greenroom_migrations (version, name, checksum) values ($1, $2, $3)",
            migration.version,
            migration.name,
            migration.checksum,
        )
        return True


async def _applied(connection: asyncpg.Connection) -> list[tuple[int, str]]:
    if await connection.fetchval("select to_regclass('greenroom_migrations')") is None:
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
        await connection.execute(
            "comment on table greenroom_migrations is 'What has been done to this database, by which version.'"
        )
    rows = await connection.fetch("select version, checksum from greenroom_migrations order by version")
    return [(row["version"], row["checksum"]) for row in rows]


def _check(done: list[tuple[int, str]], migrations: list[Migration]) -> None:
    if done and done[-1][0] > len(migrations):
        raise MigrationError(
            f"the database is at version {done[-1][0]}, this Greenroom knows {len(migrations)}: use a newer Greenroom"
        )
    for (version, checksum), migration in zip(done, migrations, strict=False):
        if version != migration.version or checksum != migration.checksum:
            raise MigrationError(
                f"the database's version {migration.version} was made from another {migration.name} than this "
                "Greenroom's: use the Greenroom that made it, or a new database"
            )
