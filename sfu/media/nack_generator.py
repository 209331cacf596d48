"""Which packets of a received stream are missing, and when to ask for them (RFC 4585 generic NACK)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

REORDERING_WAIT: Final = 0.005
"""Seconds that a hole may fill by itself: networks reorder within a few milliseconds."""
MIN_RETRY_INTERVAL: Final = 0.02
DEFAULT_RTT: Final = 0.1
"""Assumed until a repair has been timed."""
MAX_TRIES: Final = 10
MAX_AGE: Final = 1.0
"""Seconds. A repair that comes later would only prolong the freeze that a keyframe ends."""
MAX_MISSING: Final = 512
"""Above this the link was down rather than lossy: half of the cache, and two datagrams full of NACK."""

_RTT_GAIN: Final = 0.25


@dataclass(slots=True)
class _Missing:
    since: float
    next_try: float
    tries: int = 0
    last_try: float = 0.0


class NackGenerator:
    """Table of missing ext_seqs. Bounded by MAX_MISSING; each is asked for at most MAX_TRIES times in MAX_AGE."""

    def __init__(self) -> None:
        self._missing: dict[int, _Missing] = {}
        self._next_due = math.inf
        self._keyframe_at = -math.inf
        self.rtt: float | None = None
        """Smoothed seconds from a NACK to its answer, None before the first."""
        self.requested = 0
        """Sequence numbers asked for, repetitions counted."""

    def __len__(self) -> int:
        return len(self._missing)

    def note_gap(self, first: int, end: int, now: float) -> bool:
        """ext_seqs first..end-1 were skipped. False: too many, everything was given up and only a keyframe helps."""
        if end - first + len(self._missing) > MAX_MISSING:
            self._missing.clear()
            return False
        for ext_seq in range(first, end):
            self._missing[ext_seq] = _Missing(now, now + REORDERING_WAIT)
        self._next_due = min(self._next_due, now + REORDERING_WAIT)
        return True

    def note_arrival(self, ext_seq: int, now: float) -> None:
        """A packet below the highest came, late or repaired."""
        missing = self._missing.pop(ext_seq, None)
        # With more than one request out nobody knows which of them was answered (Karn's algorithm).
        if missing is None or missing.tries != 1:
            return
        sample = now - missing.last_try
        self.rtt = sample if self.rtt is None else self.rtt + _RTT_GAIN * (sample - self.rtt)

    def note_keyframe(self, now: float) -> None:
        """A keyframe began: packets missed before it may be given up without asking for another."""
        self._keyframe_at = now

    def clear(self) -> None:
        self._missing.clear()

    def due(self, now: float) -> tuple[list[int], bool]:
        """(ext_seqs to ask for now, whether some were given up that only a keyframe can replace). The former count as
        asked for."""
        interval = max(MIN_RETRY_INTERVAL, 1.5 * (self.rtt if self.rtt is not None else DEFAULT_RTT))
        wanted: list[int] = []
        hopeless: list[int] = []
        for ext_seq, missing in self._missing.items():
            if missing.next_try > now:
                continue
            if missing.tries >= MAX_TRIES or now - missing.since >= MAX_AGE:
                hopeless.append(ext_seq)
                continue
            # Each time twice as long: when answers wait in a queue, asking more often only makes it longer.
            missing.next_try = now + interval * (1 << missing.tries)
            missing.tries += 1
            missing.last_try = now
            wanted.append(ext_seq)
        given_up = [self._missing.pop(ext_seq) for ext_seq in hopeless]
        self.requested += len(wanted)
        self._next_due = min((missing.next_try for missing in self._missing.values()), default=math.inf)
        return wanted, any(missing.since >= self._keyframe_at for missing in given_up)

    def next_due(self) -> float:
        """When to call `due` again; inf when nothing is missing. May be too early, never too late."""
        return self._next_due if self._missing else math.inf
