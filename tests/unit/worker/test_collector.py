import gc

import pytest

from sfu.worker.collector import FREEZE_EVERY, Collector


@pytest.fixture
def collector():
    made = Collector()
    yield made
    made.close()
    gc.unfreeze()


class Node:
    def __init__(self) -> None:
        self.itself = self


def test_what_transports_are_made_of_is_soon_not_looked_at_any_more(collector):
    kept = [Node() for _ in range(1000)]
    before = gc.get_freeze_count()
    for _ in range(FREEZE_EVERY):
        collector.transport_made()
    assert gc.get_freeze_count() >= before + len(kept)


def test_circles_that_were_frozen_are_collected_when_the_worker_is_empty(collector):
    collected = []

    class Circle(Node):
        def __del__(self) -> None:
            collected.append(True)

    Circle()
    for _ in range(FREEZE_EVERY):
        collector.transport_made()
    gc.collect()
    assert not collected
    collector.empty()
    assert collected


def test_the_longest_pause_is_known_but_for_those_that_nobody_notices(collector):
    collector.empty()
    assert collector.longest_pause_ms == 0
    gc.collect(0)
    first = collector.longest_pause_ms
    assert first > 0
    gc.collect(0)
    assert collector.longest_pause_ms >= first
