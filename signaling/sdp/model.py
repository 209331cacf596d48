"""The parts of a session description that WebRTC peers exchange. All values are immutable; lists keep their order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sfu.worker.messages import Fingerprint

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]
Setup = Literal["active", "passive", "actpass", "holdconn"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """`a=candidate` (RFC 8839). The address may be a name (mDNS)."""

    foundation: str
    component: int
    transport: str
    priority: int
    address: str
    port: int
    type: str
    extensions: str = ""
    """What follows the type, for instance `tcptype active` or `raddr 0.0.0.0 rport 0`."""


@dataclass(frozen=True, slots=True)
class Group:
    """`a=group` (RFC 5888), for instance BUNDLE."""

    semantics: str
    mids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PayloadFormat:
    """One payload type of a media section: `a=rtpmap`, `a=fmtp` and `a=rtcp-fb` together."""

    payload_type: int
    name: str = ""
    """Encoding name as written; empty for a static payload type without `a=rtpmap`."""
    clock_rate: int = 0
    channels: int = 1
    parameters: str = ""
    """The value of `a=fmtp`."""
    feedback: tuple[str, ...] = ()
    """Values of `a=rtcp-fb`, those for all payload types (`*`) included."""


@dataclass(frozen=True, slots=True)
class ExtMap:
    """`a=extmap` (RFC 8285)."""

    id: int
    uri: str
    direction: Direction | None = None
    attributes: str = ""


@dataclass(frozen=True, slots=True)
class SsrcAttribute:
    """`a=ssrc` (RFC 5576): one attribute of one SSRC."""

    ssrc: int
    name: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class SsrcGroup:
    """`a=ssrc-group` (RFC 5576), for instance FID (a stream and its RTX) or SIM."""

    semantics: str
    ssrcs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Rid:
    """`a=rid` (RFC 8851)."""

    id: str
    direction: Literal["send", "recv"]
    restrictions: str = ""


@dataclass(frozen=True, slots=True)
class MediaDescription:
    """A media section. What a section inherits from the session level (direction, setup, fingerprints, ICE credentials,
    extmap-allow-mixed) is filled in here by the parser."""

    kind: str
    """`audio`, `video`, `application` or anything else."""
    port: int
    protocol: str
    payload_formats: tuple[PayloadFormat, ...] = ()
    """The formats of an RTP section, in the order of the m-line."""
    other_formats: tuple[str, ...] = ()
    """The formats of a section that is not RTP."""
    mid: str = ""
    direction: Direction = "sendrecv"
    setup: Setup | None = None
    fingerprints: tuple[Fingerprint, ...] = ()
    ice_ufrag: str = ""
    ice_pwd: str = ""
    ice_options: str = ""
    candidates: tuple[Candidate, ...] = ()
    end_of_candidates: bool = False
    rtcp_mux: bool = False
    rtcp_rsize: bool = False
    bundle_only: bool = False
    extmap_allow_mixed: bool = False
    extmaps: tuple[ExtMap, ...] = ()
    msid: str = ""
    ssrc_attributes: tuple[SsrcAttribute, ...] = ()
    ssrc_groups: tuple[SsrcGroup, ...] = ()
    rids: tuple[Rid, ...] = ()
    simulcast: str = ""

    @property
    def rejected(self) -> bool:
        """Port 0, which with `a=bundle-only` means something else (RFC 8843 section 6)."""
        return self.port == 0 and not self.bundle_only

    @property
    def sends(self) -> bool:
        """Whether whoever wrote the description sends in this section."""
        return not self.rejected and self.direction in ("sendrecv", "sendonly")


@dataclass(frozen=True, slots=True)
class SessionDescription:
    """A whole description."""

    origin: str
    """The value of `o=`."""
    media: tuple[MediaDescription, ...] = ()
    groups: tuple[Group, ...] = ()
    ice_lite: bool = False
    ice_options: str = ""
    ice_ufrag: str = ""
    ice_pwd: str = ""
    fingerprints: tuple[Fingerprint, ...] = ()
    setup: Setup | None = None
    direction: Direction | None = None
    extmap_allow_mixed: bool = False
    msid_semantic: str = ""

    @property
    def bundle(self) -> tuple[str, ...]:
        """The mids of the first BUNDLE group, empty without one."""
        return next((group.mids for group in self.groups if group.semantics == "BUNDLE"), ())
