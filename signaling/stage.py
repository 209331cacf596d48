"""The verbs about the stage: asking for it, answering, and managing who is on it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import Final
from uuid import uuid4

from sfu.rtp.parameters import MediaKind

from . import messages
from .errors import LiveError
from .messages import ParticipantView
from .model import GuestRequestRecord, RequestStatus, Role
from .participant import Participant
from .permissions import ManageAction, require, require_manage
from .ports import Identity
from .protocol import CloseCode
from .registry import Registry, now, stored
from .room import Room


class StageVerbs(Registry):
    """Every one may raise `LiveError`."""

    async def request_guest(self, identity: Identity, session_id: str, message: str) -> GuestRequestRecord:
        """A viewer asks to come on stage. Comes back `approved` where the session requires no approval."""
        room = await self._room(identity, session_id)
        async with room.gate.user(identity.user_id):
            me = room.member(identity)
            require(me.role, "request_guest")
            settings = room.session.settings
            if not settings.allow_guests:
                raise LiveError("guests_not_allowed")
            if room.pending_request(me.id) is not None:
                raise LiveError("request_pending")
            me.unsure_request_id = me.unsure_request_id or str(uuid4())
            request = GuestRequestRecord(
                id=me.unsure_request_id,
                session_id=room.id,
                participant_id=me.id,
                user_id=me.user_id,
                name=me.record.name,
                message=message,
                created_at=now(),
            )
            if not settings.require_approval:
                approved = await self._answer(room, me, request, approve=True, by=identity, answered_by=None)
                me.unsure_request_id = None
                return approved
            await stored(self._store_as(identity).save_request(request))
            me.unsure_request_id = None
            room.requests[request.id] = request
            room.tell_moderators(messages.guest_request_created(request))
            return request

    async def cancel_guest_request(self, identity: Identity, session_id: str) -> GuestRequestRecord:
        room = await self._room(identity, session_id)
        async with room.gate.user(identity.user_id):
            me = room.member(identity)
            request = room.pending_request(me.id)
            if request is None:
                raise LiveError("request_not_found")
            return await self._withdraw(room, me, request, identity)

    async def guest_requests(self, identity: Identity, session_id: str) -> list[GuestRequestRecord]:
        """Pending ones; for host and cohosts."""
        room = await self._room(identity, session_id)
        me = room.member(identity)
        require(me.role, "moderate")
        return room.requests_for(me)

    async def respond_guest_request(
        self, identity: Identity, session_id: str, request_id: str, approve: bool
    ) -> GuestRequestRecord:
        room = await self._room(identity, session_id)
        require(room.member(identity).role, "moderate")
        async with room.gate.user(room.pending(request_id).user_id):
            require(room.member(identity).role, "moderate")
            request = room.pending(request_id)
            requester = room.target(request.participant_id)
            return await self._answer(
                room, requester, request, approve=approve, by=identity, answered_by=identity.user_id
            )

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

    async def _answer(
        self,
        room: Room,
        requester: Participant,
        request: GuestRequestRecord,
        *,
        approve: bool,
        by: Identity,
        answered_by: str | None,
    ) -> GuestRequestRecord:
        status: RequestStatus = "approved" if approve else "rejected"
        answered = request.model_copy(update={"status": status, "answered_at": now(), "answered_by": answered_by})
        with room.reserved_slot() if approve else nullcontext():
            await stored(self._store_as(by).save_request(answered))
            room.settle_request(answered)
            if approve:
                settings = room.session.settings
                requester.record = requester.record.model_copy(update={"role": Role.GUEST})
                requester.mute("audio", not settings.guest_audio_default)
                requester.mute("video", not settings.guest_video_default)
        room.tell_moderators(messages.guest_request_updated(answered), requester)
        if approve:
            room.tell_updated(requester)
            room.counts_changed()
        return answered

    async def _withdraw(
        self, room: Room, requester: Participant, request: GuestRequestRecord, by: Identity | None
    ) -> GuestRequestRecord:
        cancelled = request.model_copy(update={"status": "cancelled", "answered_at": now()})
        await stored(self._store_as(by).save_request(cancelled))
        room.settle_request(cancelled)
        room.tell_moderators(messages.guest_request_updated(cancelled), requester)
        return cancelled

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

    async def _depart(self, room: Room, member: Participant, reason: str, by: Identity | None) -> None:
        """Take a participant out of the session: `left`, `kicked` or `lost`. Runs within the gate."""
        request = room.pending_request(member.id)
        if request is not None:
            await self._withdraw(room, member, request, by)
        status = "kicked" if reason == "kicked" else "left"
        record = member.record.model_copy(update={"status": status, "left_at": now()})
        await stored(self._store_as(by).upsert_participant(record))
        room.remove(member, record)
        link, member.link = member.link, None
        if reason == "kicked":
            room.kicked.add(member.user_id)
        room.tell_left(member, reason)
        room.counts_changed()
        if link is not None:
            if reason == "kicked":
                link.send(messages.encode(messages.kicked()))
                link.close(CloseCode.KICKED, "kicked")
            else:
                link.close(CloseCode.LEFT, "left")


_Manage = Callable[[StageVerbs, Room, Participant, Identity], Awaitable[None]]


def _lock(kind: MediaKind, locked: bool) -> _Manage:
    return lambda verbs, room, target, by: verbs._set_lock(room, target, by, kind, locked)


_MANAGE: Final[dict[ManageAction, _Manage]] = {
    "mute_audio": _lock("audio", True),
    "unmute_audio": _lock("audio", False),
    "mute_video": _lock("video", True),
    "unmute_video": _lock("video", False),
    "kick": StageVerbs._kick,
    "promote": StageVerbs._promote,
    "demote": StageVerbs._demote,
    "remove_guest": StageVerbs._remove_guest,
}
