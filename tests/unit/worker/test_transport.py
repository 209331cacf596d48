"""When subscribers are told about the clock of what they get, seen from outside of an engine."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest

from bench.stand_ins import Peer
from bench.wakeups import Rig, Shape
from sfu.media.subscriber import EAGER_INTERVAL, REPORT_INTERVAL
from sfu.rtp.rtcp_header import PT_SR
from sfu.worker.timers import Timers
from sfu.worker.transport import REPORTS_TOGETHER_S

SOUND = Shape("sound", subscribers=3, packets=1)
VIDEO = Shape("video", subscribers=3, packets=1, video=True)
LATER_S = 1.5 * REPORT_INTERVAL
SOON_S = EAGER_INTERVAL + REPORTS_TOGETHER_S


@pytest.fixture
async def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    made = Rig(request.param)
    reports(made)
    yield made
    made.close()


def reports(rig: Rig) -> list[int]:
    """How many sender reports each subscriber got since the last call."""
    return [sum(datagram[1] == PT_SR for datagram in taken(peer)) for peer in rig._subscribers]


def taken(peer: Peer) -> Iterator[bytes]:
    while True:
        try:
            yield peer.socket.recv(2048)
        except BlockingIOError:
            return


def report_sent(rig: Rig) -> None:
    rig._report_sent()
    rig._wake_up()


@pytest.mark.parametrize("rig", [SOUND], indirect=True)
async def test_a_publisher_that_reports_often_makes_no_reports_more(rig: Rig) -> None:
    report_sent(rig)
    rig._clock.jump(LATER_S, 0.0)
    assert reports(rig) == [1, 1, 1]
    for _ in range(20):
        report_sent(rig)
        rig._clock.jump(0.25, 0.0)
    assert all(4 <= count <= 5 for count in reports(rig))


@pytest.mark.parametrize("rig", [SOUND], indirect=True)
async def test_the_first_report_of_a_publisher_is_passed_on_at_once(rig: Rig) -> None:
    for _ in range(20):
        rig._clock.jump(LATER_S, 0.0)
    assert reports(rig) == [0, 0, 0]
    report_sent(rig)
    rig._clock.jump(0.0, SOON_S)
    assert reports(rig) == [1, 1, 1]


@pytest.mark.parametrize("rig", [VIDEO], indirect=True)
async def test_who_resumes_long_before_the_next_keyframe_gets_reports_again(rig: Rig) -> None:
    report_sent(rig)
    rig._clock.jump(LATER_S, 0.0)
    rig._request("set_consumer_paused", room_id="room", consumer_id="s1-0", paused=True)
    rig._clock.jump(LATER_S, 0.0)
    rig._request("set_consumer_paused", room_id="room", consumer_id="s1-0", paused=False)
    for _ in range(3):
        rig._clock.jump(LATER_S, 0.0)
    reports(rig)
    rig._publish(first=True)
    rig._wake_up()
    report_sent(rig)
    rig._clock.jump(0.0, SOON_S)
    assert reports(rig)[1] == 1


@pytest.mark.parametrize("rig", [SOUND], indirect=True)
async def test_nothing_is_sent_to_who_has_left(rig: Rig) -> None:
    report_sent(rig)
    rig._clock.jump(LATER_S, 0.0)
    reports(rig)
    rig._request("close_transport", room_id="room", transport_id="s1")
    rig._clock.jump(LATER_S, 0.0)
    assert reports(rig) == [1, 0, 1]
    assert "send_no_address" not in rig.engine._drops


@pytest.mark.parametrize("rig", [Shape("many", subscribers=40, packets=1)], indirect=True)
async def test_reports_of_many_share_a_look_at_the_timers(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """They joined one after the other, and each has reports once a second from then on."""
    report_sent(rig)
    rig._clock.jump(LATER_S, 0.0)
    for number, peer in enumerate(rig._subscribers):
        subscriber = peer.transport.subscriber
        assert subscriber is not None
        subscriber._next_report = rig._clock.time() + 1 + number / 40
        peer.transport._timer.due = math.inf
        peer.transport.schedule()
    reports(rig)
    looks = []
    run_due = Timers._run_due

    def look(self: Timers) -> None:
        run_due(self)
        looks.append(reports(rig))

    monkeypatch.setattr(Timers, "_run_due", look)
    rig._clock.jump(0.0, 4.0)
    assert all(sum(counts) >= 2 for counts in zip(*looks, strict=True))
    assert sum(any(counts) for counts in looks) <= 4 / REPORTS_TOGETHER_S
