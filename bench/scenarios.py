"""What is done to a server: who joins, who publishes, and what the load counts."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from .fleet import Fleet, FleetError, Joins, Member
from .measure import Measurement, Meter, evaluate, span_of
from .progress import Progress

VIDEO_AND_AUDIO: Final = ("camera", "microphone")
AUDIO: Final = ("microphone",)
MAX_STAGE: Final = 21
"""A host and the 20 guests that a session can have."""
_STEADY_AFTER_S: Final = 60.0
"""Memory is expected to be flat from here on."""
_MEMORY_POLL_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Options:
    """What the scenarios take."""

    bitrate_bps: int = 1_500_000
    """Of each camera."""
    seconds: float = 10.0
    settle_s: float = 2.0
    """Between the last join and the measurement."""
    join_rate: float = 20.0
    """Joins a second."""
    limit: int = 5000
    """The highest load that is tried; sessions are opened with room for it."""
    guests: int = MAX_STAGE - 1
    speakers: int = 10
    room_viewers: int = 8
    stay_s: float = 2.0
    """How long those who come and go stay."""


class Scenario(ABC):
    """Grows and shrinks to a load, and measures it. `prepare` comes first.

    The load counts units: participants who come and go together, mostly one.
    """

    name: ClassVar[str]
    load_name: ClassVar[str]
    default_load: ClassVar[int] = 10
    """Also where the search for the highest load begins."""

    def __init__(self, fleet: Fleet, meter: Meter, options: Options, progress: Progress) -> None:
        self.fleet = fleet
        self.meter = meter
        self.options = options
        self.joins = Joins()
        self.room = ""
        self._progress = progress
        self._units: list[list[Member]] = []
        self._standing: list[Member] = []
        self._idle_memory_bytes = 0

    @property
    def participants(self) -> int:
        return len(self._standing) + sum(len(unit) for unit in self._units)

    @property
    @abstractmethod
    def fanout(self) -> float:
        """How many participants receive each packet that is published; 0 where that changes all the time."""

    @abstractmethod
    async def begin(self) -> None:
        """Bring in those who are always there."""

    async def prepare(self) -> None:
        await self.meter.find_processes()
        self._idle_memory_bytes = self.meter.usage().memory_bytes
        await self._progress.watch(self.begin(), f"{self.name}: opening", self.fleet)

    async def measure(self, load: int) -> Measurement:
        """Set the load, let it settle, and measure."""
        watch, what = self._progress.watch, f"{self.name}, {load} {self.load_name}"
        await watch(self._set_load(load), f"{what}: joining", self.fleet)
        await watch(asyncio.sleep(self.options.settle_s), f"{what}: settling", self.fleet)
        during = watch(self.run(load), f"{what}: measuring", self.fleet)
        traffic, span = await span_of(self.meter, self.fleet, during)
        participants, lost = self.participants, await self._count_lost()
        measurement = evaluate(
            (self.name, self.load_name),
            load,
            participants,
            traffic,
            self.fanout,
            self.joins,
            span,
            self._idle_memory_bytes,
            lost,
            reencodes=self.meter.reencodes,
        )
        measurement.notes = await self.notes()
        self.joins = Joins()
        return measurement

    async def run(self, load: int) -> None:
        """What happens while it is measured."""
        await asyncio.sleep(self.options.seconds)

    async def notes(self) -> dict[str, Any]:
        """What only this scenario has to say."""
        return {}

    async def add(self, count: int) -> list[list[Member]]:
        """Units that joined; failures are counted in `joins`."""
        members = await self.fleet.join(self.room, count, self.options.join_rate, self.joins)
        return [[member] for member in members]

    async def _count_lost(self) -> int:
        """How many the server threw out. Their units end, so that the next load is made of whole ones."""
        gone = await self.fleet.gone()
        if gone.intersection(self._standing):
            raise FleetError("the server threw out a publisher")
        broken = [unit for unit in self._units if gone.intersection(unit)]
        await self.fleet.leave([member for unit in broken for member in unit if member not in gone])
        self._units = [unit for unit in self._units if unit not in broken]
        return len(gone)

    async def _set_load(self, load: int) -> None:
        if load < len(self._units):
            await self.fleet.leave([member for unit in self._units[load:] for member in unit])
            del self._units[load:]
        elif load > len(self._units):
            self._units += await self.add(load - len(self._units))

    async def _open_stage(self, sources: Sequence[str], guests: int) -> tuple[str, list[Member]]:
        """A room with a host and guests who all publish the same."""
        options = self.options
        room, host = await self.fleet.open_room(options.limit + MAX_STAGE, sources, options.bitrate_bps)
        if not guests:
            return room, [host]
        others = await self.fleet.join(
            room, guests, options.join_rate, self.joins, sources=sources, bitrate_bps=options.bitrate_bps
        )
        return room, [host, *others]


class Webinar(Scenario):
    """One publisher of video and audio, and its viewers."""

    name = "webinar"
    load_name = "viewers"

    @property
    def fanout(self) -> float:
        return len(self._units)

    async def begin(self) -> None:
        self.room, self._standing = await self._open_stage(VIDEO_AND_AUDIO, 0)


class Stage(Scenario):
    """A host and guests who all see each other, and viewers who see them all."""

    name = "stage"
    load_name = "viewers"
    default_load = 0

    @property
    def fanout(self) -> float:
        return len(self._standing) - 1 + len(self._units)

    async def begin(self) -> None:
        self.room, self._standing = await self._open_stage(VIDEO_AND_AUDIO, self.options.guests)


class Rooms(Scenario):
    """Small rooms, each of a host, a guest and a few viewers."""

    name = "rooms"
    load_name = "rooms"
    default_load = 5

    @property
    def fanout(self) -> float:
        return self.options.room_viewers + 1

    async def begin(self) -> None:
        pass

    async def add(self, count: int) -> list[list[Member]]:
        spacing_s = (self.options.room_viewers + 2) / self.options.join_rate
        return list(await asyncio.gather(*(self._open_room(number * spacing_s) for number in range(count))))

    async def _open_room(self, after_s: float) -> list[Member]:
        await asyncio.sleep(after_s)
        room, unit = await self._open_stage(VIDEO_AND_AUDIO, 1)
        if self.options.room_viewers:
            unit += await self.fleet.join(room, self.options.room_viewers, self.options.join_rate, self.joins)
        return unit


class Audio(Scenario):
    """Speakers without cameras who all hear each other, and listeners."""

    name = "audio"
    load_name = "listeners"

    @property
    def fanout(self) -> float:
        return len(self._standing) - 1 + len(self._units)

    async def begin(self) -> None:
        self.room, self._standing = await self._open_stage(AUDIO, self.options.speakers - 1)


class Idle(Scenario):
    """Viewers with connections over which nothing is sent."""

    name = "idle"
    load_name = "participants"
    default_load = 100

    @property
    def fanout(self) -> float:
        return 0

    async def begin(self) -> None:
        self.room, self._standing = await self._open_stage(VIDEO_AND_AUDIO, 0)
        await self.fleet.stop_sending()

    async def add(self, count: int) -> list[list[Member]]:
        rate = self.options.join_rate
        members = await self.fleet.join(self.room, count, rate, self.joins, expect="connection")
        return [[member] for member in members]


class Churn(Scenario):
    """Viewers who come and go, so many a second, while one publisher sends."""

    name = "churn"
    load_name = "joins a second"
    default_load = 5

    def __init__(self, fleet: Fleet, meter: Meter, options: Options, progress: Progress) -> None:
        super().__init__(fleet, meter, options, progress)
        self._memory: list[tuple[float, int]] = []
        self._transports_before: int | None = None

    @property
    def fanout(self) -> float:
        return 0

    async def begin(self) -> None:
        self.room, self._standing = await self._open_stage(VIDEO_AND_AUDIO, 0)
        self._transports_before = (await self.meter.counters()).transports

    async def measure(self, load: int) -> Measurement:
        measurement = await super().measure(load)
        # Those who came and went are not among the participants any more.
        measurement.memory_per_participant_bytes = None
        return measurement

    async def run(self, load: int) -> None:
        watching = asyncio.create_task(self._watch_memory())
        try:
            options = self.options
            await self.fleet.churn(self.room, float(load), options.seconds, options.stay_s, self.joins)
        finally:
            watching.cancel()

    async def notes(self) -> dict[str, Any]:
        """Memory when it should be flat and at the end, and what was left behind."""
        transports = (await self.meter.counters()).transports
        before = self._transports_before
        steady = [size for elapsed, size in self._memory if elapsed >= min(_STEADY_AFTER_S, self.options.seconds / 2)]
        return {
            "memory_steady_bytes": steady[0] if steady else None,
            "memory_end_bytes": steady[-1] if steady else None,
            "transports_left": None if transports is None or before is None else transports - before,
        }

    async def _set_load(self, load: int) -> None:
        pass

    async def _watch_memory(self) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        self._memory = []
        while self.meter.local:
            self._memory.append((loop.time() - begun, self.meter.usage().memory_bytes))
            await asyncio.sleep(_MEMORY_POLL_S)


SCENARIOS: Final[dict[str, type[Scenario]]] = {
    scenario.name: scenario for scenario in (Webinar, Stage, Rooms, Audio, Churn, Idle)
}
