"""What the fan-out counts per receiving transport, as columns indexed by the transport's port number."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

SENT_HISTORY: Final = 2048
"""Packets per transport whose send time is remembered: two seconds at 1000 packets/s, far above any round trip."""

_INITIAL_PORTS: Final = 32


class PortTable:
    """Transport-wide sequence numbers and send times. A port is an index that stays with a transport for its life."""

    def __init__(self) -> None:
        self._free = list(range(_INITIAL_PORTS - 1, -1, -1))
        self.next_transport_seq: NDArray[np.int64] = np.zeros(_INITIAL_PORTS, dtype=np.int64)
        """Unwrapped number of the next packet to the transport (16 bits of it go on the wire)."""
        self.sent_at: NDArray[np.float64] = np.zeros((_INITIAL_PORTS, SENT_HISTORY))
        """Send time in seconds, by transport sequence number modulo SENT_HISTORY."""

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
        self.sent_at = np.concatenate([self.sent_at, np.zeros((size, SENT_HISTORY))])
        self._free.extend(range(2 * size - 1, size - 1, -1))

    def take_transport_seqs(self, ports: NDArray[np.int64], now: float) -> NDArray[np.int64]:
        """Numbers for packets to `ports` (sorted, so that equal ones are adjacent), which are noted as sent `now`."""
        total = len(ports)
        starts = np.flatnonzero(np.concatenate(([True], ports[1:] != ports[:-1])))
        counts = np.diff(np.append(starts, total))
        owners = ports[starts]
        values = np.arange(total) + np.repeat(self.next_transport_seq[owners] - starts, counts)
        self.next_transport_seq[owners] += counts
        self.sent_at[ports, values % SENT_HISTORY] = now
        return values
