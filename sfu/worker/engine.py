"""The worker's forwarding loop: one batch per wake-up, from the socket through SRTP and the fan-out to the socket."""

from __future__ import annotations

import asyncio
import os
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from sfu.media.egress import Egress, ForwardBatch
from sfu.media.fanout import FanoutTable
from sfu.media.pool import HEADROOM, PacketPool
from sfu.media.ports import PortTable
from sfu.media.publisher import DROP_TOO_MANY_SSRCS, DROP_UNKNOWN_SSRC
from sfu.net.dtls import fingerprint, generate_certificate
from sfu.net.mux import PortMux, Received
from sfu.net.srtp import RowPointers, protect_rows
from sfu.net.udp import UdpSocket
from sfu.rtp.parameters import ProducerParameters

from .budget import TimeBudget
from .collector import Collector
from .destinations import Destinations
from .lag import LagMeter
from .messages import (
    Fingerprint,
    IceCandidate,
    MediaError,
    RemoteTransportParameters,
    TransportParameters,
    TransportState,
    WorkerConfig,
    WorkerStats,
)
from .reader import Arrivals, SocketReader
from .room import Room
from .rtcp import RtcpReader
from .timers import Timers
from .transport import Plumbing, Transport

MAX_BATCH = 64
"""Datagrams of one recvmmsg; twice that gained nothing in measurements and lengthens the wake-up."""
MAX_BATCHES_PER_WAKEUP = 4
"""Then the loop sees to timers and the channel, and the kernel's buffer holds the rest."""
SHED_AFTER_FULL_BATCHES = 16
"""So many in a row are a backlog rather than a burst: a thousand datagrams, of 3,000 that the kernel may keep."""
RTCP_SHARE = 0.25
"""Of the worker's time that RTCP may take, with the retransmissions that it asks for. A thousand subscribers who lose
nothing take half of it. When all of them lose packets at once, answering each would take the time of what comes next,
of which they would ask for even more."""
RTCP_BURST_S = 0.05
CLOSED_AT_ONCE = 8
"""Transports of a room that ends. Each takes half a millisecond, and other rooms do not wait for a thousand of them."""
CONSENT_CHECK_S = 1.0
_FEW_ROWS = 64
"""Up to here numpy's sum costs more than Python's."""

_UNEXPECTED_SSRC = frozenset({DROP_UNKNOWN_SSRC, DROP_TOO_MANY_SSRCS})
"""libsrtp remembers every SSRC that it decrypted; a peer could fill the memory with invented ones."""

Notify = Callable[[str, dict[str, Any]], None]


class Engine:
    """All media of one worker process. Made on the running loop; `OSError` when the UDP port can't be opened."""

    def __init__(self, config: WorkerConfig, notify: Notify) -> None:
        self._loop = asyncio.get_running_loop()
        self._notify = notify
        self._rooms: dict[str, Room] = {}
        self._drops: Counter[str] = Counter()
        self._repairs: Counter[str] = Counter()
        self._packets_in = self._packets_out = self._bytes_in = self._bytes_out = 0
        self._full_batches = 0
        """How many came in a row."""
        self._rtcp_time = TimeBudget(RTCP_SHARE, RTCP_BURST_S, time.monotonic())
        self._arrivals = Arrivals.NONE
        self._load = _LoadMeter(self._loop)
        self._collector = Collector()
        self._lag = LagMeter(self._loop)
        self._mux = PortMux.open(config.bind, config.port, self._drops, MAX_BATCH, offload=config.offload)
        self._candidates = tuple(
            IceCandidate(address=c.address, port=c.port, foundation=c.foundation, priority=c.priority)
            for c in self._mux.candidates(config.public_ip)
        )
        self._pool = PacketPool()
        self._pool_pointers = RowPointers(self._pool.data, HEADROOM)
        self._table = FanoutTable()
        self._ports = PortTable()
        self._egress = Egress(self._pool, self._table, self._ports, self._drops)
        self._egress_pointers = RowPointers(self._egress.data, 0, self._egress.length)
        self._egress_rows = np.arange(self._egress.max_rows, dtype=np.int64)
        self._batch = ForwardBatch(self._pool)
        self._rtcp = RtcpReader(self._pool, self._pool_pointers, self._ports, self._drops)
        self._destinations = Destinations()
        certificate = generate_certificate()
        self._fingerprints = (Fingerprint(algorithm="sha-256", value=fingerprint(certificate)),)
        self._plumbing = Plumbing(
            loop=self._loop,
            mux=self._mux,
            pool=self._pool,
            ports=self._ports,
            timers=Timers(self._loop),
            certificate=certificate,
            drops=self._drops,
            repairs=self._repairs,
            bind_port=self._destinations.bind,
        )
        self._plumbing.timers.add(self._expire_consent).not_later_than(self._loop.time() + CONSENT_CHECK_S)
        self._readers = [
            SocketReader(self._loop, socket.fileno(), partial(self._take, socket)) for socket in self._mux.sockets
        ]

    @property
    def port(self) -> int:
        return self._mux.port

    def close(self) -> None:
        """Say goodbye to every peer and close the port."""
        for room in list(self._rooms.values()):
            room.close()
        self._plumbing.timers.close()
        for reader in self._readers:
            reader.close()
        self._mux.close()
        self._collector.close()
        self._lag.close()

    # Requests of the control process

    def handle(self, method: str, params: dict[str, Any]) -> Any:
        """Carry out a request; `MediaError` says what was wrong with it."""
        if method == "create_room":
            return self._create_room(**params)
        if method == "worker_stats":
            return self._stats().model_dump()
        handler = _ROOM_REQUESTS.get(method)
        if handler is None:
            raise MediaError("bad_parameters", f"there is no request {method}")
        room = self._rooms.get(params["room_id"])
        if room is None:
            raise MediaError("unknown_room", "there is no such room")
        return handler(self, room, params)

    def _create_room(self, room_id: str) -> None:
        if room_id in self._rooms:
            raise MediaError("bad_parameters", "a room with this id exists")
        self._rooms[room_id] = Room(room_id, self._plumbing, self._table, self._state_changed)

    def _close_room(self, room: Room, params: dict[str, Any]) -> None:
        del self._rooms[room.room_id]
        self._close_some(room)

    def _close_some(self, room: Room) -> None:
        if room.close_some(CLOSED_AT_ONCE):
            self._loop.call_soon(self._close_some, room)
        elif not self._rooms:
            self._collector.empty()

    def _create_transport(self, room: Room, params: dict[str, Any]) -> dict[str, Any]:
        transport = room.create_transport(params["transport_id"])
        self._collector.transport_made()
        return TransportParameters(
            ice_ufrag=transport.ice.ufrag,
            ice_pwd=transport.ice.pwd,
            candidates=self._candidates,
            fingerprints=self._fingerprints,
        ).model_dump()

    def _connect_transport(self, room: Room, params: dict[str, Any]) -> None:
        room.connect_transport(params["transport_id"], RemoteTransportParameters.model_validate(params["remote"]))

    def _produce(self, room: Room, params: dict[str, Any]) -> None:
        parameters = ProducerParameters.model_validate(params["parameters"])
        room.produce(params["transport_id"], params["producer_id"], parameters, params["paused"])

    def _consume(self, room: Room, params: dict[str, Any]) -> dict[str, Any]:
        return room.consume(params["transport_id"], params["consumer_id"], params["producer_id"]).model_dump()

    def _room_stats(self, room: Room, params: dict[str, Any]) -> list[dict[str, Any]]:
        return [stats.model_dump() for stats in room.stats()]

    def _stats(self) -> WorkerStats:
        return WorkerStats(
            pid=os.getpid(),
            port=self.port,
            rooms=len(self._rooms),
            transports=sum(len(room.transports) for room in self._rooms.values()),
            load=self._load.since_last_call(),
            cpu_s=self._load.cpu_s(),
            packets_in=self._packets_in,
            packets_out=self._packets_out,
            bytes_in=self._bytes_in,
            bytes_out=self._bytes_out,
            drops=dict(self._drops),
            repairs=dict(self._repairs),
            worst_lag_ms=self._lag.worst_ms(),
            longest_gc_pause_ms=self._collector.longest_pause_ms,
        )

    def _state_changed(self, room: Room, transport: Transport, state: TransportState) -> None:
        self._notify(
            "transport_state", {"room_id": room.room_id, "transport_id": transport.transport_id, "state": state}
        )

    def _expire_consent(self, now: float) -> float:
        for endpoint in self._mux.expire_consent(now):
            assert isinstance(endpoint, Transport)
            endpoint.consent_expired()
        return now + CONSENT_CHECK_S

    # The forwarding loop

    def _take(self, socket: UdpSocket) -> Arrivals:
        self._arrivals = Arrivals.NONE
        for _ in range(MAX_BATCHES_PER_WAKEUP):
            if self._take_batch(socket) < MAX_BATCH:
                break
        return self._arrivals

    def _take_batch(self, socket: UdpSocket) -> int:
        """Receive and forward what one recvmmsg brings. Returns how many datagrams that was."""
        now = self._loop.time()
        first, window = self._pool.reserve(MAX_BATCH)
        count, rtp, rtcp, repeated_checks = self._mux.receive(socket, self._pool.data, first, window, HEADROOM, now)
        if not count:
            return 0
        if count > repeated_checks + len(rtcp):
            self._arrivals = Arrivals.URGENT
        elif self._arrivals is Arrivals.NONE:
            self._arrivals = Arrivals.PATIENT
        self._pool.commit(count)
        # Media first: who waits for it hears and sees the difference, who waits for reports does not.
        self._take_rtp(rtp, now)
        self._full_batches = self._full_batches + 1 if count == MAX_BATCH else 0
        if rtcp:
            self._take_rtcp(rtcp, now)
        # A full window that was cut short by the end of the ring must not look like an empty socket.
        return count if window == MAX_BATCH or count < window else MAX_BATCH

    def _take_rtp(self, received: list[Received], now: float) -> None:
        touched: set[Transport] = set()
        for row, length, endpoint in received:
            assert isinstance(endpoint, Transport)
            touched.add(endpoint)
            reason = self._receive_rtp(endpoint, row, length, now)
            if reason is not None:
                self._drops[reason] += 1
        if len(self._batch):
            self._send(self._egress.build(self._batch, now))
        for transport in touched:
            transport.schedule()

    def _take_rtcp(self, received: list[Received], now: float) -> None:
        # Processor time: on a busy machine somebody else's turn would count as well.
        begun = time.thread_time()
        shed = self._full_batches > SHED_AFTER_FULL_BATCHES or self._rtcp_time.is_spent(time.monotonic())
        retransmissions = self._rtcp.take(received, now, shed=shed)
        if retransmissions:
            self._send(self._egress.build_retransmissions(retransmissions, now))
        self._rtcp_time.spend(time.thread_time() - begun)

    def _receive_rtp(self, transport: Transport, row: int, length: int, now: float) -> str | None:
        publisher, srtp = transport.publisher, transport.srtp_in
        if srtp is None:
            return "media_before_dtls"
        if publisher is None:
            return "media_without_producer"
        reason = publisher.admit(row, HEADROOM, length)
        if reason is not None:
            return reason
        self._pool_pointers.length_items[row] = length
        reason = srtp.unprotect(self._pool_pointers, row)
        if reason is not None:
            return reason
        self._packets_in += 1
        self._bytes_in += length
        reason = publisher.receive(row, HEADROOM, self._pool_pointers.length_items[row], now, self._batch)
        if reason in _UNEXPECTED_SSRC:
            srtp.remove_stream(int.from_bytes(self._pool.rows[row][HEADROOM + 8 : HEADROOM + 12]))
        return reason

    def _send(self, steps: Iterator[int]) -> None:
        """Protect and send what the egress matrix holds, step by step. A row that can't be protected is never sent."""
        egress = self._egress
        for count in steps:
            if egress.blocks:
                handles, portions, longest = self._destinations.of_blocks(egress.blocks)
            else:
                handles, portions, longest = self._destinations.handles(egress.ports()), [], None
            failed = protect_rows(self._egress_pointers, 0, handles, longest)
            if failed or not portions:
                self._send_rows(count, failed)
                continue
            lengths = egress.length[:count]
            self._packets_out += self._mux.send_blocks(egress.data, lengths, portions)
            self._bytes_out += sum(lengths.tolist()) if count <= _FEW_ROWS else int(lengths.sum())

    def _send_rows(self, count: int, failed: list[int]) -> None:
        """Send the first `count` rows but for those that could not be protected."""
        egress = self._egress
        rows, lengths = self._egress_rows[:count], egress.length[:count]
        slots = self._destinations.slots[egress.ports()]
        if failed:
            self._drops["srtp_protect_failed"] += len(failed)
            rows = np.delete(rows, failed)
            lengths, slots = lengths[rows], slots[rows]
        self._packets_out += self._mux.send_rows(egress.data, rows, 0, lengths, slots)
        self._bytes_out += int(lengths.sum())


_ROOM_REQUESTS: dict[str, Callable[[Engine, Room, dict[str, Any]], Any]] = {
    "close_room": Engine._close_room,
    "room_stats": Engine._room_stats,
    "create_transport": Engine._create_transport,
    "connect_transport": Engine._connect_transport,
    "close_transport": lambda engine, room, p: room.close_transport(p["transport_id"]),
    "produce": Engine._produce,
    "set_producer_paused": lambda engine, room, p: room.set_producer_paused(p["producer_id"], p["paused"]),
    "close_producer": lambda engine, room, p: room.close_producer(p["producer_id"]),
    "consume": Engine._consume,
    "start_consumer": lambda engine, room, p: room.start_consumer(p["consumer_id"], p["payload_types"]),
    "set_consumer_paused": lambda engine, room, p: room.set_consumer_paused(p["consumer_id"], p["paused"]),
    "close_consumer": lambda engine, room, p: room.close_consumer(p["consumer_id"]),
}


class _LoadMeter:
    """Share of one core that this process uses."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._last = (loop.time(), self.cpu_s())

    def since_last_call(self) -> float:
        (wall_before, cpu_before), (wall, cpu) = self._last, (self._loop.time(), self.cpu_s())
        self._last = (wall, cpu)
        return min(1.0, max(0.0, (cpu - cpu_before) / max(wall - wall_before, 1e-6)))

    @staticmethod
    def cpu_s() -> float:
        """Since the process began."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return usage.ru_utime + usage.ru_stime
