"""Reactions, counted by session, user and type."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import asyncpg
from pydantic_core import to_json

from signaling.ports import Identity, NewReaction, StoreRefused

from .commits import commit_once
from .database import claims_of, speak_as
from .rows import Bound, is_uuid, require_attendance, session_exists


class _Row(NamedTuple):
    """What becomes one row, however many reactions of a batch it sums up."""

    session_id: str
    author: Identity
    type: str


class Reactions(Bound):
    async def add_reactions(self, batch: Sequence[NewReaction]) -> list[StoreRefused | None]:
        counts: Counter[_Row] = Counter()
        for reaction in batch:
            counts[_row(reaction)] += reaction.count

        async def write(connection: asyncpg.Connection) -> list[StoreRefused | None]:
            refused = await _write(connection, counts)
            return [StoreRefused("forbidden") if _row(reaction) in refused else None for reaction in batch]

        return await commit_once(self._database, sorted({row.session_id for row in counts}), write)

    async def reaction_totals(self, session_id: str) -> dict[str, int] | None:
        if not is_uuid(session_id):
            return None
        async with self._transaction() as connection:
            if not await session_exists(connection, session_id):
                return None
            await require_attendance(connection, session_id)
            rows = await connection.fetch(
                "select type, total from live_reaction_totals where session_id = $1", session_id
            )
        return {row["type"]: row["total"] for row in rows}


def _row(reaction: NewReaction) -> _Row:
    return _Row(reaction.session_id, reaction.author, reaction.type)


async def _write(connection: asyncpg.Connection, counts: Counter[_Row]) -> set[_Row]:
    """Add to the counts, each in its author's name, and leave one event for each session. Returns what was refused."""
    rows = list(counts)
    items = [
        {
            "claims": claims_of(row.author),
            "session_id": row.session_id,
            "user_id": row.author.user_id,
            "type": row.type,
            "count": counts[row],
        }
        for row in rows
    ]
    outcomes = await connection.fetch(
        "select number, refusal from live_add_reactions($1::text::jsonb)", to_json(items).decode()
    )
    refused = {rows[outcome["number"] - 1] for outcome in outcomes if outcome["refusal"] is not None}
    sums: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        if row not in refused:
            sums[row.session_id][row.type] += counts[row]
    await connection.execute(speak_as(None))
    # jsonb keeps its keys sorted, and so the sessions are locked in the order in which everybody locks several.
    await connection.execute(
        "select live_record(key::uuid, 'reactions', null, value) from jsonb_each($1::text::jsonb)",
        to_json(sums).decode(),
    )
    return refused
