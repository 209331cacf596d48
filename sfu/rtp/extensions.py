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
from .packet import FIXED_HEADER_LEN, Buffer, RtpHeader
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
class _Plan:
    """How blocks of one shape are rewritten and read. Slices are relative to the block."""

    signature: Callable[[bytes], object]
    """Picks the bytes at the structural positions: equal bytes there mean an equal walk."""
    expected: object
    prefix: bytes
    """Extension header and the two elements of the server's own, values zero."""
    copies: tuple[tuple[bytes, slice], ...]
    """Per end-to-end element its new id and length, and where its value is."""
    padding: bytes
    collisions: int
    transport_cc: slice | None
    abs_send_time: slice | None
    mid: slice | None
    rid: slice | None
    repaired_rid: slice | None
    audio_level: int | None

    def applies(self, block: bytes) -> bool:
        """To a block of the same profile and length."""
        return self.signature(block) == self.expected


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
        self._plans: dict[tuple[int, int], list[_Plan]] = {}
        self._last: tuple[int, int, _Plan] | None = None
        """Profile, length of the block, and plan of the last packet."""
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

    def canonicalise(self, packet: Buffer, header: RtpHeader) -> bytes:
        """The canonical header of a packet, to stand in front of its payload (`packet[header.header_len:]`).

        Its length is a multiple of four, at least 24. It can be longer than the header that it replaces. The P bit
        stays set when the packet has padding. Raises ValueError when the extension block is malformed.
        """
        return self._rewrite(packet, header, *self._block(packet, header))

    def read(self, packet: Buffer, header: RtpHeader) -> IngressValues:
        """The values that speak about the connection, and the audio level.

        Raises ValueError when the extension block is malformed or an identifier is not ASCII.
        """
        return _values(*self._block(packet, header))

    def translate(self, packet: Buffer, header: RtpHeader) -> tuple[IngressValues, bytes]:
        """What `read` and `canonicalise` give."""
        plan, block = self._block(packet, header)
        return _values(plan, block), self._rewrite(packet, header, plan, block)

    def _block(self, packet: Buffer, header: RtpHeader) -> tuple[_Plan, bytes]:
        """The extension block, empty where there is none that could be negotiated, and what to do with it."""
        profile = header.extension_profile
        if profile is None or not _is_known_profile(profile):
            return self._plan(b"", ONE_BYTE_PROFILE), b""
        block = bytes(packet[header.extension_offset : header.extension_offset + header.extension_len])
        return self._plan(block, profile), block

    def _rewrite(self, packet: Buffer, header: RtpHeader, plan: _Plan, block: bytes) -> bytes:
        if not block and header.extension_profile is not None and not _is_known_profile(header.extension_profile):
            self._drops[DROP_PROFILE] += 1
        if plan.collisions:
            self._drops[DROP_COLLISION] += plan.collisions
        parts = [_FIRST_BYTE[packet[0]], packet[1:FIXED_HEADER_LEN], plan.prefix]
        for id_and_length, value in plan.copies:
            parts += (id_and_length, block[value])
        parts.append(plan.padding)
        return b"".join(parts)

    def _plan(self, block: bytes, profile: int) -> _Plan:
        # Neighbours mostly differ in their transport-cc number only, and therefore have one plan.
        last = self._last
        if last is not None and last[0] == profile and last[1] == len(block) and last[2].applies(block):
            return last[2]
        plan = self._find_plan(block, profile)
        self._last = (profile, len(block), plan)
        return plan

    def _find_plan(self, block: bytes, profile: int) -> _Plan:
        key = (profile, len(block))
        plans = self._plans.get(key)
        if plans is not None:
            for plan in plans:
                if plan.applies(block):
                    return plan
        plan = self._make_plan(block, profile)
        if plans is None:
            if len(self._plans) == _MAX_SIZES:
                self._plans.clear()
            plans = self._plans[key] = []
        elif len(plans) == _MAX_PLANS_PER_SIZE:
            del plans[0]
        plans.append(plan)
        return plan

    def _make_plan(self, block: bytes, profile: int) -> _Plan:
        elements, structure = _walk(block, profile)
        kept: list[tuple[int, int, int]] = []
        own: dict[str, tuple[int, int]] = {}
        collisions = 0
        for received_id, offset, length in elements:
            uri = self._uris.get(received_id)
            if uri in _READ_URIS:
                own[uri] = (offset, length)
            if uri in HOP_BY_HOP_URIS:
                continue
            canonical_id = received_id if uri is None else self._canonical_ids[received_id]
            if uri is None and received_id in self._reserved_ids:
                collisions += 1
                continue
            kept.append((canonical_id, offset, length))
        prefix, copies, padding = _layout(kept)
        signature: Callable[[bytes], object] = itemgetter(*structure) if structure else bytes
        audio_level = _value_slice(own, AUDIO_LEVEL_URI, 1)
        return _Plan(
            signature=signature,
            expected=signature(block),
            prefix=prefix,
            copies=copies,
            padding=padding,
            collisions=collisions,
            transport_cc=_value_slice(own, TRANSPORT_CC_URI, _TRANSPORT_CC_LEN),
            abs_send_time=_value_slice(own, ABS_SEND_TIME_URI, _ABS_SEND_TIME_LEN),
            mid=_value_slice(own, MID_URI),
            rid=_value_slice(own, RID_URI),
            repaired_rid=_value_slice(own, REPAIRED_RID_URI),
            audio_level=None if audio_level is None else audio_level.start,
        )


def _is_known_profile(profile: int) -> bool:
    return profile == ONE_BYTE_PROFILE or is_two_byte_profile(profile)


def _values(plan: _Plan, block: bytes) -> IngressValues:
    return IngressValues(
        None if plan.transport_cc is None else int.from_bytes(block[plan.transport_cc]),
        None if plan.abs_send_time is None else int.from_bytes(block[plan.abs_send_time]),
        None if plan.mid is None else block[plan.mid].decode("ascii"),
        None if plan.rid is None else block[plan.rid].decode("ascii"),
        None if plan.repaired_rid is None else block[plan.repaired_rid].decode("ascii"),
        None if plan.audio_level is None else block[plan.audio_level],
    )


_READ_URIS: Final = HOP_BY_HOP_URIS | {AUDIO_LEVEL_URI}
_FIRST_BYTE: Final = [bytes([0x90 | first & 0x20]) for first in range(256)]


def _value_slice(own: dict[str, tuple[int, int]], uri: str, required_len: int | None = None) -> slice | None:
    if uri not in own:
        return None
    offset, length = own[uri]
    if required_len is not None and length != required_len:
        return None
    return slice(offset, offset + length)


def _layout(kept: list[tuple[int, int, int]]) -> tuple[bytes, tuple[tuple[bytes, slice], ...], bytes]:
    """Prefix, copies and padding of the canonical extension that holds (canonical id, offset, length) elements."""
    two_byte = any(
        element_id > _ONE_BYTE_MAX_ID or not 1 <= length <= _ONE_BYTE_MAX_LEN for element_id, _, length in kept
    )
    own = _element_head(TRANSPORT_CC_ID, _TRANSPORT_CC_LEN, two_byte) + bytes(_TRANSPORT_CC_LEN)
    own += _element_head(ABS_SEND_TIME_ID, _ABS_SEND_TIME_LEN, two_byte) + bytes(_ABS_SEND_TIME_LEN)
    copies = tuple(
        (_element_head(element_id, length, two_byte), slice(offset, offset + length))
        for element_id, offset, length in kept
    )
    size = len(own) + sum(len(head) + value.stop - value.start for head, value in copies)
    words = (size + 3) // 4
    if words > _MAX_WORDS:
        raise ValueError("header extension is too long")
    profile = TWO_BYTE_PROFILE if two_byte else ONE_BYTE_PROFILE
    return struct.pack("!HH", profile, words) + own, copies, bytes(4 * words - size)


def _element_head(element_id: int, length: int, two_byte: bool) -> bytes:
    return bytes([element_id, length]) if two_byte else bytes([element_id << 4 | length - 1])
