"""The estimator in a loop with a sender that does what it is told, over a link of a given rate."""

import math
from collections import deque

from sfu.cc.remote_estimator import RemoteEstimator
from sfu.rtp.ntp import abs_send_time


class Loop:
    """A sender at 30 frames/s in packets of 1000 bytes, paced over 20 ms; a bottleneck with a queue without end."""

    STEP = 0.001

    def __init__(self, link_bps: float, wants_bps: float) -> None:
        self.link_bps = link_bps
        self.wants_bps = wants_bps
        self.estimator = RemoteEstimator()
        self.rate_bps = 300_000.0
        self.steps = 0
        self.link_free_at = 0.0
        self.worst_delay = 0.0
        self.to_send: deque[float] = deque()
        self.on_the_way: deque[tuple[float, float]] = deque()

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / self.STEP)):
            now = self.steps * self.STEP
            self.steps += 1
            if self.steps % 33 == 0:
                count = max(1, round(self.rate_bps / 30 / 8000))
                self.to_send.extend(now + index * 0.02 / count for index in range(count))
            while self.to_send and self.to_send[0] <= now:
                sent_at = self.to_send.popleft()
                self.link_free_at = max(self.link_free_at, sent_at) + 8000 / self.link_bps
                self.on_the_way.append((self.link_free_at + 0.02, sent_at))
            while self.on_the_way and self.on_the_way[0][0] <= now:
                arrival, sent_at = self.on_the_way.popleft()
                self.worst_delay = max(self.worst_delay, arrival - sent_at)
                self.estimator.note_packet(abs_send_time(sent_at), 1000, arrival)
            told = self.estimator.poll(now)
            if told is not None:
                self.rate_bps = min(told, self.wants_bps)


def test_a_peer_on_a_good_link_reaches_full_quality_soon():
    loop = Loop(link_bps=50_000_000, wants_bps=2_500_000)
    loop.run(6.0)
    assert loop.rate_bps == 2_500_000


def test_it_settles_below_a_narrow_link_without_a_long_queue():
    loop = Loop(link_bps=1_500_000, wants_bps=5_000_000)
    loop.run(20.0)
    loop.worst_delay = 0.0
    loop.run(20.0)
    assert 600_000 < loop.rate_bps < 1_600_000
    assert loop.worst_delay < 0.5


def test_a_link_that_narrows_is_noticed():
    loop = Loop(link_bps=5_000_000, wants_bps=2_500_000)
    loop.run(10.0)
    loop.link_bps = 800_000
    loop.run(10.0)
    loop.worst_delay = 0.0
    loop.run(10.0)
    assert loop.rate_bps < 900_000
    assert loop.worst_delay < 1.0


def test_heavy_loss_is_told_at_once():
    estimator = RemoteEstimator()
    estimator.note_packet(0, 1000, 1.0)
    first = estimator.poll(1.0)
    estimator.note_loss(0.3, 1.2)
    assert estimator.next_due() == 1.2
    assert estimator.poll(1.2) < first


def test_without_send_times_the_rate_still_grows():
    estimator = RemoteEstimator()
    for index in range(1000):
        estimator.note_packet(None, 1000, index * 0.008)
    assert estimator.bitrate_bps > 1_000_000


def test_a_silent_peer_costs_nothing():
    estimator = RemoteEstimator()
    assert math.isinf(estimator.next_due())
    estimator.note_packet(0, 1000, 1.0)
    for now in (1.0, 2.0, 3.0, 4.0):
        estimator.poll(now)
    assert math.isinf(estimator.next_due())
