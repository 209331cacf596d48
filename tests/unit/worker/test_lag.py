import pytest

from sfu.worker.lag import INTERVAL_S, WINDOW_S, LagMeter


class StallingLoop:
    """The two methods of an event loop that `LagMeter` uses; `run` wakes its timers late where told to."""

    def __init__(self) -> None:
        self.now = 50.0
        self.timer = None

    def time(self):
        return self.now

    def call_at(self, when, callback):
        self.timer = Timer(when, callback)
        return self.timer

    def run(self, seconds, late_s=0.0):
        end = self.now + seconds
        while self.timer is not None and self.timer.when + late_s <= end:
            self.now = self.timer.when + late_s
            timer, self.timer = self.timer, None
            if not timer.cancelled:
                timer.callback()
        self.now = end


class Timer:
    def __init__(self, when, callback) -> None:
        self.when, self.callback, self.cancelled = when, callback, False

    def cancel(self):
        self.cancelled = True


def test_a_loop_in_time_is_not_late():
    loop = StallingLoop()
    meter = LagMeter(loop)
    loop.run(5)
    assert meter.worst_ms() == pytest.approx(0, abs=1e-6)


def test_the_worst_delay_is_remembered_for_a_whole_window_and_forgotten_after_two():
    loop = StallingLoop()
    meter = LagMeter(loop)
    loop.run(1)
    loop.run(INTERVAL_S + 0.3, late_s=0.3)
    loop.run(WINDOW_S)
    assert meter.worst_ms() == pytest.approx(300)
    loop.run(WINDOW_S)
    assert meter.worst_ms() == pytest.approx(0, abs=1e-6)


def test_a_delay_that_lasts_shows_before_its_timer_has_run():
    loop = StallingLoop()
    meter = LagMeter(loop)
    loop.now += INTERVAL_S + 2
    assert meter.worst_ms() == pytest.approx(2000)


def test_a_closed_meter_measures_no_more():
    loop = StallingLoop()
    meter = LagMeter(loop)
    meter.close()
    loop.run(1)
    assert loop.timer is None
