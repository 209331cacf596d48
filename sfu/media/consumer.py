"""One RTP sender towards one subscriber."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from typing import Final

from sfu.rtp.ntp import ntp_middle, seconds_from_dlsr
from sfu.rtp.parameters import ConsumerParameters
from sfu.rtp.rtcp import ReportBlock, SourceDescription, pack_sender_report

from .egress import Retransmission
from .producer import RED_MIME_TYPE, Producer
from .retransmit import RetransmissionLimiter
from .seqmap import SequenceMap
from .stats import ConsumerNumbers, milliseconds
from .stream import ProducerStream

NACK_UNMAPPED: Final = "nack_unmapped"
"""A NACK for a number that was never sent, or too long ago."""
NACK_NOT_CACHED: Final = "nack_not_cached"
"""The packet never reached the server, or its row has been overwritten."""
NACK_LIMITED: Final = "nack_limited"
NACK_WITHOUT_RTX: Final = "nack_without_rtx"
"""Without RTX the same sequence number would have to be encrypted twice, which AES-GCM forbids."""

_REMEMBERED_REPORTS: Final = 8
_MAX_CNAME_LEN: Final = 255
_RTT_GAIN: Final = 0.25
_MAX_RTT: Final = 10.0


class Consumer:
    """Forwards one producer to one subscriber under its own SSRC and sequence numbers.

    It sends while it was started, its viewer has not paused it, and its producer forwards. Video begins, again after
    each pause, with the first packet of a keyframe; audio with the next packet.
    """

    def __init__(
        self, parameters: ConsumerParameters, producer: Producer, port: int, first_seq: int, first_rtx_seq: int
    ) -> None:
        """`port`: the subscriber's index in the PortTable. `first_seq` and `first_rtx_seq` are what the subscriber
        sees first: random, and below 2^15 so that the receiver's rollover counter cannot be guessed wrongly when the
        first packets are reordered (RFC 3711 section 3.3.1)."""
        self.id = parameters.consumer_id
        self.parameters = parameters
        self.producer = producer
        self.port = port
        self.paused = False
        """By its viewer."""
        self.started = False
        self.closed = False
        self.sends = False
        """Whether packets are forwarded right now; False also while it waits for a keyframe."""
        self.lost = 0
        self.jitter_ticks = 0
        self.rtt: float | None = None
        """Seconds, smoothed; None before the first report block that allows it."""
        self.reported_at = -math.inf
        """When the subscriber was last told about the stream's clock; -inf before the first time: until then it cannot
        synchronise."""
        self.nacked = 0
        self.retransmitted = 0
        self.keyframe_requests = 0
        self._ssrc = parameters.ssrc
        self._row = producer.table.add(parameters.ssrc, port, ())
        self._rtx_types: dict[int, int] = {}
        self._takes_red = False
        self._map = SequenceMap(first_seq)
        self._rtx_seq = first_rtx_seq
        self._stream: ProducerStream | None = None
        """The stream that it waits for or sends."""
        self._after: int | None = None
        self._timestamp_offset = 0
        self._timed_stream_id: int | None = None
        """The stream that the timeline and the sequence map speak about."""
        self._last_timing: tuple[int, float] | None = None
        """Outgoing timestamp and arrival of the newest packet of a stream that was left."""
        self._limiter = RetransmissionLimiter()
        self._sent_reports: deque[tuple[int, float]] = deque(maxlen=_REMEMBERED_REPORTS)
        cname = parameters.cname.encode()[:_MAX_CNAME_LEN].decode(errors="ignore")
        self._description = SourceDescription.for_cname(parameters.ssrc, cname).to_bytes()
        producer.consumers.append(self)

    def start(self, payload_types: Iterable[int], now: float) -> None:
        """The subscriber is ready and accepts these canonical payload types (of codecs and their RTX).

        Called again after a re-negotiation it only changes the types.
        """
        accepted = set(payload_types)
        codecs = [codec for codec in self.parameters.codecs if codec.payload_type in accepted]
        self._rtx_types = {
            codec.payload_type: codec.rtx_payload_type
            for codec in codecs
            if codec.rtx_payload_type is not None and codec.rtx_payload_type in accepted
        }
        accepts = self.producer.table.accepts
        accepts[self._row] = False
        accepts[self._row, [codec.payload_type for codec in codecs]] = True
        self._takes_red = any(codec.mime_type == RED_MIME_TYPE for codec in codecs)
        self.started = True
        if self._stream is not None and self.sends:
            self._stream.active.activate(self._row, self.port, takes_red=self._takes_red)
        self._update(now)

    def set_paused(self, paused: bool, now: float) -> None:
        """By its viewer."""
        self.paused = paused
        self._update(now)

    def producer_changed(self, now: float) -> None:
        """Called by the producer: paused, resumed, closed, or another stream."""
        self._update(now)

    def close(self, now: float) -> None:
        """Stop for ever, and free the row. Repeating it does nothing."""
        if self.closed:
            return
        self.closed = True
        self._update(now)
        self.producer.consumers.remove(self)
        self.producer.table.remove(self._row)

    @property
    def wants_keyframe(self) -> bool:
        """Whether a keyframe would be forwarded: it sends, or waits to."""
        return self._stream is not None

    @property
    def wanted(self) -> bool:
        """Whether packets are forwarded, or will be from the next keyframe on."""
        return self._stream is not None

    def _update(self, now: float) -> None:
        wanted = self.started and not self.paused and not self.closed and self.producer.forwards
        stream = self.producer.stream
        if self._stream is not None and (not wanted or stream is not self._stream):
            self._leave(self._stream)
        if stream.ssrc is None or not wanted or self._stream is stream:
            return
        self._stream = stream
        self._after = stream.highest_ext_seq
        stream.waiting.append(self)
        self.producer.request_keyframe(now)

    def _leave(self, stream: ProducerStream) -> None:
        stream.active.deactivate(self._row)
        if self in stream.waiting:
            stream.waiting.remove(self)
        if self.sends:
            self.sends = False
            self._map.end(stream.highest_ext_seq)
            self._last_timing = (stream.newest_timestamp + self._timestamp_offset, stream.newest_arrival)
        self._stream = None

    def try_begin(self, ext_seq: int, timestamp: int, payload_type: int, keyframe: bool, now: float) -> bool:
        """Called by the stream that it waits for, per packet: begin with this one if a decoder can."""
        stream = self._stream
        if stream is None:
            return True
        if self._after is not None and ext_seq <= self._after:
            return False
        if self.producer.kind == "video" and not keyframe:
            return False
        table = self.producer.table
        self._continue_timeline(stream, timestamp, now)
        table.seq_offset[self._row] = self._map.begin(ext_seq)
        self.sends = True
        table.first_ext_seq[self._row] = ext_seq
        table.timestamp_offset[self._row] = self._timestamp_offset
        stream.active.activate(self._row, self.port, takes_red=self._takes_red)
        return True

    def _continue_timeline(self, stream: ProducerStream, timestamp: int, now: float) -> None:
        """The publisher's timestamps are kept, except where its stream was replaced: those may begin anywhere, and
        the subscriber's must go on by the time that passed."""
        if self._last_timing is not None and self._timed_stream_id != stream.id:
            last_timestamp, last_arrival = self._last_timing
            clock_rate = stream.clock_rate
            ticks = max(1, round((now - last_arrival) * clock_rate))
            self._timestamp_offset = (last_timestamp + ticks - timestamp) & 0xFFFFFFFF
            self._map.clear()
            self.reported_at = -math.inf
        self._timed_stream_id = stream.id

    def answer_nack(self, seqs: Sequence[int], now: float, refusals: Counter[str]) -> list[Retransmission]:
        """What to send again for a subscriber's NACK; each refusal is counted in `refusals` under its reason."""
        self.nacked += len(seqs)
        stream = self._stream
        if stream is None or stream.id != self._timed_stream_id:
            refusals[NACK_UNMAPPED] += len(seqs)
            return []
        answers: list[Retransmission] = []
        reverse, highest, cache, allow = self._map.reverse, stream.highest_ext_seq, stream.cache, self._limiter.allow
        rtx_ssrc = self.parameters.rtx_ssrc
        for seq in seqs:
            ext_seq = reverse(seq, highest)
            if ext_seq is None:
                refusals[NACK_UNMAPPED] += 1
                continue
            slot = cache.find(ext_seq)
            if slot is None:
                refusals[NACK_NOT_CACHED] += 1
                continue
            rtx_type = self._rtx_types.get(cache.payload_type(slot))
            if rtx_ssrc is None or rtx_type is None:
                refusals[NACK_WITHOUT_RTX] += 1
            elif not allow(ext_seq, self.rtt, now):
                refusals[NACK_LIMITED] += 1
            else:
                rtx_seq, timestamp_offset = self._rtx_seq, self._timestamp_offset
                self._rtx_seq = (rtx_seq + 1) & 0xFFFF
                answers.append(
                    Retransmission(
                        slot, stream.id, ext_seq, self.port, rtx_ssrc, rtx_type, rtx_seq, seq, timestamp_offset
                    )
                )
        self.retransmitted += len(answers)
        return answers

    def sender_report(self, now: float) -> bytes | None:
        """A compound of SR and SDES: the publisher's last SR, carried on to `now` by its own clock, so that all sources
        of one publisher keep their relation exactly. None while nothing is sent or the publisher has not reported
        yet."""
        stream = self._stream
        if stream is None or not self.sends:
            return None
        source = stream.reception.sender_report
        if source is None:
            return None
        if source.now != now:
            source.carry_on(now, stream.clock_rate)
            stream.active.settle()
        ntp, timestamp = source.ntp_now, source.rtp_timestamp_now + self._timestamp_offset
        self._sent_reports.append((ntp_middle(ntp), now))
        self.reported_at = now
        table, row = self.producer.table, self._row
        packets, octets = table.packets.item(row) & 0xFFFFFFFF, table.octets.item(row) & 0xFFFFFFFF
        return pack_sender_report(self._ssrc, ntp, timestamp & 0xFFFFFFFF, packets, octets) + self._description

    def note_report(self, block: ReportBlock, now: float) -> None:
        """A report block of the subscriber about this consumer."""
        self.lost = max(block.cumulative_lost, 0)
        self.jitter_ticks = block.jitter
        for middle, sent_at in self._sent_reports:
            sample = now - sent_at - seconds_from_dlsr(block.dlsr)
            if middle == block.lsr and 0.0 <= sample <= _MAX_RTT:
                self.rtt = sample if self.rtt is None else self.rtt + _RTT_GAIN * (sample - self.rtt)

    def stats(self) -> ConsumerNumbers:
        table = self.producer.table
        stream = self.producer.stream
        stream.active.settle()
        return ConsumerNumbers(
            consumer_id=self.id,
            producer_id=self.producer.id,
            kind=self.producer.kind,
            paused=self.paused,
            packets=0 if self.closed else int(table.packets[self._row]),
            bytes=0 if self.closed else int(table.bytes[self._row]),
            lost=self.lost,
            nacked=self.nacked,
            retransmitted=self.retransmitted,
            keyframe_requests=self.keyframe_requests,
            jitter_ms=self.jitter_ticks / stream.clock_rate * 1000,
            rtt_ms=milliseconds(self.rtt),
        )
