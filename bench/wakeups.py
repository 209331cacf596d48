"""What one wake-up of a worker costs, by what it brought: `python -m bench.wakeups`.

A whole engine, its socket and real SRTP; only DTLS is left out. Figures are the CPU time of the engine's thread in
microseconds per wake-up, the median of many, so that a busy machine changes them little. Between two wake-ups `--cold`
streams through more memory than the caches hold, as everything else on a machine does while a worker sleeps.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import random
import statistics
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from sfu.net.srtp import RowPointers, protect_rows
from sfu.rtp.canonical import EXTENSION_IDS, TRANSPORT_CC_URI
from sfu.rtp.nack import Nack
from sfu.rtp.parameters import (
    Codec,
    Encoding,
    HeaderExtension,
    ProducerParameters,
    ReceivedCodec,
    ReceivedHeaderExtension,
)
from sfu.rtp.rtcp import ReceiverReport, ReportBlock, SenderReport, serialise_compound
from sfu.rtp.twcc import build_feedback
from sfu.worker.engine import MAX_BATCH, Engine
from sfu.worker.messages import WorkerConfig

from .cores import pin, usable
from .stand_ins import Clock, Peer

_VIDEO: Final = Codec(
    mime_type="video/vp8", payload_type=96, clock_rate=90_000, feedback=("nack", "transport-cc"), rtx_payload_type=97
)
_AUDIO: Final = Codec(mime_type="audio/opus", payload_type=111, clock_rate=48_000, channels=2)
_TRANSPORT_CC_ID: Final = 3
_AUDIO_LEN: Final = 120
_VIDEO_LEN: Final = 1100
_COLD_BYTES: Final = 48 << 20
_FEEDBACK_PACKETS: Final = 20
_WARM_UP: Final = 20
_REPORTS_AFTER_S: Final = 1.05
"""Each subscriber has reports once a second."""
_PAUSES_S: Final = 0.02
"""In which the timers may let media go first."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of wake-up."""

    name: str
    publishers: int = 1
    subscribers: int = 0
    """Of each publisher."""
    packets: int = 0
    """Of each publisher's stream, in the wake-up."""
    video: bool = False
    feedback: int = 0
    """Subscribers that report."""
    report: str = ""
    checks: int = 0
    """Consent checks."""
    due: bool = False
    """The wake-up is the timer's: every subscriber has a report due, after packets have come."""
    repeats: int = 400


SHAPES: Final = (
    Shape("sound to nobody", packets=1),
    Shape("sound to 1", subscribers=1, packets=1),
    Shape("sound to 5", subscribers=5, packets=1),
    Shape("sound to 9", subscribers=9, packets=1),
    Shape("sound to 20", subscribers=20, packets=1),
    Shape("1 packet of video to 5", subscribers=5, packets=1, video=True),
    Shape("2 packets of video to 9", subscribers=9, packets=2, video=True),
    Shape("6 packets of video to 5", subscribers=5, packets=6, video=True),
    Shape("6 packets of video to 20", subscribers=20, packets=6, video=True),
    Shape("sound of 2 to 5", publishers=2, subscribers=5, packets=1),
    Shape("sound of 8 to 9", publishers=8, subscribers=9, packets=1),
    Shape("2 packets of video of 8 to 9", publishers=8, subscribers=9, packets=2, video=True),
    Shape("sound to 500", subscribers=500, packets=1, repeats=60),
    Shape("6 packets of video to 500", subscribers=500, packets=6, video=True, repeats=30),
    Shape("1 transport-cc report", subscribers=1, feedback=1, report="twcc"),
    Shape("20 transport-cc reports", subscribers=20, feedback=20, report="twcc"),
    Shape("20 receiver reports", subscribers=20, feedback=20, report="rr"),
    Shape("20 reports of both kinds", subscribers=20, feedback=20, report="both"),
    Shape("20 NACKs", subscribers=20, feedback=20, report="nack", packets=1, video=True),
    Shape("1 consent check", subscribers=1, checks=1),
    Shape("20 consent checks", subscribers=20, checks=20),
    Shape("1 sender report, heard by 500", subscribers=500, report="sr", repeats=60),
    Shape("500 subscribers' reports due", subscribers=500, packets=1, due=True, repeats=60),
    Shape("20 subscribers' of 20 reports due", publishers=20, subscribers=20, packets=1, due=True, repeats=100),
)


@dataclass(slots=True)
class _Publisher:
    peer: Peer
    ssrc: int
    seq: int = 0
    transport_seq: int = 0
    consumers: list[str] = field(default_factory=list)


class Rig:
    """A worker's engine with the publishers and subscribers of one shape, connected."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        config = WorkerConfig(bind=("127.0.0.1",), port=0, public_ip=None, log_level="WARNING")
        self.engine = Engine(config, lambda event, params: None)
        self._loop = asyncio.get_running_loop()
        self._socket = self.engine._mux.sockets[0]
        self._loop.remove_reader(self._socket.fileno())
        self._matrix = np.zeros((MAX_BATCH, 1664), np.uint8)
        self._pointers = RowPointers(self._matrix, 0)
        self._request("create_room", room_id="room")
        self._publishers = [self._add_publisher(number) for number in range(shape.publishers)]
        self._subscribers = [self._add_subscriber(number) for number in range(shape.subscribers)]
        self._reports = 0
        if shape.packets:
            self._publish(first=True)
            self._wake_up()
        if shape.due:
            self._report_sent()
            self._wake_up()
        self._clock = Clock(self._loop.time())
        timers = self.engine._plumbing.timers
        if timers._handle is not None:
            timers._handle.cancel()
        timers._loop = self._clock  # type: ignore[assignment]
        timers._armed_for = math.inf
        timers._arm()

    def close(self) -> None:
        self._loop.add_reader(self._socket.fileno(), lambda: None)
        self.engine.close()
        for peer in [publisher.peer for publisher in self._publishers] + self._subscribers:
            peer.socket.close()

    def _request(self, method: str, **params: Any) -> Any:
        return self.engine.handle(method, params)

    def _connect(self, transport_id: str) -> Peer:
        transport = self.engine._rooms["room"].transports[transport_id]
        return Peer(transport, ("127.0.0.1", self.engine.port))

    def _add_publisher(self, number: int) -> _Publisher:
        name = f"p{number}"
        self._request("create_transport", room_id="room", transport_id=name)
        codec = _VIDEO if self.shape.video else _AUDIO
        parameters = ProducerParameters(
            kind="video" if self.shape.video else "audio",
            mid="0",
            codecs=(
                ReceivedCodec(payload_type=codec.payload_type, rtx_payload_type=codec.rtx_payload_type, codec=codec),
            ),
            encodings=(Encoding(ssrc=1000 + number),),
            header_extensions=(
                ReceivedHeaderExtension(
                    id=_TRANSPORT_CC_ID,
                    extension=HeaderExtension(uri=TRANSPORT_CC_URI, id=EXTENSION_IDS[TRANSPORT_CC_URI]),
                ),
            ),
        )
        self._request(
            "produce",
            room_id="room",
            transport_id=name,
            producer_id=name,
            parameters=parameters.model_dump(),
            paused=False,
        )
        peer = self._connect(name)
        peer.open(self.engine)
        return _Publisher(peer, 1000 + number)

    def _add_subscriber(self, number: int) -> Peer:
        name = f"s{number}"
        self._request("create_transport", room_id="room", transport_id=name)
        consumers = [f"{name}-{publisher}" for publisher in range(self.shape.publishers)]
        for publisher, consumer in enumerate(consumers):
            self._request(
                "consume", room_id="room", transport_id=name, consumer_id=consumer, producer_id=f"p{publisher}"
            )
        peer = self._connect(name)
        peer.open(self.engine)
        types = [96, 97] if self.shape.video else [111]
        for consumer in consumers:
            self._request("start_consumer", room_id="room", consumer_id=consumer, payload_types=types)
        return peer

    def _publish(self, *, first: bool = False) -> None:
        length = _VIDEO_LEN if self.shape.video else _AUDIO_LEN
        for position in range(self.shape.packets):
            for publisher in self._publishers:
                payload = bytes([0x10 if position == 0 else 0, 0 if first else 1]) + bytes(length + publisher.ssrc % 50)
                self._send_packet(publisher, payload, position == self.shape.packets - 1)
        if self.shape.video and first:
            for publisher in self._publishers:
                self._send_packet(publisher, b"\x10\x01" + bytes(length), True)

    def _send_packet(self, publisher: _Publisher, payload: bytes, marker: bool) -> None:
        codec = _VIDEO if self.shape.video else _AUDIO
        packet = struct.pack(
            "!BBHIIHHBHx",
            0x90,
            marker << 7 | codec.payload_type,
            publisher.seq & 0xFFFF,
            publisher.seq * 960,
            publisher.ssrc,
            0xBEDE,
            1,
            _TRANSPORT_CC_ID << 4 | 1,
            publisher.transport_seq & 0xFFFF,
        )
        publisher.seq += 1
        publisher.transport_seq += 1
        packet += payload
        self._matrix[0, : len(packet)] = np.frombuffer(packet, np.uint8)
        self._pointers.lengths[0] = len(packet)
        assert protect_rows(self._pointers, 0, [publisher.peer.outbound.handle]) == []
        publisher.peer.send(self._matrix[0, : int(self._pointers.lengths[0])].tobytes())

    def _report_sent(self) -> None:
        """Publishers tell what they have sent."""
        for publisher in self._publishers:
            report = SenderReport(publisher.ssrc, time.time_ns(), publisher.seq * 960, publisher.seq, 0)
            publisher.peer.send(publisher.peer.outbound.protect_rtcp(report.to_bytes()))

    def _report(self) -> None:
        self._reports += 1
        for peer in self._subscribers[: self.shape.feedback]:
            subscriber = peer.transport.subscriber
            assert subscriber is not None
            consumer = next(iter(subscriber.consumers.values()))
            peer.send(peer.outbound.protect_rtcp(self._compound(subscriber.port, consumer)))

    def _compound(self, port: int, consumer: Any) -> bytes:
        ssrc = consumer.parameters.ssrc
        report = ReceiverReport(77, (ReportBlock(ssrc, 0, 0, 65536 + self._reports, 7, 0, 0),)).to_bytes()
        if self.shape.report == "rr":
            return report
        if self.shape.report == "nack":
            stream = consumer._stream
            assert stream is not None
            newest = int(self.engine._table.seq_offset[consumer._row])
            return serialise_compound([Nack(77, ssrc, ((stream.highest_ext_seq - newest) & 0xFFFF,))])
        first = _FEEDBACK_PACKETS * self._reports
        self.engine._ports.next_transport_seq[port] = first + _FEEDBACK_PACKETS
        arrivals = [(first + index, 1000 * index) for index in range(_FEEDBACK_PACKETS)]
        feedback = b"".join(each.to_bytes() for each in build_feedback(77, ssrc, 0, arrivals))
        return report + feedback if self.shape.report == "both" else feedback

    def _check(self) -> None:
        for peer in self._subscribers[: self.shape.checks]:
            peer.send(peer.check())

    def prepare(self) -> None:
        """Let the datagrams of the next wake-up arrive."""
        self._publish()
        if self.shape.report == "nack" or self.shape.due:
            self._wake_up()
        if self.shape.report == "sr":
            self._report_sent()
        if self.shape.feedback:
            self._report()
        self._check()

    def wake_up(self) -> float:
        """Seconds of CPU that it takes to deal with what was prepared."""
        if not self.shape.due:
            return self._wake_up()
        for peer in self._subscribers:
            peer.drain()
        begun = time.thread_time()
        self._clock.jump(_REPORTS_AFTER_S, _PAUSES_S)
        return time.thread_time() - begun

    def _wake_up(self) -> float:
        reader = self.engine._readers[0]
        begun = time.thread_time()
        reader._readable()
        taken = time.thread_time() - begun
        if reader._pause is not None:
            # Wake-ups are made here, and none are the loop's own.
            reader._pause.cancel()
        return taken

    def run(self, between: Callable[[], object]) -> list[float]:
        """Seconds of CPU of each wake-up."""
        taken: list[float] = []
        for number in range(self.shape.repeats + _WARM_UP):
            self.prepare()
            between()
            seconds = self.wake_up()
            if number >= _WARM_UP:
                taken.append(seconds)
            for peer in self._subscribers:
                peer.drain()
        return taken


async def _measure(names: list[str], *, cold: bool) -> None:
    large = np.zeros(_COLD_BYTES if cold else 0, np.uint8)

    def stream_through_memory() -> None:
        np.add(large, 1, out=large)

    print(f"{'us of CPU per wake-up':34}{'median':>9}{'lowest':>9}")
    for shape in SHAPES:
        if names and not any(name in shape.name for name in names):
            continue
        rig = Rig(shape)
        taken = sorted(rig.run(stream_through_memory if cold else lambda: None))
        rig.close()
        drops = {reason: count for reason, count in rig.engine._drops.items() if reason != "no_active_consumer"}
        note = f"  {drops}" if drops else ""
        print(f"{shape.name:34}{1e6 * statistics.median(taken):9.1f}{1e6 * taken[0]:9.1f}{note}", flush=True)
        await asyncio.sleep(0)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.wakeups", description=(__doc__ or "").strip())
    parser.add_argument("--cold", action="store_true", help="empty the caches in between")
    parser.add_argument("shapes", nargs="*", help="only shapes whose name contains one of these")
    arguments = parser.parse_args(argv)
    random.seed(1)
    cores = usable()
    pin(os.getpid(), cores[-1:])
    asyncio.run(_measure(arguments.shapes, cold=arguments.cold))
    return 0


if __name__ == "__main__":
    sys.exit(main())
