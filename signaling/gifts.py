"""The verbs about gifts."""

from __future__ import annotations

from uuid import uuid4

from .errors import LiveError
from .gift_model import Gift, GiftKind, GiftRecord, GiftTotals, NewGift
from .ports import Identity
from .registry import Registry, is_uuid, stored


class GiftVerbs(Registry):
    """Every one may raise `LiveError`."""

    async def gift_catalogue(self, identity: Identity) -> list[GiftKind]:
        """What can be given, the cheapest first."""
        return await stored(self._store_as(identity).gift_catalogue())

    async def send_gift(self, identity: Identity, session_id: str, gift_id: str, quantity: int, key: str) -> Gift:
        """Give, and pay for it. Everybody is told once it is paid for.

        The same `key` again is the same gift, which is never charged twice; it works also where the session has ended
        or gifts were switched off meanwhile. Raises `LiveError`: `gifts_disabled`, `gift_not_found`,
        `payment_refused`, and `payment_unavailable`, after which the same key finds out.
        """
        gift = await self._given_before(identity, session_id, key) or await self._give(
            identity, session_id, gift_id, quantity, key
        )
        if (gift.gift_id, gift.quantity) != (gift_id, quantity):
            raise LiveError("invalid_request", "This key was used for another gift.")
        gift = await self._till.settle(gift)
        if gift.status == "refused":
            raise LiveError("payment_refused")
        return gift.public()

    async def gift_totals(self, identity: Identity, session_id: str, limit: int) -> GiftTotals:
        """With at most `limit` givers. For those who are or were in the session, and its host."""
        totals = await stored(self._store_as(identity).gift_totals(session_id, limit))
        if totals is None:
            raise LiveError("session_not_found")
        return totals

    async def _given_before(self, identity: Identity, session_id: str, key: str) -> GiftRecord | None:
        if not is_uuid(session_id):
            return None
        return await stored(self._store_as(identity).find_gift(session_id, identity.user_id, key))

    async def _give(self, identity: Identity, session_id: str, gift_id: str, quantity: int, key: str) -> GiftRecord:
        room = await self._room(identity, session_id)
        async with room.gate.user(identity.user_id):
            me = room.member(identity)
            if not room.session.settings.enable_gifts:
                raise LiveError("gifts_disabled")
            self._till.require_capacity()
            gift = NewGift(
                id=str(uuid4()),
                session_id=room.id,
                participant_id=me.id,
                user_id=me.user_id,
                name=me.record.name,
                gift_id=gift_id,
                quantity=quantity,
                key=key,
            )
            return await stored(self._store_as(identity).add_gift(gift))
