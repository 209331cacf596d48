"""`greenroom db`: brings the database to this version, and tells which one it has."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from control_api.settings import Settings

from .options import EXIT_CANNOT_RUN, add_settings, paragraphs, wide_help
from .tables import table

if TYPE_CHECKING:
    import asyncpg

_WHICH = (
    "The database is that of DATABASE_URL; without it, the embedded one in the data folder, which is started for this "
    "if no server runs on it."
)


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("db", help="look after the database")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    migrate = actions.add_parser(
        "migrate",
        help="bring the database to this version",
        description=paragraphs(
            "Apply the migrations that the database lacks, each in a transaction, and say what was done. The server "
            "does the same when it starts.",
            _WHICH,
        ),
        formatter_class=wide_help,
    )
    add_settings(migrate, ["data_dir"])
    migrate.set_defaults(run=run_migrate)
    status = actions.add_parser(
        "status",
        help="tell which version the database has",
        description=paragraphs("List the migrations, and whether they were applied. Nothing is changed.", _WHICH),
        epilog="exit codes:\n  0  the database is at this version\n  1  it is not, or can't be reached",
        formatter_class=wide_help,
    )
    add_settings(status, ["data_dir"])
    status.set_defaults(run=run_status)


async def run_migrate(settings: Settings, arguments: argparse.Namespace) -> int:
    from control_api import migrations

    async with _connected(settings) as connection:
        done = await migrations.migrate(connection)
    print("\n".join(done) if done else "nothing to do: the database is at this version")
    return 0


async def run_status(settings: Settings, arguments: argparse.Namespace) -> int:
    if settings.database_url is None and not (settings.data_dir / "postgres").exists():
        print(f"there is no database in {settings.data_dir} yet; greenroom db migrate makes it, and so does the server")
        return EXIT_CANNOT_RUN
    async with _connected(settings) as connection:
        rows = await status(connection)
    print(table(("VERSION", "NAME", "STATE"), rows))
    return 0 if all(state.startswith("applied") for _, _, state in rows) else EXIT_CANNOT_RUN


async def status(connection: asyncpg.Connection) -> list[tuple[str, str, str]]:
    """Version, name and state of every migration that this Greenroom or the database knows. Changes nothing."""
    from control_api import migrations

    wanted = migrations.available()
    applied = {}
    if await connection.fetchval("select to_regclass('greenroom_migrations')") is not None:
        rows = await connection.fetch("select version, name, checksum, applied_at from greenroom_migrations")
        applied = {row["version"]: row for row in rows}
    states = []
    for migration in (*wanted.changes, wanted.rules):
        row = applied.pop(migration.version, None)
        is_rules = migration is wanted.rules or migration.version == wanted.rules.version
        version = "-" if is_rules else str(migration.version)
        if row is None:
            state = "missing"
        elif row["checksum"] != migration.checksum:
            state = "to be renewed" if is_rules else "of another Greenroom"
        else:
            state = f"applied {row['applied_at']:%Y-%m-%d %H:%M:%S %Z}"
        states.append((version, migration.name, state))
    states += [(str(row["version"]), row["name"], "of a newer Greenroom") for row in applied.values()]
    return states


@asynccontextmanager
async def _connected(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """A connection as the owner of the database. Raises `PostgresError`, `StoreUnavailable`."""
    from control_api.embedded.postgres import EmbeddedPostgres, running_url
    from control_api.embedded.postgres_folder import FolderInUse
    from control_api.store import Database

    if settings.database_url is not None:
        async with Database(settings.database_url).owner() as connection:
            yield connection
        return
    postgres = EmbeddedPostgres(settings.data_dir)
    try:
        try:
            url = await postgres.start()
        except FolderInUse:
            url = running_url(settings.data_dir)
        async with Database(url).owner() as connection:
            yield connection
    finally:
        await postgres.stop()
