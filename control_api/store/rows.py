"""What the parts of the store share: in whose name they ask, and rows as records."""

from __future__ import annotations

import uuid
from contextlib import AbstractAsyncContextManager
from typing import Any, Self

import asyncpg

from signaling.ports import Identity, StoreRefused

from .database import Database


class Bound:
    """Base of the store's parts. Without a caller it is the server itself that asks."""

    def __init__(self, database: Database, caller: Identity | None = None) -> None:
        self._database = database
        self._caller = caller

    def acting_as(self, caller: Identity) -> Self:
        """The same store in the name of a caller, who may do and see there what their part in a session allows."""
        return type(self)(self._database, caller)

    def _transaction(self) -> AbstractAsyncContextManager[asyncpg.Connection]:
        return self._database.transaction(self._caller)


async def lock_session(connection: asyncpg.Connection, session_id: str) -> str:
    """Keep other writers of this session out until the transaction ends; return the session's status.

    Raises `LookupError` where there is no such session.
    """
    status = await connection.fetchval("select live_lock_session($1)", session_id)
    if status is None:
        raise LookupError(f"there is no session {session_id}")
    return str(status)


async def session_exists(connection: asyncpg.Connection, session_id: str) -> bool:
    return bool(await connection.fetchval("select exists (select from live_sessions where id = $1)", session_id))


async def require_attendance(connection: asyncpg.Connection, session_id: str) -> None:
    """Raise `StoreRefused` `forbidden` unless the caller is or was in a session, or is the server itself.

    Row by row the policies would only leave nothing to who was never there, as if there were nothing.
    """
    may_see = "select live_trusted() or live_attended($1) or live_hosts($1)"
    if not await connection.fetchval(may_see, session_id):
        raise StoreRefused("forbidden")


def with_text_ids(row: asyncpg.Record) -> dict[str, Any]:
    """A row as the records take it: with the ids as text."""
    return {name: str(value) if isinstance(value, uuid.UUID) else value for name, value in row.items()}


def is_uuid(value: str) -> bool:
    """Ids come from URLs: whatever PostgreSQL could not read as one belongs to no row."""
    try:
        return str(uuid.UUID(value)) == value.lower()
    except ValueError:
        return False
