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

from sfu.media.egress import Egress, ForwardBatch, Retransmission
from sfu.media.fanout import FanoutTable
from sfu.media.pool import HEADROOM, PacketPool
from sfu.media.ports import PortTable
from sfu.media.publisher import DROP_TOO_MANY_SSRCS, DROP_UNKNOWN_SSRC
from sfu.media.subscriber import FEEDBACK_NOT_SENT
from sfu.net.dtls import fingerprint, generate_certificate
from sfu.net.mux import PortMux, Received
from sfu.net.srtp import RowPointers, SrtpInbound, protect_rows, unprotect_rtcp_rows
from sfu.net.udp import UdpSocket
from sfu.rtp.parameters import ProducerParameters
from sfu.rtp.reports import parse_reports
from sfu.rtp.rtcp import SenderReport, parse_compound
from sfu.rtp.twcc_columns import read_complete_feedback

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
_FEW_REPORTS = 8
"""Up to here reading one by one takes less than columns do."""
_NO_PORT = -1
_RTCP_SENDER = slice(HEADROOM + 4, HEADROOM + 8)
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
            begun = time.monotonic()
            if self._full_batches > SHED_AFTER_FULL_BATCHES or self._rtcp_time.is_spent(begun):
                rtcp = self._shed(rtcp)
            self._take_rtcp(rtcp, now)
            self._rtcp_time.spend(time.monotonic() - begun)
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

    def _shed(self, received: list[Received]) -> list[Received]:
        """What is left of RTCP when more comes than can be dealt with: that of publishers. What subscribers ask for
        would only make more work, and so much of it that packets of publishers are lost in the kernel's buffer, for
        which all subscribers ask then."""
        kept: list[Received] = []
        for each in received:
            endpoint = each[2]
            assert isinstance(endpoint, Transport)
            if endpoint.publisher is not None:
                kept.append(each)
        self._drops["rtcp_shed"] += len(received) - len(kept)
        return kept

    def _take_rtcp(self, received: list[Received], now: float) -> None:
        opened = self._open_rtcp(received)
        if len(opened) > _FEW_REPORTS:
            opened = self._note_complete_feedback(opened, now)
        retransmissions: list[Retransmission] = []
        for row, transport in opened:
            reason = self._read_rtcp(transport, row, now, retransmissions)
            if reason is not None:
                self._drops[reason] += 1
        if retransmissions:
            self._send(self._egress.build_retransmissions(retransmissions, now))

    def _open_rtcp(self, received: list[Received]) -> list[tuple[int, Transport]]:
        """Those that could be decrypted, in place."""
        rows: list[int] = []
        sessions: list[SrtpInbound] = []
        transports: list[Transport] = []
        pointers = self._pool_pointers
        for row, length, endpoint in received:
            assert isinstance(endpoint, Transport)
            if endpoint.srtp_in is None:
                self._drops["media_before_dtls"] += 1
                continue
            pointers.length_items[row] = length
            rows.append(row)
            sessions.append(endpoint.srtp_in)
            transports.append(endpoint)
        opened: list[tuple[int, Transport]] = []
        reasons = unprotect_rtcp_rows(pointers, rows, [session.handle for session in sessions])
        for row, session, transport, reason in zip(rows, sessions, transports, reasons, strict=True):
            if reason is not None:
                self._drops[reason] += 1
                continue
            sender_ssrc = int.from_bytes(self._pool.rows[row][_RTCP_SENDER])
            if not transport.remembers_rtcp_sender(sender_ssrc):
                session.remove_stream(sender_ssrc)
            opened.append((row, transport))
        return opened

    def _note_complete_feedback(self, opened: list[tuple[int, Transport]], now: float) -> list[tuple[int, Transport]]:
        """Note the transport-cc feedback of subscribers who received everything. Returns what is left to read."""
        ports = [
            transport.subscriber.port if transport.subscriber is not None and transport.publisher is None else _NO_PORT
            for _, transport in opened
        ]
        if len(set(ports)) < len(ports):
            # Somebody's reports have to be read one after the other.
            return opened
        rows = np.array([row for row, _ in opened])
        lengths = self._pool_pointers.lengths[rows].astype(np.int64)
        chosen, base_seqs, counts = read_complete_feedback(self._pool.data, rows, HEADROOM, lengths)
        columns = np.array(ports)
        chosen &= columns != _NO_PORT
        if not chosen.any():
            return opened
        ignored = self._ports.note_complete_feedback(columns[chosen], base_seqs[chosen], counts[chosen], now)
        if ignored:
            self._drops[FEEDBACK_NOT_SENT] += ignored
        return [each for each, is_noted in zip(opened, chosen.tolist(), strict=True) if not is_noted]

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

    def _read_rtcp(
        self, transport: Transport, row: int, now: float, retransmissions: list[Retransmission]
    ) -> str | None:
        data = self._pool.rows[row][HEADROOM : HEADROOM + self._pool_pointers.length_items[row]]
        if transport.publisher is None and transport.subscriber is not None:
            reports = parse_reports(data)
            if reports is not None:
                retransmissions += transport.subscriber.on_reports(reports, now)
                return None
        try:
            packets = parse_compound(data)
        except ValueError:
            return "rtcp_malformed"
        if transport.publisher is not None:
            transport.publisher.on_rtcp(packets, now)
            if any(isinstance(packet, SenderReport) for packet in packets):
                transport.room.reports_arrived(transport)
        if transport.subscriber is not None:
            actions = transport.subscriber.on_rtcp(packets, now)
            retransmissions += actions.retransmissions
            for producer in actions.keyframe_requests:
                transport.room.request_keyframe(producer, now)
        return None

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
