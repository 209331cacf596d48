"""Ways to every page, and to the states of it that look different."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from playwright.async_api import Page, expect

from control_api.http import openapi
from control_api.http.routes import DEV_ROUTES, ROUTES
from tests.support.waiting import until
from tests.web.fake_server import (
    SESSION_ID,
    STATS,
    FakeServer,
    chat_message,
    guest_request,
    participant,
    session,
    token_for,
)

State = Callable[[Page, FakeServer], Awaitable[None]]

STATES: list[State] = []
TALK = [
    chat_message(1, "Hello, see https://a.example/bread", "Ana"),
    chat_message(
        2, name=None, kind="system", data={"event": "joined", "user_id": "u", "name": "Bo", "count": 1, "names": ["Bo"]}
    ),
    chat_message(
        3,
        "",
        "Gus",
        kind="gift",
        data={"gift_id": "rose", "gift_name": "Rose", "icon": "🌹", "quantity": 3, "value": 3},
    ),
    chat_message(4, "", "Gus", deleted_at="2026-01-01T12:00:00Z"),
    chat_message(5, "Mine", "Vera"),
    chat_message(6, "Welcome", "Hana"),
]
CROWD = [
    participant("Hana", "host"),
    participant("Co", "cohost", video_muted=True),
    participant("Ana", "guest", audio_muted=True, video_locked=True),
    participant("Bo", "guest", connected=False),
    participant("Vic", "viewer", chat_silenced=True),
]


def state(walk: State) -> State:
    STATES.append(walk)
    return walk


async def enter(page: Page, server: FakeServer) -> None:
    server.welcome["messages"] = TALK
    await page.goto(f"{server.url}/#/s/{SESSION_ID}?token={token_for('u-me', 'Me')}")
    await page.get_by_test_id("stage").wait_for()


async def seen(page: Page) -> None:
    """Until the preview shows the camera. The page's policy lets the browser wait for no condition in a string."""
    preview = page.get_by_test_id("preview")
    await until(lambda: preview.evaluate("(video) => video.videoWidth"), "the preview shows the camera")


async def enter_as_host(page: Page, server: FakeServer) -> None:
    requests = [guest_request("Vic", message="Me, please!"), guest_request("Zoe")]
    server.as_person("Hana", "host", CROWD[1:], requests=requests)
    server.welcome["session"] = session(settings={"enable_gifts": True, "slow_mode_s": 30}, description="Sourdough")
    await enter(page, server)


@state
async def sign_in(page: Page, server: FakeServer) -> None:
    await page.goto(server.url)
    await page.get_by_test_id("sign-in-name").wait_for()


@state
async def sign_in_by_token(page: Page, server: FakeServer) -> None:
    server.dev_tokens = False
    await sign_in(page, server)
    await page.get_by_test_id("sign-in-name").fill("Zoe")
    await page.get_by_test_id("sign-in-button").click()
    await page.get_by_test_id("sign-in-token").fill("nonsense")
    await page.get_by_test_id("sign-in-button").click()
    await expect(page.get_by_role("alert")).not_to_be_empty()


@state
async def landing(page: Page, server: FakeServer) -> None:
    server.sessions = [session(description="With seeds"), session(id="other", settings={"locked": True})]
    await page.goto(f"{server.url}/#token={token_for('u-zoe', 'Zoe')}")
    await expect(page.get_by_test_id("session-card")).to_have_count(2)


@state
async def nobody_live(page: Page, server: FakeServer) -> None:
    server.sessions = []
    await page.goto(f"{server.url}/#token={token_for('u-zoe', 'Zoe')}")
    await expect(page.get_by_role("status")).to_contain_text("Nobody is live")


@state
async def preferences(page: Page, server: FakeServer) -> None:
    await landing(page, server)
    await page.get_by_test_id("preferences").click()
    await expect(page.get_by_role("dialog")).to_be_visible()


@state
async def going_live(page: Page, server: FakeServer) -> None:
    await landing(page, server)
    await page.get_by_test_id("go-live").click()
    await seen(page)


@state
async def going_live_without_devices(page: Page, server: FakeServer) -> None:
    refuse = "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('no', 'NotAllowedError'); };"
    await page.add_init_script(refuse)
    await landing(page, server)
    await page.get_by_test_id("go-live").click()
    await expect(page.get_by_test_id("device-status")).to_contain_text("not allowed")


@state
async def watching(page: Page, server: FakeServer) -> None:
    server.as_person("Vera", "viewer", CROWD[:-1])
    await enter(page, server)
    await expect(page.get_by_test_id("tile")).to_have_count(4)


@state
async def asking(page: Page, server: FakeServer) -> None:
    server.replies["request_guest"] = lambda _: {
        "type": "guest_request_created",
        "request": guest_request("Vera"),
    }
    await watching(page, server)
    await page.get_by_test_id("ask-to-join").click()
    await page.get_by_test_id("cancel-request").wait_for()


@state
async def invited(page: Page, server: FakeServer) -> None:
    await watching(page, server)
    await server.push("invited", request=guest_request("Vera", kind="invitation", invited_by="u-hana"))
    await page.get_by_test_id("accept-invitation").wait_for()


@state
async def not_sent(page: Page, server: FakeServer) -> None:
    server.replies["send_message"] = lambda _: {"type": "error", "code": "silenced", "message": "No."}
    await watching(page, server)
    await page.get_by_test_id("chat-input").fill("Hmpf")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Not sent.")).to_be_visible()
    await page.get_by_test_id("chat-input").fill("More")


@state
async def menu_of_a_message(page: Page, server: FakeServer) -> None:
    await watching(page, server)
    await page.get_by_role("button", name="Actions on the message of Vera").press("Enter")
    await expect(page.get_by_role("menu")).to_be_visible()


@state
async def connection_lost(page: Page, server: FakeServer) -> None:
    await watching(page, server)
    await page.context.set_offline(True)
    await expect(page.get_by_test_id("banner")).to_contain_text("Reconnecting")


@state
async def green_room(page: Page, server: FakeServer) -> None:
    await watching(page, server)
    await server.push("participant_updated", participant=participant("Vera", "guest", audio_locked=True))
    await page.get_by_test_id("green-room").wait_for()
    await seen(page)


@state
async def on_stage(page: Page, server: FakeServer) -> None:
    await green_room(page, server)
    await page.get_by_test_id("go-on-stage").click()
    await server.wait_for("publish_offer")
    await page.get_by_test_id("leave-stage").wait_for()


@state
async def devices(page: Page, server: FakeServer) -> None:
    await on_stage(page, server)
    await page.get_by_test_id("device-settings").click()
    await page.get_by_test_id("device-dialog").wait_for()
    await page.get_by_test_id("device-sound").locator("summary").click()


@state
async def menu_of_a_tile(page: Page, server: FakeServer) -> None:
    await watching(page, server)
    await page.get_by_test_id("tile-menu").first.press("Enter")
    await expect(page.get_by_role("menu")).to_be_visible()


@state
async def pinned(page: Page, server: FakeServer) -> None:
    await menu_of_a_tile(page, server)
    await page.locator("[role=menuitem][data-action=pin]").click()
    await expect(page.get_by_role("img", name="Pinned")).to_be_visible()


@state
async def statistics(page: Page, server: FakeServer) -> None:
    await menu_of_a_tile(page, server)
    await page.locator("[role=menuitem][data-action=statistics]").click()
    await page.get_by_test_id("tile-statistics").wait_for()
    await page.get_by_test_id("statistics").click()
    await page.get_by_test_id("statistics-panel").wait_for()


@state
async def hosting(page: Page, server: FakeServer) -> None:
    await enter_as_host(page, server)
    await page.get_by_role("button", name="More about Ana").click()
    await expect(page.get_by_role("button", name="Kick Ana")).to_be_visible()


@state
async def banned_people(page: Page, server: FakeServer) -> None:
    ban = {"host_user_id": "u-hana", "user_id": "u-eve", "session_id": SESSION_ID, "name": "Eve", "reason": "Spam"}
    bans = {"bans": [{**ban, "banned_by": "u-hana", "created_at": "2026-01-01T12:00:00Z"}]}
    server.rest["bans"] = lambda _: bans
    await enter_as_host(page, server)
    await page.get_by_text("Banned people").click()
    await page.get_by_test_id("ban-row").wait_for()


@state
async def chat_of_a_host(page: Page, server: FakeServer) -> None:
    await enter_as_host(page, server)
    await page.get_by_test_id("tab-chat").click()
    await server.push("guest_request_created", request=guest_request("Max"))
    await expect(page.get_by_test_id("banner")).to_contain_text("Max")


@state
async def settings(page: Page, server: FakeServer) -> None:
    await enter_as_host(page, server)
    await page.get_by_test_id("tab-settings").click()
    await page.get_by_test_id("settings").wait_for()


@state
async def question(page: Page, server: FakeServer) -> None:
    await hosting(page, server)
    await page.get_by_role("button", name="Ban Ana").click()
    await page.get_by_test_id("confirm").wait_for()


@state
async def gifts(page: Page, server: FakeServer) -> None:
    catalogue = [{"id": name.lower(), "name": name, "icon": "🎂", "value": 20} for name in ("Cake", "Rose")]
    await page.route("**/live/gifts", lambda route: route.fulfill(json={"gifts": catalogue}))
    await enter_as_host(page, server)
    await page.get_by_test_id("gifts").click()
    await expect(page.get_by_role("dialog")).to_be_visible()


@state
async def the_end(page: Page, server: FakeServer) -> None:
    await watching(page, server)
    await server.push("session_ended", reason="host_lost", stats=STATS)
    await server.close(4410, "session_ended")
    await page.get_by_test_id("session-stats").wait_for()


@state
async def documentation(page: Page, server: FakeServer) -> None:
    # A third of the routes has all that differs between them; rules are looked at element by element.
    document = openapi.document((*ROUTES[::3], *DEV_ROUTES))
    await page.route("**/openapi.json", lambda route: route.fulfill(json=document))
    await page.goto(f"{server.url}/docs.html#route-start")
    await page.locator("#route-start .copyable").wait_for()
