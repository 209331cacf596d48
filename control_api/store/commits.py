"""Transactions that must not happen twice, although the answer to a commit can be lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import asyncpg

from signaling.ports import CommitInDoubt, StoreUnavailable

from .database import Database

Result = TypeVar("Result")


async def commit_once(
    database: Database, sessions: Sequence[str], write: Callable[[asyncpg.Connection], Awaitable[Result]]
) -> Result:
    """Run `write` in a transaction of the server's own. Raises `CommitInDoubt` where it may have been committed.

    `write` has to leave an event (`live_record`, and not within a subtransaction) in one of `sessions` whenever it
    changes anything: that is what the transaction is known by afterwards. What it returns is what `settle` gives, so
    for a `BatchWriter` the outcomes of the batch.
    """
    transaction_id = ""
    written: list[Result] = []
    try:
        async with database.transaction() as connection:
            transaction_id = await connection.fetchval("select pg_current_xact_id()::text")
            written.append(await write(connection))
    except StoreUnavailable as failure:
        if not written:
            raise

        async def settle() -> Result | None:
            return written[0] if await _was_committed(database, transaction_id, sessions) else None

        raise CommitInDoubt(settle) from failure
    return written[0]


async def _was_committed(database: Database, transaction_id: str, sessions: Sequence[str]) -> bool:
    """Raises `StoreUnavailable` while it is not known."""
    try:
        async with database.transaction() as connection:
            status = await connection.fetchval("select pg_xact_status($1::text::xid8)", transaction_id)
            if status == "in progress":
                raise StoreUnavailable("the transaction has not ended yet")
            # A crash forgets numbers that were given out and not yet logged, and they are given out again: a status
            # alone may be somebody else's. Rows know by whom they were written.
            known = await connection.fetchval(
                """
                select exists (select from live_events
                                where session_id = any($1::text[]::uuid[]) and xmin = $2::text::xid8::xid)
                """,
                sessions,
                transaction_id,
            )
            return status == "committed" and bool(known)
    except asyncpg.InvalidParameterValueError:
        return False  # the number was forgotten, and nobody has got it since
