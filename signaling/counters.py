"""What signaling counts about itself: plain numbers, read by whoever shows them.

A broadcast to a thousand sockets counts a thousand frames: an addition is all that may cost. What is not known
beforehand never becomes a key (no session, no user, no word of a client), so that nobody can make this grow.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from typing import Final, Literal

Direction = Literal["publish", "receive"]
TransportOutcome = Literal["connected", "failed", "never"]
"""`failed`: DTLS failed, or the peer hung up before. `never`: it was closed before the peer had come through."""
ClosedBy = Literal["server", "client"]

MAX_REACTION_TYPES: Final = 32
OTHER: Final = "other"

_CONNECT_S: Final = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_DURATION_S: Final = (60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0)
_PER_SESSION: Final = (0.0, 1.0, 10.0, 100.0, 1000.0, 10_000.0, 100_000.0)
_SHARE: Final = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


class Histogram:
    """How often values came up to each of some ascending bounds."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.total = 0.0
        self._counts = [0] * (len(bounds) + 1)

    def observe(self, value: float) -> None:
        self._counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def cumulative(self) -> list[int]:
        """How many values were no greater than each bound, and at the end how many there were."""
        sums, so_far = [], 0
        for count in self._counts:
            so_far += count
            sums.append(so_far)
        return sums


class Counters:
    """Since the server began, unless they say `now`."""

    def __init__(self) -> None:
        self.viewers_now = 0
        self.guests_now = 0
        self.peak_viewers = 0
        """Most viewers at once, in all sessions together."""
        self.sessions_ended: Counter[str] = Counter()
        """By the reason of the end."""
        self.session_duration_s = Histogram(_DURATION_S)
        self.session_peak_viewers = Histogram(_PER_SESSION)
        self.session_messages = Histogram(_PER_SESSION)
        self.session_reactions = Histogram(_PER_SESSION)
        self.guest_participation = Histogram(_SHARE)
        """Of each ended session: the share (0-1) of those who were in, the host apart, who came on stage."""
        self.messages = 0
        self.reactions: Counter[str] = Counter()
        """By type."""
        self.transports: Counter[tuple[Direction, TransportOutcome]] = Counter()
        self.connect_s: dict[Direction, Histogram] = {
            "publish": Histogram(_CONNECT_S),
            "receive": Histogram(_CONNECT_S),
        }
        """From the making of a transport to media that could flow; the peer's answer is part of it."""
        self.frames_in: Counter[str] = Counter()
        """By type of message; those that the protocol does not have are `other`."""
        self.frames_out = 0
        self.bytes_out = 0
        self.slow_readers = 0
        self.sockets_closed: Counter[tuple[ClosedBy, int]] = Counter()
        """By who closed them, and the close code; codes that the protocol does not have are 0."""
        self.rate_limited: Counter[str] = Counter()
        """Refusals by class of limit."""

    def count_reactions(self, kind: str, count: int) -> None:
        known = kind in self.reactions or len(self.reactions) < MAX_REACTION_TYPES
        self.reactions[kind if known else OTHER] += count


class SessionTally:
    """One live session's part in the counters. `ended` takes it out of what is `now`."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._viewers = self._guests = self._peak_viewers = 0
        self._messages = self._reactions = 0
        self._were_guests: set[str] = set()

    def present(self, viewers: int, guests: Iterable[str]) -> None:
        """Who is in now: how many viewers, and the guests' participant ids."""
        on_stage = set(guests)
        self._were_guests |= on_stage
        self._peak_viewers = max(self._peak_viewers, viewers)
        self._set_present(viewers, len(on_stage))

    def message(self) -> None:
        """Somebody wrote in the chat."""
        self._messages += 1
        self._counters.messages += 1

    def reaction(self, kind: str, count: int = 1) -> None:
        self._reactions += count
        self._counters.count_reactions(kind, count)

    def ended(self, reason: str, duration_s: float, audience: int) -> None:
        """The session is over. `audience`: how many were ever in, the host apart."""
        counters = self._counters
        self._set_present(0, 0)
        counters.sessions_ended[reason] += 1
        counters.session_duration_s.observe(duration_s)
        counters.session_peak_viewers.observe(self._peak_viewers)
        counters.session_messages.observe(self._messages)
        counters.session_reactions.observe(self._reactions)
        if audience > 0:
            counters.guest_participation.observe(min(1.0, len(self._were_guests) / audience))

    def _set_present(self, viewers: int, guests: int) -> None:
        counters = self._counters
        counters.viewers_now += viewers - self._viewers
        counters.guests_now += guests - self._guests
        counters.peak_viewers = max(counters.peak_viewers, counters.viewers_now)
        self._viewers, self._guests = viewers, guests


class TransportWatch:
    """One transport, from its making to its first `connected` or its end. `now` in seconds, monotonic."""

    def __init__(self, counters: Counters, direction: Direction, now: float) -> None:
        self._counters = counters
        self._direction: Direction = direction
        self._made_at = now
        self._decided = False

    def changed(self, state: str, now: float) -> None:
        if state == "connected" and not self._decided:
            self._counters.connect_s[self._direction].observe(now - self._made_at)
            self._decide("connected")
        elif state in ("failed", "closed"):
            self._decide("failed")

    def closed(self) -> None:
        """The server closed the transport."""
        self._decide("never")

    def _decide(self, outcome: TransportOutcome) -> None:
        if not self._decided:
            self._decided = True
            self._counters.transports[self._direction, outcome] += 1
