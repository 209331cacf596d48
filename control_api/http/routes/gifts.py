"""Gifts: what can be given, giving, and what was given."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from control_api.http.route_table import AnyRoute, Call, Route
from control_api.http.routes_bodies import Answer, Query, SessionBody
from signaling.gift_model import Gift, GiftId, GiftKey, GiftKind, GiftTotals, Quantity


class SendGiftBody(SessionBody):
    gift_id: GiftId
    quantity: Quantity = 1
    key: GiftKey


class GiftTotalsQuery(Query):
    limit: int = Field(default=50, ge=1, le=200, description="How many givers at most.")


class CatalogueAnswer(Answer):
    gifts: list[GiftKind]
    """The cheapest first."""


class GiftAnswer(Answer):
    gift: Gift


async def gift_catalogue(call: Call[None, None]) -> CatalogueAnswer:
    return CatalogueAnswer(gifts=await call.service.gift_catalogue(call.caller))


async def send_gift(call: Call[SendGiftBody, None]) -> GiftAnswer:
    body = call.body
    gift = await call.service.send_gift(call.caller, body.session_id, body.gift_id, body.quantity, body.key)
    return GiftAnswer(gift=gift)


async def gift_totals(call: Call[None, GiftTotalsQuery]) -> GiftTotals:
    return await call.service.gift_totals(call.caller, call.path("id"), call.query.limit)


ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        "GET",
        "/live/gifts",
        gift_catalogue,
        "List what can be given",
        answer=CatalogueAnswer,
        etag=True,
        errors=("database_unavailable",),
    ),
    Route(
        "POST",
        "/live/send-gift",
        send_gift,
        "Give something",
        description="For participants, where the session takes gifts. The answer comes when it is paid for. The same "
        "`key` again is the same gift: it is given and charged once, and a retry is safe.",
        body=SendGiftBody,
        rate="gift",
        answer=GiftAnswer,
        status=201,
        errors=(
            *("session_not_found", "session_ended", "not_joined", "kicked", "banned", "forbidden"),
            *("gifts_disabled", "gift_not_found", "payment_refused"),
            *("payment_unavailable", "database_unavailable"),
        ),
    ),
    Route(
        "GET",
        "/live/sessions/{id}/gifts",
        gift_totals,
        "Show what was given in a session",
        description="Only what was paid for. For those who are or were in the session and were not removed.",
        query=GiftTotalsQuery,
        answer=GiftTotals,
        errors=("session_not_found", "forbidden", "database_unavailable"),
    ),
)
