"""One transport of a worker: ICE, DTLS and SRTP of a peer, and what it publishes and receives."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, inf
from typing import Final, Protocol

from sfu.media.pool import PacketPool
from sfu.media.ports import PortTable
from sfu.media.producer import Producer
from sfu.media.publisher import Publisher
from sfu.media.subscriber import Subscriber
from sfu.net.dtls import Certificate, DtlsEndpoint, DtlsState
from sfu.net.mux import Endpoint, IceEvent, PortMux
from sfu.net.srtp import SrtpInbound, SrtpOutbound

from .budget import TimeBudget
from .messages import MediaError, RemoteTransportParameters, TransportState
from .timers import Timers

REPORTS_TOGETHER_S: Final = 1 / 16
"""Reports to subscribers leave at multiples of this: the timer that wakes the worker costs more than a report, and so
it is for many of them. A power of two, so that a time is never rounded to before itself."""

RTCP_SHARE_EACH: Final = 0.05
"""Of the worker's time that one peer's RTCP may take, so that who floods a worker uses up its own share and not that of
the others. In a full stage on a bad line it is a hundredth."""
RTCP_BURST_EACH_S: Final = 0.02

MAX_RTCP_SENDERS = 64
"""A peer speaks of itself under one SSRC for each source it sends and one for its reports."""


@dataclass(frozen=True, slots=True)
class Plumbing:
    """What all transports of a worker share."""

    loop: asyncio.AbstractEventLoop
    mux: PortMux
    pool: PacketPool
    ports: PortTable
    timers: Timers
    certificate: Certificate
    drops: Counter[str]
    repairs: Counter[str]
    bind_port: Callable[[int, Transport | None], None]
    """Tell the engine where a fan-out port leads to, or that it leads nowhere any more."""


class TransportOwner(Protocol):
    """The room of a transport, as far as the forwarding loop and the transport itself speak to it."""

    def transport_changed(self, transport: Transport, state: TransportState) -> None: ...
    def reports_arrived(self, transport: Transport) -> None: ...
    def request_keyframe(self, producer: Producer, now: float) -> None: ...


class Transport(Endpoint):
    """A peer's connection. Everything about it happens on the worker's loop."""

    def __init__(self, plumbing: Plumbing, room: TransportOwner, transport_id: str) -> None:
        super().__init__(plumbing.mux.new_ice())
        self.room = room
        self.transport_id = transport_id
        self.state: TransportState = "new"
        self.publisher: Publisher | None = None
        self.subscriber: Subscriber | None = None
        self.srtp_in: SrtpInbound | None = None
        self.srtp_out: SrtpOutbound | None = None
        self.srtp_profile: str | None = None
        self.rtcp_time = TimeBudget(RTCP_SHARE_EACH, RTCP_BURST_EACH_S, plumbing.loop.time())
        self._rtcp_senders: set[int] = set()
        self._plumbing = plumbing
        self._remote: RemoteTransportParameters | None = None
        self._dtls_started = False
        self._closed = False
        self._dtls = DtlsEndpoint(plumbing.certificate, self._send, self._dtls_changed, plumbing.drops)
        self._timer = plumbing.timers.add(self._poll)
        plumbing.mux.register(self)

    def connect(self, remote: RemoteTransportParameters) -> None:
        """Learn the peer's side. Raises `MediaError("wrong_state")` when it was told already and differs."""
        if self._remote is not None and self._remote != remote:
            raise MediaError("wrong_state", "the transport has another peer")
        self._remote = remote
        self._start_dtls()

    def close(self) -> None:
        """Say goodbye and let go of everything; producers and consumers are gone by now. Idempotent."""
        if self._closed:
            return
        self._closed = True
        if self.subscriber is not None:
            self._plumbing.bind_port(self.subscriber.port, None)
            self._plumbing.ports.release(self.subscriber.port)
        self._timer.cancel()
        self._dtls.close()
        self._plumbing.mux.unregister(self)

    def publishing(self) -> Publisher:
        """The publishing half, made when it is first needed."""
        if self.publisher is None:
            pool, drops, repairs = self._plumbing.pool, self._plumbing.drops, self._plumbing.repairs
            self.publisher = Publisher(pool, random_ssrc(), drops, repairs)
        return self.publisher

    def subscribing(self) -> Subscriber:
        """The receiving half, made when it is first needed."""
        if self.subscriber is None:
            ports, drops, repairs = self._plumbing.ports, self._plumbing.drops, self._plumbing.repairs
            self.subscriber = Subscriber(ports, ports.allocate(), random_ssrc(), drops, repairs)
            self._plumbing.bind_port(self.subscriber.port, self)
        return self.subscriber

    def send_rtcp(self, compound: bytes) -> None:
        """Encrypt and send a compound packet; nothing before DTLS has connected."""
        if self.srtp_out is not None:
            self._send(self.srtp_out.protect_rtcp(compound))

    def remembers_rtcp_sender(self, ssrc: int) -> bool:
        """Whether libsrtp may keep its state about this sender of RTCP. A peer could fill the memory with others."""
        if ssrc in self._rtcp_senders:
            return True
        if len(self._rtcp_senders) >= MAX_RTCP_SENDERS:
            return False
        self._rtcp_senders.add(ssrc)
        return True

    def schedule(self) -> None:
        """Look again at what is due, after something touched the publishing or receiving half."""
        if self.srtp_out is not None:
            self._timer.not_later_than(self._next_due())

    def _next_due(self) -> float:
        publisher, subscriber = self.publisher, self.subscriber
        due = inf if publisher is None else publisher.next_due()
        if subscriber is not None and (report := subscriber.next_due()) < due:
            return min(due, ceil(report / REPORTS_TOGETHER_S) * REPORTS_TOGETHER_S)
        return due

    def consent_expired(self) -> None:
        if self.state == "connected":
            self._set_state("disconnected")

    # Endpoint

    def receive_dtls(self, data: bytes) -> None:
        self._dtls.receive(data)

    def ice_changed(self, event: IceEvent) -> None:
        self._start_dtls()
        if event == "consent_restored" and self.state == "disconnected":
            self._set_state("connected")

    def _start_dtls(self) -> None:
        # Only once there is somewhere to send to: the handshake's timeout begins with it.
        if self._dtls_started or self._remote is None or self.ice.selected is None or self._closed:
            return
        self._dtls_started = True
        self._dtls.start(
            self._remote.local_dtls_role,
            [(fingerprint.algorithm, fingerprint.value) for fingerprint in self._remote.fingerprints],
        )

    def _dtls_changed(self, state: DtlsState) -> None:
        if self._closed:
            return
        if state == "connected":
            keys = self._dtls.keys
            assert keys is not None
            self.srtp_in, self.srtp_out, self.srtp_profile = SrtpInbound(keys), SrtpOutbound(keys), keys.profile
            self._set_state("connected")
            if self.subscriber is not None:
                self._plumbing.bind_port(self.subscriber.port, self)
            self.schedule()
        elif state == "failed":
            self._set_state("failed")
        elif state == "closed":
            self._set_state("closed")

    def _set_state(self, state: TransportState) -> None:
        self.state = state
        self.room.transport_changed(self, state)

    def _send(self, data: bytes) -> None:
        self._plumbing.mux.send(self, data)

    def _poll(self, now: float) -> float:
        if self.publisher is not None:
            for compound in self.publisher.poll(now):
                self.send_rtcp(compound)
        if self.subscriber is not None:
            for compound in self.subscriber.poll(now):
                self.send_rtcp(compound)
        return self._next_due()


def random_ssrc() -> int:
    return secrets.randbelow(0xFFFFFFFE) + 1
