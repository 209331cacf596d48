"""One server at a time for a database. Another one that is started waits, and takes over when the first has ended.

Rooms live in the memory of one process: a second server would take the first one's sessions for what was left by a
crash, and end them. The right to serve is an advisory lock of PostgreSQL, which ends with the connection that holds it,
however that ends.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

import asyncpg

from signaling.ports import StoreUnavailable

from .database import Database

logger = logging.getLogger(__name__)

LOCK_CLASS = 0x47525356
"""Ours among a database's advisory locks ("GRSV"); the other half of the key is the schema."""
POLL_S = 1.0
ANSWER_TIMEOUT_S = 10.0
RETRY_S = 0.25
"""Between attempts of the server that serves, when it has lost its connection."""
PATIENCE_S = 3.0
"""For which nobody must have held the lock before one that waits takes it: a server that only lost its connection, as
when the database restarts, comes back for its rooms in that time."""

_TRY = f"select pg_try_advisory_lock({LOCK_CLASS}, hashtext(current_schema()))"
_HOLDER = f"""
select pid from pg_locks
 where locktype = 'advisory' and classid = {LOCK_CLASS} and objsubid = 2 and granted
   and objid::bigint = hashtext(current_schema())::bigint & 4294967295
   and database = (select oid from pg_database where datname = current_database())
"""


class SoleServer:
    """The right to serve. `lost` is called, once, when another server has got it although this one did not let go."""

    def __init__(self, database: Database, lost: Callable[[], None]) -> None:
        self._database = database
        self._lost = lost
        self._serving = asyncio.Event()
        self._own_pids: set[int] = set()
        """Of this server's connections that held the lock, the lost ones too."""
        self._waiting = False
        self._free_since: float | None = None
        self._task: asyncio.Task[None] | None = None

    async def acquire(self) -> None:
        """Wait until no other server serves this database."""
        self._task = asyncio.get_running_loop().create_task(self._hold_for_ever())
        await self._serving.wait()

    async def release(self) -> None:
        """Let the next one serve."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _hold_for_ever(self) -> None:
        while True:
            try:
                async with self._database.owner() as connection:
                    if not await self._get(connection):
                        logger.error("another server has taken over this database")
                        self._lost()
                        return
                    self._own_pids.add(connection.get_server_pid())
                    self._serving.set()
                    while True:
                        await asyncio.sleep(POLL_S)
                        await connection.fetchval("select 1", timeout=ANSWER_TIMEOUT_S)
            except (StoreUnavailable, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
                self._free_since = None
                await asyncio.sleep(RETRY_S if self._serving.is_set() else POLL_S)

    async def _get(self, connection: asyncpg.Connection) -> bool:
        """False where this server served before and another one does now."""
        while not (self._may_try() and await connection.fetchval(_TRY, timeout=ANSWER_TIMEOUT_S)):
            holder = await connection.fetchval(_HOLDER, timeout=ANSWER_TIMEOUT_S)
            if holder in self._own_pids:
                # The database has not noticed yet that this connection is gone.
                await connection.execute("select pg_terminate_backend($1)", holder)
            elif holder is not None and self._serving.is_set():
                return False
            elif holder is not None and not self._waiting:
                self._waiting = True
                logger.warning("another server uses this database; this one waits until it ends")
            now = asyncio.get_running_loop().time()
            self._free_since = None if holder is not None else self._free_since or now
            await asyncio.sleep(RETRY_S if self._serving.is_set() else POLL_S)
        return True

    def _may_try(self) -> bool:
        """Whoever waits leaves a server that has only lost its connection the time to come back."""
        if not self._waiting or self._serving.is_set():
            return True
        return self._free_since is not None and asyncio.get_running_loop().time() - self._free_since >= PATIENCE_S
