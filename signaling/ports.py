"""What signaling needs from the outside: a media plane and a store. `control_api` fills both in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict

from sfu.rtp.parameters import ConsumerParameters, ProducerParameters
from sfu.worker.messages import (
    MediaError as MediaError,
)
from sfu.worker.messages import (
    RemoteTransportParameters,
    TransportParameters,
    TransportState,
    TransportStats,
)

from .chat_model import ChatMessage, MessageKind, MessagePage
from .errors import ErrorCode
from .gift_model import GiftKind, GiftRecord, GiftTotals, NewGift
from .listing import ActiveSearch
from .model import (
    BanRecord,
    GuestRequestRecord,
    ParticipantRecord,
    Role,
    SessionRecord,
    SessionSettings,
    SessionStatistics,
    TimelineEvent,
)


class MediaListener(Protocol):
    """Told, on the event loop, what happens to a room's media. Calls must not block."""

    def transport_state_changed(self, transport_id: str, state: TransportState) -> None: ...

    def media_lost(self) -> None:
        """The worker died. The `MediaRoom` is unusable; a new one has to be created."""


class MediaRoom(Protocol):
    """A room's router in a worker. Every method may raise `MediaError`. Ids are chosen by the caller."""

    async def create_transport(self, transport_id: str) -> TransportParameters: ...
    async def connect_transport(self, transport_id: str, remote: RemoteTransportParameters) -> None: ...
    async def close_transport(self, transport_id: str) -> None:
        """Close with its producers and consumers (and the consumers of those producers). Unknown ids are no error."""

    async def produce(
        self, transport_id: str, producer_id: str, parameters: ProducerParameters, paused: bool
    ) -> None: ...
    async def set_producer_paused(self, producer_id: str, paused: bool) -> None: ...
    async def close_producer(self, producer_id: str) -> None: ...
    async def consume(self, transport_id: str, consumer_id: str, producer_id: str) -> ConsumerParameters:
        """Create a consumer that sends nothing until `start_consumer`."""

    async def start_consumer(self, consumer_id: str, payload_types: Sequence[int]) -> None:
        """The subscriber's answer is in: it accepts these canonical payload types (codecs and their RTX)."""

    async def set_consumer_paused(self, consumer_id: str, paused: bool) -> None: ...
    async def close_consumer(self, consumer_id: str) -> None: ...
    async def stats(self) -> tuple[TransportStats, ...]: ...
    async def close(self) -> None: ...


class MediaPlane(Protocol):
    """All workers."""

    async def create_room(self, room_id: str, listener: MediaListener) -> MediaRoom:
        """Place a room on the least loaded worker."""


class StoreUnavailable(Exception):
    """The database can't be reached now; nothing was changed."""


class CommitInDoubt(StoreUnavailable):
    """The connection was lost during a commit: it may have happened.

    `settle` finds out: what the transaction returned where it was committed, None where it was not and can be tried
    again. Raises `StoreUnavailable` while that can't be known.
    """

    def __init__(self, settle: Callable[[], Awaitable[Any]]) -> None:
        self.settle = settle
        super().__init__("the connection was lost during a commit")


class StoreRefused(Exception):
    """The database did not let the caller do this, though the room service would have; nothing was changed."""

    def __init__(self, code: ErrorCode) -> None:
        self.code: ErrorCode = code
        super().__init__(code)


class Identity(BaseModel):
    """Who calls, as a verified token says it."""

    model_config = ConfigDict(frozen=True)

    user_id: str
    name: str
    session_id: str | None = None
    """The only session that the token is good for; None: all."""


class Placed(NamedTuple):
    """Where a message is in its session's chat."""

    id: str
    """Of the message as it was written first, where the same client id came again."""
    position: int
    created_at: datetime


@dataclass(frozen=True)
class NewMessage:
    """A message on its way into the database. One without an `author` is the server's own."""

    id: str
    """UUID."""
    session_id: str
    kind: MessageKind
    text: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    author: Identity | None = None
    participant_id: str | None = None
    user_id: str | None = None
    name: str | None = None
    client_id: str | None = None

    def at(self, place: Placed) -> ChatMessage:
        """What everybody is told of it."""
        return ChatMessage(
            id=place.id,
            session_id=self.session_id,
            position=place.position,
            kind=self.kind,
            participant_id=self.participant_id,
            user_id=self.user_id,
            name=self.name,
            text=self.text,
            data=dict(self.data),
            client_id=self.client_id,
            created_at=place.created_at,
        )


@dataclass(frozen=True)
class NewReaction:
    """What somebody does `count` times, on its way into the database."""

    session_id: str
    author: Identity
    type: str
    count: int


class Store(Protocol):
    """Sessions, participants and requests. Every method is one transaction and may raise `StoreUnavailable` or, in a
    caller's name, `StoreRefused`."""

    def acting_as(self, caller: Identity) -> Store:
        """The same store in the name of a caller. Without one it is the server itself that asks."""

    async def create_session(self, session: SessionRecord, host: ParticipantRecord) -> None: ...
    async def end_session(self, session_id: str, reason: str, at: datetime) -> SessionStatistics:
        """Idempotent. Also closes its participants and pending requests."""

    async def session_statistics(self, session_id: str) -> SessionStatistics | None:
        """Until now, or of the whole session; for those who are or were in it. None where there is no such session."""

    async def timeline(self, session_id: str, after: int, limit: int) -> list[TimelineEvent] | None:
        """Events with an id above `after`, for who moderates. None where there is no such session."""

    async def get_session(self, session_id: str) -> SessionRecord | None: ...
    async def active_sessions(self, search: ActiveSearch) -> list[SessionRecord]: ...
    async def save_settings(
        self, session_id: str, settings: SessionSettings, withdrawn: Sequence[GuestRequestRecord] = ()
    ) -> None:
        """`withdrawn`: requests and invitations that end with the change."""

    async def upsert_participant(self, participant: ParticipantRecord) -> None: ...
    async def set_role(self, session_id: str, participant_id: str, role: Role) -> None: ...
    async def participants(self, session_id: str) -> list[ParticipantRecord]: ...
    async def save_request(self, request: GuestRequestRecord) -> None:
        """Insert or answer a request. Its approval makes the participant a guest, in the same transaction."""

    async def save_requests(self, session_id: str, requests: Sequence[GuestRequestRecord]) -> None:
        """`save_request` for many of a session: all or none."""

    async def requests(self, session_id: str) -> list[GuestRequestRecord]: ...
    async def lock_audio(self, session_id: str, participant_ids: Sequence[str]) -> None: ...
    async def add_ban(self, ban: BanRecord) -> None:
        """Also throws the user out of the host's live session. Banning again changes nothing."""

    async def remove_ban(self, host_user_id: str, user_id: str) -> bool:
        """Also lifts the kick in the host's live session. False where the caller sees no such ban."""

    async def bans(self, host_user_id: str) -> list[BanRecord]:
        """Those that the caller may see, newest first."""

    async def add_messages(self, batch: Sequence[NewMessage]) -> list[Placed | StoreRefused]:
        """Write messages in their order and tell what became of each. The same message may come again."""

    async def messages(self, session_id: str, limit: int, before: int | None, after: int | None) -> MessagePage:
        """The newest `limit` messages, or those next to a position. `forbidden` for who may not read this chat."""

    async def message(self, session_id: str, message_id: str) -> ChatMessage | None: ...
    async def delete_message(self, session_id: str, message_id: str, at: datetime, by: str) -> ChatMessage | None:
        """Take the text away, once and for all. None where there is no such message; `forbidden` where it is not the
        caller's to delete. An earlier deletion stays as it was."""

    async def add_reactions(self, batch: Sequence[NewReaction]) -> list[StoreRefused | None]:
        """Count reactions and tell what became of each; None: counted. May raise `CommitInDoubt`."""

    async def reaction_totals(self, session_id: str) -> dict[str, int] | None:
        """By type. `forbidden` for who was never there. None where there is no such session."""

    async def gift_catalogue(self) -> list[GiftKind]:
        """What can be given, the cheapest first."""

    async def find_gift(self, session_id: str, user_id: str, key: str) -> GiftRecord | None: ...
    async def add_gift(self, gift: NewGift) -> GiftRecord:
        """Write a pending gift; where its user and key have one, that is returned. `gift_not_found`: not for giving."""

    async def settle_gift(self, session_id: str, gift_id: str, paid: bool, at: datetime) -> GiftRecord:
        """A pending gift was paid for or refused. One that was settled before stays as it was."""

    async def pending_gifts(self) -> list[GiftRecord]:
        """Of all sessions, the oldest first."""

    async def gift_totals(self, session_id: str, limit: int) -> GiftTotals | None:
        """`forbidden` for who was never there. None where there is no such session."""

    async def live_session_ids(self) -> list[str]:
        """Sessions that the database calls live, for recovery after a restart."""
