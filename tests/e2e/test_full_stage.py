"""A full stage in a real browser: everybody is seen, and the page stays responsive."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Browser

from tests.support.browsers import Person
from tests.support.clips import small_vp8_clip
from tests.support.crew import Crew
from tests.support.frames import PageThread
from tests.support.waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

GUESTS = 20
WATCHED_S = 6.0
BUSY_SHARE = 0.1
"""Of a core: what the page's thread may need for all this. The time of its tasks says more about the machine's load."""

WATCH_TASKS = """
window.longTasks = [];
new PerformanceObserver((list) => longTasks.push(...list.getEntries().map(({ duration }) => duration)))
  .observe({ type: "longtask" });
"""
PLAYING = """
() => [...document.querySelectorAll("[data-testid=tile] video")].map((video) => {
  const { totalVideoFrames, droppedVideoFrames } = video.getVideoPlaybackQuality();
  return video.paused ? 0 : totalVideoFrames - droppedVideoFrames;
})
"""


async def shown(viewer: Person) -> list[int]:
    """Pictures that each tile has shown; 0 where none plays."""
    return list(await viewer.page.evaluate(PLAYING))


async def test_twenty_guests_and_their_host(crew: Crew, chromium: Browser, capsys: pytest.CaptureFixture[str]) -> None:
    host, session_id = await crew.live("Host", require_approval=False, max_guests=GUESTS)
    peers = [await crew.raw(host, session_id, receives=False)]
    for number in range(GUESTS):
        guest = await crew.user(f"Guest {number + 1}")
        peers.append(await crew.raw(guest, session_id, receives=False))
        await guest.request_guest(session_id)
    for index, peer in enumerate(peers):
        await peer.publish(*(("camera", "microphone") if index < 3 else ("camera",)), film=small_vp8_clip())

    viewer = await crew.person(chromium, "Viewer", WATCH_TASKS)
    await viewer.watch(session_id)

    async def all_play() -> bool:
        frames = await shown(viewer)
        return len(frames) == GUESTS + 1 and all(frames)

    await until(all_play, "every tile shows a picture", timeout=60, interval=0.5)
    thread = await PageThread.of(viewer.page)
    before, needed = await shown(viewer), -await thread.cpu_seconds()
    await viewer.page.evaluate("window.longTasks.length = 0")
    await asyncio.sleep(WATCHED_S)
    grown = [after - first for first, after in zip(before, await shown(viewer), strict=True)]
    tasks: list[float] = await viewer.page.evaluate("window.longTasks")
    share = (needed + await thread.cpu_seconds()) / WATCHED_S
    with capsys.disabled():
        rates = sorted(round(frames / WATCHED_S) for frames in grown)
        said = f"{rates[0]} to {rates[-1]} pictures a second, {share:.1%} of a core by the page's thread"
        print(f"\n[21 tiles: {said}, {len(tasks)} long tasks, {sum(tasks) / 1000 / WATCHED_S:.1%} of the time]")
    assert min(grown) > 2 * WATCHED_S, "every tile goes on playing"
    assert share < BUSY_SHARE
    # The page answers a person at once, as far as its machine lets it.
    await viewer.by_id("tile").nth(4).dblclick(position={"x": 40, "y": 40})
    await viewer.page.locator(".tile.large").wait_for()
