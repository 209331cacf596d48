import gc
from types import SimpleNamespace

import pytest

from control_api.garbage import COLLECT_AFTER, FREEZE_EVERY, Garbage


@pytest.fixture
def sockets():
    yield SimpleNamespace(opened=0, closed=0)
    gc.unfreeze()


@pytest.fixture
def garbage(sockets):
    return Garbage(lambda: sockets.opened, lambda: sockets.closed)


@pytest.fixture
def circle(garbage):
    """Says whether a circle that nobody holds was collected. It is made after the start."""
    collected = []

    class Circle:
        def __init__(self):
            self.itself = self

        def __del__(self):
            collected.append(True)

    gc.disable()
    Circle()
    gc.enable()
    return collected


def test_what_sockets_are_made_of_is_soon_not_looked_at_any_more(sockets, garbage):
    before = gc.get_freeze_count()
    kept = [[] for _ in range(1000)]
    sockets.opened = FREEZE_EVERY - 1
    garbage.look()
    assert gc.get_freeze_count() <= before
    sockets.opened = FREEZE_EVERY
    garbage.look()
    assert gc.get_freeze_count() >= before + len(kept)


def test_everything_is_looked_at_when_nobody_is_there(sockets, garbage, circle):
    sockets.opened = FREEZE_EVERY
    garbage.look()
    sockets.closed = FREEZE_EVERY - 1
    garbage.look()
    gc.collect()
    assert not circle
    sockets.closed = FREEZE_EVERY
    garbage.look()
    assert circle
    assert gc.get_freeze_count() > 0, "what is left stays"


def test_everything_is_looked_at_once_many_have_left(sockets, garbage, circle):
    sockets.opened = 3 * COLLECT_AFTER
    garbage.look()
    sockets.closed = COLLECT_AFTER
    garbage.look()
    gc.collect()
    assert not circle, "more are there"
    sockets.closed = 2 * COLLECT_AFTER
    garbage.look()
    assert circle
    sockets.closed += 1
    frozen = gc.get_freeze_count()
    garbage.look()
    assert gc.get_freeze_count() <= frozen, "and then not for a while"
