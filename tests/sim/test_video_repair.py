"""Video over bad networks: what a viewer sees."""

import itertools

import pytest

from tests.sim.network import LinkProfile
from tests.sim.scenario import VideoScenario

GOOD = LinkProfile()
LOSSY = LinkProfile(loss=0.05, delay=0.03, jitter=0.004)
WORSE = LinkProfile(loss=0.10, delay=0.05, jitter=0.03)
SECONDS = 12.0


def unique(scenario: VideoScenario) -> None:
    """AES-GCM: no SSRC ever sends a number twice."""
    for packets in scenario.sent_to.values():
        keys = [(packet.ssrc, packet.seq) for packet in packets]
        assert len(set(keys)) == len(keys)


def test_a_good_network_needs_nothing():
    scenario = VideoScenario(1, GOOD, GOOD, viewers=2)
    scenario.run_until(SECONDS)
    for viewer in scenario.viewers:
        assert len(viewer.endpoint.shown) >= SECONDS * 30 - 5
        assert viewer.consumer.stats().retransmitted == 0
        assert viewer.endpoint.repeated == 0
        assert viewer.endpoint.longest_freeze(SECONDS) < 0.1
    assert scenario.publisher.keyframes == 1 + 1
    assert scenario.producer.stats().nacked == 0


@pytest.mark.parametrize("seed", range(4))
def test_five_percent_loss_each_way_is_no_freeze_of_a_second(seed):
    scenario = VideoScenario(seed, LOSSY, LOSSY, viewers=2)
    scenario.run_until(SECONDS)
    assert scenario.uplink.lost > 50
    for viewer in scenario.viewers:
        assert viewer.endpoint.longest_freeze(SECONDS) < 1.0
        assert len(viewer.endpoint.shown) > 0.9 * SECONDS * 30
    unique(scenario)
    assert scenario.producer.stats().retransmitted > 50
    # Keyframes are the exception: repair does the work.
    assert scenario.publisher.keyframes < 10


@pytest.mark.parametrize("seed", range(3))
def test_ten_percent_loss_with_heavy_reordering_still_flows(seed):
    scenario = VideoScenario(seed, WORSE, WORSE)
    scenario.run_until(SECONDS)
    (viewer,) = scenario.viewers
    assert len(viewer.endpoint.shown) > 0.6 * SECONDS * 30
    assert viewer.endpoint.longest_freeze(SECONDS) < 2.0
    unique(scenario)


def test_a_mute_and_its_end_under_loss():
    scenario = VideoScenario(3, LOSSY, LOSSY)
    (viewer,) = scenario.viewers
    scenario.run_until(5.0)
    scenario.producer.set_paused(True, 5.0)
    sent_before = len(scenario.sent_to[viewer.transport.port])
    scenario.run_until(8.0)
    assert len(scenario.sent_to[viewer.transport.port]) == sent_before
    scenario.producer.set_paused(False, 8.0)
    scenario.arm()
    scenario.run_until(12.0)
    after = [at for at in viewer.endpoint.shown_at if at > 8.0]
    # A lost PLI is repeated after half a second.
    assert after[0] < 9.2
    assert max(later - earlier for earlier, later in itertools.pairwise(after)) < 1.0


def test_a_pool_that_is_too_small_sends_no_wrong_packet():
    scenario = VideoScenario(4, LOSSY, LOSSY, slots=16)
    scenario.run_until(10.0)
    (viewer,) = scenario.viewers
    # The endpoint asserts that what it gets under a number is a packet of its frame; frames stay in order.
    assert viewer.endpoint.shown == sorted(set(viewer.endpoint.shown))
    assert scenario.sfu.counters["nack_not_cached"] > 0


def test_reports_tell_the_publishers_time():
    scenario = VideoScenario(5, LOSSY, LOSSY)
    scenario.run_until(10.0)
    (viewer,) = scenario.viewers
    assert len(viewer.endpoint.reports) >= 7
    for report in viewer.endpoint.reports:
        media_seconds = report.rtp_timestamp / 90000
        # SRs took 30-34 ms up; the relation of the two clocks must be exact whatever they took.
        assert report.ntp / (1 << 32) - 1000 == pytest.approx(media_seconds, abs=0.001)


def test_an_idle_publisher_costs_nothing():
    scenario = VideoScenario(6, GOOD, GOOD)
    scenario.sfu.publisher.remove_producer("v", 0.0)
    for viewer in scenario.viewers:
        viewer.transport.remove_consumer(viewer.consumer.id, 0.0)
        assert viewer.transport.next_due() == float("inf")
    scenario.run_until(10.0)
    assert scenario.sent_to == {}
    assert scenario.publisher.feedback_packets == 0
