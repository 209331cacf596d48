"""A live room: who is in it, what is reserved, and who hears what. Synchronous; the verbs are in `service`."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from sfu.rtp.parameters import MediaKind

from . import messages
from .announcer import Announcer
from .counters import Counters, SessionTally
from .errors import LiveError
from .gate import Gate
from .media import MediaTimings, RoomMedia
from .messages import Message, ParticipantView
from .model import GuestRequestRecord, ParticipantRecord, RequestKind, SessionRecord, SessionSettings, SessionStatistics
from .participant import Former, Participant
from .peer import Peer
from .permissions import GUEST_SLOTS, MODERATORS, STAGE
from .ports import Identity, MediaPlane
from .protocol import CloseCode
from .room_chat import MessageWriter, RoomChat
from .room_reactions import RoomReactions

COUNTS_INTERVAL_S = 1.0
REMEMBERED_ANSWERS = 1000
"""Answered requests whose ids are still told from unknown ones."""
OTHER_SESSION = "This token is for another session."


class Room:
    """Implements `media.MediaEvents`.

    A verb reserves what it needs, writes to the store, and only then changes what others can see: where the store fails
    there is nothing to undo, and nobody notices.
    """

    def __init__(
        self,
        session: SessionRecord,
        plane: MediaPlane,
        timings: MediaTimings,
        counters: Counters,
        chat_writer: MessageWriter,
        *,
        fresh: bool,
    ) -> None:
        """`fresh`: the session has just begun, and the store knows of nothing that happened in it."""
        self.gate = Gate()
        self.members: dict[str, Participant] = {}
        """By participant id."""
        self.by_user: dict[str, Participant] = {}
        self.former: dict[str, Former] = {}
        """Who left, by user id: one row per user and session, and a host's lock outlives leaving."""
        self.kicked: set[str] = set()
        """User ids."""
        self.banned: dict[str, str] = {}
        """Whom this session's host does not let in anywhere: the session where that was decided, by user id."""
        self.requests: dict[str, GuestRequestRecord] = {}
        """Pending ones by id, invitations among them."""
        self.may_ask_at: dict[str, float] = {}
        """When (monotonic seconds) somebody whose request was rejected may ask again, by user id."""
        self.media = RoomMedia(session.id, plane, self, timings, counters)
        self.tally = SessionTally(counters)
        self.chat = RoomChat(session.id, chat_writer, self.tell_all, self.tally, fresh=fresh)
        self.reactions = RoomReactions(self.tell_all, self.tally, lambda: len(self.members))
        self.announcer = Announcer(
            session.id, self.chat.post, lambda: len(self.members), lambda: self._session.settings.enable_chat
        )
        self._session = session
        self._answered: OrderedDict[str, None] = OrderedDict()
        self._open_until: dict[str, float] = {}
        self._reserved_seats = 0
        self._reserved_slots = 0
        self._counts_timer: asyncio.TimerHandle | None = None
        self._counts_told_at = 0.0

    # Who is here

    @property
    def id(self) -> str:
        return self._session.id

    @property
    def live(self) -> bool:
        return self._session.status == "live"

    @property
    def host(self) -> Participant:
        return self.by_user[self._session.host_user_id]

    @property
    def session(self) -> SessionRecord:
        """With the counts of now."""
        if not self.live:
            return self._session
        viewers = sum(1 for member in self.members.values() if member.role not in STAGE)
        return self._session.model_copy(update={"viewer_count": viewers, "guest_count": self._guests()})

    def require_live(self) -> None:
        if not self.live:
            raise LiveError("session_ended")

    def member(self, identity: Identity) -> Participant:
        """The caller. Raises `LiveError`: `not_joined`, and what `require_admitted` does."""
        self.require_admitted(identity)
        member = self.by_user.get(identity.user_id)
        if member is None:
            raise LiveError("not_joined")
        return member

    def target(self, participant_id: str) -> Participant:
        self.require_live()
        member = self.members.get(participant_id)
        if member is None:
            raise LiveError("participant_not_found")
        return member

    def require_admitted(self, identity: Identity) -> None:
        """Raises `LiveError`: `forbidden` for a token of another session, `session_ended`, `kicked`, `banned`."""
        if identity.session_id not in (None, self.id):
            raise LiveError("forbidden", OTHER_SESSION)
        self.require_live()
        self.require_not_kicked(identity.user_id)

    def require_not_kicked(self, user_id: str) -> None:
        """Raises `LiveError`: `kicked`, `banned`."""
        if user_id in self.banned:
            raise LiveError("banned")
        if user_id in self.kicked:
            raise LiveError("kicked")

    def require_open_to(self, user_id: str) -> None:
        """Raises `LiveError` `session_locked` for somebody who was never in a session that is locked."""
        if self._session.settings.locked and user_id not in self.by_user and user_id not in self.former:
            raise LiveError("session_locked")

    # Room for more

    @contextmanager
    def reserved_seat(self) -> Iterator[None]:
        """Hold one of `max_participants` places. Raises `LiveError` `session_full`."""
        if len(self.members) + self._reserved_seats >= self._session.settings.max_participants:
            raise LiveError("session_full")
        self._reserved_seats += 1
        try:
            yield
        finally:
            self._reserved_seats -= 1

    @contextmanager
    def reserved_slot(self) -> Iterator[None]:
        """Hold one of `max_guests` places on stage. Raises `LiveError` `stage_full`."""
        if self.free_slots < 1:
            raise LiveError("stage_full")
        self._reserved_slots += 1
        try:
            yield
        finally:
            self._reserved_slots -= 1

    @property
    def free_slots(self) -> int:
        """Places on stage that nobody has or is about to take."""
        return max(0, self._session.settings.max_guests - self._guests() - self._reserved_slots)

    def _guests(self) -> int:
        return sum(1 for member in self.members.values() if member.role in GUEST_SLOTS)

    # Changes

    def add(self, record: ParticipantRecord, absent_until: float) -> Participant:
        member = Participant(record, Peer(record.id, self.media), absent_until)
        self.members[member.id] = member
        self.by_user[member.user_id] = member
        self.former.pop(member.user_id, None)
        self.media.peers[member.id] = member.peer
        return member

    def remove(self, member: Participant, record: ParticipantRecord) -> None:
        """Take a participant out, with their media. Tells nobody about them, but offers the others what is left."""
        del self.members[member.id]
        del self.by_user[member.user_id]
        self.media.peers.pop(member.id, None)
        self.former[member.user_id] = Former.of(record)
        member.peer.close_soon()
        self.media.changed(member.id)

    def change_settings(self, settings: SessionSettings) -> None:
        """From now on they hold for what is asked; nobody is thrown out by them. Everybody is told."""
        self._session = self._session.model_copy(update={"settings": settings})
        self.tell_all(messages.session_updated(self.session))

    def finish(self, ended: SessionRecord, statistics: SessionStatistics) -> None:
        """The session has ended: tell everybody and close the sockets."""
        self._session = ended
        self._close_tally(ended)
        self.reactions.tell()
        self.tell_all(messages.session_ended(ended.end_reason or "", statistics))
        self.close_links(CloseCode.SESSION_ENDED, "session_ended")

    def _close_tally(self, ended: SessionRecord) -> None:
        duration_s = ((ended.ended_at or ended.started_at) - ended.started_at).total_seconds()
        # Everybody but the host, who can't leave.
        audience = len(self.members) + len(self.former) - 1
        self.tally.ended(ended.end_reason or "", duration_s, audience)

    def close_links(self, code: CloseCode, reason: str) -> None:
        if self._counts_timer is not None:
            self._counts_timer.cancel()
        self.announcer.close()
        self.reactions.close()
        for member in self.members.values():
            member.peer.subscriber.detach()
            if member.link is not None:
                member.link.close(code, reason)

    def pending_request(self, participant_id: str) -> GuestRequestRecord | None:
        return next((r for r in self.requests.values() if r.participant_id == participant_id), None)

    def waiting_requests(self) -> list[GuestRequestRecord]:
        """Those that host or cohosts have to answer, oldest first."""
        return [request for request in self.requests.values() if request.kind == "request"]

    def pending(self, request_id: str, kind: RequestKind) -> GuestRequestRecord:
        """Raises `LiveError`: `request_answered`, `request_not_found`."""
        request = self.requests.get(request_id)
        if request is None and request_id in self._answered:
            raise LiveError("request_answered")
        if request is None or request.kind != kind:
            raise LiveError("request_not_found")
        return request

    def open_request(self, request: GuestRequestRecord, until: float) -> None:
        """A request or invitation waits for its answer, `until` (monotonic seconds) nobody wants one any more."""
        self.requests[request.id] = request
        self._open_until[request.id] = until

    def overdue_requests(self, now: float) -> list[GuestRequestRecord]:
        return [self.requests[key] for key, until in self._open_until.items() if until <= now]

    def settle_request(self, request: GuestRequestRecord) -> None:
        """A request is pending no more."""
        self.requests.pop(request.id, None)
        self._open_until.pop(request.id, None)
        self._answered[request.id] = None
        if len(self._answered) > REMEMBERED_ANSWERS:
            self._answered.popitem(last=False)

    # Who hears and sees what

    def visible_to(self, viewer: Participant) -> list[ParticipantView]:
        """Everybody on stage; the viewers only for those who moderate."""
        everybody = viewer.role in MODERATORS
        return [
            m.view() if everybody or m is viewer else m.public_view()
            for m in self.members.values()
            if everybody or m.role in STAGE
        ]

    def requests_for(self, viewer: Participant) -> list[GuestRequestRecord]:
        if viewer.role in MODERATORS:
            return list(self.requests.values())
        return [request for request in self.requests.values() if request.participant_id == viewer.id]

    def tell_all(self, message: Message) -> None:
        _broadcast(message, self.members.values())

    def tell_moderators(self, message: Message, *others: Participant) -> None:
        """Hosts, cohosts, and whom else it concerns."""
        audience = {m.id: m for m in self.members.values() if m.role in MODERATORS}
        audience.update((other.id, other) for other in others)
        _broadcast(message, audience.values())

    def tell_joined(self, member: Participant) -> None:
        others = [m for m in self.members.values() if m is not member]
        self._tell_about(messages.participant_joined, member, others, everybody=member.role in STAGE)
        self.announcer.joined(member)

    def tell_left(self, member: Participant, reason: str) -> None:
        message = messages.participant_left(member.id, reason)
        if member.role in STAGE:
            self.tell_all(message)
        else:
            self.tell_moderators(message)
        if reason == "kicked":
            self.announcer.say("kicked", member)
        else:
            self.announcer.left(member)

    def tell_updated(self, member: Participant, *, everybody: bool = False) -> None:
        """`everybody`: also where a viewer is concerned, because they were on stage until now."""
        everybody = everybody or member.role in STAGE
        self._tell_about(messages.participant_updated, member, self.members.values(), everybody=everybody)

    def _tell_about(
        self,
        message: Callable[[ParticipantView], Message],
        member: Participant,
        audience: Iterable[Participant],
        *,
        everybody: bool,
    ) -> None:
        """Those who moderate, and the participant, may learn more than the others."""
        view, public = member.view(), member.public_view()
        if everybody and view == public:
            _broadcast(message(view), audience)
            return
        insiders: list[Participant] = []
        others: list[Participant] = []
        for listener in audience:
            (insiders if listener.role in MODERATORS or listener is member else others).append(listener)
        _broadcast(message(view), insiders)
        if everybody:
            _broadcast(message(public), others)

    def tell_roster(self, member: Participant) -> None:
        """What somebody who moderates from now on could not see before."""
        self._send(member, messages.roster(self.visible_to(member), self.requests_for(member)))

    def counts_changed(self) -> None:
        """Somebody came, left, or went on or off the stage."""
        guests = [member.id for member in self.members.values() if member.role in GUEST_SLOTS]
        self.tally.present(len(self.members) - len(guests) - 1, guests)
        if self._counts_timer is None and self.live:
            loop = asyncio.get_running_loop()
            delay_s = max(0.0, self._counts_told_at + COUNTS_INTERVAL_S - loop.time())
            self._counts_timer = loop.call_later(delay_s, self._tell_counts)

    def _tell_counts(self) -> None:
        self._counts_timer = None
        self._counts_told_at = asyncio.get_running_loop().time()
        if self.live:
            self.tell_all(messages.session_updated(self.session))

    # What the media asks and tells

    def may_publish(self, participant_id: str) -> bool:
        member = self.members.get(participant_id)
        return self.live and member is not None and member.role in STAGE

    def silenced(self, participant_id: str, kind: MediaKind) -> bool:
        member = self.members.get(participant_id)
        return member is None or member.silenced(kind)

    def sources_changed(self, participant_id: str) -> None:
        member = self.members.get(participant_id)
        if member is not None:
            self.tell_updated(member)

    def media_reset(self, reason: str) -> None:
        for member in self.members.values():
            if member.link is None:
                # Nobody could tell them, so they must not believe that their media still flows.
                member.resume_token = None
        self.tell_all(messages.media_reset(reason))

    def send(self, participant_id: str, message: Message) -> None:
        member = self.members.get(participant_id)
        if member is not None:
            self._send(member, message)

    def _send(self, member: Participant, message: Message) -> None:
        _broadcast(message, (member,))


def _broadcast(message: Message, audience: Iterable[Participant]) -> None:
    """Encoded once, whoever listens."""
    links = [member.link for member in audience if member.link is not None]
    if links:
        frame = messages.encode(message)
        for link in links:
            link.send(frame)
