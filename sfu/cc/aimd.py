"""Additive increase, multiplicative decrease of a rate (draft-ietf-rmcat-gcc-02 sections 5.5 and 6)."""

from __future__ import annotations

import math
from typing import Final

from .trendline import Usage

BETA: Final = 0.85
INCREASE_PER_SECOND: Final = 1.08
STARTUP_PER_SECOND: Final = 1.5
"""Until the first overuse or loss: nobody probes here, and 1 to 2.5 Mbit/s by 8 % steps would take 12 s."""
HEADROOM_FACTOR: Final = 1.5
"""The estimate may not run ahead of what really comes by more than this: nothing would have tested it."""
HEADROOM_BPS: Final = 10_000
ADDITIVE_BITS_PER_RTT: Final = 9600
"""A packet of 1200 bytes: near the rate where the last overuse happened, growth is by one a round trip."""
HIGH_LOSS: Final = 0.10
LOW_LOSS: Final = 0.02

_CONVERGENCE_GAIN: Final = 0.05
_NEAR_DEVIATIONS: Final = 3.0


class AimdController:
    """The rate in bit/s, moved by what the overuse detector and the loss say."""

    def __init__(self, start_bps: int, min_bps: int, max_bps: int) -> None:
        self.rate_bps = float(start_bps)
        self._min_bps = min_bps
        self._max_bps = max_bps
        self._last_decrease = -math.inf
        self._last_update: float | None = None
        self._link_kbps: float | None = None
        self._link_deviation = 0.4
        self._held_by_loss = False
        self._starting = True

    def update(self, usage: Usage, incoming_bps: float, rtt: float, now: float) -> None:
        """`usage` of the moment, the rate that arrives, and the round trip in seconds."""
        elapsed = 0.0 if self._last_update is None else min(now - self._last_update, 1.0)
        self._last_update = now
        if usage == "overuse":
            # The queue needs a round trip, and the measured rate its window, to show what the last decrease did.
            if now - self._last_decrease >= rtt:
                self._last_decrease = now
                self._decrease(incoming_bps)
        elif usage == "normal" and not self._held_by_loss:
            self._increase(incoming_bps, elapsed, rtt)

    def note_loss(self, fraction: float) -> None:
        """`fraction` 0-1 of the packets of the last report interval."""
        self._held_by_loss = fraction > LOW_LOSS
        self._starting &= not self._held_by_loss
        if fraction > HIGH_LOSS:
            self._set(self.rate_bps * (1 - 0.5 * fraction))

    def _increase(self, incoming_bps: float, elapsed: float, rtt: float) -> None:
        if self._near_link_rate(incoming_bps):
            target = self.rate_bps + ADDITIVE_BITS_PER_RTT / max(rtt, 0.01) * elapsed
        else:
            growth = STARTUP_PER_SECOND if self._starting else INCREASE_PER_SECOND
            target = self.rate_bps * growth**elapsed
        ceiling = HEADROOM_FACTOR * incoming_bps + HEADROOM_BPS
        self._set(max(self.rate_bps, min(target, ceiling)))

    def _near_link_rate(self, incoming_bps: float) -> bool:
        if self._link_kbps is None:
            return False
        distance = _NEAR_DEVIATIONS * math.sqrt(self._link_deviation * self._link_kbps)
        if incoming_bps / 1000 > self._link_kbps + distance:
            self._link_kbps = None
            return False
        return incoming_bps / 1000 > self._link_kbps - distance

    def _decrease(self, incoming_bps: float) -> None:
        self._starting = False
        incoming_kbps = incoming_bps / 1000
        if self._link_kbps is None:
            self._link_kbps = incoming_kbps
        else:
            error = incoming_kbps - self._link_kbps
            self._link_kbps += _CONVERGENCE_GAIN * error
            deviation = error * error / max(self._link_kbps, 1.0)
            self._link_deviation += _CONVERGENCE_GAIN * (deviation - self._link_deviation)
            self._link_deviation = min(max(self._link_deviation, 0.4), 2.5)
        self._set(min(self.rate_bps, BETA * incoming_bps))

    def _set(self, rate_bps: float) -> None:
        self.rate_bps = min(max(rate_bps, self._min_bps), self._max_bps)
