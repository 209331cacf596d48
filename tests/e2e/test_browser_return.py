"""The ways into a room, and back into it: a link with a token, a second tab of the same person, a lost network."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Page, expect

from tests.support.browsers import Person
from tests.support.console import Console
from tests.support.crew import Crew
from tests.support.server import Server

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

TIMEOUT_MS = 20_000
TOKEN = "JSON.parse(sessionStorage.getItem('greenroom.identity')).token"


async def follow(browser: Browser, link: str, name: str, server: Server) -> Person:
    """Somebody who was sent a link and opens it in a browser that knows nothing of this server."""
    page = await (await browser.new_context()).new_page()
    person = Person(name, page, server.url)
    await page.goto(link)
    return person


async def in_the_room(page: Page) -> None:
    await expect(page.get_by_test_id("stage")).to_be_visible(timeout=TIMEOUT_MS)


async def test_a_link_with_a_token_is_enough(crew: Crew, chromium: Browser) -> None:
    host, session_id = await crew.live("Sending host")
    invited = {"session_id": session_id, "name": "Ines Invited"}
    token = (await host.call("POST", "/live/join-token", invited))["token"]
    guest = await follow(chromium, f"{crew.server.url}/#/s/{session_id}?token={token}", "Ines Invited", crew.server)
    try:
        await in_the_room(guest.page)
        assert "token" not in guest.page.url, "it stays in no history"
        await expect(guest.by_id("chat-line").filter(has_text="Ines Invited joined")).to_be_visible(timeout=TIMEOUT_MS)
        await guest.ask_to_join("I have no account")
        await expect(guest.by_id("ask-status")).to_contain_text("Waiting", timeout=TIMEOUT_MS)
        await guest.page.reload()
        await in_the_room(guest.page)
    finally:
        await guest.leave()


async def test_one_person_in_two_tabs_and_without_a_network(crew: Crew, chromium: Browser, console: Console) -> None:
    console.expect("ERR_INTERNET_DISCONNECTED", "WebSocket connection")
    _, session_id = await crew.live("Patient host")
    first = await crew.person(chromium, "Tina Tabs")
    await first.watch(session_id)
    own_id = await first.own_id()
    await first.by_id("chat-input").fill("Half a tho")
    link = f"{crew.server.url}/#/s/{session_id}?token={await first.page.evaluate(TOKEN)}"
    second = await first.page.context.new_page()
    await second.goto(link)
    await in_the_room(second)
    await expect(first.by_id("banner")).to_contain_text("somewhere else", timeout=TIMEOUT_MS)
    await first.page.get_by_role("button", name="Continue here").click()
    await in_the_room(first.page)
    await expect(second.get_by_test_id("banner")).to_contain_text("somewhere else", timeout=TIMEOUT_MS)
    assert await first.own_id() == own_id, "it is still the same participant"
    await expect(first.by_id("chat-input")).to_have_value("Half a tho")
    await second.close()

    await first.page.context.set_offline(True)
    await expect(first.by_id("banner")).to_contain_text("Reconnecting", timeout=2_000)
    await first.by_id("chat-input").fill("Said without a network")
    await first.by_id("chat-send").click()
    line = first.by_id("chat-line").filter(has_text="Said without a network")
    await expect(line).to_contain_text("Sending")
    await first.page.context.set_offline(False)
    await expect(line).to_have_attribute("data-status", "stored", timeout=TIMEOUT_MS)
    await expect(first.by_id("banner")).to_be_empty(timeout=TIMEOUT_MS)
