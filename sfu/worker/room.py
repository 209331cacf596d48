"""A room's router: which transports, producers and consumers there are, and who gets what."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

from sfu.media.consumer import Consumer
from sfu.media.fanout import FanoutTable
from sfu.media.producer import Producer
from sfu.rtp.canonical import (
    ABS_SEND_TIME_ID,
    ABS_SEND_TIME_URI,
    HOP_BY_HOP_URIS,
    TRANSPORT_CC_ID,
    TRANSPORT_CC_URI,
)
from sfu.rtp.parameters import ConsumerParameters, HeaderExtension, ProducerParameters

from .messages import (
    ConsumerStats,
    MediaError,
    ProducerStats,
    RemoteTransportParameters,
    TransportState,
    TransportStats,
)
from .transport import Plumbing, Transport, random_ssrc

_FIRST_SEQ_LIMIT = 0x8000
"""First sequence numbers stay below 2^15, so that reordering at the start cannot confuse the receiver's rollover
counter (RFC 3711 section 3.3.1)."""

_OWN_EXTENSIONS = (
    HeaderExtension(uri=TRANSPORT_CC_URI, id=TRANSPORT_CC_ID),
    HeaderExtension(uri=ABS_SEND_TIME_URI, id=ABS_SEND_TIME_ID),
)


@dataclass(slots=True, eq=False)
class Production:
    """A producer, where its packets come from, and who gets them."""

    producer: Producer
    transport: Transport
    consumptions: dict[str, Consumption] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Consumption:
    consumer: Consumer
    transport: Transport
    production: Production
    accepted: frozenset[int] | None = None
    """Payload types of the subscriber's answer, once it is in."""
    started: bool = False


class Room:
    """Every method is synchronous; those that name something unknown raise `MediaError`."""

    def __init__(
        self,
        room_id: str,
        plumbing: Plumbing,
        table: FanoutTable,
        state_changed: Callable[[Room, Transport, TransportState], None],
    ) -> None:
        self.room_id = room_id
        self._plumbing = plumbing
        self._table = table
        self._state_changed = state_changed
        self.transports: dict[str, Transport] = {}
        self._productions: dict[str, Production] = {}
        self._consumptions: dict[str, Consumption] = {}
        self._received_by: dict[Transport, dict[str, Consumption]] = {}

    def close(self) -> None:
        while self.close_some(len(self.transports)):
            pass

    def close_some(self, transports: int) -> bool:
        """Close so many transports at most. Returns whether there are more."""
        for transport_id in list(itertools.islice(self.transports, transports)):
            self.close_transport(transport_id)
        return bool(self.transports)

    def create_transport(self, transport_id: str) -> Transport:
        if transport_id in self.transports:
            raise MediaError("bad_parameters", "a transport with this id exists")
        transport = Transport(self._plumbing, self, transport_id)
        self.transports[transport_id] = transport
        return transport

    def connect_transport(self, transport_id: str, remote: RemoteTransportParameters) -> None:
        self._transport(transport_id).connect(remote)

    def close_transport(self, transport_id: str) -> None:
        """Close with its producers, their consumers, and its own consumers. Unknown ids are no error."""
        transport = self.transports.pop(transport_id, None)
        if transport is None:
            return
        for producer_id, production in list(self._productions.items()):
            if production.transport is transport:
                self.close_producer(producer_id)
        for consumer_id in list(self._received_by.get(transport, ())):
            self.close_consumer(consumer_id)
        self._received_by.pop(transport, None)
        transport.close()

    def produce(self, transport_id: str, producer_id: str, parameters: ProducerParameters, paused: bool) -> None:
        transport = self._transport(transport_id)
        if producer_id in self._productions:
            raise MediaError("bad_parameters", "a producer with this id exists")
        try:
            producer = Producer(producer_id, parameters, self._plumbing.pool, self._table, paused=paused)
            transport.publishing().add_producer(producer, self.now())
        except ValueError as error:
            raise MediaError("bad_parameters", str(error)) from None
        self._productions[producer_id] = Production(producer, transport)
        transport.schedule()

    def set_producer_paused(self, producer_id: str, paused: bool) -> None:
        production = self._production(producer_id)
        production.producer.set_paused(paused, self.now())
        self.schedule_around(production)

    def close_producer(self, producer_id: str) -> None:
        """Close with its consumers. Unknown ids are no error."""
        production = self._productions.pop(producer_id, None)
        if production is None:
            return
        for consumer_id in list(production.consumptions):
            self.close_consumer(consumer_id)
        production.transport.publishing().remove_producer(producer_id, self.now())

    def consume(self, transport_id: str, consumer_id: str, producer_id: str) -> ConsumerParameters:
        transport = self._transport(transport_id)
        production = self._production(producer_id)
        if consumer_id in self._consumptions:
            raise MediaError("bad_parameters", "a consumer with this id exists")
        received = self._received_by.setdefault(transport, {})
        if any(other.production is production for other in received.values()):
            raise MediaError("bad_parameters", "the transport consumes this producer already")
        parameters = self._consumer_parameters(consumer_id, production.producer)
        subscriber = transport.subscribing()
        consumer = Consumer(
            parameters,
            production.producer,
            subscriber.port,
            first_seq=secrets.randbelow(_FIRST_SEQ_LIMIT),
            first_rtx_seq=secrets.randbelow(_FIRST_SEQ_LIMIT),
        )
        subscriber.add_consumer(consumer, self.now())
        consumption = Consumption(consumer, transport, production)
        self._consumptions[consumer_id] = received[consumer_id] = consumption
        production.consumptions[consumer_id] = consumption
        return parameters

    def start_consumer(self, consumer_id: str, payload_types: list[int]) -> None:
        consumption = self._consumption(consumer_id)
        consumption.accepted = frozenset(payload_types)
        self._start_if_ready(consumption)

    def set_consumer_paused(self, consumer_id: str, paused: bool) -> None:
        consumption = self._consumption(consumer_id)
        consumption.consumer.set_paused(paused, self.now())
        self.schedule_around(consumption.production)

    def close_consumer(self, consumer_id: str) -> None:
        """Unknown ids are no error."""
        consumption = self._consumptions.pop(consumer_id, None)
        if consumption is None:
            return
        transport, parameters = consumption.transport, consumption.consumer.parameters
        consumption.production.consumptions.pop(consumer_id, None)
        self._received_by[transport].pop(consumer_id, None)
        goodbye = transport.subscribing().remove_consumer(consumer_id, self.now())
        if goodbye is not None:
            transport.send_rtcp(goodbye)
        if transport.srtp_out is not None:
            transport.srtp_out.remove_stream(parameters.ssrc)
            if parameters.rtx_ssrc is not None:
                transport.srtp_out.remove_stream(parameters.rtx_ssrc)

    def stats(self) -> list[TransportStats]:
        return [self._transport_stats(transport) for transport in self.transports.values()]

    def request_keyframe(self, producer: Producer, now: float) -> None:
        """A subscriber asked; the publisher's transport sends the request when it is due."""
        production = self._productions.get(producer.id)
        if production is not None:
            producer.request_keyframe(now)
            production.transport.schedule()

    def reports_arrived(self, transport: Transport) -> None:
        """A publisher's sender reports are passed on promptly to who had none, or has left off waiting for one. All
        others get theirs when it is time."""
        now = self.now()
        for production in self._productions.values():
            told = production.producer.stream.reception.sender_report
            if production.transport is not transport or told is None:
                continue
            for consumption in production.consumptions.values():
                consumer, subscriber = consumption.consumer, consumption.transport.subscriber
                if consumer.sends and subscriber is not None and subscriber.lacks_report(consumer):
                    subscriber.wake(now)
                    consumption.transport.schedule()

    def schedule_around(self, production: Production) -> None:
        now = self.now()
        production.transport.schedule()
        for consumption in production.consumptions.values():
            consumption.transport.subscribing().wake(now)
            consumption.transport.schedule()

    def now(self) -> float:
        return self._plumbing.loop.time()

    def _transport(self, transport_id: str) -> Transport:
        try:
            return self.transports[transport_id]
        except KeyError:
            raise MediaError("unknown_transport", "there is no such transport") from None

    def _production(self, producer_id: str) -> Production:
        try:
            return self._productions[producer_id]
        except KeyError:
            raise MediaError("unknown_producer", "there is no such producer") from None

    def _consumption(self, consumer_id: str) -> Consumption:
        try:
            return self._consumptions[consumer_id]
        except KeyError:
            raise MediaError("unknown_consumer", "there is no such consumer") from None

    def transport_changed(self, transport: Transport, state: TransportState) -> None:
        self._state_changed(self, transport, state)
        if state == "connected":
            for consumption in self._received_by.get(transport, {}).values():
                self._start_if_ready(consumption)

    def _start_if_ready(self, consumption: Consumption) -> None:
        """Forwarding begins when the subscriber has answered and its transport is connected, whichever comes last."""
        if consumption.started or consumption.accepted is None or consumption.transport.srtp_out is None:
            return
        consumption.started = True
        consumption.consumer.start(consumption.accepted, self.now())
        self.schedule_around(consumption.production)

    def _consumer_parameters(self, consumer_id: str, producer: Producer) -> ConsumerParameters:
        published = producer.parameters
        codecs = tuple(received.codec for received in published.codecs)
        has_rtx = any(codec.rtx_payload_type is not None for codec in codecs)
        passed_on = tuple(
            received.extension
            for received in published.header_extensions
            if received.extension.uri not in HOP_BY_HOP_URIS
        )
        return ConsumerParameters(
            consumer_id=consumer_id,
            producer_id=producer.id,
            kind=published.kind,
            ssrc=random_ssrc(),
            rtx_ssrc=random_ssrc() if has_rtx else None,
            cname=published.cname,
            codecs=codecs,
            header_extensions=_OWN_EXTENSIONS + passed_on,
        )

    def _transport_stats(self, transport: Transport) -> TransportStats:
        return TransportStats(
            transport_id=transport.transport_id,
            state=transport.state,
            srtp_profile=transport.srtp_profile,
            remote_address=self._plumbing.mux.remote_address(transport),
            producers=tuple(
                _producer_stats(production.producer)
                for production in self._productions.values()
                if production.transport is transport
            ),
            consumers=tuple(
                _consumer_stats(consumption.consumer) for consumption in self._received_by.get(transport, {}).values()
            ),
        )


def _producer_stats(producer: Producer) -> ProducerStats:
    return ProducerStats(**asdict(producer.stats()))


def _consumer_stats(consumer: Consumer) -> ConsumerStats:
    return ConsumerStats(**asdict(consumer.stats()))
