"""docs/examples: pages that people start from do what they say."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.support import node_packages
from tests.support.waiting import until
from tests.web.fake_server import SESSION_ID, FakeServer, chat_message, guest_request, participant

pytestmark = pytest.mark.asyncio(loop_scope="session")

OFFER = """
async (kinds) => { const { mids, ...offer } = await farEnd.offer(kinds, true); return { mids, offer }; }
"""


@pytest.mark.parametrize("example", ["watch.html", "react.html"])
async def test_a_page_of_ones_own_watches_talks_and_comes_on_stage(
    page: Page, server: FakeServer, far_end: Page, example: str
) -> None:
    if example == "react.html":
        node_packages.path_of("react")
    asked = {"type": "guest_request_created", "request": guest_request("Vera")}
    server.replies |= {
        "request_guest": lambda _: asked,
        "send_message": lambda message: {"type": "message", "message": chat_message(2, message["text"], "Vera")},
    }
    server.welcome["messages"] = [chat_message(1, "Welcome, <b>all</b>")]
    await page.goto(f"{server.url}/examples/{example}#server={server.url}&session={SESSION_ID}&token=the-token")
    await expect(page.get_by_role("heading")).to_have_text("Baking bread: Hana")
    await expect(page.locator("#chat li")).to_have_text("Hana: Welcome, <b>all</b>")

    made = await far_end.evaluate(OFFER, ["video"])
    track = {"mid": made["mids"][0], "participant_id": "p-hana", "producer_id": "c", "source": "camera"}
    await server.push("receive_offer", tracks=[{**track, "kind": "video"}], **made["offer"])
    answer = await server.wait_for("receive_answer")
    await far_end.evaluate("(sdp) => farEnd.accept(sdp)", answer["sdp"])
    await page.wait_for_function("document.querySelector('video')?.videoWidth > 0")

    await page.get_by_label("Message").fill("Hello")
    await page.get_by_role("button", name="Send").click()
    await expect(page.locator("#chat li").nth(1)).to_have_text("Vera: Hello")
    await expect(page.get_by_label("Message")).to_have_value("")
    await page.locator("#heart").click()
    assert (await server.wait_for("react"))["reaction"] == "heart"
    await server.push("reactions", counts={"heart": 1}, totals={"heart": 8})
    await expect(page.locator("#heart span")).to_have_text("8")
    await page.get_by_role("button", name="Ask to join").click()
    await server.wait_for("request_guest")
    await server.push("participant_updated", participant=participant("Vera", "guest"))
    await expect(page.get_by_role("heading")).to_have_text("Baking bread: Hana, Vera")
    await until(
        lambda: any(len(offer["sources"]) == 2 for offer in server.received["publish_offer"]),
        "camera and microphone are sent",
    )


@pytest.mark.parametrize("example", ["watch.html", "react.html"])
async def test_a_page_of_ones_own_says_why_it_is_not_let_in(page: Page, server: FakeServer, example: str) -> None:
    if example == "react.html":
        node_packages.path_of("react")
    server.hello_answer = {"type": "error", "code": "session_full", "message": "The session is full."}
    await page.goto(f"{server.url}/examples/{example}#server={server.url}&session={SESSION_ID}&token=the-token")
    await expect(page.get_by_role("heading")).to_have_text("The session is full.")
