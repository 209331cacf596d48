"""Where the time of a forwarded packet goes: the worker's own parts, driven without a network in front of them.

`python -m bench.hotpath` prints microseconds per packet in and nanoseconds per packet out, the lowest of many rounds,
so that two variants of the code can be compared on a noisy machine. SRTP is real on the way out, and so are the
datagrams: another process takes them on another core. Nothing is decrypted, and nobody answers.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import multiprocessing
import os
import struct
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sfu.media.blocks import Block, BlockWriter, Packets
from sfu.media.consumer import Consumer
from sfu.media.egress import Egress, ForwardBatch
from sfu.media.fanout import Audience, FanoutTable
from sfu.media.pool import HEADROOM, STRIDE, PacketPool
from sfu.media.ports import PortTable
from sfu.media.producer import Producer
from sfu.media.publisher import Publisher
from sfu.media.subscriber import Subscriber
from sfu.net.address import key_from_socket_address
from sfu.net.destinations import NAME_STRIDE, DestinationTable
from sfu.net.mmsg import MmsgSocket, socket_class
from sfu.net.srtp import RowPointers, SrtpKeys, SrtpOutbound, protect_rows
from sfu.net.udp import SameForAll, UdpSocket
from sfu.rtp.parameters import (
    Codec,
    ConsumerParameters,
    Encoding,
    ProducerParameters,
    ReceivedCodec,
)

from .clips import packetise_vp8
from .cores import pin, usable
from .lanes import Lanes

_VIDEO: Final = Codec(
    mime_type="video/vp8", payload_type=96, clock_rate=90_000, feedback=("nack", "transport-cc"), rtx_payload_type=97
)
_AUDIO: Final = Codec(mime_type="audio/opus", payload_type=111, clock_rate=48_000, channels=2)
_KEY: Final = bytes(range(28))
_AUDIO_LEN: Final = 120
_KEYFRAME: Final = b"\x10\x00"
_DRAIN_S: Final = 0.002
_FIRST_SINK: Final = 0x7F010001
"""127.1.0.1: every destination has an address of its own, as transports have."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of wake-up: what arrives at once, and to how many it goes."""

    name: str
    publishers: int
    subscribers: int
    frame_len: int
    """Bytes of each publisher's video frame; 0 for a packet of audio instead."""


SHAPES: Final = (
    Shape("webinar, a frame to 500", 1, 500, 6250),
    Shape("webinar, sound to 500", 1, 500, 0),
    Shape("stage, a frame to 20", 1, 20, 6250),
    Shape("stage, 5 frames to 20", 5, 20, 6250),
    Shape("room, a frame to 9", 1, 9, 1250),
    Shape("room, sound to 9", 1, 9, 0),
    Shape("rooms, 8 frames to 9 each", 8, 9, 1250),
    Shape("rooms, sound of 8 to 9 each", 8, 9, 0),
)


def _cpu_s() -> float:
    """This thread's: a busy machine takes time away, and little else."""
    return time.thread_time()


@dataclass(slots=True)
class Times:
    """Seconds of one wake-up, by part."""

    receive: float = 0.0
    build: float = 0.0
    protect: float = 0.0
    send: float = 0.0


class Rig:
    """One shape's publishers, subscribers and sessions."""

    def __init__(self, shape: Shape, sink_port: int, *, gso: bool = True) -> None:
        self.shape = shape
        self._pool = PacketPool()
        self._table = FanoutTable()
        self._ports = PortTable()
        self._drops: Counter[str] = Counter()
        self._egress = Egress(self._pool, self._table, self._ports, self._drops)
        self._pointers = RowPointers(self._egress.data, 0, self._egress.length)
        self._batch = ForwardBatch(self._pool)
        self._socket: UdpSocket = socket_class()("127.0.0.1", 0, self._drops, 64)
        if isinstance(self._socket, MmsgSocket) and not gso:
            self._socket.offload = False
        self._destinations = DestinationTable()
        self._slots: NDArray[np.int64] = np.zeros(0, np.int64)
        self._handles: list[object] = []
        self._publishers: list[Publisher] = []
        self._payloads = self._make_payloads()
        self._seq = 1
        self._now = 1.0
        for number in range(shape.publishers):
            self._add_publisher(number, sink_port)
        self.wake_up(first=True)

    def close(self) -> None:
        self._socket.close()

    def _make_payloads(self) -> list[bytes]:
        if self.shape.frame_len:
            frame = os.urandom(self.shape.frame_len)
            return [payload.data for payload in packetise_vp8(frame, self.shape.frame_len)]
        return [os.urandom(_AUDIO_LEN)]

    def _add_publisher(self, number: int, sink_port: int) -> None:
        codec = _VIDEO if self.shape.frame_len else _AUDIO
        publisher = Publisher(self._pool, 1, self._drops)
        parameters = ProducerParameters(
            kind="video" if self.shape.frame_len else "audio",
            mid="0",
            codecs=(
                ReceivedCodec(payload_type=codec.payload_type, rtx_payload_type=codec.rtx_payload_type, codec=codec),
            ),
            encodings=(Encoding(ssrc=1000 + number),),
        )
        producer = Producer(f"p{number}", parameters, self._pool, self._table, paused=False)
        publisher.add_producer(producer, self._now)
        self._publishers.append(publisher)
        for _ in range(self.shape.subscribers):
            self._add_subscriber(producer, parameters, codec, sink_port)

    def _add_subscriber(self, producer: Producer, parameters: ProducerParameters, codec: Codec, sink_port: int) -> None:
        subscriber = Subscriber(self._ports, self._ports.allocate(), 7, self._drops)
        consumer = Consumer(
            ConsumerParameters(
                consumer_id=f"c{subscriber.port}",
                producer_id=producer.id,
                kind=parameters.kind,
                ssrc=100_000 + subscriber.port,
                rtx_ssrc=None,
                cname="x",
                codecs=(codec,),
                header_extensions=(),
            ),
            producer,
            subscriber.port,
            first_seq=1,
            first_rtx_seq=1,
        )
        subscriber.add_consumer(consumer, self._now)
        consumer.start((codec.payload_type,), self._now)
        slot = self._destinations.add()
        sink = str(ipaddress.IPv4Address(_FIRST_SINK + slot))
        self._destinations.point(slot, 0, key_from_socket_address((sink, sink_port)))
        while subscriber.port >= len(self._handles):
            self._handles.append(None)
            self._slots = np.append(self._slots, 0)
        self._handles[subscriber.port] = SrtpOutbound(SrtpKeys("AEAD_AES_128_GCM", _KEY, _KEY)).handle
        self._slots[subscriber.port] = slot

    def wake_up(self, *, first: bool = False) -> tuple[Times, int, int]:
        """Times, packets in and packets out of a frame, or a packet of sound, of every publisher."""
        times = Times()
        self._now += 0.02
        begun = _cpu_s()
        received = self._receive(first)
        times.receive = _cpu_s() - begun
        sent = 0
        for count in self._timed_build(times):
            begun = _cpu_s()
            blocks = self._egress.blocks
            lengths = self._egress.length[:count]
            handles = [self._handles[port] for port in self._egress.ports().tolist()]
            failed = protect_rows(self._pointers, 0, handles, max(blocks[0].lengths))
            protected = _cpu_s()
            self._socket.send_blocks(
                self._egress.data, lengths, [self._addressed(block) for block in blocks], self._destinations
            )
            times.send += _cpu_s() - protected
            times.protect += protected - begun
            sent += count - len(failed)
        return times, received, sent

    def _addressed(self, block: Block) -> SameForAll:
        audience = block.audience
        if audience.sending is None:
            slots = self._slots[audience.ports]
            names = slots * NAME_STRIDE + self._destinations.names_pointer
            audience.sending = slots, names, names.tolist()
        slots, names, name_items = audience.sending
        part = slice(block.first, block.end)
        return SameForAll(slots[part], names[part], name_items[part], block.lengths)

    def _timed_build(self, times: Times) -> Iterator[int]:
        steps = self._egress.build(self._batch, self._now)
        while True:
            begun = _cpu_s()
            count = next(steps, None)
            times.build += _cpu_s() - begun
            if count is None:
                return
            yield count

    def _receive(self, first: bool) -> int:
        video = self.shape.frame_len > 0
        payload_type = (_VIDEO if video else _AUDIO).payload_type
        received = 0
        for position, payload in enumerate(self._payloads):
            for number, publisher in enumerate(self._publishers):
                row, _ = self._pool.reserve(1)
                marker = 0x80 if position == len(self._payloads) - 1 else 0
                header = struct.pack(
                    "!BBHII",
                    0x80,
                    marker | payload_type,
                    (self._seq + position) & 0xFFFF,
                    self._seq * 3000,
                    1000 + number,
                )
                packet = header + (_KEYFRAME + payload[2:] if first and video else payload)
                self._pool.rows[row][HEADROOM : HEADROOM + len(packet)] = packet
                self._pool.commit(1)
                publisher.admit(row, HEADROOM, len(packet))
                publisher.receive(row, HEADROOM, len(packet), self._now, self._batch)
                received += 1
        self._seq += len(self._payloads)
        return received


def _sink(ready: Connection, core: int) -> None:
    """Take what comes, now and then: who waits for it has to be woken, which is no work of a server whose clients are
    other machines."""
    pin(os.getpid(), (core,))
    asyncio.run(_open_sink(ready))


async def _open_sink(ready: Connection) -> None:
    lanes = Lanes(lambda packets: None)
    lanes.attach(1, ("127.0.0.1", 9))
    ready.send(lanes.shared_port)
    _drain_for_ever(lanes)


def _drain_for_ever(lanes: Lanes) -> None:
    while True:
        lanes.drain()
        time.sleep(_DRAIN_S)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.hotpath", description=(__doc__ or "").strip())
    parser.add_argument("--rounds", type=int, default=20, help="of each shape; default 20")
    parser.add_argument("--no-gso", action="store_true", help="send every packet by itself")
    parser.add_argument("--shape", help="only shapes whose name contains this")
    parser.add_argument("--crossover", action="store_true", help="only: blocks by columns against one by one")
    arguments = parser.parse_args(argv)
    cores = usable()
    if arguments.crossover:
        pin(os.getpid(), cores[-1:])
        _crossover(arguments.rounds)
        return 0
    here, there = multiprocessing.Pipe()
    sink = multiprocessing.get_context("spawn").Process(target=_sink, args=(there, cores[0]), daemon=True)
    sink.start()
    try:
        port = here.recv()
        pin(os.getpid(), (cores[-1],))
        print(f"{'':28}{'in, us':>8}{'build':>8}{'protect':>8}{'send, ns':>9}{'packets/s':>12}")
        for shape in SHAPES:
            if arguments.shape is None or arguments.shape in shape.name:
                _report(Rig(shape, port, gso=not arguments.no_gso), arguments.rounds)
    finally:
        sink.terminate()
        sink.join()
    return 0


def _crossover(rounds: int) -> None:
    """From how many rows on a block is better written by columns: `sfu.media.blocks.FEW_SINGLE` and `FEW_ROWS`."""
    print(f"{'us to write a block':28}{'rows':>8}{'columns':>10}{'one by one':>12}")
    for packets in (1, 2, 6):
        for consumers in (1, 2, 3, 4, 6, 9, 12, 20, 40):
            columns, one_by_one = (_write_us(packets, consumers, few, rounds) for few in (0, 1 << 20))
            name = f"{packets} packet{'s' * (packets > 1)} to {consumers}"
            print(f"{name:28}{packets * consumers:8}{columns:10.2f}{one_by_one:12.2f}")


def _write_us(count: int, consumers: int, few_rows: int, rounds: int) -> float:
    """CPU microseconds, the lowest of many rounds."""
    table, ports = FanoutTable(), PortTable()
    rows = [table.add(index, ports.allocate(), (96,)) for index in range(consumers)]
    audience = Audience(table, np.array(rows))
    data = np.zeros((1024, STRIDE), np.uint8)
    writer = BlockWriter(data, np.zeros(1024, np.int32), ports)
    writer.few_single = writer.few_rows = few_rows
    packet = bytes.fromhex("90600001000000000000deadbede0002110000220000000000") + bytes(1000)
    packets = Packets([packet] * count, list(range(70_000, 70_000 + count)), 0)
    block = Block(audience, 0, consumers, [len(packet)] * count)
    best = float("inf")
    for _ in range(5 * rounds):
        begun = _cpu_s()
        for _ in range(50):
            writer.write(block, 0, packets, b"abc", 1.0)
        best = min(best, (_cpu_s() - begun) / 50)
    return 1e6 * best


def _report(rig: Rig, rounds: int) -> None:
    shape = rig.shape
    best = [float("inf")] * 4
    received = sent = 0
    for _ in range(rounds):
        repeats = 4 if shape.subscribers > 100 else 50
        totals = Times()
        for _ in range(repeats):
            times, received, sent = rig.wake_up()
            totals.receive += times.receive
            totals.build += times.build
            totals.protect += times.protect
            totals.send += times.send
        parts = (totals.receive, totals.build, totals.protect, totals.send)
        best = [min(lowest, part / repeats) for lowest, part in zip(best, parts, strict=True)]
        time.sleep(0.02)
    rig.close()
    receive, *out = best
    figures = [1e9 * part / sent for part in out]
    print(
        f"{shape.name:28}{1e6 * receive / received:8.2f}{figures[0]:8.0f}{figures[1]:8.0f}{figures[2]:9.0f}"
        f"{sent / sum(best):12,.0f}"
    )


if __name__ == "__main__":
    sys.exit(main())
