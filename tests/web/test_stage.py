"""web/ui: the stage. Where tiles are on a real page, the large one, a tile's menu, and videos that nobody sees."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from tests.support.waiting import until
from tests.web.fake_server import SESSION_ID, FakeServer, participant, token_for

pytestmark = pytest.mark.asyncio(loop_scope="session")

Rect = dict[str, float]

SIZES = [(1280, 800), (1920, 1080), (2560, 1200), (390, 844), (320, 640), (844, 390), (768, 1024)]

RECTS = """
() => {
  const rect = (element) => {
    const { x, y, width, height } = element.getBoundingClientRect();
    return { x, y, width, height };
  };
  const stage = document.querySelector("[data-testid=stage]");
  return {
    stage: { ...rect(stage), scrolls: stage.classList.contains("scrolls") },
    tiles: [...stage.children].map(rect),
  };
}
"""
COUNT_DRAWS = """
(() => {
  const title = Object.getOwnPropertyDescriptor(Document.prototype, "title");
  window.draws = 0;
  const set = (text) => {
    window.draws++;
    title.set.call(document, text);
  };
  Object.defineProperty(document, "title", { get: title.get, set });
})();
"""
HIDE = """
(hidden) => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}
"""
ROUND_TRIP = "window.greenroom.room.request('ping')"
FLOATING = """
let floating = null;
Object.defineProperty(document, "pictureInPictureEnabled", { value: true });
Object.defineProperty(document, "pictureInPictureElement", { get: () => floating });
HTMLVideoElement.prototype.requestPictureInPicture = async function () {
  floating = this;
  this.dispatchEvent(new Event("enterpictureinpicture"));
};
document.exitPictureInPicture = async () => {
  const left = floating;
  floating = null;
  left.dispatchEvent(new Event("leavepictureinpicture"));
};
"""


def stage_of(count: int) -> list[dict[str, Any]]:
    guests = [participant(f"Guest{number}", joined_at=f"2026-01-01T12:{number:02}:00Z") for number in range(1, count)]
    return [participant("Hana", "host"), *guests]


async def enter(page: Page, server: FakeServer) -> None:
    await page.goto(f"{server.url}/#/s/{SESSION_ID}?token={token_for('u-me', 'Me')}")
    await page.get_by_test_id("tile").first.wait_for()


def tile(page: Page, name: str, source: str = "camera") -> Locator:
    return page.locator(f'[data-testid="tile"][data-participant-id="p-{name.lower()}"][data-source="{source}"]')


async def choose(page: Page, of: Locator, action: str) -> None:
    await of.hover()
    await of.get_by_test_id("tile-menu").click()
    await page.locator(f'[role=menuitem][data-action="{action}"]').click()


async def rects(page: Page) -> tuple[Rect, list[Rect]]:
    """Once the page is drawn anew, and the entrance of the tiles is over."""
    await page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    await page.evaluate("() => Promise.all(document.getAnimations().map((animation) => animation.finished))")
    found = await page.evaluate(RECTS)
    return found["stage"], found["tiles"]


def overlap(a: Rect, b: Rect) -> bool:
    across = min(a["x"] + a["width"], b["x"] + b["width"]) - max(a["x"], b["x"])
    down = min(a["y"] + a["height"], b["y"] + b["height"]) - max(a["y"], b["y"])
    return across > 0.5 and down > 0.5


def assert_apart(stage: Rect, tiles: list[Rect]) -> None:
    for index, one in enumerate(tiles):
        assert one["x"] >= stage["x"] - 0.5, one
        assert one["x"] + one["width"] <= stage["x"] + stage["width"] + 0.5, one
        if not stage["scrolls"]:
            assert one["y"] >= stage["y"] - 0.5, one
            assert one["y"] + one["height"] <= stage["y"] + stage["height"] + 0.5, one
        assert not any(overlap(one, other) for other in tiles[index + 1 :]), one


async def test_tiles_are_apart_and_on_the_stage_at_every_count_and_size(page: Page, server: FakeServer) -> None:
    server.as_person("Vera", "viewer", stage_of(1))
    await enter(page, server)
    for count in (1, 2, 3, 4, 5, 9, 16, 21):
        await server.push("roster", participants=stage_of(count), guest_requests=[])
        await expect(page.get_by_test_id("tile")).to_have_count(count)
        for width, height in SIZES:
            await page.set_viewport_size({"width": width, "height": height})

            async def settled(height: int = height) -> bool:
                stage, tiles = await rects(page)
                return stage["y"] + stage["height"] <= height and len({round(one["width"]) for one in tiles}) == 1

            await until(settled, f"the stage of {count} has settled at {width} x {height}")
            stage, tiles = await rects(page)
            assert_apart(stage, tiles)
            left, right = min(one["x"] for one in tiles), max(one["x"] + one["width"] for one in tiles)
            assert abs((left + right) / 2 - stage["x"] - stage["width"] / 2) < 2, "the tiles are in the middle"


async def test_a_tile_is_pinned_by_keyboard_and_released_by_mouse(page: Page, server: FakeServer) -> None:
    server.as_person("Vera", "viewer", stage_of(5))
    await enter(page, server)
    guest = tile(page, "Guest3")
    menu = guest.get_by_role("button", name="Tile of Guest3")
    await menu.focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("menuitem", name="Pin")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(guest).to_have_class(re.compile("large"))
    await expect(menu).to_be_focused()
    await expect(page.get_by_role("article", name="Guest3, Guest, Pinned")).to_be_visible()
    stage, tiles = await rects(page)
    assert_apart(stage, tiles)
    large = tiles[3]
    others = [*tiles[:3], tiles[4]]
    assert all(one["x"] > large["x"] + large["width"] for one in others), "the others are beside it"
    assert all(one["width"] < large["width"] / 2 for one in others)
    await server.push("participant_left", participant_id="p-guest1", reason="left")
    await expect(page.get_by_test_id("tile")).to_have_count(4)
    await expect(guest).to_have_class(re.compile("large"))
    await guest.dblclick(position={"x": 60, "y": 60})
    await expect(page.locator(".tile.large")).to_have_count(0)
    await guest.dblclick(position={"x": 60, "y": 60})
    await expect(guest).to_have_class(re.compile("large"))
    await server.push("participant_left", participant_id="p-guest3", reason="left")
    await expect(page.locator(".tile.large")).to_have_count(0)


async def test_a_pin_on_a_phone_has_the_others_below(page: Page, server: FakeServer) -> None:
    await page.set_viewport_size({"width": 390, "height": 844})
    server.as_person("Vera", "viewer", stage_of(21))
    await enter(page, server)
    guest = tile(page, "Guest2")
    await choose(page, guest, "pin")
    await expect(guest).to_have_class(re.compile("large"))
    # On the way to the tile the stage may have been scrolled.
    await page.get_by_test_id("stage").evaluate("(stage) => stage.scrollTo(0, 0)")
    stage, tiles = await rects(page)
    assert stage["scrolls"]
    assert all(one["y"] > tiles[2]["y"] + tiles[2]["height"] for index, one in enumerate(tiles) if index != 2)
    last = page.get_by_test_id("tile").last
    await last.scroll_into_view_if_needed()
    await expect(last).to_be_in_viewport()
    _, scrolled = await rects(page)
    assert abs(scrolled[2]["y"] - stage["y"]) < 1, "the large one stays"


async def test_hosts_moderate_from_the_tile(page: Page, server: FakeServer) -> None:
    server.as_person("Boss", "host", [participant("Ana")])
    await enter(page, server)
    await choose(page, tile(page, "Ana"), "mute_audio")
    managed = await server.wait_for("manage_participant")
    assert (managed["participant_id"], managed["action"]) == ("p-ana", "mute_audio")
    await choose(page, tile(page, "Ana"), "kick")
    await page.get_by_test_id("confirm-cancel").click()
    assert len(server.received["manage_participant"]) == 1
    await tile(page, "Boss").hover()
    await tile(page, "Boss").get_by_test_id("tile-menu").click()
    await expect(page.locator("[data-action=kick][role=menuitem]")).to_have_count(0)


async def test_changes_are_drawn_once_in_a_frame(page: Page, server: FakeServer) -> None:
    server.as_person("Vera", "viewer", stage_of(9))
    await page.add_init_script(COUNT_DRAWS)
    await enter(page, server)
    before = await page.evaluate("window.draws")
    await page.evaluate(
        """() => {
          const { state } = window.greenroom.room;
          const hana = state.participants.get("p-hana");
          for (let index = 0; index < 500; index++) {
            const participant = { ...hana, audio_muted: index % 2 === 0 };
            state.apply({ type: "participant_updated", participant });
          }
        }"""
    )
    await expect(tile(page, "Hana")).to_have_attribute("data-audio", "on")
    await page.evaluate("() => new Promise((done) => setTimeout(done, 400))")
    assert await page.evaluate("window.draws") - before <= 2


async def test_a_page_in_the_background_still_plays_who_comes(page: Page, server: FakeServer, far_end: Page) -> None:
    """Browsers draw no frames then."""
    await page.add_init_script("window.requestAnimationFrame = () => 1;")
    server.as_person("Vera", "viewer", [sending("Hana", "host")])
    await enter(page, server)
    await send(server, far_end, ["hana"])
    video = tile(page, "Hana").locator("video")
    await until(lambda: video.evaluate("(video) => video.videoWidth"), "the host is seen")


# Videos that nobody sees


def sending(name: str, role: str = "guest", *sources: str) -> dict[str, Any]:
    entries = [
        {"source": source, "kind": "video", "producer_id": f"{source}-{name.lower()}", "paused": False}
        for source in sources or ("camera",)
    ]
    return participant(name, role, sources=entries)


async def send(server: FakeServer, far_end: Page, names: list[str], source: str = "camera") -> None:
    """Offer a video of each and finish the handshake."""
    offer = await far_end.evaluate("(kinds) => farEnd.offer(kinds, true)", ["video"] * len(names))
    tracks = [
        {
            "mid": mid,
            "participant_id": f"p-{name}",
            "source": source,
            "kind": "video",
            "producer_id": f"{source}-{name}",
        }
        for mid, name in zip(offer.pop("mids"), names, strict=True)
    ]
    answers = len(server.received["receive_answer"])
    await server.push("receive_offer", tracks=tracks, **offer)
    answer = await server.wait_for("receive_answer", answers + 1)
    await far_end.evaluate("(sdp) => farEnd.accept(sdp)", answer["sdp"])


def paused_now(server: FakeServer) -> set[str]:
    """What the server was last told not to send."""
    told = {message["producer_id"]: message["paused"] for message in server.received["set_subscription"]}
    return {producer for producer, paused in told.items() if paused}


async def test_a_shared_screen_is_large_until_it_ends(page: Page, server: FakeServer, far_end: Page) -> None:
    people = [sending("Hana", "host", "screen"), participant("Ana"), participant("Bo")]
    server.as_person("Vera", "viewer", people)
    await enter(page, server)
    await send(server, far_end, ["hana"], "screen")
    screen = tile(page, "Hana", "screen")
    await expect(screen).to_have_class(re.compile("large"))
    await until(lambda: screen.locator("video").evaluate("(video) => video.videoWidth"), "the screen is seen")
    stage, tiles = await rects(page)
    assert_apart(stage, tiles)
    large = tiles[0]
    assert abs(large["width"] / large["height"] - 16 / 9) < 0.02, "nothing of a screen is cut off"
    assert all(one["x"] > large["x"] + large["width"] for one in tiles[1:])
    await choose(page, screen, "release")
    await expect(page.locator(".tile.large")).to_have_count(0)
    await choose(page, tile(page, "Ana"), "pin")
    await choose(page, tile(page, "Ana"), "release")
    await choose(page, screen, "pin")
    await expect(screen).to_have_class(re.compile("large"))
    await send(server, far_end, ["ana"])
    await expect(screen).to_have_count(0)
    await expect(page.locator(".tile.large")).to_have_count(0)


async def test_a_page_in_the_background_asks_for_no_video(page: Page, server: FakeServer, far_end: Page) -> None:
    server.as_person("Vera", "viewer", [sending("Hana", "host"), sending("Ana")])
    await enter(page, server)
    await send(server, far_end, ["hana", "ana"])
    await expect(page.locator(".tile.has-video")).to_have_count(2)
    await page.evaluate(HIDE, True)
    await until(lambda: paused_now(server) == {"camera-hana", "camera-ana"}, "both videos are paused")
    told = len(server.received["set_subscription"])
    await page.evaluate(HIDE, False)
    await until(lambda: not paused_now(server), "both are back")
    assert len(server.received["set_subscription"]) == told + 2


async def test_a_glance_at_another_window_costs_nothing(page: Page, server: FakeServer, far_end: Page) -> None:
    server.as_person("Vera", "viewer", [sending("Hana", "host")])
    await enter(page, server)
    await send(server, far_end, ["hana"])
    await expect(page.locator(".tile.has-video")).to_have_count(1)
    await page.evaluate(HIDE, True)
    await page.evaluate(HIDE, False)
    await page.evaluate("() => new Promise((done) => setTimeout(done, 1300))")
    assert not server.received["set_subscription"]


async def test_videos_scrolled_off_and_behind_one_that_fills_the_screen_are_paused(
    page: Page, server: FakeServer, far_end: Page
) -> None:
    await page.set_viewport_size({"width": 390, "height": 844})
    people = [sending("Hana", "host"), *(participant(f"Guest{number}") for number in range(18)), sending("Zoe")]
    people[-1]["joined_at"] = "2026-01-01T13:00:00Z"
    server.as_person("Vera", "viewer", people)
    await enter(page, server)
    await send(server, far_end, ["hana", "zoe"])
    await until(lambda: paused_now(server) == {"camera-zoe"}, "the last tile is below the edge")
    await tile(page, "Zoe").scroll_into_view_if_needed()
    await until(lambda: paused_now(server) == {"camera-hana"}, "now the first is above it")
    await choose(page, tile(page, "Zoe"), "pin")
    await page.get_by_test_id("stage").evaluate("(stage) => stage.scrollTo(0, 0)")
    await until(lambda: not paused_now(server), "both are seen")
    await choose(page, tile(page, "Hana"), "full-screen")
    await until(lambda: page.evaluate("document.fullscreenElement?.dataset.participantId"), "a tile fills the screen")
    await until(lambda: paused_now(server) == {"camera-zoe"}, "what is behind it is paused")
    await choose(page, tile(page, "Hana"), "full-screen")
    await until(lambda: not paused_now(server), "both are seen again")


async def test_who_fills_the_screen_can_be_managed(page: Page, server: FakeServer) -> None:
    server.as_person("Boss", "host", [participant("Ana")])
    await enter(page, server)
    await choose(page, tile(page, "Ana"), "full-screen")
    await until(lambda: page.evaluate("document.fullscreenElement?.dataset.participantId"), "a tile fills the screen")
    await choose(page, tile(page, "Ana"), "kick")
    await page.get_by_test_id("confirm-yes").click()
    assert (await server.wait_for("manage_participant"))["action"] == "kick"
    await tile(page, "Ana").dblclick(position={"x": 60, "y": 60})
    await until(lambda: page.evaluate("document.fullscreenElement === null"), "it is a tile again")


async def test_a_video_that_floats_goes_on_in_the_background(page: Page, server: FakeServer, far_end: Page) -> None:
    await page.add_init_script(FLOATING)
    server.as_person("Vera", "viewer", [sending("Hana", "host"), sending("Ana")])
    await enter(page, server)
    await send(server, far_end, ["hana", "ana"])
    video = tile(page, "Hana").locator("video")
    await until(lambda: video.evaluate("(video) => video.videoWidth"), "the host is seen")
    await choose(page, tile(page, "Hana"), "picture-in-picture")
    await page.evaluate(HIDE, True)
    await until(lambda: paused_now(server) == {"camera-ana"}, "only the other one is paused")
    await page.evaluate("document.exitPictureInPicture()")
    await until(lambda: paused_now(server) == {"camera-hana", "camera-ana"}, "nobody sees the host any more")


async def test_a_paused_video_stays_paused_through_a_lost_connection(
    page: Page, server: FakeServer, far_end: Page
) -> None:
    server.as_person("Vera", "viewer", [sending("Hana", "host")])
    await enter(page, server)
    await send(server, far_end, ["hana"])
    await expect(page.locator(".tile.has-video")).to_have_count(1)
    await page.evaluate(HIDE, True)
    await until(lambda: paused_now(server), "the video is paused")
    await page.evaluate(ROUND_TRIP)
    server.welcome = {**server.welcome, "resumed": True}
    server.cut()
    await server.wait_for("hello", 2)
    await until(lambda: page.evaluate("window.greenroom.room.status === 'connected'"), "it is back")
    await page.evaluate(ROUND_TRIP)
    assert len(server.received["set_subscription"]) == 1, "a server that knows is not told again"
    server.received["set_subscription"].clear()
    server.welcome = {**server.welcome, "resumed": False}
    server.cut()
    await server.wait_for("hello", 3)
    await server.wait_for("set_subscription")
    assert paused_now(server) == {"camera-hana"}, "a server that has forgotten is told again"
