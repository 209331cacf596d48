"""Session descriptions by hand: what a load client offers and answers, and the little that it reads of a server's."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sfu.rtp.canonical import ABS_SEND_TIME_URI, AUDIO_LEVEL_URI, MID_URI, TRANSPORT_CC_URI

OPUS_PT: Final = 111
VP8_PT: Final = 96
VP8_RTX_PT: Final = 97

EXTENSION_IDS: Final[dict[str, int]] = {
    AUDIO_LEVEL_URI: 1,
    ABS_SEND_TIME_URI: 2,
    TRANSPORT_CC_URI: 3,
    MID_URI: 4,
}
"""As Chromium numbers them, which is not how the server does."""

# What describes the offerer's own side, and so has no place in an answer.
_OWN_SIDE: Final = re.compile(
    r"a=(candidate|end-of-candidates|ssrc|msid|ice-|fingerprint|setup|send|recvonly|inactive|mid:|rtcp-mux|rtcp-rsize|rtcp:)"
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """One side of a transport. `fingerprint` is `sha-256 AA:BB:...`."""

    ufrag: str
    pwd: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class SentTrack:
    """A source that a client offers."""

    mid: str
    kind: str
    source: str
    ssrc: int
    rtx_ssrc: int | None = None


@dataclass(slots=True)
class Section:
    """A media section of the server's."""

    kind: str
    media_line: str
    mid: str = ""
    direction: str = "sendrecv"
    lines: list[str] = field(default_factory=list)
    """Attributes in their order, without those that describe the sender's own side."""
    ssrc: int | None = None
    rtx_ssrc: int | None = None
    transport_cc_id: int | None = None

    @property
    def sends(self) -> bool:
        return self.direction in ("sendonly", "sendrecv") and self.ssrc is not None


@dataclass(slots=True)
class Description:
    """A server's offer or answer. Everything is bundled, so that the first transport found is the only one."""

    credentials: Credentials
    setup: str
    candidates: list[tuple[str, int]]
    """UDP (host, port) pairs in their order."""
    sections: list[Section]


def parse(sdp: str) -> Description:
    """Read a description. `ValueError` where it has no transport that could be used."""
    found: dict[str, str] = {}
    candidates: dict[tuple[str, int], None] = {}
    sections: list[Section] = []
    for line in sdp.splitlines():
        if line.startswith("m="):
            sections.append(Section(line[2:].partition(" ")[0], line))
            continue
        name, _, value = line[2:].partition(":")
        if name in ("ice-ufrag", "ice-pwd", "fingerprint", "setup"):
            found.setdefault(name, value)
        elif name == "candidate":
            parts = value.split()
            if len(parts) > 5 and parts[2].lower() == "udp":
                candidates[parts[4], int(parts[5])] = None
        elif sections and line.startswith("a="):
            _read_attribute(sections[-1], line, name, value)
    try:
        credentials = Credentials(found["ice-ufrag"], found["ice-pwd"], found["fingerprint"])
    except KeyError as missing:
        raise ValueError(f"the description has no a={missing.args[0]}") from None
    return Description(credentials, found.get("setup", "actpass"), list(candidates), sections)


def _read_attribute(section: Section, line: str, name: str, value: str) -> None:
    if name == "mid":
        section.mid = value
    elif name in ("sendonly", "recvonly", "sendrecv", "inactive"):
        section.direction = name
    elif name == "ssrc-group":
        numbers = value.split()
        if numbers[0] == "FID" and len(numbers) == 3:
            section.ssrc, section.rtx_ssrc = int(numbers[1]), int(numbers[2])
    elif name == "ssrc":
        if section.ssrc is None:
            section.ssrc = int(value.split()[0])
    elif not _OWN_SIDE.match(line):
        section.lines.append(line)
        if name == "extmap" and value.endswith(TRANSPORT_CC_URI):
            section.transport_cc_id = int(value.split()[0].partition("/")[0])


def publish_offer(local: Credentials, tracks: Sequence[SentTrack]) -> str:
    """An offer that sends each track: VP8 with RTX, Opus; transport-cc, NACK and PLI as browsers have them."""
    lines = _head([track.mid for track in tracks])
    for track in tracks:
        lines += _sent_section(local, track)
    return "\r\n".join(lines) + "\r\n"


def receive_answer(local: Credentials, offer: Description) -> str:
    """Accept everything that is offered, as the DTLS client."""
    lines = _head([section.mid for section in offer.sections])
    for section in offer.sections:
        lines += [
            section.media_line,
            "c=IN IP4 0.0.0.0",
            *section.lines,
            *_transport(local, "active"),
            f"a=mid:{section.mid}",
            "a=recvonly" if section.direction in ("sendonly", "sendrecv") else "a=inactive",
            "a=rtcp-mux",
            "a=rtcp-rsize",
        ]
    return "\r\n".join(lines) + "\r\n"


def sources(tracks: Sequence[SentTrack]) -> Mapping[str, str]:
    """What each mid of the offer is, as `publish_offer` messages say it."""
    return {track.mid: track.source for track in tracks}


def _head(mids: Sequence[str]) -> list[str]:
    return [
        "v=0",
        "o=- 4611732 1 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE " + " ".join(mids),
        "a=extmap-allow-mixed",
        "a=msid-semantic: WMS *",
    ]


def _transport(local: Credentials, setup: str) -> list[str]:
    return [
        f"a=ice-ufrag:{local.ufrag}",
        f"a=ice-pwd:{local.pwd}",
        "a=ice-options:trickle",
        f"a=fingerprint:{local.fingerprint}",
        f"a=setup:{setup}",
    ]


def _sent_section(local: Credentials, track: SentTrack) -> list[str]:
    video = track.kind == "video"
    payload_types = f"{VP8_PT} {VP8_RTX_PT}" if video else f"{OPUS_PT}"
    lines = [
        f"m={track.kind} 9 UDP/TLS/RTP/SAVPF {payload_types}",
        "c=IN IP4 0.0.0.0",
        *_transport(local, "actpass"),
        f"a=mid:{track.mid}",
        "a=sendonly",
        "a=rtcp-mux",
        "a=rtcp-rsize",
        *(f"a=extmap:{number} {uri}" for uri, number in EXTENSION_IDS.items() if not video or uri != AUDIO_LEVEL_URI),
    ]
    if video:
        lines += [
            f"a=rtpmap:{VP8_PT} VP8/90000",
            *(f"a=rtcp-fb:{VP8_PT} {value}" for value in ("transport-cc", "ccm fir", "nack", "nack pli")),
            f"a=rtpmap:{VP8_RTX_PT} rtx/90000",
            f"a=fmtp:{VP8_RTX_PT} apt={VP8_PT}",
        ]
    else:
        lines += [
            f"a=rtpmap:{OPUS_PT} opus/48000/2",
            f"a=fmtp:{OPUS_PT} minptime=10;useinbandfec=1",
            f"a=rtcp-fb:{OPUS_PT} transport-cc",
        ]
    ssrcs = [track.ssrc] if track.rtx_ssrc is None else [track.ssrc, track.rtx_ssrc]
    if track.rtx_ssrc is not None:
        lines.append(f"a=ssrc-group:FID {track.ssrc} {track.rtx_ssrc}")
    return lines + [f"a=ssrc:{ssrc} cname:load-client" for ssrc in ssrcs]
