"""RTP header extensions (RFC 8285): reading elements, and the canonical header that packets in the media pool have.

Canonical layout, fixed so that fan-out can write columns:

    0-11   RTP header with CC 0 and X 1 (CSRCs are dropped; the P bit, payload type and all else stay as they were)
    12-15  0xBEDE, or 0x1000 when an element needs the two-byte form; length in words
           one-byte form: 16 id and length of transport-cc, 17-18 its value (zero);
                          19 id and length of abs-send-time, 20-22 its value (zero)
           two-byte form: 16-17 id and length of transport-cc, 18-19 its value (zero);
                          20-21 id and length of abs-send-time, 22-24 its value (zero)
    then   the publisher's end-to-end elements under canonical ids, in their order; zeros up to a full word
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import Final

from .canonical import (
    ABS_SEND_TIME_ID,
    ABS_SEND_TIME_URI,
    AUDIO_LEVEL_URI,
    EXTENSION_IDS,
    HOP_BY_HOP_URIS,
    MID_URI,
    REPAIRED_RID_URI,
    RID_URI,
    TRANSPORT_CC_ID,
    TRANSPORT_CC_URI,
)
from .packet import FIXED_HEADER_LEN, Buffer, RtpHeader, parse_header
from .parameters import ReceivedHeaderExtension

ONE_BYTE_PROFILE: Final = 0xBEDE
TWO_BYTE_PROFILE: Final = 0x1000
"""The low four bits ("appbits") are free to the application and not looked at."""

ONE_BYTE_TRANSPORT_CC_OFFSET: Final = 17
ONE_BYTE_ABS_SEND_TIME_OFFSET: Final = 20
TWO_BYTE_TRANSPORT_CC_OFFSET: Final = 18
TWO_BYTE_ABS_SEND_TIME_OFFSET: Final = 22

_ONE_BYTE_MAX_ID: Final = 14
_ONE_BYTE_MAX_LEN: Final = 16
_ONE_BYTE_STOP_ID: Final = 15
_TRANSPORT_CC_LEN: Final = 2
_ABS_SEND_TIME_LEN: Final = 3
_AUDIO_LEVEL_LEN: Final = 1
_EXTENSION_HEADER_LEN: Final = 4
_SHAPE_BITS: Final = 0xDF
"""Of the first byte: all but P."""
_MAX_WORDS: Final = 0xFFFF

# A sender uses a handful of shapes (with and without MID, last packet of a frame...). The bounds keep a hostile one
# from filling memory; past them plans are made anew, which costs time only.
_MAX_PLANS_PER_SIZE: Final = 8
_MAX_SIZES: Final = 64

DROP_COLLISION: Final = "extension_id_collision"
"""An element that was not negotiated, under an id that means something else to subscribers."""
DROP_PROFILE: Final = "extension_profile_unknown"
"""An extension that is not RFC 8285's: nobody could negotiate it."""


def is_two_byte_profile(profile: int) -> bool:
    return profile & 0xFFF0 == TWO_BYTE_PROFILE


def iter_elements(buf: Buffer, profile: int) -> Iterator[tuple[int, int, int]]:
    """(id, offset of the value, length of the value) of each element of an extension block, without its header.

    Padding is skipped wherever it stands. In the one-byte form id 15, and id 0 with a length, end the block
    (RFC 8285 section 4.2). Raises ValueError on a truncated element or a profile that is not RFC 8285's.
    """
    elements, _ = _walk(buf, profile)
    return iter(elements)


def _walk(buf: Buffer, profile: int) -> tuple[list[tuple[int, int, int]], list[int]]:
    """The elements, and the positions of all bytes that decided where they are (ids, lengths, padding)."""
    if profile == ONE_BYTE_PROFILE:
        return _walk_one_byte(buf)
    if is_two_byte_profile(profile):
        return _walk_two_byte(buf)
    raise ValueError("header extension profile is not of RFC 8285")


def _walk_one_byte(buf: Buffer) -> tuple[list[tuple[int, int, int]], list[int]]:
    elements: list[tuple[int, int, int]] = []
    structure: list[int] = []
    offset = 0
    size = len(buf)
    while offset < size:
        structure.append(offset)
        first = buf[offset]
        offset += 1
        if first == 0:
            continue
        element_id = first >> 4
        if element_id in (0, _ONE_BYTE_STOP_ID):
            break
        length = (first & 0x0F) + 1
        if offset + length > size:
            raise ValueError("header extension element is truncated")
        elements.append((element_id, offset, length))
        offset += length
    return elements, structure


def _walk_two_byte(buf: Buffer) -> tuple[list[tuple[int, int, int]], list[int]]:
    elements: list[tuple[int, int, int]] = []
    structure: list[int] = []
    offset = 0
    size = len(buf)
    while offset < size:
        structure.append(offset)
        element_id = buf[offset]
        offset += 1
        if element_id == 0:
            continue
        if offset == size:
            raise ValueError("header extension element has no length")
        structure.append(offset)
        length = buf[offset]
        offset += 1
        if offset + length > size:
            raise ValueError("header extension element is truncated")
        elements.append((element_id, offset, length))
        offset += length
    return elements, structure


@dataclass(slots=True)
class IngressValues:
    """What the server itself reads from a packet's extensions; None where absent or of the wrong length."""

    transport_cc_seq: int | None = None
    abs_send_time: int | None = None
    """24 bits, 6.18 fixed point seconds."""
    mid: str | None = None
    rid: str | None = None
    repaired_rid: str | None = None
    audio_level: int | None = None
    """The byte of RFC 6464: voice activity in bit 7, level in bits 0-6 as -dBov (0 loud, 127 silent)."""


@dataclass(slots=True, frozen=True)
class HeaderPlan:
    """How headers of one shape are read and made canonical.

    Offsets and slices are relative to the `rest` of a header: all that stands behind its fixed twelve bytes.
    """

    first: int
    """The first byte, but for the P bit."""
    header_len: int
    """Where the payload begins, in bytes from the start of the packet."""
    rest: struct.Struct
    """Takes the rest out of a packet."""
    signature: Callable[[bytes], object]
    """Picks the bytes that say where things are, and the identifiers: equal bytes there mean an equal plan."""
    expected: object
    prefix: bytes
    """Canonical extension header, the two elements of the server's own with values zero, and what follows up to the
    first value that is copied."""
    copies: tuple[tuple[slice, bytes], ...]
    """Per end-to-end element where its value is, and what stands behind it up to the next value."""
    collisions: int
    unknown_profile: bool
    transport_cc: int | None
    """Where its two bytes begin."""
    abs_send_time: slice | None
    audio_level: int | None
    mid: str | None
    rid: str | None
    repaired_rid: str | None
    is_ascii: bool
    """The identifiers are. A packet whose identifiers are not is malformed."""

    def applies(self, rest: bytes) -> bool:
        """To the rest of a header of the same length with an equal `first`."""
        return self.signature(rest) == self.expected

    def canonical_rest(self, rest: bytes) -> bytes:
        """What stands behind the fixed twelve bytes of the canonical header."""
        canonical = self.prefix
        for value, following in self.copies:
            canonical += rest[value] + following
        return canonical


class ExtensionMap:
    """Translates one publisher connection's header extensions to canonical ids, and reads what the server needs.

    Give it the extensions of one producer, or the union of a connection's (ids are unique within a BUNDLE group,
    RFC 8843, so a map of everything also serves packets whose producer is not known yet).
    """

    def __init__(self, received_extensions: Iterable[ReceivedHeaderExtension], drops: Counter[str]) -> None:
        """`drops` counts elements (`extension_id_collision`) and whole blocks (`extension_profile_unknown`) left out.
        Raises ValueError when an id is given two meanings, or an end-to-end extension takes a reserved id."""
        self._uris: dict[int, str] = {}
        self._canonical_ids: dict[int, int] = {}
        self._reserved_ids = set(EXTENSION_IDS.values())
        for received in received_extensions:
            self._add(received)
        self._plans: dict[tuple[int, int], list[HeaderPlan]] = {}
        """By `first` and length of the header."""
        self._latest: dict[int, HeaderPlan] = {}
        """By the second byte: packets of one type, and those that end a frame, mostly look like the one before."""
        self._drops = drops

    def _add(self, received: ReceivedHeaderExtension) -> None:
        uri, canonical_id = received.extension.uri, received.extension.id
        if self._uris.setdefault(received.id, uri) != uri:
            raise ValueError(f"header extension id {received.id} is given two meanings")
        if uri in HOP_BY_HOP_URIS:
            return
        if canonical_id in (TRANSPORT_CC_ID, ABS_SEND_TIME_ID):
            raise ValueError(f"canonical header extension id {canonical_id} is reserved")
        self._canonical_ids[received.id] = canonical_id
        self._reserved_ids.add(canonical_id)

    def plan(self, packet: Buffer, offset: int, length: int) -> tuple[HeaderPlan, bytes]:
        """The plan for a packet of `length` bytes that begins at `offset` of a buffer, and its header's rest.

        Raises ValueError when the header is malformed. Identifiers that are not ASCII, and padding, may go unnoticed.
        """
        first, second = packet[offset] & _SHAPE_BITS, packet[offset + 1]
        latest = self._latest.get(second)
        if latest is not None and latest.first == first and latest.header_len <= length:
            (rest,) = latest.rest.unpack_from(packet, offset + FIXED_HEADER_LEN)
            if latest.signature(rest) == latest.expected:
                return latest, rest
        header = parse_header(packet[offset : offset + length])
        rest = bytes(packet[offset + FIXED_HEADER_LEN : offset + header.header_len])
        plan = self._latest[second] = self._find_plan(first, header, rest)
        return plan, rest

    def count_left_out(self, plan: HeaderPlan) -> None:
        """A packet is passed on without what of its header was not negotiated."""
        if plan.unknown_profile:
            self._drops[DROP_PROFILE] += 1
        if plan.collisions:
            self._drops[DROP_COLLISION] += plan.collisions

    def canonicalise(self, packet: Buffer) -> bytes:
        """The canonical header of a packet, to stand in front of its payload.

        Its length is a multiple of four, at least 24. It can be longer than the header that it replaces. The P bit
        stays set when the packet has padding. Raises ValueError when the header is malformed.
        """
        plan, rest = self.plan(packet, 0, len(packet))
        self.count_left_out(plan)
        return bytes((canonical_first(packet[0]),)) + packet[1:FIXED_HEADER_LEN] + plan.canonical_rest(rest)

    def read(self, packet: Buffer) -> IngressValues:
        """The values that speak about the connection, and the audio level.

        Raises ValueError when the header is malformed or an identifier is not ASCII.
        """
        plan, rest = self.plan(packet, 0, len(packet))
        if not plan.is_ascii:
            raise ValueError("header extension identifier is not ASCII")
        at = plan.transport_cc
        return IngressValues(
            transport_cc_seq=None if at is None else rest[at] << 8 | rest[at + 1],
            abs_send_time=None if plan.abs_send_time is None else int.from_bytes(rest[plan.abs_send_time]),
            mid=plan.mid,
            rid=plan.rid,
            repaired_rid=plan.repaired_rid,
            audio_level=None if plan.audio_level is None else rest[plan.audio_level],
        )

    def _find_plan(self, first: int, header: RtpHeader, rest: bytes) -> HeaderPlan:
        key = (first, header.header_len)
        plans = self._plans.get(key)
        if plans is not None:
            for plan in plans:
                if plan.applies(rest):
                    return plan
        plan = self._make_plan(first, header, rest)
        if plans is None:
            if len(self._plans) == _MAX_SIZES:
                self._plans.clear()
            plans = self._plans[key] = []
        elif len(plans) == _MAX_PLANS_PER_SIZE:
            del plans[0]
        plans.append(plan)
        return plan

    def _make_plan(self, first: int, header: RtpHeader, rest: bytes) -> HeaderPlan:
        profile, begin = header.extension_profile, header.extension_offset - FIXED_HEADER_LEN
        elements: list[tuple[int, int, int]] = []
        structure: list[int] = []
        unknown_profile = profile is not None and not _is_known_profile(profile)
        if profile is not None and not unknown_profile:
            elements, structure = _walk(rest[begin:], profile)
        kept: list[tuple[int, int, int]] = []
        own: dict[str, slice] = {}
        collisions = 0
        for received_id, offset, length in elements:
            uri = self._uris.get(received_id)
            if uri in _READ_URIS:
                own[uri] = slice(begin + offset, begin + offset + length)
            if uri in HOP_BY_HOP_URIS:
                continue
            canonical_id = received_id if uri is None else self._canonical_ids[received_id]
            if uri is None and received_id in self._reserved_ids:
                collisions += 1
                continue
            kept.append((canonical_id, begin + offset, length))
        prefix, copies = _canonical_form(kept)
        positions = [begin + position for position in structure]
        if profile is not None:
            positions += range(begin - _EXTENSION_HEADER_LEN, begin)
        for uri in _IDENTIFIER_URIS & own.keys():
            positions += range(own[uri].start, own[uri].stop)
        signature: Callable[[bytes], object] = itemgetter(*positions) if positions else len
        transport_cc = _of_length(own.get(TRANSPORT_CC_URI), _TRANSPORT_CC_LEN)
        audio_level = _of_length(own.get(AUDIO_LEVEL_URI), _AUDIO_LEVEL_LEN)
        return HeaderPlan(
            first=first,
            header_len=header.header_len,
            rest=struct.Struct(f"{len(rest)}s"),
            signature=signature,
            expected=signature(rest),
            prefix=prefix,
            copies=copies,
            collisions=collisions,
            unknown_profile=unknown_profile,
            transport_cc=None if transport_cc is None else transport_cc.start,
            abs_send_time=_of_length(own.get(ABS_SEND_TIME_URI), _ABS_SEND_TIME_LEN),
            audio_level=None if audio_level is None else audio_level.start,
            mid=_identifier(rest, own.get(MID_URI)),
            rid=_identifier(rest, own.get(RID_URI)),
            repaired_rid=_identifier(rest, own.get(REPAIRED_RID_URI)),
            is_ascii=all(rest[own[uri]].isascii() for uri in _IDENTIFIER_URIS & own.keys()),
        )


def canonical_first(first: int) -> int:
    """The first byte of a canonical header, from the received one's: version 2, X, no CSRCs, P as it was."""
    return 0x90 | first & 0x20


def _is_known_profile(profile: int) -> bool:
    return profile == ONE_BYTE_PROFILE or is_two_byte_profile(profile)


_IDENTIFIER_URIS: Final = frozenset({MID_URI, RID_URI, REPAIRED_RID_URI})
_READ_URIS: Final = HOP_BY_HOP_URIS | {AUDIO_LEVEL_URI}


def _of_length(value: slice | None, length: int) -> slice | None:
    return value if value is not None and value.stop - value.start == length else None


def _identifier(rest: bytes, value: slice | None) -> str | None:
    return None if value is None else rest[value].decode("ascii", "replace")


def _canonical_form(kept: list[tuple[int, int, int]]) -> tuple[bytes, tuple[tuple[slice, bytes], ...]]:
    """Prefix and copies of the canonical extension that holds (canonical id, offset, length) elements."""
    two_byte = any(
        element_id > _ONE_BYTE_MAX_ID or not 1 <= length <= _ONE_BYTE_MAX_LEN for element_id, _, length in kept
    )
    own = _element_head(TRANSPORT_CC_ID, _TRANSPORT_CC_LEN, two_byte) + bytes(_TRANSPORT_CC_LEN)
    own += _element_head(ABS_SEND_TIME_ID, _ABS_SEND_TIME_LEN, two_byte) + bytes(_ABS_SEND_TIME_LEN)
    heads = [_element_head(element_id, length, two_byte) for element_id, _, length in kept]
    size = len(own) + sum(len(head) + length for head, (_, _, length) in zip(heads, kept, strict=True))
    words = (size + 3) // 4
    if words > _MAX_WORDS:
        raise ValueError("header extension is too long")
    profile = TWO_BYTE_PROFILE if two_byte else ONE_BYTE_PROFILE
    # What stands in front of each value, and behind the last one.
    first, *others = [*heads, bytes(4 * words - size)]
    values = [slice(offset, offset + length) for _, offset, length in kept]
    return struct.pack("!HH", profile, words) + own + first, tuple(zip(values, others, strict=True))


def _element_head(element_id: int, length: int, two_byte: bool) -> bytes:
    return bytes([element_id, length]) if two_byte else bytes([element_id << 4 | length - 1])
