"""The codecs that the server forwards: their canonical payload types, and how a publisher's offer is matched with them.

What is the same for the decoder has the same canonical payload type whoever sends it, so that all sections of a
subscriber's BUNDLE agree about the meaning of each payload type (RFC 8843 section 9.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from sfu.rtp.parameters import Codec, MediaKind, ReceivedCodec

from .h264 import DEFAULT_PROFILE_LEVEL_ID, H264Profile, profile
from .sdp import MediaDescription, PayloadFormat

VIDEO_CLOCK_RATE: Final = 90_000
OPUS_CLOCK_RATE: Final = 48_000

AUDIO_FEEDBACK: Final = ("transport-cc",)
VIDEO_FEEDBACK: Final = ("goog-remb", "transport-cc", "ccm fir", "nack", "nack pli")

# 64-95 look like RTCP when the marker bit is set (RFC 5761 section 4).
_RTCP_LIKE: Final = range(64, 96)


def _video(name: str, payload_type: int, format_parameters: str = "") -> Codec:
    return Codec(
        mime_type=f"video/{name}",
        payload_type=payload_type,
        clock_rate=VIDEO_CLOCK_RATE,
        format_parameters=format_parameters,
        feedback=VIDEO_FEEDBACK,
        rtx_payload_type=payload_type + 1,
    )


def _h264(payload_type: int, mode: int, profile_level_id: str) -> Codec:
    return _video(
        "h264",
        payload_type,
        f"level-asymmetry-allowed=1;packetization-mode={mode};profile-level-id={profile_level_id}",
    )


OPUS: Final = Codec(
    mime_type="audio/opus", payload_type=111, clock_rate=OPUS_CLOCK_RATE, channels=2, feedback=AUDIO_FEEDBACK
)
RED: Final = Codec(
    mime_type="audio/red",
    payload_type=63,
    clock_rate=OPUS_CLOCK_RATE,
    channels=2,
    format_parameters=f"{OPUS.payload_type}/{OPUS.payload_type}",
)
VP8: Final = _video("vp8", 96)
VP9: Final[dict[str, Codec]] = {"0": _video("vp9", 98, "profile-id=0"), "2": _video("vp9", 100, "profile-id=2")}
AV1: Final[dict[str, Codec]] = {
    "0": _video("av1", 45, "level-idx=5;profile=0;tier=0"),
    "1": _video("av1", 47, "level-idx=5;profile=1;tier=0"),
}
H264: Final[dict[tuple[H264Profile, str], Codec]] = {
    ("constrained-baseline", "1"): _h264(102, 1, "42e01f"),
    ("constrained-baseline", "0"): _h264(104, 0, "42e01f"),
    ("baseline", "1"): _h264(106, 1, "42001f"),
    ("baseline", "0"): _h264(108, 0, "42001f"),
    ("main", "1"): _h264(112, 1, "4d001f"),
    ("main", "0"): _h264(114, 0, "4d001f"),
    ("high", "1"): _h264(116, 1, "64001f"),
    ("high", "0"): _h264(118, 0, "64001f"),
    ("constrained-high", "1"): _h264(120, 1, "640c1f"),
    ("constrained-high", "0"): _h264(122, 0, "640c1f"),
}
CODECS: Final = (OPUS, RED, VP8, *VP9.values(), *AV1.values(), *H264.values())

# What an answer repeats of the offered parameters. Limits of the publisher as a receiver (max-fs, max-fr) are not
# among them: in the answer they would limit what it sends.
_ECHOED: Final[dict[str, frozenset[str]]] = {
    "audio/opus": frozenset(
        (
            "cbr",
            "maxaveragebitrate",
            "maxplaybackrate",
            "maxptime",
            "minptime",
            "ptime",
            "sprop-maxcapturerate",
            "sprop-stereo",
            "stereo",
            "usedtx",
            "useinbandfec",
        )
    ),
    "video/vp9": frozenset(("profile-id",)),
    "video/av1": frozenset(("level-idx", "profile", "tier")),
    "video/h264": frozenset(("level-asymmetry-allowed", "packetization-mode", "profile-level-id")),
}
_SDP_NAMES: Final = {"audio/opus": "opus", "audio/red": "red"}


@dataclass(frozen=True)
class NegotiatedCodecs:
    """What a publisher sends in one section."""

    received: tuple[ReceivedCodec, ...]
    """One codec, or RED and then the Opus inside it."""
    answer_formats: tuple[PayloadFormat, ...]
    """The same and its RTX for the answer, under the publisher's payload types."""
    feedback: frozenset[str]
    """The `a=rtcp-fb` values that both sides know, of all codecs here."""


def negotiate(section: MediaDescription) -> NegotiatedCodecs | None:
    """The first known codec of an offered section, in the order of the offer; None if there is none.

    RED is taken with its Opus where it is listed before it, and otherwise left out.
    """
    usable = [offered for offered in section.payload_formats if offered.payload_type not in _RTCP_LIKE]
    by_payload_type = {offered.payload_type: offered for offered in usable}
    rtx = _rtx_by_codec(usable)
    for offered in usable:
        if section.kind == "audio" and _is_red(offered):
            opus = by_payload_type.get(_red_content(offered, usable))
            if opus is not None and _canonical(opus) is not None:
                return _result([offered, opus], rtx)
        elif _canonical(offered) is not None and _kind(offered) == section.kind:
            return _result([offered], rtx)
    return None


def offer_formats(codecs: tuple[Codec, ...], with_rtx: bool) -> tuple[PayloadFormat, ...]:
    """The formats of an offered section under canonical payload types, each codec followed by its RTX."""
    formats: list[PayloadFormat] = []
    for codec in codecs:
        formats.append(
            PayloadFormat(
                codec.payload_type,
                sdp_name(codec),
                codec.clock_rate,
                codec.channels,
                codec.format_parameters,
                codec.feedback,
            )
        )
        if with_rtx and codec.rtx_payload_type is not None:
            formats.append(_rtx_format(codec.rtx_payload_type, codec.payload_type, codec.clock_rate))
    return tuple(formats)


def sdp_name(codec: Codec) -> str:
    """The encoding name of `a=rtpmap`: `opus`, `VP8`..."""
    return _SDP_NAMES.get(codec.mime_type) or codec.mime_type.partition("/")[2].upper()


def format_parameters(value: str) -> dict[str, str]:
    """The `name=value` pairs of `a=fmtp`, names in lower case. The first of equal names counts."""
    pairs: dict[str, str] = {}
    for part in value.split(";"):
        name, separator, content = part.partition("=")
        if separator:
            pairs.setdefault(name.strip().lower(), content.strip())
    return pairs


def _canonical(offered: PayloadFormat) -> Codec | None:
    """The canonical codec of an offered format (RED and RTX are not codecs of their own here)."""
    name, parameters = offered.name.lower(), format_parameters(offered.parameters)
    if name == "opus":
        is_opus = (offered.clock_rate, offered.channels) == (OPUS.clock_rate, OPUS.channels)
        return OPUS.model_copy(update={"format_parameters": _echo(OPUS, parameters)}) if is_opus else None
    if offered.clock_rate != VIDEO_CLOCK_RATE:
        return None
    if name == "vp8":
        return VP8
    if name == "vp9":
        return VP9.get(parameters.get("profile-id", "0"))
    if name == "av1":
        return AV1.get(parameters.get("profile", "0"))
    if name == "h264":
        known = profile(parameters.get("profile-level-id", DEFAULT_PROFILE_LEVEL_ID))
        return None if known is None else H264.get((known, parameters.get("packetization-mode", "0")))
    return None


def _kind(offered: PayloadFormat) -> MediaKind:
    return "audio" if offered.name.lower() == "opus" else "video"


def _result(formats: list[PayloadFormat], rtx: Mapping[int, PayloadFormat]) -> NegotiatedCodecs:
    received: list[ReceivedCodec] = []
    answer: list[PayloadFormat] = []
    for offered in formats:
        codec = RED if _is_red(offered) else _canonical(offered)
        assert codec is not None
        own_rtx = rtx.get(offered.payload_type)
        received.append(
            ReceivedCodec(
                payload_type=offered.payload_type,
                rtx_payload_type=None if own_rtx is None else own_rtx.payload_type,
                codec=codec,
            )
        )
        parameters = offered.parameters if codec is RED else _echo(codec, format_parameters(offered.parameters))
        feedback = tuple(value for value in offered.feedback if value in codec.feedback)
        answer.append(replace(offered, parameters=parameters, feedback=feedback))
        if own_rtx is not None:
            answer.append(_rtx_format(own_rtx.payload_type, offered.payload_type, offered.clock_rate))
    return NegotiatedCodecs(
        tuple(received), tuple(answer), frozenset(value for each in answer for value in each.feedback)
    )


def _echo(codec: Codec, parameters: Mapping[str, str]) -> str:
    known = _ECHOED.get(codec.mime_type, frozenset())
    return ";".join(f"{name}={value}" for name, value in parameters.items() if name in known)


def _rtx_by_codec(formats: list[PayloadFormat]) -> dict[int, PayloadFormat]:
    """RTX formats by the payload type that they repair (`apt`, RFC 4588)."""
    result: dict[int, PayloadFormat] = {}
    for offered in formats:
        apt = format_parameters(offered.parameters).get("apt", "")
        if offered.name.lower() == "rtx" and apt.isascii() and apt.isdigit() and len(apt) <= 3:
            result.setdefault(int(apt), offered)
    return result


def _rtx_format(payload_type: int, repaired: int, clock_rate: int) -> PayloadFormat:
    return PayloadFormat(payload_type, "rtx", clock_rate, parameters=f"apt={repaired}")


def _is_red(offered: PayloadFormat) -> bool:
    return (offered.name.lower(), offered.clock_rate, offered.channels) == ("red", OPUS_CLOCK_RATE, 2)


def _red_content(offered: PayloadFormat, formats: list[PayloadFormat]) -> int:
    """The payload type inside RED (RFC 2198: `a=fmtp:63 111/111`), by default the first Opus offered; -1 if none."""
    if offered.parameters:
        contents = set(offered.parameters.split("/"))
        content = contents.pop()
        plain = not contents and content.isascii() and content.isdigit() and len(content) <= 3
        return int(content) if plain else -1
    return next((each.payload_type for each in formats if each.name.lower() == "opus"), -1)
