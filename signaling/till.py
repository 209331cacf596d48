"""Where gifts are paid for: each is charged once, whoever asks how often, and told to the room when it was paid."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final
from uuid import UUID, uuid5

from . import messages
from .errors import LiveError
from .gift_model import GiftRecord, Pay, PaymentUnknown
from .ports import NewMessage, Store, StoreUnavailable
from .room import Room

logger = logging.getLogger(__name__)

PARALLEL: Final = 16
"""Payments that are asked about at once."""
RETRY_S: Final = 60.0
"""After which a payment that nobody could tell of is asked about again."""
MAX_WAITING: Final = 200
"""Gifts whose payment is under way or waits for its turn."""
CLOSE_S: Final = 5.0
"""For payments under way when the server stops. Who was charged and not told of is asked about at the next start."""


class Till:
    """`room_of` finds a live room. `open` first, `close` at the end."""

    def __init__(self, store: Store, pay: Pay, room_of: Callable[[str], Room | None]) -> None:
        self._store = store
        self._pay = pay
        self._room_of = room_of
        self._turns = asyncio.Semaphore(PARALLEL)
        self._under_way: dict[str, asyncio.Task[GiftRecord]] = {}
        """By the gift's id."""
        self._retries: dict[str, asyncio.TimerHandle] = {}

    async def open(self) -> None:
        """Ask again about what was pending when the server stopped, in the background. Raises `StoreUnavailable`.

        A part of it at a time: however much it is, there is room for those who give now.
        """
        portion = MAX_WAITING // 2
        for number, gift in enumerate(await self._store.pending_gifts()):
            self._begin_in(RETRY_S * (number // portion), gift)

    async def close(self) -> None:
        for retry in self._retries.values():
            retry.cancel()
        tasks = set(self._under_way.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=CLOSE_S)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    def require_capacity(self) -> None:
        """Raises `LiveError` `payment_unavailable` where a gift would wait too long."""
        if len(self._under_way) >= MAX_WAITING:
            raise LiveError("payment_unavailable")

    async def settle(self, gift: GiftRecord) -> GiftRecord:
        """The gift, paid for or refused. Being cancelled takes nothing back.

        Raises `LiveError`: `payment_unavailable`, `database_unavailable`; the gift is pending then, and asked about
        again by itself.
        """
        if gift.status != "pending":
            return gift
        return await asyncio.shield(self._under_way.get(gift.id) or self._begin(gift))

    def _begin(self, gift: GiftRecord) -> asyncio.Task[GiftRecord]:
        retry = self._retries.pop(gift.id, None)
        if retry is not None:
            retry.cancel()
        task = self._under_way[gift.id] = asyncio.get_running_loop().create_task(self._settle(gift))
        task.add_done_callback(lambda done: self._ended(gift, done))
        return task

    def _ended(self, gift: GiftRecord, task: asyncio.Task[GiftRecord]) -> None:
        del self._under_way[gift.id]
        # An exception is for the one who asked, if they are still there; those that may pass are not the end of it.
        if not task.cancelled() and isinstance(task.exception(), LiveError):
            self._begin_in(RETRY_S, gift)

    def _begin_in(self, delay_s: float, gift: GiftRecord) -> None:
        self._retries[gift.id] = asyncio.get_running_loop().call_later(delay_s, self._begin, gift)

    async def _settle(self, gift: GiftRecord) -> GiftRecord:
        async with self._turns:
            paid = await self._charge(gift)
        # To the microsecond: what the database can keep, and by which this settlement is known.
        at = datetime.now(UTC)
        try:
            settled = await self._store.settle_gift(gift.session_id, gift.id, paid, at)
        except StoreUnavailable:
            logger.warning("a payment could not be written down; it is asked about again")
            raise LiveError("database_unavailable") from None
        if settled.status == "paid" and settled.settled_at == at:
            self._tell(settled)
        return settled

    async def _charge(self, gift: GiftRecord) -> bool:
        try:
            return await self._pay(gift)
        except PaymentUnknown as failure:
            logger.warning("the payment of a gift is not known: %s", failure)
        except Exception:
            logger.exception("asking for the payment of a gift failed")
        raise LiveError("payment_unavailable")

    def _tell(self, gift: GiftRecord) -> None:
        room = self._room_of(gift.session_id)
        if room is None:
            return
        room.tell_all(messages.gift(gift.public()))
        if room.session.settings.enable_chat:
            # A database that is away misses the line; the gift has been written.
            with suppress(LiveError):
                room.chat.post(_line(gift))


def _line(gift: GiftRecord) -> NewMessage:
    return NewMessage(
        id=str(uuid5(UUID(gift.id), "chat")),
        session_id=gift.session_id,
        kind="gift",
        data=gift.model_dump(include={"gift_id", "gift_name", "icon", "quantity", "value"}),
        participant_id=gift.participant_id,
        user_id=gift.user_id,
        name=gift.name,
    )
