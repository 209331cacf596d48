"""Times in logarithmic buckets: small enough to send between processes, fine enough for percentiles."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

_FIRST_S: Final = 1e-6
_GROWTH: Final = math.log(1.01)
_BUCKETS: Final = 1900
"""From a microsecond to about 160 s, each bucket one per cent wider than the one before."""


class Histogram:
    """Counts of times in seconds. A percentile is off by at most half a per cent; the maximum is exact."""

    def __init__(self) -> None:
        self.counts: NDArray[np.int64] = np.zeros(_BUCKETS, np.int64)
        self.max_s = 0.0

    @property
    def count(self) -> int:
        return int(self.counts.sum())

    def add(self, seconds: float) -> None:
        """Negative times, which only a step of the clock makes, count as the smallest."""
        self.counts[min(max(int(math.log(max(seconds, _FIRST_S) / _FIRST_S) / _GROWTH), 0), _BUCKETS - 1)] += 1
        self.max_s = max(self.max_s, seconds)

    def merge(self, other: Histogram) -> None:
        self.counts += other.counts
        self.max_s = max(self.max_s, other.max_s)

    def percentile(self, percent: float) -> float | None:
        """Seconds below which `percent` (0-100, nearest rank) of the times lie; None when there is none."""
        total = self.count
        if total == 0:
            return None
        rank = max(1, math.ceil(round(percent * total / 100, 6)))
        bucket = int(np.searchsorted(np.cumsum(self.counts), rank))
        return min(_FIRST_S * math.exp((bucket + 0.5) * _GROWTH), self.max_s)

    def to_json(self) -> dict[str, Any]:
        filled = np.flatnonzero(self.counts).tolist()
        return {"max_s": self.max_s, "counts": {str(bucket): int(self.counts[bucket]) for bucket in filled}}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        histogram = cls()
        histogram.max_s = float(value["max_s"])
        for bucket, count in value["counts"].items():
            histogram.counts[int(bucket)] = count
        return histogram
