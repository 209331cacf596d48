import itertools
import math

import pytest

from sfu.media.keyframes import MAX_INTERVAL, MAX_TRIES, MIN_INTERVAL, KeyframeRequester


def sent_times(requester: KeyframeRequester, until: float) -> list[float]:
    """Polls exactly when the requester says, as the engine does."""
    times = []
    while requester.next_due() <= until:
        now = requester.next_due()
        assert requester.poll(now)
        times.append(now)
    return times


def test_nothing_is_sent_unless_somebody_wants_a_keyframe():
    requester = KeyframeRequester()
    assert math.isinf(requester.next_due())
    assert not requester.poll(1e9)


def test_the_first_demand_is_passed_on_at_once_and_those_after_it_wait():
    requester = KeyframeRequester()
    requester.demand(10.0)
    assert requester.poll(10.0)
    for _ in range(50):
        requester.demand(10.1)
        assert not requester.poll(10.1)
    assert requester.poll(10.0 + MIN_INTERVAL)
    assert requester.sent == 2


def test_a_keyframe_answers_all_demands_before_it():
    requester = KeyframeRequester()
    requester.demand(0.0)
    requester.poll(0.0)
    requester.demand(0.1)
    requester.keyframe_began()
    assert sent_times(requester, 100.0) == []


def test_the_minimum_interval_holds_across_a_keyframe():
    requester = KeyframeRequester()
    requester.demand(0.0)
    requester.poll(0.0)
    requester.keyframe_began()
    requester.demand(0.1)
    assert sent_times(requester, 1.9 * MIN_INTERVAL) == [MIN_INTERVAL]


def test_unanswered_requests_back_off_and_end():
    requester = KeyframeRequester()
    requester.demand(0.0)
    times = sent_times(requester, 1000.0)
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert gaps[:4] == pytest.approx([MIN_INTERVAL * factor for factor in (1, 2, 4, 8)])
    assert max(gaps) == MAX_INTERVAL
    assert len(times) == MAX_TRIES
    requester.demand(2000.0)
    assert requester.poll(2000.0)


def test_a_new_demand_does_not_wait_for_the_backoff():
    requester = KeyframeRequester()
    requester.demand(0.0)
    sent_times(requester, 4.0)
    last = 3.5
    requester.demand(last + 0.6)
    assert requester.poll(last + 0.6)
