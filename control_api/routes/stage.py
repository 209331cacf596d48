"""Asking to come on stage, answering that, and managing who is there."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel

from control_api.route_table import AnyRoute, Call, Route
from control_api.routes_bodies import Id, SessionBody
from signaling.messages import ParticipantView
from signaling.model import GuestRequestRecord, RequestMessage
from signaling.permissions import ManageAction


class RequestGuestBody(SessionBody):
    message: RequestMessage = ""


class RespondBody(SessionBody):
    request_id: Id
    approve: bool


class ManageBody(SessionBody):
    participant_id: Id
    action: ManageAction


class GuestRequestAnswer(BaseModel):
    request: GuestRequestRecord


class GuestRequestsAnswer(BaseModel):
    guest_requests: list[GuestRequestRecord]


class ParticipantAnswer(BaseModel):
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


async def manage_participant(call: Call[ManageBody, None]) -> ParticipantAnswer:
    body = call.body
    participant = await call.service.manage_participant(call.caller, body.session_id, body.participant_id, body.action)
    return ParticipantAnswer(participant=participant)


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
            *("already_on_stage", "request_pending", "stage_full", "database_unavailable"),
        ),
    ),
    Route(
        "GET",
        "/live/sessions/{id}/guest-requests",
        guest_requests,
        "List the requests that wait for an answer",
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
        "/live/manage-participant",
        manage_participant,
        "Mute, promote or remove a participant",
        description="For the host; cohosts may do it with guests and viewers, except promoting and demoting.",
        body=ManageBody,
        answer=ParticipantAnswer,
        errors=(
            *("session_not_found", "session_ended", "not_joined", "forbidden", "participant_not_found"),
            *("not_a_guest", "wrong_role", "database_unavailable"),
        ),
    ),
)
