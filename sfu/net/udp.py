"""One bound UDP socket that moves datagrams by the batch; here with the calls that every platform has.

`sfu.net.mmsg` does the same with fewer system calls where the kernel has them. Neither ever waits: what the kernel does
not take at once is dropped and counted, because a late media packet is worth less than the ones behind it.
"""

from __future__ import annotations

import errno
import socket
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


class UdpSocket:
    """After `receive` returned n, `lengths[:n]` (int32, bytes) and `keys` (n of them) describe the datagrams.

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
        self.lengths: NDArray[np.int32] = np.zeros(max_batch, np.int32)
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
        self.keys = keys = []
        for i in range(count):
            try:
                length, address = self._socket.recvfrom_into(matrix[first_row + i, column:].data)
            except OSError as exc:
                if exc.errno not in WOULD_BLOCK:
                    self._drops["receive_error"] += 1
                break
            self.lengths[i] = length
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
