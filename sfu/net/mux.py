"""The worker's UDP port: who a datagram is from, what it is, and where answers go.

There is one socket for each local address rather than a wildcard socket: a reply then always leaves from the address
that the peer sent to. A wildcard socket on a multi-homed host answers from whichever address the route prefers, and no
ICE agent believes that. The price is that an address which appears later is served only after a restart.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sfu.rtp.packet import MIN_RTCP_LEN, RTCP_TYPES

from . import stun
from .address import AddressKey, format_address, host_and_port
from .binding import bind_sockets
from .classify import KINDS, Kind
from .destinations import NAME_STRIDE, NOWHERE, DestinationTable
from .ice import IceLite
from .interfaces import expand_hosts
from .udp import SameForAll, UdpSocket

IceEvent = Literal["selected", "consent_restored"]

_ERROR_REPLIES_PER_S: Final = 50.0
"""Refusals are sent to addresses that proved nothing, so they must not make a useful reflector; nobody honest needs
many."""

_PORT_ATTEMPTS: Final = 10
"""When the system picks a port, it may be taken on another of our addresses."""

_REFUSALS: Final = {
    stun.BAD_REQUEST: "stun_unsigned",
    stun.UNAUTHENTICATED: "stun_bad_integrity",
    stun.ROLE_CONFLICT: "stun_role_conflict",
}

_HOST_TYPE_PREFERENCE: Final = 126
"""Recommended type preference of host candidates (RFC 8445 section 5.1.2.2)."""


@dataclass(frozen=True, slots=True)
class HostCandidate:
    """A host candidate (RFC 8445); field names as in the worker's messages."""

    address: str
    port: int
    foundation: str
    priority: int


class Path(NamedTuple):
    """A way to a peer: one of our sockets, and the peer's address."""

    socket_index: int
    key: AddressKey


class Endpoint:
    """A transport as the mux sees it. The engine's transport derives from it; none of its methods may raise."""

    def __init__(self, ice: IceLite[Path]) -> None:
        self.ice = ice
        self.slot = -1
        """Its row in the mux's destination table from `register` to `unregister`: the column of fan-out tables."""

    def receive_dtls(self, data: bytes) -> None:
        """A DTLS datagram from one of its addresses."""
        raise NotImplementedError

    def ice_changed(self, event: IceEvent) -> None:
        """`selected`: the first address, or another one. `consent_restored`: a check came after consent had expired."""
        raise NotImplementedError


@dataclass(slots=True)
class Group:
    """Endpoints that the same packets are sent to, again and again. Made and kept fresh by the mux."""

    slots: NDArray[np.int64]
    socket_index: int | None = None
    """The one socket for all of them, None where there is none or they have several."""
    names: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    """Where their socket addresses are in memory."""
    name_items: list[int] = field(default_factory=list)
    changes: int = -1


Portion = tuple[Group, int, int, Sequence[int]]
"""(group, first, end, lengths): rows that are the same packets, of these lengths before encryption, for endpoints
first..end-1 of the group. The rows of an endpoint are adjacent."""

Received = tuple[int, int, Endpoint]
"""(row, length in bytes, whose address it came from) of a datagram."""


class PortMux:
    """All sockets of one port, and two tables: endpoints by path, and by ufrag for signed STUN only."""

    def __init__(self, sockets: Sequence[UdpSocket], drops: dict[str, int]) -> None:
        """`sockets` share one port. `drops` needs a default of 0 (`collections.Counter`) and is shared with the
        caller."""
        self.sockets = tuple(sockets)
        self.port = self.sockets[0].port
        self.drops = drops
        self._destinations = DestinationTable()
        self._by_ufrag: dict[str, Endpoint] = {}
        self._by_key: tuple[dict[AddressKey, Endpoint], ...] = tuple({} for _ in self.sockets)
        self._index = {socket: index for index, socket in enumerate(self.sockets)}
        self._without_consent: set[Endpoint] = set()
        self._error_replies = _ERROR_REPLIES_PER_S
        self._error_replies_at = 0.0
        self._matrix: NDArray[np.uint8] | None = None
        self._bytes = memoryview(b"")

    @classmethod
    def open(
        cls, hosts: Sequence[str], port: int, drops: dict[str, int], max_batch: int = 64, *, offload: bool = True
    ) -> PortMux:
        """Bind `port` (0 picks one) on `hosts`; empty, `0.0.0.0` and `::` stand for all local addresses.

        `max_batch`: most datagrams in one `receive`. Without `offload` runs of packets are never left to the kernel to
        cut (UDP_SEGMENT). `OSError` when an address that was named cannot be bound, when the port is taken on any, or
        when none can be bound. `ValueError` for what is no address.
        """
        named = frozenset(hosts)
        expanded = expand_hosts(hosts)
        for attempt in range(_PORT_ATTEMPTS):
            try:
                return cls(bind_sockets(expanded, named, port, drops, max_batch, offload=offload), drops)
            except OSError as exc:
                if port or exc.errno != errno.EADDRINUSE or attempt == _PORT_ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Idempotent."""
        for socket in self.sockets:
            socket.close()

    def new_ice(self) -> IceLite[Path]:
        """ICE state with a ufrag that no registered endpoint has."""
        while True:
            ice: IceLite[Path] = IceLite.generate()
            if ice.ufrag not in self._by_ufrag:
                return ice

    def register(self, endpoint: Endpoint) -> None:
        """Let checks reach the endpoint. `ValueError` when its ufrag is taken."""
        if endpoint.ice.ufrag in self._by_ufrag:
            raise ValueError("another endpoint has this ufrag")
        self._by_ufrag[endpoint.ice.ufrag] = endpoint
        endpoint.slot = self._destinations.add()

    def unregister(self, endpoint: Endpoint) -> None:
        """Forget the endpoint and its addresses. Rows of fan-out tables with its slot must be gone by then.
        Idempotent."""
        if self._by_ufrag.get(endpoint.ice.ufrag) is not endpoint:
            return
        del self._by_ufrag[endpoint.ice.ufrag]
        for path in endpoint.ice.addresses:
            self._drop_path(path)
        self._without_consent.discard(endpoint)
        self._destinations.release(endpoint.slot)
        endpoint.slot = -1

    def candidates(self, public_ip: str | None) -> list[HostCandidate]:
        """Host candidates, best first. `public_ip` is what a 1:1 NAT in front shows to the world, and comes first."""
        addresses = dict.fromkeys(([public_ip] if public_ip else []) + [socket.host for socket in self.sockets])
        return [
            HostCandidate(
                address=address,
                port=self.port,
                foundation=str(index + 1),
                priority=_HOST_TYPE_PREFERENCE << 24 | (65535 - index) << 8 | 255,
            )
            for index, address in enumerate(addresses)
        ]

    def remote_address(self, endpoint: Endpoint) -> str | None:
        """The selected address as text."""
        path = endpoint.ice.selected
        return None if path is None else format_address(path.key)

    def receive(
        self, socket: UdpSocket, matrix: NDArray[np.uint8], first_row: int, max_count: int, column: int, now: float
    ) -> tuple[int, list[Received], list[Received], int]:
        """Take one batch from a readable socket into rows `first_row`, ... of `matrix`, each from `column` on.

        Returns how many rows were filled and, of those, RTP and RTCP from known addresses, and how many were consent
        checks of connections that go on as they are. STUN and DTLS are handled here; everything else is counted in
        `drops`.
        """
        count = socket.receive(matrix, first_row, max_count, column)
        if not count:
            return 0, [], [], 0
        socket_index = self._index[socket]
        known = self._by_key[socket_index]
        stride = matrix.shape[1]
        room = stride - column
        data = self._bytes_of(matrix)
        start = first_row * stride + column - stride
        rtp: list[Received] = []
        rtcp: list[Received] = []
        repeated_checks = 0
        row = first_row - 1
        for length, key in zip(socket.lengths, socket.keys, strict=True):
            row += 1
            start += stride
            if not 0 < length < room:
                self.drops["too_long" if length else "garbage"] += 1
                continue
            kind = KINDS[data[start]]
            if kind is Kind.RTP:
                endpoint = known.get(key)
                if endpoint is None:
                    self.drops["unknown_address"] += 1
                elif data[start + 1] in RTCP_TYPES and length >= MIN_RTCP_LEN:
                    rtcp.append((row, length, endpoint))
                else:
                    rtp.append((row, length, endpoint))
            elif kind is Kind.UNKNOWN:
                self.drops["garbage"] += 1
            else:
                datagram = bytes(data[start : start + length])
                if kind is Kind.STUN:
                    repeated_checks += self._receive_stun(datagram, Path(socket_index, key), known.get(key), now)
                else:
                    self._receive_dtls(datagram, known.get(key))
        return count, rtp, rtcp, repeated_checks

    def _bytes_of(self, matrix: NDArray[np.uint8]) -> memoryview:
        """All of its bytes. There is one matrix, as a rule."""
        if self._matrix is not matrix:
            self._matrix, self._bytes = matrix, matrix.reshape(-1).data
        return self._bytes

    def send(self, endpoint: Endpoint, data: bytes | memoryview) -> bool:
        """One datagram to the endpoint's selected address. False, and counted, when it could not be sent."""
        slot = endpoint.slot
        socket_index = int(self._destinations.socket_of[slot]) if slot >= 0 else NOWHERE
        if socket_index == NOWHERE:
            self.drops["send_no_address"] += 1
            return False
        return self.sockets[socket_index].send(data, self._destinations.keys[slot])

    def send_rows(
        self,
        matrix: NDArray[np.uint8],
        rows: NDArray[np.int64],
        column: int,
        lengths: NDArray[np.int32],
        slots: NDArray[np.int64],
    ) -> int:
        """Send `lengths[i]` bytes of row `rows[i]` from `column` on to the endpoint whose slot is `slots[i]`.

        Sort the rows by slot: neighbours of one slot and equal length share one offloaded send. Returns how many
        datagrams the kernel took; the others are counted.
        """
        if not len(rows):
            return 0
        sockets = self._destinations.socket_of[slots]
        first = int(sockets[0])
        if first != NOWHERE and bool((sockets == first).all()):
            return self.sockets[first].send_rows(matrix, rows, column, lengths, slots, self._destinations)
        sent = 0
        for index in np.unique(sockets).tolist():
            chosen = np.flatnonzero(sockets == index)
            if index == NOWHERE:
                self.drops["send_no_address"] += len(chosen)
            else:
                sent += self.sockets[index].send_rows(
                    matrix, rows[chosen], column, lengths[chosen], slots[chosen], self._destinations
                )
        return sent

    def send_blocks(self, matrix: NDArray[np.uint8], lengths: NDArray[np.int32], portions: Sequence[Portion]) -> int:
        """Send all rows of the portions, which are the first ones of `matrix`, from column 0 on; `lengths` has what
        each row is long now. Returns how many datagrams the kernel took; the others are counted."""
        destinations = self._destinations
        sockets: set[int | None] = set()
        for group, *_ in portions:
            if group.changes != destinations.changes:
                self._refresh(group)
            sockets.add(group.socket_index)
        index = sockets.pop()
        if index is None or sockets:
            slots = [group.slots[first:end].repeat(len(pattern)) for group, first, end, pattern in portions]
            return self.send_rows(matrix, np.arange(len(lengths)), 0, lengths, np.concatenate(slots))
        blocks = [
            SameForAll(group.slots[first:end], group.names[first:end], group.name_items[first:end], pattern)
            for group, first, end, pattern in portions
        ]
        return self.sockets[index].send_blocks(matrix, lengths, blocks, destinations)

    def _refresh(self, group: Group) -> None:
        destinations = self._destinations
        sockets = set(destinations.socket_of[group.slots].tolist())
        group.socket_index = sockets.pop() if len(sockets) == 1 and NOWHERE not in sockets else None
        group.names = group.slots * NAME_STRIDE + destinations.names_pointer
        group.name_items = group.names.tolist()
        group.changes = destinations.changes

    def expire_consent(self, now: float) -> list[Endpoint]:
        """Endpoints whose consent ran out since the last call. Nothing is sent to them until a valid check comes."""
        expired = [
            endpoint
            for endpoint in self._by_ufrag.values()
            if (expires_at := endpoint.ice.consent_expires_at) is not None
            and now >= expires_at
            and endpoint not in self._without_consent
        ]
        for endpoint in expired:
            self._without_consent.add(endpoint)
            self._destinations.clear(endpoint.slot)
        return expired

    def _receive_dtls(self, data: bytes, endpoint: Endpoint | None) -> None:
        if endpoint is None:
            self.drops["dtls_unknown_address"] += 1
        else:
            endpoint.receive_dtls(data)

    def _receive_stun(self, data: bytes, path: Path, known: Endpoint | None, now: float) -> bool:
        """`known` is whose the address is so far. Returns whether it was the last good check once more."""
        response = None if known is None else known.ice.answer_repeated(data, path, now)
        if response is not None:
            self.sockets[path.socket_index].send(response, path.key)
            return True
        try:
            request = stun.parse_binding_request(data)
        except ValueError:
            self.drops["stun_malformed"] += 1
            return False
        if request is None:
            self.drops["stun_unexpected"] += 1
            return False
        endpoint = self._by_ufrag.get(request.local_ufrag)
        if endpoint is None:
            self.drops["stun_unknown_ufrag"] += 1
            return False
        outcome = endpoint.ice.handle_check(request, path, host_and_port(path.key), now)
        socket = self.sockets[path.socket_index]
        if outcome.error is not None:
            self.drops[_REFUSALS[outcome.error]] += 1
            if self._may_refuse(now):
                socket.send(outcome.response, path.key)
            return False
        self._learn(endpoint, path)
        if outcome.forgotten is not None:
            self._drop_path(outcome.forgotten)
        socket.send(outcome.response, path.key)
        if outcome.consent_restored:
            self._without_consent.discard(endpoint)
            self._point(endpoint)
            endpoint.ice_changed("consent_restored")
        if outcome.selection_changed:
            self._point(endpoint)
            endpoint.ice_changed("selected")
        return False

    def _learn(self, endpoint: Endpoint, path: Path) -> None:
        known = self._by_key[path.socket_index]
        previous = known.get(path.key)
        if previous is endpoint:
            return
        known[path.key] = endpoint
        if previous is not None and previous.ice.forget(path):
            self._point(previous)

    def _point(self, endpoint: Endpoint) -> None:
        path = endpoint.ice.selected
        if path is None or endpoint in self._without_consent:
            self._destinations.clear(endpoint.slot)
        else:
            self._destinations.point(endpoint.slot, path.socket_index, path.key)

    def _drop_path(self, path: Path) -> None:
        self._by_key[path.socket_index].pop(path.key, None)

    def _may_refuse(self, now: float) -> bool:
        elapsed = max(0.0, now - self._error_replies_at)
        self._error_replies = min(_ERROR_REPLIES_PER_S, self._error_replies + elapsed * _ERROR_REPLIES_PER_S)
        self._error_replies_at = now
        if self._error_replies < 1:
            self.drops["stun_reply_limited"] += 1
            return False
        self._error_replies -= 1
        return True
