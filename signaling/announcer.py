"""Lines that the server itself writes in a room's chat: who came, went, came on stage, was promoted, was thrown out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final
from uuid import uuid4

from .chat_model import SystemEvent
from .errors import LiveError
from .participant import Participant
from .permissions import STAGE
from .ports import NewMessage

INTERVAL_S: Final = 1.0
"""Between two lines about viewers who came, or who left."""
CROWD: Final = 50
"""Participants from which on a line each second would be most of what is said."""
CROWD_INTERVAL_S: Final = 10.0
NAMES: Final = 3
"""Who is named in one line; the others are counted."""


class Announcer:
    """`post` writes a message, and may raise `LiveError`. `size` tells how many are in the room, `enabled` whether the
    chat is on: nothing is written in one that is off."""

    def __init__(
        self,
        session_id: str,
        post: Callable[[NewMessage], object],
        size: Callable[[], int],
        enabled: Callable[[], bool],
    ) -> None:
        self._session_id = session_id
        self._post = post
        self._size = size
        self._enabled = enabled
        self._gathered: dict[SystemEvent, dict[str, str]] = {"joined": {}, "left": {}}
        """Names by user id."""
        self._timer: asyncio.TimerHandle | None = None
        self._written_at = 0.0

    def joined(self, member: Participant) -> None:
        self._gather("joined", member)

    def left(self, member: Participant) -> None:
        if member.role in STAGE:
            self.say("left", member)
        else:
            self._gather("left", member)

    def say(self, event: SystemEvent, member: Participant) -> None:
        """At once, with a line of its own; who has only just come is said to have come first."""
        if name := self._gathered["joined"].pop(member.user_id, None):
            self._write("joined", {member.user_id: name})
        self._write(event, {member.user_id: member.record.name})

    def close(self) -> None:
        """The room is no more; what was gathered is not written."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _gather(self, event: SystemEvent, member: Participant) -> None:
        self._gathered[event][member.user_id] = member.record.name
        if self._timer is None:
            loop = asyncio.get_running_loop()
            interval_s = INTERVAL_S if self._size() < CROWD else CROWD_INTERVAL_S
            self._timer = loop.call_later(max(0.0, self._written_at + interval_s - loop.time()), self._write_gathered)

    def _write_gathered(self) -> None:
        self._timer = None
        self._written_at = asyncio.get_running_loop().time()
        for event, people in self._gathered.items():
            if people:
                self._write(event, people)
                people.clear()

    def _write(self, event: SystemEvent, people: dict[str, str]) -> None:
        if not self._enabled():
            return
        user_id, name = next(iter(people.items()))
        data: dict[str, Any] = {"event": event, "user_id": user_id, "name": name}
        data |= {"count": len(people), "names": list(people.values())[:NAMES]}
        # A database that is away misses a line; the verb that it is about has been written, or has failed by itself.
        with suppress(LiveError):
            self._post(NewMessage(id=str(uuid4()), session_id=self._session_id, kind="system", data=data))
