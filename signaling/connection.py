"""The socket of a participant: handshake, limits, requests and replies. Knows no HTTP; see `Socket`."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Protocol

from . import messages
from .counters import OTHER
from .errors import ErrorCode, LiveError
from .handlers import BESIDE, CLOSING, HANDLERS, Caller
from .messages import Message
from .outbox import Closing, Outbox, TokenBucket
from .ports import Identity
from .protocol import CLIENT_MESSAGES, PROTOCOL_VERSION, BadMessage, CloseCode, Hello, decode, parse, request_id
from .rates import Spend, unlimited
from .service import RoomService

logger = logging.getLogger(__name__)


MAX_BESIDE: Final = 4
"""Requests of one socket that the next ones do not wait for."""


class Control(Enum):
    """What is no message."""

    FRAME = "control frame"


class Socket(Protocol):
    """A WebSocket. Writing to one that is gone raises `ConnectionError`."""

    async def receive(self) -> str | bytes | Control | None:
        """The next text (str) or binary (bytes) message; a ping or pong, which was answered; None when the socket is
        closed."""

    async def send(self, frame: bytes) -> None:
        """Send a text message, given as UTF-8; waits while the peer does not read."""

    def send_now(self, frame: bytes) -> bool:
        """The same without waiting; False where the peer does not keep up, and nothing was sent. Never raises."""

    async def close(self, code: int, reason: str) -> None: ...
    def abort(self) -> None:
        """Drop the connection without waiting for anything."""


@dataclass(frozen=True)
class ConnectionLimits:
    hello_timeout_s: float = 10.0
    rate: float = 20.0
    """Messages a second on average."""
    burst: float = 100.0
    outbox_messages: int = 512
    outbox_bytes: int = 4 * 1024 * 1024
    close_timeout_s: float = 3.0
    """How long a peer may take to read what was sent before the close."""


Verify = Callable[[str], Awaitable[Identity]]
"""Tells whose token it is. Raises `LiveError`."""

# Refusals of `hello` after which the same client need not try again on this socket.
_HELLO_CLOSES: Final[dict[ErrorCode, CloseCode]] = {
    "token_missing": CloseCode.UNAUTHORIZED,
    "token_invalid": CloseCode.UNAUTHORIZED,
    "token_expired": CloseCode.UNAUTHORIZED,
    "forbidden": CloseCode.UNAUTHORIZED,
    "kicked": CloseCode.KICKED,
    "banned": CloseCode.KICKED,
    "session_not_found": CloseCode.SESSION_NOT_FOUND,
    "session_ended": CloseCode.SESSION_ENDED,
}


class Connection:
    """Implements `participant.Link`. `run` returns when the socket is closed, for whatever reason."""

    def __init__(
        self,
        socket: Socket,
        service: RoomService,
        verify: Verify,
        session_id: str,
        limits: ConnectionLimits | None = None,
        spend: Spend = unlimited,
        clock: Callable[[], float] = time.monotonic,
        log_reference: str | None = None,
    ) -> None:
        """`log_reference` is what the log calls this connection: told with internal errors."""
        self._socket = socket
        self._service = service
        self._verify = verify
        self._session_id = session_id
        self._limits = limits or ConnectionLimits()
        self._spend = spend
        self._clock = clock
        self._counters = service.counters
        self._log_reference = log_reference
        self._bucket = TokenBucket(self._limits.rate, self._limits.burst, clock())
        self._outbox = Outbox(self._limits.outbox_messages, self._limits.outbox_bytes)
        self._writer: asyncio.Task[None] | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._beside: set[asyncio.Task[None]] = set()
        self._holding = False
        """The reply to the current request has to go out before the socket closes."""
        self._held: Closing | None = None
        self._close_code: int | None = None

    @property
    def close_code(self) -> int | None:
        """With which this side closed the socket; None while it did not, or where the peer was first."""
        return self._close_code

    async def run(self) -> None:
        self._writer = asyncio.get_running_loop().create_task(self._write())
        caller = None
        try:
            caller = await self._greet()
            if caller is not None:
                await self._serve(caller)
        finally:
            if caller is not None:
                self._service.detach(caller.identity, self._session_id, self)
            for task in self._beside:
                task.cancel()
            self._release()
            self._close_code = self._outbox.finished_with
            self.close(CloseCode.LEFT, "")
            await asyncio.wait({self._writer})
            if self._deadline is not None:
                self._deadline.cancel()

    # As `Link`

    def send(self, frame: bytes) -> None:
        if self._outbox.finished:
            return
        # A reader that keeps up costs no task: with a thousand of them that is most of what a broadcast costs.
        if (self._outbox.empty and self._socket.send_now(frame)) or self._outbox.put(frame):
            self._counters.frames_out += 1
            self._counters.bytes_out += len(frame)
            return
        logger.info("a reader of session %s is too slow", self._session_id)
        self._counters.slow_readers += 1
        self._outbox.clear()
        self._outbox.finish(CloseCode.LIMIT_EXCEEDED, "too_slow")
        # The peer gets the close frame only if it reads on within the time limit.
        self._set_deadline()

    def close(self, code: int, reason: str) -> None:
        if self._holding:
            self._held = self._held or Closing(code, reason)
            return
        self._outbox.finish(code, reason)
        self._set_deadline()

    # Inside

    async def _greet(self) -> Caller | None:
        """Wait for a `hello` that is accepted. Refusals that may pass leave the client time to try again."""
        deadline = asyncio.get_running_loop().time() + self._limits.hello_timeout_s
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    value = await self._next()
            except TimeoutError:
                value = {"type": ""}
            if value is None:
                return None
            if value["type"] != "hello":
                self.close(CloseCode.BAD_MESSAGE, "bad_message")
                return None
            caller = await self._hello(value)
            if caller is not None or self._outbox.finished:
                return caller

    async def _hello(self, value: dict[str, Any]) -> Caller | None:
        identifier = request_id(value)
        if value.get("protocol") != PROTOCOL_VERSION:
            self.close(CloseCode.UNSUPPORTED_PROTOCOL, "unsupported_protocol")
            return None
        try:
            message = parse(value)
            assert isinstance(message, Hello)
            identity = await self._verify(message.token)
            self._spend(identity, message.rate)
            await self._service.attach(identity, self._session_id, self, message.resume, identifier)
        except LiveError as failure:
            self._send(messages.error(failure, identifier))
            if failure.code in _HELLO_CLOSES:
                self.close(_HELLO_CLOSES[failure.code], failure.code)
            return None
        return Caller(self._service, identity, self._session_id)

    async def _serve(self, caller: Caller) -> None:
        while (value := await self._next()) is not None:
            if CLIENT_MESSAGES.get(value["type"]) in BESIDE and len(self._beside) < MAX_BESIDE:
                task = asyncio.get_running_loop().create_task(self._answer(caller, value))
                self._beside.add(task)
                task.add_done_callback(self._beside.discard)
            else:
                await self._handle(caller, value)

    async def _next(self) -> dict[str, Any] | None:
        """The next message; None when the socket is closed, or is to be closed because of what came."""
        frame = await self._frame()
        if frame is None:
            return None
        try:
            if isinstance(frame, bytes):
                raise BadMessage("a binary frame")
            value = decode(frame)
            self._counters.frames_in[value["type"] if value["type"] in CLIENT_MESSAGES else OTHER] += 1
            return value
        except BadMessage:
            self.close(CloseCode.BAD_MESSAGE, "bad_message")
            return None

    async def _frame(self) -> str | bytes | None:
        while True:
            frame = await self._socket.receive()
            if frame is None or self._outbox.finished:
                return None
            # Pings count, too: they cost as much, and come without a `hello`.
            if not self._bucket.take(self._clock()):
                self.close(CloseCode.LIMIT_EXCEEDED, "too_many_messages")
                return None
            if not isinstance(frame, Control):
                return frame

    async def _handle(self, caller: Caller, value: dict[str, Any]) -> None:
        self._holding = CLIENT_MESSAGES.get(value["type"]) in CLOSING
        try:
            await self._answer(caller, value)
        finally:
            self._release()

    async def _answer(self, caller: Caller, value: dict[str, Any]) -> None:
        identifier = request_id(value)
        try:
            message = parse(value)
            handler = HANDLERS.get(type(message))
            if handler is None:
                raise LiveError("invalid_request", "This connection has said hello already.")
            self._spend(caller.identity, message.rate)
            members = await handler(caller, message)
            if identifier is not None:
                self._send(messages.reply(message.reply, identifier, members))
        except LiveError as failure:
            self._send(messages.error(failure, identifier))
        except Exception:
            logger.exception("a message of type %s failed", value["type"][:64])
            details = {"request_id": self._log_reference} if self._log_reference else None
            self._send(messages.error(LiveError("internal_error", details=details), identifier))

    def _release(self) -> None:
        self._holding = False
        if self._held is not None:
            self.close(*self._held)

    def _send(self, message: Message) -> None:
        self.send(messages.encode(message))

    def _set_deadline(self) -> None:
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().call_later(self._limits.close_timeout_s, self._abort)

    def _abort(self) -> None:
        self._socket.abort()
        if self._writer is not None:
            self._writer.cancel()

    async def _write(self) -> None:
        with suppress(ConnectionError):
            while not isinstance(entry := await self._outbox.first(), Closing):
                await self._socket.send(entry)
                self._outbox.done()
            await self._socket.close(entry.code, entry.reason)
            return
        self._socket.abort()
