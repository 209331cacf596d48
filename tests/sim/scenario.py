"""One publisher, the media core, several subscribers, on a virtual network."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from sfu.media.consumer import Consumer
from sfu.media.subscriber import Subscriber
from sfu.rtp.rtcp import parse_compound

from . import harness
from .endpoints import VideoPublisher, VideoSubscriber
from .network import Clock, Link, LinkProfile


@dataclass
class Viewer:
    transport: Subscriber
    consumer: Consumer
    endpoint: VideoSubscriber
    rtp: Link
    rtcp: Link


@dataclass
class Timer:
    """As the worker has it: one event at the time that the core names, asked anew whenever something happened."""

    clock: Clock
    next_due: Callable[[], float]
    poll: Callable[[float], list[bytes]]
    send: Callable[[bytes], None]
    armed_at: float = field(default=math.inf)

    def arm(self) -> None:
        due = self.next_due()
        if due < self.armed_at:
            self.armed_at = due
            self.clock.at(due, self._fire)

    def _fire(self) -> None:
        if self.clock.now < self.armed_at:
            return
        self.armed_at = math.inf
        for compound in self.poll(self.clock.now):
            self.send(compound)
        self.arm()


class VideoScenario:
    def __init__(self, seed: int, up: LinkProfile, down: LinkProfile, viewers: int = 1, slots: int = 2048) -> None:
        self.clock = Clock()
        self.sfu = harness.Sfu(slots)
        self.producer = self.sfu.produce(harness.video_parameters())
        self.uplink = Link(self.clock, up, seed, self._on_publisher_rtp)
        self.publisher = VideoPublisher(self.clock, self.uplink.send)
        self.publisher.send_rtcp = Link(self.clock, up, seed + 1, self._on_publisher_rtcp).send
        to_publisher = Link(self.clock, down, seed + 2, self.publisher.on_rtcp)
        self._timer = Timer(self.clock, self.sfu.publisher.next_due, self.sfu.publisher.poll, to_publisher.send)
        self._timers = [self._timer]
        self.viewers = [self._viewer(seed + 10 * number, down, up) for number in range(1, viewers + 1)]
        self.sent_to: dict[int, list[harness.Sent]] = {}
        self.publisher.start()

    def _viewer(self, seed: int, down: LinkProfile, up: LinkProfile) -> Viewer:
        transport = self.sfu.subscriber()
        consumer = self.sfu.consume(transport, self.producer, first_seq=65530)
        ssrc, rtx_ssrc = consumer.parameters.ssrc, consumer.parameters.rtx_ssrc
        from_viewer = Link(self.clock, up, seed, lambda data: self._on_viewer_rtcp(transport, data))
        endpoint = VideoSubscriber(self.clock, ssrc, rtx_ssrc or 0, from_viewer.send)
        rtp = Link(self.clock, down, seed + 1, endpoint.on_rtp)
        rtcp = Link(self.clock, down, seed + 2, endpoint.on_rtcp)
        timer = Timer(self.clock, transport.next_due, transport.poll, rtcp.send)
        self._timers.append(timer)
        consumer.start((96, 97), 0.0)
        self.arm()
        return Viewer(transport, consumer, endpoint, rtp, rtcp)

    def arm(self) -> None:
        """To be called after each command, as the engine does."""
        for timer in self._timers:
            timer.arm()

    def _deliver(self, packets: list[harness.Sent]) -> None:
        links = {viewer.transport.port: viewer.rtp for viewer in self.viewers}
        for packet in packets:
            self.sent_to.setdefault(packet.port, []).append(packet)
            links[packet.port].send(packet.data)

    def _on_publisher_rtp(self, data: bytes) -> None:
        self._deliver(self.sfu.wake_up([data], self.clock.now))
        self.arm()

    def _on_publisher_rtcp(self, data: bytes) -> None:
        self.sfu.publisher.on_rtcp(parse_compound(data), self.clock.now)
        self.arm()

    def _on_viewer_rtcp(self, transport: Subscriber, data: bytes) -> None:
        actions = transport.on_rtcp(parse_compound(data), self.clock.now)
        for producer in actions.keyframe_requests:
            producer.request_keyframe(self.clock.now)
        self._deliver(self.sfu.retransmit(actions.retransmissions, self.clock.now))
        self.arm()

    def run_until(self, end: float) -> None:
        self.clock.run_until(end)
