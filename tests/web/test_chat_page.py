"""web/ui: the chat and the reactions as people see them."""

from __future__ import annotations

import asyncio
import re
from functools import partial
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from tests.support.frames import PageThread, keeps_its_frames
from tests.support.waiting import until
from tests.web.fake_server import SESSION_ID, FakeServer, Message, chat_message, participant, session, token_for

pytestmark = pytest.mark.asyncio(loop_scope="session")

SCROLLER = ".chat-scroll"
KEPT_LINES = 400
THREAD_S = 0.6
"""CPU time that the page's thread may need for a thousand messages, and for a sentence while a thousand are shown."""
AT_END = "(e) => e.scrollHeight - e.scrollTop - e.clientHeight < 2"


async def enter(page: Page, server: FakeServer, *messages: Message, more: bool = False) -> None:
    server.welcome |= {"messages": list(messages), "more_messages": more}
    await page.goto(f"{server.url}/#/s/{SESSION_ID}?token={token_for('u-me', 'Me')}")
    await page.get_by_test_id("stage").wait_for()
    await page.get_by_test_id("tab-chat").click()


def lines(page: Page) -> Locator:
    return page.get_by_test_id("chat-line")


def many(first: int, last: int) -> list[Message]:
    return [chat_message(position) for position in range(first, last + 1)]


async def write(page: Page, text: str) -> None:
    await page.get_by_label("Write a message").fill(text)
    await page.keyboard.press("Enter")


async def test_what_was_said_is_shown_and_nothing_is_read_as_html(page: Page, server: FakeServer) -> None:
    joined = {"event": "joined", "user_id": "u", "name": "Ana", "count": 5, "names": ["Ana", "Bo", "Cy"]}
    gift = {"gift_id": "rose", "gift_name": "Rose", "icon": "🌹", "quantity": 3, "value": 3}
    await enter(
        page,
        server,
        chat_message(
            1, "<img src=x onerror=alert(1)> (see https://a.example/x_(1)). javascript:alert(1)", "<b>Eve</b>"
        ),
        chat_message(2, name=None, kind="system", data=joined),
        chat_message(3, "", "Gus", kind="gift", data=gift),
        chat_message(4, "", "Gus", deleted_at="2026-01-01T12:00:00Z"),
        chat_message(5, name=None, kind="system", data={"event": "of_the_future"}),
    )
    await expect(lines(page).nth(0)).to_contain_text("<img src=x onerror=alert(1)>")
    await expect(lines(page).nth(0)).to_contain_text("<b>Eve</b>")
    link = lines(page).nth(0).get_by_role("link")
    await expect(link).to_have_attribute("href", "https://a.example/x_(1)")
    await expect(link).to_have_attribute("rel", re.compile("noopener.*noreferrer"))
    await expect(lines(page).nth(1)).to_contain_text("Ana, Bo, Cy and 2 others joined")
    await expect(lines(page).nth(2)).to_contain_text("Gus gave 3 × Rose")
    await expect(lines(page).nth(3)).to_contain_text("Message deleted")
    await expect(lines(page).nth(4)).to_be_hidden()
    assert await page.locator("img, .chat b").count() == 0


async def test_an_own_message_is_marked_until_it_is_stored(page: Page, server: FakeServer) -> None:
    server.silent = True
    await enter(page, server)
    await write(page, "Hello there")
    await expect(lines(page)).to_have_text(re.compile("Hello there.*Sending"))
    sent = await server.wait_for("send_message")
    stored = chat_message(1, sent["text"], "Vera", client_id=sent["client_id"])
    await server.push("message", message=stored)
    await expect(lines(page)).to_have_attribute("data-status", "stored")
    await expect(page.get_by_label("Write a message")).to_have_value("")


async def test_a_refused_message_can_be_sent_again(page: Page, server: FakeServer) -> None:
    refusal = {"type": "error", "code": "rude", "message": "That was rude."}
    server.replies["send_message"] = lambda _: refusal
    await enter(page, server)
    await write(page, "Hmpf")
    await expect(lines(page)).to_contain_text("Not sent. That was rude.")
    server.replies["send_message"] = lambda m: {
        "type": "message",
        "message": chat_message(1, m["text"], "Vera", client_id=m["client_id"]),
    }
    await page.get_by_role("button", name="Send again").click()
    await expect(lines(page)).to_have_attribute("data-status", "stored")


async def test_a_reader_is_left_in_peace_and_told_of_what_is_new(page: Page, server: FakeServer) -> None:
    await enter(page, server, *many(1, 50))
    scroller = page.locator(SCROLLER)
    await until(lambda: scroller.evaluate(AT_END), "the newest message is in sight")
    await scroller.evaluate("(e) => { e.scrollTop = 300; }")
    pill = page.get_by_test_id("new-messages")
    await expect(pill).to_be_hidden()
    for position in (51, 52):
        await server.push("message", message=chat_message(position))
    await expect(pill).to_have_text("2 new messages")
    assert await scroller.evaluate("(e) => e.scrollTop") == 300
    await pill.click()
    await expect(pill).to_be_hidden()
    await server.push("message", message=chat_message(53))
    await expect(lines(page).last).to_contain_text("Message 53")
    await until(lambda: scroller.evaluate(AT_END), "the newest message is in sight again")


@pytest.mark.parametrize("browser_name", ["chromium", "firefox"])
async def test_older_messages_come_without_moving_what_is_read(page: Page, server: FakeServer) -> None:
    release = asyncio.Event()

    async def older(query: dict[str, str]) -> Message:
        await release.wait()
        before = int(query["before"])
        return {"messages": many(before - 50, before - 1), "more": before > 100}

    server.rest["messages"] = older
    await enter(page, server, *many(101, 150), more=True)
    scroller = page.locator(SCROLLER)
    await until(lambda: scroller.evaluate(AT_END), "the newest message is in sight")
    await scroller.evaluate("(e) => { e.scrollTop = 100; }")
    seen = page.locator('[data-key="m-104"]')
    before = await seen.bounding_box()
    release.set()
    await expect(page.locator('[data-key="m-51"]')).to_be_attached()
    after = await seen.bounding_box()
    assert before
    assert after
    assert abs(after["y"] - before["y"]) < 2


async def test_the_host_can_take_messages_away_and_others_only_their_own(page: Page, server: FakeServer) -> None:
    mine = chat_message(2, "Mine", "Vera")
    await enter(page, server, chat_message(1, "Yours", "Ana"), mine)
    await expect(lines(page).nth(0).get_by_role("button")).to_have_count(0)
    await lines(page).nth(1).hover()
    await lines(page).nth(1).get_by_role("button", name="Actions on the message of Vera").click()
    await page.get_by_role("menuitem", name="Delete").click()
    assert (await server.wait_for("delete_message"))["message_id"] == "m-2"
    await server.push("message_deleted", message_id="m-2", position=2, deleted_by="u-vera")
    await expect(lines(page).nth(1)).to_contain_text("Message deleted")
    await expect(page.locator(".chat")).not_to_contain_text("Mine")
    server.as_person("Hana", "host", [participant("Ana", "viewer")])
    await page.reload()
    await enter(page, server, chat_message(1, "Yours", "Ana"))
    await lines(page).nth(0).hover()
    await lines(page).nth(0).get_by_role("button").click()
    await page.get_by_role("menuitem", name="Silence Ana").click()
    assert (await server.wait_for("manage_participant"))["action"] == "silence"


async def menu_of(page: Page, line: Locator) -> list[str]:
    await line.hover()
    await line.get_by_role("button").click()
    items = await page.get_by_role("menuitem").evaluate_all("(all) => all.map((e) => e.dataset.action)")
    await page.keyboard.press("Escape")
    return list(items)


async def test_a_message_is_where_moderation_begins(page: Page, server: FakeServer) -> None:
    server.as_person("Co", "cohost", [participant("Hana", "host"), participant("Ana", "viewer"), participant("Gus")])
    said = [chat_message(number, name=name) for number, name in enumerate(("Ana", "Gus", "Hana", "Gone"), 1)]
    await enter(page, server, *said)
    assert await menu_of(page, lines(page).nth(0)) == ["delete_message", "invite", "silence", "kick", "ban"]
    assert await menu_of(page, lines(page).nth(1)) == ["delete_message", "silence", "kick", "ban"]
    assert await menu_of(page, lines(page).nth(2)) == ["delete_message"], "nobody throws the host out"
    assert await menu_of(page, lines(page).nth(3)) == ["delete_message", "ban"]
    await lines(page).nth(0).hover()
    await lines(page).nth(0).get_by_role("button").click()
    await page.get_by_role("menuitem", name="Kick Ana").click()
    assert not server.received["manage_participant"], "one slip kicks nobody"
    await page.get_by_test_id("confirm-yes").click()
    assert (await server.wait_for("manage_participant"))["action"] == "kick"
    await lines(page).nth(3).hover()
    await lines(page).nth(3).get_by_role("button").click()
    await page.get_by_role("menuitem", name="Ban Gone").click()
    await page.get_by_test_id("confirm-yes").click()
    assert (await server.wait_for("ban"))["user_id"] == "u-gone"


async def test_slow_mode_counts_down_and_silence_is_told_kindly(page: Page, server: FakeServer) -> None:
    server.welcome["session"] = session(settings={"slow_mode_s": 30})
    answer = {"type": "error", "code": "slow_mode", "message": "Slow mode.", "retry_after_s": 2}
    server.replies["send_message"] = lambda _: answer
    await enter(page, server)
    note = page.get_by_test_id("chat-note")
    await expect(note).to_have_text("Slow mode: one message in 30 s.")
    await write(page, "Again")
    await expect(note).to_have_text("Slow mode: you can write again in 2 s.")
    await page.get_by_label("Write a message").fill("Next")
    await expect(page.get_by_role("button", name="Send", exact=True)).to_be_disabled()
    await expect(page.get_by_role("button", name="Send", exact=True)).to_be_enabled()
    await server.push("participant_updated", participant=participant("Vera", "viewer", chat_silenced=True))
    await expect(note).to_contain_text("silenced")
    await expect(page.get_by_test_id("chat-input")).to_be_hidden()
    await server.push("participant_updated", participant=participant("Vera", "viewer"))
    await expect(page.get_by_test_id("chat-input")).to_have_value("Next")
    await server.push("session_updated", session=session(settings={"enable_chat": False}))
    await expect(note).to_have_text("The host has switched the chat off.")


async def test_a_message_of_too_many_lines_is_not_sent(page: Page, server: FakeServer) -> None:
    await enter(page, server)
    await page.get_by_label("Write a message").fill("\n".join(["line"] * 11))
    await expect(page.get_by_test_id("chat-note")).to_have_text("A message has 10 lines at most.")
    await expect(page.get_by_role("button", name="Send", exact=True)).to_be_disabled()
    await write(page, "\n".join(["line"] * 10))
    assert (await server.wait_for("send_message"))["text"].count("\n") == 9


async def test_a_draft_outlives_a_lost_connection_and_the_page(page: Page, server: FakeServer) -> None:
    await enter(page, server)
    await page.get_by_label("Write a message").fill("Half a tho")
    server.silent = True
    server.cut()
    await server.wait_for("hello", 2)
    await expect(page.get_by_label("Write a message")).to_have_value("Half a tho")
    await page.reload()
    await expect(page.get_by_label("Write a message")).to_have_value("Half a tho")


async def test_what_comes_while_another_tab_is_shown_is_counted(page: Page, server: FakeServer) -> None:
    await enter(page, server, chat_message(1))
    await page.get_by_test_id("tab-people").click()
    await server.push("message", message=chat_message(2))
    await expect(page.get_by_test_id("tab-chat")).to_have_text("Chat1")
    await page.get_by_test_id("tab-chat").click()
    await expect(page.get_by_test_id("tab-chat")).to_have_text("Chat")


@pytest.mark.parametrize("browser_name", ["chromium", "firefox"])
async def test_a_thousand_messages_leave_the_page_quick_and_small(
    page: Page, server: FakeServer, browser_name: str
) -> None:
    await enter(page, server)
    thread = await PageThread.of(page) if browser_name == "chromium" else None
    needed = -await thread.cpu_seconds() if thread else 0.0
    for position in range(1, 1001):
        await server.push("message", message=chat_message(position))
    await expect(lines(page).last).to_contain_text("Message 1000")
    needed += await thread.cpu_seconds() if thread else 0.0
    assert needed < THREAD_S, "the page stood still"
    assert await lines(page).count() <= KEPT_LINES
    await until(lambda: page.locator(SCROLLER).evaluate(AT_END), "the newest message is in sight")


async def test_a_thousand_messages_can_be_read_back(page: Page, server: FakeServer) -> None:
    def older(query: dict[str, str]) -> Message:
        before = int(query["before"])
        return {"messages": many(before - 50, before - 1), "more": before > 51}

    server.rest["messages"] = older
    await enter(page, server, *many(951, 1000), more=True)
    scroller = page.locator(SCROLLER)
    await until(lambda: scroller.evaluate(AT_END), "the newest message is in sight")

    async def first() -> bool:
        await scroller.evaluate("(e) => { e.scrollTop = 0; }")
        return await page.locator('[data-key="m-1"]').count() == 1

    await until(first, "the first message is read", interval=0.01)
    assert await lines(page).count() == 1000
    thread = await PageThread.of(page)
    needed = -await thread.cpu_seconds()
    await page.get_by_label("Write a message").press_sequentially("Quick as ever", delay=20)
    for position in range(1001, 1021):
        await server.push("message", message=chat_message(position))
    await expect(page.get_by_test_id("new-messages")).to_have_text("20 new messages")
    needed += await thread.cpu_seconds()
    assert needed < THREAD_S, "the page stood still"
    await page.get_by_test_id("new-messages").click()

    async def few() -> bool:
        return await lines(page).count() <= KEPT_LINES

    await until(few, "what nobody looks at is let go")


async def storm(server: FakeServer, seconds: float) -> None:
    """300 reactions a second, as the server tells of them."""
    total = 0
    for _ in range(int(seconds * 10)):
        total += 10
        counts = {"heart": 10, "fire": 10, "clap": 10}
        await server.push("reactions", counts=counts, totals=dict.fromkeys(counts, total))
        await asyncio.sleep(0.1)


async def drawn(page: Page) -> bool:
    script = "(c) => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((value) => value > 0)"
    return bool(await page.locator("canvas.rain").evaluate(script))


async def test_reactions_are_sent_counted_and_float_without_end_of_nodes(page: Page, server: FakeServer) -> None:
    server.welcome["reactions"] = {"heart": 4}
    await enter(page, server)
    heart = page.get_by_role("button", name="Heart")
    await expect(heart).to_have_accessible_name("Heart, 4 so far")
    await heart.evaluate("(button) => { button.click(); button.click(); }")
    await expect(heart).to_have_accessible_name("Heart, 6 so far")
    sent = await server.wait_for("react")
    assert (sent["reaction"], sent["count"]) == ("heart", 2)
    nodes = await page.evaluate("document.querySelectorAll('*').length")
    await keeps_its_frames(page, partial(storm, server), 2)
    assert await drawn(page)
    assert await page.evaluate("document.querySelectorAll('*').length") == nodes
    await expect(heart).to_have_accessible_name(re.compile("200 so far"))


async def test_who_wants_less_motion_sees_numbers_only(page: Page, server: FakeServer) -> None:
    await page.emulate_media(reduced_motion="reduce")
    await enter(page, server)
    await storm(server, 0.3)
    await expect(page.get_by_role("button", name="Applause")).to_have_accessible_name("Applause, 30 so far")
    assert not await drawn(page)


async def test_a_server_with_other_reactions_is_followed(page: Page, server: FakeServer) -> None:
    details: Any = {"types": ["heart", "rocket"]}
    refusal = {"type": "error", "code": "unknown_reaction", "message": "No such reaction.", "details": details}
    server.replies["react"] = lambda _: refusal
    await enter(page, server)
    await page.get_by_role("button", name="Applause").click()
    await expect(page.get_by_role("button", name="Applause")).to_have_count(0)
    await expect(page.get_by_role("button", name="rocket")).to_be_visible()
