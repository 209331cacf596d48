"""From a client's message to the verb of the room service: a table, one small function for each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from .messages import Message
from .ports import Identity
from .protocol import (
    Ban,
    CancelGuestRequest,
    CancelInvitation,
    ClearRequests,
    ClientMessage,
    DeleteMessage,
    End,
    GetStats,
    InviteGuest,
    Leave,
    LeaveStage,
    ManageParticipant,
    MuteAll,
    Ping,
    PublishClose,
    PublishOffer,
    React,
    ReceiveAnswer,
    ReceiveRestart,
    RequestGuest,
    RespondAll,
    RespondGuestRequest,
    RespondInvitation,
    SendGift,
    SendMessage,
    SetMuted,
    SetSubscription,
    Unban,
    UpdateSettings,
)
from .service import RoomService


class Caller:
    """The service as one attached participant uses it."""

    def __init__(self, service: RoomService, identity: Identity, session_id: str) -> None:
        self.service = service
        self.identity = identity
        self.session_id = session_id


Handler = Callable[[Caller, Any], Awaitable[Message | None]]
"""Returns the members of the reply."""


async def _publish_offer(caller: Caller, message: PublishOffer) -> Message:
    connection_id, sdp = await caller.service.publish_offer(
        caller.identity, caller.session_id, message.connection_id, message.sdp, message.sources
    )
    return {"connection_id": connection_id, "sdp": sdp}


async def _publish_close(caller: Caller, message: PublishClose) -> None:
    await caller.service.publish_close(caller.identity, caller.session_id)


async def _receive_answer(caller: Caller, message: ReceiveAnswer) -> None:
    await caller.service.receive_answer(
        caller.identity, caller.session_id, message.connection_id, message.offer_id, message.sdp
    )


async def _receive_restart(caller: Caller, message: ReceiveRestart) -> None:
    await caller.service.receive_restart(caller.identity, caller.session_id)


async def _set_subscription(caller: Caller, message: SetSubscription) -> None:
    await caller.service.set_subscription(caller.identity, caller.session_id, message.producer_id, message.paused)


async def _set_muted(caller: Caller, message: SetMuted) -> None:
    await caller.service.set_muted(caller.identity, caller.session_id, message.kind, message.muted)


async def _request_guest(caller: Caller, message: RequestGuest) -> Message:
    return {"request": await caller.service.request_guest(caller.identity, caller.session_id, message.message)}


async def _cancel_guest_request(caller: Caller, message: CancelGuestRequest) -> None:
    await caller.service.cancel_guest_request(caller.identity, caller.session_id)


async def _respond_guest_request(caller: Caller, message: RespondGuestRequest) -> None:
    await caller.service.respond_guest_request(caller.identity, caller.session_id, message.request_id, message.approve)


async def _respond_all(caller: Caller, message: RespondAll) -> Message:
    answered = await caller.service.respond_all(caller.identity, caller.session_id, message.approve)
    return {"answered": answered.answered, "waiting": answered.waiting}


async def _clear_requests(caller: Caller, message: ClearRequests) -> None:
    await caller.service.clear_requests(caller.identity, caller.session_id)


async def _invite_guest(caller: Caller, message: InviteGuest) -> Message:
    return {"request": await caller.service.invite_guest(caller.identity, caller.session_id, message.participant_id)}


async def _cancel_invitation(caller: Caller, message: CancelInvitation) -> None:
    await caller.service.cancel_invitation(caller.identity, caller.session_id, message.request_id)


async def _respond_invitation(caller: Caller, message: RespondInvitation) -> None:
    await caller.service.respond_invitation(caller.identity, caller.session_id, message.request_id, message.accept)


async def _update_settings(caller: Caller, message: UpdateSettings) -> None:
    await caller.service.update_settings(caller.identity, caller.session_id, message.settings)


async def _ban(caller: Caller, message: Ban) -> None:
    await caller.service.ban(
        caller.identity,
        caller.session_id,
        participant_id=message.participant_id,
        user_id=message.user_id,
        reason=message.reason,
    )


async def _unban(caller: Caller, message: Unban) -> None:
    await caller.service.unban(caller.identity, caller.session_id, message.user_id)


async def _mute_all(caller: Caller, message: MuteAll) -> Message:
    return {"muted": await caller.service.mute_all(caller.identity, caller.session_id, message.except_cohosts)}


async def _manage_participant(caller: Caller, message: ManageParticipant) -> None:
    await caller.service.manage_participant(caller.identity, caller.session_id, message.participant_id, message.action)


async def _react(caller: Caller, message: React) -> None:
    await caller.service.react(caller.identity, caller.session_id, message.reaction, message.count)


async def _send_gift(caller: Caller, message: SendGift) -> Message:
    gift = await caller.service.send_gift(
        caller.identity, caller.session_id, message.gift_id, message.quantity, message.key
    )
    return {"gift": gift}


async def _leave_stage(caller: Caller, message: LeaveStage) -> None:
    await caller.service.leave_stage(caller.identity, caller.session_id)


async def _send_message(caller: Caller, message: SendMessage) -> Message:
    sent = await caller.service.send_message(caller.identity, caller.session_id, message.text, message.client_id)
    return {"message": sent}


async def _delete_message(caller: Caller, message: DeleteMessage) -> None:
    await caller.service.delete_message(caller.identity, caller.session_id, message.message_id)


async def _leave(caller: Caller, message: Leave) -> None:
    await caller.service.leave(caller.identity, caller.session_id)


async def _end(caller: Caller, message: End) -> None:
    await caller.service.end(caller.identity, caller.session_id)


async def _get_stats(caller: Caller, message: GetStats) -> Message:
    return {"connections": await caller.service.stats(caller.identity, caller.session_id)}


async def _ping(caller: Caller, message: Ping) -> None:
    return None


HANDLERS: Final[dict[type[ClientMessage], Handler]] = {
    PublishOffer: _publish_offer,
    PublishClose: _publish_close,
    ReceiveAnswer: _receive_answer,
    ReceiveRestart: _receive_restart,
    SetSubscription: _set_subscription,
    SetMuted: _set_muted,
    RequestGuest: _request_guest,
    CancelGuestRequest: _cancel_guest_request,
    RespondGuestRequest: _respond_guest_request,
    RespondAll: _respond_all,
    ClearRequests: _clear_requests,
    InviteGuest: _invite_guest,
    CancelInvitation: _cancel_invitation,
    RespondInvitation: _respond_invitation,
    UpdateSettings: _update_settings,
    Ban: _ban,
    Unban: _unban,
    MuteAll: _mute_all,
    ManageParticipant: _manage_participant,
    React: _react,
    SendGift: _send_gift,
    LeaveStage: _leave_stage,
    SendMessage: _send_message,
    DeleteMessage: _delete_message,
    Leave: _leave,
    End: _end,
    GetStats: _get_stats,
    Ping: _ping,
}
"""Everything but `hello`, which the connection answers itself."""

CLOSING: Final = (Leave, End)
"""Requests that close their own socket: the reply goes out first."""

BESIDE: Final = (SendGift,)
"""Requests that may take seconds; those that come after them on the socket do not wait."""
