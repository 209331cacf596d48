"""Whether the parts of a running server work: what `GET /healthz` tells."""

from __future__ import annotations

from sfu.worker.pool import WorkerPool
from signaling.ports import StoreUnavailable

from .routes_bodies import HealthReport
from .store import Database


class ServerHealth:
    """Asks the database and the workers each time."""

    def __init__(self, database: Database, pool: WorkerPool) -> None:
        self._database = database
        self._pool = pool

    async def check(self) -> HealthReport:
        try:
            await self._database.ping()
        except StoreUnavailable:
            answers = False
        else:
            answers = True
        workers = await self._pool.stats()
        return HealthReport(
            status="ok" if answers and workers else "unavailable",
            database="ok" if answers else "unavailable",
            workers=workers,
        )
