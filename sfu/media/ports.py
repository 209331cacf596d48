"""What the fan-out counts per receiving transport, as columns indexed by the transport's port number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from sfu.rtp.seq import nearest_ext_seq

SENT_HISTORY: Final = 2048
"""Packets per transport whose send time is remembered: two seconds at 1000 packets/s, far above any round trip. A
power of two."""

_HISTORY_MASK: Final = SENT_HISTORY - 1

_INITIAL_PORTS: Final = 4096
"""Many, because it costs nothing before it is used: the kernel gives memory to a port's history when it is written."""

_CLOCK_MODULUS: Final = 1 << 32
_GAIN: Final = 0.1


class PortTable:
    """Transport-wide sequence numbers and send times, and what transport-cc feedback tells of them. A port is an index
    that stays with a transport for its life."""

    def __init__(self) -> None:
        self._free = list(range(_INITIAL_PORTS - 1, -1, -1))
        self.next_transport_seq: NDArray[np.int64] = np.zeros(_INITIAL_PORTS, dtype=np.int64)
        """Unwrapped number of the next packet to the transport (16 bits of it go on the wire)."""
        self._sent_us: NDArray[np.uint32] = np.zeros((_INITIAL_PORTS, SENT_HISTORY), dtype=np.uint32)
        """Send time modulo 2^32, by transport sequence number modulo SENT_HISTORY."""
        self.acknowledged: NDArray[np.int64] = np.zeros(_INITIAL_PORTS, dtype=np.int64)
        """Packets that feedback said had arrived."""
        self.lost: NDArray[np.int64] = np.zeros(_INITIAL_PORTS, dtype=np.int64)
        self.fraction_lost: NDArray[np.float64] = np.zeros(_INITIAL_PORTS)
        """0-1, smoothed over feedback packets."""
        self.rtt: NDArray[np.float64] = np.full(_INITIAL_PORTS, np.nan)
        """Seconds from sending to feedback, smoothed, NaN before the first; contains the receiver's feedback
        interval."""
        self._view_items()

    def _view_items(self) -> None:
        """The same memory, an item of which is read or written in a third of the time that numpy takes."""
        self._next_item = self.next_transport_seq.data
        self._sent_item = self._sent_us.reshape(-1).data
        self._acknowledged_item = self.acknowledged.data
        self._lost_item = self.lost.data
        self._fraction_lost_item = cast("memoryview[float]", self.fraction_lost.data)
        self._rtt_item = cast("memoryview[float]", self.rtt.data)

    def allocate(self) -> int:
        if not self._free:
            self._grow()
        port = self._free.pop()
        self.next_transport_seq[port] = self.acknowledged[port] = self.lost[port] = 0
        self.fraction_lost[port], self.rtt[port] = 0.0, np.nan
        return port

    def release(self, port: int) -> None:
        """The port's number may be given to another transport from now on."""
        self._free.append(port)

    def _grow(self) -> None:
        size = len(self.next_transport_seq)
        self.next_transport_seq = np.concatenate([self.next_transport_seq, np.zeros(size, dtype=np.int64)])
        grown = np.zeros((2 * size, SENT_HISTORY), dtype=np.uint32)
        grown[:size] = self._sent_us
        self._sent_us = grown
        self.acknowledged = np.concatenate([self.acknowledged, np.zeros(size, dtype=np.int64)])
        self.lost = np.concatenate([self.lost, np.zeros(size, dtype=np.int64)])
        self.fraction_lost = np.concatenate([self.fraction_lost, np.zeros(size)])
        self.rtt = np.concatenate([self.rtt, np.full(size, np.nan)])
        self._view_items()
        self._free.extend(range(2 * size - 1, size - 1, -1))

    def take_one_each(self, ports: NDArray[np.int64], now: float) -> NDArray[np.int64]:
        """A number for each of `ports`, of which none comes twice."""
        values = self.next_transport_seq[ports]
        self.next_transport_seq[ports] = values + 1
        self._sent_us[ports, values & _HISTORY_MASK] = _microseconds(now)
        return values

    def take_blocks(self, ports: NDArray[np.int64], count: int, now: float) -> NDArray[np.int64]:
        """`count` numbers for each of `ports`, of which none comes twice: shape (ports, count)."""
        first = self.next_transport_seq[ports]
        self.next_transport_seq[ports] = first + count
        values = first[:, None] + np.arange(count)
        self._sent_us[ports[:, None], values & _HISTORY_MASK] = _microseconds(now)
        return values

    def take_few(self, ports: Sequence[int], count: int, now: float) -> list[int]:
        """The same without numpy, for few: the first of `count` numbers for each of `ports`."""
        next_transport_seq, sent_us, now_us = self._next_item, self._sent_item, _microseconds(now)
        firsts: list[int] = []
        for port in ports:
            first = next_transport_seq[port]
            next_transport_seq[port] = first + count
            for number in range(first, first + count):
                sent_us[port * SENT_HISTORY + (number & _HISTORY_MASK)] = now_us
            firsts.append(first)
        return firsts

    def age(self, port: int, transport_seq: int, now: float) -> float:
        """Seconds since one of the last SENT_HISTORY packets to the port was sent; at most 71 minutes."""
        sent_us = self._sent_item[port * SENT_HISTORY + (transport_seq & _HISTORY_MASK)]
        return (_microseconds(now) - sent_us) % _CLOCK_MODULUS / 1e6

    def note_feedback(
        self, port: int, base_seq: int, status_count: int, received: int, newest_index: int, now: float
    ) -> bool:
        """Take what a `TwccReport` tells. False when it is about packets that were never sent, or too long ago: then
        it is ignored."""
        next_seq = self._next_item[port]
        first = nearest_ext_seq(base_seq, next_seq)
        if first + status_count > next_seq or first < 0 or first < next_seq - SENT_HISTORY:
            return False
        self._acknowledged_item[port] += received
        self._lost_item[port] += status_count - received
        self._fraction_lost_item[port] += _GAIN * (1 - received / status_count - self._fraction_lost_item[port])
        if received:
            sample = self.age(port, first + newest_index, now)
            rtt = self._rtt_item[port]
            self._rtt_item[port] = sample if math.isnan(rtt) else rtt + _GAIN * (sample - rtt)
        return True

    def note_complete_feedback(
        self, ports: NDArray[np.int64], base_seqs: NDArray[np.int64], counts: NDArray[np.int64], now: float
    ) -> int:
        """The same for many ports, of which none comes twice, whose feedback says that all of the `counts` packets
        arrived. Returns how many of them were ignored."""
        next_seqs = self.next_transport_seq[ports]
        firsts = next_seqs + (base_seqs - next_seqs + 0x8000 & 0xFFFF) - 0x8000
        ends = firsts + counts
        known = (ends <= next_seqs) & (firsts >= 0) & (firsts >= next_seqs - SENT_HISTORY)
        ignored = len(ports) - int(np.count_nonzero(known))
        if ignored:
            ports, counts, ends = ports[known], counts[known], ends[known]
        self.acknowledged[ports] += counts
        self.fraction_lost[ports] *= 1 - _GAIN
        sent_us = self._sent_us[ports, ends - 1 & _HISTORY_MASK].astype(np.int64)
        samples = (_microseconds(now) - sent_us) % _CLOCK_MODULUS / 1e6
        rtts = self.rtt[ports]
        self.rtt[ports] = np.where(np.isnan(rtts), samples, rtts + _GAIN * (samples - rtts))
        return ignored


def _microseconds(now: float) -> int:
    return round(now * 1e6) % _CLOCK_MODULUS
