"""web/ui: the bars above and below the stage, and what people are drawn with everywhere."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.web.fake_server import SESSION_ID, FakeServer, chat_message, guest_request, participant, session, token_for

pytestmark = pytest.mark.asyncio(loop_scope="session")

LONG = "Bread and nothing else " * 8
OUTSIDE = """
() => [...document.querySelectorAll("button, [role=tab]")].filter((element) => {
  const { left, right } = element.getBoundingClientRect();
  return element.checkVisibility() && (left < 0 || right > innerWidth + 0.5);
}).map((element) => element.outerHTML.slice(0, 120))
"""
INITIALS = """
async (names) => {
  const { initials } = await import("/ui/dom.js");
  return names.map(initials);
}
"""


async def enter(page: Page, server: FakeServer) -> None:
    await page.goto(f"{server.url}/#/s/{SESSION_ID}?token={token_for('u-me', 'Me')}")
    await page.get_by_test_id("stage").wait_for()


async def test_a_long_title_keeps_its_line_and_is_read_with_the_description(page: Page, server: FakeServer) -> None:
    about = "With seeds.\nRecipe: https://example.org/bread"
    server.welcome["session"] = session(title=LONG.strip(), description=about)
    await enter(page, server)
    heading = page.get_by_role("heading", level=1)
    box = await heading.bounding_box()
    assert box
    assert box["height"] < 40
    await page.get_by_role("button", name="About this session").click()
    dialog = page.get_by_role("dialog", name="About this session")
    await expect(dialog.get_by_role("heading")).to_have_text(LONG.strip())
    await expect(dialog).to_contain_text("With seeds.")
    await expect(dialog.get_by_role("link")).to_have_attribute("href", "https://example.org/bread")
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await expect(page.get_by_role("button", name="About this session")).to_be_focused()


async def test_the_time_runs_and_nobody_signs_out_of_a_session_by_a_slip(page: Page, server: FakeServer) -> None:
    await enter(page, server)
    running = page.get_by_test_id("running-time")
    await expect(running).to_have_text(re.compile(r"^\d+:\d\d(:\d\d)?$"))
    await expect(running).not_to_have_text(await running.inner_text())
    await expect(page.get_by_test_id("sign-out")).to_have_count(0)
    await page.goto(f"{server.url}/#/")
    await expect(page.get_by_test_id("sign-out")).to_be_visible()
    await expect(page.get_by_role("button", name="About this session")).to_have_count(0)


@pytest.mark.parametrize("width", [320, 390, 844, 920, 1024, 1280])
@pytest.mark.parametrize("role", ["host", "guest"])
async def test_no_button_is_pushed_out_of_the_window(page: Page, server: FakeServer, width: int, role: str) -> None:
    """In the language of the longer words, with everything that there can be."""
    requests = [guest_request(name) for name in ("Ana", "Bo")] if role == "host" else []
    server.as_person("Vera", role, [participant("Ana", "viewer")], requests)
    server.welcome["session"] = session(title=LONG, settings={"enable_gifts": True})
    server.welcome["reactions"] = dict.fromkeys(("heart", "fire", "clap", "laugh", "wow", "sad"), 123_456)
    await page.add_init_script("localStorage.setItem('greenroom.language', 'de')")
    await page.set_viewport_size({"width": width, "height": 720})
    await enter(page, server)
    await expect(page.get_by_test_id("device-settings")).to_be_visible()
    assert await page.evaluate(OUTSIDE) == []
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    rows = await page.locator(".controls > button").evaluate_all("(all) => all.map((button) => button.offsetTop)")
    assert len(set(rows)) == 1, "the controls are one row"


async def test_a_tap_moves_no_button(page: Page, server: FakeServer) -> None:
    await enter(page, server)
    fire = page.get_by_test_id("react-fire")
    before = await fire.bounding_box()
    await page.get_by_test_id("react-heart").click()
    await expect(page.get_by_test_id("react-heart")).to_contain_text("1")
    assert await fire.bounding_box() == before


async def test_a_person_has_one_colour_everywhere(page: Page, server: FakeServer) -> None:
    server.as_person("Hana", "host", [participant("Ana")])
    server.welcome["messages"] = [chat_message(1, participant_id="p-ana", user_id="u-ana", name="Ana")]
    await enter(page, server)
    hues: list[Any] = await page.evaluate(
        """() => ["[data-testid=tile][data-participant-id=p-ana]", "[data-participant-id=p-ana] .face", ".line-name"]
          .map((selector) => document.querySelector(selector).style.getPropertyValue("--hue"))"""
    )
    assert len(set(hues)) == 1
    assert hues[0]


async def test_initials_are_letters_or_one_picture(page: Page, server: FakeServer) -> None:
    await page.goto(server.url)
    names = ["Ana", "ana de la luz", "🦊 Fox 🌈", "🇵🇹", "👩‍🚀 🌈", "مريم العبدالله", "3 Musketeers", "...", ""]
    assert await page.evaluate(INITIALS, names) == ["A", "AL", "F", "🇵🇹", "👩‍🚀", "ما", "3M", ".", "?"]
