"""Gifts: what can be given, what was given, and who gave how much."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

MAX_QUANTITY: Final = 1000

GiftStatus = Literal["pending", "paid", "refused"]
GiftId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,32}$")]
"""Of the catalogue."""
GiftKey = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[!-~]+$")]
"""Chosen by the giver, so that a gift which is sent again is given and paid for once."""
Quantity = Annotated[int, Field(ge=1, le=MAX_QUANTITY)]


class GiftKind(BaseModel):
    """An entry of the catalogue."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    id: str
    name: str
    icon: str
    """An emoji, or the path of a picture."""
    value: int
    """Of one, in the operator's unit."""


class Gift(BaseModel):
    """A gift as everybody in the session sees it."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    id: str
    """UUID."""
    session_id: str
    participant_id: str
    user_id: str
    """Who gives."""
    name: str
    gift_id: str
    """Of the catalogue."""
    gift_name: str
    icon: str
    quantity: int
    value: int
    """Of all of them together."""
    created_at: datetime


class GiftRecord(Gift):
    """As the store keeps it."""

    host_user_id: str
    """Who gets it."""
    key: str
    status: GiftStatus
    settled_at: datetime | None

    def public(self) -> Gift:
        return Gift.model_validate(self.model_dump(include=set(Gift.model_fields)))


class NewGift(BaseModel):
    """A gift before it is paid for. The catalogue says what it is worth."""

    model_config = ConfigDict(frozen=True)

    id: str
    """UUID."""
    session_id: str
    participant_id: str
    user_id: str
    name: str
    gift_id: str
    quantity: int
    key: str


class GiverTotal(BaseModel):
    """What one user has given in a session."""

    model_config = ConfigDict(frozen=True)

    user_id: str
    name: str
    gifts: int
    value: int


class GiftTotals(BaseModel):
    """What was given in a session, and by whom; only what was paid for."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    gifts: int
    value: int
    senders: list[GiverTotal]
    """Those who gave most, first."""


class PaymentUnknown(Exception):
    """Whether a gift is paid for can't be told now; the same gift is asked about again later."""


Pay = Callable[[GiftRecord], Awaitable[bool]]
"""Charge the giver, and tell whether they paid. Raises `PaymentUnknown`. The same gift, known by its `id`, may come
again: it is charged once, and gets the same answer."""


async def for_free(gift: GiftRecord) -> bool:
    """Where nothing is charged, everything is paid."""
    return True
