"""Sessions, participants and guest requests in PostgreSQL."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import asyncpg

from signaling.model import GuestRequestRecord, ParticipantRecord, Role, SessionRecord, SessionSettings
from signaling.ports import StoreUnavailable

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

_SESSION = """
select s.id, s.host_user_id, s.host_name, s.title, s.description, s.session_type, s.status, s.started_at, s.ended_at,
       s.end_reason, s.viewer_count, s.guest_count, o.max_participants, o.allow_guests, o.require_approval,
       o.max_guests, o.enable_chat, o.enable_gifts, o.guest_audio_default, o.guest_video_default
  from live_sessions s join live_session_settings o on o.session_id = s.id
"""

_UPSERT_PARTICIPANT = """
insert into live_participants
       (id, session_id, user_id, name, role, status, audio_locked, video_locked, joined_at, left_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    on conflict (id) do update
   set name = excluded.name, role = excluded.role, status = excluded.status, audio_locked = excluded.audio_locked,
       video_locked = excluded.video_locked, joined_at = excluded.joined_at, left_at = excluded.left_at
"""

_UPSERT_REQUEST = """
insert into live_guest_requests
       (id, session_id, participant_id, user_id, name, message, status, created_at, answered_at, answered_by)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    on conflict (id) do update
   set status = excluded.status, answered_at = excluded.answered_at, answered_by = excluded.answered_by
"""


class Database:
    """A bounded pool of connections. Lost ones are replaced when they are next needed."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._pool: asyncpg.Pool | None = None

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
        async with self.connection() as connection:
            await connection.fetchval("select 1")

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection of the pool; inside, lost connections and timeouts become `StoreUnavailable`."""
        if self._pool is None:
            raise StoreUnavailable("the database is not connected")
        try:
            async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
                yield connection
        except asyncpg.DataError:
            raise  # an argument that is no UUID, date, ...: a defect of the caller, though asyncpg files it otherwise
        except _UNAVAILABLE as error:
            raise StoreUnavailable(f"the database does not answer: {type(error).__name__}") from error

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[asyncpg.Connection]:
        """The same, in a transaction that is rolled back when the block raises."""
        async with self.connection() as connection, connection.transaction():
            yield connection


class PostgresStore:
    """`signaling.ports.Store`, one transaction per method.

    Every write locks the session's row first, so that the writes of one session happen one after another: the end of a
    session would otherwise overlook, and then be refused because of, somebody who is joining in the same moment.

    A connection that is lost during a commit leaves open whether it happened: `StoreUnavailable` is raised, and every
    method but `create_session` may simply be called again. Rows that contradict the schema's constraints raise
    `asyncpg.IntegrityConstraintViolationError`, an unknown session or participant `LookupError`: both are defects of
    the caller, who holds the session's state.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create_session(self, session: SessionRecord, host: ParticipantRecord) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(
                """
                insert into live_sessions (id, host_user_id, host_name, title, description, session_type, started_at)
                values ($1, $2, $3, $4, $5, $6, $7)
                """,
                session.id,
                session.host_user_id,
                session.host_name,
                session.title,
                session.description,
                session.session_type,
                session.started_at,
            )
            await connection.execute(
                """
                insert into live_session_settings
                       (session_id, max_participants, allow_guests, require_approval, max_guests, enable_chat,
                        enable_gifts, guest_audio_default, guest_video_default)
                values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
                """,
                session.id,
                *_settings_values(session.settings),
            )
            await connection.execute(_UPSERT_PARTICIPANT, *_participant_values(host))

    async def end_session(self, session_id: str, reason: str, at: datetime) -> None:
        async with self._database.transaction() as connection:
            if await _lock_session(connection, session_id) == "ended":
                return
            await connection.execute(
                "update live_guest_requests set status = 'expired', answered_at = $2 "
                "where session_id = $1 and status = 'pending'",
                session_id,
                at,
            )
            await connection.execute(
                "update live_participants set status = 'left', left_at = $2 "
                "where session_id = $1 and status = 'joined'",
                session_id,
                at,
            )
            await connection.execute(
                "update live_sessions set status = 'ended', ended_at = $2, end_reason = $3 where id = $1",
                session_id,
                at,
                reason,
            )

    async def get_session(self, session_id: str) -> SessionRecord | None:
        if not _is_uuid(session_id):
            return None
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_SESSION + " where s.id = $1", session_id)
        return None if row is None else _session(row)

    async def active_sessions(self, limit: int, offset: int) -> list[SessionRecord]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                _SESSION + " where s.status = 'live' order by s.started_at desc, s.id desc limit $1 offset $2",
                limit,
                offset,
            )
        return [_session(row) for row in rows]

    async def save_settings(self, session_id: str, settings: SessionSettings) -> None:
        async with self._database.transaction() as connection:
            await _lock_session(connection, session_id)
            await connection.execute(
                """
                update live_session_settings
                   set max_participants = $2, allow_guests = $3, require_approval = $4, max_guests = $5,
                       enable_chat = $6, enable_gifts = $7, guest_audio_default = $8, guest_video_default = $9
                 where session_id = $1
                """,
                session_id,
                *_settings_values(settings),
            )

    async def upsert_participant(self, participant: ParticipantRecord) -> None:
        async with self._database.transaction() as connection:
            await _lock_session(connection, participant.session_id)
            await connection.execute(_UPSERT_PARTICIPANT, *_participant_values(participant))

    async def set_role(self, session_id: str, participant_id: str, role: Role) -> None:
        async with self._database.transaction() as connection:
            await _lock_session(connection, session_id)
            await _set_role(connection, session_id, participant_id, role)

    async def participants(self, session_id: str) -> list[ParticipantRecord]:
        if not _is_uuid(session_id):
            return []
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                """
                select id, session_id, user_id, name, role, status, audio_locked, video_locked, joined_at, left_at
                  from live_participants where session_id = $1 order by joined_at, id
                """,
                session_id,
            )
        return [ParticipantRecord.model_validate(_with_text_ids(row)) for row in rows]

    async def save_request(self, request: GuestRequestRecord, role: Role | None = None) -> None:
        async with self._database.transaction() as connection:
            await _lock_session(connection, request.session_id)
            await connection.execute(
                _UPSERT_REQUEST,
                request.id,
                request.session_id,
                request.participant_id,
                request.user_id,
                request.name,
                request.message,
                request.status,
                request.created_at,
                request.answered_at,
                request.answered_by,
            )
            if role is not None:
                await _set_role(connection, request.session_id, request.participant_id, role)

    async def requests(self, session_id: str) -> list[GuestRequestRecord]:
        if not _is_uuid(session_id):
            return []
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                """
                select id, session_id, participant_id, user_id, name, message, status, created_at, answered_at,
                       answered_by
                  from live_guest_requests where session_id = $1 order by created_at, id
                """,
                session_id,
            )
        return [GuestRequestRecord.model_validate(_with_text_ids(row)) for row in rows]

    async def live_session_ids(self) -> list[str]:
        async with self._database.connection() as connection:
            rows = await connection.fetch("select id from live_sessions where status = 'live' order by started_at, id")
        return [str(row["id"]) for row in rows]


async def _lock_session(connection: asyncpg.Connection, session_id: str) -> str:
    """Keep other writers of this session out until the transaction ends; return the session's status."""
    status = await connection.fetchval("select status from live_sessions where id = $1 for no key update", session_id)
    if status is None:
        raise LookupError(f"there is no session {session_id}")
    return str(status)


async def _set_role(connection: asyncpg.Connection, session_id: str, participant_id: str, role: Role) -> None:
    done = await connection.execute(
        "update live_participants set role = $3 where session_id = $1 and id = $2", session_id, participant_id, role
    )
    if done != "UPDATE 1":
        raise LookupError(f"there is no participant {participant_id} in session {session_id}")


def _settings_values(settings: SessionSettings) -> tuple[int | bool, ...]:
    return (
        settings.max_participants,
        settings.allow_guests,
        settings.require_approval,
        settings.max_guests,
        settings.enable_chat,
        settings.enable_gifts,
        settings.guest_audio_default,
        settings.guest_video_default,
    )


def _participant_values(participant: ParticipantRecord) -> tuple[object, ...]:
    return (
        participant.id,
        participant.session_id,
        participant.user_id,
        participant.name,
        participant.role,
        participant.status,
        participant.audio_locked,
        participant.video_locked,
        participant.joined_at,
        participant.left_at,
    )


def _session(row: asyncpg.Record) -> SessionRecord:
    values = _with_text_ids(row)
    settings = SessionSettings.model_validate({name: values.pop(name) for name in SessionSettings.model_fields})
    return SessionRecord.model_validate({**values, "settings": settings})


def _with_text_ids(row: asyncpg.Record) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, uuid.UUID) else value for name, value in row.items()}


def _is_uuid(value: str) -> bool:
    """Ids come from URLs: whatever PostgreSQL could not read as one belongs to no row."""
    try:
        return str(uuid.UUID(value)) == value.lower()
    except ValueError:
        return False
