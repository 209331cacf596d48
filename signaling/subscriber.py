"""A participant's receive connection: the server offers everything that the others publish.

One task per participant, alive only while there is something to negotiate. It makes one offer at a time and waits for
the answer; what changes meanwhile is gathered into the next offer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar
from uuid import uuid4

from sfu.worker.messages import TransportParameters, TransportState

from . import messages
from .errors import LiveError
from .media import Producer, RoomMedia
from .ports import MediaError, MediaRoom
from .receive import ReceiveAnswer, ReceiveNegotiation, ReceiveOffer, StaleAnswer
from .sdp.errors import SdpError

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

MAX_FAILURES = 3
"""Connections that may fail in a row before the server waits for the client to ask again."""


class _Consumer:
    def __init__(self, producer_id: str) -> None:
        self.id = str(uuid4())
        self.producer_id = producer_id
        self.started = False
        self.paused = False
        """What the worker was told last."""


class _Connection:
    def __init__(self, room: MediaRoom) -> None:
        self.id = str(uuid4())
        self.room = room
        self.transport: TransportParameters | None = None
        self.connected = False
        self.negotiation = ReceiveNegotiation()
        self.consumers: dict[str, _Consumer] = {}
        """By producer id."""
        self.refused: set[str] = set()
        """Producers that this peer can't decode."""
        self.offer: ReceiveOffer | None = None
        self.answer: ReceiveAnswer | None = None


class Subscriber:
    """At most one connection at a time, and none before there is something to receive and a socket to offer it on."""

    def __init__(self, participant_id: str, media: RoomMedia) -> None:
        self._participant_id = participant_id
        self._media = media
        self._connection: _Connection | None = None
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._attachments = 0
        self._attached = False
        self._dirty = False
        self._condemned = False
        """The connection is to be closed, and made anew where it may."""
        self._waiting_for_client = False
        """Nothing is offered before the client asks for it (`restart`) or comes with a new socket."""
        self._closed = False
        self._failures = 0
        self._unwanted: set[str] = set()

    @property
    def connection_id(self) -> str | None:
        return self._connection.id if self._connection else None

    def attach(self, *, resumed: bool) -> None:
        """There is a socket. Unless it was `resumed`, the peer knows nothing of the connection so far."""
        self._attached = True
        self._attachments += 1
        if not resumed:
            self._condemned = True
            self._unwanted.clear()
        self._start_over()

    def detach(self) -> None:
        self._attached = False
        self._changed.set()

    def refresh(self) -> None:
        """What can be received changed."""
        self._dirty = True
        self._wake()

    def restart(self) -> None:
        """The client's end failed: close the connection and make a new one."""
        self._condemned = True
        self._start_over()

    def forget(self) -> None:
        """The worker is gone, and the transport with it."""
        self._connection = None
        self._unwanted.clear()
        self._start_over()

    def answer(self, connection_id: str, offer_id: int, sdp: str) -> None:
        """Take an answer. Raises `LiveError`: `stale_answer`, or `invalid_sdp` (the offer stays open)."""
        connection = self._connection
        if connection is None or connection.id != connection_id or connection.offer is None:
            raise LiveError("stale_answer")
        try:
            connection.answer = connection.negotiation.answer(offer_id, sdp)
        except StaleAnswer:
            raise LiveError("stale_answer") from None
        except SdpError as error:
            raise LiveError("invalid_sdp", str(error)) from None
        self._wake()

    async def set_paused(self, producer_id: str, paused: bool) -> None:
        """Stop or resume what one producer sends to this participant. Raises `LiveError` `unknown_producer`."""
        producer = self._media.producers.get(producer_id)
        if producer is None or producer.participant_id == self._participant_id:
            raise LiveError("unknown_producer")
        if paused:
            self._unwanted.add(producer_id)
        else:
            self._unwanted.discard(producer_id)
        connection = self._connection
        consumer = connection.consumers.get(producer_id) if connection else None
        if connection is not None and consumer is not None and consumer.started:
            try:
                await self._settle_pause(connection, consumer)
            except MediaError as error:
                raise LiveError("media_unavailable") from error

    async def close(self) -> None:
        """Close the connection for good."""
        self._closed = True
        self._wake()
        if self._task is not None:
            await asyncio.wait({self._task})

    def _start_over(self) -> None:
        self._waiting_for_client = False
        self._failures = 0
        self._dirty = True
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        if self._task is None or self._task.done():
            self._task = self._media.spawn(self._run())

    async def _run(self) -> None:
        while True:
            if self._condemned or self._closed:
                await self._drop()
            if self._closed or self._waiting_for_client or not self._attached:
                return
            connection = self._connection
            if connection is not None and connection.offer is not None:
                await self._guarded(self._exchange(connection, connection.offer))
            elif not self._dirty:
                return
            elif connection is not None:
                await self._guarded(self._prepare(connection))
            elif not await self._connect():
                return

    async def _guarded(self, step: Coroutine[Any, Any, None]) -> None:
        """A step that fails costs the connection, not the participant, and never the room."""
        connection = self._connection
        try:
            await step
        except (MediaError, TimeoutError) as error:
            if connection is not self._connection:
                return
            logger.info("receive connection of %s failed: %s", self._participant_id, str(error) or "no answer")
            self._failures += 1
            self._condemned = True
            self._dirty = True
            self._waiting_for_client = self._failures >= MAX_FAILURES

    async def _drop(self) -> None:
        self._condemned = False
        connection, self._connection = self._connection, None
        if connection is not None:
            await self._media.close_transport(connection.room, connection.id)

    async def _connect(self) -> bool:
        """Make a connection. False where there is nothing to receive, or no worker (the room calls again with one)."""
        if next(self._media.receivable(self._participant_id), None) is None:
            self._dirty = False
            return False
        try:
            room = await self._media.room()
        except MediaError:
            return False
        self._connection = _Connection(room)
        return True

    async def _prepare(self, connection: _Connection) -> None:
        """Bring the consumers in line with what is published, and make an offer if that changed anything."""
        self._dirty = False
        if connection.transport is None:
            transport = await connection.room.create_transport(connection.id)
            self._media.watch(connection.id, "receive", lambda state: self._transport_changed(connection, state))
            connection.transport = transport
        wanted = {producer.id: producer for producer in self._media.receivable(self._participant_id)}
        self._unwanted.intersection_update(wanted)
        for producer_id in connection.consumers.keys() - wanted.keys():
            await self._remove(connection, connection.consumers[producer_id])
        for producer in wanted.values():
            if producer.id not in connection.consumers and producer.id not in connection.refused:
                await self._add(connection, producer)
        if connection.negotiation.wants_offer:
            connection.offer = connection.negotiation.offer(connection.transport)

    async def _add(self, connection: _Connection, producer: Producer) -> None:
        consumer = _Consumer(producer.id)
        parameters = await _unless_gone(connection.room.consume(connection.id, consumer.id, producer.id))
        if parameters is None:
            return
        connection.consumers[producer.id] = consumer
        connection.negotiation.add(parameters, producer.participant_id, producer.source)

    async def _remove(self, connection: _Connection, consumer: _Consumer) -> None:
        connection.consumers.pop(consumer.producer_id, None)
        connection.negotiation.remove(consumer.id)
        await _unless_gone(connection.room.close_consumer(consumer.id))

    async def _exchange(self, connection: _Connection, offer: ReceiveOffer) -> None:
        """Send the offer and carry out the answer. Returns without one where the connection or the socket is gone."""
        if connection.answer is None:
            self._media.events.send(self._participant_id, messages.receive_offer(connection.id, offer))
            async with asyncio.timeout(self._media.timings.answer_timeout_s):
                await self._until_answered(connection)
        answer, connection.answer = connection.answer, None
        if answer is None or connection is not self._connection:
            return
        connection.offer = None
        await self._carry_out(connection, answer)
        self._failures = 0
        self._dirty = self._dirty or connection.negotiation.wants_offer

    async def _until_answered(self, connection: _Connection) -> None:
        attachment = self._attachments

        def interrupted() -> bool:
            return (
                self._closed
                or self._condemned
                or not self._attached
                or attachment != self._attachments
                or connection is not self._connection
            )

        while connection.answer is None and not interrupted():
            self._changed.clear()
            await self._changed.wait()

    async def _carry_out(self, connection: _Connection, answer: ReceiveAnswer) -> None:
        room = connection.room
        if answer.remote is not None and not connection.connected:
            await room.connect_transport(connection.id, answer.remote)
            connection.connected = True
        by_id = {consumer.id: consumer for consumer in connection.consumers.values()}
        for consumer_id, payload_types in answer.accepted.items():
            consumer = by_id.get(consumer_id)
            if consumer is not None:
                await self._settle_pause(connection, consumer)
                await _unless_gone(room.start_consumer(consumer_id, payload_types))
                consumer.started = True
                await self._settle_pause(connection, consumer)
        for consumer_id in answer.rejected:
            consumer = by_id.get(consumer_id)
            if consumer is not None:
                connection.refused.add(consumer.producer_id)
                await self._remove(connection, consumer)

    async def _settle_pause(self, connection: _Connection, consumer: _Consumer) -> None:
        while consumer.paused != (wanted := consumer.producer_id in self._unwanted):
            # Told first: a change that comes during the call sees it, and makes another round or another call.
            consumer.paused = wanted
            await _unless_gone(connection.room.set_consumer_paused(consumer.id, wanted))

    def _transport_changed(self, connection: _Connection, state: TransportState) -> None:
        if state in ("failed", "closed") and connection is self._connection:
            # The client sees the same and asks for a new one; if it is about to leave, there is no point in offering.
            self._condemned = self._waiting_for_client = self._dirty = True
            self._wake()


async def _unless_gone(call: Awaitable[Result]) -> Result | None:
    """A producer takes its consumers with it when it ends, at any time; the room calls `refresh` about that."""
    try:
        return await call
    except MediaError as error:
        if error.code in ("unknown_producer", "unknown_consumer"):
            return None
        raise
