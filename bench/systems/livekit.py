"""LiveKit, where a `livekit-server` is on the PATH and the `livekit-protocol` package is installed (`.[test]` has it).

It follows the documented signaling: a WebSocket at /rtc with `SignalRequest` and `SignalResponse`. Written for and run
with 1.13.4, configured as it comes but for its addresses.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import re
import secrets
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
import jwt

from .base import Counters, Link, OfferHandler, Processes, ReceiveOffer, Running, Signaling, SignalingError
from .spawned import HOST, SpawnedServer, free_tcp_port, installed_version, listening_process

_BINARY: Final = "livekit-server"
_VERSION: Final = re.compile(r"version ([\w.-]+)")
_API_KEY: Final = "greenroom-bench"
_API_SECRET: Final = "for servers on loopback that live for one measurement"
_PROTOCOL: Final = 9
"""Version of the signaling: the server offers the receive connection, and tracks are subscribed to by themselves."""
_TOKEN_S: Final = 12 * 3600
_REPLY_TIMEOUT_S: Final = 30.0
_MAX_MESSAGE_LEN: Final = 8 << 20
_WIDTH, _HEIGHT = 1280, 720

Protobuf = Any
"""Generated classes, of a package that need not be there."""


def protocol(name: str) -> Protobuf:
    """A module of `livekit.protocol`: `rtc` or `models`."""
    return importlib.import_module(f"livekit.protocol.{name}")


def configuration(port: int, udp_port: int) -> dict[str, Any]:
    """Of a server on loopback with one UDP port. Written as JSON, which is YAML as well."""
    return {
        "port": port,
        "bind_addresses": [HOST],
        "keys": {_API_KEY: _API_SECRET},
        "logging": {"level": "error"},
        "rtc": {
            "udp_port": udp_port,
            "tcp_port": 0,
            "node_ip": HOST,
            "use_external_ip": False,
            "use_ice_lite": True,
            "enable_loopback_candidate": True,
            "ips": {"includes": [f"{HOST}/32"]},
        },
    }


def access_token(room: str, *, publishes: bool, now: float) -> str:
    """For one new participant. `now`: Unix time in seconds."""
    claims = {
        "iss": _API_KEY,
        "sub": f"load-{secrets.token_hex(8)}",
        "nbf": int(now) - 10,
        "exp": int(now) + _TOKEN_S,
        "video": {"roomJoin": True, "room": room, "canPublish": publishes, "canSubscribe": True},
    }
    return jwt.encode(claims, _API_SECRET, algorithm="HS256")


def add_track_request(source: str, cid: str) -> bytes:
    """Announces what the next offer brings; `source` is camera or microphone."""
    rtc, models = protocol("rtc"), protocol("models")
    track = rtc.AddTrackRequest(cid=cid, name=source)
    if source == "camera":
        track.type, track.source = models.TrackType.VIDEO, models.TrackSource.CAMERA
        track.width, track.height = _WIDTH, _HEIGHT
        track.layers.add(quality=models.VideoQuality.HIGH, width=_WIDTH, height=_HEIGHT)
    else:
        track.type, track.source = models.TrackType.AUDIO, models.TrackSource.MICROPHONE
    return serialise(add_track=track)


def serialise(**member: Protobuf) -> bytes:
    """A request with this one member."""
    data: bytes = protocol("rtc").SignalRequest(**member).SerializeToString()
    return data


def with_track_ids(sdp: str, cids: Mapping[str, str]) -> str:
    """The server recognises announced tracks by the second word of `a=msid` (`cids` by mid)."""
    for mid, cid in cids.items():
        sdp = sdp.replace(f"a=mid:{mid}\r\n", f"a=mid:{mid}\r\na=msid:load {cid}\r\n")
    return sdp


def with_candidates(sdp: str, candidates: list[str]) -> str:
    """Candidates come apart from the description; the load client wants them in it."""
    return sdp + "".join(f"a={candidate}\r\n" for candidate in candidates)


class _Candidates:
    """What the server trickles for one of the two connections."""

    def __init__(self) -> None:
        self.known: list[str] = []
        self._any = asyncio.Event()

    def add(self, candidate_init: str) -> None:
        candidate = json.loads(candidate_init).get("candidate", "")
        if " udp " in candidate.lower():
            self.known.append(candidate)
            self._any.set()

    async def complete(self, sdp: str) -> str:
        if "a=candidate:" not in sdp:
            await self._any.wait()
        return with_candidates(sdp, self.known)


class LiveKitLink:
    """One participant's WebSocket."""

    def __init__(self, web_socket: aiohttp.ClientWebSocketResponse, handler: OfferHandler, opened_ns: int) -> None:
        self.opened_ns = opened_ns
        self._rtc = protocol("rtc")
        self._socket = web_socket
        self._handler = handler
        self._candidates = {target: _Candidates() for target in self._rtc.SignalTarget.values()}
        loop = asyncio.get_running_loop()
        self._joined: asyncio.Future[Protobuf] = loop.create_future()
        self._answer: asyncio.Future[Protobuf] = loop.create_future()
        self._announced: asyncio.Queue[str] = asyncio.Queue()
        self._offers: asyncio.Queue[Protobuf] = asyncio.Queue()
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._answer_offers())]

    async def joined(self) -> None:
        """Wait for the server's welcome, and keep the connection alive from then on."""
        welcome = await self._in_time(self._joined, "joining")
        if welcome.ping_interval:
            self._tasks.append(asyncio.create_task(self._ping(welcome.ping_interval)))

    async def publish(self, sdp: str, sources: Mapping[str, str]) -> str:
        cids = {mid: f"{source}-{secrets.token_hex(8)}" for mid, source in sources.items()}
        for mid, source in sources.items():
            await self._send(add_track_request(source, cids[mid]))
        for _ in sources:
            await self._in_time(self._announced.get(), "announcing a track")
        offer = self._rtc.SessionDescription(type="offer", sdp=with_track_ids(sdp, cids), id=1)
        await self._send(serialise(offer=offer))
        answer = await self._in_time(self._answer, "the offer")
        publisher = self._candidates[self._rtc.SignalTarget.PUBLISHER]
        complete: str = await self._in_time(publisher.complete(answer.sdp), "gathering candidates")
        return complete

    async def leave(self) -> None:
        with contextlib.suppress(SignalingError):
            await self._send(serialise(leave=self._rtc.LeaveRequest()))
        await self.drop()

    async def drop(self) -> None:
        """Close without a word."""
        await self._socket.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _in_time(self, awaited: Any, what: str) -> Any:
        try:
            return await asyncio.wait_for(awaited, _REPLY_TIMEOUT_S)
        except TimeoutError:
            raise SignalingError(f"{what} was not answered in time") from None

    async def _send(self, request: bytes) -> None:
        try:
            await self._socket.send_bytes(request)
        except ConnectionError as error:
            raise SignalingError(f"the socket is closed: {error}") from None

    async def _ping(self, interval_s: int) -> None:
        while True:
            await asyncio.sleep(interval_s)
            await self._send(serialise(ping_req=self._rtc.Ping(timestamp=int(time.time() * 1000))))

    async def _read(self) -> None:
        async for frame in self._socket:
            if frame.type is aiohttp.WSMsgType.BINARY:
                self._received(self._rtc.SignalResponse.FromString(frame.data))
        self._handler.lost()
        for future in (self._joined, self._answer):
            if not future.done():
                future.set_exception(SignalingError(f"the server closed the socket with {self._socket.close_code}"))
                # Viewers wait for no answer.
                future.exception()

    def _received(self, response: Protobuf) -> None:
        match response.WhichOneof("message"):
            case "join" if not self._joined.done():
                self._joined.set_result(response.join)
            case "answer" if not self._answer.done():
                self._answer.set_result(response.answer)
            case "offer":
                self._offers.put_nowait(response.offer)
            case "trickle":
                self._candidates[response.trickle.target].add(response.trickle.candidateInit)
            case "track_published":
                self._announced.put_nowait(response.track_published.cid)
            case _:
                # The rest tells about other participants.
                return

    async def _answer_offers(self) -> None:
        # A reply that fails just as this task is cancelled hides the cancellation (asyncio.wait_for).
        while not self._socket.closed:
            described = await self._offers.get()
            complete = await self._candidates[self._rtc.SignalTarget.SUBSCRIBER].complete(described.sdp)
            offer = ReceiveOffer("subscriber", complete)
            answer = self._rtc.SessionDescription(type="answer", sdp=self._handler.answer(offer), id=described.id)
            with contextlib.suppress(SignalingError):
                await self._send(serialise(answer=answer))
                await self._handler.answered(offer)


class LiveKitSignaling:
    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    async def open_room(self, handler: OfferHandler, capacity: int) -> tuple[str, Link]:
        """The room comes to be when its first participant joins."""
        room = secrets.token_hex(8)
        return room, await self.join(room, handler, publishes=True)

    async def join(self, room: str, handler: OfferHandler, *, publishes: bool) -> Link:
        query = urlencode(
            {
                "access_token": access_token(room, publishes=publishes, now=time.time()),
                "protocol": _PROTOCOL,
                "auto_subscribe": 1,
            }
        )
        opened_ns = time.monotonic_ns()
        try:
            web_socket = await self._http.ws_connect(f"{self._url}/rtc?{query}", max_msg_size=_MAX_MESSAGE_LEN)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise SignalingError(f"the WebSocket could not be opened: {error}") from None
        link = LiveKitLink(web_socket, handler, opened_ns)
        try:
            await link.joined()
        except BaseException:
            await link.drop()
            raise
        return link

    async def close(self) -> None:
        await self._http.close()


class LiveKit:
    name = "livekit"
    reencodes = False

    def version(self) -> str | None:
        """None without the package, too."""
        try:
            protocol("rtc")
        except ImportError:
            return None
        return installed_version([_BINARY, "--version"], _read_version)

    def start(self, cores: tuple[int, ...], media_core: int) -> Running:
        """All of it on `media_core`: it is one process."""
        folder = Path(tempfile.mkdtemp(prefix="greenroom-bench-livekit-"))
        port = free_tcp_port()
        file = folder / "livekit.yaml"
        file.write_text(json.dumps(configuration(port, free_tcp_port())))
        return SpawnedServer([_BINARY, "--config", str(file)], f"http://{HOST}:{port}", folder, media_core)

    def signaling(self, url: str) -> Signaling:
        return LiveKitSignaling(url)

    async def processes(self, url: str) -> Processes:
        return listening_process(url)

    async def counters(self, url: str) -> Counters:
        return Counters()


def _read_version(output: str) -> str | None:
    match = _VERSION.search(output)
    return match[1] if match else None


SYSTEM: Final = LiveKit()
