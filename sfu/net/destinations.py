"""Where each transport's datagrams go, as columns: what a batch send looks up by slot."""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .address import AddressKey, sockaddr

NOWHERE: Final = -1
NAME_STRIDE: Final = 32
"""Bytes between socket addresses: a `sockaddr_in6` (28), aligned."""

_FIRST_CAPACITY: Final = 256


class DestinationTable:
    """A slot belongs to one transport from `add` to `release`, while its address may change.

    `socket_of` (int16, shape (capacity,)): index of the socket to send from, or `NOWHERE`.
    `names` (uint8, shape (capacity, 32)): socket addresses as the kernel reads them.
    The arrays are replaced when the table grows: never keep a reference across `add`.
    """

    def __init__(self) -> None:
        self.socket_of: NDArray[np.int16] = np.full(_FIRST_CAPACITY, NOWHERE, np.int16)
        self.names: NDArray[np.uint8] = np.zeros((_FIRST_CAPACITY, NAME_STRIDE), np.uint8)
        self.keys: list[AddressKey] = [0] * _FIRST_CAPACITY
        self.names_pointer = self.names.ctypes.data
        self.changes = 0
        """Counts what changes `socket_of` of a slot in use, or moves `names`. (An address is changed in place.)"""
        # The slot that was free for the longest time comes first, so that a stale slot somewhere rarely hits anybody.
        self._free = deque(range(_FIRST_CAPACITY))

    def add(self) -> int:
        """A slot that leads nowhere yet."""
        if not self._free:
            self._grow()
        return self._free.popleft()

    def release(self, slot: int) -> None:
        """Give the slot back."""
        self.clear(slot)
        self._free.append(slot)

    def point(self, slot: int, socket_index: int, key: AddressKey) -> None:
        """Send the slot's datagrams from this socket to this address."""
        name = sockaddr(key)
        self.names[slot, : len(name)] = np.frombuffer(name, np.uint8)
        self.keys[slot] = key
        if self.socket_of[slot] != socket_index:
            self.socket_of[slot] = socket_index
            self.changes += 1

    def clear(self, slot: int) -> None:
        """Send the slot's datagrams nowhere."""
        if self.socket_of[slot] != NOWHERE:
            self.socket_of[slot] = NOWHERE
            self.changes += 1

    def _grow(self) -> None:
        capacity = len(self.keys)
        self.socket_of = np.concatenate([self.socket_of, np.full(capacity, NOWHERE, np.int16)])
        self.names = np.concatenate([self.names, np.zeros_like(self.names)])
        self.keys.extend([0] * capacity)
        self.names_pointer = self.names.ctypes.data
        self.changes += 1
        self._free.extend(range(capacity, 2 * capacity))
