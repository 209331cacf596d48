"""web/docs: the page that shows /openapi.json to people."""

from __future__ import annotations

import re

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from control_api.http import openapi
from control_api.http.routes import DEV_ROUTES, ROUTES
from tests.support.console import Console
from tests.web.fake_server import FakeServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

DOCUMENT = openapi.document((*ROUTES, *DEV_ROUTES))


@pytest.fixture
def docs(server: FakeServer) -> str:
    return f"{server.url}/docs.html"


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def document(page: Page) -> None:
    await page.route("**/openapi.json", lambda route: route.fulfill(json=DOCUMENT))


async def test_every_route_and_schema_is_shown_with_what_it_takes_and_gives(page: Page, docs: str) -> None:
    await page.goto(docs)
    await expect(page.locator("details.operation")).to_have_count(len(ROUTES) + len(DEV_ROUTES))
    await expect(page.locator("section.schema")).to_have_count(len(DOCUMENT["components"]["schemas"]))
    await page.locator("#route-start summary").click()
    start = page.locator("#route-start")
    await expect(start.get_by_role("row", name=re.compile("title"))).to_contain_text("string of 1 to 200 characters")
    await expect(start.locator("dl")).to_contain_text("already_live")
    await expect(start.locator("dl")).to_contain_text("Retry-After")


async def test_curl_lines_can_be_copied_and_are_complete(page: Page, docs: str, server: FakeServer) -> None:
    await page.goto(f"{docs}#route-join")
    await page.locator("#route-join").get_by_role("button", name="Copy").click()
    await expect(page.locator("#route-join").get_by_role("button", name="Copied")).to_be_visible()
    copied = await page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith(f'curl -X POST "{server.url}/live/join"')
    assert 'Authorization: Bearer $TOKEN"' in copied
    assert '{"session_id":' in copied


async def test_the_search_leaves_what_has_all_its_words(page: Page, docs: str) -> None:
    await page.goto(docs)
    await page.get_by_label("Search the API").fill("stage_full somebody")
    await expect(page.locator("details.operation:visible")).to_have_count(1)
    await expect(page.locator("#route-respond_guest_request")).to_be_visible()
    await page.get_by_label("Search the API").fill("xylophone")
    await expect(page.get_by_text("Nothing was found.")).to_be_visible()


async def test_an_address_opens_what_it_points_to(page: Page, docs: str) -> None:
    await page.goto(f"{docs}#route-end")
    await expect(page.locator("#route-end")).to_have_attribute("open", "")
    await expect(page.locator("#route-join")).not_to_have_attribute("open", "")


async def test_a_server_without_a_document_is_told(page: Page, docs: str, console: Console) -> None:
    console.expect("openapi.json")
    await page.unroute("**/openapi.json")
    await page.goto(docs)
    await expect(page.get_by_role("alert")).to_contain_text("404")


async def test_on_a_phone_there_is_room_to_search(page: Page, docs: str) -> None:
    await page.set_viewport_size({"width": 390, "height": 800})
    await page.goto(docs)
    box = await page.locator("#search").bounding_box()
    assert box is not None
    assert box["width"] > 300
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"
