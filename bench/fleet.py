"""The client processes, as the scenarios see them: one thing that joins, leaves and counts."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from .histogram import Histogram

_STOP_TIMEOUT_S: Final = 20.0
_ROOT: Final = Path(__file__).resolve().parents[1]
_MAX_LINE: Final = 1 << 22

_SUMS: Final = (
    "participants",
    "expected",
    "received",
    "repaired",
    "bytes",
    "sent_packets",
    "sent_octets",
    "sent_frames",
    "frames",
    "srtp_failures",
    "receive_drops",
    "send_failures",
)
"""Members of a client's reply that add up over the clients."""

Reply = dict[str, Any]


class FleetError(Exception):
    """A client process could not do what it was told to, or died."""


@dataclass(slots=True)
class Joins:
    """How joining went."""

    times: Histogram = field(default_factory=Histogram)
    failures: dict[str, int] = field(default_factory=dict)

    @property
    def failed(self) -> int:
        return sum(self.failures.values())

    def merge(self, reply: Reply) -> None:
        self.times.merge(Histogram.from_json(reply["times"]))
        for reason, count in reply["failures"].items():
            self.failures[reason] = self.failures.get(reason, 0) + count


@dataclass(slots=True)
class Traffic:
    """What all client processes saw in one window."""

    participants: int = 0
    seconds: float = 0.0
    expected: int = 0
    received: int = 0
    repaired: int = 0
    bytes: int = 0
    sent_packets: int = 0
    sent_octets: int = 0
    sent_frames: int = 0
    frames: int = 0
    srtp_failures: int = 0
    receive_drops: int = 0
    send_failures: int = 0
    busiest_client: float = 0.0
    """The largest share of a core that one client process used, 0-1."""
    latency: Histogram = field(default_factory=Histogram)

    def merge(self, reply: Reply) -> None:
        for name in _SUMS:
            setattr(self, name, getattr(self, name) + reply[name])
        self.seconds = max(self.seconds, reply["seconds"])
        self.busiest_client = max(self.busiest_client, reply["cpu_s"] / max(reply["seconds"], 1e-9))
        self.latency.merge(Histogram.from_json(reply["latency"]))


@dataclass(frozen=True, slots=True)
class FleetOptions:
    url: str
    system: str
    processes: int = 1
    cores: Sequence[int] = ()
    """Cores that the clients are kept to; none means any."""
    sample: int = 64
    gro: bool = True
    bitrates_bps: Sequence[int] = ()
    """Of the video that will be published."""


@dataclass(frozen=True, slots=True)
class Member:
    """A participant: the client process that carries it, and its number there."""

    process: int
    number: int


class Fleet:
    """Made by `start`; an asynchronous context manager that takes everybody home."""

    def __init__(self, processes: list[_ClientProcess]) -> None:
        self._processes = processes
        self._next = itertools.cycle(range(len(processes)))

    @classmethod
    async def start(cls, options: FleetOptions) -> Self:
        return cls([await _ClientProcess.start(options) for _ in range(options.processes)])

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await asyncio.gather(*(process.stop() for process in self._processes))

    async def open_room(self, capacity: int, sources: Sequence[str], bitrate_bps: int) -> tuple[str, Member]:
        process = next(self._next)
        reply = await self._processes[process].call(
            "open_room", capacity=capacity, sources=list(sources), bitrate_bps=bitrate_bps
        )
        return reply["room"], Member(process, reply["participant"])

    async def join(
        self,
        room: str,
        count: int,
        rate: float,
        joins: Joins,
        *,
        sources: Sequence[str] = (),
        bitrate_bps: int = 0,
        expect: str = "media",
    ) -> list[Member]:
        """`count` participants, `rate` of them a second, spread over the processes. Failures are counted in `joins`."""
        share: dict[int, int] = {}
        for _ in range(count):
            process = next(self._next)
            share[process] = share.get(process, 0) + 1
        members = {"room": room, "sources": list(sources), "bitrate_bps": bitrate_bps, "expect": expect}
        replies = await asyncio.gather(
            *(
                self._processes[process].call("join", count=part, rate=rate * part / count, **members)
                for process, part in share.items()
            )
        )
        for reply in replies:
            joins.merge(reply)
        return [
            Member(process, number)
            for process, reply in zip(share, replies, strict=True)
            for number in reply["participants"]
        ]

    async def churn(self, room: str, rate: float, seconds: float, stay_s: float, joins: Joins) -> None:
        each = rate / len(self._processes)
        replies = await self._all("churn", room=room, rate=each, seconds=seconds, stay_s=stay_s)
        for reply in replies:
            joins.merge(reply)

    async def leave(self, members: Sequence[Member]) -> None:
        by_process: dict[int, list[int]] = {}
        for member in members:
            by_process.setdefault(member.process, []).append(member.number)
        await asyncio.gather(
            *(self._processes[process].call("leave", participants=numbers) for process, numbers in by_process.items())
        )

    async def gone(self) -> set[Member]:
        """Those whom the server threw out since the last call."""
        replies = await self._all("gone")
        return {Member(process, number) for process, reply in enumerate(replies) for number in reply["participants"]}

    async def stop_sending(self) -> None:
        await self._all("stop_sending")

    async def begin(self) -> None:
        await self._all("begin")

    async def traffic(self) -> Traffic:
        """Since `begin`."""
        traffic = Traffic()
        for reply in await self._all("window"):
            traffic.merge(reply)
        return traffic

    async def _all(self, command: str, **members: Any) -> list[Reply]:
        return await asyncio.gather(*(process.call(command, **members) for process in self._processes))


class _ClientProcess:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, options: FleetOptions) -> Self:
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "bench.client", "--url", options.url, "--system", options.system),
                *("--sample", str(options.sample), "--gro" if options.gro else "--no-gro"),
                *("--cores", *map(str, options.cores)),
                *("--bitrates", *map(str, options.bitrates_bps)),
                cwd=_ROOT,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=_MAX_LINE,
                # Ctrl-C is for the coordinator, which then sends everybody home.
                start_new_session=True,
            )
        )

    async def call(self, command: str, **members: Any) -> Reply:
        number = next(self._ids)
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"id": number, "do": command, **members}).encode() + b"\n")
            await self._process.stdin.drain()
        except (ConnectionError, RuntimeError):
            raise FleetError("a load client has ended") from None
        reply: Reply = await future
        return reply

    async def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), _STOP_TIMEOUT_S)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        await self._reader

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            message = json.loads(line)
            future = self._waiting.pop(message["id"], None)
            if future is None or future.done():
                continue
            if "error" in message:
                future.set_exception(FleetError(message["error"]))
            else:
                future.set_result(message["reply"])
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(FleetError("a load client has ended"))
