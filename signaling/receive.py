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

from dataclasses import dataclass, field, replace
from typing import Final, Literal

from sfu.rtp.parameters import Codec, ConsumerParameters, MediaKind
from sfu.worker.messages import RemoteTransportParameters, TransportParameters

from .codecs import offer_formats, sdp_name
from .model import Source
from .sdp import ExtMap, MediaDescription, SdpError, Setup, SsrcAttribute, SsrcGroup, parse, write
from .transport_sdp import DISCARD_PORT, bundled, remote_transport, server_description, with_transport

_PROTOCOL: Final = "UDP/TLS/RTP/SAVPF"
_ROLES: Final[dict[Setup, Literal["client", "server"]]] = {"active": "server", "passive": "client"}
"""Answered `a=setup` to the server's DTLS role."""


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
    """Consumers that the peer can't or won't receive. They are not offered again."""


@dataclass(frozen=True)
class _Sent:
    """A consumer and whose media it is."""

    consumer: ConsumerParameters
    participant_id: str
    source: Source


@dataclass
class _Place:
    """A media section of the connection: places are never given back, only used again."""

    mid: str
    kind: MediaKind
    sent: _Sent | None
    codecs: tuple[Codec, ...]
    """Of the consumer that is or was last sent here."""
    agreed: str | None = None
    """Consumer id that the last answer accepted here."""
    idle: bool = False
    """Whether the last offer and answer said that nothing is sent here. Only then does another consumer move in: a peer
    that saw one stream turn into another would keep the first one's decoder, and Firefox lets a refused section change
    its kind only after an offer that has it at port 0."""
    refused: bool = False
    """Answered with port 0: the place may be taken by a new mid, of any kind (RFC 8829 section 5.2.2)."""

    def take(self, mid: str, sent: _Sent) -> None:
        self.mid, self.kind, self.sent, self.codecs = mid, sent.consumer.kind, sent, sent.consumer.codecs
        self.agreed, self.idle, self.refused = None, False, False

    def leave(self) -> None:
        self.sent = self.agreed = None


@dataclass
class _Outstanding:
    offer_id: int
    offered: list[tuple[_Place, _Sent | None]] = field(default_factory=list)


class ReceiveNegotiation:
    """The offers and answers of one receive connection. A new connection needs a new object."""

    def __init__(self) -> None:
        self._places: list[_Place] = []
        self._waiting: dict[str, _Sent] = {}
        self._changed = False
        self._offer_count = 0
        self._mid_count = 0
        self._outstanding: _Outstanding | None = None
        self._remote: RemoteTransportParameters | None = None

    @property
    def wants_offer(self) -> bool:
        """Something changed since the last offer, and no offer is waiting for its answer."""
        return self._changed and self._outstanding is None

    @property
    def outstanding(self) -> int | None:
        """Id of the offer that waits for its answer."""
        return None if self._outstanding is None else self._outstanding.offer_id

    def add(self, consumer: ConsumerParameters, participant_id: str, source: Source) -> None:
        """Send a consumer from the next offer on. `participant_id` is the sender's, and becomes the stream id."""
        self._waiting[consumer.consumer_id] = _Sent(consumer, participant_id, source)
        self._changed = True

    def remove(self, consumer_id: str) -> None:
        """Stop offering a consumer. Unknown ids are no error."""
        if self._waiting.pop(consumer_id, None) is not None:
            return
        for place in self._places:
            if place.sent is not None and place.sent.consumer.consumer_id == consumer_id:
                place.leave()
                self._changed = True

    def offer(self, transport: TransportParameters) -> ReceiveOffer:
        """The next offer, with everything that was added. Raises RuntimeError while another one is outstanding."""
        if self._outstanding is not None:
            raise RuntimeError("an offer is waiting for its answer")
        for sent in self._waiting.values():
            self._settle(sent)
        self._waiting.clear()
        self._changed = False
        self._offer_count += 1
        self._outstanding = _Outstanding(self._offer_count, [(place, place.sent) for place in self._places])
        sections = [_section(place, transport) for place in self._places]
        tracks = tuple(_track(place.mid, place.sent) for place in self._places if place.sent is not None)
        sdp = write(server_description(sections, transport, self._offer_count, allow_mixed=True))
        return ReceiveOffer(self._offer_count, sdp, tracks)

    def answer(self, offer_id: int, sdp: str) -> ReceiveAnswer:
        """Take the answer to the outstanding offer.

        Raises `StaleAnswer` for another offer's, and `SdpError` (the offer stays outstanding).
        """
        outstanding = self._outstanding
        if outstanding is None or outstanding.offer_id != offer_id:
            raise StaleAnswer("this offer is not waiting for an answer")
        description = parse(sdp, max_sections=len(outstanding.offered))
        _check_shape(outstanding, description.media)
        used = [section for section in description.media if not section.rejected]
        remote = self._remote_of(used, description.bundle)
        self._outstanding = None
        self._remote = remote
        accepted: dict[str, tuple[int, ...]] = {}
        rejected: list[str] = []
        for (place, sent), section in zip(outstanding.offered, description.media, strict=True):
            payload_types = _accepted_payload_types(sent, section)
            place.idle = sent is None
            place.refused = section.rejected
            if sent is None or place.sent is not sent:
                continue
            consumer_id = sent.consumer.consumer_id
            if not payload_types:
                rejected.append(consumer_id)
                place.leave()
            elif place.agreed != consumer_id:
                accepted[consumer_id] = payload_types
                place.agreed = consumer_id
        return ReceiveAnswer(remote, accepted, tuple(rejected))

    def _settle(self, sent: _Sent) -> None:
        kind = sent.consumer.kind
        free = [place for place in self._places if place.sent is None and place.idle]
        place = next((place for place in free if place.kind == kind and not place.refused), None)
        if place is not None:
            place.take(place.mid, sent)
            return
        mid = str(self._mid_count)
        self._mid_count += 1
        place = next((place for place in free if place.refused), None)
        if place is None:
            place = _Place(mid, kind, sent, sent.consumer.codecs)
            self._places.append(place)
        else:
            place.take(mid, sent)

    def _remote_of(self, used: list[MediaDescription], bundle: tuple[str, ...]) -> RemoteTransportParameters | None:
        if not used:
            return self._remote
        tagged = bundled(used, bundle)
        if tagged.setup is None or tagged.setup not in _ROLES:
            raise SdpError(f"media section {tagged.mid} has no a=setup of active or passive")
        remote = remote_transport(tagged, _ROLES[tagged.setup])
        if self._remote is not None and remote != self._remote:
            raise SdpError("the transport of a connection cannot change")
        return remote


def _check_shape(outstanding: _Outstanding, media: tuple[MediaDescription, ...]) -> None:
    """An answer has the offer's sections in the offer's order (RFC 3264 section 6), and only receives."""
    if len(media) != len(outstanding.offered):
        raise SdpError(f"the answer has {len(media)} media sections, the offer {len(outstanding.offered)}")
    for (place, _), section in zip(outstanding.offered, media, strict=True):
        if section.mid != place.mid and not (section.rejected and not section.mid):
            raise SdpError(f"the answer has media section {section.mid or '?'} in the place of {place.mid}")
        if section.kind != place.kind:
            raise SdpError(f"media section {place.mid} is {place.kind} in the offer and {section.kind} in the answer")
        if place.refused and not section.rejected:
            raise SdpError(f"media section {place.mid} has port 0 in the offer, but not in the answer")
        if section.sends:
            raise SdpError(f"media section {place.mid} of the answer sends, but it was offered for receiving")


def _accepted_payload_types(sent: _Sent | None, section: MediaDescription) -> tuple[int, ...]:
    """The offered payload types that the answer keeps, in its order; empty where no codec is left."""
    if sent is None or section.rejected or section.direction != "recvonly":
        return ()
    codecs = {codec.payload_type: codec for codec in sent.consumer.codecs}
    names = {answered.payload_type: answered.name.lower() for answered in section.payload_formats}
    kept = [number for number in names if number in codecs and names[number] == sdp_name(codecs[number]).lower()]
    rtx = {codecs[number].rtx_payload_type for number in kept}
    if not any(codecs[number].mime_type != "audio/red" for number in kept):
        return ()
    return tuple(number for number in names if number in kept or (number in rtx and names[number] == "rtx"))


def _track(mid: str, sent: _Sent) -> Track:
    consumer = sent.consumer
    return Track(mid, consumer.consumer_id, sent.participant_id, consumer.producer_id, sent.source, consumer.kind)


def _section(place: _Place, transport: TransportParameters) -> MediaDescription:
    refused = place.refused and place.sent is None
    section = MediaDescription(
        kind=place.kind,
        port=0 if refused else DISCARD_PORT,
        protocol=_PROTOCOL,
        payload_formats=offer_formats(
            place.codecs, with_rtx=place.sent is None or place.sent.consumer.rtx_ssrc is not None
        ),
        mid=place.mid,
        direction="inactive" if place.sent is None else "sendonly",
        rtcp_rsize=True,
    )
    if refused:
        return section
    # Whichever section the answerer makes the carrier of the transport has to know all of it (RFC 8843 section 7.3).
    section = with_transport(section, transport, "actpass", with_candidates=True)
    return section if place.sent is None else _with_stream(section, place.sent)


def _with_stream(section: MediaDescription, sent: _Sent) -> MediaDescription:
    consumer = sent.consumer
    ssrcs = (consumer.ssrc,) if consumer.rtx_ssrc is None else (consumer.ssrc, consumer.rtx_ssrc)
    return replace(
        section,
        msid=f"{sent.participant_id} {consumer.producer_id}",
        extmap_allow_mixed=True,
        extmaps=tuple(ExtMap(extension.id, extension.uri) for extension in consumer.header_extensions),
        ssrc_groups=() if len(ssrcs) == 1 else (SsrcGroup("FID", ssrcs),),
        ssrc_attributes=tuple(SsrcAttribute(ssrc, "cname", consumer.cname) for ssrc in ssrcs),
    )
