"""The media core put together as the worker's engine does it, without sockets, SRTP and clocks."""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass

from sfu.media.consumer import Consumer
from sfu.media.egress import Egress, ForwardBatch, Retransmission
from sfu.media.fanout import FanoutTable
from sfu.media.pool import HEADROOM, PacketPool
from sfu.media.ports import PortTable
from sfu.media.producer import Producer
from sfu.media.publisher import Publisher
from sfu.media.subscriber import Subscriber
from sfu.rtp import canonical
from sfu.rtp.parameters import (
    Codec,
    ConsumerParameters,
    Encoding,
    HeaderExtension,
    ProducerParameters,
    ReceivedCodec,
    ReceivedHeaderExtension,
)
from sfu.rtp.rtcp import parse_compound

VP8 = Codec(
    mime_type="video/vp8",
    payload_type=96,
    clock_rate=90000,
    feedback=("nack", "nack pli", "ccm fir", "transport-cc", "goog-remb"),
    rtx_payload_type=97,
)
OPUS = Codec(mime_type="audio/opus", payload_type=111, clock_rate=48000, channels=2, feedback=("transport-cc",))
RED = Codec(mime_type="audio/red", payload_type=63, clock_rate=48000, channels=2)

VIDEO_SSRC, VIDEO_RTX_SSRC, AUDIO_SSRC = 0x1111, 0x2222, 0x3333
PUBLISHED_VP8, PUBLISHED_VP8_RTX, PUBLISHED_OPUS, PUBLISHED_RED = 120, 121, 109, 110
"""As the publisher numbers them: none is canonical."""
PUBLISHED_TWCC, PUBLISHED_MID, PUBLISHED_LEVEL, PUBLISHED_ABS_SEND_TIME = 5, 4, 7, 6

VP8_KEYFRAME_START = bytes([0x10, 0x00])
VP8_DELTA_START = bytes([0x10, 0x01])
VP8_CONTINUATION = bytes([0x00, 0x01])

EXTENSIONS = tuple(
    ReceivedHeaderExtension(id=received_id, extension=HeaderExtension(uri=uri, id=canonical_id))
    for received_id, uri, canonical_id in (
        (PUBLISHED_TWCC, canonical.TRANSPORT_CC_URI, canonical.TRANSPORT_CC_ID),
        (PUBLISHED_ABS_SEND_TIME, canonical.ABS_SEND_TIME_URI, canonical.ABS_SEND_TIME_ID),
        (PUBLISHED_LEVEL, canonical.AUDIO_LEVEL_URI, 3),
        (PUBLISHED_MID, canonical.MID_URI, 12),
    )
)


def video_parameters(**changes: object) -> ProducerParameters:
    received = ReceivedCodec(payload_type=PUBLISHED_VP8, rtx_payload_type=PUBLISHED_VP8_RTX, codec=VP8)
    parameters = ProducerParameters(
        kind="video",
        mid="v",
        codecs=(received,),
        header_extensions=EXTENSIONS,
        encodings=(Encoding(ssrc=VIDEO_SSRC, rtx_ssrc=VIDEO_RTX_SSRC),),
    )
    return parameters.model_copy(update=changes)


def audio_parameters(**changes: object) -> ProducerParameters:
    codecs = (
        ReceivedCodec(payload_type=PUBLISHED_OPUS, codec=OPUS),
        ReceivedCodec(payload_type=PUBLISHED_RED, codec=RED),
    )
    parameters = ProducerParameters(
        kind="audio",
        mid="a",
        codecs=codecs,
        header_extensions=EXTENSIONS,
        encodings=(Encoding(ssrc=AUDIO_SSRC),),
    )
    return parameters.model_copy(update=changes)


def extension_block(elements: list[tuple[int, bytes]], two_byte: bool = False) -> bytes:
    body = b"".join(
        (bytes([number, len(value)]) if two_byte else bytes([number << 4 | len(value) - 1])) + value
        for number, value in elements
    )
    body += bytes(-len(body) % 4)
    return struct.pack("!HH", 0x1000 if two_byte else 0xBEDE, len(body) // 4) + body


def rtp(
    ssrc: int,
    seq: int,
    timestamp: int,
    payload_type: int,
    payload: bytes,
    *,
    marker: bool = False,
    elements: list[tuple[int, bytes]] | None = None,
    two_byte: bool = False,
) -> bytes:
    first = 0x90 if elements is not None else 0x80
    header = struct.pack(
        "!BBHII", first, marker << 7 | payload_type, seq & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc & 0xFFFFFFFF
    )
    return header + (extension_block(elements, two_byte) if elements is not None else b"") + payload


def video(seq: int, payload: bytes = VP8_DELTA_START, timestamp: int | None = None, **options: object) -> bytes:
    """A VP8 packet of the standard publisher; without a timestamp, one packet per frame at 30 frames/s."""
    return rtp(
        VIDEO_SSRC,
        seq,
        3000 * seq if timestamp is None else timestamp,
        PUBLISHED_VP8,
        payload,
        **options,  # type: ignore[arg-type]
    )


def keyframe(seq: int, timestamp: int | None = None) -> bytes:
    return video(seq, VP8_KEYFRAME_START + b"key", timestamp)


def rtx(rtx_seq: int, original: bytes) -> bytes:
    """RFC 4588 form of a packet made by `video` without extensions."""
    timestamp, seq = struct.unpack("!I", original[4:8])[0], original[2:4]
    return rtp(VIDEO_RTX_SSRC, rtx_seq, timestamp, PUBLISHED_VP8_RTX, seq + original[12:])


@dataclass(frozen=True)
class Sent:
    """A packet that left the server."""

    port: int
    data: bytes

    @property
    def seq(self) -> int:
        return int.from_bytes(self.data[2:4])

    @property
    def timestamp(self) -> int:
        return int.from_bytes(self.data[4:8])

    @property
    def ssrc(self) -> int:
        return int.from_bytes(self.data[8:12])

    @property
    def payload_type(self) -> int:
        return self.data[1] & 0x7F

    @property
    def payload(self) -> bytes:
        padding = self.data[-1] if self.data[0] & 0x20 else 0
        return self.data[16 + 4 * int.from_bytes(self.data[14:16]) : len(self.data) - padding]

    @property
    def transport_seq(self) -> int:
        offset = 17 if self.data[12] == 0xBE else 18
        return int.from_bytes(self.data[offset : offset + 2])


class Sfu:
    """One worker's media core with one publisher."""

    def __init__(self, slots: int = 512, max_rows: int = 1024) -> None:
        self.pool = PacketPool(slots)
        self.table = FanoutTable()
        self.ports = PortTable()
        self.counters: Counter[str] = Counter()
        self.repairs: Counter[str] = Counter()
        self.egress = Egress(self.pool, self.table, self.ports, self.counters, max_rows)
        self.batch = ForwardBatch(self.pool)
        self.publisher = Publisher(self.pool, 1, self.counters, self.repairs)
        self.drops: list[str] = []
        self._last_ssrc = 0xA000

    def produce(self, parameters: ProducerParameters, now: float = 0.0, *, paused: bool = False) -> Producer:
        producer = Producer(parameters.mid, parameters, self.pool, self.table, paused=paused)
        self.publisher.add_producer(producer, now)
        return producer

    def subscriber(self) -> Subscriber:
        return Subscriber(self.ports, self.ports.allocate(), 2, self.counters, self.repairs)

    def consume(
        self, subscriber: Subscriber, producer: Producer, *, first_seq: int = 1000, first_rtx_seq: int = 0
    ) -> Consumer:
        """A consumer that was not started."""
        self._last_ssrc += 2
        parameters = ConsumerParameters(
            consumer_id=f"c{self._last_ssrc}",
            producer_id=producer.id,
            kind=producer.kind,
            ssrc=self._last_ssrc,
            rtx_ssrc=self._last_ssrc + 1 if producer.kind == "video" else None,
            cname="ana",
            codecs=tuple(received.codec for received in producer.parameters.codecs),
            header_extensions=(),
        )
        consumer = Consumer(parameters, producer, subscriber.port, first_seq, first_rtx_seq)
        subscriber.add_consumer(consumer, 0.0)
        return consumer

    def started(
        self, subscriber: Subscriber, producer: Producer, now: float = 0.0, *, first_seq: int = 1000
    ) -> Consumer:
        consumer = self.consume(subscriber, producer, first_seq=first_seq)
        consumer.start((96, 97, 111, 63), now)
        return consumer

    def receive(self, datagrams: list[bytes], now: float) -> None:
        """Take datagrams, which the batch then holds; reasons of those not forwarded go to `drops`."""
        while datagrams:
            first, count = self.pool.reserve(len(datagrams))
            taken, datagrams = datagrams[:count], datagrams[count:]
            for index, datagram in enumerate(taken):
                self.pool.rows[first + index][HEADROOM : HEADROOM + len(datagram)] = datagram
            self.pool.commit(len(taken))
            for index, datagram in enumerate(taken):
                slot = first + index
                reason = self.publisher.admit(slot, HEADROOM, len(datagram))
                if reason is None:
                    reason = self.publisher.receive(slot, HEADROOM, len(datagram), now, self.batch)
                if reason is not None:
                    self.drops.append(reason)

    def build(self, now: float) -> list[Sent]:
        return self._collect(self.egress.build(self.batch, now))

    def wake_up(self, datagrams: list[bytes], now: float) -> list[Sent]:
        """Receive and forward, as one wake-up of the socket does."""
        self.receive(datagrams, now)
        return self.build(now)

    def retransmit(self, retransmissions: list[Retransmission], now: float) -> list[Sent]:
        return self._collect(self.egress.build_retransmissions(retransmissions, now))

    def _collect(self, steps: object) -> list[Sent]:
        sent: list[Sent] = []
        for rows in steps:  # type: ignore[attr-defined]
            for row in range(rows):
                length = int(self.egress.length[row])
                sent.append(Sent(int(self.egress.ports()[row]), bytes(self.egress.data[row, :length])))
        return sent

    def requests(self, now: float) -> list[object]:
        """What is sent to the publisher now, parsed, without the receiver reports in front."""
        return [packet for compound in self.publisher.poll(now) for packet in parse_compound(compound)]
