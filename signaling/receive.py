"""The server's offers of a receive connection and the answers to them, as a pure value machine.

    negotiation = ReceiveNegotiation()                       # one per receive connection
    negotiation.add(consumer_parameters, participant_id, source)    # whenever `consume` returned
    negotiation.remove(consumer_id)                          # whenever a consumer went away; unknown ids are no error
    if negotiation.wants_offer:                              # changed, and no offer is waiting for its answer
        offer = negotiation.offer(transport)                 # send receive_offer with offer.offer_id, .sdp, .tracks
    answer = negotiation.answer(offer_id, sdp)               # StaleAnswer, SdpError
    ...if answer.remote is not None and not connected: connect_transport(answer.remote)
    ...for consumer_id, payload_types in answer.accepted.items(): start_consumer(consumer_id, payload_types)
    ...for consumer_id in answer.rejected: close_consumer (and `remove`): this peer can't decode it
    ...and look at `wants_offer` again
"""

from __future__ import annotations

from dataclasses import dataclass

from sfu.rtp.parameters import ConsumerParameters, MediaKind
from sfu.worker.messages import RemoteTransportParameters, TransportParameters

from .model import Source


class StaleAnswer(ValueError):
    """The answer is not to the outstanding offer (protocol error `stale_answer`)."""


@dataclass(frozen=True)
class Track:
    """A line of `receive_offer.tracks` (leave `consumer_id` out of the message)."""

    mid: str
    consumer_id: str
    participant_id: str
    producer_id: str
    source: Source
    kind: MediaKind


@dataclass(frozen=True)
class ReceiveOffer:
    offer_id: int
    """Counts from 1 within the connection."""
    sdp: str
    tracks: tuple[Track, ...]


@dataclass(frozen=True)
class ReceiveAnswer:
    remote: RemoteTransportParameters | None
    """The same in every answer; None where the peer rejected every section, so that there is no transport yet."""
    accepted: dict[str, tuple[int, ...]]
    """Canonical payload types (codecs and their RTX) by consumer id, for consumers first offered in this offer."""
    rejected: tuple[str, ...]
    """Consumers that the peer can't or won't receive."""


class ReceiveNegotiation:
    """The offers and answers of one receive connection. A new connection needs a new object."""

    @property
    def wants_offer(self) -> bool:
        """Something changed since the last offer, and no offer is waiting for its answer."""
        raise NotImplementedError

    @property
    def outstanding(self) -> int | None:
        """Id of the offer that waits for its answer."""
        raise NotImplementedError

    def add(self, consumer: ConsumerParameters, participant_id: str, source: Source) -> None:
        """Send a consumer from the next offer on. `participant_id` is the sender's, and becomes the stream id."""
        raise NotImplementedError

    def remove(self, consumer_id: str) -> None:
        """Stop offering a consumer. Unknown ids are no error."""
        raise NotImplementedError

    def offer(self, transport: TransportParameters) -> ReceiveOffer:
        """The next offer, with everything that was added. Raises RuntimeError while another one is outstanding."""
        raise NotImplementedError

    def answer(self, offer_id: int, sdp: str) -> ReceiveAnswer:
        """Take the answer to the outstanding offer. Raises `StaleAnswer`, or `SdpError` (the offer stays outstanding)."""
        raise NotImplementedError
