"""A media source: its parameters, its stream, who consumes it, and whether it may be heard or seen."""

from __future__ import annotations

from typing import Final, Protocol

from sfu.rtp.canonical import TRANSPORT_CC_URI
from sfu.rtp.fir import Fir
from sfu.rtp.parameters import Codec, ProducerParameters
from sfu.rtp.pli import Pli
from sfu.rtp.rtcp import RtcpPacket

from .fanout import FanoutTable
from .keyframes import KeyframeRequester
from .pool import PacketPool
from .stats import ProducerNumbers, milliseconds
from .stream import ProducerStream

RED_MIME_TYPE: Final = "audio/red"


class AttachedConsumer(Protocol):
    """A consumer as its producer sees it."""

    def producer_changed(self, now: float) -> None:
        """The producer was paused, resumed, closed, or has another stream now."""


class Producer:
    """One media source. It is forwarded unless it is paused."""

    def __init__(
        self, producer_id: str, parameters: ProducerParameters, pool: PacketPool, table: FanoutTable, *, paused: bool
    ) -> None:
        """Raises ValueError when two codecs share a payload type."""
        self.id = producer_id
        self.kind = parameters.kind
        self.parameters = parameters
        self.table = table
        self.closed = False
        self.paused = paused
        self.forwards = not paused
        """Neither paused nor closed."""
        self.keyframes = KeyframeRequester()
        self.consumers: list[AttachedConsumer] = []
        self.codecs: dict[int, Codec] = {}
        """By the publisher's payload type."""
        self.rtx_codecs: dict[int, Codec] = {}
        """The codec that an RTX packet repairs, by the publisher's payload type."""
        self._read_codecs()
        feedback = {value for received in parameters.codecs for value in received.codec.feedback}
        self._asks_again = "nack" in feedback
        self._by_fir = "ccm fir" in feedback and "nack pli" not in feedback
        self._fir_count = 0
        has_transport_cc = any(ext.extension.uri == TRANSPORT_CC_URI for ext in parameters.header_extensions)
        self.uses_transport_cc = has_transport_cc and "transport-cc" in feedback
        self.uses_remb = not self.uses_transport_cc and "goog-remb" in feedback
        self._pool = pool
        self.stream = ProducerStream(self.kind, pool, table, asks_again=self._asks_again)
        self._past_streams: list[ProducerStream] = []

    def _read_codecs(self) -> None:
        for received in self.parameters.codecs:
            for payload_type, codecs in (
                (received.payload_type, self.codecs),
                (received.rtx_payload_type, self.rtx_codecs),
            ):
                if payload_type is None:
                    continue
                if payload_type in self.codecs or payload_type in self.rtx_codecs:
                    raise ValueError(f"payload type {payload_type} is given two meanings")
                codecs[payload_type] = received.codec
        self.red_mapping = {number: codec.payload_type for number, codec in self.codecs.items()}

    @property
    def in_demand(self) -> bool:
        """Whether repairs and keyframes would be of use to anybody."""
        return self.forwards and bool(self.consumers)

    def set_paused(self, paused: bool, now: float) -> None:
        """By its owner or by whoever manages the room: which of them is not the media plane's business."""
        if self.paused == paused:
            return
        self.paused = paused
        self.forwards = not (paused or self.closed)
        if paused and self.stream.nack is not None:
            self.stream.nack.clear()
        self._tell_consumers(now)

    def bind(self, ssrc: int, now: float) -> None:
        """The producer's packets come with this SSRC from now on. Another one than before begins a new stream."""
        if self.stream.ssrc is not None:
            self._past_streams.append(self.stream)
            self.stream = ProducerStream(self.kind, self._pool, self.table, asks_again=self._asks_again)
        self.stream.ssrc = ssrc
        self._tell_consumers(now)

    def close(self, now: float) -> None:
        """Stop forwarding for ever. Consumers stay, silent, until they are closed themselves."""
        self.closed = True
        self.forwards = False
        self._tell_consumers(now)

    def _tell_consumers(self, now: float) -> None:
        for consumer in list(self.consumers):
            consumer.producer_changed(now)

    def request_keyframe(self, now: float) -> None:
        """Ask the publisher for a keyframe, at once or as soon as the minimum interval allows. Nothing for audio."""
        if self.kind == "video" and self.in_demand:
            self.keyframes.demand(now)

    def keyframe_packet(self, sender_ssrc: int, now: float) -> RtcpPacket | None:
        """The PLI (or FIR, where the publisher knows only that) that is to be sent now."""
        if not self.in_demand or self.stream.ssrc is None or not self.keyframes.poll(now):
            return None
        if not self._by_fir:
            return Pli(sender_ssrc, self.stream.ssrc)
        self._fir_count += 1
        return Fir(sender_ssrc, ((self.stream.ssrc, self._fir_count & 0xFF),))

    def stats(self) -> ProducerNumbers:
        streams = [*self._past_streams, self.stream]
        nack = self.stream.nack
        return ProducerNumbers(
            producer_id=self.id,
            kind=self.kind,
            mime_type="" if self.stream.codec is None else self.stream.codec.mime_type,
            paused=self.paused,
            packets=sum(stream.reception.packets for stream in streams),
            bytes=sum(stream.reception.bytes for stream in streams),
            lost=sum(stream.reception.lost for stream in streams),
            nacked=sum(stream.nack.requested for stream in streams if stream.nack is not None),
            retransmitted=sum(stream.reception.repaired for stream in streams),
            keyframe_requests=self.keyframes.sent,
            jitter_ms=self.stream.reception.jitter_seconds * 1000,
            rtt_ms=None if nack is None else milliseconds(nack.rtt),
        )
