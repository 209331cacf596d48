import itertools
import math

import pytest

from sfu.media.nack_generator import (
    DEFAULT_RTT,
    MAX_AGE,
    MAX_MISSING,
    MAX_TRIES,
    REORDERING_WAIT,
    NackGenerator,
)


def asked(generator: NackGenerator, until: float) -> list[tuple[float, list[int]]]:
    """Polls exactly when the generator says, as the engine does."""
    requests = []
    while generator.next_due() <= until:
        now = generator.next_due()
        wanted, _ = generator.due(now)
        if wanted:
            requests.append((now, wanted))
    return requests


def test_a_hole_is_asked_for_after_a_moment_for_reordering():
    generator = NackGenerator()
    generator.note_gap(100, 103, now=1.0)
    assert generator.due(1.0) == ([], False)
    assert generator.due(1.0 + REORDERING_WAIT) == ([100, 101, 102], False)


def test_a_packet_that_was_only_late_is_not_asked_for():
    generator = NackGenerator()
    generator.note_gap(100, 102, now=1.0)
    generator.note_arrival(100, 1.002)
    assert generator.due(2.0 - 0.5)[0] == [101]


def test_it_is_repeated_by_round_trip_and_given_up():
    generator = NackGenerator()
    generator.note_gap(5, 6, now=0.0)
    times = [now for now, _ in asked(generator, 10.0)]
    assert times[1] - times[0] == pytest.approx(1.5 * DEFAULT_RTT)
    assert 2 <= len(times) <= MAX_TRIES
    assert times[-1] <= MAX_AGE
    assert math.isinf(generator.next_due())
    assert generator.requested == len(times)


def test_giving_up_asks_for_a_keyframe():
    generator = NackGenerator()
    generator.note_gap(5, 6, now=0.0)
    generator.due(0.1)
    assert generator.due(MAX_AGE + 0.1) == ([], True)


def test_giving_up_what_a_keyframe_made_useless_asks_for_none():
    generator = NackGenerator()
    generator.note_gap(5, 6, now=0.0)
    generator.note_keyframe(0.5)
    assert generator.due(MAX_AGE + 0.1) == ([], False)


def test_who_does_not_answer_is_asked_less_and_less_often():
    generator = NackGenerator()
    generator.note_gap(5, 6, now=0.0)
    asked = [tick / 1000 for tick in range(1000) if generator.due(tick / 1000)[0]]
    waits = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert len(waits) >= 2
    assert all(later == pytest.approx(2 * earlier, abs=0.003) for earlier, later in itertools.pairwise(waits))


def test_the_round_trip_is_learned_from_first_requests_only():
    generator = NackGenerator()
    generator.note_gap(5, 7, now=0.0)
    generator.due(0.01)
    generator.note_arrival(5, 0.05)
    assert generator.rtt == pytest.approx(0.04)
    generator.due(0.5)
    generator.note_arrival(6, 0.51)
    assert generator.rtt == pytest.approx(0.04)


def test_a_gap_beyond_the_limit_is_given_up_at_once():
    generator = NackGenerator()
    generator.note_gap(0, 10, now=0.0)
    assert not generator.note_gap(20, 20 + MAX_MISSING, now=0.0)
    assert len(generator) == 0
    assert math.isinf(generator.next_due())


def test_the_table_never_grows_beyond_its_limit():
    generator = NackGenerator()
    for start in range(0, 100_000, 3):
        generator.note_gap(start, start + 2, now=0.0)
        assert len(generator) <= MAX_MISSING
