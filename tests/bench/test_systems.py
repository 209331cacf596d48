"""The servers of the comparison, each with one publisher and one viewer: what the load clients send arrives."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from bench.cores import usable
from bench.hub import Hub
from bench.participant import Media, Participant
from bench.systems import NAMES, interface, system
from bench.systems.base import Running, System
from tests.support.waiting import until

CAMERA_AND_MICROPHONE = Media(("camera", "microphone"), 500_000)
PACKETS = 60
"""A second of video and audio."""


def missing(name: str) -> str | None:
    if system(name).version() is None:
        return f"{name} is not installed"
    return interface.why_not() if name == "janus" else None


@pytest.fixture(scope="module", params=NAMES)
def chosen(request: pytest.FixtureRequest) -> System:
    reason = missing(request.param)
    if reason is not None:
        pytest.skip(reason)
    return system(request.param)


@pytest.fixture(scope="module")
def running(chosen: System) -> Iterator[Running]:
    cores = usable()
    running = chosen.start(cores, cores[0])
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    hub = Hub(sample=1, gro=True)
    yield hub
    hub.close()


async def test_a_viewer_receives_what_is_published(chosen: System, running: Running, hub: Hub) -> None:
    signaling = chosen.signaling(running.url)
    host, viewer = Participant(hub), Participant(hub)
    try:
        room = await host.host(signaling, 2, CAMERA_AND_MICROPHONE)
        # Returns when a keyframe has come whole.
        await viewer.join(signaling, room, Media(), "media")
        await until(lambda: hub.reception.totals().received > PACKETS, "a second of packets")
        assert hub.window().srtp_failures == 0
        assert (await chosen.processes(running.url)).workers
    finally:
        await viewer.leave()
        await host.leave()
        await signaling.close()


async def test_publishers_receive_each_other(chosen: System, running: Running, hub: Hub) -> None:
    signaling = chosen.signaling(running.url)
    host, guest = Participant(hub), Participant(hub)
    try:
        room = await host.host(signaling, 2, CAMERA_AND_MICROPHONE)
        await guest.join(signaling, room, CAMERA_AND_MICROPHONE, "media")
        await until(lambda: int((hub.reception.received > PACKETS).sum()) >= 3, "video and audio in both directions")
    finally:
        await guest.leave()
        await host.leave()
        await signaling.close()
