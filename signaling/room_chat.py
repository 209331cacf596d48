"""The chat of a live room, in memory: who may write when, what is on its way, and the latest messages."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from . import messages
from .batches import BatchWriter
from .chat_model import ChatMessage, MessagePage
from .counters import SessionTally
from .errors import LiveError
from .messages import Message
from .ports import NewMessage, Placed, StoreUnavailable

MessageWriter = BatchWriter[NewMessage, Placed]

KEPT: Final = 200
"""Latest messages in memory: what joining clients are told, and where messages that are sent again are looked up."""
WELCOME: Final = 50
"""Messages that a client is told when it comes."""
FILL_TIMEOUT_S: Final = 1.0
"""How long a client that comes waits for the messages of before a restart."""
MAX_UNSURE: Final = 200
NOT_KNOWN: Final = MessagePage(messages=[], more=True)
"""What there is to say of a chat that could not be read."""


class RoomChat:
    """`tell_all` sends an event to everybody in the room. `fresh`: the session has just begun, and nothing was said."""

    def __init__(
        self,
        session_id: str,
        writer: MessageWriter,
        tell_all: Callable[[Message], None],
        tally: SessionTally,
        *,
        fresh: bool,
    ) -> None:
        self._session_id = session_id
        self._writer = writer
        self._tell_all = tell_all
        self._tally = tally
        self._latest: deque[ChatMessage] = deque()
        self._filled = fresh
        """Whether nothing is missing between the messages of `_latest`, and after them."""
        self._complete = fresh
        """Whether nothing was said before them."""
        self._filling: asyncio.Task[None] | None = None
        self._deleted_meanwhile: dict[str, ChatMessage] = {}
        self._on_its_way: dict[tuple[str, str], asyncio.Future[Placed]] = {}
        """By user and client id."""
        self._unsure: OrderedDict[str, NewMessage] = OrderedDict()
        """Refused because the database was away, and perhaps written all the same; nobody was told of them."""
        self._wrote_at: dict[str, float] = {}

    # Writing

    def reserve_turn(self, user_id: str, interval_s: float, now: float) -> Callable[[], None]:
        """Slow mode: hold the user's turn to write, and return what gives it back.

        Raises `LiveError` `slow_mode` where they wrote less than `interval_s` ago. `now`: monotonic seconds.
        """
        before = self._wrote_at.get(user_id)
        if before is not None and now < before + interval_s:
            raise LiveError("slow_mode", retry_after_s=before + interval_s - now)
        self._wrote_at[user_id] = now

        def give_back() -> None:
            if self._wrote_at.get(user_id) == now:
                if before is None:
                    del self._wrote_at[user_id]
                else:
                    self._wrote_at[user_id] = before

        return give_back

    def post(self, message: NewMessage) -> asyncio.Future[Placed]:
        """Write a message and tell everybody once it is committed, whether anybody waits for the future or not.

        An id in the outcome that is not the message's own: it was written before. Raises `LiveError`
        `database_unavailable`; so may the future, and what the database refuses.
        """
        future = self._writer.submit(self._session_id, message)
        if message.author is not None and message.client_id is not None:
            self._on_its_way[message.author.user_id, message.client_id] = future
        future.add_done_callback(partial(self._written, message))
        return future

    def sent_before(self, user_id: str, client_id: str) -> ChatMessage | asyncio.Future[Placed] | None:
        """What the same user sent under the same client id: a message, or one that is on its way."""
        waiting = self._on_its_way.get((user_id, client_id))
        if waiting is not None:
            return waiting
        return next((m for m in self._latest if m.client_id == client_id and m.user_id == user_id), None)

    def find(self, message_id: str) -> ChatMessage | None:
        """Among the latest."""
        return next((message for message in reversed(self._latest) if message.id == message_id), None)

    def deleted(self, message: ChatMessage) -> None:
        """A message was deleted in the database."""
        for index, known in enumerate(self._latest):
            if known.id == message.id:
                self._latest[index] = message
        if self._filling is not None:
            self._deleted_meanwhile[message.id] = message
        self._tell_all(messages.message_deleted(message))

    def _written(self, message: NewMessage, future: asyncio.Future[Placed]) -> None:
        if message.author is not None and message.client_id is not None:
            self._on_its_way.pop((message.author.user_id, message.client_id), None)
        if future.cancelled():
            return
        failure = future.exception()
        if failure is not None:
            if isinstance(failure, LiveError) and failure.code == "database_unavailable":
                self._doubt(message)
            return
        placed = future.result()
        written = message if placed.id == message.id else self._unsure.pop(placed.id, None)
        if written is not None:
            self._take_in(written.at(placed))

    def _doubt(self, message: NewMessage) -> None:
        self._unsure[message.id] = message
        if len(self._unsure) > MAX_UNSURE:
            self._unsure.popitem(last=False)
        self._filled = False

    def _take_in(self, message: ChatMessage) -> None:
        self._latest.append(message)
        if len(self._latest) > KEPT:
            self._latest.popleft()
            self._complete = False
        self._tell(message)

    def _tell(self, message: ChatMessage) -> None:
        if message.kind == "message":
            self._tally.message()
        self._tell_all(messages.chat_message(message))

    # Reading

    def latest(self, limit: int) -> MessagePage | None:
        """The newest messages; None where memory does not have as many."""
        if not self._filled or (limit > len(self._latest) and not self._complete):
            return None
        return MessagePage(messages=list(self._latest)[-limit:], more=not self._complete or limit < len(self._latest))

    async def fill(self, read: Callable[[], Awaitable[MessagePage]]) -> None:
        """Bring the latest messages into memory: one query, however many come at once.

        `read` reads the newest `KEPT`. Gives up silently, for now, where the database does not answer soon.
        """
        if self._filled:
            return
        if self._filling is None:
            self._filling = asyncio.get_running_loop().create_task(self._fill(read))
        await asyncio.wait({self._filling}, timeout=FILL_TIMEOUT_S)

    async def _fill(self, read: Callable[[], Awaitable[MessagePage]]) -> None:
        try:
            with contextlib.suppress(StoreUnavailable):
                page = await read()
                # What was said while the answer was on its way may be in it or not.
                known = {message.position: message for message in (*page.messages, *self._latest)}
                merged = [self._deleted_meanwhile.get(known[p].id, known[p]) for p in sorted(known)]
                self._latest = deque(merged[-KEPT:])
                self._complete = not page.more and len(merged) <= KEPT
                self._filled = True
                for message in merged:
                    if self._unsure.pop(message.id, None) is not None:
                        self._tell(message)
        finally:
            self._filling = None
            self._deleted_meanwhile.clear()
