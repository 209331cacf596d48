"""Text to `SessionDescription`. Everything is bounded, and the work is linear in the length of the text."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final, get_args

from . import attributes
from .attributes import number, quote, split, token
from .errors import SdpError
from .formats import FormatLines
from .model import Direction, ExtMap, MediaDescription, SessionDescription

MAX_SECTIONS: Final = 32
"""Media sections of a publisher's offer (docs/PROTOCOL.md, Limits)."""
MAX_CHARACTERS: Final = 200_000
_MAX_LINE: Final = 4096
_MAX_REPEATS: Final = 512
"""Lines of one attribute in one section. Browsers stay below 40."""
_MAX_OTHER_FORMATS: Final = 16

_CONTROL: Final = re.compile(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]|\r(?!\n)")
_ValueParser = Callable[[str], object]
_DIRECTIONS: Final = frozenset(get_args(Direction))
_FLAGS: Final = {
    "extmap-allow-mixed": "extmap_allow_mixed",
    "end-of-candidates": "end_of_candidates",
    "rtcp-mux": "rtcp_mux",
    "rtcp-rsize": "rtcp_rsize",
    "bundle-only": "bundle_only",
}
_SESSION_FLAGS: Final = {"extmap-allow-mixed": "extmap_allow_mixed", "ice-lite": "ice_lite"}
_SINGLE: Final[dict[str, tuple[str, _ValueParser]]] = {
    "setup": ("setup", attributes.setup),
    "ice-ufrag": ("ice_ufrag", attributes.ice_ufrag),
    "ice-pwd": ("ice_pwd", attributes.ice_pwd),
    "ice-options": ("ice_options", attributes.plain),
}
_SESSION_SINGLE: Final = _SINGLE | {"msid-semantic": ("msid_semantic", attributes.plain)}
_MEDIA_SINGLE: Final = _SINGLE | {"mid": ("mid", attributes.mid), "simulcast": ("simulcast", attributes.plain)}
_SESSION_REPEATED: Final[dict[str, tuple[str, _ValueParser]]] = {
    "fingerprint": ("fingerprints", attributes.fingerprint),
    "group": ("groups", attributes.group),
}
_MEDIA_REPEATED: Final[dict[str, tuple[str, _ValueParser]]] = {
    "fingerprint": ("fingerprints", attributes.fingerprint),
    "candidate": ("candidates", attributes.candidate),
    "extmap": ("extmaps", attributes.extmap),
    "ssrc": ("ssrc_attributes", attributes.ssrc),
    "ssrc-group": ("ssrc_groups", attributes.ssrc_group),
    "rid": ("rids", attributes.rid),
}
_INHERITED: Final = ("direction", "setup", "ice_ufrag", "ice_pwd", "extmap_allow_mixed", "fingerprints")


def parse(text: str, max_sections: int = MAX_SECTIONS) -> SessionDescription:
    """Read a description of at most `max_sections` media sections.

    Line ends may be CRLF or LF, but the last line needs one. Unknown attributes and lines are ignored.
    Raises `SdpError`, and nothing else, whatever the text.
    """
    session_lines, sections = _sections(_lines(text), max_sections)
    if len(session_lines) < 2 or session_lines[1][0] != "o" or not session_lines[1][1].strip():
        raise SdpError("the second line is not an o= line")
    if not {"s", "t"} <= {letter for letter, _ in session_lines}:
        raise SdpError("the s= or the t= line is missing")
    session = _Level(_SESSION_FLAGS, _SESSION_SINGLE, _SESSION_REPEATED)
    for letter, value in session_lines:
        if letter == "a":
            session.attribute(value)
    media = tuple(_media(lines, session.fields) for lines in sections)
    _check_mids(media)
    return SessionDescription(origin=session_lines[1][1].strip(), media=media, **session.frozen())


def _lines(text: str) -> list[tuple[str, str]]:
    if not text.strip():
        raise SdpError("the description is empty")
    if len(text) > MAX_CHARACTERS:
        raise SdpError(f"the description is longer than {MAX_CHARACTERS} characters")
    if not text.endswith("\n"):
        raise SdpError("the description is truncated: its last line does not end")
    if _CONTROL.search(text):
        raise SdpError("the description contains control characters")
    lines = []
    for index, line in enumerate(text[:-1].split("\n"), start=1):
        if len(line) > _MAX_LINE:
            raise SdpError(f"line {index} is longer than {_MAX_LINE} characters")
        if len(line) < 2 or line[1] != "=" or not "a" <= line[0] <= "z":
            raise SdpError(f"line {index} is not of the form letter=value: {quote(line)}")
        lines.append((line[0], line[2:].removesuffix("\r")))
    if lines[0] != ("v", "0"):
        raise SdpError("the first line is not v=0")
    return lines


def _sections(
    lines: list[tuple[str, str]], max_sections: int
) -> tuple[list[tuple[str, str]], list[list[tuple[str, str]]]]:
    starts = [index for index, (letter, _) in enumerate(lines) if letter == "m"]
    if len(starts) > max_sections:
        raise SdpError(f"there are more than {max_sections} media sections")
    bounds = [*starts, len(lines)]
    return lines[: bounds[0]], [lines[start:end] for start, end in pairwise(bounds)]


class _Level:
    """Collects the attributes of the session level or of one section into fields of the model."""

    def __init__(
        self,
        flags: dict[str, str],
        single: dict[str, tuple[str, _ValueParser]],
        repeated: dict[str, tuple[str, _ValueParser]],
    ) -> None:
        self._flags, self._single, self._repeated = flags, single, repeated
        self.fields: dict[str, Any] = {}

    def attribute(self, line: str) -> None:
        name, _, value = line.partition(":")
        if name in _DIRECTIONS:
            self._set("direction", name, "the direction")
        elif name in self._flags:
            self.fields[self._flags[name]] = True
        elif name in self._single:
            field, parser = self._single[name]
            self._set(field, parser(value), f"a={name}")
        elif name in self._repeated:
            field, parser = self._repeated[name]
            values = self.fields.setdefault(field, [])
            values.append(parser(value))
            if len(values) > _MAX_REPEATS:
                raise SdpError(f"there are more than {_MAX_REPEATS} a={name} lines in one section")

    def _set(self, field: str, value: object, what: str) -> None:
        if self.fields.setdefault(field, value) != value:
            raise SdpError(f"{what} is given twice, with different values")

    def frozen(self) -> dict[str, Any]:
        return {name: tuple(value) if isinstance(value, list) else value for name, value in self.fields.items()}


def _media(lines: list[tuple[str, str]], session: dict[str, Any]) -> MediaDescription:
    words = split(lines[0][1], 4, "an m-line")
    kind, protocol, formats = token(words[0], "the kind of an m-line"), words[2], words[3:]
    port = number(words[1].partition("/")[0], 0, 65535, "the port of an m-line")
    is_rtp = "RTP" in protocol.split("/")
    if len(formats) > (128 if is_rtp else _MAX_OTHER_FORMATS):
        raise SdpError("an m-line has too many formats")
    level = _Level(_FLAGS, _MEDIA_SINGLE, _MEDIA_REPEATED)
    format_lines = FormatLines(formats if is_rtp else [])
    by_format = {"rtpmap": format_lines.rtpmap, "fmtp": format_lines.fmtp, "rtcp-fb": format_lines.rtcp_fb}
    for letter, line in lines[1:]:
        if letter != "a":
            continue
        name, _, value = line.partition(":")
        if is_rtp and name in by_format:
            by_format[name](value)
        elif name == "msid":
            # A track in several streams has one line each; the first is the one that counts here.
            level.fields.setdefault("msid", value.strip())
        else:
            level.attribute(line)
    _check_extmaps(level.fields.get("extmaps", []))
    inherited = {name: session[name] for name in _INHERITED if name in session}
    level.fields = inherited | level.fields
    return MediaDescription(
        kind=kind,
        port=port,
        protocol=protocol,
        payload_formats=format_lines.result(),
        other_formats=() if is_rtp else tuple(formats),
        **level.frozen(),
    )


def _check_extmaps(extmaps: list[ExtMap]) -> None:
    uris: dict[int, str] = {}
    for extmap in extmaps:
        meaning = f"{extmap.uri} {extmap.attributes}"
        if uris.setdefault(extmap.id, meaning) != meaning:
            raise SdpError(f"a=extmap uses the id {extmap.id} twice in one section")


def _check_mids(media: tuple[MediaDescription, ...]) -> None:
    mids = [section.mid for section in media if section.mid]
    if len(set(mids)) != len(mids):
        raise SdpError("two media sections have the same a=mid")
