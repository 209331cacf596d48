"""Small writes of many callers, gathered into few transactions.

What arrives while a transaction is on its way goes with the next one: nobody waits for a batch to fill, and a busy
database gets fewer and larger transactions instead of more. Every caller hears of the commit, never of less.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from .errors import LiveError
from .ports import CommitInDoubt, StoreRefused, StoreUnavailable

logger = logging.getLogger(__name__)

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

Write = Callable[[Sequence[Item]], Awaitable[Sequence[Outcome | StoreRefused]]]
"""Writes items in one transaction and tells what became of each, in their order. May raise `StoreUnavailable`, after
which it is called again with the same items. Where that would count something twice it raises `CommitInDoubt`, whose
`settle` gives what the call would have returned."""


@dataclass(frozen=True)
class BatchLimits:
    batch: int = 500
    """Items of a transaction: about 100 ms of PostgreSQL's time."""
    queued: int = 20_000
    """Items that wait or are being written."""
    queued_per_session: int = 2_000
    retry_for_s: float = 5.0
    """How long a batch is tried again when the database goes away; a restart takes a second or two."""
    first_retry_s: float = 0.05
    max_retry_s: float = 1.0
    stalled_s: float = 2.0
    """A transaction that takes longer than this is one that nobody should queue behind."""
    pause_s: float = 1.0
    """After giving up, before the next attempt."""
    close_s: float = 5.0
    """For what is queued when the server stops."""


class WriteInDoubt(LiveError):
    """`database_unavailable`, and it could not be found out any more whether the item was written."""

    def __init__(self) -> None:
        super().__init__("database_unavailable")


class _Entry(NamedTuple, Generic[Item, Outcome]):
    item: Item
    session_id: str
    future: asyncio.Future[Outcome]


class BatchWriter(Generic[Item, Outcome]):
    """One transaction at a time. `clock` is monotonic, in seconds.

    While the database is away what was taken in before is tried again for a while, and new items are refused at once;
    then, once a pause is over, a single item may try whether it is back.
    """

    def __init__(
        self,
        write: Write[Item, Outcome],
        limits: BatchLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write = write
        self._limits = limits or BatchLimits()
        self._clock = clock
        self._waiting: deque[_Entry[Item, Outcome]] = deque()
        self._of_session: Counter[str] = Counter()
        self._count = 0
        self._task: asyncio.Task[None] | None = None
        self._attempt_began = 0.0
        self._away = False
        self._retry_at = 0.0
        self._closed = False
        self.refused = 0
        """Items that were not taken in, or given up."""

    def submit(self, session_id: str, item: Item) -> asyncio.Future[Outcome]:
        """Take an item in. The future gets its outcome after the commit, or a `LiveError`.

        Callbacks of the futures of one session run in the order in which the items were written. Raises `LiveError`
        `database_unavailable` at once, with `retry_after_s`, where it can't be written soon.
        """
        self._require_capacity(session_id)
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Entry(item, session_id, future))
        self._of_session[session_id] += 1
        self._count += 1
        if self._task is None:
            self._attempt_began = self._clock()
            self._task = asyncio.get_running_loop().create_task(self._write_all())
        return future

    async def add(self, session_id: str, item: Item) -> Outcome:
        """`submit` and wait. Being cancelled takes nothing back."""
        return await asyncio.shield(self.submit(session_id, item))

    async def close(self) -> None:
        """Write what is queued, and take in no more."""
        self._closed = True
        task = self._task
        if task is not None:
            await asyncio.wait({task}, timeout=self._limits.close_s)
            if not task.done():
                task.cancel()
                await asyncio.wait({task})

    def _require_capacity(self, session_id: str) -> None:
        now, limits, busy = self._clock(), self._limits, self._task is not None
        wait_s = limits.pause_s
        if self._away and not busy:
            wait_s = max(0.0, self._retry_at - now)
            open_ = wait_s == 0.0
        else:
            open_ = not self._away and not (busy and now - self._attempt_began > limits.stalled_s)
        has_room = self._count < limits.queued and self._of_session[session_id] < limits.queued_per_session
        if self._closed or not open_ or not has_room:
            self._forget_idle(session_id)
            self.refused += 1
            raise LiveError("database_unavailable", retry_after_s=wait_s or limits.pause_s)

    async def _write_all(self) -> None:
        batch: list[_Entry[Item, Outcome]] = []
        try:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(self._limits.batch, len(self._waiting)))]
                # Transactions lock sessions as they come to them: all in the same order, or two could wait for each
                # other. The sort is stable, so that each session's own order stays.
                batch.sort(key=lambda entry: entry.session_id)
                await self._write_batch(batch)
        except BaseException:
            # Cancelled, or a defect: nobody may be left waiting.
            self._give_up(batch, WriteInDoubt)
            raise
        finally:
            self._task = None

    async def _write_batch(self, batch: list[_Entry[Item, Outcome]]) -> None:
        try:
            outcomes = await self._persist([entry.item for entry in batch])
        except LiveError as failure:
            self._give_up(batch, WriteInDoubt if isinstance(failure, WriteInDoubt) else _unavailable)
        except Exception as failure:
            # A defect, of this server or in one item; nothing was written. The others must not suffer for it.
            if len(batch) > 1:
                for half in (batch[: len(batch) // 2], batch[len(batch) // 2 :]):
                    await self._write_batch(half)
            else:
                logger.error("an item of a batch can't be written", exc_info=failure)
                self._settle(batch[0], LiveError("internal_error"))
        else:
            for entry, outcome in zip(batch, outcomes, strict=True):
                self._settle(entry, LiveError(outcome.code) if isinstance(outcome, StoreRefused) else outcome)

    async def _persist(self, items: list[Item]) -> Sequence[Outcome | StoreRefused]:
        """Write the items, for as long as it is worth trying. Raises `LiveError` after that."""
        limits, delay_s = self._limits, self._limits.first_retry_s
        doubt: CommitInDoubt | None = None
        deadline = self._clock() + (0.0 if self._away else limits.retry_for_s)
        while True:
            self._attempt_began = self._clock()
            try:
                outcomes: Sequence[Outcome | StoreRefused] | None = None
                if doubt is not None:
                    outcomes = await doubt.settle()
                    doubt = None
                if outcomes is None:
                    outcomes = await self._write(items)
                self._away = False
                return outcomes
            except CommitInDoubt as failure:
                doubt = failure
            except StoreUnavailable:
                pass
            if not self._away:
                self._away = True
                logger.warning("the database is away: writes wait, and new ones are refused")
            if self._closed or self._clock() + delay_s > deadline:
                raise _unavailable() if doubt is None else WriteInDoubt()
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, limits.max_retry_s)

    def _give_up(self, batch: list[_Entry[Item, Outcome]], why: Callable[[], LiveError]) -> None:
        """Refuse a batch, and all that waits behind it."""
        self._retry_at = self._clock() + self._limits.pause_s
        for entry in batch:
            if not entry.future.done():
                self._settle(entry, why())
                self.refused += 1
        while self._waiting:
            self._settle(self._waiting.popleft(), _unavailable())
            self.refused += 1

    def _settle(self, entry: _Entry[Item, Outcome], outcome: Outcome | LiveError) -> None:
        self._count -= 1
        self._of_session[entry.session_id] -= 1
        self._forget_idle(entry.session_id)
        if entry.future.done():
            return  # whoever waited for it has cancelled it
        if isinstance(outcome, LiveError):
            entry.future.set_exception(outcome)
            entry.future.exception()  # whether anybody waits for it is their business
        else:
            entry.future.set_result(outcome)

    def _forget_idle(self, session_id: str) -> None:
        if not self._of_session[session_id]:
            del self._of_session[session_id]


def _unavailable() -> LiveError:
    return LiveError("database_unavailable")
