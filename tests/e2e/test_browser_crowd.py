"""What many people do at once, in one real browser: a thousand messages, and two hundred reactions a second."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import Browser, expect

from tests.support.browsers import Person
from tests.support.crew import Crew
from tests.support.frames import keeps_its_frames
from tests.support.waiting import until
from tests.support.ws import WsClient

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

TIMEOUT_MS = 20_000
WRITERS = 100
ROUNDS = 10
ROUND_S = 0.6
STORM_S = 2.0


async def react(sender: WsClient, reaction: str, seconds: float) -> None:
    """A hundred a second."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while loop.time() < end:
        await asyncio.gather(sender.request("react", reaction=reaction, count=20), asyncio.sleep(0.2))


async def test_a_thousand_messages_and_two_hundred_reactions_a_second(
    crew: Crew, chromium: Browser, capsys: pytest.CaptureFixture[str]
) -> None:
    _, session_id = await crew.live("Crowded host")
    reader = await crew.person(chromium, "Rita Reader")
    await reader.watch(session_id)
    users = await asyncio.gather(*(crew.user("Writer") for _ in range(WRITERS)))
    writers = await asyncio.gather(*(crew.socket(user, session_id) for user in users))
    for number in range(ROUNDS):
        said = (
            writer.request("send_message", text=f"Line {number} of {index}") for index, writer in enumerate(writers)
        )
        await asyncio.gather(asyncio.sleep(ROUND_S), *said)
    last = reader.page.get_by_text(re.compile(f"^Line {ROUNDS - 1} of"))
    await expect(last).to_have_count(WRITERS, timeout=TIMEOUT_MS)
    assert await reader.by_id("chat-line").count() <= 400, "what nobody reads costs nothing"
    await read_back(reader)
    senders = writers[:2]

    async def storm(seconds: float) -> None:
        await asyncio.gather(react(senders[0], "fire", seconds), react(senders[1], "clap", seconds))

    idle, busy = await keeps_its_frames(reader.page, storm, STORM_S)
    with capsys.disabled():
        print(f"\n[frames a second: {idle.per_second:.0f} before the storm, {busy.per_second:.0f} in it]")
    await expect(reader.by_id("react-fire")).to_have_accessible_name(re.compile(r"Fire, \d{2,} so far"))


async def read_back(reader: Person) -> None:
    """From the newest message to the first."""
    scroller = reader.page.locator(".chat-scroll")
    first = reader.page.get_by_text(re.compile("^Line 0 of"))

    async def is_read() -> bool:
        await scroller.evaluate("(e) => { e.scrollTop = 0; }")
        return await first.count() == WRITERS

    await until(is_read, "the first messages are read", timeout=40)
    assert await reader.by_id("chat-line").count() >= WRITERS * ROUNDS
    await expect(reader.by_id("chat-input")).to_be_editable()
