"""The receive-side estimate of what a publisher may send, for those that understand REMB but not transport-cc
(draft-ietf-rmcat-gcc-02, draft-alvestrand-rmcat-remb-03)."""

from __future__ import annotations

import math
from collections import deque
from typing import Final

from .aimd import AimdController
from .arrivals import ArrivalGroups
from .trendline import TrendlineDetector

START_BPS: Final = 1_000_000
MIN_BPS: Final = 50_000
MAX_BPS: Final = 20_000_000
SEND_INTERVAL: Final = 1.0
"""Seconds between REMBs; a decrease of more than DECREASE_TOLD is told at once."""
DECREASE_TOLD: Final = 0.03
UPDATE_INTERVAL: Final = 0.1
ASSUMED_RTT: Final = 0.2
"""A receiver does not know its round trip; the draft's response time."""

_RATE_WINDOW: Final = 1.0
_RATE_MIN_SPAN: Final = 0.25


class _IncomingRate:
    """Bits per second over the last second."""

    def __init__(self) -> None:
        self._packets: deque[tuple[float, int]] = deque()
        self._bytes = 0

    def note(self, size: int, now: float) -> None:
        self._packets.append((now, size))
        self._bytes += size
        while now - self._packets[0][0] > _RATE_WINDOW:
            self._bytes -= self._packets.popleft()[1]

    def bps(self, now: float) -> float | None:
        """None until a quarter of a second has been seen."""
        if not self._packets or now - self._packets[0][0] < _RATE_MIN_SPAN:
            return None
        return 8 * self._bytes / (now - self._packets[0][0])


class RemoteEstimator:
    """Packets of one transport in, REMB rates out. Without abs-send-time only loss and the incoming rate speak."""

    def __init__(self) -> None:
        self._groups = ArrivalGroups()
        self._trendline = TrendlineDetector()
        self._aimd = AimdController(START_BPS, MIN_BPS, MAX_BPS)
        self._incoming = _IncomingRate()
        self._last_update = -math.inf
        self._last_packet = -math.inf
        self._last_sent = -math.inf
        self._last_sent_bps = 0
        self._due = math.inf

    @property
    def bitrate_bps(self) -> int:
        return int(self._aimd.rate_bps)

    def note_packet(self, abs_send_time: int | None, size: int, now: float) -> None:
        """`abs_send_time` as in the header extension (24 bits), `size` of the packet in bytes."""
        self._incoming.note(size, now)
        self._last_packet = now
        if math.isinf(self._due):
            self._due = max(now, self._last_sent + SEND_INTERVAL)
        overused_before = self._trendline.usage == "overuse"
        delta = None if abs_send_time is None else self._groups.note(abs_send_time, now)
        if delta is not None:
            self._trendline.note(*delta)
        overuses_now = self._trendline.usage == "overuse" and not overused_before
        if overuses_now or now - self._last_update >= UPDATE_INTERVAL:
            self._update(now)

    def _update(self, now: float) -> None:
        incoming_bps = self._incoming.bps(now)
        if incoming_bps is None:
            return
        self._last_update = now
        self._aimd.update(self._trendline.usage, incoming_bps, ASSUMED_RTT, now)
        self._tell_decrease(now)

    def note_loss(self, fraction: float, now: float) -> None:
        """Fraction 0-1 of the packets lost since the last receiver report."""
        self._aimd.note_loss(fraction)
        self._tell_decrease(now)

    def _tell_decrease(self, now: float) -> None:
        if self._aimd.rate_bps < (1 - DECREASE_TOLD) * self._last_sent_bps:
            self._due = now

    def next_due(self) -> float:
        """When a REMB is to be sent; inf while no packets come."""
        return self._due

    def poll(self, now: float) -> int | None:
        """The rate to be sent in bit/s, when one is due."""
        if now < self._due:
            return None
        silent = now - self._last_packet > SEND_INTERVAL
        self._due = math.inf if silent else now + SEND_INTERVAL
        self._last_sent = now
        self._last_sent_bps = self.bitrate_bps
        return self._last_sent_bps
