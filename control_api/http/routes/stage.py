"""Asking to come on stage, answering that, and managing who is there."""

from __future__ import annotations

from typing import Final

from control_api.http.route_table import AnyRoute, Call, Route
from control_api.http.routes_bodies import Answer, Id, SessionBody
from signaling.errors import ErrorCode
from signaling.messages import ParticipantView
from signaling.model import GuestRequestRecord, RequestMessage
from signaling.permissions import ManageAction


class RequestGuestBody(SessionBody):
    message: RequestMessage = ""


class RespondBody(SessionBody):
    request_id: Id
    approve: bool


class RespondAllBody(SessionBody):
    approve: bool


class InviteBody(SessionBody):
    participant_id: Id


class InvitationBody(SessionBody):
    request_id: Id


class RespondInvitationBody(InvitationBody):
    accept: bool


class ManageBody(SessionBody):
    participant_id: Id
    action: ManageAction


class GuestRequestAnswer(Answer):
    request: GuestRequestRecord


class GuestRequestsAnswer(Answer):
    guest_requests: list[GuestRequestRecord]


class AnsweredAnswer(Answer):
    answered: int
    waiting: int
    """Requests that still wait, because the stage is full."""


class ClearedAnswer(Answer):
    cleared: int


class ParticipantAnswer(Answer):
    participant: ParticipantView


async def request_guest(call: Call[RequestGuestBody, None]) -> GuestRequestAnswer:
    body = call.body
    return GuestRequestAnswer(request=await call.service.request_guest(call.caller, body.session_id, body.message))


async def guest_requests(call: Call[None, None]) -> GuestRequestsAnswer:
    return GuestRequestsAnswer(guest_requests=await call.service.guest_requests(call.caller, call.path("id")))


async def respond_guest_request(call: Call[RespondBody, None]) -> GuestRequestAnswer:
    body = call.body
    answered = await call.service.respond_guest_request(call.caller, body.session_id, body.request_id, body.approve)
    return GuestRequestAnswer(request=answered)


async def cancel_request(call: Call[SessionBody, None]) -> GuestRequestAnswer:
    return GuestRequestAnswer(request=await call.service.cancel_guest_request(call.caller, call.body.session_id))


async def respond_all(call: Call[RespondAllBody, None]) -> AnsweredAnswer:
    done = await call.service.respond_all(call.caller, call.body.session_id, call.body.approve)
    return AnsweredAnswer(answered=done.answered, waiting=done.waiting)


async def clear_requests(call: Call[SessionBody, None]) -> ClearedAnswer:
    return ClearedAnswer(cleared=await call.service.clear_requests(call.caller, call.body.session_id))


async def invite_guest(call: Call[InviteBody, None]) -> GuestRequestAnswer:
    body = call.body
    return GuestRequestAnswer(
        request=await call.service.invite_guest(call.caller, body.session_id, body.participant_id)
    )


async def respond_invitation(call: Call[RespondInvitationBody, None]) -> GuestRequestAnswer:
    body = call.body
    answered = await call.service.respond_invitation(call.caller, body.session_id, body.request_id, body.accept)
    return GuestRequestAnswer(request=answered)


async def cancel_invitation(call: Call[InvitationBody, None]) -> GuestRequestAnswer:
    body = call.body
    return GuestRequestAnswer(
        request=await call.service.cancel_invitation(call.caller, body.session_id, body.request_id)
    )


async def manage_participant(call: Call[ManageBody, None]) -> ParticipantAnswer:
    body = call.body
    participant = await call.service.manage_participant(call.caller, body.session_id, body.participant_id, body.action)
    return ParticipantAnswer(participant=participant)


_OF_MODERATORS: Final[tuple[ErrorCode, ...]] = (
    *("session_not_found", "session_ended", "not_joined", "forbidden", "database_unavailable"),
)

ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        "POST",
        "/live/request-guest",
        request_guest,
        "Ask to come on stage",
        description="For viewers. The request is `approved` already where the session requires no approval.",
        body=RequestGuestBody,
        rate="ask",
        answer=GuestRequestAnswer,
        status=201,
        errors=(
            *("session_not_found", "session_ended", "not_joined", "guests_not_allowed"),
            *("already_on_stage", "request_pending", "invitation_pending", "request_too_soon"),
            *("stage_full", "database_unavailable"),
        ),
    ),
    Route(
        "POST",
        "/live/cancel-request",
        cancel_request,
        "Take one's own request back",
        body=SessionBody,
        rate="ask",
        answer=GuestRequestAnswer,
        errors=("session_not_found", "session_ended", "not_joined", "request_not_found", "database_unavailable"),
    ),
    Route(
        "GET",
        "/live/sessions/{id}/guest-requests",
        guest_requests,
        "List the requests and invitations that wait for an answer",
        description="For host and cohosts.",
        answer=GuestRequestsAnswer,
        errors=("session_not_found", "session_ended", "not_joined", "forbidden", "database_unavailable"),
    ),
    Route(
        "POST",
        "/live/respond-guest-request",
        respond_guest_request,
        "Let somebody on stage, or not",
        description="For host and cohosts.",
        body=RespondBody,
        answer=GuestRequestAnswer,
        errors=(
            *("session_not_found", "session_ended", "not_joined", "forbidden", "request_not_found"),
            *("request_answered", "participant_not_found", "stage_full", "database_unavailable"),
        ),
    ),
    Route(
        "POST",
        "/live/respond-all",
        respond_all,
        "Answer all requests",
        description="For host and cohosts. Oldest first; as many are approved as there is room for on stage.",
        body=RespondAllBody,
        answer=AnsweredAnswer,
        errors=_OF_MODERATORS,
    ),
    Route(
        "POST",
        "/live/clear-requests",
        clear_requests,
        "Take all requests away without rejecting anybody",
        description="For host and cohosts. Everybody may ask again at once.",
        body=SessionBody,
        answer=ClearedAnswer,
        errors=_OF_MODERATORS,
    ),
    Route(
        "POST",
        "/live/invite-guest",
        invite_guest,
        "Ask a viewer on stage",
        description="For host and cohosts.",
        body=InviteBody,
        answer=GuestRequestAnswer,
        status=201,
        errors=(
            *_OF_MODERATORS,
            *(
                "participant_not_found",
                "already_on_stage",
                "guests_not_allowed",
                "request_pending",
                "invitation_pending",
            ),
        ),
    ),
    Route(
        "POST",
        "/live/respond-invitation",
        respond_invitation,
        "Accept an invitation on stage, or decline it",
        body=RespondInvitationBody,
        rate="ask",
        answer=GuestRequestAnswer,
        errors=(
            *("session_not_found", "session_ended", "not_joined", "request_not_found", "request_answered"),
            *("stage_full", "database_unavailable"),
        ),
    ),
    Route(
        "POST",
        "/live/cancel-invitation",
        cancel_invitation,
        "Take an invitation back",
        description="For host and cohosts.",
        body=InvitationBody,
        answer=GuestRequestAnswer,
        errors=(*_OF_MODERATORS, "request_not_found", "request_answered"),
    ),
    Route(
        "POST",
        "/live/manage-participant",
        manage_participant,
        "Mute, silence, promote or remove a participant",
        description="For the host; cohosts may do it with guests and viewers, except promoting and demoting.",
        body=ManageBody,
        answer=ParticipantAnswer,
        errors=(
            *("session_not_found", "session_ended", "not_joined", "forbidden", "participant_not_found"),
            *("not_a_guest", "wrong_role", "database_unavailable"),
        ),
    ),
)
