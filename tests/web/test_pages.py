"""web/ui: signing in, the list of sessions, and going live."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import Page, Route, expect

from tests.support.waiting import until
from tests.web.fake_server import SESSION_ID, FakeServer, session, token_for

pytestmark = pytest.mark.asyncio(loop_scope="session")

NO_DEVICES = "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('no', 'NotAllowedError'); };"

NO_STORAGE = """
for (const name of ["localStorage", "sessionStorage"]) {
  Object.defineProperty(window, name, { get() { throw new DOMException("no", "SecurityError"); } });
}
"""
"""As where the browser's user allows no cookies."""


async def sign_in(page: Page, server: FakeServer, path: str = "/", name: str = "Hana") -> None:
    await page.goto(server.url + path)
    await page.get_by_label("Your name").fill(name)
    await page.get_by_role("button", name="Continue").click()


async def test_signing_in_by_name_leads_to_the_list_and_lasts_for_the_tab(page: Page, server: FakeServer) -> None:
    await sign_in(page, server)
    await expect(page.get_by_role("heading", name="Live now")).to_be_visible()
    await page.reload()
    await expect(page.get_by_test_id("signed-in-name")).to_have_text("Hana")
    other = await page.context.new_page()
    await other.goto(server.url)
    await expect(other.get_by_label("Your name")).to_be_visible()
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_label("Your name")).to_be_visible()


async def test_who_allows_no_storage_can_do_all_the_same(page: Page, server: FakeServer) -> None:
    await page.add_init_script(NO_STORAGE)
    await sign_in(page, server, f"/#/s/{SESSION_ID}")
    await page.get_by_label("Write a message").fill("Hello")
    await page.keyboard.press("Enter")
    assert (await server.wait_for("send_message"))["text"] == "Hello"


async def test_a_server_that_gives_no_tokens_takes_one(page: Page, server: FakeServer) -> None:
    server.dev_tokens = False
    await sign_in(page, server)
    field = page.get_by_label("Access token")
    await field.fill("nonsense")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_have_text("This is not an access token.")
    await field.fill(token_for("u-zoe", "Zoë"))
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_test_id("signed-in-name")).to_have_text("Zoë")


@pytest.mark.parametrize(("given", "left"), [("#token={}", ""), (f"#/s/{SESSION_ID}?token={{}}", f"#/s/{SESSION_ID}")])
async def test_a_token_in_the_address_signs_in_and_is_wiped(
    page: Page, server: FakeServer, given: str, left: str
) -> None:
    await page.goto(f"{server.url}/{given.format(token_for('u-zoe', 'Zoe'))}")
    await expect(page.get_by_test_id("signed-in-name")).to_have_text("Zoe")
    assert await page.evaluate("location.hash") == left


async def test_a_link_to_a_session_survives_signing_in(page: Page, server: FakeServer) -> None:
    await sign_in(page, server, f"/#/s/{SESSION_ID}")
    await expect(page.get_by_role("heading", name="Baking bread")).to_be_visible()
    assert (await server.wait_for("hello"))["token"] == token_for("u-hana", "Hana")


async def test_the_list_shows_what_is_live_and_reads_nothing_as_html(page: Page, server: FakeServer) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    server.sessions = [session(title=hostile, description=hostile, host_name=hostile, viewer_count=12)]
    await sign_in(page, server, name=hostile)
    card = page.get_by_test_id("session-card")
    await expect(card).to_contain_text(hostile)
    await expect(card).to_contain_text("12")
    assert await page.locator("img").count() == 0
    server.sessions = []
    await expect(card).to_have_count(0, timeout=15_000)
    await expect(page.get_by_role("status")).to_contain_text("Nobody is live")


async def test_the_list_is_searched_by_the_server(page: Page, server: FakeServer) -> None:
    asked = []

    async def search(route: Route) -> None:
        query = parse_qs(urlsplit(route.request.url).query)
        asked.append(query)
        found = [] if "q" in query else [session(), session(id="other", title="Other", settings={"locked": True})]
        await route.fulfill(json={"sessions": found, "next_cursor": None})

    await page.route("**/live/active?*", search)
    await sign_in(page, server)
    await expect(page.get_by_test_id("session-card")).to_have_count(2)
    await expect(page.get_by_test_id("session-card").nth(1)).to_contain_text("Locked")
    await expect(page.get_by_test_id("session-card").nth(1)).to_have_accessible_name(re.compile(", Locked$"))
    await page.get_by_label("Search").fill("flour & water")
    await expect(page.get_by_role("status")).to_have_text("No live session matches “flour & water”.")
    await page.get_by_label("Order").select_option("viewers")
    await until(lambda: asked[-1]["order"] == ["viewers"], "the order is asked for")
    assert asked[-1]["q"] == ["flour & water"]


async def test_more_sessions_are_read_when_they_are_wanted(page: Page, server: FakeServer) -> None:
    async def pages(route: Route) -> None:
        last = "cursor=" in route.request.url
        found = session(id="b", title="Second page") if last else session(id="a", title="First page")
        await route.fulfill(json={"sessions": [found], "next_cursor": None if last else "next"})

    await page.route("**/live/active?*", pages)
    await sign_in(page, server)
    await expect(page.get_by_test_id("session-card")).to_have_text(re.compile("First page"))
    await page.get_by_role("button", name="Show more").click()
    await expect(page.get_by_test_id("session-card")).to_have_count(2)
    await expect(page.get_by_role("button", name="Show more")).to_be_hidden()


async def test_going_live_sends_the_form_and_keeps_the_camera(page: Page, server: FakeServer) -> None:
    server.as_person("Hana", "host")
    await sign_in(page, server)
    await page.get_by_role("button", name="Go live").click()
    preview = page.get_by_test_id("preview")
    await until(lambda: preview.evaluate("(video) => video.videoWidth"), "the preview shows the camera")
    await page.get_by_label("Title").fill("  Bread ")
    await page.get_by_label("Description").fill("With seeds")
    await page.get_by_label("Approve each guest").uncheck()
    await page.get_by_role("button", name="Start session").click()
    offer = await server.wait_for("publish_offer")
    assert set(offer["sources"].values()) <= {"camera", "microphone"}
    assert server.started == [
        {
            "title": "Bread",
            "description": "With seeds",
            "session_type": "camera",
            "allow_guests": True,
            "require_approval": False,
        }
    ]
    assert page.url.endswith(f"#/s/{SESSION_ID}")


async def test_a_host_decides_more_before_going_live(page: Page, server: FakeServer) -> None:
    server.as_person("Hana", "host")
    await sign_in(page, server)
    await page.get_by_role("button", name="Go live").click()
    await page.get_by_label("Title").fill("Bread")
    await page.get_by_text("More settings").click()
    await page.get_by_label("Maximum guests").fill("21")
    await page.get_by_label("Slow mode").select_option("30")
    await page.get_by_role("switch", name="Gifts").check()
    await page.get_by_text("More settings").click()
    await page.get_by_role("button", name="Start session").click()
    await expect(page.get_by_label("Maximum guests")).to_be_visible()
    assert not server.started, "what is out of range is shown, and not sent"
    await page.get_by_label("Maximum guests").fill("4")
    await page.get_by_role("button", name="Start session").click()
    await expect(page.get_by_test_id("stage")).to_be_visible()
    changed = {name: server.started[0].get(name) for name in ("max_guests", "slow_mode_s", "enable_gifts")}
    assert changed == {"max_guests": 4, "slow_mode_s": 30, "enable_gifts": True}
    assert "max_participants" not in server.started[0]


async def test_refused_devices_are_explained_and_do_not_stop_a_host(page: Page, server: FakeServer) -> None:
    server.as_person("Hana", "host")
    await page.add_init_script(NO_DEVICES)
    await sign_in(page, server)
    await page.get_by_role("button", name="Go live").click()
    await expect(page.get_by_test_id("device-status")).to_contain_text("not allowed")
    await page.get_by_role("button", name="Continue without").click()
    await page.get_by_label("Title").fill("Quiet")
    await page.get_by_role("button", name="Start session").click()
    await expect(page.get_by_test_id("tile")).to_have_count(1)
    await expect(page.get_by_test_id("banner")).to_be_empty()
    assert not server.received["publish_offer"]


async def test_an_audio_session_wants_no_camera(page: Page, server: FakeServer) -> None:
    await sign_in(page, server)
    await page.get_by_role("button", name="Go live").click()
    await expect(page.get_by_test_id("device-status")).to_have_text(re.compile("Camera, Microphone"))
    await page.get_by_role("radio", name="Audio only").check()
    await expect(page.get_by_test_id("device-status")).to_have_text("Ready: Microphone")
    await expect(page.get_by_test_id("preview")).to_be_hidden()


async def test_who_is_live_already_is_shown_the_way(page: Page, server: FakeServer) -> None:
    details = {"session_id": SESSION_ID}
    server.start_answer = (409, {"error": {"code": "already_live", "message": "Already.", "details": details}})
    await sign_in(page, server)
    await page.get_by_role("button", name="Go live").click()
    await page.get_by_label("Title").fill("Twice")
    await page.get_by_role("button", name="Start session").click()
    await expect(page.get_by_role("alert")).to_contain_text("You are live already.")
    await page.get_by_role("link", name="Go to your session").click()
    await server.wait_for("hello")
