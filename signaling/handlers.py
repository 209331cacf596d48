"""From a client's message to the verb of the room service: a table, one small function for each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from .messages import Message
from .ports import Identity
from .protocol import (
    CancelGuestRequest,
    ClientMessage,
    End,
    GetStats,
    Leave,
    LeaveStage,
    ManageParticipant,
    Ping,
    PublishClose,
    PublishOffer,
    ReceiveAnswer,
    ReceiveRestart,
    RequestGuest,
    RespondGuestRequest,
    SetMuted,
    SetSubscription,
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


async def _manage_participant(caller: Caller, message: ManageParticipant) -> None:
    await caller.service.manage_participant(caller.identity, caller.session_id, message.participant_id, message.action)


async def _leave_stage(caller: Caller, message: LeaveStage) -> None:
    await caller.service.leave_stage(caller.identity, caller.session_id)


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
    ManageParticipant: _manage_participant,
    LeaveStage: _leave_stage,
    Leave: _leave,
    End: _end,
    GetStats: _get_stats,
    Ping: _ping,
}
"""Everything but `hello`, which the connection answers itself."""

CLOSING: Final = (Leave, End)
"""Requests that close their own socket: the reply goes out first."""
