"""Messages of the chat: what may be written, and what is kept of it."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema

MAX_CHARACTERS: Final = 500
MAX_LINES: Final = 10
MAX_PAGE: Final = 200
"""Messages that are read at once."""

MessageKind = Literal["message", "system", "gift"]
SystemEvent = Literal["joined", "left", "approved", "promoted", "kicked"]

_LINE_ENDS: Final = re.compile("\r\n|[\r\u0085\u2028\u2029]")
# Control characters, and those that turn the direction of whatever is shown around the text as well.
_REMOVED: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def clean_text(text: str) -> str:
    """What people may see of what somebody wrote. Raises `ValueError` where nothing is left, or too much."""
    cleaned = _REMOVED.sub("", _LINE_ENDS.sub("\n", text).replace("\t", " ")).strip()
    if not any(unicodedata.category(character)[0] not in "CZ" for character in cleaned):
        raise ValueError("it says nothing")
    if len(cleaned) > MAX_CHARACTERS:
        raise ValueError(f"it has more than {MAX_CHARACTERS} characters")
    if cleaned.count("\n") >= MAX_LINES:
        raise ValueError(f"it has more than {MAX_LINES} lines")
    return cleaned


MessageText = Annotated[
    str,
    AfterValidator(clean_text),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": MAX_CHARACTERS, "pattern": r"^[^\x00-\x1f]*\S"}),
]
ClientId = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[!-~]+$")]
"""Chosen by the sender, so that a message which is sent again is known."""


class ChatMessage(BaseModel):
    """A line of the chat, as everybody in the session sees it."""

    model_config = ConfigDict(use_attribute_docstrings=True, frozen=True)

    id: str
    """UUID."""
    session_id: str
    position: int
    """Grows within a session; what pages go by."""
    kind: MessageKind = "message"
    participant_id: str | None = None
    user_id: str | None = None
    """Of the author; None where that is the server."""
    name: str | None = None
    text: str
    """Empty where the message was deleted, and where `data` says it all."""
    data: dict[str, Any] = Field(default_factory=dict)
    client_id: str | None = None
    created_at: datetime
    deleted_at: datetime | None = None
    deleted_by: str | None = None
    """User id of who deleted it."""


class MessagePage(BaseModel):
    """Some messages in their order."""

    messages: list[ChatMessage]
    more: bool
    """Whether there are further ones: newer ones for a page `after` a position, older ones otherwise."""
