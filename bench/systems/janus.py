"""Janus's VideoRoom plugin, by its WebSocket API, where a `janus` is installed. Needs root: see `interface`.

As its own demo does it, each participant joins the room as a publisher, whether it publishes or not, since only
publishers hear of each other; a second handle receives all feeds on one connection (Janus 1.x, "multistream").
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import re
import secrets
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import aiohttp

from . import interface
from .base import Counters, Link, OfferHandler, Processes, ReceiveOffer, Running, Signaling, SignalingError
from .spawned import HOST, SpawnedServer, free_tcp_port, installed_version, listening_process

_BINARY: Final = "janus"
_MODULES: Final = {"plugins": "libjanus_videoroom.so", "transports": "libjanus_websockets.so"}
_LIBRARY_FOLDERS: Final = ("/usr/lib", "/usr/local/lib", "/opt/janus/lib")
_VERSION: Final = re.compile(r"Janus version: \d+ \(([\d.]+)\)")

_SETTINGS: Final = {
    "janus.jcfg": """\
general: {{
    configs_folder = "{folder}"
    plugins_folder = "{folder}/plugins"
    transports_folder = "{folder}/transports"
    debug_level = 2
    debug_colors = false
    interface = "{host}"
    # Clients that say nothing for a minute are still there.
    session_timeout = 0
}}
media: {{
    # Below the ports that the system gives to the load clients.
    rtp_port_range = "10000-32000"
}}
nat: {{
    ice_lite = true
    ice_enforce_list = "{interface}"
}}
""",
    "janus.transport.websockets.jcfg": """\
general: {{
    json = "plain"
    ws = true
    ws_ip = "{host}"
    ws_port = {port}
    wss = false
}}
""",
}

_MAX_PUBLISHERS: Final = 30
_REPLY_TIMEOUT_S: Final = 30.0
_MAX_MESSAGE_LEN: Final = 8 << 20

Message = dict[str, Any]


class JanusLink:
    """One participant's WebSocket: a session with a handle that publishes and, once there are feeds, one that
    receives."""

    def __init__(self, web_socket: aiohttp.ClientWebSocketResponse, handler: OfferHandler, opened_ns: int) -> None:
        self.opened_ns = opened_ns
        self._socket = web_socket
        self._handler = handler
        self._ids = itertools.count(1)
        self._replies: dict[str, asyncio.Future[Message]] = {}
        self._session = 0
        self._publisher = 0
        self._receiver = 0
        self._room = 0
        self._owns_room = False
        self._feeds: asyncio.Queue[list[int]] = asyncio.Queue()
        self._offers: asyncio.Queue[ReceiveOffer] = asyncio.Queue()
        self._tasks = [
            asyncio.create_task(self._read()),
            asyncio.create_task(self._subscribe()),
            asyncio.create_task(self._answer_offers()),
        ]

    async def open(self, room: int, *, create: bool) -> None:
        """Join a room, which may have to be created first."""
        self._session = (await self._request("create"))["data"]["id"]
        self._room, self._publisher = room, await self._attach()
        if create:
            self._owns_room = True
            await self._message(
                self._publisher,
                request="create",
                room=room,
                publishers=_MAX_PUBLISHERS,
                bitrate=0,
                audiocodec="opus",
                videocodec="vp8",
                audiolevel_ext=True,
            )
        joined = await self._message(self._publisher, request="join", ptype="publisher", room=room)
        self._note_feeds(joined["plugindata"]["data"])

    async def publish(self, sdp: str, sources: Mapping[str, str]) -> str:
        answer = await self._message(self._publisher, {"type": "offer", "sdp": _with_candidate(sdp)}, request="publish")
        return str(answer["jsep"]["sdp"])

    async def leave(self) -> None:
        with contextlib.suppress(SignalingError):
            if self._owns_room:
                await self._message(self._publisher, request="destroy", room=self._room)
            await self._request("destroy")
        await self.drop()

    async def drop(self) -> None:
        """Close without a word."""
        await self._socket.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _attach(self) -> int:
        handle: int = (await self._request("attach", plugin="janus.plugin.videoroom"))["data"]["id"]
        return handle

    async def _message(self, handle: int, jsep: Message | None = None, /, **body: Any) -> Message:
        members: Message = {"handle_id": handle, "body": body}
        if jsep is not None:
            members["jsep"] = jsep
        answer = await self._request("message", **members)
        data = answer.get("plugindata", {}).get("data", {})
        if "error_code" in data:
            raise SignalingError(f"{body['request']}: {data['error_code']}: {data.get('error', '')}")
        return answer

    async def _request(self, janus: str, **members: Any) -> Message:
        """The reply, or the event that an acknowledged message leads to."""
        transaction = str(next(self._ids))
        reply: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._replies[transaction] = reply
        if self._session:
            members["session_id"] = self._session
        try:
            await self._socket.send_str(json.dumps({"janus": janus, "transaction": transaction, **members}))
            answer = await asyncio.wait_for(reply, _REPLY_TIMEOUT_S)
        except ConnectionError as error:
            raise SignalingError(f"the socket is closed: {error}") from None
        except TimeoutError:
            raise SignalingError(f"{janus} was not answered in time") from None
        finally:
            self._replies.pop(transaction, None)
        if answer["janus"] == "error":
            raise SignalingError(f"{janus}: {answer['error']['code']}: {answer['error']['reason']}")
        return answer

    async def _read(self) -> None:
        async for frame in self._socket:
            if frame.type is aiohttp.WSMsgType.TEXT:
                self._received(json.loads(frame.data))
        self._handler.lost()
        error = SignalingError(f"the server closed the socket with {self._socket.close_code}")
        for reply in self._replies.values():
            if not reply.done():
                reply.set_exception(error)

    def _received(self, message: Message) -> None:
        # An acknowledged message gets an event later, with the same transaction.
        if message["janus"] == "ack":
            return
        # Offers come in reply to subscribing, and by themselves when a feed has ended.
        if message.get("jsep", {}).get("type") == "offer":
            self._offers.put_nowait(ReceiveOffer(str(message["sender"]), message["jsep"]["sdp"]))
        reply = self._replies.get(message.get("transaction", ""))
        if reply is not None:
            if not reply.done():
                reply.set_result(message)
        elif message.get("sender") == self._publisher and message["janus"] == "event":
            self._note_feeds(message["plugindata"]["data"])

    def _note_feeds(self, data: Message) -> None:
        feeds = [publisher["id"] for publisher in data.get("publishers", ())]
        if feeds:
            self._feeds.put_nowait(feeds)

    async def _subscribe(self) -> None:
        while not self._socket.closed:
            streams = [{"feed": feed} for feed in await self._feeds.get()]
            # The feed may be gone again, or the participant is leaving.
            with contextlib.suppress(SignalingError):
                if self._receiver:
                    await self._message(self._receiver, request="subscribe", streams=streams)
                    continue
                self._receiver = await self._attach()
                await self._message(
                    self._receiver, request="join", ptype="subscriber", room=self._room, streams=streams
                )

    async def _answer_offers(self) -> None:
        # A reply that fails just as this task is cancelled hides the cancellation (asyncio.wait_for).
        while not self._socket.closed:
            offer = await self._offers.get()
            with contextlib.suppress(SignalingError):
                answer = {"type": "answer", "sdp": _with_candidate(self._handler.answer(offer))}
                await self._message(int(offer.connection), answer, request="start")
                await self._handler.answered(offer)


class JanusSignaling:
    def __init__(self, url: str) -> None:
        self._url = url
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    async def open_room(self, handler: OfferHandler, capacity: int) -> tuple[str, Link]:
        room = secrets.randbits(31)
        return str(room), await self._open(room, handler, create=True)

    async def join(self, room: str, handler: OfferHandler, *, publishes: bool) -> Link:
        return await self._open(int(room), handler, create=False)

    async def close(self) -> None:
        await self._http.close()

    async def _open(self, room: int, handler: OfferHandler, *, create: bool) -> Link:
        opened_ns = time.monotonic_ns()
        try:
            web_socket = await self._http.ws_connect(
                self._url, protocols=("janus-protocol",), max_msg_size=_MAX_MESSAGE_LEN
            )
        except (aiohttp.ClientError, TimeoutError) as error:
            raise SignalingError(f"the WebSocket could not be opened: {error}") from None
        link = JanusLink(web_socket, handler, opened_ns)
        try:
            await link.open(room, create=create)
        except BaseException:
            await link.drop()
            raise
        return link


class _RunningJanus:
    """Janus with modules and settings of its own: VideoRoom behind WebSockets and nothing else."""

    def __init__(self, core: int) -> None:
        folder = Path(tempfile.mkdtemp(prefix="greenroom-bench-janus-"))
        port = free_tcp_port()
        self.url = f"ws://{HOST}:{port}"
        for kind, file_name in _MODULES.items():
            (folder / kind).mkdir()
            (folder / kind / file_name).symlink_to(_module(kind) or file_name)
        settings = {"folder": folder, "host": HOST, "port": port, "interface": interface.NAME}
        for file_name, text in _SETTINGS.items():
            (folder / file_name).write_text(text.format(**settings))
        command = [_BINARY, "--configs-folder", str(folder), "--config", str(folder / "janus.jcfg")]
        interface.add()
        try:
            self._server = SpawnedServer(command, self.url, folder, core)
        except BaseException:
            interface.remove()
            raise

    def stop(self) -> None:
        self._server.stop()
        interface.remove()


class Janus:
    name = "janus"
    reencodes = False

    def version(self) -> str | None:
        # Without the modules the program alone is of no use.
        return installed_version([_BINARY, "--help"], _read_version) if all(map(_module, _MODULES)) else None

    def start(self, cores: tuple[int, ...], media_core: int) -> Running:
        """All of its threads on `media_core`: those that forward media answer requests too."""
        return _RunningJanus(media_core)

    def signaling(self, url: str) -> Signaling:
        return JanusSignaling(url)

    async def processes(self, url: str) -> Processes:
        return listening_process(url)

    async def counters(self, url: str) -> Counters:
        return Counters()


def _with_candidate(sdp: str) -> str:
    """Janus begins only once it has a candidate. It learns the true address from the client's checks."""
    return sdp.replace("a=ice-options:trickle", f"a=candidate:1 1 udp 1 {HOST} 9 typ host")


def _module(kind: str) -> Path | None:
    """Where the module that is needed of a kind lies."""
    found = (
        path
        for folder in _LIBRARY_FOLDERS
        for pattern in (f"janus/{kind}/{_MODULES[kind]}", f"*/janus/{kind}/{_MODULES[kind]}")
        for path in Path(folder).glob(pattern)
    )
    return next(found, None)


def _read_version(output: str) -> str | None:
    match = _VERSION.search(output)
    return match[1] if match else None


SYSTEM: Final = Janus()
