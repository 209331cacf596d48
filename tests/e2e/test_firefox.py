"""Firefox as viewer and as guest, beside Chromium."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser

from tests.support.crew import Crew
from tests.support.waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]


async def test_firefox_watches_and_comes_on_stage(crew: Crew, chromium: Browser, firefox: Browser) -> None:
    host = await crew.person(chromium, "Hilda Host")
    session_id = await host.go_live("Foxes welcome")
    host_id = await host.own_id()
    fox = await crew.person(firefox, "Felix Fox")
    await fox.watch(session_id)
    await fox.sees(host_id, timeout=40)
    await fox.hears(host_id)

    await fox.ask_to_join("From Firefox")
    await host.approve("Felix Fox")
    await fox.go_on_stage()
    fox_id = await fox.own_id()
    await host.sees(fox_id, timeout=40, textured=False)
    await host.hears(fox_id)
    await fox.sees(host_id)
    viewer = await crew.person(chromium, "Vito Viewer")
    await viewer.watch(session_id)
    await viewer.sees(fox_id, timeout=40, textured=False)


async def test_firefox_goes_live(crew: Crew, firefox: Browser) -> None:
    host = await crew.person(firefox, "Fanny Fox")
    session_id = await host.go_live("A fox's own")
    viewer = await crew.aiortc(await crew.user("Viewer"), session_id)
    host_id = await host.own_id()

    def seen() -> bool:
        sink = viewer.video(host_id)
        return sink.frames > 20 and sink.mean > 40 and viewer.audio(host_id).rms > 50

    await until(seen, "aiortc sees and hears Firefox", timeout=40)
