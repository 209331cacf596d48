"""One bound UDP socket that moves datagrams by the batch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .address import AddressKey


class UdpSocket:
    """`lengths[:n]` (int32) and `keys` (n) describe what the last `receive` brought."""

    lengths: NDArray[np.int32]
    keys: list[AddressKey]
    host: str
    port: int

    def fileno(self) -> int:
        raise NotImplementedError

    def receive(self, matrix: NDArray[np.uint8], first_row: int, max_count: int, column: int) -> int:
        raise NotImplementedError
