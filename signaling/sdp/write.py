"""`SessionDescription` to text, with CRLF. The values are the caller's own: they are written as they are."""

from __future__ import annotations

from collections.abc import Iterator

from .model import Candidate, ExtMap, MediaDescription, PayloadFormat, SessionDescription


def write(description: SessionDescription) -> str:
    """The text of a description. `parse(write(d)) == d` for every `d` that `parse` returned."""
    lines = ["v=0", f"o={description.origin}", "s=-", "t=0 0", *_session(description)]
    for section in description.media:
        lines += _media(section)
    return "\r\n".join(lines) + "\r\n"


def _session(description: SessionDescription) -> Iterator[str]:
    if description.ice_lite:
        yield "a=ice-lite"
    for group in description.groups:
        yield " ".join((f"a=group:{group.semantics}", *group.mids))
    if description.extmap_allow_mixed:
        yield "a=extmap-allow-mixed"
    if description.msid_semantic:
        yield f"a=msid-semantic:{description.msid_semantic}"
    if description.direction:
        yield f"a={description.direction}"
    yield from _transport(description)


def _transport(level: SessionDescription | MediaDescription) -> Iterator[str]:
    if level.ice_ufrag:
        yield f"a=ice-ufrag:{level.ice_ufrag}"
    if level.ice_pwd:
        yield f"a=ice-pwd:{level.ice_pwd}"
    if level.ice_options:
        yield f"a=ice-options:{level.ice_options}"
    for fingerprint in level.fingerprints:
        yield f"a=fingerprint:{fingerprint.algorithm} {fingerprint.value}"
    if level.setup:
        yield f"a=setup:{level.setup}"


def _media(section: MediaDescription) -> Iterator[str]:
    formats = [str(payload.payload_type) for payload in section.payload_formats] or list(section.other_formats)
    yield f"m={section.kind} {section.port} {section.protocol} {' '.join(formats)}"
    yield "c=IN IP4 0.0.0.0"
    if section.payload_formats:
        yield "a=rtcp:9 IN IP4 0.0.0.0"
    if section.mid:
        yield f"a=mid:{section.mid}"
    yield f"a={section.direction}"
    yield from _transport(section)
    for candidate in section.candidates:
        yield _candidate(candidate)
    for flag, name in (
        (section.end_of_candidates, "end-of-candidates"),
        (section.bundle_only, "bundle-only"),
        (section.rtcp_mux, "rtcp-mux"),
        (section.rtcp_rsize, "rtcp-rsize"),
        (section.extmap_allow_mixed, "extmap-allow-mixed"),
    ):
        if flag:
            yield f"a={name}"
    for extmap in section.extmaps:
        yield _extmap(extmap)
    for payload in section.payload_formats:
        yield from _payload_format(payload)
    yield from _streams(section)


def _streams(section: MediaDescription) -> Iterator[str]:
    if section.msid:
        yield f"a=msid:{section.msid}"
    for rid in section.rids:
        yield f"a=rid:{rid.id} {rid.direction} {rid.restrictions}".rstrip()
    if section.simulcast:
        yield f"a=simulcast:{section.simulcast}"
    for group in section.ssrc_groups:
        yield f"a=ssrc-group:{group.semantics} {' '.join(map(str, group.ssrcs))}"
    for attribute in section.ssrc_attributes:
        yield f"a=ssrc:{attribute.ssrc} {attribute.name}" + (f":{attribute.value}" if attribute.value else "")


def _candidate(candidate: Candidate) -> str:
    return (
        f"a=candidate:{candidate.foundation} {candidate.component} {candidate.transport} {candidate.priority} "
        f"{candidate.address} {candidate.port} typ {candidate.type} {candidate.extensions}"
    ).rstrip()


def _extmap(extmap: ExtMap) -> str:
    direction = f"/{extmap.direction}" if extmap.direction else ""
    return f"a=extmap:{extmap.id}{direction} {extmap.uri} {extmap.attributes}".rstrip()


def _payload_format(payload: PayloadFormat) -> Iterator[str]:
    if payload.name:
        channels = f"/{payload.channels}" if payload.channels > 1 else ""
        yield f"a=rtpmap:{payload.payload_type} {payload.name}/{payload.clock_rate}{channels}"
    for feedback in payload.feedback:
        yield f"a=rtcp-fb:{payload.payload_type} {feedback}"
    if payload.parameters:
        yield f"a=fmtp:{payload.payload_type} {payload.parameters}"
