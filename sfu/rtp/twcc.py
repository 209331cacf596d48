"""Transport-wide congestion control feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1)."""

from __future__ import annotations

import operator
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Self

from .rtcp_header import (
    FEEDBACK_SSRCS_LEN,
    PT_RTPFB,
    RTCP_HEADER_LEN,
    pack_feedback,
    pack_words,
    parse_feedback_ssrcs,
)

FMT_TWCC: Final = 15
TICK_US: Final = 250
REFERENCE_TIME_US: Final = 64_000
REFERENCE_TIME_MODULUS: Final = 1 << 24
"""The reference time wraps every 2^24 * 64 ms, about 12 days."""

MAX_FEEDBACK_LEN: Final = 1200
"""Bytes that a feedback packet may have, to stay inside one datagram together with SRTCP's and other headers."""

FIXED: Final = struct.Struct("!HHI")
FIXED_END: Final = FEEDBACK_SSRCS_LEN + FIXED.size
_MAX_STATUSES: Final = 0xFFFF

_FITTING: Final = 512
"""A report on so many numbers is never too long: two bytes for each delta, and for each seven symbols."""

_LOST: Final = 0
SMALL: Final = 1
LARGE: Final = 2
RESERVED: Final = 3

MAX_RUN: Final = 0x1FFF
ONE_BIT_SYMBOLS: Final = 14
TWO_BIT_SYMBOLS: Final = 7

Arrival = tuple[int, int]
"""(ext_seq, arrival_us) when building, (seq, arrival_us) when parsed."""

_Run = list[int]
"""[status symbol, how many times]."""


@dataclass(slots=True, frozen=True)
class TwccFeedback:
    """Which packets of a connection arrived, and when."""

    sender_ssrc: int
    media_ssrc: int
    base_seq: int
    """16-bit number of the first packet reported on."""
    status_count: int
    """How many consecutive numbers are reported on, 1-65535."""
    reference_time: int
    """Units of 64 ms, modulo 2^24, of the receiver's own clock."""
    feedback_count: int
    """0-255, counts feedback packets so that a lost one is noticed."""
    arrivals: tuple[Arrival, ...]
    """(seq, arrival_us) of the packets received, by number. Times are on the clock of `reference_time`, multiples of
    250 us, and may leave its range by the sum of deltas. All other numbers in the range did not arrive."""

    def results(self) -> Iterator[tuple[int, int | None]]:
        """(seq, arrival_us or None when lost) of every packet reported on: up to 65535 whatever the packet's size."""
        arrived = dict(self.arrivals)
        for index in range(self.status_count):
            seq = self.base_seq + index & 0xFFFF
            yield seq, arrived.get(seq)

    @classmethod
    def parse_body(cls, body: bytes) -> Self:
        """From what stands behind the RTCP header. Raises ValueError when it is truncated or uses reserved symbols.

        The work is bounded by the length of `body`, not by the number of packets that it reports lost.
        """
        sender_ssrc, media_ssrc = parse_feedback_ssrcs(body)
        if len(body) < FIXED_END:
            raise ValueError("transport-cc feedback is truncated")
        base_seq, status_count, word = FIXED.unpack_from(body, FEEDBACK_SSRCS_LEN)
        if status_count == 0:
            raise ValueError("transport-cc feedback reports on no packet")
        received, offset = _parse_statuses(body, status_count)
        reference_time = word >> 8
        arrivals = _parse_deltas(body, offset, received, base_seq, reference_time * REFERENCE_TIME_US)
        return cls(sender_ssrc, media_ssrc, base_seq, status_count, reference_time, word & 0xFF, arrivals)

    def to_bytes(self) -> bytes:
        """Raises ValueError when a field or arrival is out of range or order, or a delta does not fit into 16 bits."""
        if self.status_count == 0 or not 0 <= self.feedback_count <= 0xFF:
            raise ValueError("transport-cc feedback reports on no packet, or its count is out of range")
        runs, deltas = _encode(self)
        word = self.reference_time << 8 | self.feedback_count
        fci = pack_words(FIXED, self.base_seq, self.status_count, word)
        fci += _pack_chunks(runs) + deltas
        # Zeros without the P bit, as the draft has them: some receivers refuse padding that is no multiple of four.
        return pack_feedback(FMT_TWCC, PT_RTPFB, self.sender_ssrc, self.media_ssrc, fci + bytes(-len(fci) % 4))


def build_feedback(
    sender_ssrc: int,
    media_ssrc: int,
    feedback_count: int,
    arrivals: Sequence[Arrival],
    base_ext_seq: int | None = None,
) -> list[TwccFeedback]:
    """Feedback packets, none longer than `MAX_FEEDBACK_LEN`, that report `arrivals` of (ext_seq, arrival_us).

    The arrivals may come in any order, but not twice. `base_ext_seq`, where given, is the first number not reported
    on so far: those lost ahead of the first arrival are reported too. A gap of more than 65534 is left out. The
    packets are numbered from `feedback_count` on; the caller advances its own counter by their number.
    Raises ValueError when a number comes twice or lies before `base_ext_seq`.
    """
    ordered = sorted(arrivals)
    feedbacks: list[TwccFeedback] = []
    expected = base_ext_seq
    for group in _groups(ordered, base_ext_seq):
        for part in _fitting(group, expected):
            count = feedback_count + len(feedbacks) & 0xFF
            feedbacks.append(_make_feedback(part, expected, sender_ssrc, media_ssrc, count))
            expected = part[-1][0] + 1
    return feedbacks


def _groups(ordered: list[Arrival], base_ext_seq: int | None) -> Iterator[list[Arrival]]:
    """Runs of arrivals whose deltas fit into 16 bits and whose numbers fit into one packet's range."""
    group: list[Arrival] = []
    expected = base_ext_seq
    start = 0
    for arrival in ordered:
        ext_seq, arrival_us = arrival
        if expected is not None and ext_seq < expected:
            raise ValueError("arrival is reported twice or lies before the base")
        if group:
            delta = arrival_us // TICK_US - group[-1][1] // TICK_US
            if not -0x8000 <= delta <= 0x7FFF or ext_seq - start >= _MAX_STATUSES:
                yield group
                group = []
        if not group:
            start = _base(expected, ext_seq, ext_seq)
        group.append(arrival)
        expected = ext_seq + 1
    if group:
        yield group


def _fitting(group: list[Arrival], expected: int | None) -> Iterator[list[Arrival]]:
    """The group halved until every part fits into a packet."""
    if len(group) <= _FITTING and group[-1][0] - (group[0][0] if expected is None else expected) < _FITTING:
        yield group
        return
    runs, deltas = _encode(_make_feedback(group, expected))
    size = RTCP_HEADER_LEN + FIXED_END + len(_pack_chunks(runs)) + len(deltas)
    if size <= MAX_FEEDBACK_LEN - 3:
        yield group
        return
    middle = len(group) // 2
    yield from _fitting(group[:middle], expected)
    yield from _fitting(group[middle:], group[middle - 1][0] + 1)


def _base(expected: int | None, first: int, last: int) -> int:
    """Where a report up to `last` begins: at the first arrival when nothing is expected or it is too far back."""
    return first if expected is None or last - expected >= _MAX_STATUSES else expected


def _make_feedback(
    group: list[Arrival], expected: int | None, sender_ssrc: int = 0, media_ssrc: int = 0, feedback_count: int = 0
) -> TwccFeedback:
    first, last = group[0][0], group[-1][0]
    base = _base(expected, first, last)
    reference = group[0][1] // REFERENCE_TIME_US
    reference_time = reference % REFERENCE_TIME_MODULUS
    shift_us = (reference - reference_time) * REFERENCE_TIME_US
    arrivals = tuple((ext_seq & 0xFFFF, arrival_us // TICK_US * TICK_US - shift_us) for ext_seq, arrival_us in group)
    count = last - base + 1
    return TwccFeedback(sender_ssrc, media_ssrc, base & 0xFFFF, count, reference_time, feedback_count, arrivals)


def _encode(feedback: TwccFeedback) -> tuple[list[_Run], bytes]:
    """Status symbols as runs, and the receive deltas."""
    regular = _encode_regular(feedback)
    if regular is not None:
        return regular
    runs: list[_Run] = []
    deltas = bytearray()
    expected_index = 0
    previous_tick = feedback.reference_time * (REFERENCE_TIME_US // TICK_US)
    for seq, arrival_us in feedback.arrivals:
        index = seq - feedback.base_seq & 0xFFFF
        if not expected_index <= index < feedback.status_count:
            raise ValueError("arrival is out of order or outside the range reported on")
        tick = arrival_us // TICK_US
        delta = tick - previous_tick
        if index > expected_index:
            _extend(runs, _LOST, index - expected_index)
        if 0 <= delta <= 0xFF:
            _extend(runs, SMALL, 1)
            deltas.append(delta)
        elif -0x8000 <= delta <= 0x7FFF:
            _extend(runs, LARGE, 1)
            deltas += delta.to_bytes(2, signed=True)
        else:
            raise ValueError("receive delta does not fit into 16 bits")
        previous_tick = tick
        expected_index = index + 1
    if feedback.status_count > expected_index:
        _extend(runs, _LOST, feedback.status_count - expected_index)
    return runs, bytes(deltas)


def _encode_regular(feedback: TwccFeedback) -> tuple[list[_Run], bytes] | None:
    """The same where every packet came, in order and less than 64 ms after the one before it; None otherwise."""
    arrivals, count = feedback.arrivals, feedback.status_count
    if len(arrivals) != count:
        return None
    if [seq for seq, _ in arrivals] != [feedback.base_seq + index & 0xFFFF for index in range(count)]:
        return None
    ticks = [arrival_us // TICK_US for _, arrival_us in arrivals]
    ahead = map(operator.sub, ticks, [feedback.reference_time * (REFERENCE_TIME_US // TICK_US), *ticks])
    try:
        return [[SMALL, count]], bytes(ahead)
    except ValueError:
        return None


def _extend(runs: list[_Run], symbol: int, count: int) -> None:
    if runs and runs[-1][0] == symbol:
        runs[-1][1] += count
    else:
        runs.append([symbol, count])


def _pack_chunks(runs: list[_Run]) -> bytes:
    """Status chunks: long runs as such, everything else as vectors of the narrowest symbols that hold it."""
    chunks = bytearray()
    position = 0
    left = runs[0][1]
    while True:
        symbol = runs[position][0]
        if left >= ONE_BIT_SYMBOLS or position == len(runs) - 1:
            taken = min(left, MAX_RUN)
            chunk = symbol << 13 | taken
        else:
            chunk, taken = _vector_chunk(_window(runs, position, left))
        chunks += chunk.to_bytes(2)
        while taken >= left:
            taken -= left
            position += 1
            if position == len(runs):
                return bytes(chunks)
            left = runs[position][1]
        left -= taken


def _window(runs: list[_Run], position: int, left: int) -> list[int]:
    """The next symbols, as many as the longest vector holds."""
    window = [runs[position][0]] * left
    while len(window) < ONE_BIT_SYMBOLS and position + 1 < len(runs):
        position += 1
        symbol, count = runs[position]
        window += [symbol] * min(count, ONE_BIT_SYMBOLS - len(window))
    return window


def _vector_chunk(window: list[int]) -> tuple[int, int]:
    """(chunk, symbols taken). A vector longer than what is left is filled with zeros, which readers ignore."""
    bits, capacity, chunk = 1, ONE_BIT_SYMBOLS, 0x8000
    if LARGE in window:
        bits, capacity, chunk = 2, TWO_BIT_SYMBOLS, 0xC000
    taken = window[:capacity]
    for index, symbol in enumerate(taken):
        chunk |= symbol << bits * (capacity - 1 - index)
    return chunk, len(taken)


def _parse_statuses(body: bytes, status_count: int) -> tuple[list[tuple[int, int]], int]:
    """(index, symbol) of each packet received, and where the deltas begin."""
    received: list[tuple[int, int]] = []
    index, offset, size = 0, FIXED_END, len(body)
    while index < status_count:
        if offset + 2 > size:
            raise ValueError("transport-cc status chunks are truncated")
        chunk = body[offset] << 8 | body[offset + 1]
        offset += 2
        if chunk < 0x8000:
            symbol, count = chunk >> 13, min(chunk & MAX_RUN, status_count - index)
            # A received packet has at least one byte of delta: checked here, so that a few bytes can't ask for
            # tens of thousands of entries.
            if symbol != _LOST and len(received) + count > size - offset:
                raise ValueError("transport-cc feedback has fewer deltas than packets received")
            if symbol != _LOST:
                received += [(index + step, symbol) for step in range(count)]
        else:
            bits, count = (2, TWO_BIT_SYMBOLS) if chunk & 0x4000 else (1, ONE_BIT_SYMBOLS)
            for step in range(min(count, status_count - index)):
                symbol = chunk >> bits * (count - 1 - step) & bits * 2 - 1
                if symbol != _LOST:
                    received.append((index + step, symbol))
        index += count
    return received, offset


def _parse_deltas(
    body: bytes, offset: int, received: list[tuple[int, int]], base_seq: int, arrival_us: int
) -> tuple[Arrival, ...]:
    arrivals: list[Arrival] = []
    for index, symbol in received:
        if symbol == RESERVED:
            raise ValueError("transport-cc status symbol is reserved")
        delta = body[offset : offset + symbol]
        if len(delta) < symbol:
            raise ValueError("transport-cc receive deltas are truncated")
        arrival_us += int.from_bytes(delta, signed=symbol == LARGE) * TICK_US
        arrivals.append((base_seq + index & 0xFFFF, arrival_us))
        offset += symbol
    return tuple(arrivals)
