"""The worker's UDP port: who a datagram is from, what it is, and where answers go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .ice import IceLite
from .udp import UdpSocket

IceEvent = Literal["selected", "consent_restored"]


@dataclass(frozen=True, slots=True)
class HostCandidate:
    """A host candidate (RFC 8445); field names as in the worker's messages."""

    address: str
    port: int
    foundation: str
    priority: int


class Endpoint:
    """A transport as the mux sees it. The engine's transport derives from it."""

    ice: IceLite
    slot: int
    """Its row in the mux's destination table, for its whole registered life: the column of fan-out tables. -1 before."""

    def __init__(self, ice: IceLite) -> None:
        self.ice = ice
        self.slot = -1

    def receive_dtls(self, data: bytes) -> None:
        """A DTLS datagram from one of its addresses."""
        raise NotImplementedError

    def ice_changed(self, event: IceEvent) -> None:
        """`selected`: the first address, or another one. `consent_restored`: a check came after consent had expired."""
        raise NotImplementedError


class PortMux:
    sockets: tuple[UdpSocket, ...]
    """Add a reader for each and call `receive` when it is readable."""
    port: int
    drops: dict[str, int]

    @classmethod
    def open(cls, hosts: Sequence[str], port: int, drops: dict[str, int], max_batch: int = 64) -> PortMux:
        """Bind. `hosts` empty: every local address. Port 0 picks one. `OSError` when nothing can be bound."""
        raise NotImplementedError

    def new_ice(self) -> IceLite:
        """ICE state with a ufrag that no registered endpoint has."""
        raise NotImplementedError

    def register(self, endpoint: Endpoint) -> None: ...
    def unregister(self, endpoint: Endpoint) -> None: ...
    def candidates(self, public_ip: str | None) -> list[HostCandidate]:
        raise NotImplementedError

    def receive(
        self, socket: UdpSocket, matrix: NDArray[np.uint8], first_row: int, max_count: int, column: int, now: float
    ) -> tuple[int, list[tuple[int, int, Endpoint]]]:
        """One recvmmsg into rows `first_row`... Returns how many rows were filled and, of those, the RTP/RTCP packets of known
        addresses as (row, length, endpoint). STUN and DTLS are handled inside; everything else is counted in `drops`."""
        raise NotImplementedError

    def send(self, endpoint: Endpoint, data: bytes | memoryview) -> bool:
        """One datagram to the endpoint's selected address. False (and counted) when it could not be sent."""
        raise NotImplementedError

    def send_rows(
        self,
        matrix: NDArray[np.uint8],
        rows: NDArray[np.int64],
        column: int,
        lengths: NDArray[np.int32],
        slots: NDArray[np.int64],
    ) -> int:
        """Send `rows[i]` (`lengths[i]` bytes from `column`) to the endpoint of `slots[i]`. Returns how many went out. Sort rows by
        slot so that runs of equal length share one UDP_SEGMENT send."""
        raise NotImplementedError

    def expire_consent(self, now: float) -> list[Endpoint]:
        """Endpoints whose consent ran out since the last call; nothing is sent to them until a valid check comes."""
        raise NotImplementedError

    def close(self) -> None: ...
