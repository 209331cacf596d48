"""How often a subscriber may have packets again."""

from __future__ import annotations

from itertools import islice
from typing import Final

MIN_REPEAT_INTERVAL: Final = 0.02
"""Seconds; a repeated NACK for a packet that is still on its way would only add to the congestion."""
RATE: Final = 400.0
"""Retransmissions per second and consumer: more than the packets of a 2.5 Mbit/s video."""
BURST: Final = 200.0

_REMEMBERED: Final = 512
_FORGOTTEN_AT_ONCE: Final = 256
"""Many, because the first item of a dict is found behind all that were deleted in front of it."""


class RetransmissionLimiter:
    """Refuses a packet that was sent again within a round trip, and more packets than RATE allows."""

    def __init__(self) -> None:
        self._last_sent: dict[int, float] = {}
        self._tokens = BURST
        self._refilled_at: float | None = None

    def allow(self, ext_seq: int, rtt: float | None, now: float) -> bool:
        """Whether the packet may be sent again `now`; if so it counts as sent."""
        last_sent = self._last_sent.get(ext_seq)
        if last_sent is not None and now - last_sent < max(MIN_REPEAT_INTERVAL, rtt or 0.0):
            return False
        elapsed = 0.0 if self._refilled_at is None else now - self._refilled_at
        self._tokens = min(BURST, self._tokens + elapsed * RATE)
        self._refilled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        # Moved to the end, so that the first key is always the oldest.
        self._last_sent.pop(ext_seq, None)
        self._last_sent[ext_seq] = now
        if len(self._last_sent) > _REMEMBERED:
            self._last_sent = dict(islice(self._last_sent.items(), _FORGOTTEN_AT_ONCE, None))
        return True
