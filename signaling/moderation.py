"""Keeping people out of all sessions of a host, and the stage quiet. Acts about one who is here are in `stage`."""

from __future__ import annotations

import asyncio
from typing import Final

from .errors import LiveError
from .model import BanRecord, Role
from .permissions import COHOST, GUEST_SLOTS, HOST, require, require_manage
from .ports import Identity
from .registry import now, stored
from .room import Room
from .stage import StageVerbs

MAX_NAME_LENGTH: Final = 80


class ModerationVerbs(StageVerbs):
    """Every one may raise `LiveError`."""

    async def ban(
        self,
        identity: Identity,
        session_id: str,
        *,
        user_id: str | None = None,
        participant_id: str | None = None,
        reason: str = "",
    ) -> BanRecord:
        """Keep a user out of all sessions of this session's host. Who is here is thrown out.

        Named by one of the two ids; who has only a `user_id` need not be in the session.
        """
        room = await self._room(identity, session_id)
        room.member(identity)
        user_id = user_id if participant_id is None else room.target(participant_id).user_id
        if user_id is None:
            raise LiveError("invalid_request")
        async with room.gate.user(user_id):
            require_manage(room.member(identity).role, "kick", _role_of(room, user_id))
            return await self._ban(room, user_id, reason, identity)

    async def _ban(self, room: Room, user_id: str, reason: str, by: Identity) -> BanRecord:
        member = room.by_user.get(user_id)
        known = room.former.get(user_id) if member is None else member.record
        record = BanRecord(
            host_user_id=room.session.host_user_id,
            user_id=user_id,
            session_id=room.id,
            name=user_id[:MAX_NAME_LENGTH] if known is None else known.name,
            reason=reason,
            banned_by=by.user_id,
            created_at=now(),
        )
        if member is not None:
            await self._withdraw_pending(room, member, by)
        # In the same transaction the database throws out whoever is here.
        await stored(self._store_as(by).add_ban(record))
        room.banned.setdefault(user_id, room.id)
        if member is not None:
            gone = member.record.model_copy(update={"status": "kicked", "left_at": now()})
            self._take_out(room, member, gone, "banned")
        elif known is not None:
            room.kicked.add(user_id)
        return record

    async def unban(self, identity: Identity, session_id: str, user_id: str) -> None:
        """Let a user in again, here too, even where they were kicked before. Cohosts: bans of this session only."""
        room = await self._room(identity, session_id)
        require(room.member(identity).role, "moderate")
        async with room.gate.user(user_id):
            role = room.member(identity).role
            require(role, "moderate")
            where = room.banned.get(user_id)
            if role is not HOST and where not in (None, room.id):
                raise LiveError("forbidden")
            lifted = await stored(self._store_as(identity).remove_ban(room.session.host_user_id, user_id))
            if not lifted and where is None:
                raise LiveError("ban_not_found")
            room.banned.pop(user_id, None)
            room.kicked.discard(user_id)

    async def bans(self, identity: Identity, session_id: str) -> list[BanRecord]:
        """The host's, newest first; for cohosts those that were decided in this session."""
        room = await self._room(identity, session_id)
        require(room.member(identity).role, "moderate")
        return await stored(self._store_as(identity).bans(room.session.host_user_id))

    async def mute_all(self, identity: Identity, session_id: str, except_cohosts: bool = False) -> int:
        """Lock the microphones of everybody on stage whom the caller may mute. Returns how many were not locked."""
        room = await self._room(identity, session_id)
        require(room.member(identity).role, "moderate")
        async with room.gate.everybody():
            caller = room.member(identity)
            require(caller.role, "moderate")
            spared = {COHOST} if except_cohosts or caller.role is not HOST else set()
            targets = [
                member
                for member in room.members.values()
                if member.role in GUEST_SLOTS - spared and not member.locked("audio")
            ]
            if targets:
                await stored(self._store_as(identity).lock_audio(room.id, [member.id for member in targets]))
            for member in targets:
                member.record = member.record.model_copy(update={"audio_locked": True})
                room.tell_updated(member)
        await asyncio.gather(*(member.peer.publisher.apply_pauses() for member in targets))
        return len(targets)


def _role_of(room: Room, user_id: str) -> Role:
    """What somebody is here, or was when they left; a viewer to be, where they never came."""
    member = room.by_user.get(user_id)
    if member is not None:
        return member.role
    former = room.former.get(user_id)
    return Role.VIEWER if former is None else former.role
