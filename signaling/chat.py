"""The verbs about the chat: writing, reading and deleting messages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final
from uuid import uuid4

from .chat_model import ChatMessage, MessagePage
from .errors import LiveError
from .participant import Participant
from .permissions import MODERATORS
from .ports import Identity, NewMessage, Placed
from .registry import Registry, now, stored
from .room import Room
from .room_chat import KEPT

ANSWER_TIMEOUT_S: Final = 4.0
"""How long a sender waits for a slow database: what else comes on the same socket, media's answers, waits meanwhile."""


class ChatVerbs(Registry):
    """Every one may raise `LiveError`."""

    async def send_message(
        self, identity: Identity, session_id: str, text: str, client_id: str | None = None
    ) -> ChatMessage:
        """Write a message, and tell everybody in the session. `text` as `chat_model.clean_text` leaves it.

        A `client_id` that the caller has used in this session before gives the message of that time, and tells nobody.
        """
        room = await self._room(identity, session_id)
        me = room.member(identity)
        if client_id is not None:
            await self._fill_chat(room)
            me = room.member(identity)
            before = room.chat.sent_before(me.user_id, client_id)
            if isinstance(before, ChatMessage):
                return before
            if before is not None:
                return await self._message_at(room, identity, await _outcome(room, before))
        give_turn_back = self._require_may_write(room, me)
        message = NewMessage(
            id=str(uuid4()),
            session_id=room.id,
            kind="message",
            text=text,
            author=identity,
            participant_id=me.id,
            user_id=me.user_id,
            name=me.record.name,
            client_id=client_id,
        )
        try:
            placed = await _outcome(room, room.chat.post(message))
        except LiveError:
            give_turn_back()
            raise
        if placed.id == message.id:
            return message.at(placed)
        give_turn_back()
        return await self._message_at(room, identity, placed)

    async def messages(
        self, identity: Identity, session_id: str, limit: int, before: int | None = None, after: int | None = None
    ) -> MessagePage:
        """The newest messages, or those next to a position (not both), in their order.

        For those who are in the session, and when it has ended for those who were. Raises `LiveError`: `forbidden`.
        """
        room = self._live_room(session_id)
        if room is not None:
            room.member(identity)
            known = room.chat.latest(limit) if before is None and after is None else None
            if known is not None:
                return known
        else:
            await self._ended_session(identity, session_id)
        return await stored(self._store_as(identity).messages(session_id, limit, before, after))

    async def delete_message(self, identity: Identity, session_id: str, message_id: str) -> ChatMessage:
        """Take the text of a message away: for its author, and for host and cohosts. What was deleted stays deleted.

        Works in sessions that have ended, too, for author and host. Raises `LiveError`: `message_not_found`.
        """
        room = self._live_room(session_id)
        if room is not None:
            me = room.member(identity)
            known = room.chat.find(message_id)
            if known is not None and known.user_id != me.user_id and me.role not in MODERATORS:
                raise LiveError("forbidden")
        else:
            await self._ended_session(identity, session_id)
        at = now()
        deleted = await stored(self._store_as(identity).delete_message(session_id, message_id, at, identity.user_id))
        if deleted is None:
            raise LiveError("message_not_found")
        if room is not None and room.live and deleted.deleted_at == at:
            room.chat.deleted(deleted)
        return deleted

    # Inside

    def _require_may_write(self, room: Room, me: Participant) -> Callable[[], None]:
        """Raises `LiveError`: `chat_disabled`, `silenced`, `slow_mode`. Returns what gives the turn back."""
        settings = room.session.settings
        if not settings.enable_chat:
            raise LiveError("chat_disabled")
        if me.record.chat_silenced:
            raise LiveError("silenced")
        # Kept also while there is no slow mode: it holds from the moment in which it is switched on.
        interval_s = 0 if me.role in MODERATORS else settings.slow_mode_s
        return room.chat.reserve_turn(me.user_id, interval_s, self._clock())

    async def _fill_chat(self, room: Room) -> None:
        """Bring the latest messages of before a restart into memory."""
        await room.chat.fill(lambda: self._store.messages(room.id, KEPT, None, None))

    async def _message_at(self, room: Room, identity: Identity, placed: Placed) -> ChatMessage:
        """A message that was written before."""
        known = room.chat.find(placed.id)
        if known is None:
            known = await stored(self._store_as(identity).message(room.id, placed.id))
        if known is None:
            raise LiveError("message_not_found")
        return known


async def _outcome(room: Room, written: asyncio.Future[Placed]) -> Placed:
    """Neither being cancelled nor giving up takes anything back. Raises `LiveError`."""
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            return await asyncio.shield(written)
    except TimeoutError:
        raise LiveError("database_unavailable") from None
    except LiveError as failure:
        if failure.code == "forbidden" and not room.live:
            raise LiveError("session_ended") from failure
        raise
