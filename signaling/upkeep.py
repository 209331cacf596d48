"""What happens to rooms without anybody asking: recovery after a restart, absent participants, the end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from .errors import LiveError
from .model import SessionRecord, SessionStatistics
from .participant import Former, Participant
from .ports import Identity, MediaPlane, Store
from .protocol import CloseCode
from .reactions import ReactionVerbs
from .registry import ServiceConfig, now, stored
from .room import Room
from .stage import StageVerbs

logger = logging.getLogger(__name__)


ORPHAN_PATIENCE_S: Final = 60.0
"""For which a session whose start failed is looked for. Longer than a database hangs before it is given up."""


class Ending(NamedTuple):
    """A session that has ended, and what it was."""

    session: SessionRecord
    statistics: SessionStatistics


class Upkeep(StageVerbs, ReactionVerbs):
    """One task looks after all rooms."""

    def __init__(
        self,
        store: Store,
        plane: MediaPlane,
        config: ServiceConfig | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(store, plane, config, clock)
        self._orphans: dict[str, float] = {}
        """Sessions that may be live in the store but have no room, to be ended there, and since when."""
        self._sweeper: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Take up the sessions that the store calls live, and begin to look after absent participants.

        Raises `StoreUnavailable`.
        """
        for session_id in await self._store.live_session_ids():
            await self._recover(session_id)
        await self._till.open()
        # From now on, and not from when a room was read: thousands take longer than the grace is.
        deadline = self._clock() + self.config.resume_grace_s
        for room in self._rooms.values():
            for member in room.members.values():
                member.absent_until = deadline
        self._sweeper = asyncio.get_running_loop().create_task(self._sweep_for_ever())

    async def close(self) -> None:
        """Close the sockets with 1001. Sessions stay live in the store, for the next start to take up."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeper
        rooms = list(self._rooms.values())
        self._rooms.clear()
        self._hosting.clear()
        for room in rooms:
            room.close_links(CloseCode.SERVER_STOPPING, "server_stopping")
        await self._till.close()
        await self._reactions.close()
        await self._messages.close()
        await asyncio.gather(*(room.media.close() for room in rooms), *self._closing, return_exceptions=True)

    async def sweep(self) -> None:
        """Let go of everybody whose grace is over. What the store can't take now is tried again the next time."""
        with contextlib.suppress(LiveError):
            await self._end_orphans()
        for room in tuple(self._rooms.values()):
            try:
                await self._sweep_room(room)
            except LiveError:
                pass
            except Exception:
                # Of this room alone, as when its rows were deleted: the others are looked after all the same.
                logger.exception("looking after a session failed; it will be tried again")

    async def _end_orphans(self) -> None:
        for session_id, since in tuple(self._orphans.items()):
            try:
                await stored(self._store.end_session(session_id, "host_lost", now()))
            except LookupError:
                # It was never written; or will be, by a commit that the database has yet to read.
                if self._clock() - since < ORPHAN_PATIENCE_S:
                    continue
            self._orphans.pop(session_id, None)

    async def _sweep_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self.config.sweep_interval_s)
            try:
                await self.sweep()
            except Exception:
                logger.exception("looking after absent participants failed; it will be tried again")

    async def _sweep_room(self, room: Room) -> None:
        if self._overdue(room.host):
            async with room.gate.everybody():
                if room.live and self._overdue(room.host):
                    await self._end_alone(room, "host_lost", None)
            return
        for member in [m for m in room.members.values() if m is not room.host and self._overdue(m)]:
            async with room.gate.user(member.user_id):
                if room.live and room.members.get(member.id) is member and self._overdue(member):
                    await self._depart(room, member, "lost", None)
        await self._look_after_requests(room)
        await self._reload_reactions(room)

    async def _banned_by(self, host_user_id: str) -> dict[str, str]:
        return {ban.user_id: ban.session_id for ban in await self._store.bans(host_user_id)}

    def _overdue(self, member: Participant) -> bool:
        return member.absent_until is not None and member.absent_until <= self._clock()

    async def _finish(self, room: Room, reason: str, by: Identity | None) -> Ending:
        """End a session."""
        async with room.gate.everybody():
            room.require_live()
            return await self._end_alone(room, reason, by)

    async def _end_alone(self, room: Room, reason: str, by: Identity | None) -> Ending:
        """Runs alone within the gate."""
        at = now()
        statistics = await stored(self._store_as(by).end_session(room.id, reason, at))
        ended = room.session.model_copy(update={"status": "ended", "ended_at": at, "end_reason": reason})
        del self._rooms[room.id]
        self._hosting.pop(ended.host_user_id, None)
        room.finish(ended, statistics)
        # In the background: whoever ended the session need not wait for the worker.
        task = asyncio.get_running_loop().create_task(room.media.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        return Ending(ended, statistics)

    async def _recover(self, session_id: str) -> None:
        session = await self._store.get_session(session_id)
        if session is None or session.status != "live":
            return
        room = self._new_room(session, fresh=False)
        for record in await self._store.participants(session_id):
            if record.status == "joined":
                room.add(record, math.inf)
                continue
            room.former[record.user_id] = Former.of(record)
            if record.status == "kicked":
                room.kicked.add(record.user_id)
        if session.host_user_id not in room.by_user:
            self._orphans[session_id] = self._clock()
            return
        self._recover_requests(room, await self._store.requests(session_id))
        room.banned = await self._banned_by(session.host_user_id)
        room.reactions.load(await self._store.reaction_totals(session_id) or {})
        self._rooms[session_id] = room
        room.counts_changed()
        self._hosting[session.host_user_id] = session_id
