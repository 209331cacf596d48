"""web/lib/way.js: sound and picture that get nowhere are told, and told when they do."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.web.conftest import answering
from tests.web.fake_server import SESSION_ID, FakeServer, participant, token_for
from tests.web.sender import Sender

pytestmark = pytest.mark.asyncio(loop_scope="session")

QUICKLY = """
const real = globalThis.setTimeout;
globalThis.setTimeout = (act, ms, ...rest) => real(act, ms === 12_000 ? 300 : ms, ...rest);
"""
CANDIDATE = re.compile(r"^a=candidate:.*\r\n", re.MULTILINE)
HANA = ("p-hana", "camera", "video")


async def enter(page: Page, server: FakeServer) -> None:
    await page.add_init_script(QUICKLY)
    await page.goto(f"{server.url}/#/s/{SESSION_ID}?token={token_for('u-me', 'Me')}")
    await page.get_by_test_id("stage").wait_for()


@pytest.mark.parametrize("browser_name", ["chromium", "firefox"])
async def test_what_does_not_arrive_is_said_until_it_does(page: Page, server: FakeServer, far_end: Page) -> None:
    await enter(page, server)
    banner = page.get_by_test_id("banner")
    nowhere = await far_end.evaluate("farEnd.offer(['video'], true)")
    track = {"mid": nowhere.pop("mids")[0], "participant_id": "p-hana", "producer_id": "c", "source": "camera"}
    nowhere["sdp"] = CANDIDATE.sub("", nowhere["sdp"])
    await server.push("receive_offer", tracks=[{**track, "kind": "video"}], **nowhere)
    await expect(banner).to_contain_text("Sound and picture do not get through.")
    # A lost connection says it all.
    server.cut()
    await expect(banner).to_have_text(re.compile("^Connection lost"))
    server.welcome["resumed"] = True
    await expect(banner).to_contain_text("Sound and picture do not get through.")
    await expect(page.get_by_test_id("announcer")).to_have_text("You are connected again.")
    await page.get_by_role("button", name="Close").click()
    await expect(banner).to_be_empty()
    server.cut()
    await server.wait_for("hello", 3)
    await expect(banner).to_contain_text("Sound and picture do not get through.")
    await Sender(page, server, far_end).offer([HANA], ["video"], fresh=True)
    await expect(banner).to_be_empty()


async def test_what_is_not_sent_is_said_until_it_is_wanted_no_more(
    page: Page, server: FakeServer, far_end: Page
) -> None:
    answer = answering(far_end)

    async def from_nowhere(message: dict[str, Any]) -> dict[str, Any]:
        answered = await answer(message)
        return {**answered, "sdp": CANDIDATE.sub("", answered["sdp"])}

    server.replies["publish_offer"] = from_nowhere
    server.as_person("Gus", "guest", [participant("Hana", "host")])
    await enter(page, server)
    banner = page.get_by_test_id("banner")
    await expect(banner).to_contain_text("What you send does not get through.")
    await server.push("participant_updated", participant=participant("Gus", "viewer"))
    await expect(banner).to_have_text("You are back among the viewers.")
