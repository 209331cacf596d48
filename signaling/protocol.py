"""What clients say on the WebSocket: one model for each message of docs/PROTOCOL.md, and the parser."""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pydantic_core import from_json

from sfu.rtp.parameters import MediaKind

from .chat_model import ClientId, MessageText
from .errors import LiveError
from .gift_model import GiftId, GiftKey, Quantity
from .model import BanReason, RequestMessage, SettingsChange, Source, UserId
from .permissions import ManageAction
from .rates import RateClass

PROTOCOL_VERSION: Final = 1
SUBPROTOCOL: Final = "greenroom.v1"
MAX_FRAME_BYTES: Final = 256 * 1024
MAX_SECTIONS: Final = 32

RequestId = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Id = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Sdp = Annotated[str, StringConstraints(max_length=MAX_FRAME_BYTES)]
ReactionCount = Annotated[int, Field(ge=1, le=50)]
"""Reactions that are sent together."""
Mid = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class CloseCode(IntEnum):
    """WebSocket close codes with a meaning of their own."""

    LEFT = 1000
    SERVER_STOPPING = 1001
    BAD_MESSAGE = 4400
    UNAUTHORIZED = 4401
    KICKED = 4403
    SESSION_NOT_FOUND = 4404
    UNSUPPORTED_PROTOCOL = 4406
    REPLACED = 4409
    SESSION_ENDED = 4410
    LIMIT_EXCEEDED = 4429


class BadMessage(Exception):
    """A frame without a JSON object or without a `type`: not our protocol; the socket is closed."""


class ClientMessage(BaseModel):
    """Base of all requests. Members that the server does not know are ignored."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")
    reply: ClassVar[str] = "ok"
    """Type of the reply when the request carries an `id`."""
    rate: ClassVar[RateClass] = "manage"
    """What it counts as in rate limits."""

    type: str
    id: RequestId | None = None


class Hello(ClientMessage):
    rate = "join"
    reply = "welcome"
    type: Literal["hello"]
    protocol: int
    token: Annotated[str, StringConstraints(max_length=8192)]
    resume: Annotated[str, StringConstraints(max_length=200)] | None = None


class PublishOffer(ClientMessage):
    rate = "connect"
    reply = "publish_answer"
    type: Literal["publish_offer"]
    connection_id: Id | None = None
    sdp: Sdp
    sources: dict[Mid, Source] = Field(max_length=MAX_SECTIONS)


class PublishClose(ClientMessage):
    rate = "media"
    type: Literal["publish_close"]


class ReceiveAnswer(ClientMessage):
    rate = "media"
    type: Literal["receive_answer"]
    connection_id: Id
    offer_id: int
    sdp: Sdp


class ReceiveRestart(ClientMessage):
    rate = "connect"
    type: Literal["receive_restart"]


class SetSubscription(ClientMessage):
    rate = "media"
    type: Literal["set_subscription"]
    producer_id: Id
    paused: bool


class SetMuted(ClientMessage):
    rate = "media"
    type: Literal["set_muted"]
    kind: MediaKind
    muted: bool


class RequestGuest(ClientMessage):
    rate = "ask"
    reply = "guest_request_created"
    type: Literal["request_guest"]
    message: RequestMessage = ""


class CancelGuestRequest(ClientMessage):
    rate = "ask"
    type: Literal["cancel_guest_request"]


class RespondGuestRequest(ClientMessage):
    type: Literal["respond_guest_request"]
    request_id: Id
    approve: bool


class RespondAll(ClientMessage):
    reply = "answered"
    type: Literal["respond_all"]
    approve: bool


class ClearRequests(ClientMessage):
    type: Literal["clear_requests"]


class InviteGuest(ClientMessage):
    reply = "guest_request_created"
    type: Literal["invite_guest"]
    participant_id: Id


class CancelInvitation(ClientMessage):
    type: Literal["cancel_invitation"]
    request_id: Id


class RespondInvitation(ClientMessage):
    rate = "ask"
    type: Literal["respond_invitation"]
    request_id: Id
    accept: bool


class UpdateSettings(ClientMessage):
    type: Literal["update_settings"]
    settings: SettingsChange


class Ban(ClientMessage):
    type: Literal["ban"]
    participant_id: Id | None = None
    user_id: UserId | None = None
    reason: BanReason = ""

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        require_one_target(self.participant_id, self.user_id)
        return self


class Unban(ClientMessage):
    type: Literal["unban"]
    user_id: UserId


class MuteAll(ClientMessage):
    reply = "muted"
    type: Literal["mute_all"]
    except_cohosts: bool = False


class ManageParticipant(ClientMessage):
    type: Literal["manage_participant"]
    participant_id: Id
    action: ManageAction


class React(ClientMessage):
    rate = "react"
    reply = "reacted"
    type: Literal["react"]
    reaction: Annotated[str, StringConstraints(min_length=1, max_length=32)]
    count: ReactionCount = 1


class SendGift(ClientMessage):
    rate = "gift"
    reply = "gift_sent"
    type: Literal["send_gift"]
    gift_id: GiftId
    quantity: Quantity = 1
    key: GiftKey


class LeaveStage(ClientMessage):
    rate = "ask"
    type: Literal["leave_stage"]


class SendMessage(ClientMessage):
    rate = "chat"
    reply = "message"
    type: Literal["send_message"]
    text: MessageText
    client_id: ClientId | None = None


class DeleteMessage(ClientMessage):
    rate = "chat"
    type: Literal["delete_message"]
    message_id: Id


class Leave(ClientMessage):
    rate = "join"
    type: Literal["leave"]


class End(ClientMessage):
    type: Literal["end"]


class GetStats(ClientMessage):
    rate = "read"
    reply = "stats"
    type: Literal["get_stats"]


class Ping(ClientMessage):
    rate = "media"
    reply = "pong"
    type: Literal["ping"]


CLIENT_MESSAGES: Final[dict[str, type[ClientMessage]]] = {
    "hello": Hello,
    "publish_offer": PublishOffer,
    "publish_close": PublishClose,
    "receive_answer": ReceiveAnswer,
    "receive_restart": ReceiveRestart,
    "set_subscription": SetSubscription,
    "set_muted": SetMuted,
    "request_guest": RequestGuest,
    "cancel_guest_request": CancelGuestRequest,
    "respond_guest_request": RespondGuestRequest,
    "respond_all": RespondAll,
    "clear_requests": ClearRequests,
    "invite_guest": InviteGuest,
    "cancel_invitation": CancelInvitation,
    "respond_invitation": RespondInvitation,
    "update_settings": UpdateSettings,
    "ban": Ban,
    "unban": Unban,
    "mute_all": MuteAll,
    "manage_participant": ManageParticipant,
    "react": React,
    "send_gift": SendGift,
    "leave_stage": LeaveStage,
    "send_message": SendMessage,
    "delete_message": DeleteMessage,
    "leave": Leave,
    "end": End,
    "get_stats": GetStats,
    "ping": Ping,
}


def decode(frame: str) -> dict[str, Any]:
    """Read a frame. Raises `BadMessage` where it is no JSON object with a string `type`."""
    try:
        # Not json.loads: this bounds nesting and takes neither NaN nor lone surrogates, which no answer could carry.
        value = from_json(frame, allow_inf_nan=False)
    except ValueError:
        raise BadMessage("not JSON") from None
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        raise BadMessage("no type")
    return value


def request_id(value: dict[str, Any]) -> str | None:
    """The `id` of a decoded frame, where it can be used in a reply."""
    identifier = value.get("id")
    return identifier if isinstance(identifier, str) and 1 <= len(identifier) <= 64 else None


def parse(value: dict[str, Any]) -> ClientMessage:
    """Check a decoded frame. Raises `LiveError` `unknown_type` or `invalid_request` (with `details`)."""
    model = CLIENT_MESSAGES.get(value["type"])
    if model is None:
        raise LiveError("unknown_type")
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise LiveError("invalid_request", details=invalid_fields(error)) from None


def require_one_target(participant_id: str | None, user_id: str | None) -> None:
    """Raises `ValueError` unless a user is named in exactly one of the two ways."""
    if (participant_id is None) == (user_id is None):
        raise ValueError("name either participant_id or user_id")


def invalid_fields(error: ValidationError) -> list[dict[str, str]]:
    """Which members are wrong and why, without the values, which may be secrets."""
    return [
        {"field": ".".join(str(part) for part in item["loc"])[:200], "problem": item["msg"][:200]}
        for item in error.errors(include_url=False, include_context=False, include_input=False)[:20]
    ]
