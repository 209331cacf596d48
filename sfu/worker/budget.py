"""A share of a worker's time, for work that must not take more however much of it there is."""

from __future__ import annotations


class TimeBudget:
    """A token bucket of seconds."""

    __slots__ = ("_burst_s", "_filled_at", "_left_s", "_share")

    def __init__(self, share: float, burst_s: float, now: float) -> None:
        """`share`, between 0 and 1, of the time on the clock of `now`, and up to `burst_s` of it saved up."""
        self._share = share
        self._burst_s = self._left_s = burst_s
        self._filled_at = now

    def is_spent(self, now: float) -> bool:
        """Whether nothing is left at the moment."""
        self._left_s = min(self._burst_s, self._left_s + (now - self._filled_at) * self._share)
        self._filled_at = now
        return self._left_s <= 0

    def spend(self, seconds: float) -> None:
        """More than is left is a debt, which later time pays."""
        self._left_s -= seconds
