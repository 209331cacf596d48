"""How fast the control plane is: sessions that start, requests that reach the host, chat, and everything at once.

No media. Each member is a WebSocket that reads what the server sends; times are taken in this process, from sending to
the arrival of the frame. Without `--url` a server of its own is started on one core, and the members use another one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from .cores import pin, usable
from .histogram import Histogram
from .processes import cpu_s
from .systems.base import SignalingError
from .systems.greenroom import SYSTEM, GreenroomSignaling
from .table import columns, milliseconds, share

_STAMP: Final = "sent="
_CHAT_EVENT: Final = '{"type":"message","message"'
"""The reply to the sender has the request's id there."""
_REPLY_TIMEOUT_S: Final = 30.0
_JOINS_AT_ONCE: Final = 20
_REACTIONS: Final = ("heart", "fire", "clap")

Message = dict[str, Any]


class Member:
    """One WebSocket. Frames are parsed only where somebody waits for them; the stamps of chat are read in all."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, chat: Histogram) -> None:
        self._socket = socket
        self.chat = chat
        self._number = 0
        self._replies: dict[str, asyncio.Future[Message]] = {}
        self._waiting: dict[str, asyncio.Future[Message]] = {}
        self._reader = asyncio.create_task(self._read())

    async def request(self, kind: str, **members: Any) -> Message:
        """Send a message and return its reply. Raises `SignalingError`."""
        self._number += 1
        number = str(self._number)
        reply: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._replies[number] = reply
        await self._socket.send_str(json.dumps({"type": kind, "id": number, **members}))
        answer = await asyncio.wait_for(reply, _REPLY_TIMEOUT_S)
        if answer["type"] == "error":
            raise SignalingError(f"{kind}: {answer['code']}: {answer['message']}")
        return answer

    def event(self, kind: str) -> asyncio.Future[Message]:
        """The next event of a kind."""
        future = self._waiting[kind] = asyncio.get_running_loop().create_future()
        return future

    async def close(self) -> None:
        await self._socket.close()
        self._reader.cancel()

    async def _read(self) -> None:
        async for frame in self._socket:
            if frame.type is not aiohttp.WSMsgType.TEXT:
                continue
            text: str = frame.data
            at = text.find(_STAMP) if text.startswith(_CHAT_EVENT) else -1
            if at >= 0:
                digits = text[at + len(_STAMP) : at + len(_STAMP) + 19]
                self.chat.add((time.monotonic_ns() - int(digits)) / 1e9)
            if not self._replies and not self._waiting:
                continue
            message: Message = json.loads(text)
            future = self._replies.pop(str(message.get("id", "")), None) or self._waiting.pop(message["type"], None)
            if future is not None and not future.done():
                future.set_result(message)


@dataclass
class Room:
    """A session and who is in it."""

    session_id: str
    host_token: str
    host: Member
    members: list[Member] = field(default_factory=list)


class Crowd:
    """Opens sessions and brings members in."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.chat = Histogram()
        self.api = Histogram()
        """Of all REST calls but those that make tokens."""
        self._signaling = GreenroomSignaling(url)
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    async def close(self) -> None:
        await self._signaling.close()
        await self._http.close()

    async def call(self, token: str, method: str, path: str, body: Message | None = None) -> Message:
        """One REST call; its time goes into `api`."""
        begin = time.monotonic()
        async with self._http.request(
            method, self.url + path, json=body, headers={"Authorization": f"Bearer {token}"}
        ) as response:
            answer: Message = await response.json()
        self.api.add(time.monotonic() - begin)
        if response.status >= 400:
            raise SignalingError(f"{path}: {answer['error']['code']}: {answer['error']['message']}")
        return answer

    async def open_room(self, members: int) -> Room:
        token = await self._signaling.token("Load host")
        settings = {"title": "Load test", "max_participants": members + 10}
        session_id = (await self.call(token, "POST", "/live/start", settings))["session"]["id"]
        room = Room(session_id, token, await self._connect(token, session_id))
        while len(room.members) < members:
            few = min(_JOINS_AT_ONCE, members - len(room.members))
            room.members += await asyncio.gather(*(self.join(session_id) for _ in range(few)))
        return room

    async def join(self, session_id: str) -> Member:
        return await self._connect(await self._signaling.token("Load member"), session_id)

    async def _connect(self, token: str, session_id: str) -> Member:
        socket = await self._http.ws_connect(
            f"{self.url}/ws/live/{session_id}", protocols=("greenroom.v1",), max_msg_size=8 << 20
        )
        member = Member(socket, self.chat)
        await member.request("hello", protocol=1, token=token)
        return member


@dataclass(frozen=True)
class Result:
    """One line of the table."""

    name: str
    times: Histogram
    target_ms: float
    control_cpu: float | None
    """Share of a core; None for a server on another machine."""

    def p(self, percent: float) -> float | None:
        seconds = self.times.percentile(percent)
        return None if seconds is None else seconds * 1e3

    def to_json(self) -> Message:
        named = {"name": self.name, "count": self.times.count, "target_p99_ms": self.target_ms}
        return {**named, "p50_ms": self.p(50), "p99_ms": self.p(99), "control_cpu": self.control_cpu}


class Bench:
    def __init__(self, crowd: Crowd, control_pids: Sequence[int], seconds: float, settle_s: float) -> None:
        self._crowd = crowd
        self._pids = control_pids
        self._seconds = seconds
        self._settle_s = settle_s

    async def starts(self, count: int) -> Result:
        """From the call to the host's `welcome`."""
        times = Histogram()

        async def work() -> None:
            for _ in range(count):
                begin = time.monotonic()
                room = await self._crowd.open_room(0)
                times.add(time.monotonic() - begin)
                await self._end(room)

        return await self._measured("session start", times, 2000, work)

    async def requests(self, count: int) -> Result:
        """From a viewer's request to the host's panel, in a room of 50."""
        times = Histogram()
        room = await self._crowd.open_room(50)

        async def work() -> None:
            for number in range(count):
                viewer = room.members[number % len(room.members)]
                arrived = room.host.event("guest_request_created")
                begin = time.monotonic()
                await viewer.request("request_guest", message="Please")
                await asyncio.wait_for(arrived, _REPLY_TIMEOUT_S)
                times.add(time.monotonic() - begin)
                await viewer.request("cancel_guest_request")

        result = await self._measured("request to the host's panel", times, 500, work)
        await self._end(room)
        return result

    async def chat(self, members: int, rate: float) -> Result:
        """From sending to the arrival at each member of one room, at `rate` messages a second in all."""
        room = await self._crowd.open_room(members)
        await asyncio.sleep(self._settle_s)
        times = _fresh(room)

        async def work() -> None:
            await self._talk(room, rate)

        result = await self._measured(f"chat to {members} members, {rate:g} messages/s", times, 200, work)
        expected = (members + 1) * int(rate * self._seconds)
        if times.count < expected * 0.99:
            raise SignalingError(f"{times.count} of {expected} messages arrived")
        await self._end(room)
        return result

    async def everything(self, sessions: int, members: int) -> Result:
        """REST calls of all kinds while all sessions chat (a message a second each) and react."""
        rooms = [await self._crowd.open_room(members) for _ in range(sessions)]
        await asyncio.sleep(self._settle_s)
        self._crowd.api = times = Histogram()
        deadline = time.monotonic() + self._seconds

        async def react(room: Room) -> None:
            await asyncio.sleep(random.uniform(0, 1))
            while time.monotonic() < deadline:
                await random.choice(room.members).request("react", reaction=random.choice(_REACTIONS))
                await asyncio.sleep(random.uniform(0.3, 0.7))

        async def read(room: Room) -> None:
            paths = ["", "/participants", "/messages?limit=50", "/guest-requests"]
            # People do not all press a key in the same moment.
            await asyncio.sleep(random.uniform(0, 1))
            while time.monotonic() < deadline:
                await self._crowd.call(
                    room.host_token, "GET", f"/live/sessions/{room.session_id}{random.choice(paths)}"
                )
                await asyncio.sleep(random.uniform(0.5, 1.5))

        async def work() -> None:
            await asyncio.gather(
                *(activity for room in rooms for activity in (self._talk(room, 1), react(room), read(room)))
            )

        name = f"API, {sessions} sessions of {members} with chat and reactions"
        result = await self._measured(name, times, 100, work)
        for room in rooms:
            await self._end(room)
        return result

    async def _talk(self, room: Room, rate: float) -> None:
        pending: list[asyncio.Task[Message]] = []
        begin = time.monotonic() + random.uniform(0, 1 / rate)
        for number in range(int(rate * self._seconds)):
            await asyncio.sleep(max(0.0, begin + number / rate - time.monotonic()))
            writer = random.choice(room.members)
            text = f"sent={time.monotonic_ns():019} and a line of some length"
            pending.append(asyncio.create_task(writer.request("send_message", text=text)))
        await asyncio.gather(*pending)
        await asyncio.sleep(0.5)

    async def _end(self, room: Room) -> None:
        await self._crowd.call(room.host_token, "POST", "/live/end", {"session_id": room.session_id})
        await asyncio.gather(*(member.close() for member in (room.host, *room.members)))

    async def _measured(
        self, name: str, times: Histogram, target_ms: float, work: Callable[[], Awaitable[None]]
    ) -> Result:
        begin, cpu = time.monotonic(), cpu_s(self._pids)
        await work()
        used = cpu_s(self._pids) - cpu
        return Result(name, times, target_ms, used / (time.monotonic() - begin) if self._pids else None)


def _fresh(room: Room) -> Histogram:
    histogram = Histogram()
    for member in (room.host, *room.members):
        member.chat = histogram
    return histogram


async def run(arguments: argparse.Namespace) -> list[Result]:
    async with AsyncExitStack() as stack:
        url = arguments.url
        if url is None:
            cores = usable()
            server = SYSTEM.start((cores[0],), cores[-1])
            stack.callback(server.stop)
            pin(0, (cores[-1],))
            url = server.url
        pids = (await SYSTEM.processes(url)).control
        crowd = Crowd(url)
        stack.push_async_callback(crowd.close)
        bench = Bench(crowd, pids, arguments.seconds, arguments.settle_s)
        results = []
        for measurement in (
            bench.starts(arguments.starts),
            bench.requests(arguments.requests),
            bench.chat(arguments.members, arguments.rate),
            bench.everything(arguments.sessions, arguments.session_members),
        ):
            results.append(await measurement)
            print(f"{results[-1].name}: measured", file=sys.stderr)
        return results


def report(results: Sequence[Result]) -> str:
    rows = [("what", "times", "p50 / p99 (ms)", "target p99", "control process")]
    for result in results:
        figures = milliseconds(result.p(50), result.p(99))
        target = f"{result.target_ms:.0f} ms"
        rows.append((result.name, str(result.times.count), figures, target, share(result.control_cpu)))
    return columns(rows)


def main(argv: list[str] | None = None) -> int:
    """Returns 0 where every target was met."""
    arguments = _parser().parse_args(argv)
    try:
        results = asyncio.run(run(arguments))
    except (SignalingError, OSError, RuntimeError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(json.dumps([result.to_json() for result in results]) if arguments.json else report(results))
    return 0 if all((result.p(99) or 0) < result.target_ms for result in results) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.control", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--url", help="of a running server, with its rate limits off; default: one of its own")
    parser.add_argument("--members", type=int, default=1000, help="of the room with the chat; default %(default)s")
    parser.add_argument("--rate", type=float, default=20.0, help="messages a second in it; default %(default)s")
    parser.add_argument("--sessions", type=int, default=100, help="at once; default %(default)s")
    parser.add_argument("--session-members", type=int, default=20, help="of each; default %(default)s")
    parser.add_argument("--starts", type=int, default=100, help="sessions started one by one; default %(default)s")
    parser.add_argument("--requests", type=int, default=200, help="made one by one; default %(default)s")
    parser.add_argument("--seconds", type=float, default=15.0, help="of chat and of calls; default %(default)s")
    parser.add_argument("--settle-s", type=float, default=2.0, help="after all have joined; default %(default)s")
    parser.add_argument("--json", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main())
