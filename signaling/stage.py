"""Managing who is on stage and in the session, one participant at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, Literal

from sfu.rtp.parameters import MediaKind

from . import messages
from .errors import LiveError
from .messages import ParticipantView
from .model import ParticipantRecord, Role
from .participant import Participant
from .permissions import ManageAction, require, require_manage
from .ports import Identity
from .protocol import CloseCode
from .registry import now, stored
from .requests import RequestVerbs
from .room import Room

Departure = Literal["left", "kicked", "lost"]


class StageVerbs(RequestVerbs):
    """Every one may raise `LiveError`."""

    async def manage_participant(
        self, identity: Identity, session_id: str, participant_id: str, action: ManageAction
    ) -> ParticipantView:
        room = await self._room(identity, session_id)
        room.member(identity)
        async with room.gate.user(room.target(participant_id).user_id):
            caller, target = room.member(identity), room.target(participant_id)
            require_manage(caller.role, action, target.role)
            await _MANAGE[action](self, room, target, identity)
            return target.view()

    async def leave_stage(self, identity: Identity, session_id: str) -> ParticipantView:
        """A guest or cohost becomes a viewer by their own wish."""
        room = await self._room(identity, session_id)
        async with room.gate.user(identity.user_id):
            me = room.member(identity)
            require(me.role, "leave_stage")
            await self._remove_guest(room, me, identity)
            return me.view()

    async def set_muted(self, identity: Identity, session_id: str, kind: MediaKind, muted: bool) -> None:
        """Mute or unmute one's own sources of a kind. `locked_by_host` where a host has muted them."""
        room = await self._room(identity, session_id)
        me = room.member(identity)
        require(me.role, "publish")
        if not muted and me.locked(kind):
            raise LiveError("locked_by_host")
        me.mute(kind, muted)
        room.tell_updated(me)
        await me.peer.publisher.apply_pauses()

    async def _set_lock(self, room: Room, target: Participant, by: Identity, kind: MediaKind, locked: bool) -> None:
        if target.locked(kind) == locked:
            return
        record = target.record.model_copy(update={f"{kind}_locked": locked})
        await stored(self._store_as(by).upsert_participant(record))
        target.record = record
        room.tell_updated(target)
        await target.peer.publisher.apply_pauses()

    async def _set_role(self, room: Room, target: Participant, role: Role, by: Identity) -> None:
        await stored(self._store_as(by).set_role(room.id, target.id, role))
        target.record = target.record.model_copy(update={"role": role})

    async def _promote(self, room: Room, target: Participant, by: Identity) -> None:
        await self._set_role(room, target, Role.COHOST, by)
        room.tell_updated(target)
        room.tell_roster(target)
        room.announcer.say("promoted", target)

    async def _demote(self, room: Room, target: Participant, by: Identity) -> None:
        await self._set_role(room, target, Role.GUEST, by)
        room.tell_updated(target)

    async def _remove_guest(self, room: Room, target: Participant, by: Identity) -> None:
        await self._set_role(room, target, Role.VIEWER, by)
        target.peer.publisher.close_soon()
        target.mute("audio", False)
        target.mute("video", False)
        room.tell_updated(target, everybody=True)
        room.media.changed(target.id)
        room.counts_changed()

    async def _kick(self, room: Room, target: Participant, by: Identity) -> None:
        await self._depart(room, target, "kicked", by)

    async def _silence(self, room: Room, target: Participant, by: Identity, silenced: bool) -> None:
        if target.record.chat_silenced == silenced:
            return
        record = target.record.model_copy(update={"chat_silenced": silenced})
        await stored(self._store_as(by).upsert_participant(record))
        target.record = record
        # Nobody else sees it.
        room.tell_moderators(messages.participant_updated(target.view()), target)

    async def _depart(self, room: Room, member: Participant, reason: Departure, by: Identity | None) -> None:
        """Take a participant out of the session. Runs within the gate."""
        await self._withdraw_pending(room, member, by)
        status = "kicked" if reason == "kicked" else "left"
        record = member.record.model_copy(update={"status": status, "left_at": now()})
        await stored(self._store_as(by).upsert_participant(record))
        self._take_out(room, member, record, reason)

    async def _withdraw_pending(self, room: Room, member: Participant, by: Identity | None) -> None:
        request = room.pending_request(member.id)
        if request is not None:
            # Who was invited can only answer; by going they do neither, so the server takes the invitation back.
            own_invitation = request.kind == "invitation" and by is not None and by.user_id == member.user_id
            await self._close_request(room, request, "cancelled", None if own_invitation else by)

    def _take_out(
        self, room: Room, member: Participant, record: ParticipantRecord, reason: Departure | Literal["banned"]
    ) -> None:
        """The same in memory, once the store has it. A ban is everybody else's business no more than a kick."""
        room.remove(member, record)
        link, member.link = member.link, None
        if reason in ("kicked", "banned"):
            room.kicked.add(member.user_id)
        room.tell_left(member, "kicked" if reason == "banned" else reason)
        room.counts_changed()
        if link is None:
            return
        if reason in ("kicked", "banned"):
            link.send(messages.encode(messages.kicked(reason)))
            link.close(CloseCode.KICKED, reason)
        else:
            link.close(CloseCode.LEFT, "left")


_Manage = Callable[[StageVerbs, Room, Participant, Identity], Awaitable[None]]


def _chat(silenced: bool) -> _Manage:
    return lambda verbs, room, target, by: verbs._silence(room, target, by, silenced)


def _lock(kind: MediaKind, locked: bool) -> _Manage:
    return lambda verbs, room, target, by: verbs._set_lock(room, target, by, kind, locked)


_MANAGE: Final[dict[ManageAction, _Manage]] = {
    "mute_audio": _lock("audio", True),
    "unmute_audio": _lock("audio", False),
    "mute_video": _lock("video", True),
    "unmute_video": _lock("video", False),
    "silence": _chat(True),
    "unsilence": _chat(False),
    "kick": StageVerbs._kick,
    "promote": StageVerbs._promote,
    "demote": StageVerbs._demote,
    "remove_guest": StageVerbs._remove_guest,
}
