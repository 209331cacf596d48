"""One parser for the value of each attribute. Each takes the text after the colon and raises `SdpError`."""

from __future__ import annotations

import re
from typing import Final, Literal, cast, get_args

from sfu.worker.messages import Fingerprint

from .errors import SdpError
from .model import Candidate, Direction, ExtMap, Group, Rid, Setup, SsrcAttribute, SsrcGroup

MAX_U32: Final = 0xFFFFFFFF
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]{1,64}")
_ICE_UFRAG: Final = re.compile(r"[A-Za-z0-9+/]{4,256}")
_ICE_PWD: Final = re.compile(r"[A-Za-z0-9+/]{22,256}")
_HEX_BYTES: Final = re.compile(r"[0-9A-F]{2}(?::[0-9A-F]{2}){15,63}")
_HASH_BYTES: Final = {"sha-1": 20, "sha-224": 28, "sha-256": 32, "sha-384": 48, "sha-512": 64}
_DIRECTIONS: Final = get_args(Direction)
_SETUPS: Final = get_args(Setup)
_MAX_GROUP_MEMBERS: Final = 256


def quote(text: str) -> str:
    """Foreign text for an error message: escaped and short."""
    return ascii(text if len(text) <= 40 else text[:40] + "...")


def number(text: str, low: int, high: int, what: str) -> int:
    """A decimal number without a sign, within [low, high]."""
    if not (0 < len(text) <= 10 and text.isascii() and text.isdigit()):
        raise SdpError(f"{what} is not a number: {quote(text)}")
    value = int(text)
    if not low <= value <= high:
        raise SdpError(f"{what} {value} is not between {low} and {high}")
    return value


def token(text: str, what: str) -> str:
    """A token of RFC 8866 of at most 64 characters."""
    if not _TOKEN.fullmatch(text):
        raise SdpError(f"{what} is not a token of 1 to 64 characters: {quote(text)}")
    return text


def split(text: str, least: int, what: str, most: int = -1) -> list[str]:
    """The words of a value. With `most`, the last of so many words is the whole rest."""
    words = text.split(None, most - 1) if most > 0 else text.split()
    if len(words) < least:
        raise SdpError(f"{what} is cut short: {quote(text)}")
    return words


def plain(text: str) -> str:
    return text.strip()


def mid(text: str) -> str:
    return token(text.strip(), "a=mid")


def setup(text: str) -> Setup:
    if text not in _SETUPS:
        raise SdpError(f"a=setup has an unknown role: {quote(text)}")
    return cast(Setup, text)


def direction(text: str) -> Direction:
    if text not in _DIRECTIONS:
        raise SdpError(f"unknown direction: {quote(text)}")
    return cast(Direction, text)


def ice_ufrag(text: str) -> str:
    if not _ICE_UFRAG.fullmatch(text):
        raise SdpError("a=ice-ufrag is not 4 to 256 ICE characters")
    return text


def ice_pwd(text: str) -> str:
    if not _ICE_PWD.fullmatch(text):
        raise SdpError("a=ice-pwd is not 22 to 256 ICE characters")
    return text


def fingerprint(text: str) -> Fingerprint:
    """RFC 8122. The length has to fit the hash function where that is a known one."""
    words = split(text, 2, "a=fingerprint")
    algorithm, value = token(words[0], "the hash function of a=fingerprint").lower(), words[1].upper()
    expected = _HASH_BYTES.get(algorithm)
    if len(words) > 2 or not _HEX_BYTES.fullmatch(value) or (expected and len(value) != expected * 3 - 1):
        raise SdpError(f"a=fingerprint is not a {algorithm} fingerprint: {quote(words[1])}")
    return Fingerprint(algorithm=algorithm, value=value)


def group(text: str) -> Group:
    words = split(text, 1, "a=group")
    if len(words) > _MAX_GROUP_MEMBERS:
        raise SdpError(f"a=group has more than {_MAX_GROUP_MEMBERS} members")
    return Group(token(words[0], "a=group"), tuple(token(word, "a member of a=group") for word in words[1:]))


def candidate(text: str) -> Candidate:
    words = split(text, 8, "a=candidate", most=9)
    if words[6] != "typ":
        raise SdpError(f"a=candidate has no type: {quote(text)}")
    return Candidate(
        foundation=words[0],
        component=number(words[1], 1, 256, "the component of a=candidate"),
        transport=words[2].lower(),
        priority=number(words[3], 0, MAX_U32, "the priority of a=candidate"),
        address=words[4],
        port=number(words[5], 0, 65535, "the port of a=candidate"),
        type=words[7],
        extensions=words[8].strip() if len(words) > 8 else "",
    )


def extmap(text: str) -> ExtMap:
    """Ids 4096 and above are RFC 8285's for offers with more extensions than ids."""
    words = split(text, 2, "a=extmap", most=3)
    id_text, slash, direction_text = words[0].partition("/")
    return ExtMap(
        id=number(id_text, 1, 4351, "the id of a=extmap"),
        uri=words[1],
        direction=direction(direction_text) if slash else None,
        attributes=words[2].strip() if len(words) > 2 else "",
    )


def ssrc(text: str) -> SsrcAttribute:
    words = split(text, 2, "a=ssrc", most=2)
    name, _, value = words[1].partition(":")
    return SsrcAttribute(number(words[0], 0, MAX_U32, "an SSRC"), token(name.strip(), "a=ssrc"), value.strip())


def ssrc_group(text: str) -> SsrcGroup:
    words = split(text, 2, "a=ssrc-group")
    if len(words) > _MAX_GROUP_MEMBERS:
        raise SdpError(f"a=ssrc-group has more than {_MAX_GROUP_MEMBERS} members")
    return SsrcGroup(
        token(words[0], "a=ssrc-group"),
        tuple(number(word, 0, MAX_U32, "an SSRC of a=ssrc-group") for word in words[1:]),
    )


def rid(text: str) -> Rid:
    words = split(text, 2, "a=rid", most=3)
    if words[1] not in ("send", "recv"):
        raise SdpError(f"a=rid has an unknown direction: {quote(words[1])}")
    return Rid(
        token(words[0], "a=rid"), cast(Literal["send", "recv"], words[1]), words[2].strip() if len(words) > 2 else ""
    )
