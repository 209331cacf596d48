"""A batch of received packets, and their headers as the rows of one matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .reception import Indices

HEADER_READ: Final = 40
"""Bytes looked at of each packet: the fixed header and the header extensions that servers put first."""

_ONE_BYTE_PROFILE: Final = 0xBEDE
_FIRST_ELEMENT: Final = 16
_ELEMENTS_SEARCHED: Final = 4
_LAST_ELEMENT: Final = HEADER_READ - 3
_HEADER: Final = np.dtype(("V", HEADER_READ))

Headers = NDArray[np.uint8]
"""HEADER_READ bytes of each packet, C-contiguous."""


@dataclass(slots=True)
class Packets:
    """What one call brought, as parallel arrays. `buffer` is valid until the next call."""

    buffer: NDArray[np.uint8]
    """Goes on for HEADER_READ bytes behind each offset, whatever the length there."""
    offsets: Indices
    lengths: Indices
    transports: Indices
    arrival_ns: Indices
    """Monotonic, by the kernel's own stamp where it gives one: the client's own delay is not the server's."""

    def chosen(self, which: NDArray[np.bool_]) -> Packets:
        return Packets(
            self.buffer, self.offsets[which], self.lengths[which], self.transports[which], self.arrival_ns[which]
        )


def read_headers(packets: Packets) -> Headers:
    # A view of everything that could be a header: picking its items is a tenth of the work of picking bytes.
    everywhere: NDArray[np.void] = np.ndarray(len(packets.buffer) - HEADER_READ + 1, _HEADER, packets.buffer, 0, (1,))
    return everywhere[packets.offsets].view(np.uint8).reshape(-1, HEADER_READ)


def read_transport_seqs(headers: Headers, extension_id: int) -> tuple[NDArray[np.uint16], NDArray[np.bool_]]:
    """The transport-wide number of each packet, and which of them have one."""
    words = headers.view(">u2")
    wanted = extension_id << 4 | 1
    has_elements = (headers[:, 0] & 0x1F == 0x10) & (words[:, 6] == _ONE_BYTE_PROFILE)
    place = _FIRST_ELEMENT
    for _ in range(_ELEMENTS_SEARCHED):
        elements = headers[:, place]
        first = int(elements[0])
        if (elements != first).any():
            break
        if first == wanted:
            return _numbers(headers[:, place + 1], headers[:, place + 2]), has_elements
        place = min(place + _step(first), _LAST_ELEMENT)
    return _search(headers, wanted, has_elements)


def _step(element: int) -> int:
    """The next element is behind this one's length, or behind one byte of padding (RFC 8285 section 4.2)."""
    return 1 if element == 0 else (element & 0x0F) + 2


_STEPS: Final = np.array([_step(element) for element in range(256)])


def _search(
    headers: Headers, wanted: int, has_elements: NDArray[np.bool_]
) -> tuple[NDArray[np.uint16], NDArray[np.bool_]]:
    """The same for packets whose elements are not in the same places."""
    all_rows = np.arange(len(headers))
    place = np.full(len(headers), _FIRST_ELEMENT)
    for _ in range(_ELEMENTS_SEARCHED):
        element = headers[all_rows, place]
        elsewhere = element != wanted
        if not elsewhere.any():
            break
        place = np.where(elsewhere, np.minimum(place + _STEPS[element], _LAST_ELEMENT), place)
    found = has_elements & (headers[all_rows, place] == wanted)
    return _numbers(headers[all_rows, place + 1], headers[all_rows, place + 2]), found


def _numbers(high: NDArray[np.uint8], low: NDArray[np.uint8]) -> NDArray[np.uint16]:
    numbers = high.astype(np.uint16)
    numbers <<= 8
    numbers |= low
    return numbers
