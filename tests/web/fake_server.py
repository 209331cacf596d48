"""A server that says what a test wants it to say: the page's files, the REST routes, and a scripted WebSocket."""

from __future__ import annotations

import asyncio
import base64
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import WSMsgType, web

from control_api.assets import web_dir
from control_api.http.page import WebFiles
from control_api.http.security_headers import SECURITY_HEADERS
from tests.support import node_packages

WEB = web_dir()
EXAMPLES = WEB.parent / "docs/examples"
POLICY = SECURITY_HEADERS["Content-Security-Policy"]
SESSION_ID = "5e55109a-0000-4000-8000-000000000001"
JOINED_AT = "2026-01-01T12:00:00Z"

Message = dict[str, Any]
Handler = Callable[[Message], Awaitable[Message] | Message]


def token_for(user_id: str, name: str) -> str:
    """Shaped like a JWT; nobody verifies it here."""
    payload = base64.urlsafe_b64encode(json.dumps({"sub": user_id, "name": name}).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJub25lIn0.{payload}.x"


def session(**changes: Any) -> Message:
    settings = {
        "max_participants": 1000,
        "allow_guests": True,
        "require_approval": True,
        "max_guests": 20,
        "enable_chat": True,
        "enable_gifts": False,
        "guest_audio_default": True,
        "guest_video_default": True,
        "slow_mode_s": 0,
        "locked": False,
        **changes.pop("settings", {}),
    }
    return {
        "id": SESSION_ID,
        "title": "Baking bread",
        "description": "",
        "session_type": "camera",
        "status": "live",
        "started_at": JOINED_AT,
        "ended_at": None,
        "end_reason": None,
        "host_user_id": "u-hana",
        "host_name": "Hana",
        "settings": settings,
        "viewer_count": 3,
        "guest_count": 1,
        **changes,
    }


def participant(name: str, role: str = "guest", **changes: Any) -> Message:
    return {
        "id": f"p-{name.lower()}",
        "user_id": f"u-{name.lower()}",
        "name": name,
        "role": role,
        "connected": True,
        "joined_at": JOINED_AT,
        "audio_muted": False,
        "video_muted": False,
        "audio_locked": False,
        "video_locked": False,
        "chat_silenced": False,
        "sources": [],
        **changes,
    }


def guest_request(name: str, **changes: Any) -> Message:
    return {
        "id": f"r-{name.lower()}",
        "session_id": SESSION_ID,
        "participant_id": f"p-{name.lower()}",
        "user_id": f"u-{name.lower()}",
        "name": name,
        "message": "",
        "status": "pending",
        "created_at": JOINED_AT,
        "answered_at": None,
        "kind": "request",
        "invited_by": None,
        **changes,
    }


def chat_message(position: int, text: str | None = None, name: str | None = "Hana", **changes: Any) -> Message:
    """What somebody wrote; a system message has no `name`."""
    return {
        "id": f"m-{position}",
        "session_id": SESSION_ID,
        "position": position,
        "kind": "message",
        "participant_id": name and f"p-{name.lower()}",
        "user_id": name and f"u-{name.lower()}",
        "name": name,
        "text": f"Message {position}" if text is None else text,
        "data": {},
        "client_id": None,
        "created_at": JOINED_AT,
        "deleted_at": None,
        "deleted_by": None,
        **changes,
    }


STATS: Message = {
    "duration_s": 3725,
    "peak_viewers": 41,
    "total_viewers": 60,
    "unique_viewers": 52,
    "guests": 3,
    "participation_rate": 0.5,
    "messages": 120,
    "reactions": {"heart": 30, "fire": 12},
    "gifts": 2,
    "gift_value": 25,
    "average_watch_time_s": 1234.5,
}


_files = WebFiles(WEB)
_port = 0
"""Of all servers, one after the other: what browsers may keep of the page's files serves every test of this process."""


async def _listen(runner: web.AppRunner) -> int:
    global _port
    await web.TCPSite(runner, "127.0.0.1", _port).start()
    _port = int(runner.addresses[0][1])
    return _port


class FakeServer:
    """One session. `welcome` answers the next `hello`; `replies` says what requests get, `ok` by default."""

    def __init__(self) -> None:
        self.dev_tokens = True
        self.sessions: list[Message] = [session()]
        self.started: list[Message] = []
        self.start_answer: tuple[int, Message] | None = None
        self.replies: dict[str, Handler] = {}
        self.reports: list[Message] = []
        """Errors that pages reported."""
        self.rest: dict[str, Handler] = {
            "messages": lambda _: {"messages": [], "more": False},
            "stats": lambda _: {"stats": STATS},
            "bans": lambda _: {"bans": []},
        }
        """What `GET /live/sessions/{id}/<name>` answers to its query."""
        self.received: dict[str, list[Message]] = defaultdict(list)
        self.silent = False
        """Requests are read and never answered."""
        self._tasks: set[asyncio.Task[None]] = set()
        self.hello_answer: Message | None = None
        self._socket: web.WebSocketResponse | None = None
        self._news = asyncio.Condition()
        self._runner: web.AppRunner | None = None
        self.url = ""
        self.as_person("Vera", "viewer", [participant("Hana", "host")])

    def as_person(
        self,
        name: str,
        role: str,
        others: list[Message] | None = None,
        requests: list[Message] | None = None,
        **changes: Any,
    ) -> None:
        """Who the next `hello` is, and whom they find."""
        you = participant(name, role, **changes)
        self.welcome: Message = {
            "type": "welcome",
            "protocol": 1,
            "session": session(),
            "you": you,
            "participants": [*(others or []), *([you] if role != "viewer" else [])],
            "guest_requests": requests or [],
            "reactions": {},
            "messages": [],
            "more_messages": False,
            "resumed": False,
            "resume_token": "resume-1",
            "grace_s": 30,
            "ice_servers": [],
        }

    async def start(self) -> None:
        app = web.Application()
        app.add_routes(
            [
                web.post("/auth/dev-token", self._dev_token),
                web.get("/live/active", self._active),
                web.post("/client-errors", self._client_error),
                web.post("/live/start", self._start),
                web.get("/live/sessions/{session_id}/{name}", self._about_session),
                web.get("/ws/live/{session_id}", self._websocket),
                web.get("/examples/react/{name}", self._react),
                web.static("/examples/lib", WEB / "lib"),
                web.static("/examples", EXAMPLES),
            ]
        )
        _files.add_to(app)
        app.on_response_prepare.append(_add_policy)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        self.url = f"http://127.0.0.1:{await _listen(self._runner)}"

    async def stop(self) -> None:
        self.drop_replies()
        if self._runner:
            await self._runner.cleanup()

    def drop_replies(self) -> None:
        """Give up what is still being worked on."""
        for task in self._tasks:
            task.cancel()

    async def push(self, kind: str, **members: Any) -> None:
        """An event of the room."""
        assert self._socket is not None
        await self._socket.send_json({"type": kind, **members})

    async def push_text(self, text: str) -> None:
        assert self._socket is not None
        await self._socket.send_str(text)

    async def close(self, code: int, reason: str = "") -> None:
        """End the socket as the server does."""
        assert self._socket is not None
        await self._socket.close(code=code, message=reason.encode())

    def cut(self) -> None:
        """End the socket as a broken network does: without a close frame."""
        assert self._socket is not None
        assert self._socket._req is not None
        assert self._socket._req.transport is not None
        self._socket._req.transport.abort()

    async def wait_for(self, kind: str, count: int = 1, timeout_s: float = 10) -> Message:
        """The last of the first `count` messages of this type."""
        async with asyncio.timeout(timeout_s), self._news:
            await self._news.wait_for(lambda: len(self.received[kind]) >= count)
        return self.received[kind][count - 1]

    async def _client_error(self, request: web.Request) -> web.Response:
        self.reports.append(await request.json())
        return web.Response(status=204)

    async def _dev_token(self, request: web.Request) -> web.Response:
        if not self.dev_tokens:
            return web.json_response({"error": {"code": "not_found", "message": "No such route."}}, status=404)
        name = (await request.json())["name"]
        user_id = f"u-{name.lower()}"
        return web.json_response({"token": token_for(user_id, name), "user_id": user_id, "name": name})

    async def _active(self, request: web.Request) -> web.Response:
        return web.json_response({"sessions": self.sessions, "next_cursor": None})

    async def _start(self, request: web.Request) -> web.Response:
        self.started.append(await request.json())
        status, answer = self.start_answer or (
            201,
            {"session": session(), "participant": participant("Hana", "host"), "ws_path": f"/ws/live/{SESSION_ID}"},
        )
        return web.json_response(answer, status=status)

    async def _about_session(self, request: web.Request) -> web.Response:
        answer = self.rest[request.match_info["name"]](dict(request.query))
        return web.json_response(await answer if isinstance(answer, Awaitable) else answer)

    async def _react(self, request: web.Request) -> web.Response:
        source = node_packages.react_module(request.match_info["name"])
        return web.Response(text=source, content_type="text/javascript")

    async def _websocket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=("greenroom.v1",))
        await socket.prepare(request)
        async for frame in socket:
            if frame.type is not WSMsgType.TEXT:
                continue
            message = json.loads(frame.data)
            if message["type"] == "hello":
                self._socket = socket
                await socket.send_json(self.hello_answer or self.welcome)
            await self._note(message)
            if "id" in message and not self.silent:
                task = asyncio.create_task(self._reply(socket, message))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        return socket

    async def _note(self, message: Message) -> None:
        async with self._news:
            self.received[message["type"]].append(message)
            self._news.notify_all()

    async def _reply(self, socket: web.WebSocketResponse, message: Message) -> None:
        handler = self.replies.get(message["type"])
        answer = handler(message) if handler else {"type": "ok"}
        if isinstance(answer, Awaitable):
            answer = await answer
        if not socket.closed:
            await socket.send_json({**answer, "id": message["id"]})


async def _add_policy(request: web.Request, response: web.StreamResponse) -> None:
    # Pages of one's own have policies of their own.
    if not request.path.startswith("/examples/"):
        response.headers["Content-Security-Policy"] = POLICY
    response.headers.setdefault("Cache-Control", "no-store")
