"""Connections to PostgreSQL, and in whose name they ask.

Row-level security (see `schema.sql`) judges every query by the role and the claims of its transaction. A connection of
the pool is nobody (`anon`) until `transaction` says who calls, so that a query that forgot to say it finds nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg
from pydantic_core import to_json

from control_api import migrations
from signaling.errors import ErrorCode
from signaling.ports import Identity, StoreRefused, StoreUnavailable

from .usage import DatabaseUsage

POOL_SIZE = 10
"""Connections at most. The server's queries take about a millisecond; more would only queue in PostgreSQL."""
CONNECT_TIMEOUT_S = 5.0
ACQUIRE_TIMEOUT_S = 5.0
COMMAND_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 5.0

# The server is away, starting, stopping, full, read-only after a failover, or gave this transaction up: in each case
# nothing was changed and the same call may work later.
_UNAVAILABLE = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.exceptions.OperatorInterventionError,
    asyncpg.exceptions.InsufficientResourcesError,
    asyncpg.exceptions.TransactionRollbackError,
    asyncpg.exceptions.ReadOnlySQLTransactionError,
    asyncpg.exceptions.InvalidAuthorizationSpecificationError,
    asyncpg.exceptions.InvalidCatalogNameError,
    asyncpg.exceptions.PostgresSystemError,
)

# What a caller may run into although the room service looked first: somebody else was faster, on another server.
_CONFLICTS: Final[dict[str, ErrorCode]] = {
    "live_sessions_one_live_per_host": "already_live",
    "live_participants_max_guests": "stage_full",
    "live_participants_in_a_live_session": "session_ended",
    "live_guest_requests_one_pending": "request_pending",
    "live_gifts_gift_id_fkey": "gift_not_found",
}


class Database:
    """A bounded pool of connections. Lost ones are replaced when they are next needed."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._pool: asyncpg.Pool | None = None
        self.usage = DatabaseUsage()

    @property
    def connections(self) -> tuple[int, int]:
        """How many are open, and how many of them are in use."""
        if self._pool is None:
            return 0, 0
        open_now = self._pool.get_size()
        return open_now, open_now - self._pool.get_idle_size()

    async def migrate(self) -> list[str]:
        """Bring the database to this version, before `connect`; returns what was done.

        Raises `MigrationError`, and `StoreUnavailable` where the database can't be reached.
        """
        async with self.owner() as connection:
            return await migrations.migrate(connection)

    async def connect(self) -> None:
        """Open the pool. Raises `StoreUnavailable` where the database can't be reached, without naming the password."""
        try:
            self._pool = await asyncpg.create_pool(
                self._dsn,
                min_size=0,  # otherwise asyncpg logs stack traces while the database is away
                max_size=POOL_SIZE,
                timeout=CONNECT_TIMEOUT_S,
                command_timeout=COMMAND_TIMEOUT_S,
                server_settings={"application_name": "greenroom"},
                init=_become_nobody,
                connection_class=_PooledConnection,
            )
            async with self._pool.acquire():
                pass
        except (*_UNAVAILABLE, ValueError) as error:
            await self.close()
            raise StoreUnavailable(f"the database can't be reached: {error or type(error).__name__}") from error

    async def close(self) -> None:
        """Close all connections; those that are busy get a few seconds to finish."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await pool.close()
        except _UNAVAILABLE:
            pool.terminate()

    async def ping(self) -> None:
        """Raises `StoreUnavailable` unless the database answers a query."""
        async with self._connection() as connection:
            await connection.fetchval("select 1")

    @asynccontextmanager
    async def transaction(self, caller: Identity | None = None) -> AsyncIterator[asyncpg.Connection]:
        """A transaction in the name of `caller`, or of the server itself; rolled back when the block raises.

        Inside, lost connections and timeouts become `StoreUnavailable`; what the caller may not do, or what somebody
        else was faster with, becomes `StoreRefused`.
        """
        try:
            async with self._connection() as connection, _transaction(connection, speak_as(caller)):
                yield connection
        except asyncpg.InsufficientPrivilegeError as error:
            raise StoreRefused("forbidden") from error
        except asyncpg.IntegrityConstraintViolationError as error:
            code = _CONFLICTS.get(error.constraint_name or "")
            if code is None:
                raise  # a defect of the server, which looked before it asked
            raise StoreRefused(code) from error

    @asynccontextmanager
    async def owner(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection of its own with all the rights of the configured user, for migrations."""
        try:
            connection = await asyncpg.connect(self._dsn, timeout=CONNECT_TIMEOUT_S)
        except (*_UNAVAILABLE, ValueError) as error:
            raise StoreUnavailable(f"the database can't be reached: {error or type(error).__name__}") from error
        try:
            yield connection
        finally:
            await connection.close(timeout=CLOSE_TIMEOUT_S)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[asyncpg.Connection]:
        if self._pool is None:
            raise StoreUnavailable("the database is not connected")
        try:
            async with self._acquired(self._pool) as connection:
                yield connection
        except asyncpg.DataError:
            # An argument that is no UUID, date, ...: a defect of the caller, though asyncpg files it otherwise.
            self.usage.failures["defect"] += 1
            raise
        except _UNAVAILABLE as error:
            self.usage.failures["unavailable"] += 1
            raise StoreUnavailable(f"the database does not answer: {type(error).__name__}") from error
        except (asyncpg.InsufficientPrivilegeError, asyncpg.IntegrityConstraintViolationError):
            self.usage.failures["refused"] += 1
            raise
        except asyncpg.PostgresError:
            self.usage.failures["defect"] += 1
            raise

    @asynccontextmanager
    async def _acquired(self, pool: asyncpg.Pool) -> AsyncIterator[asyncpg.Connection]:
        with self.usage.waiting():
            connection = await pool.acquire(timeout=ACQUIRE_TIMEOUT_S)
        try:
            yield connection
        finally:
            await pool.release(connection)


def claims_of(caller: Identity | None) -> str:
    """What `request.jwt.claims` holds in the transactions of a caller, as JSON; empty for the server itself."""
    return "" if caller is None else to_json({"sub": caller.user_id, "role": "authenticated"}).decode()


def speak_as(caller: Identity | None) -> str:
    """SQL that makes the rest of a transaction the caller's. Hexadecimal, so that no quoting can go wrong."""
    role = "service_role" if caller is None else "authenticated"
    claims = claims_of(caller).encode().hex()
    return (
        f"set local role {role}; "
        f"select set_config('request.jwt.claims', convert_from(decode('{claims}', 'hex'), 'utf8'), true)"
    )


class _PooledConnection(asyncpg.Connection):  # type: ignore[misc]
    """Goes back into the pool without a word: everything that a transaction sets ends with it."""

    def get_reset_query(self) -> str:
        return ""


@asynccontextmanager
async def _transaction(connection: asyncpg.Connection, first: str) -> AsyncIterator[None]:
    """Like `Connection.transaction`, with the first statement in the round trip that begins it."""
    try:
        await connection.execute(f"begin; {first}")
        yield
    except BaseException:
        try:
            await connection.execute("rollback")
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
            connection.terminate()
        raise
    await connection.execute("commit")


async def _become_nobody(connection: asyncpg.Connection) -> None:
    await connection.execute("set role anon")
