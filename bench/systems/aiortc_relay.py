"""aiortc as it comes: `aiortc_relay_server`, which decodes and encodes again.

Its packets are not the publisher's. How many there are is up to aiortc's encoder, they carry no time of sending, and
only their frames can be compared.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import json
import secrets
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import aiohttp

from .base import Counters, Link, OfferHandler, Processes, ReceiveOffer, Running, Signaling, SignalingError
from .spawned import SpawnedServer, free_tcp_port, listening_process

_REPLY_TIMEOUT_S: Final = 30.0
_RECEIVE_CONNECTION: Final = "receive"


class AiortcRelayLink:
    """One participant's WebSocket."""

    def __init__(self, web_socket: aiohttp.ClientWebSocketResponse, handler: OfferHandler, opened_ns: int) -> None:
        self.opened_ns = opened_ns
        self._socket = web_socket
        self._handler = handler
        self._answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._offers: asyncio.Queue[ReceiveOffer] = asyncio.Queue()
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._answer_offers())]

    async def publish(self, sdp: str, sources: Mapping[str, str]) -> str:
        await self._send("offer", sdp)
        try:
            return await asyncio.wait_for(self._answer, _REPLY_TIMEOUT_S)
        except TimeoutError:
            raise SignalingError("the offer was not answered in time") from None

    async def leave(self) -> None:
        await self._socket.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _read(self) -> None:
        async for frame in self._socket:
            if frame.type is not aiohttp.WSMsgType.TEXT:
                continue
            message: dict[str, Any] = json.loads(frame.data)
            if message["type"] == "offer":
                self._offers.put_nowait(ReceiveOffer(_RECEIVE_CONNECTION, message["sdp"]))
            elif not self._answer.done():
                self._answer.set_result(message["sdp"])
        self._handler.lost()
        if not self._answer.done():
            self._answer.set_exception(SignalingError("the server closed the socket"))
            # Viewers wait for no answer.
            self._answer.exception()

    async def _answer_offers(self) -> None:
        while True:
            offer = await self._offers.get()
            with contextlib.suppress(SignalingError):
                await self._send("answer", self._handler.answer(offer))
                await self._handler.answered(offer)

    async def _send(self, type: str, sdp: str) -> None:
        try:
            await self._socket.send_str(json.dumps({"type": type, "sdp": sdp}))
        except ConnectionError as error:
            raise SignalingError(f"the socket is closed: {error}") from None


class AiortcRelaySignaling:
    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    async def open_room(self, handler: OfferHandler, capacity: int) -> tuple[str, Link]:
        room = secrets.token_hex(8)
        return room, await self.join(room, handler, publishes=True)

    async def join(self, room: str, handler: OfferHandler, *, publishes: bool) -> Link:
        opened_ns = time.monotonic_ns()
        try:
            web_socket = await self._http.ws_connect(f"{self._url}/rooms/{room}")
        except (aiohttp.ClientError, TimeoutError) as error:
            raise SignalingError(f"the WebSocket could not be opened: {error}") from None
        return AiortcRelayLink(web_socket, handler, opened_ns)

    async def close(self) -> None:
        await self._http.close()


class AiortcRelay:
    name = "aiortc_relay"
    reencodes = True

    def version(self) -> str | None:
        return importlib.metadata.version("aiortc")

    def start(self, cores: tuple[int, ...], media_core: int) -> Running:
        """All of it on `media_core`: it is one process."""
        port = free_tcp_port()
        command = [sys.executable, "-m", "bench.systems.aiortc_relay_server", "--port", str(port)]
        folder = Path(tempfile.mkdtemp(prefix="greenroom-bench-aiortc-"))
        return SpawnedServer(command, f"http://127.0.0.1:{port}", folder, media_core)

    def signaling(self, url: str) -> Signaling:
        return AiortcRelaySignaling(url)

    async def processes(self, url: str) -> Processes:
        return listening_process(url)

    async def counters(self, url: str) -> Counters:
        return Counters()


SYSTEM: Final = AiortcRelay()
