"""Greenroom itself, by its own REST API and WebSocket (docs/API.md, docs/PROTOCOL.md)."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import itertools
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import aiohttp
import jwt

from bench.cores import pin
from bench.processes import command_line, parent

from .base import Counters, Link, OfferHandler, Processes, ReceiveOffer, Running, Signaling, SignalingError

SECRET_VARIABLE: Final = "GREENROOM_JWT_SECRET"
"""As for the server: with it the clients sign their own tokens, without it they ask for them."""
OFFLOAD_VARIABLE: Final = "GREENROOM_RTC_OFFLOAD"
"""As for the server."""

_REPLY_TIMEOUT_S: Final = 30.0
_STAGE_TIMEOUT_S: Final = 30.0
_START_TIMEOUT_S: Final = 60.0
_STOP_TIMEOUT_S: Final = 30.0
_MAX_MESSAGE_LEN: Final = 8 << 20
_MAX_GUESTS: Final = 20
_TOKEN_S: Final = 12 * 3600
_ROOT: Final = Path(__file__).resolve().parents[2]

Message = dict[str, Any]


class GreenroomLink:
    """One participant's WebSocket."""

    def __init__(self, web_socket: aiohttp.ClientWebSocketResponse, handler: OfferHandler, opened_ns: int) -> None:
        self.opened_ns = opened_ns
        self.is_host = False
        self._socket = web_socket
        self._handler = handler
        self._ids = itertools.count(1)
        self._replies: dict[str, asyncio.Future[Message]] = {}
        self._on_stage = asyncio.Event()
        self._participant_id = ""
        self._offers: asyncio.Queue[Message] = asyncio.Queue()
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._answer_offers())]

    async def hello(self, token: str) -> None:
        welcome = await self._request("hello", protocol=1, token=token)
        self._participant_id = welcome["you"]["id"]
        if welcome["you"]["role"] != "viewer":
            self._on_stage.set()

    async def come_on_stage(self) -> None:
        """For sessions that require no approval."""
        await self._request("request_guest")
        try:
            await asyncio.wait_for(self._on_stage.wait(), _STAGE_TIMEOUT_S)
        except TimeoutError:
            raise SignalingError("the guest did not come on stage in time") from None

    async def publish(self, sdp: str, sources: Mapping[str, str]) -> str:
        answer = await self._request("publish_offer", connection_id=None, sdp=sdp, sources=dict(sources))
        return str(answer["sdp"])

    async def leave(self) -> None:
        with contextlib.suppress(SignalingError, ConnectionError):
            await self._request("end" if self.is_host else "leave")
        await self.drop()

    async def drop(self) -> None:
        """Close without a word."""
        await self._socket.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _request(self, type: str, **members: Any) -> Message:
        number = str(next(self._ids))
        reply: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._replies[number] = reply
        try:
            await self._socket.send_str(json.dumps({"type": type, "id": number, **members}))
            answer = await asyncio.wait_for(reply, _REPLY_TIMEOUT_S)
        except TimeoutError:
            raise SignalingError(f"{type} was not answered in time") from None
        finally:
            self._replies.pop(number, None)
        if answer["type"] == "error":
            raise SignalingError(f"{type}: {answer['code']}: {answer['message']}")
        return answer

    async def _read(self) -> None:
        async for frame in self._socket:
            # The counts of a session are told to everybody each second, and nobody here reads them.
            if frame.type is aiohttp.WSMsgType.TEXT and '"session_updated"' not in frame.data:
                self._received(json.loads(frame.data))
        self._handler.lost()
        error = SignalingError(f"the server closed the socket with {self._socket.close_code}")
        for reply in self._replies.values():
            if not reply.done():
                reply.set_exception(error)

    def _received(self, message: Message) -> None:
        reply = self._replies.get(str(message["id"])) if "id" in message else None
        if reply is not None:
            if not reply.done():
                reply.set_result(message)
        elif message["type"] == "receive_offer":
            self._offers.put_nowait(message)
        elif message["type"] == "participant_updated":
            participant = message["participant"]
            if participant["id"] == self._participant_id and participant["role"] != "viewer":
                self._on_stage.set()

    async def _answer_offers(self) -> None:
        # A reply that fails just as this task is cancelled hides the cancellation (asyncio.wait_for).
        while not self._socket.closed:
            message = await self._offers.get()
            offer = ReceiveOffer(message["connection_id"], message["sdp"])
            try:
                await self._request(
                    "receive_answer",
                    connection_id=message["connection_id"],
                    offer_id=message["offer_id"],
                    sdp=self._handler.answer(offer),
                )
            except SignalingError:
                # The server has gone on to another offer, or the participant is leaving.
                continue
            await self._handler.answered(offer)


class GreenroomSignaling:
    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._secret = os.environ.get(SECRET_VARIABLE)
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=_REPLY_TIMEOUT_S)
        )

    async def open_room(self, handler: OfferHandler, capacity: int) -> tuple[str, Link]:
        token = await self.token("Load host")
        answer = await self._post(
            "/live/start",
            {
                "title": "Load test",
                "require_approval": False,
                "max_guests": _MAX_GUESTS,
                "max_participants": capacity,
            },
            token,
        )
        room = str(answer["session"]["id"])
        link = await self._connect(room, handler, token)
        link.is_host = True
        return room, link

    async def join(self, room: str, handler: OfferHandler, *, publishes: bool) -> Link:
        link = await self._connect(room, handler, await self.token("Load client"))
        if publishes:
            await link.come_on_stage()
        return link

    async def close(self) -> None:
        await self._http.close()

    async def _connect(self, room: str, handler: OfferHandler, token: str) -> GreenroomLink:
        opened_ns = time.monotonic_ns()
        try:
            web_socket = await self._http.ws_connect(
                f"{self._url}/ws/live/{room}", protocols=("greenroom.v1",), max_msg_size=_MAX_MESSAGE_LEN
            )
        except (aiohttp.ClientError, TimeoutError) as error:
            raise SignalingError(f"the WebSocket could not be opened: {error}") from None
        link = GreenroomLink(web_socket, handler, opened_ns)
        try:
            await link.hello(token)
        except BaseException:
            await link.drop()
            raise
        return link

    async def token(self, name: str) -> str:
        """For a new user."""
        if self._secret is None:
            return str((await self._post("/auth/dev-token", {"name": name}))["token"])
        now = int(time.time())
        claims = {"sub": f"load-{secrets.token_hex(8)}", "name": name, "iat": now, "exp": now + _TOKEN_S}
        return jwt.encode(claims, self._secret, algorithm="HS256")

    async def _post(self, path: str, body: Message, token: str | None = None) -> Message:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            async with self._http.post(self._url + path, json=body, headers=headers) as response:
                answer: Message = await response.json()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise SignalingError(f"{path}: {error or type(error).__name__}") from None
        if response.status >= 400:
            error_body = answer.get("error", {})
            raise SignalingError(f"{path}: {error_body.get('code', response.status)}: {error_body.get('message', '')}")
        return answer


class _RunningGreenroom:
    """A server process with a data folder of its own."""

    def __init__(self, cores: tuple[int, ...], media_core: int) -> None:
        # Below /tmp rather than a private folder: as root, the database runs as another user who has to get in.
        self._data_dir = Path(tempfile.mkdtemp(prefix="greenroom-bench-"))
        self._data_dir.chmod(0o755)
        port = _free_tcp_port()
        self.url = f"http://127.0.0.1:{port}"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GREENROOM_")}
        environment["GREENROOM_RATE_LIMITS"] = "off"
        for name in (SECRET_VARIABLE, OFFLOAD_VARIABLE):
            if name in os.environ:
                environment[name] = os.environ[name]
        options = ["--port", str(port), "--rtc-port", "0", "--workers", "1", "--data-dir", str(self._data_dir)]
        with (self._data_dir / "server.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "control_api.cli", "serve", *options, "--log-level", "WARNING"],
                cwd=_ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            workers = self._await_health()
            pin(self._process.pid, cores)
            for worker in workers:
                pin(worker, (media_core,))
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._data_dir, ignore_errors=True)

    def _await_health(self) -> list[int]:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.url}/healthz", timeout=5) as response:
                    return [int(worker["pid"]) for worker in json.load(response)["workers"]]
            except (OSError, urllib.error.URLError, ValueError):
                time.sleep(0.05)
        log = (self._data_dir / "server.log").read_text(errors="replace")
        raise RuntimeError(f"the server did not start\n{log}")


class Greenroom:
    name = "greenroom"
    reencodes = False

    def version(self) -> str | None:
        try:
            return importlib.metadata.version("greenroom")
        except importlib.metadata.PackageNotFoundError:
            return "source"

    def start(self, cores: tuple[int, ...], media_core: int) -> Running:
        return _RunningGreenroom(cores, media_core)

    def signaling(self, url: str) -> Signaling:
        return GreenroomSignaling(url)

    async def processes(self, url: str) -> Processes:
        """By /healthz; empty unless these processes run on this machine."""
        workers = tuple(int(worker["pid"]) for worker in (await _health(url))["workers"])
        if not workers or not all("sfu.worker" in command_line(pid) for pid in workers):
            return Processes()
        control = {parent(pid) for pid in workers}
        return Processes(workers, tuple(sorted(pid for pid in control if pid is not None)))

    async def counters(self, url: str) -> Counters:
        workers = (await _health(url))["workers"]
        drops: dict[str, int] = {}
        for worker in workers:
            for reason, count in worker["drops"].items():
                drops[reason] = drops.get(reason, 0) + count
        return Counters(
            sum(worker["packets_out"] for worker in workers), drops, sum(worker["transports"] for worker in workers)
        )


async def _health(url: str) -> Message:
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as http,
            http.get(f"{url.rstrip('/')}/healthz") as response,
        ):
            health: Message = await response.json()
            return health
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise SignalingError(f"there is no Greenroom at {url}: {error or type(error).__name__}") from None


def _free_tcp_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


SYSTEM: Final = Greenroom()
