"""The chat: writing, reading and deleting messages."""

from __future__ import annotations

from typing import Final

from pydantic import Field, model_validator

from control_api.http.route_table import AnyRoute, Call, Route
from control_api.http.routes_bodies import Answer, Query, SessionBody
from signaling.chat_model import MAX_PAGE, ChatMessage, ClientId, MessagePage, MessageText

_LAST_POSITION: Final = 2**63 - 1


class SendMessageBody(SessionBody):
    text: MessageText
    client_id: ClientId | None = None


class MessagesQuery(Query):
    before: int | None = Field(
        default=None, ge=0, le=_LAST_POSITION, description="Only messages with a lower `position`."
    )
    after: int | None = Field(default=None, ge=0, le=_LAST_POSITION, description="Only messages with a higher one.")
    limit: int = Field(default=50, ge=1, le=MAX_PAGE)

    @model_validator(mode="after")
    def _one_direction(self) -> MessagesQuery:
        if self.before is not None and self.after is not None:
            raise ValueError("a page is before or after a position, not both")
        return self


class MessageAnswer(Answer):
    message: ChatMessage


async def send_message(call: Call[SendMessageBody, None]) -> MessageAnswer:
    body = call.body
    sent = await call.service.send_message(call.caller, body.session_id, body.text, body.client_id)
    return MessageAnswer(message=sent)


async def messages(call: Call[None, MessagesQuery]) -> MessagePage:
    query = call.query
    return await call.service.messages(call.caller, call.path("id"), query.limit, query.before, query.after)


async def delete_message(call: Call[None, None]) -> MessageAnswer:
    deleted = await call.service.delete_message(call.caller, call.path("id"), call.path("message_id"))
    return MessageAnswer(message=deleted)


ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        "POST",
        "/live/send-message",
        send_message,
        "Write in the chat",
        description="For participants. With a `client_id` a retry is safe: the same one gives the same message back.",
        body=SendMessageBody,
        rate="chat",
        answer=MessageAnswer,
        status=201,
        errors=(
            *("session_not_found", "session_ended", "not_joined", "kicked", "banned", "forbidden"),
            *("chat_disabled", "silenced", "slow_mode", "message_not_found", "database_unavailable"),
        ),
    ),
    Route(
        "GET",
        "/live/sessions/{id}/messages",
        messages,
        "Read the chat, page by page",
        description="In the order of `position`: the newest ones, or those `before` or `after` a position. For those "
        "who are in the session; when it has ended, for those who were and were not removed.",
        query=MessagesQuery,
        answer=MessagePage,
        errors=("session_not_found", "not_joined", "kicked", "banned", "forbidden", "database_unavailable"),
    ),
    Route(
        "DELETE",
        "/live/sessions/{id}/messages/{message_id}",
        delete_message,
        "Take a message's text away",
        description="For its author, and for host and cohosts. The message stays in its place, without a text.",
        rate="chat",
        answer=MessageAnswer,
        errors=(
            *("session_not_found", "not_joined", "kicked", "banned", "forbidden", "message_not_found"),
            "database_unavailable",
        ),
    ),
)
