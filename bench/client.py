"""A client process: carries participants, and does what its coordinator says: one JSON object a line, on stdin."""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import json
import logging
import os
import resource
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final

import numpy as np

from . import clips
from .cores import pin
from .histogram import Histogram
from .hub import Hub
from .participant import Media, Participant
from .systems import system
from .systems.base import Signaling, SignalingError

_MAX_LINE: Final = 1 << 22
_LEAVE_AT_ONCE: Final = 20

Command = dict[str, Any]
_FAILURES: Final = (SignalingError, ConnectionError, TimeoutError, ValueError, IndexError)


class LoadClient:
    """The commands are the methods without an underscore; their members are the command's."""

    def __init__(self, hub: Hub, signaling: Signaling) -> None:
        self._hub = hub
        self._signaling = signaling
        self._participants: dict[int, Participant] = {}
        self._ids = itertools.count(1)

    async def open_room(self, capacity: int, sources: list[str], bitrate_bps: int) -> Command:
        host = Participant(self._hub)
        room = await host.host(self._signaling, capacity, Media(sources, bitrate_bps))
        return {"room": room, "participant": self._keep(host)}

    async def join(
        self, room: str, count: int, rate: float, sources: list[str], bitrate_bps: int, expect: str
    ) -> Command:
        """`count` participants, `rate` of them a second."""
        times, failures = Histogram(), Counter[str]()
        loop = asyncio.get_running_loop()
        begin = loop.time()
        joined: list[int] = []

        async def one() -> None:
            participant = await self._join(room, Media(sources, bitrate_bps), expect, times, failures)
            if participant is not None:
                joined.append(self._keep(participant))

        async with asyncio.TaskGroup() as group:
            for number in range(count):
                await asyncio.sleep(max(0.0, begin + number / rate - loop.time()))
                group.create_task(one())
        return {"participants": joined, "times": times.to_json(), "failures": dict(failures)}

    async def churn(self, room: str, rate: float, seconds: float, stay_s: float) -> Command:
        """`rate` viewers a second join for `seconds`; each leaves `stay_s` after its first picture."""
        times, failures = Histogram(), Counter[str]()
        loop = asyncio.get_running_loop()
        begin = loop.time()

        async def one() -> None:
            participant = await self._join(room, Media(), "media", times, failures)
            if participant is not None:
                await asyncio.sleep(stay_s)
                await participant.leave()

        async with asyncio.TaskGroup() as group:
            for number in range(round(rate * seconds)):
                await asyncio.sleep(max(0.0, begin + number / rate - loop.time()))
                group.create_task(one())
        return {"times": times.to_json(), "failures": dict(failures)}

    async def leave(self, participants: list[int]) -> Command:
        # Not all at once: the point is that they are gone, and nothing here measures how fast.
        for begin in range(0, len(participants), _LEAVE_AT_ONCE):
            part = [self._participants.pop(number) for number in participants[begin : begin + _LEAVE_AT_ONCE]]
            await asyncio.gather(*(participant.leave() for participant in part))
        return {}

    async def gone(self) -> Command:
        """Those whom the server threw out; they are forgotten here."""
        found = [number for number, participant in self._participants.items() if participant.gone]
        await self.leave(found)
        return {"participants": found}

    async def stop_sending(self) -> Command:
        for participant in self._participants.values():
            participant.stop_sending()
        return {}

    async def begin(self) -> Command:
        gc.collect()
        gc.freeze()
        self._hub.begin_window()
        return {}

    async def window(self) -> Command:
        """What happened since `begin`; it goes on."""
        window = self._hub.window()
        return {
            "participants": len(self._participants),
            "seconds": window.seconds,
            "expected": window.totals.expected,
            "received": window.totals.received,
            "repaired": window.totals.repaired,
            "bytes": window.totals.bytes,
            "sent_packets": window.sent_packets,
            "sent_octets": window.sent_octets,
            "sent_frames": window.sent_frames,
            "frames": window.totals.frames,
            "latency": window.latency.to_json(),
            "srtp_failures": window.srtp_failures,
            "receive_drops": window.receive_drops,
            "send_failures": window.send_failures,
            "cpu_s": window.cpu_s,
            "oddities": dict(self._hub.drops),
        }

    async def close(self) -> None:
        await self.leave(list(self._participants))
        await self._signaling.close()
        self._hub.close()

    async def _join(
        self, room: str, media: Media, expect: Any, times: Histogram, failures: Counter[str]
    ) -> Participant | None:
        participant = Participant(self._hub)
        try:
            await participant.join(self._signaling, room, media, expect)
        except _FAILURES as error:
            failures[str(error) or type(error).__name__] += 1
            await participant.leave()
            return None
        if participant.joined_s is not None:
            times.add(participant.joined_s)
        return participant

    def _keep(self, participant: Participant) -> int:
        number = next(self._ids)
        self._participants[number] = participant
        return number


async def serve(arguments: argparse.Namespace) -> None:
    """Until stdin ends."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_MAX_LINE)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    hub = Hub(sample=arguments.sample, gro=arguments.gro)
    client = LoadClient(hub, system(arguments.system).signaling(arguments.url))
    tasks: set[asyncio.Task[None]] = set()
    try:
        while line := await reader.readline():
            task = asyncio.create_task(_carry_out(client, json.loads(line)))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
    finally:
        for task in tasks:
            task.cancel()
        await client.close()


async def _carry_out(client: LoadClient, command: Command) -> None:
    number, name = command.pop("id"), command.pop("do")
    method: Callable[..., Awaitable[Command]] = getattr(client, name)
    try:
        reply = {"id": number, "reply": await method(**command)}
    except _FAILURES as error:
        reply = {"id": number, "error": str(error) or type(error).__name__}
    print(json.dumps(reply), flush=True)


def warm_up(bitrates_bps: list[int]) -> None:
    """Encode what will be sent before anybody joins: an encoder at work would delay everything else."""
    for bitrate_bps in bitrates_bps:
        clips.vp8_clip(bitrate_bps)
    clips.opus_clip()


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--system", required=True)
    parser.add_argument("--sample", type=int, required=True)
    parser.add_argument("--gro", action=argparse.BooleanOptionalAction, required=True)
    parser.add_argument("--cores", type=int, nargs="*", default=[])
    parser.add_argument("--bitrates", type=int, nargs="*", default=[])
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format=f"load client {os.getpid()}: %(message)s")
    np.seterr(over="ignore")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    warm_up(arguments.bitrates)
    pin(0, arguments.cores)
    try:
        import uvloop
    except ImportError:
        asyncio.run(serve(arguments))
    else:
        uvloop.run(serve(arguments))
    return 0


if __name__ == "__main__":
    sys.exit(main())
