"""Offers of the publish connection and their answers (RFC 3264, RFC 8829), as a pure value machine.

    negotiation = PublishNegotiation(extensions)              # one per publish connection; `extensions` is the room's
    plan = negotiation.parse_offer(message.sdp, message.sources)    # SdpError; changes nothing
    ...for sent in plan.ended: close_producer(...)
    ...if plan.first: create_transport, connect_transport(plan.remote)
    ...for sent in plan.started: produce(transport_id, producer_id, sent.parameters, paused)
    sdp = negotiation.answer(plan, transport)                 # the plan is now the state of the connection

Producers are known here by their mid; the caller keeps the producer ids. A plan that could not be carried out is thrown away:
the negotiation is as before. A producer that has to be replaced is in `ended` and in `started` under the same mid.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sfu.rtp.parameters import ProducerParameters
from sfu.worker.messages import RemoteTransportParameters, TransportParameters

from .extensions import RoomExtensions
from .model import Source


@dataclass(frozen=True)
class SentSource:
    """One media section that the publisher sends."""

    mid: str
    source: Source
    parameters: ProducerParameters


@dataclass(frozen=True)
class PublishPlan:
    """What an offer asks for. `ended` is to be carried out before `started`."""

    remote: RemoteTransportParameters
    first: bool
    """Whether the transport has yet to be connected. Later offers carry the same `remote`."""
    producers: tuple[SentSource, ...]
    """Everything that is sent after this offer, in the order of the sections."""
    started: tuple[SentSource, ...]
    """Those of `producers` that are new, or replace one that was in another shape."""
    ended: tuple[SentSource, ...]
    """What was sent before and is no more (or is replaced)."""


class PublishNegotiation:
    """The offers and answers of one publish connection. A new connection needs a new object."""

    def __init__(self, extensions: RoomExtensions) -> None:
        self._extensions = extensions

    def parse_offer(self, sdp: str, sources: Mapping[str, Source]) -> PublishPlan:
        """Read an offer, with `sources` naming each sending section by its mid. Changes nothing but the room's extension ids.

        Raises `SdpError` where the offer is malformed or not acceptable as a whole: an ICE restart, other certificates, sections
        without a source, sources of the wrong kind or twice, no known codec in a sending section, no rtcp-mux, no BUNDLE.
        """
        raise NotImplementedError

    def answer(self, plan: PublishPlan, transport: TransportParameters) -> str:
        """The answer to the last offer that was parsed, which becomes the state of the connection."""
        raise NotImplementedError
