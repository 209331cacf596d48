"""A store and a media plane in memory, and a room service with people in it, for the tests of signaling."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from sfu.rtp.parameters import ConsumerParameters, ProducerParameters
from sfu.worker.messages import (
    Fingerprint,
    IceCandidate,
    RemoteTransportParameters,
    TransportParameters,
    TransportStats,
)
from signaling.chat_model import ChatMessage, MessagePage
from signaling.codecs import OPUS, VP8
from signaling.errors import LiveError
from signaling.gift_model import GiftKind, GiftRecord, GiftTotals, NewGift, Pay, for_free
from signaling.listing import ActiveSearch
from signaling.media import MediaTimings
from signaling.model import (
    BanRecord,
    GuestRequestRecord,
    ParticipantRecord,
    Role,
    SessionRecord,
    SessionSettings,
    SessionStatistics,
    SessionType,
    TimelineEvent,
)
from signaling.ports import (
    Identity,
    MediaError,
    MediaListener,
    NewMessage,
    NewReaction,
    Placed,
    StoreRefused,
    StoreUnavailable,
)
from signaling.registry import ServiceConfig
from signaling.service import RoomService
from tests.support import sdp

ANYBODY = Identity(user_id="user-anybody", name="Anybody")
"""Has a token, and is in no session."""
CATALOGUE = (
    GiftKind(id="rose", name="Rose", icon="🌹", value=1),
    GiftKind(id="cake", name="Cake", icon="🎂", value=20),
)
STATISTICS = SessionStatistics(
    duration_s=60.5,
    peak_viewers=3,
    total_viewers=5,
    unique_viewers=4,
    guests=1,
    participation_rate=0.5,
    messages=7,
    reactions={"heart": 12},
    gifts=2,
    gift_value=40,
    average_watch_time_s=30.25,
)
FINGERPRINT = "sha-256 " + ":".join(["AB"] * 32)


def refused(code: str) -> pytest.RaisesExc[LiveError]:
    """Around a verb that has to be refused."""
    return pytest.raises(LiveError, match=f"^{code}:")


class FakeStore:
    """`ports.Store`. `down` makes every call fail; `hold` makes writes wait until it is set."""

    def __init__(self) -> None:
        self.sessions: dict[str, SessionRecord] = {}
        self.people: dict[str, ParticipantRecord] = {}
        self.asked: dict[str, GuestRequestRecord] = {}
        self.banned: dict[tuple[str, str], BanRecord] = {}
        self.chat: list[ChatMessage] = []
        self.forbidden_authors: set[str] = set()
        """Whose messages are refused, by user id."""
        self.pages_read = 0
        self.events: list[TimelineEvent] = []
        self.gifts: dict[str, GiftRecord] = {}
        self.reacted: Counter[tuple[str, str]] = Counter()
        """By session and type."""
        self.reaction_batches: list[list[NewReaction]] = []
        self.down = False
        self.hold: asyncio.Event | None = None

    def acting_as(self, caller: Identity) -> FakeStore:
        return self

    async def _work(self) -> None:
        if self.hold is not None:
            await self.hold.wait()
        if self.down:
            raise StoreUnavailable("down")

    async def create_session(self, session: SessionRecord, host: ParticipantRecord) -> None:
        await self._work()
        self.sessions[session.id] = session
        self.people[host.id] = host

    async def end_session(self, session_id: str, reason: str, at: datetime) -> SessionStatistics:
        await self._work()
        session = self.sessions[session_id]
        if session.status == "live":
            change = {"status": "ended", "ended_at": at, "end_reason": reason}
            self.sessions[session_id] = session.model_copy(update=change)
        return STATISTICS

    async def session_statistics(self, session_id: str) -> SessionStatistics | None:
        await self._work()
        return STATISTICS if session_id in self.sessions else None

    async def timeline(self, session_id: str, after: int, limit: int) -> list[TimelineEvent] | None:
        await self._work()
        return [event for event in self.events if event.id > after][:limit] if session_id in self.sessions else None

    async def get_session(self, session_id: str) -> SessionRecord | None:
        await self._work()
        return self.sessions.get(session_id)

    async def active_sessions(self, search: ActiveSearch) -> list[SessionRecord]:
        await self._work()
        return [session for session in self.sessions.values() if session.status == "live"][: search.limit]

    async def save_settings(
        self, session_id: str, settings: SessionSettings, withdrawn: Sequence[GuestRequestRecord] = ()
    ) -> None:
        await self._work()
        self.sessions[session_id] = self.sessions[session_id].model_copy(update={"settings": settings})
        self.asked.update({request.id: request for request in withdrawn})

    async def add_messages(self, batch: Sequence[NewMessage]) -> list[Placed | StoreRefused]:
        await self._work()
        return [self._add_message(message) for message in batch]

    def _add_message(self, message: NewMessage) -> Placed | StoreRefused:
        if message.user_id in self.forbidden_authors:
            return StoreRefused("forbidden")
        key = (message.session_id, message.user_id, message.client_id)
        known = next(
            (
                m
                for m in self.chat
                if m.id == message.id or (m.client_id is not None and (m.session_id, m.user_id, m.client_id) == key)
            ),
            None,
        )
        if known is None:
            known = message.at(Placed(message.id, len(self.chat) + 1, datetime.now(UTC)))
            self.chat.append(known)
        return Placed(known.id, known.position, known.created_at)

    async def messages(self, session_id: str, limit: int, before: int | None, after: int | None) -> MessagePage:
        self.pages_read += 1
        await self._work()
        found = [message for message in self.chat if message.session_id == session_id]
        if after is not None:
            newer = [message for message in found if message.position > after]
            return MessagePage(messages=newer[:limit], more=len(newer) > limit)
        older = [message for message in found if before is None or message.position < before]
        return MessagePage(messages=older[-limit:], more=len(older) > limit)

    async def message(self, session_id: str, message_id: str) -> ChatMessage | None:
        await self._work()
        return next((m for m in self.chat if (m.session_id, m.id) == (session_id, message_id)), None)

    async def delete_message(self, session_id: str, message_id: str, at: datetime, by: str) -> ChatMessage | None:
        await self._work()
        known = await self.message(session_id, message_id)
        if known is None or known.deleted_at is not None:
            return known
        deleted = known.model_copy(update={"text": "", "deleted_at": at, "deleted_by": by})
        self.chat[self.chat.index(known)] = deleted
        return deleted

    async def upsert_participant(self, participant: ParticipantRecord) -> None:
        await self._work()
        self.people[participant.id] = participant

    async def set_role(self, session_id: str, participant_id: str, role: Role) -> None:
        await self._work()
        self.people[participant_id] = self.people[participant_id].model_copy(update={"role": role})

    async def participants(self, session_id: str) -> list[ParticipantRecord]:
        await self._work()
        return [person for person in self.people.values() if person.session_id == session_id]

    async def save_request(self, request: GuestRequestRecord) -> None:
        await self._work()
        self.asked[request.id] = request
        if request.status == "approved":
            person = self.people[request.participant_id]
            self.people[person.id] = person.model_copy(update={"role": Role.GUEST})

    async def save_requests(self, session_id: str, requests: Sequence[GuestRequestRecord]) -> None:
        await self._work()
        for request in requests:
            await self.save_request(request)

    async def lock_audio(self, session_id: str, participant_ids: Sequence[str]) -> None:
        await self._work()
        for key in participant_ids:
            self.people[key] = self.people[key].model_copy(update={"audio_locked": True})

    async def add_ban(self, ban: BanRecord) -> None:
        await self._work()
        self.banned.setdefault((ban.host_user_id, ban.user_id), ban)

    async def remove_ban(self, host_user_id: str, user_id: str) -> bool:
        await self._work()
        return self.banned.pop((host_user_id, user_id), None) is not None

    async def bans(self, host_user_id: str) -> list[BanRecord]:
        await self._work()
        return [ban for ban in self.banned.values() if ban.host_user_id == host_user_id]

    async def requests(self, session_id: str) -> list[GuestRequestRecord]:
        await self._work()
        return [request for request in self.asked.values() if request.session_id == session_id]

    async def add_reactions(self, batch: Sequence[NewReaction]) -> list[StoreRefused | None]:
        await self._work()
        self.reaction_batches.append(list(batch))
        for reaction in batch:
            self.reacted[reaction.session_id, reaction.type] += reaction.count
        return [None] * len(batch)

    async def reaction_totals(self, session_id: str) -> dict[str, int] | None:
        await self._work()
        totals = {kind: count for (session, kind), count in self.reacted.items() if session == session_id}
        return totals if session_id in self.sessions else None

    async def gift_catalogue(self) -> list[GiftKind]:
        await self._work()
        return list(CATALOGUE)

    async def find_gift(self, session_id: str, user_id: str, key: str) -> GiftRecord | None:
        await self._work()
        wanted = (session_id, user_id, key)
        return next((g for g in self.gifts.values() if (g.session_id, g.user_id, g.key) == wanted), None)

    async def add_gift(self, gift: NewGift) -> GiftRecord:
        await self._work()
        before = await self.find_gift(gift.session_id, gift.user_id, gift.key)
        if before is not None:
            return before
        kind = next((kind for kind in CATALOGUE if kind.id == gift.gift_id), None)
        if kind is None:
            raise StoreRefused("gift_not_found")
        self.gifts[gift.id] = GiftRecord(
            **gift.model_dump(),
            gift_name=kind.name,
            icon=kind.icon,
            value=kind.value * gift.quantity,
            created_at=datetime.now(UTC),
            host_user_id=self.sessions[gift.session_id].host_user_id,
            status="pending",
            settled_at=None,
        )
        return self.gifts[gift.id]

    async def settle_gift(self, session_id: str, gift_id: str, paid: bool, at: datetime) -> GiftRecord:
        await self._work()
        if self.gifts[gift_id].status == "pending":
            change = {"status": "paid" if paid else "refused", "settled_at": at}
            self.gifts[gift_id] = self.gifts[gift_id].model_copy(update=change)
        return self.gifts[gift_id]

    async def pending_gifts(self) -> list[GiftRecord]:
        await self._work()
        return [gift for gift in self.gifts.values() if gift.status == "pending"]

    async def gift_totals(self, session_id: str, limit: int) -> GiftTotals | None:
        await self._work()
        paid = [g for g in self.gifts.values() if g.session_id == session_id and g.status == "paid"]
        value = sum(gift.value for gift in paid)
        totals = GiftTotals(gifts=sum(gift.quantity for gift in paid), value=value, senders=[])
        return totals if session_id in self.sessions else None

    async def live_session_ids(self) -> list[str]:
        await self._work()
        return [session.id for session in self.sessions.values() if session.status == "live"]


@dataclass
class FakeProducer:
    transport_id: str
    parameters: ProducerParameters
    paused: bool


@dataclass
class FakeConsumer:
    transport_id: str
    producer_id: str
    payload_types: tuple[int, ...] | None = None
    """None before `start_consumer`."""
    paused: bool = False


@dataclass
class FakeRoom:
    """`ports.MediaRoom`. `hold[method]` makes calls of a method wait, `fail[method]` makes them raise that code."""

    listener: MediaListener
    transports: dict[str, RemoteTransportParameters | None] = field(default_factory=dict)
    producers: dict[str, FakeProducer] = field(default_factory=dict)
    consumers: dict[str, FakeConsumer] = field(default_factory=dict)
    hold: dict[str, asyncio.Event] = field(default_factory=dict)
    fail: dict[str, str] = field(default_factory=dict)
    asked_for_stats: int = 0
    closed: bool = False
    lost: bool = False

    def lose(self) -> None:
        """The worker dies."""
        self.lost = True
        self.listener.media_lost()

    async def _work(self, method: str) -> None:
        if method in self.hold:
            await self.hold[method].wait()
        if self.lost:
            raise MediaError("worker_lost", "the worker is gone")
        if method in self.fail:
            raise MediaError(self.fail[method], method)

    async def create_transport(self, transport_id: str) -> TransportParameters:
        await self._work("create_transport")
        self.transports[transport_id] = None
        algorithm, value = FINGERPRINT.split()
        return TransportParameters(
            ice_ufrag="serverufrag",
            ice_pwd="serverpasswordserverpassword",
            candidates=(IceCandidate(address="127.0.0.1", port=40000, foundation="1", priority=1),),
            fingerprints=(Fingerprint(algorithm=algorithm, value=value),),
        )

    async def connect_transport(self, transport_id: str, remote: RemoteTransportParameters) -> None:
        await self._work("connect_transport")
        self._known(transport_id, self.transports, "unknown_transport")
        self.transports[transport_id] = remote

    async def close_transport(self, transport_id: str) -> None:
        await self._work("close_transport")
        self.transports.pop(transport_id, None)
        for producer_id in [key for key, value in self.producers.items() if value.transport_id == transport_id]:
            self._forget_producer(producer_id)
        for key in [key for key, value in self.consumers.items() if value.transport_id == transport_id]:
            del self.consumers[key]

    async def produce(self, transport_id: str, producer_id: str, parameters: ProducerParameters, paused: bool) -> None:
        await self._work("produce")
        self._known(transport_id, self.transports, "unknown_transport")
        self.producers[producer_id] = FakeProducer(transport_id, parameters, paused)

    async def set_producer_paused(self, producer_id: str, paused: bool) -> None:
        await self._work("set_producer_paused")
        self._known(producer_id, self.producers, "unknown_producer").paused = paused

    async def close_producer(self, producer_id: str) -> None:
        await self._work("close_producer")
        self._known(producer_id, self.producers, "unknown_producer")
        self._forget_producer(producer_id)

    async def consume(self, transport_id: str, consumer_id: str, producer_id: str) -> ConsumerParameters:
        await self._work("consume")
        self._known(transport_id, self.transports, "unknown_transport")
        kind = self._known(producer_id, self.producers, "unknown_producer").parameters.kind
        self.consumers[consumer_id] = FakeConsumer(transport_id, producer_id)
        return ConsumerParameters(
            consumer_id=consumer_id,
            producer_id=producer_id,
            kind=kind,
            ssrc=len(self.consumers) * 10,
            rtx_ssrc=len(self.consumers) * 10 + 1 if kind == "video" else None,
            cname="fake",
            codecs=(VP8,) if kind == "video" else (OPUS,),
            header_extensions=(),
        )

    async def start_consumer(self, consumer_id: str, payload_types: Any) -> None:
        await self._work("start_consumer")
        self._known(consumer_id, self.consumers, "unknown_consumer").payload_types = tuple(payload_types)

    async def set_consumer_paused(self, consumer_id: str, paused: bool) -> None:
        await self._work("set_consumer_paused")
        self._known(consumer_id, self.consumers, "unknown_consumer").paused = paused

    async def close_consumer(self, consumer_id: str) -> None:
        await self._work("close_consumer")
        self._known(consumer_id, self.consumers, "unknown_consumer")
        del self.consumers[consumer_id]

    async def stats(self) -> tuple[TransportStats, ...]:
        await self._work("stats")
        self.asked_for_stats += 1
        return tuple(
            TransportStats(
                transport_id=key,
                state="connected",
                srtp_profile="AEAD_AES_128_GCM",
                remote_address="192.0.2.1:9",
                producers=(),
                consumers=(),
            )
            for key in self.transports
        )

    async def close(self) -> None:
        self.closed = True

    def _forget_producer(self, producer_id: str) -> None:
        del self.producers[producer_id]
        for key in [key for key, value in self.consumers.items() if value.producer_id == producer_id]:
            del self.consumers[key]

    @staticmethod
    def _known(key: str, table: dict[str, Any], code: str) -> Any:
        if key not in table:
            raise MediaError(code, key)
        return table[key]


class FakePlane:
    """`ports.MediaPlane`. `rooms` in the order of their making."""

    def __init__(self) -> None:
        self.rooms: list[FakeRoom] = []
        self.down = False
        self.hold: asyncio.Event | None = None
        """Rooms are made, but nobody hears of them before it is set."""

    async def create_room(self, room_id: str, listener: MediaListener) -> FakeRoom:
        if self.down:
            raise MediaError("no_worker", "none")
        room = FakeRoom(listener)
        self.rooms.append(room)
        if self.hold is not None:
            await self.hold.wait()
        return room


class FakeLink:
    """`participant.Link`: keeps what was sent."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.closed: tuple[int, str] | None = None

    def send(self, frame: bytes) -> None:
        if self.closed is None:
            self.frames.append(frame)

    def close(self, code: int, reason: str) -> None:
        self.closed = self.closed or (int(code), reason)

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(frame) for frame in self.frames]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["type"] == kind]

    def last(self, kind: str) -> dict[str, Any]:
        found = self.of(kind)
        assert found, f"no {kind} among {[message['type'] for message in self.messages]}"
        return found[-1]

    def forget(self) -> None:
        self.frames.clear()


async def settle() -> None:
    """Let everything run that can run now."""
    for _ in range(60):
        await asyncio.sleep(0)


class World:
    """A service on fakes, with a clock that the test moves."""

    def __init__(
        self, store: FakeStore | None = None, plane: FakePlane | None = None, *, pay: Pay = for_free, **timings: float
    ) -> None:
        self.now = 1000.0
        self.store = store or FakeStore()
        self.plane = plane or FakePlane()
        quick = {"answer_timeout_s": 5.0, "room_wait_s": 5.0, "first_retry_s": 0.001, "max_retry_s": 0.002} | timings
        config = ServiceConfig(
            resume_grace_s=30,
            first_connect_grace_s=120,
            sweep_interval_s=3600,
            media=MediaTimings(**quick),
            pay=pay,
        )
        self.service = RoomService(self.store, self.plane, config, clock=lambda: self.now)
        self.session_id = ""

    async def person(self, name: str) -> Person:
        """A stranger with a token."""
        return Person(self, Identity(user_id=f"user-{name}", name=name))

    async def host(self, name: str = "Hana", session_type: SessionType = "camera", **settings: Any) -> Person:
        """Goes live and attaches a socket."""
        host = await self.person(name)
        session, view = await self.service.start(host.identity, "Title", "", session_type, SessionSettings(**settings))
        self.session_id, host.id = session.id, view.id
        await host.attach()
        return host

    async def viewer(self, name: str) -> Person:
        viewer = await self.person(name)
        await viewer.attach()
        return viewer

    async def guest(self, name: str) -> Person:
        guest = await self.viewer(name)
        request = await guest.ask()
        if request.status == "pending":
            room = self.service._rooms[self.session_id]
            host = Identity(user_id=room.host.user_id, name="host")
            await self.service.respond_guest_request(host, self.session_id, request.id, True)
        return guest

    async def cohost(self, name: str) -> Person:
        cohost = await self.guest(name)
        host = Identity(user_id=self.service._rooms[self.session_id].host.user_id, name="host")
        await self.service.manage_participant(host, self.session_id, cohost.id, "promote")
        return cohost

    @property
    def room(self) -> FakeRoom:
        """The newest media room."""
        return self.plane.rooms[-1]


class Person:
    def __init__(self, world: World, identity: Identity) -> None:
        self.world = world
        self.service = world.service
        self.identity = identity
        self.link = FakeLink()
        self.id = ""
        self.publish_id: str | None = None

    @property
    def session_id(self) -> str:
        return self.world.session_id

    @property
    def view(self) -> Any:
        return self.world.service._rooms[self.session_id].members[self.id].view()

    async def attach(self, resume: str | None = None) -> dict[str, Any]:
        """With a new socket; the `welcome`."""
        self.link = FakeLink()
        await self.service.attach(self.identity, self.session_id, self.link, resume)
        welcome = self.link.last("welcome")
        self.id = welcome["you"]["id"]
        return welcome

    def detach(self) -> None:
        self.service.detach(self.identity, self.session_id, self.link)

    async def join(self) -> Any:
        """Over REST, without a socket."""
        _, view = await self.service.join(self.identity, self.session_id)
        self.id = view.id
        return view

    async def ask(self, message: str = "") -> GuestRequestRecord:
        return await self.service.request_guest(self.identity, self.session_id, message)

    async def respond(self, request_id: str, approve: bool) -> GuestRequestRecord:
        return await self.service.respond_guest_request(self.identity, self.session_id, request_id, approve)

    async def manage(self, target: Person, action: Any) -> Any:
        return await self.service.manage_participant(self.identity, self.session_id, target.id, action)

    async def mute(self, kind: Any, muted: bool) -> None:
        await self.service.set_muted(self.identity, self.session_id, kind, muted)

    async def leave(self) -> None:
        await self.service.leave(self.identity, self.session_id)

    async def end(self) -> SessionRecord:
        return (await self.service.end(self.identity, self.session_id)).session

    async def publish(self, *, fresh: bool = True, microphone: bool = True, camera: bool = True) -> str:
        """Offer the two sources (or end them); the answer's SDP."""
        tracks = [
            sdp.SentTrack("0", "audio", 1, active=microphone),
            sdp.SentTrack("1", "video", 2, 3, active=camera),
        ]
        offer = sdp.publish_offer(credentials(), tracks)
        sources = {"0": "microphone"} if microphone else {}
        sources |= {"1": "camera"} if camera else {}
        self.publish_id, answer = await self.service.publish_offer(
            self.identity, self.session_id, None if fresh else self.publish_id, offer, sources
        )
        await settle()
        return answer

    async def answer(self, offer: dict[str, Any] | None = None) -> None:
        """Accept the last `receive_offer`, or that one."""
        offer = offer or self.link.last("receive_offer")
        answer = sdp.receive_answer(credentials(), sdp.parse(offer["sdp"]))
        await self.service.receive_answer(
            self.identity, self.session_id, offer["connection_id"], offer["offer_id"], answer
        )
        await settle()

    def received(self) -> dict[str, FakeConsumer]:
        """Started consumers of this person's connection by producer id."""
        transport = self.link.last("receive_offer")["connection_id"]
        consumers = self.world.room.consumers.values()
        return {c.producer_id: c for c in consumers if c.transport_id == transport and c.payload_types}

    def producer(self, kind: str) -> FakeProducer:
        """What the worker knows of this person's only source of that kind."""
        (source,) = [source for source in self.view.sources if source.kind == kind]
        return self.world.room.producers[source.producer_id]


def credentials() -> sdp.Credentials:
    return sdp.Credentials("peerufrag", "peerpasswordpeerpassword", FINGERPRINT)
