"""The page on the real server: chat, reactions, invitations, settings and bans, as a host and two viewers use them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.async_api import Browser, Locator, expect

from tests.support.browsers import Person
from tests.support.console import Console
from tests.support.crew import Crew
from tests.support.server import Server
from tests.support.waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

TIMEOUT_MS = 20_000


async def say(person: Person, text: str) -> None:
    await person.by_id("chat-input").fill(text)
    await person.by_id("chat-send").click()


def line(person: Person, text: str) -> Locator:
    return person.by_id("chat-line").filter(has_text=text)


async def test_a_room_talks(crew: Crew, chromium: Browser, firefox: Browser) -> None:
    host = await crew.person(chromium, "Hetty Host")
    session_id = await host.go_live("A room that talks")
    await host.by_id("tab-chat").click()
    viewer = await crew.person(firefox, "Fritz Fox")
    await viewer.watch(session_id)
    await expect(line(host, "Fritz Fox joined")).to_be_visible(timeout=TIMEOUT_MS)

    await say(viewer, "Look at https://example.org/ & <i>this</i>")
    said = line(host, "& <i>this</i>")
    await expect(said.get_by_role("link")).to_have_attribute("href", "https://example.org/", timeout=TIMEOUT_MS)
    await expect(line(viewer, "this")).to_have_attribute("data-status", "stored", timeout=TIMEOUT_MS)
    await said.hover()
    await said.get_by_role("button").click()
    await host.page.get_by_role("menuitem", name="Delete").click()
    await expect(line(viewer, "Message deleted")).to_be_visible(timeout=TIMEOUT_MS)

    for _ in range(3):
        await viewer.by_id("react-heart").click()
    await expect(host.by_id("react-heart")).to_have_accessible_name("Heart, 3 so far", timeout=TIMEOUT_MS)
    await expect(viewer.by_id("react-heart")).to_have_accessible_name("Heart, 3 so far")

    await host.by_id("tab-settings").click()
    await host.page.get_by_label("Slow mode").select_option("60")
    await expect(viewer.by_id("chat-note")).to_contain_text("Slow mode", timeout=TIMEOUT_MS)
    await say(viewer, "So soon")
    await expect(line(viewer, "So soon")).to_contain_text("Not sent.", timeout=TIMEOUT_MS)
    await expect(viewer.by_id("chat-note")).to_contain_text("you can write again in")
    await host.page.get_by_role("switch", name="Chat").uncheck()
    await expect(viewer.by_id("chat-note")).to_contain_text("switched the chat off", timeout=TIMEOUT_MS)

    await host.by_id("end").click()
    await host.by_id("confirm-yes").click()
    for person in (host, viewer):
        await expect(person.by_id("session-stats").get_by_text("Reactions")).to_be_visible(timeout=TIMEOUT_MS)


async def test_invited_silenced_banned_and_let_in_again(crew: Crew, chromium: Browser) -> None:
    host = await crew.person(chromium, "Holly Host")
    session_id = await host.go_live("By invitation")
    guest = await crew.person(chromium, "Gerd Guest")
    await guest.watch(session_id)
    guest_id = await guest.own_id()
    await host.manage(guest_id, "invite")
    await guest.by_id("accept-invitation").click()
    await guest.go_on_stage()
    await host.sees(guest_id, timeout=40)

    await host.manage(guest_id, "silence")
    await expect(guest.by_id("chat-note")).to_contain_text("silenced", timeout=TIMEOUT_MS)
    await host.manage(guest_id, "unsilence")
    await expect(guest.by_id("chat-input")).to_be_visible(timeout=TIMEOUT_MS)
    await host.by_id("mute-all").click()
    await expect(guest.by_id("toggle-mic")).to_be_disabled(timeout=TIMEOUT_MS)

    await host.manage(guest_id, "ban")
    await host.by_id("confirm-yes").click()
    await expect(guest.by_id("banner")).to_contain_text("does not let you in", timeout=TIMEOUT_MS)
    await host.page.get_by_role("button", name="Undo").click()

    async def may_come_back() -> bool:
        await guest.page.reload()
        await guest.by_id("stage").or_(guest.by_id("banner").get_by_role("button")).first.wait_for()
        return await guest.by_id("stage").is_visible()

    await until(may_come_back, "the guest is let in again", timeout=30, interval=0.5)


async def test_messages_and_the_draft_outlive_a_restart_of_the_server(
    chromium: Browser, start_server: Callable[..., Server], console: Console
) -> None:
    """Nothing that was written is lost, and what is half written stays where it is."""
    console.expect("ERR_CONNECTION_REFUSED", "WebSocket connection")
    server = start_server(workers=1)
    person = await Person.arrive(chromium, server.url, "Rita Restart")
    try:
        await person.go_live("Through a restart")
        await person.by_id("tab-chat").click()
        await say(person, "Before")
        await expect(line(person, "Before")).to_have_attribute("data-status", "stored", timeout=TIMEOUT_MS)
        server.stop()
        await expect(person.by_id("banner")).to_contain_text("Reconnecting", timeout=TIMEOUT_MS)
        await say(person, "Meanwhile")
        await expect(line(person, "Meanwhile")).to_contain_text("Sending")
        await person.by_id("chat-input").fill("Half a tho")
        server.start()
        await expect(line(person, "Meanwhile")).to_have_attribute("data-status", "stored", timeout=40_000)
        await expect(line(person, "Before")).to_have_count(1)
        await expect(person.by_id("chat-input")).to_have_value("Half a tho")
        rows = await server.query("select body from live_chat_messages where kind = 'message' order by position")
        assert [row["body"] for row in rows] == ["Before", "Meanwhile"]
    finally:
        await person.leave()
