"""Everything that a client process receives and sends: one loop over batches of packets of all its participants."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, deque
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sfu.net.classify import Kind, classify
from sfu.net.srtp import RowPointers
from sfu.rtp.packet import FIXED_HEADER_LEN, parse_header
from sfu.rtp.rtcp import RtcpPacket, parse_compound

from .clips import read_stamp
from .connection import ReceiveConnection
from .feedback import SHARDS, FeedbackBuilder
from .histogram import Histogram
from .lanes import MAX_TRANSPORTS, Lanes
from .packets import Headers, Packets, read_headers, read_transport_seqs
from .reception import NONE, Reception, Totals
from .rtcp_rows import RtcpRows
from .sender import Pacer, PacketBatch, SentStream
from .transport import CONSENT_INTERVAL_S, ClientTransport

TICK_S: Final = 0.1 / SHARDS
_TICKS_PER_NACK: Final = 2
_TICKS_PER_REPORT: Final = round(1 / TICK_S)
_TICKS_PER_CONSENT: Final = round(CONSENT_INTERVAL_S / TICK_S)
_MAX_BEHIND_TICKS: Final = 5
_MAX_NACKS: Final = 400
"""In each turn: 20,000 a second, so that a client that fell behind has time to receive what it asks for. A browser has
its own core to ask from."""
_ROWS, _STRIDE = 512, 1024
"""For compound packets of up to 31 report blocks or 100 entries of a NACK."""
_TIMER_RESOLUTION_S: Final = 0.001
_SCRATCH: Final = 2048

_MARKER: Final = 0x80
_PADDING: Final = 0x20
_MAX_ROWS: Final = 1 << 20

# RTCP's first eight bytes travel in clear (RFC 3711 section 3.4). SRTCP's trailer: 20 bytes with GCM, 14 with SHA-1.
_TRANSPORT_FEEDBACK: Final = b"\x8f\xcd"
_SRTCP_TRAILERS: Final = (20, 14)


@dataclass(frozen=True, slots=True)
class Window:
    """What happened since the measurement began."""

    seconds: float
    totals: Totals
    sent_packets: int
    sent_octets: int
    sent_frames: int
    latency: Histogram
    srtp_failures: int
    receive_drops: int
    send_failures: int
    cpu_s: float


class Hub:
    """One per client process, on the running loop."""

    def __init__(self, *, sample: int, gro: bool) -> None:
        """One of `sample` packets is decrypted, to see that it can be and when it was sent."""
        self._loop = asyncio.get_running_loop()
        self._sample = sample
        self.drops: Counter[str] = Counter()
        self.lanes = Lanes(self._consume, gro=gro)
        self.reception = Reception()
        self.batch = PacketBatch(self.lanes.send_rows)
        self._pacer = Pacer(self.batch)
        self._pacer_timer: asyncio.TimerHandle | None = None
        self._feedback = FeedbackBuilder(MAX_TRANSPORTS)
        self._transports: dict[int, ClientTransport] = {}
        self._feedback_rows = RtcpRows(
            self._feedback.matrix, self._feedback.lengths, self._transports, self.lanes.send_rows
        )
        matrix, lengths = np.zeros((_ROWS, _STRIDE), np.uint8), np.zeros(_ROWS, np.int32)
        self._rows = RtcpRows(matrix, lengths, self._transports, self.lanes.send_rows)
        self._receiving: dict[int, ReceiveConnection] = {}
        self._sending: dict[int, list[SentStream]] = {}
        # The index that was free for the longest time comes first: its address means nothing to the server any more.
        self._free = deque(range(1, MAX_TRANSPORTS))
        self._transport_cc_id = 1
        self._seekers: dict[int, ReceiveConnection] = {}
        self._seeking: NDArray[np.bool_] = np.zeros(_MAX_ROWS, np.bool_)
        self._scratch = RowPointers(np.zeros((1, _SCRATCH), np.uint8), 0)
        self._scratch_row = self._scratch.matrix[0]
        self._scratch_items = self._scratch_row.data
        self._latency = Histogram()
        self._begun = self._snapshot()
        self._tick_number = 0
        self._next_tick = self._loop.time() + TICK_S
        self._tick_timer = self._loop.call_at(self._next_tick, self._tick)

    # Transports

    def new_transport(self) -> ClientTransport:
        """A transport with a number; `attach` it before it connects. `IndexError` when there are too many."""
        index = self._free.popleft()
        transport = self._transports[index] = ClientTransport(index, self.lanes.send, self.drops)
        return transport

    def attach(self, transport: ClientTransport, remote: tuple[str, int]) -> None:
        self.lanes.attach(transport.index, remote)

    def new_receive_connection(self, transport: ClientTransport) -> ReceiveConnection:
        connection = ReceiveConnection(transport, self.reception, self._seek)
        self._receiving[transport.index] = connection
        self._feedback.begin(transport.index, connection.own_ssrc, 0)
        return connection

    def learn_transport_cc(self, extension_id: int | None) -> None:
        """What the server calls transport-cc: one id for all of its connections."""
        if extension_id is not None:
            self._transport_cc_id = extension_id

    def send_streams(self, transport: ClientTransport, streams: list[SentStream]) -> None:
        """Begin to send."""
        self._sending[transport.index] = streams
        for stream in streams:
            self._pacer.add(stream)
        self._pace()

    def stop_streams(self, transport: ClientTransport) -> None:
        for stream in self._sending.pop(transport.index, ()):
            self._pacer.remove(stream)

    def close_transport(self, transport: ClientTransport) -> None:
        """Idempotent."""
        if self._transports.pop(transport.index, None) is None:
            return
        self.stop_streams(transport)
        connection = self._receiving.pop(transport.index, None)
        if connection is not None:
            connection.close()
        transport.close()
        self.lanes.detach(transport.index)
        self._free.append(transport.index)

    def close(self) -> None:
        for transport in list(self._transports.values()):
            self.close_transport(transport)
        self._tick_timer.cancel()
        if self._pacer_timer is not None:
            self._pacer_timer.cancel()
        self.lanes.close()

    # Measuring

    def begin_window(self) -> None:
        self._latency = Histogram()
        self._begun = self._snapshot()

    def window(self) -> Window:
        """Since `begin_window`."""
        before, now = self._begun, self._snapshot()
        return Window(
            now.seconds - before.seconds,
            now.totals - before.totals,
            now.sent_packets - before.sent_packets,
            now.sent_octets - before.sent_octets,
            now.sent_frames - before.sent_frames,
            self._latency,
            now.srtp_failures - before.srtp_failures,
            now.receive_drops - before.receive_drops,
            now.send_failures - before.send_failures,
            now.cpu_s - before.cpu_s,
        )

    def _snapshot(self) -> Window:
        return Window(
            time.monotonic(),
            self.reception.totals(),
            self.batch.packets,
            self.batch.octets,
            self.batch.frames,
            self._latency,
            self.drops["srtp_failed"],
            self.lanes.receive_drops(),
            self.lanes.send_failures,
            time.process_time(),
        )

    # Receiving

    def _consume(self, packets: Packets) -> None:
        headers = read_headers(packets)
        is_media = headers[:, 0] & 0xC0 == 0x80
        is_rtcp = (headers[:, 1] >= 192) & (headers[:, 1] <= 223)
        ours = (packets.transports > 0) & (packets.transports < MAX_TRANSPORTS)
        is_rtp = is_media & ~is_rtcp & ours & (packets.lengths >= FIXED_HEADER_LEN)
        if is_rtp.all():
            self._receive_rtp(packets, headers)
            return
        for index in np.flatnonzero(~is_rtp & ours).tolist():
            self._receive_other(packets, index)
        if is_rtp.any():
            self._receive_rtp(packets.chosen(is_rtp), headers[is_rtp])

    def _receive_rtp(self, packets: Packets, headers: Headers) -> None:
        rows = self.reception.find(packets.transports, headers.view(">u4")[:, 2].astype(np.uint32))
        known = rows != NONE
        if not known.all():
            self.drops["unknown_ssrc"] += int(np.count_nonzero(~known))
            packets, headers, rows = packets.chosen(known), headers[known], rows[known]
            if not len(rows):
                return
        self.reception.note(rows, headers.view(">u2")[:, 1].astype(np.uint16), packets.lengths, self._loop.time())
        self.reception.note_frames(rows, headers[:, 1] >= _MARKER)
        seqs, numbered = read_transport_seqs(headers, self._transport_cc_id)
        if numbered.all():
            self._feedback.note(packets.transports, seqs, packets.arrival_ns // 1000)
        else:
            self._feedback.note(packets.transports[numbered], seqs[numbered], packets.arrival_ns[numbered] // 1000)
        wanted = ~self.reception.counts_loss[rows]
        if self._seekers:
            wanted |= self._seeking[rows]
        wanted[random.randrange(self._sample) :: self._sample] = True
        chosen = np.flatnonzero(wanted)
        buffer = packets.buffer.data
        for row, number, offset, length, arrival_ns in zip(
            rows[chosen].tolist(),
            packets.transports[chosen].tolist(),
            packets.offsets[chosen].tolist(),
            packets.lengths[chosen].tolist(),
            packets.arrival_ns[chosen].tolist(),
            strict=True,
        ):
            self._open(row, number, buffer[offset : offset + length], arrival_ns)

    def _open(self, row: int, number: int, data: memoryview, arrival_ns: int) -> None:
        """Decrypt one packet: to measure its way, to look for a picture, or to see what it repairs."""
        transport, connection = self._transports.get(number), self._receiving.get(number)
        if transport is None or transport.srtp_in is None or connection is None or len(data) > _SCRATCH:
            return
        self._scratch_items[: len(data)] = data
        self._scratch.length_items[0] = len(data)
        if transport.srtp_in.unprotect(self._scratch, 0) is not None:
            self.drops["srtp_failed"] += 1
            return
        plain = bytes(self._scratch_items[: self._scratch.length_items[0]])
        end = len(plain) - (plain[-1] if plain[0] & _PADDING else 0)
        stream = connection.stream(row)
        if row == stream.rtx_row:
            payload = plain[parse_header(plain).header_len : end]
            if len(payload) > 2:
                self.reception.note_repaired(stream.row, int.from_bytes(payload[:2]))
            return
        sent_ns = read_stamp(plain[:end])
        if sent_ns is not None:
            self._latency.add((arrival_ns - sent_ns) / 1e9)
        if self._seeking[row]:
            header = parse_header(plain)
            connection.look(stream, header, plain[header.header_len : end], arrival_ns)

    def _receive_other(self, packets: Packets, index: int) -> None:
        transport = self._transports.get(int(packets.transports[index]))
        offset = int(packets.offsets[index])
        data = packets.buffer[offset : offset + int(packets.lengths[index])].tobytes()
        if transport is None or not data:
            return
        match classify(data[0]):
            case Kind.STUN:
                transport.receive_stun(data)
            case Kind.DTLS:
                transport.receive_dtls(data)
            case Kind.RTP:
                self._receive_rtcp(transport, data)
            case _:
                self.drops["garbage"] += 1

    def _receive_rtcp(self, transport: ClientTransport, data: bytes) -> None:
        first_packet_len = 4 * int.from_bytes(data[2:4]) + 4
        if data[:2] == _TRANSPORT_FEEDBACK and len(data) - first_packet_len in _SRTCP_TRAILERS:
            # Nothing but transport-cc feedback, and the load's bitrate is fixed.
            return
        if transport.srtp_in is None or len(data) > _SCRATCH:
            return
        self._scratch_row[: len(data)] = np.frombuffer(data, np.uint8)
        self._scratch.lengths[0] = len(data)
        if transport.srtp_in.unprotect_rtcp(self._scratch, 0) is not None:
            self.drops["srtp_failed"] += 1
            return
        try:
            packets = parse_compound(self._scratch_row[: int(self._scratch.lengths[0])].tobytes())
        except ValueError:
            self.drops["rtcp_malformed"] += 1
            return
        self._dispatch(transport, packets)

    def _dispatch(self, transport: ClientTransport, packets: list[RtcpPacket]) -> None:
        connection = self._receiving.get(transport.index)
        now = self._loop.time()
        for packet in packets:
            for stream in self._sending.get(transport.index, ()):
                stream.handle(packet, self.batch)
            if connection is not None:
                connection.handle(packet, now)
        self.batch.flush()

    def _seek(self, row: int, connection: ReceiveConnection | None) -> None:
        self._seeking[row] = connection is not None
        if connection is not None:
            self._seekers[row] = connection
        else:
            self._seekers.pop(row, None)

    # Sending

    def _pace(self) -> None:
        if self._pacer_timer is not None:
            self._pacer_timer.cancel()
        # Event loops count in milliseconds: without this they would wake up several times before each frame is due.
        due = self._pacer.run(self._loop.time() + _TIMER_RESOLUTION_S)
        self._pacer_timer = self._loop.call_at(due, self._pace)

    def _tick(self) -> None:
        now = self._loop.time()
        # A loop that was held up for long does not make up for every tick.
        self._next_tick = max(self._next_tick + TICK_S, now - _MAX_BEHIND_TICKS * TICK_S)
        self._tick_timer = self._loop.call_at(self._next_tick, self._tick)
        self._tick_number += 1
        self._send_feedback()
        if self._tick_number % _TICKS_PER_NACK == 0:
            self._send_nacks(now)
        for connection in set(self._seekers.values()):
            if connection.transport.connected and now >= connection.next_pli:
                connection.request_keyframes(now)
        self._send_reports(now)
        for index in self._due(_TICKS_PER_CONSENT, self._transports):
            self._transports[index].check()

    def _due(self, period: int, numbered: dict[int, ReceiveConnection] | dict[int, ClientTransport]) -> list[int]:
        """Each index has its own tick within the period."""
        return [index for index in range(self._tick_number % period, MAX_TRANSPORTS, period) if index in numbered]

    def _send_feedback(self) -> None:
        for owners in self._feedback.build():
            self._feedback_rows.send(owners)

    def _send_reports(self, now: float) -> None:
        due = self._due(_TICKS_PER_REPORT, self._receiving)
        reports = [(index, report) for index in due for report in self._receiving[index].reports(now)]
        self._send_compounds(reports)

    def _send_nacks(self, now: float) -> None:
        nacks: list[tuple[int, bytes]] = []
        for row, entries in self.reception.due_nacks(now, _MAX_NACKS):
            connection = self._receiving.get(int(self.reception.transport[row]))
            if connection is not None:
                nacks.append((connection.transport.index, connection.nack(row, entries)))
        self._send_compounds(nacks)

    def _send_compounds(self, compounds: list[tuple[int, bytes]]) -> None:
        """Each with the transport that it is for."""
        for begin in range(0, len(compounds), _ROWS):
            part = compounds[begin : begin + _ROWS]
            for row, (_, compound) in enumerate(part):
                self._rows.write(row, compound)
            self._rows.send([index for index, _ in part])
