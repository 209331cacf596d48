"""Who is in a session, and who wants to come on stage."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from signaling.model import GuestRequestRecord, ParticipantRecord, Role

from .rows import Bound, is_uuid, lock_session, with_text_ids


class Participants(Bound):
    async def upsert_participant(self, participant: ParticipantRecord) -> None:
        async with self._transaction() as connection:
            await lock_session(connection, participant.session_id)
            done = await connection.execute(
                """
                update live_participants
                   set name = $2, role = $3, status = $4, audio_locked = $5, video_locked = $6, chat_silenced = $7,
                       joined_at = $8, left_at = $9
                 where id = $1
                """,
                participant.id,
                participant.name,
                participant.role,
                participant.status,
                participant.audio_locked,
                participant.video_locked,
                participant.chat_silenced,
                participant.joined_at,
                participant.left_at,
            )
            if done == "UPDATE 0":
                await insert_participant(connection, participant)

    async def set_role(self, session_id: str, participant_id: str, role: Role) -> None:
        async with self._transaction() as connection:
            await lock_session(connection, session_id)
            done = await connection.execute(
                "update live_participants set role = $3 where session_id = $1 and id = $2",
                session_id,
                participant_id,
                role,
            )
            if done != "UPDATE 1":
                raise LookupError(f"there is no participant {participant_id} in session {session_id}")

    async def participants(self, session_id: str) -> list[ParticipantRecord]:
        if not is_uuid(session_id):
            return []
        async with self._transaction() as connection:
            rows = await connection.fetch(
                """
                select id, session_id, user_id, name, role, status, audio_locked, video_locked, chat_silenced,
                       joined_at, left_at
                  from live_participants where session_id = $1 order by joined_at, id
                """,
                session_id,
            )
        return [ParticipantRecord.model_validate(with_text_ids(row)) for row in rows]

    async def lock_audio(self, session_id: str, participant_ids: Sequence[str]) -> None:
        async with self._transaction() as connection:
            await lock_session(connection, session_id)
            await connection.execute(
                "update live_participants set audio_locked = true "
                "where session_id = $1 and id = any($2::uuid[]) and not audio_locked",
                session_id,
                participant_ids,
            )

    async def save_request(self, request: GuestRequestRecord) -> None:
        await self.save_requests(request.session_id, (request,))

    async def save_requests(self, session_id: str, requests: Sequence[GuestRequestRecord]) -> None:
        async with self._transaction() as connection:
            await lock_session(connection, session_id)
            for request in requests:
                await save_request(connection, request)

    async def requests(self, session_id: str) -> list[GuestRequestRecord]:
        if not is_uuid(session_id):
            return []
        async with self._transaction() as connection:
            rows = await connection.fetch(
                """
                select id, session_id, participant_id, user_id, name, message, status, created_at, answered_at,
                       answered_by, kind, invited_by
                  from live_guest_requests where session_id = $1 order by created_at, id
                """,
                session_id,
            )
        return [GuestRequestRecord.model_validate(with_text_ids(row)) for row in rows]


async def save_request(connection: asyncpg.Connection, request: GuestRequestRecord) -> None:
    """Insert a request or write its answer, in a transaction that has locked the session."""
    known = await connection.fetchval("select status from live_guest_requests where id = $1", request.id)
    if known == "pending" and request.status != "pending":
        await connection.execute(
            "update live_guest_requests set status = $2, answered_at = $3, answered_by = $4 where id = $1",
            request.id,
            request.status,
            request.answered_at,
            request.answered_by,
        )
    elif known is None:
        await connection.execute(
            """
            insert into live_guest_requests
                   (id, session_id, participant_id, user_id, name, message, status, created_at, answered_at,
                    kind, invited_by)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
            """,
            request.id,
            request.session_id,
            request.participant_id,
            request.user_id,
            request.name,
            request.message,
            request.status,
            request.created_at,
            request.answered_at,
            request.kind,
            request.invited_by,
        )


async def insert_participant(connection: asyncpg.Connection, participant: ParticipantRecord) -> None:
    """Nobody comes in muted, silenced or gone: those columns are not a newcomer's to write."""
    await connection.execute(
        "insert into live_participants (id, session_id, user_id, name, role, joined_at) "
        "values ($1, $2, $3, $4, $5, $6)",
        participant.id,
        participant.session_id,
        participant.user_id,
        participant.name,
        participant.role,
        participant.joined_at,
    )
