from unittest.mock import Mock

import pytest

from sfu.worker.reader import BUSY, PACE_S, QUIET_AFTER_S, REST_S, WINDOW_S, Arrivals, SocketReader

FD = 7


class SteppedLoop:
    """The methods of an event loop that `SocketReader` uses; `run` lets datagrams arrive."""

    def __init__(self) -> None:
        self.now = 50.0
        self.reader = None
        self.timer = None
        self.arrived = []
        self.waited_s = []
        self.looks = 0
        self.look_s = 0.0
        """How long it takes to look at a socket that has something, however much."""

    def time(self):
        return self.now

    def add_reader(self, fileno, callback):
        assert fileno == FD
        self.reader = callback

    def remove_reader(self, fileno):
        assert fileno == FD
        self.reader = None

    def call_later(self, delay, callback):
        self.timer = Timer(self, self.now + delay, callback)
        return self.timer

    def take(self):
        """What the reader is to call."""
        self.looks += 1
        kinds = {kind for kind, _ in self.arrived}
        self.waited_s += [self.now - when for _, when in self.arrived]
        self.arrived.clear()
        if not kinds:
            return Arrivals.NONE
        self.now += self.look_s
        return Arrivals.URGENT if Arrivals.URGENT in kinds else Arrivals.PATIENT

    def run(self, seconds, kind=None, every_s=None):
        """Let `seconds` pass, in which a datagram of that kind arrives every so often."""
        end = self.now + seconds
        arrives = self.now + every_s if kind else end
        while True:
            due = self.timer.when if self.timer else end
            if min(arrives, due) >= end:
                self.now = end
                return
            now, self.now = min(arrives, due), max(self.now, min(arrives, due))
            if now == due:
                timer, self.timer = self.timer, None
                timer.callback()
            else:
                self.arrived.append((kind, self.now))
                arrives += every_s
            if self.reader and self.arrived:
                self.reader()


class Timer:
    def __init__(self, loop, when, callback) -> None:
        self._loop, self.when, self.callback = loop, when, callback

    def cancel(self):
        self._loop.timer = None


@pytest.fixture
def loop():
    return SteppedLoop()


@pytest.fixture
def reader(loop):
    return SocketReader(loop, FD, loop.take)


def quiet(loop):
    """Many idle participants, for a while."""
    loop.run(2 * QUIET_AFTER_S, Arrivals.PATIENT, 0.003)
    loop.looks = 0
    loop.waited_s.clear()


def test_what_may_wait_is_read_together(loop, reader):
    quiet(loop)
    loop.run(1, Arrivals.PATIENT, 0.003)
    assert loop.looks <= 1 / REST_S + 1
    assert len(loop.waited_s) > 300, "all of it is read"
    assert max(loop.waited_s) <= REST_S


def test_a_few_of_it_cost_no_look_in_vain(loop, reader):
    loop.run(10 * QUIET_AFTER_S, Arrivals.PATIENT, 2 * REST_S)
    assert loop.looks == len(loop.waited_s)
    assert max(loop.waited_s) < 1e-9


def test_what_is_in_a_hurry_waits_once_at_most(loop, reader):
    quiet(loop)
    loop.run(1.2 * REST_S, Arrivals.URGENT, 0.005)
    assert 0 < max(loop.waited_s) <= REST_S
    loop.waited_s.clear()
    loop.run(0.9 * QUIET_AFTER_S, Arrivals.PATIENT, 0.003)
    loop.run(0.1, Arrivals.URGENT, 0.01)
    assert max(loop.waited_s) < 1e-9


def test_a_microphone_that_transmits_silence_keeps_the_others_prompt(loop, reader):
    quiet(loop)
    loop.run(0.5, Arrivals.URGENT, 0.4)
    loop.waited_s.clear()
    for _ in range(5):
        loop.run(0.39, Arrivals.PATIENT, 0.003)
        loop.run(0.002, Arrivals.URGENT, 0.001)
    assert max(loop.waited_s) < 1e-9


def test_once_nothing_comes_the_socket_is_watched_again(loop, reader):
    quiet(loop)
    loop.run(3 * REST_S)
    assert loop.timer is None
    loop.looks = 0
    loop.waited_s.clear()
    loop.run(1, Arrivals.PATIENT, 0.6)
    assert (loop.looks, loop.waited_s) == (1, [0.0])


def test_a_busy_worker_takes_what_comes_together(loop, reader):
    """Each look costs 0.2 ms, whatever it brings: with 4,000 a second there would be time for little else."""
    loop.look_s = 0.0002
    loop.run(2 * WINDOW_S, Arrivals.URGENT, 0.00025)
    loop.looks = 0
    loop.waited_s.clear()
    loop.run(1, Arrivals.URGENT, 0.00025)
    assert loop.looks <= 1 / PACE_S
    assert len(loop.waited_s) > 3900, "all of it is read"
    assert max(loop.waited_s) < 2 * PACE_S


def test_nothing_waits_while_there_is_time(loop, reader):
    loop.look_s = 0.0002
    loop.run(1, Arrivals.URGENT, loop.look_s / (0.9 * BUSY))
    assert max(loop.waited_s) < 1e-9


def test_once_there_is_time_again_nothing_waits(loop, reader):
    loop.look_s = 0.0002
    loop.run(2 * WINDOW_S, Arrivals.URGENT, 0.00025)
    loop.run(2 * WINDOW_S, Arrivals.URGENT, 0.01)
    loop.waited_s.clear()
    loop.run(1, Arrivals.URGENT, 0.01)
    assert max(loop.waited_s) < 1e-9


@pytest.mark.parametrize("state", ["resting", "busy"])
def test_a_look_that_fails_is_not_the_last_one(loop, reader, state):
    """A defect that one packet meets must not leave a worker deaf to everybody."""
    if state == "resting":
        quiet(loop)
    else:
        loop.look_s = 0.0002
        loop.run(2 * WINDOW_S, Arrivals.URGENT, 0.00025)
    assert loop.reader is None, "it is left alone for a while"
    reader._take = Mock(side_effect=[ZeroDivisionError], wraps=loop.take)
    with pytest.raises(ZeroDivisionError):
        loop.timer.callback()
    loop.timer = None
    reader._take = loop.take
    loop.waited_s.clear()
    loop.run(0.1, Arrivals.URGENT, 0.01)
    assert len(loop.waited_s) >= 9


@pytest.mark.parametrize("resting", [False, True])
def test_closing(loop, reader, resting):
    if resting:
        quiet(loop)
        assert loop.timer
    reader.close()
    reader.close()
    assert (loop.reader, loop.timer) == (None, None)
