"""Session descriptions by hand: what a raw peer offers and answers, and how it reads the server's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

MID_URI = "urn:ietf:params:rtp-hdrext:sdes:mid"
AUDIO_LEVEL_URI = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
TRANSPORT_CC_URI = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
ABS_SEND_TIME_URI = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
UNKNOWN_URI = "https://example.com/rtp-hdrext/unknown"

# Deliberately not the numbers that the server or browsers use.
EXTENSION_IDS = {MID_URI: 9, AUDIO_LEVEL_URI: 12, TRANSPORT_CC_URI: 7, ABS_SEND_TIME_URI: 2, UNKNOWN_URI: 13}
OPUS_PT, VP8_PT, VP8_RTX_PT = 109, 120, 124

# Lines of the server's section that would be wrong in an answer: they describe its own side.
_NOT_MIRRORED = re.compile(
    r"a=(candidate|end-of-candidates|ssrc|ssrc-group|msid|ice-|fingerprint|setup|sendonly|recvonly|sendrecv|inactive"
    r"|mid|rtcp-mux|rtcp-rsize|rtcp:)"
)


@dataclass
class Credentials:
    """One side of a transport."""

    ufrag: str
    pwd: str
    fingerprint: str
    """`sha-256 AA:BB:...`."""


@dataclass
class SentTrack:
    """A source that a raw peer offers. `active` false keeps the media section but ends its source."""

    mid: str
    kind: str
    ssrc: int
    rtx_ssrc: int | None = None
    active: bool = True


@dataclass
class Section:
    kind: str
    port: int
    payload_types: list[int]
    mid: str = ""
    direction: str = "sendrecv"
    lines: list[str] = field(default_factory=list)

    def attribute_values(self, name: str) -> list[str]:
        prefix = f"a={name}:"
        return [line[len(prefix) :] for line in self.lines if line.startswith(prefix)]

    @property
    def extension_ids(self) -> dict[str, int]:
        """Ids by URI."""
        pairs = (value.split()[:2] for value in self.attribute_values("extmap"))
        return {uri: int(number.partition("/")[0]) for number, uri in pairs}

    @property
    def codec_names(self) -> dict[int, str]:
        """Lower-case encoding name by payload type."""
        pairs = (value.split()[:2] for value in self.attribute_values("rtpmap"))
        return {int(number): name.partition("/")[0].lower() for number, name in pairs}

    @property
    def ssrcs(self) -> list[int]:
        """In order of appearance: the media stream's, then that of its RTX stream."""
        return list(dict.fromkeys(int(value.split()[0]) for value in self.attribute_values("ssrc")))


@dataclass
class Description:
    lines: list[str]
    """Of the session level."""
    sections: list[Section]

    def first(self, name: str) -> str:
        """The first value of an attribute anywhere: everything is bundled."""
        for line in [*self.lines, *(line for section in self.sections for line in section.lines)]:
            if line.startswith(f"a={name}:"):
                return line.partition(":")[2]
        raise AssertionError(f"the description has no a={name}")

    @property
    def candidates(self) -> list[tuple[str, int]]:
        """Addresses, in the order of the description."""
        values = [value for section in self.sections for value in section.attribute_values("candidate")]
        return list(dict.fromkeys((value.split()[4], int(value.split()[5])) for value in values))

    @property
    def credentials(self) -> Credentials:
        return Credentials(self.first("ice-ufrag"), self.first("ice-pwd"), self.first("fingerprint"))


def parse(sdp: str) -> Description:
    description = Description([], [])
    for line in sdp.split("\r\n"):
        if line.startswith("m="):
            kind, port, _, *payload_types = line[2:].split()
            numbers = [int(number) for number in payload_types if number.isdigit()]
            description.sections.append(Section(kind, int(port), numbers))
        elif not description.sections:
            description.lines.append(line)
        elif line:
            section = description.sections[-1]
            section.lines.append(line)
            if line.startswith("a=mid:"):
                section.mid = line[6:]
            elif line[2:] in ("sendonly", "recvonly", "sendrecv", "inactive"):
                section.direction = line[2:]
    return description


def publish_offer(local: Credentials, tracks: Sequence[SentTrack], version: int = 1, setup: str = "actpass") -> str:
    lines = [*_head(version, [track.mid for track in tracks]), "a=extmap-allow-mixed"]
    for track in tracks:
        lines += _sent_section(local, track, setup)
    return "\r\n".join(lines) + "\r\n"


def _head(version: int, mids: Sequence[str]) -> list[str]:
    return [
        "v=0",
        f"o=- 4611732 {version} IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE " + " ".join(mids),
        "a=msid-semantic: WMS *",
    ]


def _transport(local: Credentials, setup: str) -> list[str]:
    return [
        f"a=ice-ufrag:{local.ufrag}",
        f"a=ice-pwd:{local.pwd}",
        f"a=fingerprint:{local.fingerprint}",
        f"a=setup:{setup}",
    ]


def _sent_section(local: Credentials, track: SentTrack, setup: str) -> list[str]:
    video = track.kind == "video"
    payload_types = f"{VP8_PT} {VP8_RTX_PT}" if video else f"{OPUS_PT}"
    uris = [MID_URI, TRANSPORT_CC_URI, ABS_SEND_TIME_URI, UNKNOWN_URI] + ([] if video else [AUDIO_LEVEL_URI])
    lines = [
        f"m={track.kind} 9 UDP/TLS/RTP/SAVPF {payload_types}",
        "c=IN IP4 0.0.0.0",
        *_transport(local, setup),
        f"a=mid:{track.mid}",
        "a=sendonly" if track.active else "a=inactive",
        "a=rtcp-mux",
        "a=rtcp-rsize",
        *(f"a=extmap:{EXTENSION_IDS[uri]} {uri}" for uri in uris),
    ]
    if video:
        lines += [
            f"a=rtpmap:{VP8_PT} VP8/90000",
            *(f"a=rtcp-fb:{VP8_PT} {feedback}" for feedback in ("transport-cc", "ccm fir", "nack", "nack pli")),
            f"a=rtpmap:{VP8_RTX_PT} rtx/90000",
            f"a=fmtp:{VP8_RTX_PT} apt={VP8_PT}",
        ]
    else:
        lines += [
            f"a=rtpmap:{OPUS_PT} opus/48000/2",
            f"a=fmtp:{OPUS_PT} minptime=10;useinbandfec=1",
            f"a=rtcp-fb:{OPUS_PT} transport-cc",
        ]
    if track.rtx_ssrc is not None:
        lines.append(f"a=ssrc-group:FID {track.ssrc} {track.rtx_ssrc}")
    ssrcs = [track.ssrc] if track.rtx_ssrc is None else [track.ssrc, track.rtx_ssrc]
    return lines + [f"a=ssrc:{ssrc} cname:raw-peer" for ssrc in ssrcs]


def receive_answer(local: Credentials, offer: Description, setup: str = "active") -> str:
    """Accept everything that is offered."""
    lines = _head(1, [section.mid for section in offer.sections])
    for section in offer.sections:
        payload_types = " ".join(map(str, section.payload_types))
        lines += [
            f"m={section.kind} 9 UDP/TLS/RTP/SAVPF {payload_types}",
            "c=IN IP4 0.0.0.0",
            *(line for line in section.lines if line.startswith("a=") and not _NOT_MIRRORED.match(line)),
            *_transport(local, setup),
            f"a=mid:{section.mid}",
            "a=recvonly" if section.direction == "sendonly" else "a=inactive",
            "a=rtcp-mux",
            "a=rtcp-rsize",
        ]
    return "\r\n".join(lines) + "\r\n"


def redirect_candidates(sdp: str, host: str, port: int) -> str:
    """The same description with one candidate, which leads to `host`:`port` (through a relay of the test)."""
    lines: list[str] = []
    replaced = False
    for line in sdp.split("\r\n"):
        if line.startswith("m="):
            replaced = False
        if line.startswith("a=candidate:"):
            if replaced:
                continue
            fields = line.split()
            fields[4], fields[5] = host, str(port)
            line = " ".join(fields)
            replaced = True
        lines.append(line)
    return "\r\n".join(lines)
