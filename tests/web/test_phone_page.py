"""web/ui on a phone: the whole room is in sight at once, and stays usable with the keyboard open."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, expect

from tests.support.waiting import until
from tests.web.fake_server import SESSION_ID, FakeServer, chat_message, guest_request, participant, session, token_for

pytestmark = pytest.mark.asyncio(loop_scope="session")

PORTRAIT = {"width": 390, "height": 844}
SMALL = {"width": 320, "height": 568}
WITH_KEYBOARD = {"width": 390, "height": 480}
LANDSCAPE = {"width": 844, "height": 390}
SCROLLS = (
    "() => document.scrollingElement.scrollHeight > innerHeight || document.scrollingElement.scrollWidth > innerWidth"
)
GUESTS = [participant(name, "guest") for name in ("Ana", "Bo", "Cy")]


@pytest_asyncio.fixture(loop_scope="session")
async def phone(page: Page, server: FakeServer) -> AsyncIterator[Page]:
    await page.set_viewport_size(PORTRAIT)  # type: ignore[arg-type]
    server.welcome["messages"] = [chat_message(position) for position in range(1, 41)]
    yield page


async def enter(page: Page, server: FakeServer) -> None:
    await page.goto(f"{server.url}/#/s/{SESSION_ID}?token={token_for('u-me', 'Me')}")
    await page.get_by_test_id("stage").wait_for()


async def inside(page: Page, *elements: Locator) -> None:
    """Wait until each of them can be seen whole, without scrolling anything."""
    assert page.viewport_size
    width, height = page.viewport_size["width"], page.viewport_size["height"]
    for element in elements:

        async def whole(element: Locator = element) -> bool:
            box = await element.bounding_box()
            return bool(
                box
                and box["x"] >= 0
                and box["y"] >= 0
                and box["x"] + box["width"] <= width + 0.5
                and box["y"] + box["height"] <= height + 0.5
            )

        await until(whole, f"{element} is in sight")


@pytest.mark.parametrize("browser_name", ["chromium", "firefox"])
@pytest.mark.parametrize("size", [PORTRAIT, SMALL, LANDSCAPE], ids=["portrait", "small", "landscape"])
async def test_stage_chat_and_controls_are_in_sight_together(
    phone: Page, server: FakeServer, size: dict[str, int]
) -> None:
    server.as_person("Vera", "guest", [participant("Hana", "host"), *GUESTS])
    server.welcome["session"] = session(settings={"enable_gifts": True})
    await phone.set_viewport_size(size)  # type: ignore[arg-type]
    await enter(phone, server)
    await inside(
        phone,
        phone.get_by_test_id("stage"),
        phone.get_by_test_id("tab-chat"),
        phone.get_by_test_id("chat-input"),
        phone.get_by_test_id("viewers-count"),
        phone.get_by_test_id("running-time"),
        phone.get_by_test_id("share"),
        phone.get_by_test_id("toggle-mic"),
        phone.get_by_test_id("leave"),
        phone.get_by_test_id("reactions-toggle"),
        phone.get_by_test_id("gifts"),
    )
    assert not await phone.evaluate(SCROLLS), "the page itself does not scroll"
    buttons = phone.locator(".room-foot button:visible")
    boxes = [await button.bounding_box() for button in await buttons.all()]
    assert len({round(box["y"] + box["height"] / 2) for box in boxes if box}) == 1, "the controls are one row"
    assert all(box and box["width"] >= 40 and box["height"] >= 40 for box in boxes), "fingers find each of them"


@pytest.mark.parametrize("width", [320, 390, 560])
async def test_the_head_holds_the_numbers_of_a_large_session(page: Page, server: FakeServer, width: int) -> None:
    """In the language of the longer words, after ten hours."""
    started = datetime.now(UTC) - timedelta(hours=10, minutes=45)
    server.welcome["session"] = session(
        title="Sourdough for those who have no time at all",
        started_at=started.isoformat(),
        viewer_count=1234,
        guest_count=20,
        settings={"locked": True},
    )
    await page.add_init_script("localStorage.setItem('greenroom.language', 'de')")
    await page.set_viewport_size({"width": width, "height": 844})
    await enter(page, server)
    facts = await page.locator(".room-title h1, .room-facts > *:visible").all()
    await inside(page, *facts)
    boxes = [box for fact in facts if (box := await fact.bounding_box())]
    assert len(boxes) == 8
    for one, other in itertools.combinations(boxes, 2):
        beside = one["x"] + one["width"] <= other["x"] or other["x"] + other["width"] <= one["x"]
        assert beside or one["y"] + one["height"] <= other["y"] or other["y"] + other["height"] <= one["y"]
    assert min(box["width"] for box in boxes[-2:]) >= 44, "fingers find the buttons"


async def test_what_is_written_is_in_sight_above_the_keyboard(phone: Page, server: FakeServer) -> None:
    await enter(phone, server)
    await phone.get_by_test_id("chat-input").fill("Half a tho")
    await phone.set_viewport_size(WITH_KEYBOARD)  # type: ignore[arg-type]
    await inside(
        phone, phone.get_by_test_id("chat-input"), phone.get_by_test_id("chat-send"), phone.get_by_test_id("stage")
    )
    last = phone.get_by_test_id("chat-line").last
    await expect(last).to_be_in_viewport()
    await expect(phone.get_by_test_id("leave")).to_be_hidden()
    await phone.get_by_test_id("chat-send").click()
    assert (await server.wait_for("send_message"))["text"] == "Half a tho"
    await expect(phone.get_by_test_id("chat-input")).to_be_focused()
    await phone.set_viewport_size(PORTRAIT)  # type: ignore[arg-type]
    await inside(phone, phone.get_by_test_id("leave"))


async def test_reactions_open_above_their_button_and_stay_for_more_than_one(phone: Page, server: FakeServer) -> None:
    await enter(phone, server)
    heart = phone.get_by_role("button", name="Heart")
    await expect(heart).to_be_hidden()
    await phone.get_by_role("button", name="React", exact=True).click()
    for _ in range(2):
        await heart.click()
    await until(lambda: sum(sent["count"] for sent in server.received["react"]) == 2, "both are sent")
    await inside(phone, heart, phone.get_by_test_id("react-sad"))
    await phone.keyboard.press("Escape")
    await expect(heart).to_be_hidden()
    await phone.get_by_role("button", name="React", exact=True).click()
    await phone.get_by_test_id("stage").click()
    await expect(heart).to_be_hidden()


async def test_the_side_folds_away_and_what_comes_meanwhile_is_counted(phone: Page, server: FakeServer) -> None:
    await enter(phone, server)
    stage = phone.get_by_test_id("stage")
    before = await stage.bounding_box()
    await phone.get_by_role("button", name="Hide chat and people").click()
    await expect(phone.get_by_test_id("chat-input")).to_be_hidden()
    after = await stage.bounding_box()
    assert before
    assert after
    assert after["height"] > 1.5 * before["height"]
    await server.push("message", message=chat_message(50))
    await expect(phone.get_by_test_id("tab-chat")).to_have_text("Chat1")
    await phone.get_by_test_id("tab-chat").click()
    await expect(phone.get_by_test_id("chat-line").last).to_be_in_viewport()
    await expect(phone.get_by_test_id("tab-chat")).to_have_text("Chat")


async def test_a_viewer_asks_and_a_host_answers_with_a_thumb(phone: Page, server: FakeServer) -> None:
    server.replies["request_guest"] = lambda message: {
        "type": "guest_request_created",
        "request": guest_request("Vera", message=message["message"]),
    }
    await enter(phone, server)
    await inside(
        phone,
        phone.get_by_test_id("ask-message"),
        phone.get_by_test_id("ask-to-join"),
        phone.get_by_test_id("chat-input"),
    )
    await phone.get_by_test_id("ask-to-join").click()
    await expect(phone.get_by_test_id("ask-status")).to_be_visible()
    server.as_person("Hana", "host", GUESTS, requests=[guest_request("Vera", message="Me, please")])
    await phone.reload()
    approve = phone.get_by_role("button", name="Approve Vera")
    await inside(phone, approve, phone.get_by_test_id("end"))
    box = await approve.bounding_box()
    assert box
    assert box["height"] >= 40
    await approve.click()
    await server.wait_for("respond_guest_request")
