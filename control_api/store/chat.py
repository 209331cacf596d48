"""The chat in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import asyncpg
from pydantic_core import from_json, to_json

from signaling.chat_model import ChatMessage, MessagePage
from signaling.ports import NewMessage, Placed, StoreRefused

from .database import claims_of
from .rows import Bound, is_uuid, require_attendance, with_text_ids

_MESSAGE: Final = """
select id, session_id, position, kind, participant_id, user_id, name, body as text, data, client_id, created_at,
       deleted_at, deleted_by
  from live_chat_messages where session_id = $1
"""
NEWEST: Final = _MESSAGE + " order by position desc limit $2"
BEFORE: Final = _MESSAGE + " and position < $3 order by position desc limit $2"
AFTER: Final = _MESSAGE + " and position > $3 order by position limit $2"


class Chat(Bound):
    async def add_messages(self, batch: Sequence[NewMessage]) -> list[Placed | StoreRefused]:
        items = to_json([_item(message) for message in batch]).decode()
        # The server's own transaction: it becomes each author in turn.
        async with self._database.transaction() as connection:
            rows = await connection.fetch("select * from live_add_messages($1::text::jsonb) order by number", items)
        return [_outcome(row) for row in rows]

    async def messages(self, session_id: str, limit: int, before: int | None, after: int | None) -> MessagePage:
        if not is_uuid(session_id):
            return MessagePage(messages=[], more=False)
        async with self._transaction() as connection:
            await require_attendance(connection, session_id)
            if after is not None:
                rows = await connection.fetch(AFTER, session_id, limit + 1, after)
            elif before is not None:
                rows = await connection.fetch(BEFORE, session_id, limit + 1, before)
            else:
                rows = await connection.fetch(NEWEST, session_id, limit + 1)
        page = [_message(row) for row in rows[:limit]]
        return MessagePage(messages=page if after is not None else page[::-1], more=len(rows) > limit)

    async def message(self, session_id: str, message_id: str) -> ChatMessage | None:
        if not (is_uuid(session_id) and is_uuid(message_id)):
            return None
        async with self._transaction() as connection:
            row = await connection.fetchrow(_MESSAGE + " and id = $2", session_id, message_id)
        return None if row is None else _message(row)

    async def delete_message(self, session_id: str, message_id: str, at: datetime, by: str) -> ChatMessage | None:
        if not (is_uuid(session_id) and is_uuid(message_id)):
            return None
        async with self._transaction() as connection:
            row = await connection.fetchrow(_MESSAGE + " and id = $2", session_id, message_id)
            if row is None or row["deleted_at"] is not None:
                return None if row is None else _message(row)
            done = await connection.execute(
                """
                update live_chat_messages set body = '', deleted_at = $3, deleted_by = $4
                 where session_id = $1 and id = $2 and deleted_at is null
                """,
                session_id,
                message_id,
                at,
                by,
            )
            if done == "UPDATE 0":
                # Not the caller's, by the policies; or somebody else was faster, and then it is seen now.
                row = await connection.fetchrow(
                    _MESSAGE + " and id = $2 and deleted_at is not null", session_id, message_id
                )
                if row is None:
                    raise StoreRefused("forbidden")
                return _message(row)
        return _message(row).model_copy(update={"text": "", "deleted_at": at, "deleted_by": by})


def _item(message: NewMessage) -> dict[str, Any]:
    return {
        "role": "service_role" if message.author is None else "authenticated",
        "claims": claims_of(message.author),
        "id": message.id,
        "session_id": message.session_id,
        "participant_id": message.participant_id,
        "user_id": message.user_id,
        "name": message.name,
        "kind": message.kind,
        "body": message.text,
        "data": message.data,
        "client_id": message.client_id,
    }


def _outcome(row: asyncpg.Record) -> Placed | StoreRefused:
    # Nothing at all: it was there already, and is not the author's to see.
    if row["refusal"] is not None or row["id"] is None:
        return StoreRefused("forbidden")
    return Placed(str(row["id"]), row["place"], row["sent_at"])


def _message(row: asyncpg.Record) -> ChatMessage:
    return ChatMessage.model_validate({**with_text_ids(row), "data": from_json(row["data"])})
