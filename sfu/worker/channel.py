"""Requests, responses and notifications between the control process and a worker.

One stream socket, both ways alike: four bytes of length (network order), then one JSON array:
`[id, method, params]` asks, `[id, null, result]` and `[id, null, null, [code, message]]` answer,
`[null, event, params]` notifies. Both ends are ours and of one version, so nothing is negotiated.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import struct
from collections.abc import Callable
from typing import Any, cast

from .messages import MediaError

logger = logging.getLogger(__name__)

_LENGTH = struct.Struct("!I")
MAX_FRAME = 16 * 1024 * 1024
"""A frame above this is a defect on the other side; statistics of a full worker stay below 2 MiB."""
REQUEST_TIMEOUT_S = 10.0

RequestHandler = Callable[[str, dict[str, Any]], Any]
"""Called synchronously; returns something that JSON can carry. May raise `MediaError`."""
NotificationHandler = Callable[[str, dict[str, Any]], None]


class Channel(asyncio.Protocol):
    """One end of the channel. Made by `Channel.open`."""

    def __init__(
        self,
        on_request: RequestHandler,
        on_notification: NotificationHandler,
        on_closed: Callable[[], None],
    ) -> None:
        self._on_request = on_request
        self._on_notification = on_notification
        self._on_closed = on_closed
        self._buffer = bytearray()
        self._pending: dict[int, asyncio.Future[Any]] = {}
        self._next_id = 1
        self._transport: asyncio.Transport | None = None
        self._closed = False

    @classmethod
    async def open(
        cls,
        sock: socket.socket,
        *,
        on_request: RequestHandler,
        on_notification: NotificationHandler,
        on_closed: Callable[[], None],
    ) -> Channel:
        """Take over a connected stream socket."""
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        _, channel = await loop.create_unix_connection(lambda: cls(on_request, on_notification, on_closed), sock=sock)
        return channel

    async def request(self, method: str, params: dict[str, Any], *, timeout_s: float = REQUEST_TIMEOUT_S) -> Any:
        """Ask the other side. Raises `MediaError` with its code, `worker_lost` or `timeout`."""
        if self._closed:
            raise MediaError("worker_lost", "the worker is gone")
        request_id = self._next_id
        self._next_id += 1
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._pending[request_id] = future
        self._send([request_id, method, params])
        try:
            async with asyncio.timeout(timeout_s):
                return await future
        except TimeoutError:
            raise MediaError("timeout", f"the worker did not answer {method} within {timeout_s:g} s") from None
        finally:
            self._pending.pop(request_id, None)

    def notify(self, event: str, params: dict[str, Any]) -> None:
        """Tell the other side; nothing happens when it is gone."""
        self._send([None, event, params])

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _send(self, message: list[Any]) -> None:
        if self._transport is None or self._closed:
            return
        body = json.dumps(message, separators=(",", ":")).encode()
        self._transport.write(_LENGTH.pack(len(body)) + body)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if length > MAX_FRAME:
                logger.error("channel frame of %d bytes, closing", length)
                self.close()
                return
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[_LENGTH.size : end])
            del self._buffer[:end]
            self._dispatch(json.loads(body))

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed = True
        for future in self._pending.values():
            if not future.done():
                future.set_exception(MediaError("worker_lost", "the worker is gone"))
        self._on_closed()

    def _dispatch(self, message: list[Any]) -> None:
        request_id, method, *rest = message
        if method is None:
            self._settle(request_id, rest)
        elif request_id is None:
            self._on_notification(method, rest[0])
        else:
            self._send(self._answer(request_id, method, rest[0]))

    def _settle(self, request_id: int, rest: list[Any]) -> None:
        future = self._pending.get(request_id)
        if future is None or future.done():
            return
        if len(rest) == 2:
            code, text = rest[1]
            future.set_exception(MediaError(code, text))
        else:
            future.set_result(rest[0])

    def _answer(self, request_id: int, method: str, params: dict[str, Any]) -> list[Any]:
        try:
            return [request_id, None, self._on_request(method, params)]
        except MediaError as error:
            return [request_id, None, None, [error.code, str(error)]]
        except Exception:
            # A defect in one request must not end the worker, which carries other rooms.
            logger.exception("request %s failed", method)
            return [request_id, None, None, ["internal_error", f"{method} failed in the worker"]]
