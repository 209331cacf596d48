"""The WebSocket protocol of docs/PROTOCOL.md, from the client's end."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from typing import Any, Self

import aiohttp

from .api import User

Message = dict[str, Any]
MAX_MESSAGE_LEN = 8 << 20


class ProtocolError(Exception):
    """The server answered a request with `error`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class SocketClosed(Exception):
    """The socket closed while an answer or an event was waited for."""

    def __init__(self, code: int | None) -> None:
        super().__init__(f"the socket closed with {code}")
        self.code = code


class WsClient:
    """One socket. Made by `open`; `events` keeps everything that was no reply, in order."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, on_event: Callable[[Message], None] | None) -> None:
        self.socket = socket
        self.events: list[Message] = []
        self.welcome: Message = {}
        self.close_code: int | None = None
        self.closed = asyncio.Event()
        self._on_event = on_event
        self._ids = itertools.count(1)
        self._replies: dict[str, asyncio.Future[Message]] = {}
        self._changed = asyncio.Event()
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def connect(cls, user: User, session_id: str, *, on_event: Callable[[Message], None] | None = None) -> Self:
        """The bare socket: nothing has been said yet."""
        socket = await user.api.http.ws_connect(
            f"{user.api.base_url}/ws/live/{session_id}", protocols=("greenroom.v1",), max_msg_size=MAX_MESSAGE_LEN
        )
        return cls(socket, on_event)

    @classmethod
    async def open(
        cls,
        user: User,
        session_id: str,
        *,
        resume: str | None = None,
        on_event: Callable[[Message], None] | None = None,
    ) -> Self:
        """Connect and say hello. Raises `SocketClosed` or `ProtocolError` where the server does not want us."""
        client = await cls.connect(user, session_id, on_event=on_event)
        hello: Message = {"protocol": 1, "token": user.token} | ({"resume": resume} if resume else {})
        try:
            client.welcome = await client.request("hello", **hello)
        except BaseException:
            await client.close()
            raise
        return client

    @property
    def participant_id(self) -> str:
        return str(self.welcome["you"]["id"])

    @property
    def resume_token(self) -> str:
        return str(self.welcome["resume_token"])

    @property
    def transport(self) -> asyncio.Transport:
        """The TCP connection below."""
        connection = self.socket._response.connection
        assert connection is not None
        assert connection.transport is not None
        return connection.transport

    async def send(self, **message: Any) -> None:
        await self.socket.send_str(json.dumps(message))

    async def request(self, type: str, *, timeout: float = 20, **members: Any) -> Message:
        """The reply. Raises `ProtocolError`, `SocketClosed` or TimeoutError."""
        number = str(next(self._ids))
        reply: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._replies[number] = reply
        if self.closed.is_set():
            raise SocketClosed(self.close_code)
        await self.send(type=type, id=number, **members)
        answer = await asyncio.wait_for(reply, timeout)
        if answer["type"] == "error":
            raise ProtocolError(answer["code"], answer["message"])
        return answer

    async def wait_for(
        self,
        type: str,
        predicate: Callable[[Message], bool] = lambda event: True,
        *,
        after: int = 0,
        timeout: float = 20,
    ) -> Message:
        """The first event of that type, from number `after` on, for which the predicate holds, past or to come."""
        position = after
        async with asyncio.timeout(timeout):
            while True:
                for event in self.events[position:]:
                    position += 1
                    if event["type"] == type and predicate(event):
                        return event
                if self.closed.is_set():
                    raise SocketClosed(self.close_code)
                self._changed.clear()
                await self._changed.wait()

    async def wait_closed(self, timeout: float = 20) -> int | None:
        """The close code."""
        await asyncio.wait_for(self.closed.wait(), timeout)
        return self.close_code

    async def close(self) -> None:
        await self.socket.close()
        await self._reader

    async def drop(self) -> None:
        """Lose the connection: no close frame, as when a cable is pulled."""
        self.transport.abort()
        await self._reader

    async def _read(self) -> None:
        async for frame in self.socket:
            if frame.type is aiohttp.WSMsgType.TEXT:
                self._received(json.loads(frame.data))
        self.close_code = self.socket.close_code
        self.closed.set()
        self._changed.set()
        for reply in self._replies.values():
            if not reply.done():
                reply.set_exception(SocketClosed(self.close_code))

    def _received(self, message: Message) -> None:
        reply = self._replies.pop(str(message["id"]), None) if "id" in message else None
        if reply is not None:
            if not reply.done():
                reply.set_result(message)
            return
        self.events.append(message)
        self._changed.set()
        if self._on_event is not None:
            self._on_event(message)


async def refused_hello(user: User, session_id: str, resume: str | None = None) -> tuple[str, int | None]:
    """(error code, close code) of a hello that the server must not accept."""
    client = await WsClient.connect(user, session_id)
    try:
        hello: Message = {"protocol": 1, "token": user.token} | ({"resume": resume} if resume else {})
        await client.request("hello", **hello)
    except ProtocolError as error:
        return error.code, await client.wait_closed()
    finally:
        await client.close()
    raise AssertionError("the hello was accepted")
