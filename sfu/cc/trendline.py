"""Is a queue growing? A line through the accumulated delay, against a threshold that adapts
(draft-ietf-rmcat-gcc-02 sections 5.3-5.4; a least-squares line in place of its Kalman filter)."""

from __future__ import annotations

from collections import deque
from typing import Final, Literal

Usage = Literal["normal", "overuse", "underuse"]

WINDOW: Final = 20
SMOOTHING: Final = 0.9
GAIN: Final = 4.0
MAX_DELTAS: Final = 60
"""The trend counts for more, up to here, the longer it has been watched."""
OVERUSE_SECONDS: Final = 0.010
"""An overuse must last this long, or it is only a burst."""
INITIAL_THRESHOLD_MS: Final = 12.5
MIN_THRESHOLD_MS: Final = 6.0
MAX_THRESHOLD_MS: Final = 600.0
K_UP: Final = 0.0087
K_DOWN: Final = 0.039
MAX_ADAPT_MS: Final = 15.0
"""A sudden jump (a route change) must not drag the threshold along."""
MAX_TIME_DELTA_MS: Final = 100.0


class TrendlineDetector:
    """Delay variations in, "normal", "overuse" or "underuse" out."""

    def __init__(self) -> None:
        self.usage: Usage = "normal"
        self._points: deque[tuple[float, float]] = deque(maxlen=WINDOW)
        self._accumulated_ms = 0.0
        self._smoothed_ms = 0.0
        self._deltas = 0
        self._threshold_ms = INITIAL_THRESHOLD_MS
        self._first_arrival: float | None = None
        self._last_update: float | None = None
        self._overusing_since: float | None = None
        self._previous_trend = 0.0

    def note(self, variation: float, arrival: float) -> Usage:
        """`variation`: seconds by which a group came later than its distance to the last one; `arrival` in seconds."""
        if self._first_arrival is None:
            self._first_arrival = arrival
        self._deltas = min(self._deltas + 1, 1000)
        self._accumulated_ms += variation * 1000
        self._smoothed_ms = SMOOTHING * self._smoothed_ms + (1 - SMOOTHING) * self._accumulated_ms
        self._points.append(((arrival - self._first_arrival) * 1000, self._smoothed_ms))
        trend = self._slope() if len(self._points) == WINDOW else 0.0
        self._detect(trend, arrival)
        return self.usage

    def _slope(self) -> float:
        mean_x = sum(x for x, _ in self._points) / len(self._points)
        mean_y = sum(y for _, y in self._points) / len(self._points)
        numerator = sum((x - mean_x) * (y - mean_y) for x, y in self._points)
        denominator = sum((x - mean_x) ** 2 for x, _ in self._points)
        return numerator / denominator if denominator else 0.0

    def _detect(self, trend: float, now: float) -> None:
        modified_ms = min(self._deltas, MAX_DELTAS) * trend * GAIN
        if modified_ms > self._threshold_ms:
            if self._overusing_since is None:
                self._overusing_since = now
            if now - self._overusing_since >= OVERUSE_SECONDS and trend >= self._previous_trend:
                self.usage = "overuse"
        else:
            self._overusing_since = None
            self.usage = "underuse" if modified_ms < -self._threshold_ms else "normal"
        self._previous_trend = trend
        self._adapt(abs(modified_ms), now)

    def _adapt(self, magnitude_ms: float, now: float) -> None:
        elapsed_ms = 0.0 if self._last_update is None else min((now - self._last_update) * 1000, MAX_TIME_DELTA_MS)
        self._last_update = now
        if magnitude_ms > self._threshold_ms + MAX_ADAPT_MS:
            return
        k = K_DOWN if magnitude_ms < self._threshold_ms else K_UP
        self._threshold_ms += k * (magnitude_ms - self._threshold_ms) * elapsed_ms
        self._threshold_ms = min(max(self._threshold_ms, MIN_THRESHOLD_MS), MAX_THRESHOLD_MS)
