"""Browsers, a scripted server, and a page that is the far end of media connections.

Every test of this folder runs on one event loop for the whole session, because the browsers belong to it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.support import browsers
from tests.web.fake_server import FakeServer

FAR_END = (Path(__file__).parent / "far_end.js").read_text()
TIMEOUT_MS = 15_000


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def launched() -> AsyncIterator[dict[str, Browser]]:
    """Browsers by name, started when a test first wants them."""
    async with async_playwright() as driver:
        found: dict[str, Browser] = {}
        if browsers.chromium_path():
            found["chromium"] = await browsers.launch_chromium(driver)
        if browsers.firefox_path():
            found["firefox"] = await browsers.launch_firefox(driver)
        yield found
        for browser in found.values():
            await browser.close()


@pytest.fixture
def browser_name() -> str:
    """Tests that look at what differs between browsers parametrize it."""
    return "chromium"


@pytest.fixture
def browser(launched: dict[str, Browser], browser_name: str) -> Browser:
    if browser_name not in launched:
        pytest.skip(f"{browser_name} is not installed")
    return launched[browser_name]


@pytest_asyncio.fixture(loop_scope="session")
async def server() -> AsyncIterator[FakeServer]:
    fake = FakeServer()
    await fake.start()
    yield fake
    await fake.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def context(browser: Browser, server: FakeServer) -> AsyncIterator[BrowserContext]:
    permissions = ["camera", "microphone", "clipboard-read", "clipboard-write"]
    chromium = browser.browser_type.name == "chromium"
    context = await browser.new_context(permissions=permissions if chromium else [])
    context.set_default_timeout(TIMEOUT_MS)
    yield context
    await context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(context: BrowserContext) -> AsyncIterator[Page]:
    """An empty page; what goes wrong on it unseen fails the test."""
    page = await context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if "Security Policy" in message.text else None)
    yield page
    assert not errors


@pytest_asyncio.fixture(loop_scope="session")
async def far_end(browser: Browser, server: FakeServer) -> AsyncIterator[Page]:
    """Another page whose `farEnd` answers publish connections and offers receive connections, as the server would."""
    context = await browser.new_context(
        permissions=["camera", "microphone"] if browser.browser_type.name == "chromium" else []
    )
    page = await context.new_page()
    await page.goto(f"{server.url}/")
    await page.evaluate(FAR_END)
    server.replies["publish_offer"] = answering(page)
    yield page
    server.drop_replies()
    await context.close()


def answering(page: Page) -> Any:
    async def answer(message: dict[str, Any]) -> dict[str, Any]:
        return {"type": "publish_answer", **await page.evaluate("(m) => farEnd.answer(m)", message)}

    return answer
