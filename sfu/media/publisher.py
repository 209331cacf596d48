"""The publishing side of a transport: from a decrypted packet to the batch, and the feedback that its sender gets."""

from __future__ import annotations

import math
from collections import Counter
from typing import Final

from sfu.cc.remote_estimator import RemoteEstimator
from sfu.rtp.extensions import ExtensionMap, HeaderPlan
from sfu.rtp.nack import Nack
from sfu.rtp.packet import FIXED_HEADER, FIXED_HEADER_LEN, FixedHeader
from sfu.rtp.parameters import Encoding
from sfu.rtp.payload import RTX_OSN_LEN, rtx_original_seq
from sfu.rtp.remb import Remb
from sfu.rtp.rtcp import Bye, ReceiverReport, ReportBlock, RtcpPacket, SenderReport

from .egress import ForwardBatch
from .ingress import DROP_MALFORMED, Route, take
from .pool import PacketPool
from .producer import Producer
from .reception import ReceivedSenderReport
from .stream import ProducerStream
from .transport_feedback import ArrivalRecorder

REPORT_INTERVAL: Final = 1.0
MAX_REPORT_BLOCKS: Final = 31
MAX_COMPOUND_LEN: Final = 1216
"""A transport-cc feedback of full size and the report in front of it."""
MAX_NACK_SEQS: Final = 200
"""Per NACK packet, so that it fits a datagram even when no two numbers share an entry."""
MAX_BINDINGS: Final = 64
"""SSRCs that a transport may bring that were not declared. Browsers need one per source and track change."""

DROP_DUPLICATE: Final = "rtp_duplicate"
"""Came before, or is older than the cache reaches back."""
DROP_UNKNOWN_SSRC: Final = "rtp_unknown_ssrc"
DROP_TOO_MANY_SSRCS: Final = "rtp_too_many_ssrcs"
DROP_UNKNOWN_PAYLOAD_TYPE: Final = "rtp_unknown_payload_type"
DROP_MALFORMED_RTX: Final = "rtx_malformed"
DROP_RTX_PADDING: Final = "rtx_padding"
"""A probe without content. Nothing is lost: its arrival is reported by transport-cc."""


class Publisher:
    """Producers of one transport, found by SSRC; by MID (RFC 8843) or payload type where none was declared."""

    def __init__(
        self, pool: PacketPool, local_ssrc: int, drops: Counter[str], repairs: Counter[str] | None = None
    ) -> None:
        """`local_ssrc` is what the server calls itself in reports to this peer. `drops` counts by reason, `repairs`
        what was asked of the peer and came: `nack_sent` (packets), `pli_sent` (or FIR), `rtx_received`."""
        self.producers: dict[str, Producer] = {}
        self._pool = pool
        self._local_ssrc = local_ssrc
        self._empty_report = ReceiverReport(local_ssrc).to_bytes()
        self._drops = drops
        self._repairs = Counter[str]() if repairs is None else repairs
        self._routes: dict[int, Route] = {}
        self._bindings_left = MAX_BINDINGS
        self._extensions = ExtensionMap((), drops)
        self._arrivals: ArrivalRecorder | None = None
        self._estimator: RemoteEstimator | None = None
        self._next_report = math.inf

    # --- producers

    def add_producer(self, producer: Producer, now: float) -> None:
        """Raises ValueError when its id, MID or an SSRC is taken, or its header extensions contradict the others'."""
        taken = {other.parameters.mid for other in self.producers.values()}
        declared = {ssrc for ssrc in _declared_ssrcs(producer) if ssrc is not None}
        if producer.id in self.producers or producer.parameters.mid in taken or declared & self._routes.keys():
            raise ValueError("producer id, MID or SSRC is taken")
        self._rebuild_extensions([*self.producers.values(), producer])
        self.producers[producer.id] = producer
        media_ssrc, rtx_ssrc = _declared_ssrcs(producer)
        if media_ssrc is not None:
            self._bind(producer, media_ssrc, now)
        if rtx_ssrc is not None:
            self._routes[rtx_ssrc] = Route(producer, producer.stream, True)
        if producer.uses_transport_cc and self._arrivals is None:
            self._arrivals = ArrivalRecorder(self._local_ssrc)
        if producer.uses_remb and self._estimator is None:
            self._estimator = RemoteEstimator()

    def remove_producer(self, producer_id: str, now: float) -> None:
        """Close the producer; its packets are of an unknown SSRC from now on. Unknown ids are no error."""
        producer = self.producers.pop(producer_id, None)
        if producer is None:
            return
        producer.close(now)
        self._routes = {ssrc: route for ssrc, route in self._routes.items() if route.producer is not producer}
        self._rebuild_extensions(list(self.producers.values()))

    def close(self, now: float) -> None:
        """Close all producers."""
        for producer_id in list(self.producers):
            self.remove_producer(producer_id, now)
        self._next_report = math.inf

    def _rebuild_extensions(self, producers: list[Producer]) -> None:
        extensions = [extension for producer in producers for extension in producer.parameters.header_extensions]
        self._extensions = ExtensionMap(extensions, self._drops)

    def _bind(self, producer: Producer, ssrc: int, now: float) -> Route:
        """Packets with this SSRC are the producer's; those of the SSRC before it, if any, no longer are."""
        old = producer.stream.ssrc
        if old is not None:
            self._routes.pop(old, None)
        producer.bind(ssrc, now)
        for other, route in self._routes.items():
            if route.producer is producer:
                self._routes[other] = Route(producer, producer.stream, True)
        route = self._routes[ssrc] = Route(producer, producer.stream, False)
        return route

    def _learn(self, ssrc: int, payload_type: int, mid: str | None, now: float) -> Route | str:
        """Whose an undeclared SSRC is, or why that cannot be said."""
        producer = self._owner_of(payload_type, mid)
        if producer is None:
            return DROP_UNKNOWN_SSRC
        if self._bindings_left == 0:
            return DROP_TOO_MANY_SSRCS
        self._bindings_left -= 1
        if payload_type not in producer.rtx_codecs:
            return self._bind(producer, ssrc, now)
        route = self._routes[ssrc] = Route(producer, producer.stream, True)
        return route

    def _owner_of(self, payload_type: int, mid: str | None) -> Producer | None:
        able = [
            producer
            for producer in self.producers.values()
            if payload_type in producer.codecs or payload_type in producer.rtx_codecs
        ]
        if mid is not None:
            return next((producer for producer in able if producer.parameters.mid == mid), None)
        unbound = [producer for producer in able if producer.stream.ssrc is None or payload_type in producer.rtx_codecs]
        return unbound[0] if len(unbound) == 1 else None

    # --- packets

    def admit(self, slot: int, offset: int, length: int) -> str | None:
        """Look at an SRTP packet before it is decrypted: None to go on, or why to drop it."""
        if length < FIXED_HEADER_LEN:
            return DROP_MALFORMED
        first, _, seq, _, ssrc = FIXED_HEADER.unpack_from(self._pool.rows[slot], offset)
        if first & 0xC0 != 0x80:
            return DROP_MALFORMED
        route = self._routes.get(ssrc)
        if route is None:
            return None
        known = route.stream.rtx_replay.contains(seq) if route.is_rtx else route.stream.is_duplicate(seq)
        return DROP_DUPLICATE if known else None

    def receive(self, slot: int, offset: int, length: int, now: float, batch: ForwardBatch) -> str | None:
        """Take a packet that was admitted and decrypted, `length` bytes at column `offset`: made canonical in place,
        cached, put into the batch. Returns why it is not forwarded, None when it is."""
        row = self._pool.rows[slot]
        end = offset + length
        try:
            plan, rest = self._extensions.plan(row, offset, length)
        except ValueError:
            return DROP_MALFORMED
        if not plan.is_ascii:
            return DROP_MALFORMED
        header: FixedHeader = FIXED_HEADER.unpack_from(row, offset)
        first, second, _, _, ssrc = header
        padding_len = 0
        if first & 0x20:
            padding_len = row[end - 1]
            if not 0 < padding_len <= length - plan.header_len:
                return DROP_MALFORMED
        self._extensions.count_left_out(plan)
        self._note_arrival(plan, rest, length, now)
        payload_type = second & 0x7F
        route = self._routes.get(ssrc) or self._learn(ssrc, payload_type, plan.mid, now)
        if isinstance(route, str):
            return route
        payload = offset + plan.header_len
        rest = plan.canonical_rest(rest)
        if route.is_rtx:
            return self._receive_rtx(route, header, rest, slot, payload, end, padding_len, now, batch)
        codec = route.producer.codecs.get(payload_type)
        if codec is None:
            return DROP_UNKNOWN_PAYLOAD_TYPE
        return take(self._pool, route, codec, header, rest, slot, payload, end, padding_len, length, now, batch)

    def _receive_rtx(
        self,
        route: Route,
        header: FixedHeader,
        rest: bytes,
        slot: int,
        payload: int,
        end: int,
        padding_len: int,
        now: float,
        batch: ForwardBatch,
    ) -> str | None:
        """Restore the original packet (RFC 4588): its payload begins two bytes further in, its header is rewritten."""
        stream = route.stream
        first, second, rtx_seq, timestamp, ssrc = header
        codec = route.producer.rtx_codecs.get(second & 0x7F)
        if codec is None:
            return DROP_UNKNOWN_PAYLOAD_TYPE
        stream.rtx_replay.note(rtx_seq)
        content = self._pool.rows[slot][payload : end - padding_len]
        if not content:
            return DROP_RTX_PADDING
        try:
            seq = rtx_original_seq(content)
        except ValueError:
            return DROP_MALFORMED_RTX
        # Before the stream's first packet there is no number to relate the original's to.
        if stream.highest_ext_seq is None or stream.is_duplicate(seq):
            return DROP_DUPLICATE
        self._repairs["rtx_received"] += 1
        original = (first, second, seq, timestamp, ssrc)
        size = end - payload
        return take(
            self._pool, route, codec, original, rest, slot, payload + RTX_OSN_LEN, end, padding_len, size, now, batch
        )

    def _note_arrival(self, plan: HeaderPlan, rest: bytes, size: int, now: float) -> None:
        if self._next_report == math.inf:
            self._next_report = now + REPORT_INTERVAL
        at = plan.transport_cc
        if self._arrivals is not None and at is not None:
            self._arrivals.note(rest[at] << 8 | rest[at + 1], now)
        elif self._estimator is not None:
            send_time = None if plan.abs_send_time is None else int.from_bytes(rest[plan.abs_send_time])
            self._estimator.note_packet(send_time, size, now)

    # --- reports

    def on_rtcp(self, packets: list[RtcpPacket], now: float) -> None:
        """Read a decrypted compound; packets that are not about this peer's own streams are ignored here."""
        for packet in packets:
            match packet:
                case SenderReport():
                    stream = self._stream_of(packet.ssrc)
                    if stream is not None:
                        report = ReceivedSenderReport(packet.ntp, packet.rtp_timestamp, now)
                        stream.reception.sender_report = report
                case Bye():
                    for ssrc in packet.ssrcs:
                        stream = self._stream_of(ssrc)
                        if stream is not None and stream.nack is not None:
                            stream.nack.clear()

    def _stream_of(self, ssrc: int) -> ProducerStream | None:
        route = self._routes.get(ssrc)
        return None if route is None or route.is_rtx else route.stream

    def next_due(self) -> float:
        """When `poll` has something to send; inf while the peer sends nothing and nobody wants anything from it."""
        # Asked in every wake-up, and nearly always it is the feedback that is due next.
        due = self._next_report
        if self._arrivals is not None and (feedback := self._arrivals.next_due()) < due:
            due = feedback
        if self._estimator is not None and (estimate := self._estimator.next_due()) < due:
            due = estimate
        for producer in self.producers.values():
            stream = producer.stream
            request = producer.keyframes.next_due()
            if stream.nack is not None and (repair := stream.nack.next_due()) < request:
                request = repair
            if request < due and stream.ssrc is not None and producer.in_demand:
                due = request
        return due

    def poll(self, now: float) -> list[bytes]:
        """Compounds that are due, each for one datagram: reports, NACK, PLI/FIR, transport-cc feedback, REMB."""
        if now < self.next_due():
            return []
        blocks = self._report_blocks(now)
        packets: list[RtcpPacket] = []
        for producer in self.producers.values():
            packets += self._requests(producer, now)
        packets += self._congestion_feedback(now)
        if not packets and not blocks:
            return []
        # RFC 3550 wants a report at the head of each compound, be it empty.
        empty_report = self._empty_report
        compound = ReceiverReport(self._local_ssrc, tuple(blocks)).to_bytes() if blocks else empty_report
        compounds: list[bytes] = []
        for packet in packets:
            data = packet.to_bytes()
            if len(compound) + len(data) > MAX_COMPOUND_LEN:
                compounds.append(compound)
                compound = empty_report
            compound += data
        return [*compounds, compound]

    def _report_blocks(self, now: float) -> list[ReportBlock]:
        if now < self._next_report:
            return []
        blocks: list[ReportBlock] = []
        for producer in self.producers.values():
            stream = producer.stream
            if stream.ssrc is not None and stream.reception.has_news and len(blocks) < MAX_REPORT_BLOCKS:
                blocks.append(stream.reception.report(stream.ssrc, now))
        # With nothing new the peer is silent; its next packet starts the reports again.
        self._next_report = now + REPORT_INTERVAL if blocks else math.inf
        if self._estimator is not None and blocks:
            self._estimator.note_loss(max(block.fraction_lost for block in blocks) / 256, now)
        return blocks

    def _requests(self, producer: Producer, now: float) -> list[RtcpPacket]:
        """NACK and keyframe requests for one producer."""
        stream = producer.stream
        packets: list[RtcpPacket] = []
        if stream.ssrc is None or not producer.in_demand:
            return packets
        if stream.nack is not None and stream.nack.next_due() <= now:
            missing, gave_up = stream.nack.due(now)
            self._repairs["nack_sent"] += len(missing)
            for first in range(0, len(missing), MAX_NACK_SEQS):
                seqs = tuple(ext_seq & 0xFFFF for ext_seq in missing[first : first + MAX_NACK_SEQS])
                packets.append(Nack(self._local_ssrc, stream.ssrc, seqs))
            if gave_up:
                producer.request_keyframe(now)
        keyframe_request = producer.keyframe_packet(self._local_ssrc, now)
        if keyframe_request is not None:
            self._repairs["pli_sent"] += 1
            packets.append(keyframe_request)
        return packets

    def _congestion_feedback(self, now: float) -> list[RtcpPacket]:
        packets: list[RtcpPacket] = []
        ssrcs = [producer.stream.ssrc for producer in self.producers.values() if producer.stream.ssrc is not None]
        if self._arrivals is not None:
            packets += self._arrivals.poll(ssrcs[0] if ssrcs else 0, now)
        if self._estimator is not None:
            bitrate_bps = self._estimator.poll(now)
            if bitrate_bps is not None and ssrcs:
                packets.append(Remb(self._local_ssrc, bitrate_bps, tuple(ssrcs[:MAX_REPORT_BLOCKS])))
        return packets


def _declared_ssrcs(producer: Producer) -> tuple[int | None, int | None]:
    encoding = producer.parameters.encodings[0] if producer.parameters.encodings else Encoding()
    return encoding.ssrc, encoding.rtx_ssrc
