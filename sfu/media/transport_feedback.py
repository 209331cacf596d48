"""Transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01) that publishers are given. (What
subscribers give is noted in `ports.py`.)"""

from __future__ import annotations

import math
from typing import Final

from sfu.rtp.seq import Unwrapper
from sfu.rtp.twcc import TwccFeedback, build_feedback

INTERVAL: Final = 0.1
"""Seconds between feedback packets; half of it while more than BUSY packets come in that time."""
BUSY: Final = 50
MAX_PENDING: Final = 2048


class ArrivalRecorder:
    """Notes when packets of one publishing transport arrived, and reports it."""

    def __init__(self, sender_ssrc: int) -> None:
        self._sender_ssrc = sender_ssrc
        self._unwrapper = Unwrapper()
        self._pending: dict[int, int] = {}
        self._next_unreported: int | None = None
        self._feedback_count = 0
        self._due = math.inf
        self._interval = INTERVAL

    def note(self, transport_seq: int, now: float) -> None:
        """A packet with this 16-bit number arrived. Repeated numbers, and more than MAX_PENDING, are left out."""
        ext_seq = self._unwrapper.unwrap(transport_seq)
        if len(self._pending) >= MAX_PENDING:
            return
        if not self._pending:
            self._due = now + self._interval
        self._pending.setdefault(ext_seq, round(now * 1_000_000))

    def next_due(self) -> float:
        return self._due

    def poll(self, media_ssrc: int, now: float) -> list[TwccFeedback]:
        """Feedback that is due, each to go into a datagram of its own; `media_ssrc` is any SSRC of the connection."""
        if now < self._due:
            return []
        arrivals = sorted(self._pending.items())
        self._pending.clear()
        self._interval = INTERVAL / 2 if len(arrivals) > BUSY else INTERVAL
        self._due = math.inf
        base = self._next_unreported
        # Late packets were reported lost; they get a report of their own, so that the range in between is not reported
        # on twice more than needed.
        late = [arrival for arrival in arrivals if base is not None and arrival[0] < base]
        newer = arrivals[len(late) :]
        feedbacks: list[TwccFeedback] = []
        if late:
            feedbacks += build_feedback(self._sender_ssrc, media_ssrc, self._feedback_count, late)
        if newer:
            count = self._feedback_count + len(feedbacks) & 0xFF
            feedbacks += build_feedback(self._sender_ssrc, media_ssrc, count, newer, base)
            self._next_unreported = newer[-1][0] + 1
        self._feedback_count = self._feedback_count + len(feedbacks) & 0xFF
        return feedbacks
