"""What the fan-out counts per receiving transport, as columns indexed by the transport's port number."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

SENT_HISTORY: Final = 2048
"""Packets per transport whose send time is remembered: two seconds at 1000 packets/s, far above any round trip."""

_INITIAL_PORTS: Final = 4096
"""Many, because it costs nothing before it is used: the kernel gives memory to a port's history when it is written."""

_CLOCK_MODULUS: Final = 1 << 32


class PortTable:
    """Transport-wide sequence numbers and send times. A port is an index that stays with a transport for its life."""

    def __init__(self) -> None:
        self._free = list(range(_INITIAL_PORTS - 1, -1, -1))
        self.next_transport_seq: NDArray[np.int64] = np.zeros(_INITIAL_PORTS, dtype=np.int64)
        """Unwrapped number of the next packet to the transport (16 bits of it go on the wire)."""
        self._sent_us: NDArray[np.uint32] = np.zeros((_INITIAL_PORTS, SENT_HISTORY), dtype=np.uint32)
        """Send time modulo 2^32, by transport sequence number modulo SENT_HISTORY."""

    def allocate(self) -> int:
        if not self._free:
            self._grow()
        port = self._free.pop()
        self.next_transport_seq[port] = 0
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
        self._free.extend(range(2 * size - 1, size - 1, -1))

    def take_transport_seqs(self, ports: NDArray[np.int64], now: float) -> NDArray[np.int64]:
        """Numbers for packets to `ports` (sorted, so that equal ones are adjacent), which are noted as sent `now`."""
        total = len(ports)
        ends = np.empty(total, np.bool_)
        ends[-1] = True
        np.not_equal(ports[1:], ports[:-1], out=ends[:-1])
        last = ends.nonzero()[0]
        counts = last.copy()
        counts[1:] -= last[:-1]
        counts[0] += 1
        owners = ports[last]
        values = np.arange(total) + (self.next_transport_seq[owners] - last - 1 + counts).repeat(counts)
        self.next_transport_seq[owners] += counts
        self._sent_us[ports, values % SENT_HISTORY] = _microseconds(now)
        return values

    def take_blocks_of_transport_seqs(self, ports: NDArray[np.int64], count: int, now: float) -> NDArray[np.int64]:
        """`count` numbers for each of `ports`, of which none comes twice: shape (ports, count)."""
        first = self.next_transport_seq[ports]
        self.next_transport_seq[ports] = first + count
        values = first[:, None] + np.arange(count)
        self._sent_us[ports[:, None], values % SENT_HISTORY] = _microseconds(now)
        return values

    def age(self, port: int, transport_seq: int, now: float) -> float:
        """Seconds since one of the last SENT_HISTORY packets to the port was sent; at most 71 minutes."""
        sent_us = int(self._sent_us[port, transport_seq % SENT_HISTORY])
        return (_microseconds(now) - sent_us) % _CLOCK_MODULUS / 1e6


def _microseconds(now: float) -> int:
    return round(now * 1e6) % _CLOCK_MODULUS
