"""Asking to come on stage, and answering that. Invitations, the other way round, are in `invitations`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Literal, NamedTuple
from uuid import uuid4

from . import messages
from .errors import LiveError
from .model import GuestRequestRecord, RequestKind, RequestMessage, RequestStatus, Role
from .participant import Participant
from .permissions import require
from .ports import Identity
from .registry import Registry, now, stored
from .room import Room

Closed = Literal["cancelled", "expired"]
"""How a request ends without an answer."""


class Answered(NamedTuple):
    answered: int
    waiting: int
    """Requests that still wait: there was no room on stage for more."""


class RequestVerbs(Registry):
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
            require_none_pending(room, me)
            self._require_cooled_down(room, me)
            request = await self._draft(room, me, "request", message)
            with unconfirmed(me, request):
                if not settings.require_approval:
                    return await self._answer(room, me, request, approve=True, by=identity, answered_by=None)
                await stored(self._store_as(identity).save_request(request))
            self._open(room, request)
            return request

    async def cancel_guest_request(self, identity: Identity, session_id: str) -> GuestRequestRecord:
        """Take one's own request back. An invitation is declined instead."""
        room = await self._room(identity, session_id)
        async with room.gate.user(identity.user_id):
            me = room.member(identity)
            request = room.pending_request(me.id)
            if request is None or request.kind != "request":
                raise LiveError("request_not_found")
            return await self._close_request(room, request, "cancelled", identity)

    async def guest_requests(self, identity: Identity, session_id: str) -> list[GuestRequestRecord]:
        """Pending ones, invitations among them; for host and cohosts."""
        room = await self._room(identity, session_id)
        me = room.member(identity)
        require(me.role, "moderate")
        return room.requests_for(me)

    async def respond_guest_request(
        self, identity: Identity, session_id: str, request_id: str, approve: bool
    ) -> GuestRequestRecord:
        room = await self._room(identity, session_id)
        require(room.member(identity).role, "moderate")
        async with room.gate.user(room.pending(request_id, "request").user_id):
            require(room.member(identity).role, "moderate")
            request = room.pending(request_id, "request")
            requester = room.target(request.participant_id)
            return await self._answer(
                room, requester, request, approve=approve, by=identity, answered_by=identity.user_id
            )

    async def respond_all(self, identity: Identity, session_id: str, approve: bool) -> Answered:
        """Answer every request that waits, oldest first; of approvals as many as there is room for on stage."""
        room = await self._room(identity, session_id)
        require(room.member(identity).role, "moderate")
        async with room.gate.everybody():
            require(room.member(identity).role, "moderate")
            waiting = room.waiting_requests()
            chosen = waiting[: room.free_slots] if approve else waiting
            answers = [_answered(request, approve, identity.user_id) for request in chosen]
            await self._save_all(room, answers, identity)
            for request in answers:
                self._apply_answer(room, room.target(request.participant_id), request)
            return Answered(len(answers), len(waiting) - len(answers))

    async def clear_requests(self, identity: Identity, session_id: str) -> int:
        """Lower all hands: no rejection, so everybody may ask again at once. Returns how many there were."""
        room = await self._room(identity, session_id)
        require(room.member(identity).role, "moderate")
        async with room.gate.everybody():
            require(room.member(identity).role, "moderate")
            cleared = [closed(request, "cancelled") for request in room.waiting_requests()]
            await self._save_all(room, cleared, identity)
            for request in cleared:
                self._apply_close(room, request)
            return len(cleared)

    # Inside

    async def _draft(
        self,
        room: Room,
        member: Participant,
        kind: RequestKind,
        message: RequestMessage = "",
        invited_by: str | None = None,
    ) -> GuestRequestRecord:
        """A new one, to be saved within `unconfirmed`."""
        unsure = member.unsure_request
        if unsure is not None and unsure.kind != kind:
            # A user has one open row at most, and a row that may be there can't be turned into one of the other kind.
            await stored(self._store.save_request(closed(unsure, "cancelled")))
            member.unsure_request = unsure = None
        return GuestRequestRecord(
            id=str(uuid4()) if unsure is None else unsure.id,
            session_id=room.id,
            participant_id=member.id,
            user_id=member.user_id,
            name=member.record.name,
            message=message,
            created_at=now(),
            kind=kind,
            invited_by=invited_by,
        )

    def _open(self, room: Room, request: GuestRequestRecord) -> None:
        room.open_request(request, self._clock() + self.config.request_ttl_s)
        room.tell_moderators(messages.guest_request_created(request))

    def _require_cooled_down(self, room: Room, member: Participant) -> None:
        wait_s = room.may_ask_at.get(member.user_id, 0.0) - self._clock()
        if wait_s > 0:
            raise LiveError("request_too_soon", retry_after_s=wait_s)

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
        answered = _answered(request, approve, answered_by)
        with room.reserved_slot() if approve else nullcontext():
            await stored(self._store_as(by).save_request(answered))
            self._apply_answer(room, requester, answered)
        return answered

    def _apply_answer(self, room: Room, requester: Participant, answered: GuestRequestRecord) -> None:
        approved = answered.status == "approved"
        room.settle_request(answered)
        if approved:
            settings = room.session.settings
            requester.record = requester.record.model_copy(update={"role": Role.GUEST})
            requester.mute("audio", not settings.guest_audio_default)
            requester.mute("video", not settings.guest_video_default)
        elif answered.kind == "request":
            room.may_ask_at[requester.user_id] = self._clock() + self.config.request_cooldown_s
        room.tell_moderators(messages.guest_request_updated(answered), requester)
        if approved:
            room.tell_updated(requester)
            room.announcer.say("approved", requester)
            room.counts_changed()

    async def _close_request(
        self, room: Room, request: GuestRequestRecord, status: Closed, by: Identity | None
    ) -> GuestRequestRecord:
        ended = closed(request, status)
        await stored(self._store_as(by).save_request(ended))
        self._apply_close(room, ended)
        return ended

    def _apply_close(self, room: Room, ended: GuestRequestRecord) -> None:
        room.settle_request(ended)
        requester = room.members.get(ended.participant_id)
        room.tell_moderators(messages.guest_request_updated(ended), *([] if requester is None else [requester]))

    async def _save_all(self, room: Room, requests: Sequence[GuestRequestRecord], by: Identity) -> None:
        if requests:
            await stored(self._store_as(by).save_requests(room.id, requests))

    async def _look_after_requests(self, room: Room) -> None:
        """Close what nobody answered in time, and forget waiting times that are over."""
        current = self._clock()
        room.may_ask_at = {user_id: at for user_id, at in room.may_ask_at.items() if at > current}
        for request in room.overdue_requests(current):
            async with room.gate.user(request.user_id):
                if room.live and request.id in room.requests:
                    await self._close_request(room, request, "expired", None)

    def _recover_requests(self, room: Room, requests: Sequence[GuestRequestRecord]) -> None:
        """After a restart: who waits for an answer, and who has to wait before asking again."""
        current, at = self._clock(), now()
        for request in requests:
            if request.status == "pending":
                age_s = (at - request.created_at).total_seconds()
                room.open_request(request, current + self.config.request_ttl_s - age_s)
            elif request.status == "rejected" and request.kind == "request" and request.answered_at is not None:
                wait_s = self.config.request_cooldown_s - (at - request.answered_at).total_seconds()
                if wait_s > 0:
                    room.may_ask_at[request.user_id] = current + wait_s


def require_none_pending(room: Room, member: Participant) -> None:
    """Raises `LiveError`: `request_pending`, `invitation_pending`, both with the id."""
    pending = room.pending_request(member.id)
    if pending is not None:
        code: Literal["request_pending", "invitation_pending"] = (
            "request_pending" if pending.kind == "request" else "invitation_pending"
        )
        raise LiveError(code, details={"request_id": pending.id})


def _answered(request: GuestRequestRecord, approve: bool, answered_by: str | None) -> GuestRequestRecord:
    status: RequestStatus = "approved" if approve else "rejected"
    return request.model_copy(update={"status": status, "answered_at": now(), "answered_by": answered_by})


def closed(request: GuestRequestRecord, status: Closed) -> GuestRequestRecord:
    return request.model_copy(update={"status": status, "answered_at": now()})


@contextmanager
def unconfirmed(member: Participant, request: GuestRequestRecord) -> Iterator[None]:
    """Remember a request whose writing may or may not have happened when the block raises."""
    member.unsure_request = request
    try:
        yield
    except LiveError as failure:
        if failure.code != "database_unavailable":
            member.unsure_request = None
        raise
    member.unsure_request = None
