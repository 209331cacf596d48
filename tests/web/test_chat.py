"""web/lib: the chat and the reactions of a room, whatever happens to the connection."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page

from tests.support.waiting import until
from tests.web.fake_server import SESSION_ID, FakeServer, Message, chat_message

pytestmark = pytest.mark.asyncio(loop_scope="session")

OPEN = """
async (url) => {
  const { Room } = await import("/lib/index.js");
  window.room = new Room({ retryMs: 20, retryMaxMs: 40 });
  await room.connect(url, "the-token");
}
"""
CHAT = """
() => ({
  texts: room.state.chat.messages.map(({ text }) => text),
  drafts: room.state.chat.drafts.map(({ text, status, error }) => [text, status, error?.code ?? null]),
  more: room.state.chat.more,
})
"""


@pytest_asyncio.fixture(loop_scope="session")
async def room(page: Page, server: FakeServer) -> Page:
    """Vera's page in a room whose chat has the messages 3 and 4."""
    server.welcome |= {"messages": [chat_message(3), chat_message(4)], "more_messages": True}
    server.replies["send_message"] = stored(5)
    await page.goto(f"{server.url}/icon.svg")
    await page.evaluate(OPEN, f"{server.url.replace('http', 'ws')}/ws/live/{SESSION_ID}")
    return page


def own(message: Message, position: int) -> Message:
    return chat_message(position, message["text"], "Vera", client_id=message["client_id"])


def stored(position: int) -> Any:
    return lambda message: {"type": "message", "message": own(message, position)}


def refused(code: str, **more: Any) -> Any:
    return lambda _: {"type": "error", "code": code, "message": "No.", **more}


async def chat(page: Page) -> dict[str, Any]:
    return dict(await page.evaluate(CHAT))


async def say(page: Page, text: str) -> None:
    await page.evaluate("(text) => { room.sendMessage(text); }", text)


async def test_messages_are_kept_in_order_and_once_and_without_what_was_deleted(room: Page, server: FakeServer) -> None:
    for position in (7, 5, 7):
        await server.push("message", message=chat_message(position))
    await server.push("message_deleted", message_id="m-4", position=4, deleted_by="u-hana")
    await until(lambda: room.evaluate("room.state.chat.messages[1]?.deleted_at"), "the deletion arrives")
    assert (await chat(room))["texts"] == ["Message 3", None, "Message 5", "Message 7"]


async def test_older_pages_are_read_once_and_joined(room: Page, server: FakeServer) -> None:
    asked = []

    def older(query: dict[str, str]) -> Message:
        asked.append(query)
        return {"messages": [chat_message(1), chat_message(2)], "more": False}

    server.rest["messages"] = older
    await room.evaluate("Promise.all([room.loadOlderMessages(), room.loadOlderMessages()])")
    await room.evaluate("room.loadOlderMessages()")
    assert asked == [{"before": "3", "limit": "50"}]
    assert await chat(room) == {"texts": [f"Message {i}" for i in (1, 2, 3, 4)], "drafts": [], "more": False}


async def test_an_own_message_is_there_at_once_and_stored_once(room: Page, server: FakeServer) -> None:
    server.silent = True
    await say(room, "  Hello  ")
    assert (await chat(room))["drafts"] == [["Hello", "sending", None]]
    sent = await server.wait_for("send_message")
    message = own(sent, 5)
    await server.push("message", message=message)
    await server.push("message", id=sent["id"], message=message)
    await until(lambda: room.evaluate("room.state.chat.drafts.length === 0"), "it is stored")
    assert (await chat(room))["texts"] == ["Message 3", "Message 4", "Hello"]


async def test_it_is_sent_again_while_the_database_is_away_and_others_wait_behind_it(
    room: Page, server: FakeServer
) -> None:
    server.replies["send_message"] = refused("database_unavailable", retry_after_s=0.2)
    await say(room, "First")
    await say(room, "Second")
    first = await server.wait_for("send_message")
    server.replies["send_message"] = lambda message: stored(5 if message["text"] == "First" else 6)(message)
    await until(lambda: room.evaluate("room.state.chat.drafts.length === 0"), "both are stored")
    said = [(message["text"], message["client_id"]) for message in server.received["send_message"]]
    assert said[:2] == [("First", first["client_id"])] * 2
    texts = [text for text, _ in said]
    assert texts == ["First"] * texts.count("First") + ["Second"]


async def test_a_message_whose_reply_was_lost_is_sent_again_under_its_own_id(room: Page, server: FakeServer) -> None:
    server.silent = True
    await say(room, "Lost?")
    sent = await server.wait_for("send_message")
    server.silent = False
    server.cut()
    again = await server.wait_for("send_message", 2)
    assert again["client_id"] == sent["client_id"]
    await until(lambda: room.evaluate("room.state.chat.drafts.length === 0"), "it is stored")


async def test_a_message_that_the_welcome_brings_is_not_sent_again(room: Page, server: FakeServer) -> None:
    server.silent = True
    await say(room, "Stored")
    sent = await server.wait_for("send_message")
    server.silent = False
    server.welcome |= {"resumed": True, "messages": [chat_message(3), chat_message(4), own(sent, 5)]}
    server.cut()
    await until(lambda: room.evaluate("room.state.chat.drafts.length === 0"), "it is known to be stored")
    assert (await chat(room))["texts"][-1] == "Stored"
    await room.evaluate("room.serverStatistics()")
    assert len(server.received["send_message"]) == 1


async def test_who_was_away_for_long_sees_no_gap(room: Page, server: FakeServer) -> None:
    server.welcome |= {"messages": [chat_message(80), chat_message(81)], "more_messages": True}
    server.cut()
    await until(lambda: room.evaluate("room.state.chat.messages[0].position === 80"), "the latest are there")
    assert (await chat(room))["texts"] == ["Message 80", "Message 81"]


async def test_a_refusal_is_final_until_the_writer_tries_again(room: Page, server: FakeServer) -> None:
    server.replies["send_message"] = refused("silenced")
    assert await room.evaluate("room.sendMessage('Hm').catch((error) => error.code)") == "silenced"
    assert (await chat(room))["drafts"] == [["Hm", "failed", "silenced"]]
    server.replies["send_message"] = stored(5)
    await room.evaluate("room.outbox.retry(room.state.chat.drafts[0].clientId)")
    assert await chat(room) == {"texts": ["Message 3", "Message 4", "Hm"], "drafts": [], "more": True}


async def test_taps_go_together_and_own_ones_are_told_from_those_of_others(room: Page, server: FakeServer) -> None:
    await room.evaluate("() => { window.heard = []; room.addEventListener('reactions', (e) => heard.push(e.detail)); }")
    await room.evaluate("Promise.all([room.react('heart', 30), room.react('heart', 30), room.react('fire')])")
    sent = sorted((message["reaction"], message["count"]) for message in server.received["react"])
    assert sent == [("fire", 1), ("heart", 30), ("heart", 30)]
    counts = {"heart": 63, "clap": 2}
    await server.push("reactions", counts=counts, totals=counts)
    await until(lambda: room.evaluate("heard.length"), "the reactions arrive")
    assert await room.evaluate("heard[0].others") == {"heart": 3, "clap": 2}
    assert await room.evaluate("room.state.reactions") == counts


async def test_a_gift_whose_payment_is_uncertain_is_asked_for_again_under_one_key(
    room: Page, server: FakeServer
) -> None:
    answers = [refused("payment_unavailable", retry_after_s=0.05), lambda _: {"type": "gift_sent", "gift": {"id": "g"}}]
    server.replies["send_gift"] = lambda message: answers.pop(0)(message)
    assert await room.evaluate("room.sendGift('rose', 3)") == {"id": "g"}
    first, second = server.received["send_gift"]
    assert (first["gift_id"], first["quantity"], first["key"]) == ("rose", 3, second["key"])
