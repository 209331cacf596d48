"""Offers of the publish connection and their answers (RFC 3264, RFC 8829), as a pure value machine.

    negotiation = PublishNegotiation(extensions)              # one per publish connection; `extensions` is the room's
    plan = negotiation.parse_offer(message.sdp, message.sources)    # SdpError; changes nothing
    ...for sent in plan.ended: close_producer(...)
    ...if plan.first: create_transport, connect_transport(plan.remote)
    ...for sent in plan.started: produce(transport_id, producer_id, sent.parameters, paused)
    sdp = negotiation.answer(plan, transport)                 # the plan is now the state of the connection

Producers are known here by their mid; the caller keeps the producer ids. A plan that could not be carried out is
thrown away: the negotiation is as before. A producer to be replaced is in `ended` and, with the same mid, in `started`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from sfu.rtp.parameters import Encoding, MediaKind, ProducerParameters
from sfu.worker.messages import RemoteTransportParameters, TransportParameters

from .codecs import NegotiatedCodecs, negotiate
from .extensions import RoomExtensions
from .model import Source
from .sdp import ExtMap, MediaDescription, SdpError, Setup, parse, write
from .transport_sdp import bundled, remote_transport, server_description, with_transport

SOURCE_KINDS: Final[dict[Source, MediaKind]] = {
    "camera": "video",
    "screen": "video",
    "microphone": "audio",
    "screen_audio": "audio",
}
_MAX_CNAME: Final = 255
_ROLES: Final[dict[Setup, tuple[Setup, Literal["client", "server"]]]] = {
    # As the DTLS server the worker's order of SRTP profiles wins, so it is the server wherever the peer lets it.
    "actpass": ("passive", "server"),
    "active": ("passive", "server"),
    "passive": ("active", "client"),
}
"""Offered `a=setup` to the answered one and the server's DTLS role (RFC 8842)."""


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
    answer_sections: tuple[MediaDescription, ...]
    """The answer, still without the server's transport."""
    offered_mids: tuple[str, ...]
    """Per section its mid, empty where the offer has port 0, so that the place may be taken by another mid."""
    setup: Setup
    allow_mixed: bool


class PublishNegotiation:
    """The offers and answers of one publish connection. A new connection needs a new object."""

    def __init__(self, extensions: RoomExtensions) -> None:
        self._extensions = extensions
        self._version = 0
        self._remote: RemoteTransportParameters | None = None
        self._producers: tuple[SentSource, ...] = ()
        self._mids: tuple[str, ...] = ()

    def parse_offer(self, sdp: str, sources: Mapping[str, Source]) -> PublishPlan:
        """Read an offer, with `sources` naming each sending section by its mid.

        Changes nothing but the room's extension ids. Raises `SdpError` where the offer is malformed or not acceptable
        as a whole: an ICE restart, other certificates, sections without a source, sources of the wrong kind or twice,
        no known codec in a sending section, no rtcp-mux, no BUNDLE.
        """
        offer = parse(sdp)
        _check_mids(offer.media)
        self._check_places(offer.media)
        _check_sources(offer.media, sources)
        codecs = {section.mid: found for section in offer.media if (found := _codecs(section)) is not None}
        accepted = [section for section in offer.media if section.mid in codecs]
        if not accepted:
            raise SdpError("the offer has no audio or video section that could be accepted")
        tagged = bundled(accepted, offer.bundle)
        setup, role = _role(tagged)
        remote = remote_transport(tagged, role)
        if self._remote is not None and remote != self._remote:
            raise SdpError("the transport of a connection cannot change: ICE restarts need a new connection")
        _check_extension_ids(accepted)
        producers: list[SentSource] = []
        answers: list[MediaDescription] = []
        for section in offer.media:
            found = codecs.get(section.mid)
            if found is None:
                answers.append(_rejected(section))
                continue
            received, extmaps = self._extensions.negotiate(section, found.feedback)
            answers.append(_accepted(section, found, extmaps))
            if section.sends:
                parameters = ProducerParameters(
                    kind=_kind(section),
                    mid=section.mid,
                    codecs=found.received,
                    header_extensions=received,
                    encodings=(_encoding(section, found),),
                    cname=_cname(section),
                )
                producers.append(SentSource(section.mid, sources[section.mid], parameters))
        _check_ssrcs(producers)
        before = set(self._producers)
        after = set(producers)
        return PublishPlan(
            remote=remote,
            first=self._remote is None,
            producers=tuple(producers),
            started=tuple(sent for sent in producers if sent not in before),
            ended=tuple(sent for sent in self._producers if sent not in after),
            answer_sections=tuple(answers),
            offered_mids=tuple("" if section.rejected else section.mid for section in offer.media),
            setup=setup,
            allow_mixed=any(section.extmap_allow_mixed for section in accepted),
        )

    def answer(self, plan: PublishPlan, transport: TransportParameters) -> str:
        """The answer to the last offer that was parsed, which becomes the state of the connection."""
        self._version += 1
        self._remote = plan.remote
        self._producers = plan.producers
        self._mids = plan.offered_mids
        sections: list[MediaDescription] = []
        with_candidates = True
        for section in plan.answer_sections:
            if not section.rejected:
                section = with_transport(section, transport, plan.setup, with_candidates)
                with_candidates = False
            sections.append(section)
        return write(server_description(sections, transport, self._version, plan.allow_mixed))

    def _check_places(self, media: tuple[MediaDescription, ...]) -> None:
        """A later offer keeps all sections in their places (RFC 3264 section 8), save those with port 0."""
        if len(media) < len(self._mids):
            raise SdpError("the offer has fewer media sections than the one before")
        for section, mid in zip(media, self._mids, strict=False):
            if mid and section.mid != mid:
                raise SdpError(f"the place of media section {mid} is taken by {section.mid}")


def _check_mids(media: tuple[MediaDescription, ...]) -> None:
    if not all(section.mid or section.rejected for section in media):
        raise SdpError("a media section has no a=mid")


def _check_sources(media: tuple[MediaDescription, ...], sources: Mapping[str, Source]) -> None:
    if not sources.keys() <= {section.mid for section in media}:
        raise SdpError("sources names a mid that the offer does not have")
    sending = [section for section in media if section.sends and section.kind in ("audio", "video")]
    for section in sending:
        source = sources.get(section.mid)
        if source is None:
            raise SdpError(f"media section {section.mid} sends, but sources does not say what")
        if SOURCE_KINDS[source] != section.kind:
            raise SdpError(f"media section {section.mid} is {section.kind}, which {source} is not")
    if len({sources[section.mid] for section in sending}) < len(sending):
        raise SdpError("a source is sent in two media sections")


def _codecs(section: MediaDescription) -> NegotiatedCodecs | None:
    """What a section is answered with; None where it is rejected."""
    if section.rejected or section.kind not in ("audio", "video"):
        return None
    found = negotiate(section)
    if found is None and section.sends:
        raise SdpError(f"media section {section.mid} offers no codec that this server knows")
    return found


def _role(section: MediaDescription) -> tuple[Setup, Literal["client", "server"]]:
    if section.setup is None or section.setup not in _ROLES:
        raise SdpError(f"media section {section.mid} has no a=setup of actpass, active or passive")
    return _ROLES[section.setup]


def _check_extension_ids(accepted: list[MediaDescription]) -> None:
    """Within a BUNDLE group an id has one meaning (RFC 8843 section 15.1), and the worker relies on it."""
    uris: dict[int, str] = {}
    for section in accepted:
        for extmap in section.extmaps:
            if uris.setdefault(extmap.id, extmap.uri) != extmap.uri:
                raise SdpError(f"a=extmap uses the id {extmap.id} for two extensions")


def _check_ssrcs(producers: list[SentSource]) -> None:
    ssrcs = [
        ssrc
        for sent in producers
        for encoding in sent.parameters.encodings
        for ssrc in (encoding.ssrc, encoding.rtx_ssrc)
        if ssrc is not None
    ]
    if len(set(ssrcs)) < len(ssrcs):
        raise SdpError("an SSRC is used for two streams")


def _kind(section: MediaDescription) -> MediaKind:
    return "audio" if section.kind == "audio" else "video"


def _encoding(section: MediaDescription, found: NegotiatedCodecs) -> Encoding:
    """The first stream of a section, with its RTX. Offers with RIDs name no SSRC: their MID has to do."""
    repairs = {
        group.ssrcs[0]: group.ssrcs[1]
        for group in reversed(section.ssrc_groups)
        if _is_pair(group.semantics, group.ssrcs)
    }
    simulcast = next((group.ssrcs[0] for group in section.ssrc_groups if group.semantics == "SIM"), None)
    listed = next((attribute.ssrc for attribute in section.ssrc_attributes), None)
    primary = simulcast if simulcast is not None else next(iter(reversed(repairs)), listed)
    if primary is None:
        return Encoding()
    has_rtx = any(codec.rtx_payload_type is not None for codec in found.received)
    return Encoding(ssrc=primary, rtx_ssrc=repairs.get(primary) if has_rtx else None)


def _is_pair(semantics: str, ssrcs: tuple[int, ...]) -> bool:
    return semantics == "FID" and len(ssrcs) == 2


def _cname(section: MediaDescription) -> str:
    names = (attribute.value for attribute in section.ssrc_attributes if attribute.name == "cname")
    return next(names, "")[:_MAX_CNAME]


def _accepted(section: MediaDescription, found: NegotiatedCodecs, extmaps: tuple[ExtMap, ...]) -> MediaDescription:
    return MediaDescription(
        kind=section.kind,
        port=section.port or 9,
        protocol=section.protocol,
        payload_formats=found.answer_formats,
        mid=section.mid,
        direction="recvonly" if section.sends else "inactive",
        rtcp_rsize=section.rtcp_rsize,
        extmap_allow_mixed=section.extmap_allow_mixed,
        extmaps=extmaps,
    )


def _rejected(section: MediaDescription) -> MediaDescription:
    formats = tuple(replace(offered, feedback=(), parameters="") for offered in section.payload_formats[:1])
    return MediaDescription(
        kind=section.kind,
        port=0,
        protocol=section.protocol,
        payload_formats=formats,
        other_formats=section.other_formats,
        mid=section.mid,
        direction="inactive",
    )
