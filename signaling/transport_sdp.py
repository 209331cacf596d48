"""The transport's part of descriptions: what the peer says about its side, and how the server's side is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Literal

from sfu.worker.messages import RemoteTransportParameters, TransportParameters

from .sdp import Candidate, Group, MediaDescription, SdpError, SessionDescription, Setup

DISCARD_PORT: Final = 9
_SECURE_HASHES: Final = frozenset({"sha-256", "sha-384", "sha-512"})
_MAX_FINGERPRINTS: Final = 8


def remote_transport(
    section: MediaDescription, local_dtls_role: Literal["client", "server"]
) -> RemoteTransportParameters:
    """The peer's side, from the section that carries the transport. Raises `SdpError` when something is missing."""
    if not section.ice_ufrag or not section.ice_pwd:
        raise SdpError(f"media section {section.mid} has no a=ice-ufrag or no a=ice-pwd")
    fingerprints = tuple(each for each in section.fingerprints if each.algorithm in _SECURE_HASHES)
    if not fingerprints:
        raise SdpError(f"media section {section.mid} has no a=fingerprint with sha-256, sha-384 or sha-512")
    return RemoteTransportParameters(
        ice_ufrag=section.ice_ufrag,
        ice_pwd=section.ice_pwd,
        fingerprints=fingerprints[:_MAX_FINGERPRINTS],
        local_dtls_role=local_dtls_role,
    )


def bundled(sections: Sequence[MediaDescription], bundle: tuple[str, ...]) -> MediaDescription:
    """Of the accepted sections the one that carries the transport of all of them (RFC 8843 section 7).

    Raises `SdpError` unless all of them are in the BUNDLE group, or there is only one, and all use rtcp-mux.
    """
    for section in sections:
        if not section.rtcp_mux:
            raise SdpError(f"media section {section.mid} does not use rtcp-mux")
    if len(sections) == 1:
        return sections[0]
    by_mid = {section.mid: section for section in sections}
    outside = by_mid.keys() - set(bundle)
    if outside:
        raise SdpError(f"media section {min(outside)} is not in the BUNDLE group")
    return next(by_mid[mid] for mid in bundle if mid in by_mid)


def with_transport(
    section: MediaDescription, transport: TransportParameters, setup: Setup, with_candidates: bool
) -> MediaDescription:
    """A section of the server's that is in use."""
    return replace(
        section,
        port=DISCARD_PORT,
        setup=setup,
        ice_ufrag=transport.ice_ufrag,
        ice_pwd=transport.ice_pwd,
        fingerprints=transport.fingerprints,
        candidates=_candidates(transport) if with_candidates else (),
        end_of_candidates=with_candidates,
        rtcp_mux=True,
    )


def server_description(
    sections: Sequence[MediaDescription], transport: TransportParameters, version: int, allow_mixed: bool
) -> SessionDescription:
    """A description of the server's: ICE-lite, with all sections that are in use in one BUNDLE group.

    `version` is 1 for the first description of a connection and grows with each.
    """
    # The session id of o= stays the same for a connection and differs between them. Seven bytes fit an int64.
    session_id = int.from_bytes(transport.ice_ufrag.encode()[:7])
    return SessionDescription(
        origin=f"- {session_id} {version} IN IP4 127.0.0.1",
        groups=(Group("BUNDLE", tuple(section.mid for section in sections if not section.rejected)),),
        ice_lite=True,
        msid_semantic="WMS *",
        extmap_allow_mixed=allow_mixed,
        media=tuple(sections),
    )


def _candidates(transport: TransportParameters) -> tuple[Candidate, ...]:
    return tuple(
        Candidate(
            foundation=candidate.foundation,
            component=1,
            transport="udp",
            priority=candidate.priority,
            address=candidate.address,
            port=candidate.port,
            type="host",
        )
        for candidate in transport.candidates
    )
