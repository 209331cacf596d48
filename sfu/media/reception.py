"""What a receiver counts about one stream for its reports (RFC 3550 section 6.4.1 and appendix A)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sfu.rtp.ntp import dlsr_from_seconds, ntp_middle
from sfu.rtp.rtcp import ReportBlock
from sfu.rtp.seq import timestamp_diff

_JITTER_GAIN = 1 / 16
_MAX_PLAUSIBLE_TRANSIT_SECONDS = 10.0


@dataclass(slots=True)
class ReceivedSenderReport:
    """The publisher's last SR, and what it would say at another time: the same for all who are told at once."""

    ntp: int
    rtp_timestamp: int
    arrival: float
    now: float = -math.inf
    """When `carry_on` was called for, and what it found."""
    ntp_now: int = 0
    rtp_timestamp_now: int = 0
    """Not wrapped yet."""

    def carry_on(self, now: float, clock_rate: int) -> None:
        elapsed = max(now - self.arrival, 0.0)
        self.now = now
        self.ntp_now = (self.ntp + round(elapsed * (1 << 32))) & 0xFFFFFFFFFFFFFFFF
        self.rtp_timestamp_now = self.rtp_timestamp + round(elapsed * clock_rate)


class Reception:
    """Counts of one stream. Repaired packets are counted apart: the reports speak about the network."""

    def __init__(self) -> None:
        self.packets = 0
        self.bytes = 0
        self.repaired = 0
        self.jitter_ticks = 0.0
        self.sender_report: ReceivedSenderReport | None = None
        self._first: int | None = None
        self._highest = 0
        self._clock_rate = 0
        self._last_arrival = 0.0
        self._last_timestamp = 0
        self._reported_expected = 0
        self._reported_received = 0

    @property
    def jitter_seconds(self) -> float:
        return self.jitter_ticks / self._clock_rate if self._clock_rate else 0.0

    @property
    def expected(self) -> int:
        return 0 if self._first is None else self._highest - self._first + 1

    @property
    def lost(self) -> int:
        """Packets that neither arrived nor were repaired; falls when late ones come."""
        return max(self.expected - self.packets - self.repaired, 0)

    @property
    def has_news(self) -> bool:
        """Whether packets came since the last report."""
        return self.packets != self._reported_received

    def note_packet(self, ext_seq: int, timestamp: int, size: int, clock_rate: int, now: float) -> None:
        """A packet that came by the stream's own SSRC; `size` in bytes, `timestamp` in ticks of `clock_rate`."""
        self.packets += 1
        self.bytes += size
        if not self._note_number(ext_seq):
            return
        if clock_rate == self._clock_rate:
            ticks = timestamp_diff(timestamp, self._last_timestamp)
            transit = abs(now - self._last_arrival - ticks / clock_rate)
            # A publisher that was paused or changed its track begins a new timeline; that is not jitter.
            if transit < _MAX_PLAUSIBLE_TRANSIT_SECONDS:
                self.jitter_ticks += (transit * clock_rate - self.jitter_ticks) * _JITTER_GAIN
        else:
            self._clock_rate = clock_rate
            self.jitter_ticks = 0.0
        self._last_arrival = now
        self._last_timestamp = timestamp

    def note_repair(self, ext_seq: int) -> None:
        """A packet that came by RTX."""
        self._note_number(ext_seq)
        self.repaired += 1

    def _note_number(self, ext_seq: int) -> bool:
        if self._first is None:
            self._first = ext_seq
        elif ext_seq <= self._highest:
            self._first = min(self._first, ext_seq)
            return False
        self._highest = ext_seq
        return True

    def report(self, ssrc: int, now: float) -> ReportBlock:
        """The next report block; its fraction is about the time since the last one."""
        expected = self.expected
        lost = expected - self.packets
        expected_since = expected - self._reported_expected
        lost_since = expected_since - (self.packets - self._reported_received)
        fraction = min(max(256 * lost_since // expected_since, 0), 255) if expected_since > 0 else 0
        self._reported_expected = expected
        self._reported_received = self.packets
        sender_report = self.sender_report
        return ReportBlock(
            ssrc=ssrc,
            fraction_lost=fraction,
            cumulative_lost=lost,
            # The publisher's own count of wraps begins at 0; ours one turn higher.
            highest_ext_seq=(self._highest - 0x10000) & 0xFFFFFFFF,
            jitter=min(int(self.jitter_ticks), 0xFFFFFFFF),
            lsr=0 if sender_report is None else ntp_middle(sender_report.ntp),
            dlsr=0 if sender_report is None else dlsr_from_seconds(now - sender_report.arrival),
        )
