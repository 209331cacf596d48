"""The room service: every verb of the product, once. REST and the WebSocket are two faces of it."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import uuid4

from . import messages
from .chat import ChatVerbs
from .errors import LiveError
from .gifts import GiftVerbs
from .invitations import InvitationVerbs
from .join_tokens import JoinTokenVerbs
from .listing import ActiveOrder, ActivePage, ActiveSearch, Place, place_of
from .messages import Message, ParticipantView, Welcome
from .model import ParticipantRecord, Role, SessionRecord, SessionSettings, SessionType, Source
from .moderation import ModerationVerbs
from .operator import OperatorVerbs
from .participant import Former, Link, Participant
from .permissions import require, require_sources
from .ports import Identity, MediaError
from .protocol import CloseCode
from .registry import now, participant_id, stored
from .room import Room
from .room_chat import NOT_KNOWN, WELCOME
from .session_settings import SettingsVerbs
from .statistics import StatisticsVerbs
from .upkeep import Ending, Upkeep


class RoomService(
    OperatorVerbs,
    JoinTokenVerbs,
    InvitationVerbs,
    ModerationVerbs,
    SettingsVerbs,
    ChatVerbs,
    StatisticsVerbs,
    GiftVerbs,
    Upkeep,
):
    """Verbs take who calls and the session's id, and may raise `LiveError`.

    `open` first, `close` at the end. All of it runs on one event loop.
    """

    # Sessions

    async def start(
        self,
        identity: Identity,
        title: str,
        description: str,
        session_type: SessionType,
        settings: SessionSettings,
    ) -> tuple[SessionRecord, ParticipantView]:
        """Go live. `already_live` where the caller hosts a session already."""
        current = self._hosting.get(identity.user_id)
        if current is not None:
            raise LiveError("already_live", details={"session_id": current})
        at = now()
        session = SessionRecord(
            id=str(uuid4()),
            host_user_id=identity.user_id,
            host_name=identity.name,
            title=title,
            description=description,
            session_type=session_type,
            started_at=at,
            settings=settings,
        )
        host = _new_participant(session.id, identity, Role.HOST)
        self._hosting[identity.user_id] = session.id
        try:
            await self._end_orphans()
            banned = await stored(self._banned_by(identity.user_id))
            await stored(self._store_as(identity).create_session(session, host))
        except BaseException:
            del self._hosting[identity.user_id]
            # Where only the database's answer was lost there is now a row that is live and has no room.
            self._orphans[session.id] = self._clock()
            raise
        room = self._rooms[session.id] = self._new_room(session, fresh=True)
        room.banned = banned
        member = room.add(host, self._clock() + self.config.first_connect_grace_s)
        return room.session, member.view()

    async def join(self, identity: Identity, session_id: str) -> tuple[SessionRecord, ParticipantView]:
        """Come in as a viewer; who is in already stays what they are."""
        room, member = await self._enter(identity, session_id)
        return room.session, member.view()

    async def leave(self, identity: Identity, session_id: str) -> None:
        """Leave the session. The host can't: `forbidden`."""
        room = await self._room(identity, session_id)
        async with room.gate.user(identity.user_id):
            me = room.member(identity)
            require(me.role, "leave")
            await self._depart(room, me, "left", identity)

    async def end(self, identity: Identity, session_id: str) -> Ending:
        room = await self._room(identity, session_id)
        require(room.member(identity).role, "end")
        return await self._finish(room, "ended_by_host", identity)

    async def list_active(
        self,
        identity: Identity,
        text: str = "",
        order: ActiveOrder = "started",
        cursor: str | None = None,
        limit: int = 50,
    ) -> ActivePage:
        """Live sessions with `text` in the title or the host's name. `cursor` comes from the page before."""
        try:
            after = None if cursor is None else place_of(cursor, order)
        except ValueError:
            problem = {"field": "cursor", "problem": "It is none of this list in this order."}
            raise LiveError("invalid_request", details=[problem]) from None
        found = await stored(self._store_as(identity).active_sessions(ActiveSearch(text, order, after, limit + 1)))
        more = len(found) > limit
        return ActivePage(found[:limit], Place.of(order, found[limit - 1]).cursor() if more else None)

    async def get_session(self, identity: Identity, session_id: str) -> SessionRecord:
        """Live or ended."""
        room = self._rooms.get(session_id)
        return room.session if room is not None else await self._ended_session(identity, session_id)

    async def participants(self, identity: Identity, session_id: str) -> list[ParticipantView]:
        """Whom the caller, who has to be in the session, may see."""
        room = await self._room(identity, session_id)
        return room.visible_to(room.member(identity))

    # Sockets

    async def attach(
        self, identity: Identity, session_id: str, link: Link, resume: str | None = None, request_id: str | None = None
    ) -> None:
        """Give a participant a socket and send it `welcome`. Who is not in yet joins as a viewer."""
        await self._fill_chat(await self._room(identity, session_id))
        room, me = await self._enter(identity, session_id)
        if me.link is not None:
            me.link.close(CloseCode.REPLACED, "replaced")
        resumed = me.may_resume(resume)
        me.link, me.absent_until = link, None
        # The publish connection of a client that does not resume is gone; nobody is to see its sources any more.
        had_sources = not resumed and bool(me.peer.publisher.producers)
        me.peer.attach(resumed=resumed)
        chat = room.chat.latest(WELCOME) or NOT_KNOWN
        content = Welcome(
            session=room.session,
            you=me.view(),
            participants=room.visible_to(me),
            guest_requests=room.requests_for(me),
            reactions=room.reactions.totals(self.config.reactions),
            messages=chat.messages,
            more_messages=chat.more,
            resumed=resumed,
            resume_token=me.renew_resume_token(),
            grace_s=self.config.resume_grace_s,
            ice_servers=self.config.ice_servers(me.id),
        )
        link.send(messages.encode(messages.welcome(content, request_id)))
        if had_sources:
            room.media.changed(me.id)
        else:
            room.tell_updated(me)

    def detach(self, identity: Identity, session_id: str, link: Link) -> None:
        """A socket is gone. Its participant stays for the grace period, unless another socket took over."""
        room = self._live_room(session_id)
        me = room.by_user.get(identity.user_id) if room is not None else None
        if room is None or me is None or me.link is not link:
            return
        me.link = None
        me.absent_until = self._clock() + self.config.resume_grace_s
        me.peer.subscriber.detach()
        room.tell_updated(me)

    # Media

    async def publish_offer(
        self,
        identity: Identity,
        session_id: str,
        connection_id: str | None,
        sdp: str,
        sources: Mapping[str, Source],
    ) -> tuple[str, str]:
        """Answer an offer: the connection's id, and the SDP."""
        room = await self._room(identity, session_id)
        me = room.member(identity)
        require(me.role, "publish")
        require_sources(room.session.session_type, sources.values())
        return await me.peer.publisher.offer(connection_id, sdp, sources)

    async def publish_close(self, identity: Identity, session_id: str) -> None:
        me = await self._me(identity, session_id)
        await me.peer.publisher.close()

    async def receive_answer(
        self, identity: Identity, session_id: str, connection_id: str, offer_id: int, sdp: str
    ) -> None:
        me = await self._me(identity, session_id)
        me.peer.subscriber.answer(connection_id, offer_id, sdp)

    async def receive_restart(self, identity: Identity, session_id: str) -> None:
        me = await self._me(identity, session_id)
        me.peer.subscriber.restart()

    async def set_subscription(self, identity: Identity, session_id: str, producer_id: str, paused: bool) -> None:
        me = await self._me(identity, session_id)
        await me.peer.subscriber.set_paused(producer_id, paused)

    async def stats(self, identity: Identity, session_id: str) -> list[Message]:
        """The caller's two connections."""
        me = await self._me(identity, session_id)
        try:
            return await me.peer.stats()
        except MediaError:
            raise LiveError("media_unavailable") from None

    # Inside

    async def _me(self, identity: Identity, session_id: str) -> Participant:
        return (await self._room(identity, session_id)).member(identity)

    async def _enter(self, identity: Identity, session_id: str) -> tuple[Room, Participant]:
        room = await self._room(identity, session_id)
        async with room.gate.user(identity.user_id):
            room.require_admitted(identity)
            member = room.by_user.get(identity.user_id)
            if member is None:
                room.require_open_to(identity.user_id)
                with room.reserved_seat():
                    former = room.former.get(identity.user_id)
                    record = _new_participant(room.id, identity, Role.VIEWER, former)
                    await stored(self._store_as(identity).upsert_participant(record))
                    member = room.add(record, self._clock() + self.config.first_connect_grace_s)
                room.tell_joined(member)
                room.counts_changed()
            return room, member


def _new_participant(
    session_id: str, identity: Identity, role: Role, former: Former | None = None
) -> ParticipantRecord:
    return ParticipantRecord(
        id=former.id if former else participant_id(session_id, identity.user_id),
        session_id=session_id,
        user_id=identity.user_id,
        name=identity.name,
        role=role,
        audio_locked=former.audio_locked if former else False,
        video_locked=former.video_locked if former else False,
        chat_silenced=former.chat_silenced if former else False,
        joined_at=now(),
    )
