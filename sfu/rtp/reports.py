"""What receivers send nearly always, read without making objects: a receiver report, NACKs, transport-cc feedback, or
several of them in this order.

A thousand subscribers send ten thousand of these datagrams a second. Anything else, and anything that is not as it
should be, is left to `sfu.rtp.rtcp.parse_compound`, which means the same by the same bytes.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from .nack import FMT_NACK, parse_entries
from .packet import Buffer
from .rtcp_header import PT_RR, PT_RTPFB
from .twcc import FMT_TWCC
from .twcc_report import count_statuses

ReportFields = tuple[int, int, int, int, int, int]
"""The six words of a report block (RFC 3550 section 6.4.1); `ReportBlock.parse` reads them."""

NackFields = tuple[int, list[int]]
"""SSRC of the stream, and the 16-bit numbers of its packets that are asked for."""

_HEADER: Final = struct.Struct("!BBHI")
_NACK: Final = struct.Struct("!BBHII")
_REPORT: Final = struct.Struct("!IIIIII")
_FEEDBACK: Final = struct.Struct("!BBHIIHHI")
_NACK_FIRST_BYTE: Final = 0x80 | FMT_NACK
_TWCC_FIRST_BYTE: Final = 0x80 | FMT_TWCC
_PADDING_BIT: Final = 0x20
_NO_REPORTS: Final[tuple[ReportFields, ...]] = ()
_NO_NACKS: Final[tuple[NackFields, ...]] = ()


class Reports(NamedTuple):
    """A datagram's receiver report, NACKs and transport-cc feedback; `status_count` is 0 without the last."""

    blocks: tuple[ReportFields, ...]
    base_seq: int = 0
    status_count: int = 0
    received: int = 0
    newest_index: int = -1
    """As in `sfu.rtp.twcc_report.TwccReport`."""
    nacks: tuple[NackFields, ...] = _NO_NACKS


def parse_reports(data: Buffer) -> Reports | None:
    """None when the datagram has to be read by `parse_compound`; never raises."""
    size, start = len(data), 0
    blocks = _NO_REPORTS
    if size < _HEADER.size:
        return None
    first, packet_type, words, _ = _HEADER.unpack_from(data)
    if packet_type == PT_RR:
        # With padding, or a profile's extension behind the blocks, it is longer.
        start = 4 * words + 4
        if first & 0xE0 != 0x80 or start > size or start != _HEADER.size + _REPORT.size * (first & 0x1F):
            return None
        blocks = tuple(_REPORT.iter_unpack(data[_HEADER.size : start]))
        if start == size:
            return Reports(blocks)
    nacks = _NO_NACKS
    try:
        while size - start >= _NACK.size and data[start] == _NACK_FIRST_BYTE:
            _, packet_type, words, _, media_ssrc = _NACK.unpack_from(data, start)
            end = start + 4 * words + 4
            if packet_type != PT_RTPFB or end > size:
                return None
            nacks += ((media_ssrc, parse_entries(data[start + _NACK.size : end])),)
            start = end
        if nacks and start == size:
            return Reports(blocks, nacks=nacks)
        return _with_feedback(data, start, blocks, nacks)
    except ValueError:
        return None


def _with_feedback(
    data: Buffer, start: int, blocks: tuple[ReportFields, ...], nacks: tuple[NackFields, ...]
) -> Reports | None:
    """Read the rest of a datagram, which has to be transport-cc feedback; `ValueError` when that is malformed."""
    size = len(data)
    if size - start < _FEEDBACK.size:
        return None
    first, packet_type, words, _, _, base_seq, status_count, _ = _FEEDBACK.unpack_from(data, start)
    if first & 0xDF != _TWCC_FIRST_BYTE or packet_type != PT_RTPFB or start + 4 * words + 4 != size or not status_count:
        return None
    # libwebrtc pads these.
    padding_len = data[size - 1] if first & _PADDING_BIT else 0
    if first & _PADDING_BIT and not 1 <= padding_len <= size - start - _FEEDBACK.size:
        return None
    received, newest_index = count_statuses(data, start + _FEEDBACK.size, size - padding_len, status_count)
    return Reports(blocks, base_seq, status_count, received, newest_index, nacks)
