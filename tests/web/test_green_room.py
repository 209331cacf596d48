"""web/ui: between being let on stage and being seen there."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from tests.support.waiting import until
from tests.web.fake_server import SESSION_ID, FakeServer, participant, token_for
from tests.web.sender import Sender, source_state

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOST = participant("Hana", "host", sources=[source_state("p-hana", "microphone")])
NEVER_ON_STAGE = "sessionStorage.clear(); sessionStorage.setItem('seeded', 'true');"
LOUDNESS = """
async () => {
  const { track } = window.greenroom.room.receiver.find("p-hana", "microphone");
  const context = new AudioContext();
  const analyser = new AnalyserNode(context, { fftSize: 32768 });
  context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
  let loudest = 0;
  const samples = new Float32Array(analyser.fftSize);
  for (let turn = 0; turn < 15; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    analyser.getFloatTimeDomainData(samples);
    loudest = Math.max(loudest, ...samples.map(Math.abs));
  }
  await context.close();
  return loudest;
}
"""
OPEN_TRACKS = """
() => {
  // An empty page has none.
  const devices = navigator.mediaDevices ?? {};
  const real = devices.getUserMedia?.bind(devices);
  window.opened = [];
  devices.getUserMedia = async (wanted) => {
    const stream = await real(wanted);
    opened.push(...stream.getTracks());
    return stream;
  };
}
"""


AUDIBLE = 'greenroom.room.receiver.find("p-hana", "microphone").track.enabled'


async def is_heard(page: Page, browser_name: str) -> bool:
    """Whether the host's sound comes out of the page. Firefox measures none on a machine without a speaker."""
    audible = bool(await page.evaluate(AUDIBLE))
    if browser_name == "chromium":
        assert (await page.evaluate(LOUDNESS) > 0.01) is audible
    return audible


async def enter(page: Page, server: FakeServer) -> None:
    await page.add_init_script(f"({OPEN_TRACKS})()")
    await page.goto(f"{server.url}/#/s/{SESSION_ID}?token={token_for('u-me', 'Me')}")
    await page.get_by_test_id("stage").wait_for()


async def let_on_stage(page: Page, server: FakeServer, **changes: Any) -> Locator:
    """A viewer is approved. Returns the green room."""
    await server.push("participant_updated", participant=participant("Vera", "guest", **changes))
    room = page.get_by_role("dialog", name="Get ready")
    await expect(room).to_be_visible()
    return room


async def devices_are_open(page: Page, state: str = "live") -> None:
    async def all_are() -> bool:
        return list(await page.evaluate("opened.map((track) => track.readyState)")) == [state, state]

    await until(all_are, f"both devices are {state}")


async def published(server: FakeServer, count: int = 1) -> list[str]:
    return sorted((await server.wait_for("publish_offer", count))["sources"].values())


@pytest.mark.parametrize("browser_name", ["chromium", "firefox"])
async def test_nothing_is_sent_or_heard_before_the_user_goes_on_stage(
    page: Page, server: FakeServer, far_end: Page, browser_name: str
) -> None:
    server.as_person("Vera", "viewer", [HOST])
    await enter(page, server)
    sender = Sender(page, server, far_end)
    await sender.offer([("p-hana", "microphone", "audio")], ["audio"], fresh=True)
    await sender.speak("p-hana", 0.5)
    await sender.arrives("p-hana", "microphone")
    assert await is_heard(page, browser_name)

    room = await let_on_stage(page, server)
    preview = room.get_by_test_id("preview")
    await until(lambda: preview.evaluate("(video) => video.videoWidth"), "the user sees themselves")
    await expect(preview).to_have_class(re.compile("mirrored"))
    assert not await is_heard(page, browser_name)
    assert not server.received["publish_offer"]

    await room.get_by_role("button", name="Go on stage").click()
    assert await published(server) == ["camera", "microphone"]
    await expect(room).to_have_count(0)
    await expect(page.get_by_test_id("banner")).to_contain_text("You are on stage.")
    assert await is_heard(page, browser_name)


async def test_not_now_leaves_the_stage_and_closes_the_devices(page: Page, server: FakeServer) -> None:
    await enter(page, server)
    room = await let_on_stage(page, server)
    await devices_are_open(page)
    await room.get_by_role("button", name="Not now").click()
    await server.wait_for("leave_stage")
    await devices_are_open(page, "ended")
    await server.push("participant_updated", participant=participant("Vera", "viewer"))
    await expect(page.get_by_test_id("ask-to-join")).to_be_visible()
    assert not server.received["publish_offer"]


async def test_who_could_not_leave_the_stage_is_asked_again(page: Page, server: FakeServer) -> None:
    server.replies["leave_stage"] = lambda _: {"type": "error", "code": "database_unavailable", "message": "Later."}
    await enter(page, server)
    room = await let_on_stage(page, server)
    await room.get_by_role("button", name="Not now").click()
    await server.wait_for("leave_stage")
    await expect(room).to_be_visible()
    assert not server.received["publish_offer"]


async def test_who_types_in_the_chat_does_not_go_on_stage_by_a_slip(page: Page, server: FakeServer) -> None:
    await enter(page, server)
    await page.get_by_test_id("chat-input").press_sequentially("Hello eve")
    await let_on_stage(page, server)
    await page.keyboard.type("rybody")
    await page.keyboard.press("Enter")
    await page.keyboard.press("Space")
    await expect(page.get_by_role("dialog", name="Get ready")).to_be_visible()
    assert not server.received["publish_offer"]
    await page.keyboard.press("Escape")
    await server.wait_for("leave_stage")
    await expect(page.get_by_test_id("chat-input")).to_have_value("Hello eve")
    await expect(page.get_by_test_id("chat-input")).to_be_focused()


@pytest.mark.parametrize("how", ["sent back", "ended"])
async def test_the_question_goes_away_with_the_stage(page: Page, server: FakeServer, how: str) -> None:
    await enter(page, server)
    room = await let_on_stage(page, server)
    await devices_are_open(page)
    if how == "ended":
        await server.close(4410, "session_ended")
    else:
        await server.push("participant_updated", participant=participant("Vera", "viewer"))
    await expect(room).to_have_count(0)
    await devices_are_open(page, "ended")
    assert not server.received["leave_stage"]


async def test_what_is_switched_off_is_not_sent_and_stays_off_through_a_reload(page: Page, server: FakeServer) -> None:
    await enter(page, server)
    room = await let_on_stage(page, server)
    await devices_are_open(page)
    camera = room.get_by_role("button", name="Camera")
    await expect(camera).to_have_attribute("aria-pressed", "true")
    await camera.click()
    await expect(camera).to_have_attribute("aria-pressed", "false")
    await expect(room.get_by_test_id("preview")).to_be_hidden()
    await room.get_by_role("button", name="Go on stage").click()
    assert await published(server) == ["microphone"]

    server.as_person("Vera", "guest", [HOST])
    await page.reload()
    assert await published(server, 2) == ["microphone"]
    await page.get_by_role("button", name="Turn camera on").click()
    await until(
        lambda: sorted(server.received["publish_offer"][-1]["sources"].values()) == ["camera", "microphone"],
        "the camera is sent",
    )


async def test_who_never_said_that_they_want_to_be_seen_is_asked_also_after_a_reload(
    page: Page, server: FakeServer
) -> None:
    await enter(page, server)
    await page.evaluate(NEVER_ON_STAGE)
    server.as_person("Vera", "cohost", [HOST])
    await page.goto("about:blank")
    await enter(page, server)
    room = page.get_by_role("dialog", name="Get ready")
    await expect(room).to_be_visible()
    assert not server.received["publish_offer"]
    await room.get_by_role("button", name="Go on stage").click()
    assert await published(server) == ["camera", "microphone"]
    remembered = json.loads(await page.evaluate("sessionStorage.getItem('greenroom.onstage')"))
    assert remembered == {"session": SESSION_ID, "without": []}


async def test_a_lost_connection_does_not_answer_the_question(page: Page, server: FakeServer) -> None:
    await enter(page, server)
    room = await let_on_stage(page, server)
    server.as_person("Vera", "guest", [HOST])
    server.cut()
    await server.wait_for("hello", 2)
    await expect(room).to_be_visible()
    assert not server.received["publish_offer"]
    await room.get_by_role("button", name="Go on stage").click()
    assert await published(server) == ["camera", "microphone"]


async def test_an_audio_session_asks_for_no_camera(page: Page, server: FakeServer) -> None:
    server.welcome["session"]["session_type"] = "audio"
    await enter(page, server)
    room = await let_on_stage(page, server)
    await expect(room.get_by_test_id("device-status")).to_have_text("Ready: Microphone")
    await expect(room.get_by_test_id("choose-camera")).to_be_hidden()
    await room.get_by_role("button", name="Go on stage").click()
    assert await published(server) == ["microphone"]
