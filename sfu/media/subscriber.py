"""The receiving side of a transport: its consumers, their reports, and what its RTCP asks for."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from sfu.rtp.fir import Fir
from sfu.rtp.nack import Nack
from sfu.rtp.pli import Pli
from sfu.rtp.remb import Remb
from sfu.rtp.reports import Reports
from sfu.rtp.rtcp import (
    Bye,
    ReceiverReport,
    ReportBlock,
    RtcpPacket,
    SenderReport,
    TwccReport,
    serialise_compound,
)

from .consumer import Consumer
from .egress import Retransmission
from .ports import PortTable
from .producer import Producer

REPORT_INTERVAL: Final = 1.0
EAGER_INTERVAL: Final = 0.1
"""Seconds to the first attempt while a consumer sends, or is about to, that has not reported yet: without an SR there
is no lip sync. Each further attempt waits twice as long, up to REPORT_INTERVAL."""
EAGER_ATTEMPTS: Final = 8
"""Then the publisher is taken for one that sends no SRs, and attempts become ordinary."""
MAX_COMPOUND_LEN: Final = 1200

FEEDBACK_UNKNOWN_SSRC: Final = "rtcp_unknown_ssrc"
FEEDBACK_NOT_SENT: Final = "twcc_never_sent"
"""Transport-cc feedback about packets that were never sent, or are forgotten."""


@dataclass(slots=True)
class SubscriberActions:
    """What a subscriber's RTCP asks for."""

    retransmissions: list[Retransmission] = field(default_factory=list)
    keyframe_requests: list[Producer] = field(default_factory=list)


class Subscriber:
    """Consumers of one transport by SSRC."""

    def __init__(
        self, ports: PortTable, port: int, local_ssrc: int, drops: Counter[str], repairs: Counter[str] | None = None
    ) -> None:
        """`port` was allocated in `ports` for this transport. `drops` counts by reason, `repairs` what the peer asked
        for and was given: `nack_received` (packets), `rtx_sent`, `pli_received` (or FIR)."""
        self.port = port
        self.consumers: dict[str, Consumer] = {}
        self.remb_bps: int | None = None
        """Last maximum that the peer asked for."""
        self._ports = ports
        self._drops = drops
        self._repairs = Counter[str]() if repairs is None else repairs
        self._by_ssrc: dict[int, Consumer] = {}
        self._local_ssrc = local_ssrc
        self._next_report = math.inf
        self._eager_left = EAGER_ATTEMPTS

    def add_consumer(self, consumer: Consumer, now: float) -> None:
        """Raises ValueError when the id, the SSRC or the RTX SSRC is taken on this transport, or the producer is
        consumed already: the fan-out sends each packet once to each port."""
        if any(other.producer is consumer.producer for other in self.consumers.values()):
            raise ValueError("the producer is consumed already")
        ssrcs = [ssrc for ssrc in (consumer.parameters.ssrc, consumer.parameters.rtx_ssrc) if ssrc is not None]
        if consumer.id in self.consumers or any(ssrc in self._by_ssrc for ssrc in ssrcs):
            raise ValueError("consumer id or SSRC is taken")
        self.consumers[consumer.id] = consumer
        for ssrc in ssrcs:
            self._by_ssrc[ssrc] = consumer
        self._eager_left = EAGER_ATTEMPTS
        self._next_report = min(self._next_report, now + EAGER_INTERVAL)

    def remove_consumer(self, consumer_id: str, now: float) -> bytes | None:
        """Close the consumer. Returns a compound with its BYE, None when there is no such consumer."""
        consumer = self.consumers.pop(consumer_id, None)
        if consumer is None:
            return None
        ssrcs = tuple(ssrc for ssrc, owner in self._by_ssrc.items() if owner is consumer)
        for ssrc in ssrcs:
            del self._by_ssrc[ssrc]
        consumer.close(now)
        return serialise_compound([ReceiverReport(self._local_ssrc), Bye(ssrcs)])

    def close(self, now: float) -> None:
        """Close all consumers. The caller releases the port."""
        for consumer in self.consumers.values():
            consumer.close(now)
        self.consumers.clear()
        self._by_ssrc.clear()
        self._next_report = math.inf

    def on_rtcp(self, packets: list[RtcpPacket], now: float) -> SubscriberActions:
        """Read a decrypted compound; packets that are not about consumers are ignored here."""
        actions = SubscriberActions()
        for packet in packets:
            match packet:
                case TwccReport():
                    self._note_feedback(packet.base_seq, packet.status_count, packet.received, packet.newest_index, now)
                case ReceiverReport() | SenderReport():
                    for block in packet.reports:
                        self._note_report(block, now)
                case Nack():
                    actions.retransmissions += self._answer(packet.media_ssrc, packet.seqs, now)
                case Pli():
                    self._want_keyframe(packet.media_ssrc, actions)
                case Fir():
                    for ssrc, _ in packet.entries:
                        self._want_keyframe(ssrc, actions)
                case Remb():
                    self.remb_bps = packet.bitrate_bps
        return actions

    def on_reports(self, reports: Reports, now: float) -> list[Retransmission]:
        """What most datagrams hold, and `on_rtcp` would do the same with. Returns what to send again."""
        for fields in reports.blocks:
            self._note_report(ReportBlock.parse(fields), now)
        if reports.status_count:
            _, base_seq, status_count, received, newest_index, _ = reports
            self._note_feedback(base_seq, status_count, received, newest_index, now)
        retransmissions: list[Retransmission] = []
        for ssrc, seqs in reports.nacks:
            retransmissions += self._answer(ssrc, seqs, now)
        return retransmissions

    def _answer(self, ssrc: int, seqs: Sequence[int], now: float) -> list[Retransmission]:
        consumer = self._find(ssrc)
        if consumer is None:
            return []
        answers = consumer.answer_nack(seqs, now, self._drops)
        self._repairs["nack_received"] += len(seqs)
        self._repairs["rtx_sent"] += len(answers)
        return answers

    def _note_feedback(self, base_seq: int, status_count: int, received: int, newest_index: int, now: float) -> None:
        if not self._ports.note_feedback(self.port, base_seq, status_count, received, newest_index, now):
            self._drops[FEEDBACK_NOT_SENT] += 1

    def _note_report(self, block: ReportBlock, now: float) -> None:
        # The same compound speaks about RTX streams, and may come from a peer that also publishes.
        consumer = self._by_ssrc.get(block.ssrc)
        if consumer is not None and block.ssrc == consumer.parameters.ssrc:
            consumer.note_report(block, now)

    def _find(self, ssrc: int) -> Consumer | None:
        consumer = self._by_ssrc.get(ssrc)
        if consumer is None:
            self._drops[FEEDBACK_UNKNOWN_SSRC] += 1
        return consumer

    def _want_keyframe(self, ssrc: int, actions: SubscriberActions) -> None:
        consumer = self._find(ssrc)
        if consumer is None or not consumer.wants_keyframe:
            return
        consumer.keyframe_requests += 1
        self._repairs["pli_received"] += 1
        if consumer.producer not in actions.keyframe_requests:
            actions.keyframe_requests.append(consumer.producer)

    def next_due(self) -> float:
        """When `poll` has reports to send; inf without consumers."""
        return self._next_report if self.consumers else math.inf

    def poll(self, now: float) -> list[bytes]:
        """Compounds of SR and SDES that are due, each for one datagram."""
        if now < self.next_due():
            return []
        reports: list[bytes] = []
        sending = unreported = False
        old = now - REPORT_INTERVAL / 2
        for consumer in self.consumers.values():
            report = consumer.sender_report(now) if consumer.reported_at < old else None
            if report is not None:
                reports.append(report)
                sending = True
                continue
            sending = sending or consumer.sends
            unreported = unreported or (consumer.wanted and consumer.reported_at == -math.inf)
        # Who gets nothing costs nothing: `wake` begins anew.
        if unreported and self._eager_left > 0:
            attempt = EAGER_ATTEMPTS - self._eager_left
            self._eager_left -= 1
            self._next_report = now + min(EAGER_INTERVAL * 2**attempt, REPORT_INTERVAL)
        else:
            self._next_report = now + REPORT_INTERVAL if sending else math.inf
        return join_compounds(reports)

    def lacks_report(self, consumer: Consumer) -> bool:
        """Whether a consumer that sends has had no report yet, or none is going to follow."""
        return consumer.reported_at == -math.inf or self._next_report == math.inf

    def wake(self, now: float) -> None:
        """A consumer may have begun to send, or its publisher has sent the report that it lacked."""
        self._next_report = min(self._next_report, now + EAGER_INTERVAL)


def join_compounds(parts: list[bytes]) -> list[bytes]:
    """Compounds joined, in order, into as few datagrams of MAX_COMPOUND_LEN bytes as they fit."""
    if sum(map(len, parts)) <= MAX_COMPOUND_LEN:
        return [b"".join(parts)] if parts else []
    datagrams: list[bytes] = []
    first = length = 0
    for index, part in enumerate(parts):
        if length + len(part) > MAX_COMPOUND_LEN and index > first:
            datagrams.append(b"".join(parts[first:index]))
            first, length = index, 0
        length += len(part)
    return [*datagrams, b"".join(parts[first:])]
