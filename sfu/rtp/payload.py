"""What the server reads in payloads: keyframes, redundant audio blocks (RFC 2198) and retransmissions (RFC 4588).

All functions take the payload behind the RTP header, without padding, and raise only ValueError on garbage.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from .packet import Buffer

_H264_IDR: Final = 5
_H264_SPS: Final = 7
_H264_STAP_A: Final = 24
_H264_FU_A: Final = 28
_AV1_SEQUENCE_HEADER: Final = 1
_LEB128_MAX_BYTES: Final = 8
RTX_OSN_LEN: Final = 2
"""Bytes of the original's sequence number in front of its payload."""


def is_keyframe(mime_type: str, payload: Buffer) -> bool:
    """Whether a decoder can start at this packet: it is the first of a keyframe.

    `mime_type` is canonical (lower case). Codecs that have no keyframes, and those not known here, give False.
    Raises ValueError when the payload is not what its codec's RTP format says.
    """
    detect = _DETECTORS.get(mime_type)
    if detect is None:
        return False
    try:
        return detect(payload)
    except IndexError:
        raise ValueError(f"truncated {mime_type} payload") from None


def _vp8_keyframe(payload: Buffer) -> bool:
    """RFC 7741 section 4.2 (descriptor) and 4.3 (P bit)."""
    first = payload[0]
    offset = 1
    if first & 0x80:
        extended = payload[1]
        offset = 2
        if extended & 0x80:
            offset += 2 if payload[offset] & 0x80 else 1
        if extended & 0x40:
            offset += 1
        if extended & 0x30:
            offset += 1
    starts_first_partition = first & 0x17 == 0x10
    return not payload[offset] & 0x01 and starts_first_partition


def _vp9_keyframe(payload: Buffer) -> bool:
    """RFC 9628 section 4.2. With spatial layers a keyframe starts at the lowest one; the others build upon it."""
    first = payload[0]
    offset = 1
    if first & 0x80:
        offset += 2 if payload[1] & 0x80 else 1
    spatial_id = payload[offset] >> 1 & 0x07 if first & 0x20 else 0
    starts_intra_frame = first & 0x48 == 0x08
    return starts_intra_frame and spatial_id == 0


def _h264_keyframe(payload: Buffer) -> bool:
    """RFC 6184 sections 5.6-5.8. An SPS counts: a decoder needs it first, and browsers send it with each IDR."""
    nal_type = payload[0] & 0x1F
    if nal_type == _H264_FU_A:
        fu_header = payload[1]
        return fu_header & 0x80 != 0 and fu_header & 0x1F in (_H264_IDR, _H264_SPS)
    if nal_type == _H264_STAP_A:
        return _stap_a_has_keyframe(payload)
    return nal_type in (_H264_IDR, _H264_SPS)


def _stap_a_has_keyframe(payload: Buffer) -> bool:
    offset = 1
    size = len(payload)
    while offset < size:
        nal_size = payload[offset] << 8 | payload[offset + 1]
        offset += 2
        if nal_size == 0 or offset + nal_size > size:
            raise ValueError("H264 aggregation packet has a unit of wrong size")
        if payload[offset] & 0x1F in (_H264_IDR, _H264_SPS):
            return True
        offset += nal_size
    return False


def _av1_keyframe(payload: Buffer) -> bool:
    """AV1 RTP specification section 4.4: the N bit, or a sequence header as the first OBU for senders without it."""
    aggregation = payload[0]
    continues_fragment = aggregation & 0x80 != 0
    if aggregation & 0x08:
        if continues_fragment:
            raise ValueError("AV1 packet both continues an OBU and starts a coded video sequence")
        return True
    if continues_fragment:
        return False
    offset = 1
    only_element = aggregation >> 4 & 0x03 == 1
    if not only_element:
        offset = _skip_leb128(payload, offset)
    return payload[offset] >> 3 & 0x0F == _AV1_SEQUENCE_HEADER


def _skip_leb128(payload: Buffer, offset: int) -> int:
    for index in range(offset, offset + _LEB128_MAX_BYTES):
        if payload[index] < 0x80:
            return index + 1
    raise ValueError("leb128 number is too long")


_DETECTORS: Final[dict[str, Callable[[Buffer], bool]]] = {
    "video/vp8": _vp8_keyframe,
    "video/vp9": _vp9_keyframe,
    "video/h264": _h264_keyframe,
    "video/av1": _av1_keyframe,
}


def red_primary(payload: Buffer) -> tuple[int, int, int]:
    """(payload type, offset, length) of the primary block of a RED payload, which is its last (RFC 2198 section 3)."""
    size = len(payload)
    offset = redundant_len = 0
    while True:
        if offset >= size:
            raise ValueError("RED block headers are truncated")
        first = payload[offset]
        if first < 0x80:
            break
        if offset + 4 > size:
            raise ValueError("RED block header is truncated")
        redundant_len += (payload[offset + 2] & 0x03) << 8 | payload[offset + 3]
        offset += 4
    primary = offset + 1 + redundant_len
    if primary > size:
        raise ValueError("RED blocks are longer than the payload")
    return first, primary, size - primary


def rewrite_red_payload_types(payload: bytearray | memoryview, mapping: Mapping[int, int]) -> None:
    """Translate the payload types of all RED blocks in place.

    Raises ValueError, with nothing written, when the payload is malformed or a block's type is not in `mapping`.
    """
    red_primary(payload)
    new_types: list[int] = []
    offset = 0
    while True:
        first = payload[offset]
        new_type = mapping.get(first & 0x7F)
        if new_type is None:
            raise ValueError(f"RED block has payload type {first & 0x7F}, which was not negotiated")
        new_types.append(first & 0x80 | new_type)
        if first < 0x80:
            break
        offset += 4
    for index, value in enumerate(new_types):
        payload[4 * index] = value


def rtx_original_seq(payload: Buffer) -> int:
    """The sequence number of the packet that an RTX payload carries (RFC 4588 section 4); its payload begins at 2.

    Raises ValueError when it is shorter than that. RTX padding probes have no payload at all: check for them first.
    """
    if len(payload) < RTX_OSN_LEN:
        raise ValueError("RTX payload is shorter than its original sequence number")
    return payload[0] << 8 | payload[1]
