"""Asking a viewer on stage, and their answer."""

from __future__ import annotations

from . import messages
from .errors import LiveError
from .model import GuestRequestRecord
from .permissions import require, require_invitable
from .ports import Identity
from .registry import stored
from .requests import RequestVerbs, require_none_pending, unconfirmed


class InvitationVerbs(RequestVerbs):
    """Every one may raise `LiveError`."""

    async def invite_guest(self, identity: Identity, session_id: str, participant_id: str) -> GuestRequestRecord:
        """Host or cohost ask a viewer up. A full stage stops only the acceptance: somebody may decline or go."""
        room = await self._room(identity, session_id)
        require(room.member(identity).role, "moderate")
        async with room.gate.user(room.target(participant_id).user_id):
            require(room.member(identity).role, "moderate")
            target = room.target(participant_id)
            require_invitable(target.role)
            if not room.session.settings.allow_guests:
                raise LiveError("guests_not_allowed")
            require_none_pending(room, target)
            invitation = await self._draft(room, target, "invitation", invited_by=identity.user_id)
            with unconfirmed(target, invitation):
                await stored(self._store_as(identity).save_request(invitation))
            self._open(room, invitation)
            room.send(target.id, messages.invited(invitation))
            return invitation

    async def respond_invitation(
        self, identity: Identity, session_id: str, request_id: str, accept: bool
    ) -> GuestRequestRecord:
        """Who accepts is a guest at once."""
        room = await self._room(identity, session_id)
        async with room.gate.user(identity.user_id):
            me = room.member(identity)
            invitation = room.pending(request_id, "invitation")
            if invitation.participant_id != me.id:
                raise LiveError("request_not_found")
            return await self._answer(room, me, invitation, approve=accept, by=identity, answered_by=me.user_id)

    async def cancel_invitation(self, identity: Identity, session_id: str, request_id: str) -> GuestRequestRecord:
        """Host or cohost, whoever of them invited, take an invitation back."""
        room = await self._room(identity, session_id)
        require(room.member(identity).role, "moderate")
        async with room.gate.user(room.pending(request_id, "invitation").user_id):
            require(room.member(identity).role, "moderate")
            return await self._close_request(room, room.pending(request_id, "invitation"), "cancelled", identity)
