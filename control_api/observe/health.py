"""Whether the parts of a running server work: what `GET /healthz` and `GET /readyz` tell."""

from __future__ import annotations

import asyncio
from typing import Final, Literal

import asyncpg

from control_api import migrations
from control_api.http.routes_bodies import Readiness
from control_api.store import Database
from sfu.worker.messages import WorkerStats
from sfu.worker.pool import WorkerPool
from signaling.ports import StoreUnavailable

DATABASE_TIMEOUT_S: Final = 2.0
WORKER_TIMEOUT_S: Final = 2.0
"""Who asks wants an answer soon; a part that takes longer does not work."""


class ServerHealth:
    """Implements `routes.health.Health`."""

    def __init__(self, database: Database, pool: WorkerPool) -> None:
        self._database = database
        self._pool = pool
        self._version = len(migrations.available().changes)

    async def workers(self) -> list[WorkerStats]:
        """Asks them. Of those that answer."""
        return await self._pool.stats(timeout_s=WORKER_TIMEOUT_S)

    async def readiness(self) -> Readiness:
        """Asks the database; of the workers it is known who answers."""
        database, migrated = await self._ask_database()
        works = any(report.answers for report in self._pool.reports)
        return Readiness(
            status="ok" if database == migrated == "ok" and works else "unavailable",
            database=database,
            migrations=migrated,
            workers="ok" if works else "unavailable",
        )

    async def _ask_database(self) -> tuple[Literal["ok", "unavailable"], Literal["ok", "unavailable"]]:
        try:
            async with asyncio.timeout(DATABASE_TIMEOUT_S), self._database.transaction() as connection:
                version = await connection.fetchval("select max(version) from greenroom_migrations")
        except (StoreUnavailable, TimeoutError):
            return "unavailable", "unavailable"
        except asyncpg.PostgresError:
            # It answers, but what it was made of is gone.
            return "ok", "unavailable"
        # A newer server may have brought it forward already, while this one is still to be replaced.
        return "ok", "ok" if version is not None and version >= self._version else "unavailable"
