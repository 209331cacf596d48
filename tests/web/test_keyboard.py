"""web/ui: everything without a mouse, and what screen readers are told."""

from __future__ import annotations

import pytest
from playwright.async_api import Locator, Page, expect

from tests.support.waiting import until
from tests.web import states
from tests.web.fake_server import FakeServer, chat_message, guest_request, participant, session
from tests.web.states import State, enter, enter_as_host

pytestmark = pytest.mark.asyncio(loop_scope="session")

MARK = """
() => {
  document.activeElement?.blur();
  const all = document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']");
  const seen = (element) => element.checkVisibility({ visibilityProperty: true });
  const usable = [...all].filter((element) => !element.disabled && element.tabIndex >= 0 && seen(element));
  const names = new Set();
  for (const [index, element] of usable.entries()) {
    // Of radio buttons with one name the Tab key reaches one; the arrow keys the others.
    element.dataset.walk = element.type === "radio" ? element.name : `${index} ${element.outerHTML.slice(0, 120)}`;
    names.add(element.dataset.walk);
  }
  return [...names];
}
"""
HERE = """
() => {
  const element = document.activeElement;
  const outlined = (each) => each && getComputedStyle(each).outlineStyle !== "none";
  const drawn = [element, element.nextElementSibling].some(outlined);
  return { name: element.dataset.walk ?? null, drawn };
}
"""
LOST = "document.activeElement === null || document.activeElement === document.body"
REACHABLE = [
    states.sign_in,
    states.landing,
    states.going_live,
    states.watching,
    states.on_stage,
    states.hosting,
    states.chat_of_a_host,
    states.settings,
    states.the_end,
]


@pytest.mark.parametrize("walk", REACHABLE, ids=lambda walk: walk.__name__)
async def test_the_tab_key_reaches_everything_and_shows_where_it_is(
    page: Page, server: FakeServer, walk: State
) -> None:
    await walk(page, server)
    wanted = set(await page.evaluate(MARK))
    reached: set[str] = set()
    for _ in range(2 * len(wanted) + 5):
        await page.keyboard.press("Tab")
        here = await page.evaluate(HERE)
        if here["name"]:
            assert here["drawn"], f"the focus is not to be seen on {here['name']}"
            reached.add(here["name"])
        if reached == wanted:
            return
    assert wanted - reached == set()


async def focused(locator: Locator) -> None:
    await expect(locator).to_be_focused()


async def press(page: Page, *keys: str) -> None:
    for key in keys:
        await page.keyboard.press(key)


@pytest.mark.parametrize("browser_name", ["chromium", "firefox"])
async def test_from_the_list_into_a_session_and_out_without_a_mouse(page: Page, server: FakeServer) -> None:
    await page.goto(server.url)
    await focused(page.get_by_label("Your name"))
    await page.keyboard.type("Vera")
    await press(page, "Enter")
    await page.get_by_test_id("session-card").wait_for()
    assert not await page.evaluate(LOST)
    await page.get_by_test_id("session-card").focus()
    await press(page, "Enter")
    await page.get_by_test_id("stage").wait_for()
    await expect(page).to_have_title("Baking bread · Greenroom")
    assert not await page.evaluate(LOST)
    await page.get_by_label("Write a message").focus()
    await page.keyboard.type("Hello")
    await press(page, "Enter")
    assert (await server.wait_for("send_message"))["text"] == "Hello"
    await focused(page.get_by_label("Write a message"))
    await page.get_by_test_id("leave").focus()
    await press(page, "Enter")
    await server.wait_for("leave")
    await server.close(1000, "left")
    await expect(page.get_by_role("heading", name="Live now")).to_be_visible()
    await expect(page).to_have_title("Live now · Greenroom")
    assert not await page.evaluate(LOST)


async def test_tabs_are_gone_through_by_arrow_keys(page: Page, server: FakeServer) -> None:
    await enter_as_host(page, server)
    await page.get_by_role("tab", name="People").focus()
    await press(page, "ArrowRight")
    await focused(page.get_by_role("tab", name="Settings"))
    await expect(page.get_by_role("tabpanel", name="Settings")).to_be_visible()
    await press(page, "ArrowRight")
    await focused(page.get_by_role("tab", name="Chat"))
    await press(page, "ArrowLeft", "ArrowLeft")
    await expect(page.get_by_role("tab", name="People")).to_have_attribute("aria-selected", "true")


@pytest.mark.parametrize("browser_name", ["chromium", "firefox"])
async def test_a_menu_opens_moves_and_closes(page: Page, server: FakeServer) -> None:
    server.as_person("Hana", "host", [participant("Ana", "guest")])
    await enter(page, server)
    await page.get_by_test_id("tab-chat").click()
    opener = page.get_by_role("button", name="Actions on the message of Ana")
    await opener.focus()
    await press(page, "Enter")
    items = page.get_by_role("menuitem")
    await focused(items.first)
    await expect(opener).to_have_attribute("aria-expanded", "true")
    await press(page, "ArrowDown")
    await focused(items.nth(1))
    await press(page, "Home", "ArrowUp")
    await focused(items.last)
    await press(page, "Escape")
    await expect(page.get_by_role("menu")).to_have_count(0)
    await focused(opener)
    await press(page, "Enter", "Tab")
    await expect(page.get_by_role("menu")).to_have_count(0)
    assert not await page.evaluate(LOST)


@pytest.mark.parametrize("browser_name", ["chromium", "firefox"])
async def test_a_question_takes_the_focus_and_gives_it_back(page: Page, server: FakeServer) -> None:
    await states.hosting(page, server)
    kick = page.get_by_role("button", name="Kick Ana")
    await kick.focus()
    await press(page, "Enter")
    await focused(page.get_by_test_id("confirm-cancel"))
    await press(page, "Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await focused(kick)
    assert not server.received["manage_participant"]


@pytest.mark.parametrize("browser_name", ["chromium", "firefox"])
async def test_the_focus_stays_near_what_went_away_and_on_nothing_to_press(page: Page, server: FakeServer) -> None:
    await enter_as_host(page, server)
    await page.get_by_role("button", name="Approve Vic").focus()
    await press(page, "Enter")
    await server.wait_for("respond_guest_request")
    await server.push("guest_request_updated", request=guest_request("Vic", status="approved"))
    await expect(page.get_by_test_id("request-row")).to_have_count(1)
    await until(lambda: page.evaluate(f"!({LOST})"), "the focus is somewhere")
    assert await page.evaluate("document.activeElement.contains(document.querySelector('[data-testid=request-row]'))")
    await press(page, "Enter")
    assert len(server.received["respond_guest_request"]) == 1
    await press(page, "Tab")
    assert await page.evaluate("document.activeElement.closest('.people') !== null")


async def test_who_clicks_beside_everything_is_left_alone(page: Page, server: FakeServer) -> None:
    await enter_as_host(page, server)
    await page.get_by_role("tab", name="People").focus()
    await page.mouse.click(3, 300)
    await server.push("session_updated", session=session(viewer_count=9))
    await expect(page.get_by_test_id("viewers-count")).to_have_text("9 viewers")
    await expect(page.get_by_role("tab", name="People")).not_to_be_focused()


@pytest.mark.parametrize("browser_name", ["chromium", "firefox"])
async def test_what_was_disabled_for_a_while_has_the_focus_again(page: Page, server: FakeServer) -> None:
    server.silent = True
    await enter(page, server)
    ask = page.get_by_test_id("ask-to-join")
    await ask.focus()
    await press(page, "Enter")
    sent = await server.wait_for("request_guest")
    await expect(ask).to_be_disabled()
    # Two frames: browsers take the focus off what is disabled when they draw.
    await page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    await server.push("error", id=sent["id"], code="rate_limited", message="Later.")
    await expect(ask).to_be_enabled()
    await focused(ask)


async def test_changes_are_read_out_once(page: Page, server: FakeServer) -> None:
    server.welcome["session"] = session(settings={"slow_mode_s": 30})
    server.replies["send_message"] = lambda sent: {
        "type": "message",
        "message": chat_message(9, sent["text"], "Vera", client_id=sent["client_id"]),
    }
    await enter(page, server)
    said = page.get_by_test_id("announcer")
    await expect(said).to_have_text("Slow mode: one message in 30 s.")
    await page.get_by_label("Write a message").fill("Again")
    await press(page, "Enter")
    await expect(said).to_have_text("Slow mode: you can write again in 30 s.")
    await expect(page.get_by_test_id("chat-note")).to_have_text("Slow mode: you can write again in 28 s.")
    await expect(said).to_have_text("Slow mode: you can write again in 30 s.")


async def test_a_request_is_read_out_where_it_is_not_told(page: Page, server: FakeServer) -> None:
    await enter_as_host(page, server)
    await server.push("guest_request_created", request=guest_request("Max"))
    await expect(page.get_by_test_id("announcer")).to_contain_text("Max asks to come on stage.")
    assert await page.get_by_test_id("announcer").get_attribute("aria-live") == "polite"


async def test_what_happens_behind_a_dialog_is_read_out_in_it(page: Page, server: FakeServer) -> None:
    await states.green_room(page, server)
    server.cut()
    said = page.get_by_role("dialog").get_by_test_id("announcer")
    await expect(said).to_contain_text("Connection lost. Reconnecting…")
    server.welcome["you"] = participant("Vera", "guest")
    await server.wait_for("hello", 2)
    await expect(said).to_contain_text("You are connected again.")
    await page.get_by_test_id("not-now").click()
    await server.push("participant_updated", participant=participant("Vera", "viewer"))
    await expect(page.get_by_test_id("banner")).to_contain_text("You are back among the viewers.")
    server.cut()
    await expect(page.get_by_test_id("announcer")).to_contain_text("What you send goes out")


async def test_nothing_is_promised_when_it_is_over(page: Page, server: FakeServer) -> None:
    server.welcome["session"] = session(settings={"slow_mode_s": 30})
    await enter(page, server)
    said = page.get_by_test_id("announcer")
    await expect(said).to_have_text("Slow mode: one message in 30 s.")
    await server.close(4410, "session_ended")
    await expect(page.get_by_role("heading", name="The session has ended.")).to_be_visible()
    # As long as it takes to read something out.
    await page.evaluate("new Promise((done) => setTimeout(done, 300))")
    await expect(said).to_have_text("Slow mode: one message in 30 s.")
