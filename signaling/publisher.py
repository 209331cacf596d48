"""A participant's publish connection: the browser offers, the worker gets a transport and producers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from uuid import uuid4

from sfu.worker.messages import TransportParameters, TransportState

from .errors import LiveError
from .media import Producer, RoomMedia
from .model import Source
from .ports import MediaError, MediaRoom
from .publish import PublishNegotiation, PublishPlan
from .sdp.errors import SdpError

logger = logging.getLogger(__name__)


class _Connection:
    def __init__(self, media: RoomMedia) -> None:
        self.id = str(uuid4())
        self.negotiation = PublishNegotiation(media.extensions)
        self.producers: dict[str, Producer] = {}
        """By mid."""
        self.room: MediaRoom | None = None
        self.transport: TransportParameters | None = None


class Publisher:
    """At most one connection at a time. Work on it is done one after another; `forget` takes effect at once."""

    def __init__(self, participant_id: str, media: RoomMedia) -> None:
        self._participant_id = participant_id
        self._media = media
        self._lock = asyncio.Lock()
        self._connection: _Connection | None = None

    @property
    def connection_id(self) -> str | None:
        return self._connection.id if self._connection else None

    @property
    def producers(self) -> tuple[Producer, ...]:
        return tuple(self._connection.producers.values()) if self._connection else ()

    async def offer(self, connection_id: str | None, sdp: str, sources: Mapping[str, Source]) -> tuple[str, str]:
        """Answer an offer; the id of the connection and the SDP.

        Raises `LiveError`: `forbidden`, `unknown_connection`, `invalid_sdp` (all is as before), `media_unavailable`
        (the connection is closed).
        """
        async with self._lock:
            self._require_stage()
            connection = self._for_offer(connection_id)
            try:
                plan = connection.negotiation.parse_offer(sdp, sources)
            except SdpError as error:
                raise LiveError("invalid_sdp", str(error)) from None
            if connection is not self._connection:
                await self._replace(connection)
            answer: str | None
            try:
                answer = await self._carry_out(connection, plan)
            except MediaError as error:
                logger.info("publish connection of %s failed: %s", self._participant_id, error.code)
                answer = None
            if answer is None or connection is not self._connection:
                # The worker failed; or, while it was being asked, the participant was taken off the stage.
                await self._drop(connection)
                self._require_stage()
                raise LiveError("media_unavailable")
            return connection.id, answer

    async def close(self) -> None:
        """End the connection and all its sources, after what is being done with it."""
        async with self._lock:
            if self._connection is not None:
                await self._drop(self._connection)

    def forget(self) -> _Connection | None:
        """From now on there is no connection and no source. The transport is left to the caller; nobody is told."""
        connection, self._connection = self._connection, None
        if connection is not None:
            for producer in connection.producers.values():
                self._media.producers.pop(producer.id, None)
        return connection

    def close_soon(self) -> None:
        """`forget`, and close the transport in the background. Nobody is told about the sources."""
        connection = self.forget()
        if connection is not None:
            self._media.spawn(self._close_transport(connection))

    async def apply_pauses(self) -> None:
        """Make the worker forward what is not muted, and nothing else. Closes the connection where it does not obey."""
        connection = self._connection
        if connection is None or connection.room is None:
            return
        try:
            await self._settle_pauses(connection)
        except MediaError as error:
            logger.warning("a source of %s could not be paused (%s)", self._participant_id, error.code)
            await self._drop(connection)

    def _require_stage(self) -> None:
        if not self._media.events.may_publish(self._participant_id):
            raise LiveError("forbidden")

    def _for_offer(self, connection_id: str | None) -> _Connection:
        if connection_id is None:
            return _Connection(self._media)
        if self._connection is None or self._connection.id != connection_id:
            raise LiveError("unknown_connection")
        return self._connection

    async def _carry_out(self, connection: _Connection, plan: PublishPlan) -> str:
        if connection.room is None:
            connection.room = await self._media.room()
        room = connection.room
        if plan.first:
            connection.transport = await room.create_transport(connection.id)
            self._media.watch(connection.id, "publish", lambda state: self._transport_changed(connection, state))
            await room.connect_transport(connection.id, plan.remote)
        assert connection.transport is not None
        for sent in plan.ended:
            producer = connection.producers.pop(sent.mid)
            self._media.producers.pop(producer.id, None)
            await room.close_producer(producer.id)
        started = []
        for sent in plan.started:
            kind = sent.parameters.kind
            paused = self._media.events.silenced(self._participant_id, kind)
            producer = Producer(str(uuid4()), self._participant_id, sent.mid, sent.source, kind, paused)
            await room.produce(connection.id, producer.id, sent.parameters, paused)
            started.append(producer)
        if connection is self._connection:
            for producer in started:
                connection.producers[producer.mid] = producer
                self._media.producers[producer.id] = producer
            if plan.ended or plan.started:
                self._media.changed(self._participant_id)
            # Somebody may have muted while the worker was being asked.
            await self._settle_pauses(connection)
        return connection.negotiation.answer(plan, connection.transport)

    async def _settle_pauses(self, connection: _Connection) -> None:
        assert connection.room is not None
        for producer in tuple(connection.producers.values()):
            while producer.paused != (wanted := self._media.events.silenced(self._participant_id, producer.kind)):
                # Told first: a change that comes during the call sees it, and makes another round or another call.
                producer.paused = wanted
                await connection.room.set_producer_paused(producer.id, wanted)

    def _transport_changed(self, connection: _Connection, state: TransportState) -> None:
        if state in ("failed", "closed"):
            self._media.spawn(self._drop(connection))

    async def _replace(self, connection: _Connection) -> None:
        """Put a new connection in the place of the one before, if there was one."""
        former = self.forget()
        self._connection = connection
        if former is not None:
            if former.producers:
                self._media.changed(self._participant_id)
            await self._close_transport(former)

    async def _drop(self, connection: _Connection) -> None:
        """Close a connection. If it is the one of now, the room hears that its sources are gone."""
        if connection is self._connection:
            self.forget()
            if connection.producers:
                self._media.changed(self._participant_id)
        await self._close_transport(connection)

    async def _close_transport(self, connection: _Connection) -> None:
        if connection.room is not None:
            await self._media.close_transport(connection.room, connection.id)
