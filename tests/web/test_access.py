"""web/: every page and state keeps the rules for pages that everybody can use, dark and light, wide and narrow."""

from __future__ import annotations

import pytest
from playwright.async_api import Page

from tests.support import axe
from tests.support.console import Console
from tests.web import states
from tests.web.fake_server import FakeServer
from tests.web.states import STATES, State

pytestmark = pytest.mark.asyncio(loop_scope="session")

PHONE = {"width": 390, "height": 844}


@pytest.mark.parametrize("walk", STATES, ids=lambda walk: walk.__name__)
async def test_no_rule_is_broken(page: Page, server: FakeServer, console: Console, walk: State) -> None:
    if walk is states.connection_lost:
        console.expect("ERR_INTERNET_DISCONNECTED")
    await page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    await walk(page, server)
    found = {"dark": await axe.violations(page)}
    await page.emulate_media(color_scheme="light")
    found["light"] = await axe.violations(page, axe.CONTRAST)
    assert found == {"dark": [], "light": []}


NARROW = [
    states.sign_in,
    states.landing,
    states.going_live,
    states.watching,
    states.on_stage,
    states.hosting,
    states.settings,
    states.the_end,
]
TOO_WIDE = "document.documentElement.scrollWidth - innerWidth"


@pytest.mark.parametrize("walk", NARROW, ids=lambda walk: walk.__name__)
async def test_nothing_is_too_wide_or_too_small_for_a_thumb_on_a_phone(
    page: Page, server: FakeServer, walk: State
) -> None:
    await page.set_viewport_size(PHONE)
    await page.emulate_media(reduced_motion="reduce")
    await walk(page, server)
    assert await axe.violations(page) == []
    for width in (390, 320):
        await page.set_viewport_size({"width": width, "height": 844})
        assert await page.evaluate(TOO_WIDE) <= 0
