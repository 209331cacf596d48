"""web/ui: the page in the language and the colours that a person wants."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.support.console import Console, listen
from tests.web.fake_server import SESSION_ID, FakeServer, chat_message, token_for
from tests.web.states import going_live, landing

pytestmark = pytest.mark.asyncio(loop_scope="session")

SHAPES = """
async () => {
  const { LANGUAGES } = await import("/ui/texts.js");
  const shape = (value) =>
    typeof value === "function" ? `a function of ${value.length}`
    : typeof value === "object" ? Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, shape(inner)]))
    : typeof value;
  return Object.fromEntries(Object.entries(LANGUAGES).map(([name, texts]) => [name, shape(texts)]));
}
"""
WORDS = """
async () => {
  const { LANGUAGES } = await import("/ui/texts.js");
  const words = (value, path) =>
    typeof value === "object" ? Object.entries(value).flatMap(([name, inner]) => words(inner, [...path, name]))
    : typeof value === "string" ? [[path.join("."), value]] : [];
  const all = Object.entries(LANGUAGES).map(([name, texts]) => [name, Object.fromEntries(words(texts, []))]);
  return Object.fromEntries(all);
}
"""
DARK, LIGHT = "rgb(13, 16, 20)", "rgb(244, 246, 248)"
ALIKE = {"Host", "System", "Live", "Chat", "Wow", "Ana", "Co-Host", "Codec", "Jitter", "Bitrate", "Server"}
"""What German says as English does."""


@pytest_asyncio.fixture(loop_scope="session")
async def german(browser: Browser, server: FakeServer) -> AsyncIterator[Page]:
    """A page of somebody whose browser speaks German."""
    context = await browser.new_context(locale="de-AT")
    listen(context)
    yield await context.new_page()
    await context.close()


async def background(page: Page) -> str:
    return str(await page.evaluate("getComputedStyle(document.body).backgroundColor"))


def paths(shape: Any, at: str = "") -> set[str]:
    if not isinstance(shape, dict):
        return {f"{at}: {shape}"}
    return set[str]().union(*(paths(inner, f"{at}.{name}") for name, inner in shape.items()))


async def test_every_language_says_everything(page: Page, server: FakeServer) -> None:
    await page.goto(server.url)
    shapes = await page.evaluate(SHAPES)
    english = paths(shapes["en"])
    assert len(shapes) > 1
    for language, shape in shapes.items():
        assert english - paths(shape) == set(), f"{language} lacks something"
        assert paths(shape) - english == set(), f"{language} says what nobody asks for"


async def test_nothing_was_left_in_english(page: Page, server: FakeServer) -> None:
    await page.goto(server.url)
    words = await page.evaluate(WORDS)
    english = words["en"]
    left = {name: text for name, text in words["de"].items() if text == english[name] and text not in ALIKE}
    assert left == {}
    assert all(text.strip() for texts in words.values() for text in texts.values())


async def test_the_language_of_the_browser_is_spoken(german: Page, server: FakeServer) -> None:
    server.welcome["messages"] = [chat_message(1), chat_message(2)]
    await german.goto(f"{server.url}/#/s/{SESSION_ID}?token={token_for('u-me', 'Me')}")
    await expect(german.locator("html")).to_have_attribute("lang", "de")
    await expect(german.get_by_test_id("viewers-count")).to_have_text("3 Zuschauer")
    await expect(german.get_by_role("tab", name="Leute")).to_be_visible()
    await expect(german.get_by_test_id("chat-line").first).to_contain_text(re.compile(r"\d\d:\d\d(?! [AP]M)"))
    await expect(german.get_by_role("heading", name="Komm auf die Bühne")).to_be_visible()


async def test_a_language_is_chosen_and_remembered(page: Page, server: FakeServer) -> None:
    await landing(page, server)
    await page.get_by_role("button", name="Language and colours").click()
    await expect(page.get_by_role("button", name="English")).to_have_attribute("aria-current", "true")
    await page.get_by_role("button", name="Deutsch").click()
    await expect(page.get_by_role("heading", name="Jetzt live")).to_be_visible()
    await expect(page.get_by_test_id("signed-in-name")).to_have_text("Zoe")
    another = await page.context.new_page()
    await another.goto(server.url)
    await expect(another.get_by_label("Dein Name")).to_be_visible()
    await another.get_by_role("button", name="Sprache und Farben").click()
    await another.get_by_role("button", name="English").click()
    await expect(another.get_by_label("Your name")).to_be_visible()


async def test_what_would_be_lost_is_asked_about_first(page: Page, server: FakeServer) -> None:
    await going_live(page, server)
    await page.get_by_label("Title").fill("Bread")
    await page.get_by_test_id("preferences").click()
    await page.get_by_test_id("language-de").click()
    await page.get_by_test_id("confirm-cancel").click()
    await expect(page.get_by_label("Title")).to_have_value("Bread")
    await expect(page.get_by_test_id("preferences")).to_be_focused()
    await page.get_by_test_id("preferences").click()
    await page.get_by_test_id("language-de").click()
    await page.get_by_test_id("confirm-yes").click()
    await expect(page.get_by_role("heading", name="Live gehen")).to_be_visible()


async def choose_colours(page: Page, name: str) -> None:
    await page.get_by_test_id("preferences").click()
    await page.get_by_role("radio", name=name).check()
    await page.keyboard.press("Escape")


@pytest.mark.parametrize("browser_name", ["chromium", "firefox"])
async def test_colours_are_chosen_and_remembered(page: Page, server: FakeServer) -> None:
    await page.goto(server.url)
    await choose_colours(page, "Dark")
    assert await background(page) == DARK
    await page.reload()
    assert await background(page) == DARK
    await page.get_by_test_id("preferences").click()
    await expect(page.get_by_role("radio", name="Dark")).to_be_checked()
    await page.get_by_role("radio", name="Dark").press("ArrowRight")
    assert await background(page) == LIGHT


async def test_colours_are_those_of_the_system_until_others_are_chosen(page: Page, server: FakeServer) -> None:
    await page.emulate_media(color_scheme="dark")
    await page.goto(server.url)
    assert await background(page) == DARK
    await page.emulate_media(color_scheme="light")
    assert await background(page) == LIGHT
    await choose_colours(page, "Dark")
    assert await background(page) == DARK
    await choose_colours(page, "System")
    assert await background(page) == LIGHT


async def test_chosen_colours_are_there_before_anything_is_drawn(
    page: Page, server: FakeServer, console: Console
) -> None:
    console.expect("ui/main.js")
    await page.goto(server.url)
    await page.evaluate("localStorage.setItem('greenroom.theme', 'light')")
    await page.emulate_media(color_scheme="dark")
    # Modules run when the document is read; a page that waits for them shows what is drawn before.
    await page.route("**/ui/main.js", lambda route: route.abort())
    await page.reload()
    assert await background(page) == LIGHT


async def test_storage_that_is_blocked_is_no_error(page: Page, server: FakeServer) -> None:
    await page.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError'); } });"
    )
    await page.goto(server.url)
    await choose_colours(page, "Light")
    assert await background(page) == LIGHT
