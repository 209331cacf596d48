"""web/lib/own_media.js and own_devices.js: what a room opens itself it closes again, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page

from tests.support.waiting import until
from tests.web.fake_server import SESSION_ID, FakeServer, participant

pytestmark = pytest.mark.asyncio(loop_scope="session")

JOIN = """
async ([server, sessionId]) => {
  const { join } = await import("/lib/index.js");
  window.room = await join({ server, sessionId, token: "the-token" });
  window.asked = [];
  window.missing = null;
  window.ended = [];
  room.addEventListener("unpublished", ({ detail }) => ended.push(detail.source));
  const devices = navigator.mediaDevices;
  const open = devices.getUserMedia.bind(devices);
  devices.getUserMedia = (wanted) => {
    asked.push(Object.keys(wanted).sort().join(" and "));
    return missing in wanted ? Promise.reject(new DOMException("", "NotFoundError")) : open(wanted);
  };
  devices.getDisplayMedia = () => open({ video: true, audio: true });
}
"""
PUBLISH_BOTH = """
async () => {
  const settled = await Promise.allSettled([room.publish("camera"), room.publish("microphone")]);
  window.own = Object.fromEntries(settled.map(({ value }, index) => [["camera", "microphone"][index], value]));
  return settled.map(({ value, reason }) => reason?.code ?? value.readyState);
}
"""


@pytest_asyncio.fixture(loop_scope="session")
async def room(page: Page, server: FakeServer, far_end: Page) -> Page:
    """A guest's page that sends nothing yet."""
    server.as_person("Gus", "guest", [participant("Hana", "host")])
    await page.goto(f"{server.url}/icon.svg")
    await page.evaluate(JOIN, [server.url, SESSION_ID])
    return page


def sources(server: FakeServer) -> list[str]:
    """What the last offer sends."""
    return sorted(server.received["publish_offer"][-1]["sources"].values())


@pytest.mark.parametrize("browser_name", ["chromium", "firefox"])
async def test_camera_and_microphone_are_one_question(room: Page, server: FakeServer) -> None:
    assert await room.evaluate(PUBLISH_BOTH) == ["live", "live"]
    assert await room.evaluate("asked") == ["audio and video"]
    assert sources(server) == ["camera", "microphone"]


async def test_who_has_no_camera_goes_on_with_the_microphone(room: Page, server: FakeServer) -> None:
    await room.evaluate("() => { window.missing = 'video'; }")
    assert await room.evaluate(PUBLISH_BOTH) == ["device_not_found", "live"]
    assert sources(server) == ["microphone"]


async def test_what_is_open_is_not_opened_twice(room: Page, server: FakeServer) -> None:
    assert await room.evaluate(
        "room.publish('camera').then((one) => room.publish('camera').then((two) => one === two))"
    )
    assert await room.evaluate("asked") == ["video"]


async def test_a_source_that_ends_closes_its_device(room: Page, server: FakeServer) -> None:
    await room.evaluate(PUBLISH_BOTH)
    await room.evaluate("room.unpublish('camera')")
    assert await room.evaluate("[own.camera.readyState, own.microphone.readyState]") == ["ended", "live"]
    assert sources(server) == ["microphone"]
    assert await room.evaluate("ended") == [], "who ended it needs no news of it"


async def test_a_screen_brings_its_sound_and_takes_it_along(room: Page, server: FakeServer) -> None:
    await room.evaluate("room.publish('screen')")
    assert sources(server) == ["screen", "screen_audio"]
    await room.evaluate("room.unpublish('screen')")
    assert sources(server) == []


async def test_leaving_the_stage_closes_devices_for_good(room: Page, server: FakeServer) -> None:
    await room.evaluate(PUBLISH_BOTH)
    await server.push("participant_updated", participant=participant("Gus", "viewer"))
    await until(lambda: room.evaluate("own.camera.readyState === 'ended'"), "the camera's light goes out")
    offers = len(server.received["publish_offer"])
    await server.push("participant_updated", participant=participant("Gus", "guest"))
    await until(lambda: room.evaluate("room.state.you.role === 'guest'"), "the guest is back")
    assert await room.evaluate("room.publish('microphone').then((track) => track.readyState)") == "live"
    assert len(server.received["publish_offer"]) == offers + 1
    assert sources(server) == ["microphone"]


async def test_a_room_that_is_left_closes_devices(room: Page, server: FakeServer) -> None:
    await room.evaluate(PUBLISH_BOTH)
    await room.evaluate("room.disconnect()")
    assert await room.evaluate("own.camera.readyState") == "ended"


async def test_a_track_that_was_given_stays_its_owners(room: Page, server: FakeServer) -> None:
    await room.evaluate(
        "navigator.mediaDevices.getUserMedia({ video: true }).then((s) => { window.given = s.getTracks()[0]; })"
    )
    assert await room.evaluate("room.publish('camera', given).then((track) => track === given)")
    await room.evaluate("room.unpublish('camera')")
    await room.evaluate("room.disconnect()")
    assert await room.evaluate("given.readyState") == "live"


async def test_a_given_track_takes_the_place_of_an_opened_one(room: Page, server: FakeServer) -> None:
    await room.evaluate(PUBLISH_BOTH)
    await room.evaluate("room.publish('camera', own.camera.clone())")
    assert await room.evaluate("own.camera.readyState") == "ended"
    assert len(server.received["publish_offer"]) == 1, "another track needs no offer"


async def test_a_device_that_is_unplugged_is_told(room: Page, server: FakeServer) -> None:
    await room.evaluate(PUBLISH_BOTH)
    await room.evaluate("own.camera.dispatchEvent(new Event('ended'))")
    await server.wait_for("publish_offer", 2)
    assert sources(server) == ["microphone"]
    assert await room.evaluate("ended") == ["camera"]


async def test_viewers_are_not_asked_for_devices(room: Page, server: FakeServer) -> None:
    await server.push("participant_updated", participant=participant("Gus", "viewer"))
    await until(lambda: room.evaluate("room.state.you.role === 'viewer'"), "the stage is left")
    assert await room.evaluate(PUBLISH_BOTH) == ["forbidden", "forbidden"]
    assert await room.evaluate("asked") == []


async def test_a_refusal_closes_the_device(room: Page, server: FakeServer) -> None:
    refusal: dict[str, Any] = {"type": "error", "code": "invalid_sdp", "message": "No."}
    server.replies["publish_offer"] = lambda _: refusal
    await room.evaluate(
        """() => {
          const open = navigator.mediaDevices.getUserMedia;
          navigator.mediaDevices.getUserMedia = async (wanted) => (window.stream = await open(wanted));
        }"""
    )
    assert await room.evaluate("room.publish('camera').catch(({ code }) => code)") == "invalid_sdp"
    assert await room.evaluate("stream.getTracks()[0].readyState") == "ended"


async def test_a_muted_device_opens_silent(room: Page, server: FakeServer) -> None:
    await server.push("participant_updated", participant=participant("Gus", "guest", audio_locked=True))
    await until(lambda: room.evaluate("room.state.you.audio_locked"), "the host has muted the guest")
    assert await room.evaluate(PUBLISH_BOTH) == ["live", "live"]
    assert await room.evaluate("[own.camera.enabled, own.microphone.enabled]") == [True, False]
