"""Browser-made descriptions, and the server's side of a transport to answer and offer with."""

from __future__ import annotations

from pathlib import Path

from sfu.rtp.canonical import ABS_SEND_TIME_URI, EXTENSION_IDS, TRANSPORT_CC_URI, VIDEO_ORIENTATION_URI
from sfu.rtp.parameters import Codec, ConsumerParameters, HeaderExtension
from sfu.worker.messages import Fingerprint, IceCandidate, TransportParameters
from signaling.codecs import OPUS
from signaling.model import Source
from signaling.sdp import parse

GOLDEN = Path(__file__).parent.parent / "golden" / "sdp"
BROWSERS = ("chromium", "firefox")
TRANSPORT = TransportParameters(
    ice_ufrag="abcdefgh",
    ice_pwd="p" * 24,
    candidates=(
        IceCandidate(address="127.0.0.1", port=3478, foundation="1", priority=2130706431),
        IceCandidate(address="2001:db8::1", port=3478, foundation="2", priority=2130706430),
    ),
    fingerprints=(Fingerprint(algorithm="sha-256", value=":".join(["AB"] * 32)),),
)
MICROPHONE = OPUS.model_copy(update={"format_parameters": "minptime=10;useinbandfec=1"})


def golden(name: str) -> str:
    """A description exactly as a browser made it, but for its addresses."""
    return (GOLDEN / f"{name}.sdp").read_bytes().decode()


def golden_names() -> list[str]:
    return sorted(path.stem for path in GOLDEN.glob("*.sdp"))


def sources_of(sdp: str, **named: Source) -> dict[str, Source]:
    """A source for each sending section: camera or microphone, or what is named (`m2="screen"` for mid 2)."""
    usual: dict[str, Source] = {"audio": "microphone", "video": "camera"}
    return {
        section.mid: named.get(f"m{section.mid}", usual[section.kind])
        for section in parse(sdp).media
        if section.sends and section.kind in usual
    }


def consumer(number: int, *codecs: Codec) -> ConsumerParameters:
    """Consumer `c<number>` of producer `p<number>`, with ssrc 1000 + 2 * number and its RTX one above."""
    kind = "audio" if codecs[0].mime_type.startswith("audio/") else "video"
    uris = (TRANSPORT_CC_URI, ABS_SEND_TIME_URI, *((VIDEO_ORIENTATION_URI,) if kind == "video" else ()))
    return ConsumerParameters(
        consumer_id=f"c{number}",
        producer_id=f"p{number}",
        kind=kind,
        ssrc=1000 + 2 * number,
        rtx_ssrc=1001 + 2 * number if kind == "video" else None,
        cname=f"cname{number}",
        codecs=codecs,
        header_extensions=tuple(HeaderExtension(uri=uri, id=EXTENSION_IDS[uri]) for uri in uris),
    )
