"""What a page needs: the frames that it draws, the tasks that keep it from drawing, the CPU of its thread.

Other processes of a busy machine cost frames too. A page that draws too much drops them every time, so a few attempts
tell the two apart. The CPU of its thread knows nothing of other processes, and only Chromium tells it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Self

from playwright.async_api import CDPSession, Page

_WATCH = """
(ms) => new Promise((resolve) => {
  const gaps = [];
  let blocked = 0;
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) blocked += duration;
  });
  if (PerformanceObserver.supportedEntryTypes.includes("longtask")) observer.observe({ entryTypes: ["longtask"] });
  const begin = performance.now();
  let last = begin;
  const frame = (now) => {
    gaps.push(now - last);
    last = now;
    if (now < begin + ms) return requestAnimationFrame(frame);
    observer.disconnect();
    resolve([(1000 * gaps.length) / (now - begin), Math.max(...gaps), blocked]);
  };
  requestAnimationFrame(frame);
})
"""


@dataclass(frozen=True)
class Frames:
    per_second: float
    longest_ms: float
    """The longest time between two."""
    blocked_ms: float
    """The time of tasks of 50 ms and more; 0 where the browser does not tell."""


def watch_frames(page: Page, seconds: float) -> asyncio.Task[Frames]:
    """Begin to count."""

    async def watch() -> Frames:
        return Frames(*await page.evaluate(_WATCH, seconds * 1000))

    return asyncio.create_task(watch())


class PageThread:
    """The thread of a page in Chromium; made by `of`."""

    def __init__(self, session: CDPSession) -> None:
        self._session = session

    @classmethod
    async def of(cls, page: Page) -> Self:
        session = await page.context.new_cdp_session(page)
        await session.send("Performance.enable", {"timeDomain": "threadTicks"})
        return cls(session)

    async def cpu_seconds(self) -> float:
        """What all of its tasks have taken since some time before."""
        metrics = (await self._session.send("Performance.getMetrics"))["metrics"]
        return float(next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration"))


ATTEMPTS = 5
KEPT_FRAMES = 0.9
"""Of those of a page with nothing to do."""
BLOCKED_SHARE = 0.03


async def keeps_its_frames(
    page: Page, load: Callable[[float], Awaitable[object]], seconds: float
) -> tuple[Frames, Frames]:
    """Assert that a page draws as many frames under a load, which gets the seconds that it is to last, as without one.

    Gives what was measured: idle and under load.
    """
    measured = []
    for _ in range(ATTEMPTS):
        idle = await watch_frames(page, seconds / 2)
        watching = watch_frames(page, seconds)
        await load(seconds)
        busy = await watching
        measured.append((idle, busy))
        blocked = busy.blocked_ms / (1000 * seconds)
        if busy.per_second >= KEPT_FRAMES * idle.per_second and blocked <= BLOCKED_SHARE:
            return idle, busy
    raise AssertionError(f"frames were dropped in each of {ATTEMPTS} attempts (idle, under load): {measured}")
