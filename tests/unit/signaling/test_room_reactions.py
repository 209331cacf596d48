from __future__ import annotations

import asyncio

import pytest

from signaling.batches import WriteInDoubt
from signaling.counters import Counters, SessionTally
from signaling.errors import LiveError
from signaling.room_reactions import INTERVAL_S, RoomReactions


class Board:
    def __init__(self, size=2):
        self.told = []
        self.counters = Counters()
        self.reactions = RoomReactions(self.told.append, SessionTally(self.counters), lambda: size)

    def write(self, kind, count, failure=None):
        future = asyncio.get_running_loop().create_future()
        if failure is None:
            future.set_result(None)
        else:
            future.set_exception(failure)
        self.reactions.written(kind, count, future)

    @property
    def due_at(self):
        """When the next event is told, on the loop's clock; what is due at once is no timer for some loops."""
        when = getattr(self.reactions._timer, "when", None)
        return when() if when else 0.0

    @property
    def interval_s(self):
        """Between the last event and the next."""
        return self.due_at - self.reactions._told_at


async def test_what_comes_together_is_told_together():
    board = Board()
    for _ in range(500):
        board.write("heart", 2)
    board.write("clap", 1)
    assert board.told == []
    board.reactions.tell()
    assert board.told == [
        {"type": "reactions", "counts": {"heart": 1000, "clap": 1}, "totals": {"heart": 1000, "clap": 1}}
    ]
    board.write("heart", 1)
    board.reactions.tell()
    assert board.told[1] == {"type": "reactions", "counts": {"heart": 1}, "totals": {"heart": 1001, "clap": 1}}
    board.reactions.tell()
    assert len(board.told) == 2
    assert board.counters.reactions == {"heart": 1001, "clap": 1}


async def test_the_first_is_told_at_once_and_the_next_after_the_interval():
    board = Board()
    board.write("heart", 1)
    assert board.due_at <= asyncio.get_running_loop().time() + 0.001
    board.reactions.tell()
    board.write("heart", 1)
    assert board.interval_s == pytest.approx(INTERVAL_S, abs=0.01)


async def test_large_rooms_are_told_less_often():
    board = Board(size=1000)
    board.write("heart", 1)
    board.reactions.tell()
    board.write("heart", 1)
    assert board.interval_s == pytest.approx(0.5, abs=0.01)


async def test_the_timer_tells():
    board = Board()
    board.write("heart", 1)
    await asyncio.sleep(0.01)
    assert len(board.told) == 1


async def test_what_was_not_written_is_not_counted():
    board = Board()
    board.write("heart", 1, LiveError("database_unavailable"))
    cancelled = asyncio.get_running_loop().create_future()
    cancelled.cancel()
    board.reactions.written("heart", 1, cancelled)
    board.reactions.tell()
    assert board.told == []
    assert not board.reactions.in_doubt
    board.write("heart", 1, WriteInDoubt())
    assert board.reactions.in_doubt
    board.reactions.load({"heart": 5})
    assert not board.reactions.in_doubt
    assert board.reactions.totals(("heart", "clap")) == {"heart": 5, "clap": 0}


async def test_types_of_before_stay_in_the_totals():
    board = Board()
    board.reactions.load({"old": 3})
    assert board.reactions.totals(("heart",)) == {"heart": 0, "old": 3}


async def test_a_closed_room_tells_nothing():
    board = Board()
    board.write("heart", 1)
    board.reactions.close()
    await asyncio.sleep(0.01)
    assert board.told == []
