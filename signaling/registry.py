"""The live rooms of this process, and what every verb starts with: finding one, and writing to the store."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import TypeVar
from uuid import UUID

from .batches import BatchWriter
from .counters import Counters
from .errors import LiveError
from .gift_model import Pay, for_free
from .media import MediaTimings
from .messages import IceServer
from .model import DEFAULT_REACTIONS, SessionRecord
from .ports import Identity, MediaPlane, NewReaction, Store, StoreRefused, StoreUnavailable
from .room import Room
from .room_chat import MessageWriter
from .till import Till

Result = TypeVar("Result")


IceServers = Callable[[str], tuple[IceServer, ...]]
"""What a participant, given by id, may use to connect: credentials are made for each of them."""


def no_ice_servers(participant_id: str) -> tuple[IceServer, ...]:
    """Everybody reaches the server directly."""
    return ()


@dataclass(frozen=True)
class ServiceConfig:
    resume_grace_s: float = 30.0
    """How long a participant who lost the socket stays."""
    first_connect_grace_s: float = 120.0
    """How long a participant who joined over REST may take to open a socket."""
    request_ttl_s: float = 900.0
    """How long a request or an invitation waits for its answer."""
    request_cooldown_s: float = 60.0
    """How long somebody whose request was rejected waits before the next."""
    reactions: tuple[str, ...] = DEFAULT_REACTIONS
    """The types that there are."""
    sweep_interval_s: float = 1.0
    ice_servers: IceServers = no_ice_servers
    pay: Pay = for_free
    """Of gifts."""
    media: MediaTimings = field(default_factory=MediaTimings)


class Registry:
    """Base of the room service. `clock` is monotonic, in seconds."""

    def __init__(
        self,
        store: Store,
        plane: MediaPlane,
        config: ServiceConfig | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.config = config or ServiceConfig()
        self.counters = Counters()
        self._store = store
        self._plane = plane
        self._clock = clock
        self._messages: MessageWriter = BatchWriter(store.add_messages)
        self._reactions: BatchWriter[NewReaction, None] = BatchWriter(store.add_reactions)
        self._rooms: dict[str, Room] = {}
        self._hosting: dict[str, str] = {}
        """Session id by the host's user id: one live session per host. Set before the store is asked."""
        self._till = Till(store, self.config.pay, self._live_room)

    @property
    def session_count(self) -> int:
        """Live sessions of this process."""
        return len(self._rooms)

    @property
    def writes_refused(self) -> dict[str, int]:
        """Messages and reactions that were not written, or not surely, because the database was away or behind."""
        return {"messages": self._messages.refused, "reactions": self._reactions.refused}

    def _new_room(self, session: SessionRecord, *, fresh: bool) -> Room:
        return Room(session, self._plane, self.config.media, self.counters, self._messages, fresh=fresh)

    def _live_room(self, session_id: str) -> Room | None:
        return self._rooms.get(session_id)

    def _store_as(self, caller: Identity | None) -> Store:
        """The store in the name of a caller, or of the server itself."""
        return self._store if caller is None else self._store.acting_as(caller)

    async def _room(self, identity: Identity, session_id: str) -> Room:
        """Raises `LiveError`: `session_ended`, `session_not_found`, `database_unavailable`."""
        room = self._rooms.get(session_id)
        if room is not None:
            return room
        await self._ended_session(identity, session_id)
        raise LiveError("session_ended")

    async def _ended_session(self, identity: Identity, session_id: str) -> SessionRecord:
        known = is_uuid(session_id)
        record = await stored(self._store_as(identity).get_session(session_id)) if known else None
        if record is None or record.status == "live":
            raise LiveError("session_not_found")
        return record


async def stored(call: Awaitable[Result]) -> Result:
    """The store's answer. Raises `LiveError`: `database_unavailable`, or why the database refused."""
    try:
        return await call
    except StoreUnavailable:
        raise LiveError("database_unavailable") from None
    except StoreRefused as refusal:
        raise LiveError(refusal.code) from refusal


def is_uuid(text: str) -> bool:
    """Whether the store could know this id at all."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def participant_id(session_id: str, user_id: str) -> str:
    """Always the same for a user in a session: a row that was written although its answer was lost is found again.

    The database computes it too (`live_participant_id`): a UUID of names, with the hash that PostgreSQL has by itself.
    """
    return str(UUID(bytes=sha256(UUID(session_id).bytes + user_id.encode()).digest()[:16], version=5))


def now() -> datetime:
    return datetime.now(UTC)
