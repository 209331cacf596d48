import asyncio
from itertools import groupby, pairwise

import pytest

from sfu.worker.timers import AT_ONCE_S, PAUSE_S, Timers


class VirtualLoop:
    """The two methods of an event loop that `Timers` uses, on a clock that the test moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.handles = []

    def time(self) -> float:
        return self.now

    def call_at(self, when, callback):
        handle = VirtualHandle(when, callback)
        self.handles.append(handle)
        return handle

    @property
    def armed(self) -> list:
        return [handle for handle in self.handles if not handle.done]

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while due := [handle for handle in self.armed if handle.when <= end]:
            first = min(due, key=lambda handle: handle.when)
            self.now = max(self.now, first.when)
            first.done = True
            first.callback()
        self.now = end


class VirtualHandle:
    def __init__(self, when, callback) -> None:
        self.when, self.callback, self.done = when, callback, False

    def cancel(self) -> None:
        self.done = True


def make():
    loop = VirtualLoop()
    return loop, Timers(loop)


def test_callback_runs_at_its_time_and_again_when_it_says_so():
    loop, timers = make()
    calls = []

    def tick(now):
        calls.append(now)
        return now + 1.0 if len(calls) < 3 else None

    timers.add(tick).not_later_than(101.0)
    loop.advance(10)
    assert calls == [101.0, 102.0, 103.0]


def test_an_earlier_deadline_overtakes_and_the_later_one_is_forgotten():
    loop, timers = make()
    calls = []
    timer = timers.add(lambda now: calls.append(now))
    timer.not_later_than(110.0)
    timer.not_later_than(101.0)
    timer.not_later_than(105.0)
    loop.advance(20)
    assert calls == [101.0]


def test_one_loop_timer_serves_a_thousand_deadlines():
    loop, timers = make()
    for index in range(1000):
        timers.add(lambda now: None).not_later_than(1000.0 - index * 0.001)
    assert len(loop.armed) == 1


def test_cancelled_timer_is_silent_even_when_cancelled_by_another_at_the_same_time():
    loop, timers = make()
    calls = []
    second = timers.add(lambda now: calls.append("second"))
    first = timers.add(lambda now: second.cancel())
    first.not_later_than(101.0)
    second.not_later_than(101.0)
    loop.advance(2)
    assert calls == []
    second.not_later_than(102.0)
    loop.advance(2)
    assert calls == []


def test_a_failing_callback_does_not_stop_the_others(caplog):
    loop, timers = make()
    calls = []

    def fail(now):
        raise RuntimeError("defect")

    timers.add(fail).not_later_than(101.0)
    timers.add(lambda now: calls.append(now)).not_later_than(102.0)
    loop.advance(5)
    assert calls == [102.0]
    assert "timer failed" in caplog.text


def test_many_deadlines_at_once_leave_room_for_media():
    """Callbacks of a millisecond each: the loop comes to other things every few of them, for a millisecond at least."""
    loop, timers = make()
    spans = []

    def work(now):
        began = loop.now
        loop.now += 0.001
        spans.append((began, loop.now))

    for _ in range(50):
        timers.add(work).not_later_than(101.0)
    loop.advance(2)
    assert len(spans) == 50
    pauses = [begins - ended for (_, ended), (begins, _) in pairwise(spans)]
    longest = max(len(list(run)) for paused, run in groupby(pauses, lambda pause: pause > 0.0005) if not paused)
    assert longest * 0.001 <= AT_ONCE_S
    assert [pause for pause in pauses if pause > 0.0005] == pytest.approx([PAUSE_S] * (50 // 2 - 1))


def test_who_comes_during_a_pause_does_not_end_it():
    loop, timers = make()
    ran = []

    def work(now):
        ran.append(loop.now)
        loop.now += AT_ONCE_S

    timers.add(work).not_later_than(101.0)
    timers.add(work).not_later_than(101.0)
    loop.advance(1.0)
    assert len(ran) == 1
    timers.add(lambda now: None).not_later_than(100.0)
    assert [handle.when for handle in loop.armed] == pytest.approx([101.0 + AT_ONCE_S + PAUSE_S])
    loop.advance(0.1)
    assert len(ran) == 2


def test_close_disarms():
    loop, timers = make()
    calls = []
    timer = timers.add(lambda now: calls.append(now))
    timer.not_later_than(101.0)
    timers.close()
    timer.not_later_than(100.5)
    loop.advance(5)
    assert calls == []


async def test_on_a_real_loop():
    loop = asyncio.get_running_loop()
    timers = Timers(loop)
    done = asyncio.Event()
    timers.add(lambda now: done.set()).not_later_than(loop.time() + 0.01)
    async with asyncio.timeout(10):
        await done.wait()
