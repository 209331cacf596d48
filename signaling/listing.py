"""The list of live sessions: what is looked for, and the cursor of its pages."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC
from typing import Annotated, Final, Literal, NamedTuple
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json, to_json

from .model import SessionRecord

ActiveOrder = Literal["started", "viewers"]
"""Newest first, or those with most viewers first and the newest of equals."""

MAX_CURSOR: Final = 400
"""Characters. Ours have about 130."""
_MAX_INTEGER: Final = 2**31 - 1


class Place(BaseModel):
    """Where a page ended: the next one begins below. `viewers` is 0 where the order does not ask for it."""

    model_config = ConfigDict(frozen=True)

    order: ActiveOrder
    viewers: Annotated[int, Field(ge=0, le=_MAX_INTEGER)]
    started_at: AwareDatetime
    session_id: UUID

    @classmethod
    def of(cls, order: ActiveOrder, session: SessionRecord) -> Place:
        viewers = session.viewer_count if order == "viewers" else 0
        return cls(order=order, viewers=viewers, started_at=session.started_at, session_id=UUID(session.id))

    def cursor(self) -> str:
        """For URLs, and for nobody to read."""
        parts = [self.order, self.viewers, self.started_at.astimezone(UTC), self.session_id]
        return base64.urlsafe_b64encode(to_json(parts)).rstrip(b"=").decode()


class ActivePage(NamedTuple):
    sessions: list[SessionRecord]
    next_cursor: str | None
    """None: there is nothing more."""


@dataclass(frozen=True)
class ActiveSearch:
    """What the store is asked for."""

    text: str = ""
    """In the title or the host's name, in any case; empty: whatever they are."""
    order: ActiveOrder = "started"
    after: Place | None = None
    limit: int = 50


def place_of(cursor: str, order: ActiveOrder) -> Place:
    """Read a cursor. Raises `ValueError` for what is none, or is one of another order."""
    if len(cursor) > MAX_CURSOR:
        raise ValueError("too long")
    try:
        parts = from_json(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        if not isinstance(parts, list) or len(parts) != len(Place.model_fields):
            raise ValueError("not a cursor")
        place = Place.model_validate(dict(zip(Place.model_fields, parts, strict=True)))
        # Times at the very ends of the calendar can't be moved to the time zone that the database keeps them in.
        place = place.model_copy(update={"started_at": place.started_at.astimezone(UTC)})
    except (ValidationError, OverflowError) as error:
        raise ValueError("not a cursor") from error
    if place.order != order:
        raise ValueError("of another order")
    return place
