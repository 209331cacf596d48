"""One bound UDP socket that moves datagrams by the batch; here with the calls that every platform has.

`sfu.net.mmsg` does the same with fewer system calls where the kernel has them. Neither ever waits: what the kernel does
not take at once is dropped and counted, because a late media packet is worth less than the ones behind it.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .address import AddressKey, key_from_socket_address, socket_address
from .destinations import DestinationTable

_BUFFER_BYTES: Final = 4 * 1024 * 1024
"""Asked for in both directions; about 100 ms of 40 k packets/s. The kernel quietly clamps it to its own limit."""

WOULD_BLOCK: Final = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS})

_SEND_REASONS: Final = {
    **dict.fromkeys(WOULD_BLOCK, "send_would_block"),
    errno.EMSGSIZE: "send_too_long",
    **dict.fromkeys(
        (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.ENETDOWN, errno.EPERM),
        "send_unreachable",
    ),
}


def send_drop_reason(error: int | None) -> str:
    """The name under which a failed send is counted. EPERM is how Linux says that a firewall rule refused."""
    return _SEND_REASONS.get(error or 0, "send_error")


@dataclass(slots=True)
class SameForAll:
    """Rows that are the same packets for each of some slots, the rows of a slot one behind the other."""

    slots: NDArray[np.int64]
    names: NDArray[np.int64]
    """Where the slots' socket addresses are in memory."""
    name_items: list[int]
    """The same, to be read one at a time."""
    pattern: Sequence[int]
    """Lengths of the packets, before encryption: it makes all of a slot's longer by the same."""

    def row_slots(self) -> NDArray[np.int64]:
        """The slot of each row."""
        return self.slots.repeat(len(self.pattern))


class UdpSocket:
    """After `receive` returned n, `lengths` (bytes) and `keys`, n of each, describe the datagrams.

    Fragmentation is left to the kernel's defaults: the DF bit is set, and a datagram that is too long for a path known
    to be narrower is fragmented here.
    """

    def __init__(self, host: str, port: int, drops: dict[str, int], max_batch: int) -> None:
        """Bind to one literal address; port 0 picks one. `drops` needs a default of 0 (`collections.Counter`).

        `OSError` when the address cannot be bound.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            if family == socket.AF_INET6:
                self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
            self._socket.setblocking(False)
            self._socket.bind((host, port))
        except OSError:
            self._socket.close()
            raise
        self.host = host
        self.port: int = self._socket.getsockname()[1]
        self.ipv6 = family == socket.AF_INET6
        self.max_batch = max_batch
        self.offload = False
        """Whether runs of packets of one length are left to the kernel to cut."""
        self.lengths: list[int] = []
        self.keys: list[AddressKey] = []
        self._drops = drops

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        """Idempotent."""
        self._socket.close()

    def receive(self, matrix: NDArray[np.uint8], first_row: int, max_count: int, column: int) -> int:
        """Take what has arrived into rows `first_row`, ... of a C-contiguous matrix, each from `column` on.

        At most `max_count` datagrams, `max_batch` of them, or as many as there are rows left. A datagram that fills its
        row (`lengths[i] == stride - column`) may have been cut. Returns how many came; 0 when none was waiting.
        """
        count = min(max_count, self.max_batch, len(matrix) - first_row)
        self.lengths, self.keys = lengths, keys = [], []
        for i in range(count):
            try:
                length, address = self._socket.recvfrom_into(matrix[first_row + i, column:].data)
            except OSError as exc:
                if exc.errno not in WOULD_BLOCK:
                    self._drops["receive_error"] += 1
                break
            lengths.append(length)
            keys.append(key_from_socket_address(address))
        return len(keys)

    def send(self, data: bytes | memoryview, key: AddressKey) -> bool:
        """Send one datagram. False, and counted, when the kernel did not take it."""
        try:
            self._socket.sendto(data, socket_address(key))
        except OSError as exc:
            self._drops[send_drop_reason(exc.errno)] += 1
            return False
        return True

    def send_rows(
        self,
        matrix: NDArray[np.uint8],
        rows: NDArray[np.int64],
        column: int,
        lengths: NDArray[np.int32],
        slots: NDArray[np.int64],
        destinations: DestinationTable,
    ) -> int:
        """Send `lengths[i]` bytes of row `rows[i]` from `column` on to the address of slot `slots[i]`, in this order.

        Every slot must lead somewhere that this socket's family can reach. Returns how many datagrams were taken.
        """
        keys = destinations.keys
        sent = 0
        for row, length, slot in zip(rows.tolist(), lengths.tolist(), slots.tolist(), strict=True):
            sent += self.send(matrix[row, column : column + length].data, keys[slot])
        return sent

    def send_blocks(
        self,
        matrix: NDArray[np.uint8],
        lengths: NDArray[np.int32],
        blocks: Sequence[SameForAll],
        destinations: DestinationTable,
    ) -> int:
        """Send `lengths[i]` bytes of row i, from column 0 on, for all i. Returns how many datagrams were taken."""
        slots = np.concatenate([block.row_slots() for block in blocks])
        return self.send_rows(matrix, np.arange(len(lengths)), 0, lengths, slots, destinations)
