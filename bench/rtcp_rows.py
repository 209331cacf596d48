"""RTCP of many transports, encrypted where it was written and sent together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pylibsrtp._binding import lib

from sfu.net.srtp import CData, RowPointers

from .sender import SendRows
from .transport import ClientTransport

_protect_rtcp: Final = lib.srtp_protect_rtcp


class RtcpRows:
    """Rows of `matrix` (uint8, C-contiguous) with `lengths` bytes of a compound packet in each, which `write` or others
    have filled in. libsrtp may write 148 bytes behind it."""

    def __init__(
        self,
        matrix: NDArray[np.uint8],
        lengths: NDArray[np.int32],
        transports: Mapping[int, ClientTransport],
        send_rows: SendRows,
    ) -> None:
        self._pointers = RowPointers(matrix, 0, lengths)
        self._transports = transports
        self._send_rows = send_rows
        self._items = [row.data for row in matrix]

    def write(self, row: int, compound: bytes) -> None:
        self._items[row][: len(compound)] = compound
        self._pointers.length_items[row] = len(compound)

    def send(self, owners: list[int]) -> None:
        """Row i goes to transport owners[i], and nowhere when that is not connected. Every row has changed after it."""
        matrix, lengths = self._pointers.matrix, self._pointers.lengths
        handles: list[CData] = []
        connected: list[int] = []
        for row, owner in enumerate(owners):
            transport = self._transports.get(owner)
            if transport is None or transport.srtp_out is None:
                continue
            if len(connected) < row:
                matrix[len(connected)], lengths[len(connected)] = matrix[row], lengths[row]
            handles.append(transport.srtp_out.handle)
            connected.append(owner)
        if any(map(_protect_rtcp, handles, self._pointers.rows, self._pointers.length_pointers)):
            raise AssertionError("a report of the load client could not be encrypted")
        self._send_rows(matrix, lengths[: len(connected)], connected)
