"""The media of one live room: its router in a worker, what is published there, and who has to hear about changes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from sfu.rtp.parameters import MediaKind
from sfu.worker.messages import TransportState, TransportStats

from .counters import Counters, Direction, TransportWatch
from .extensions import RoomExtensions
from .messages import Message
from .model import Source
from .ports import MediaError, MediaPlane, MediaRoom

logger = logging.getLogger(__name__)

STATS_INTERVAL_S = 1.0
"""The worker counts for a whole room at once; a thousand viewers who ask share one answer."""


@dataclass(frozen=True)
class MediaTimings:
    """Seconds."""

    answer_timeout_s: float = 10.0
    """How long a peer may take to answer an offer."""
    room_wait_s: float = 5.0
    """How long a request waits for a worker; after that the caller is told to try again."""
    first_retry_s: float = 0.2
    max_retry_s: float = 5.0


@dataclass
class Producer:
    """A source that is being published."""

    id: str
    participant_id: str
    mid: str
    source: Source
    kind: MediaKind
    paused: bool
    """What the worker was told last."""


class MediaEvents(Protocol):
    """The room, as its media sees it. No call waits."""

    def may_publish(self, participant_id: str) -> bool: ...
    def silenced(self, participant_id: str, kind: MediaKind) -> bool: ...
    def sources_changed(self, participant_id: str) -> None: ...
    def media_reset(self, reason: str) -> None:
        """Every connection of the room is gone; everybody has to build new ones."""

    def send(self, participant_id: str, message: Message) -> None: ...


class MediaPeer(Protocol):
    """A participant's connections, as the room's media sees them."""

    def refresh(self) -> None:
        """What can be received changed."""

    def forget(self) -> None:
        """The worker is gone, and with it every transport."""


class RoomMedia:
    """Implements `ports.MediaListener`. Opens its `MediaRoom` when first needed, and a new one when a worker dies."""

    def __init__(
        self, room_id: str, plane: MediaPlane, events: MediaEvents, timings: MediaTimings, counters: Counters
    ) -> None:
        self.events = events
        self.timings = timings
        self.extensions = RoomExtensions()
        self.producers: dict[str, Producer] = {}
        self.peers: dict[str, MediaPeer] = {}
        self._room_id = room_id
        self._plane = plane
        self._room: MediaRoom | None = None
        self._generation = 0
        self._opening: asyncio.Task[None] | None = None
        self._closed = asyncio.Event()
        self._watchers: dict[str, tuple[TransportWatch, Callable[[TransportState], None]]] = {}
        """By transport id."""
        self._counters = counters
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stats: asyncio.Task[tuple[TransportStats, ...]] | None = None
        self._stats_at = 0.0

    async def room(self) -> MediaRoom:
        """The router. Raises `MediaError` where no worker took the room in time; it is being tried on."""
        if self._room is None:
            if self._closed.is_set():
                raise MediaError("closed", "the session is over")
            self._open_soon()
            assert self._opening is not None
            await asyncio.wait({self._opening}, timeout=self.timings.room_wait_s)
            if self._room is None:
                raise MediaError("no_worker", "no media worker took the room in time")
        return self._room

    def watch(self, transport_id: str, direction: Direction, changed: Callable[[TransportState], None]) -> None:
        """Be told about a transport that was just made."""
        watch = TransportWatch(self._counters, direction, asyncio.get_running_loop().time())
        self._watchers[transport_id] = (watch, changed)

    async def close_transport(self, room: MediaRoom, transport_id: str) -> None:
        """Close a transport of `room`, whatever state it is in."""
        watcher = self._watchers.pop(transport_id, None)
        if watcher is not None:
            watcher[0].closed()
        with contextlib.suppress(MediaError):
            await room.close_transport(transport_id)

    def receivable(self, participant_id: str) -> Iterator[Producer]:
        """What that participant is to receive: everything of everybody else."""
        return (producer for producer in self.producers.values() if producer.participant_id != participant_id)

    def changed(self, participant_id: str) -> None:
        """That participant's sources are others now: tell the room, and offer them to the others."""
        self.events.sources_changed(participant_id)
        for peer_id, peer in self.peers.items():
            if peer_id != participant_id:
                peer.refresh()

    async def stats(self) -> dict[str, TransportStats]:
        """By transport id; at most a second old. Raises `MediaError`."""
        if self._room is None:
            return {}
        now = asyncio.get_running_loop().time()
        if self._stats is None or now - self._stats_at >= STATS_INTERVAL_S:
            self._stats_at = now
            self._stats = asyncio.ensure_future(self._room.stats())
        return {entry.transport_id: entry for entry in await asyncio.shield(self._stats)}

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run media work in the background; what goes wrong there is logged and stays there."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    async def close(self) -> None:
        """Give the router back. Peers are closed by their room."""
        self._closed.set()
        self._forget_watchers()
        room, self._room = self._room, None
        if room is not None:
            with contextlib.suppress(MediaError):
                await room.close()
        if self._opening is not None:
            await asyncio.wait({self._opening})

    def transport_state_changed(self, transport_id: str, state: TransportState) -> None:
        watcher = self._watchers.get(transport_id)
        if watcher is not None:
            watch, changed = watcher
            watch.changed(state, asyncio.get_running_loop().time())
            changed(state)

    def media_lost(self) -> None:
        self._generation += 1
        if self._room is None:
            return
        logger.warning("room %s lost its worker", self._room_id)
        self._room = None
        self._stats = None
        self._forget_watchers()
        publishers = {producer.participant_id for producer in self.producers.values()}
        for peer in self.peers.values():
            peer.forget()
        self.producers.clear()
        self.events.media_reset("worker_lost")
        for participant_id in publishers:
            self.events.sources_changed(participant_id)
        self._open_soon()

    def _forget_watchers(self) -> None:
        for watch, _ in self._watchers.values():
            watch.closed()
        self._watchers.clear()

    def _open_soon(self) -> None:
        if self._opening is None or self._opening.done():
            self._opening = self.spawn(self._open())

    async def _open(self) -> None:
        delay_s = self.timings.first_retry_s
        while not self._closed.is_set():
            generation = self._generation
            try:
                room = await self._plane.create_room(self._room_id, self)
            except MediaError as error:
                logger.warning("room %s has no worker (%s), next try in %.1f s", self._room_id, error.code, delay_s)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._closed.wait(), delay_s)
                delay_s = min(2 * delay_s, self.timings.max_retry_s)
                continue
            if self._closed.is_set():
                await room.close()
            elif generation == self._generation:
                self._room = room
                for peer in self.peers.values():
                    peer.refresh()
                return
            else:
                # A worker was lost meanwhile. That may have been an earlier choice of the pool, and this one be alive:
                # it would refuse the room that it has already.
                with contextlib.suppress(MediaError):
                    await room.close()

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("media work of room %s failed", self._room_id, exc_info=error)
