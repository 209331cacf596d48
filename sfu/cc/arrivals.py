"""Packets grouped by send time, and how the network stretched the distance between groups
(draft-ietf-rmcat-gcc-02 sections 5.1-5.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sfu.rtp.ntp import abs_send_time_diff_seconds

BURST_SECONDS: Final = 0.005
"""Packets sent within this time are one group: pacers send in bursts of that length."""
MAX_SEND_GAP_SECONDS: Final = 3.0
"""A longer silence says nothing about queues; the grouping starts anew."""


@dataclass(slots=True)
class _Group:
    first_send: int
    """24-bit abs-send-time, as `last_send`."""
    last_send: int
    last_arrival: float


class ArrivalGroups:
    """Feeds on packets, yields the delay variation between consecutive groups."""

    def __init__(self) -> None:
        self._previous: _Group | None = None
        self._current: _Group | None = None

    def note(self, abs_send_time: int, arrival: float) -> tuple[float, float] | None:
        """(delay variation in seconds, arrival of the group that is now complete), None while a group grows."""
        current = self._current
        if current is None:
            self._current = _Group(abs_send_time, abs_send_time, arrival)
            return None
        ahead = abs_send_time_diff_seconds(abs_send_time, current.first_send)
        if ahead < 0:
            # Reordered across groups: its delay was noted by those that were on time.
            return None
        if ahead <= BURST_SECONDS:
            if abs_send_time_diff_seconds(abs_send_time, current.last_send) > 0:
                current.last_send = abs_send_time
            current.last_arrival = max(current.last_arrival, arrival)
            return None
        variation = self._variation(current)
        self._previous = current if ahead <= MAX_SEND_GAP_SECONDS else None
        self._current = _Group(abs_send_time, abs_send_time, arrival)
        return None if variation is None else (variation, current.last_arrival)

    def _variation(self, current: _Group) -> float | None:
        previous = self._previous
        if previous is None:
            return None
        sent = abs_send_time_diff_seconds(current.last_send, previous.last_send)
        return current.last_arrival - previous.last_arrival - sent
