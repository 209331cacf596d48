"""Browsers, a scripted server, and a page that is the far end of media connections.

Every test of this folder runs on one event loop for the whole session, because the browsers belong to it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, ViewportSize

from tests.support.console import Console, gate, listen
from tests.web.fake_server import SESSION_ID, FakeServer

FAR_END = (Path(__file__).parent / "far_end.js").read_text()
TIMEOUT_MS = 15_000
VIEWPORT: ViewportSize = {"width": 1280, "height": 720}
WAS_ON_STAGE = """
try {
  if (!sessionStorage.getItem("seeded")) {
    sessionStorage.setItem("seeded", "true");
    sessionStorage.setItem("greenroom.onstage", JSON.stringify({ session: "SESSION_ID", without: [] }));
  }
} catch {
  // An empty page has no storage.
}
""".replace("SESSION_ID", SESSION_ID)
"""Who is a guest when the page opens has been through the green room: as if the page were loaded anew."""


@pytest.fixture(autouse=True)
def console() -> Iterator[Console]:
    """No page of a test says an error on its console, but for what the test expects."""
    with gate() as console:
        yield console


@pytest.fixture
def browser_name() -> str:
    """Tests that look at what differs between browsers parametrize it."""
    return "chromium"


@pytest.fixture
def browser(request: pytest.FixtureRequest, browser_name: str) -> Browser:
    """Started when a test first wants it: most never want Firefox."""
    browser: Browser = request.getfixturevalue(browser_name)
    return browser


@pytest_asyncio.fixture(loop_scope="session")
async def server() -> AsyncIterator[FakeServer]:
    fake = FakeServer()
    await fake.start()
    yield fake
    await fake.stop()


@pytest.fixture(scope="session")
def contexts() -> dict[str, BrowserContext]:
    """By browser. A new one takes a second of computing, which is more than most tests."""
    return {}


@pytest_asyncio.fixture(loop_scope="session")
async def context(
    browser: Browser, browser_name: str, server: FakeServer, contexts: dict[str, BrowserContext]
) -> AsyncIterator[BrowserContext]:
    """Where nothing is stored for the server's origin."""
    if browser_name not in contexts:
        contexts[browser_name] = await _new_context(browser)
    context = contexts[browser_name]
    yield context
    await context.set_offline(False)
    first, *others = context.pages
    for page in others:
        await page.close()
    await first.goto(f"{server.url}/icon.svg")
    await first.evaluate("localStorage.clear(); sessionStorage.clear()")


async def _new_context(browser: Browser) -> BrowserContext:
    permissions = ["camera", "microphone", "clipboard-read", "clipboard-write"]
    chromium = browser.browser_type.name == "chromium"
    context = await browser.new_context(permissions=permissions if chromium else [], viewport=VIEWPORT)
    context.set_default_timeout(TIMEOUT_MS)
    await context.add_init_script(WAS_ON_STAGE)
    listen(context)
    await context.new_page()
    return context


@pytest_asyncio.fixture(loop_scope="session")
async def page(context: BrowserContext) -> AsyncIterator[Page]:
    """An empty page, in the tab of the test before: a new one takes half a second of computing more."""
    page = context.pages[0]
    await page.bring_to_front()
    add = page.add_init_script
    async with AsyncExitStack() as scripts:

        async def add_for_this_test(script: str) -> None:
            await scripts.enter_async_context(await add(script))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(page, "add_init_script", add_for_this_test)
            yield page
    await page.unroute_all()
    await page.set_viewport_size(VIEWPORT)
    await page.emulate_media(color_scheme="null", reduced_motion="null", forced_colors="null", contrast="null")
    await page.mouse.move(0, 0)


@pytest.fixture(scope="session")
def far_pages() -> dict[str, Page]:
    """By browser: pages that the tests have as their far end in turn."""
    return {}


@pytest_asyncio.fixture(loop_scope="session")
async def far_end(
    browser: Browser, browser_name: str, server: FakeServer, far_pages: dict[str, Page]
) -> AsyncIterator[Page]:
    """Another page whose `farEnd` answers publish connections and offers receive connections, as the server would."""
    if browser_name not in far_pages:
        permissions = ["camera", "microphone"] if browser_name == "chromium" else []
        far_pages[browser_name] = await (await browser.new_context(permissions=permissions)).new_page()
    page = far_pages[browser_name]
    await page.goto(f"{server.url}/icon.svg")
    await page.evaluate(FAR_END)
    server.replies["publish_offer"] = answering(page)
    yield page
    server.drop_replies()
    # Its cameras and connections end.
    await page.goto("about:blank")


def answering(page: Page) -> Any:
    async def answer(message: dict[str, Any]) -> dict[str, Any]:
        return {"type": "publish_answer", **await page.evaluate("(m) => farEnd.answer(m)", message)}

    return answer
