"""web/ui: the choice of devices, and what happens to those in use."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from tests.support.browsers import other_option
from tests.support.waiting import until
from tests.web.fake_server import SESSION_ID, FakeServer, participant, token_for
from tests.web.sender import Sender, source_state

pytestmark = pytest.mark.asyncio(loop_scope="session")

WATCH = """
const devices = navigator.mediaDevices;
const real = devices.getUserMedia.bind(devices);
window.asked = [];
window.failures = {};
devices.getUserMedia = async (wanted) => {
  asked.push(wanted);
  for (const [kind, [name, message]] of Object.entries(failures)) {
    if (wanted[kind]) throw new DOMException(message ?? "no", name);
  }
  return real(wanted);
};
"""
"""`asked`: the constraints of every opening. `failures`: what openings of `audio` or `video` fail with."""

SHARE = """
window.cancelled = false;
navigator.mediaDevices.getDisplayMedia = async (wanted) => {
  window.sharing = wanted;
  if (cancelled) throw new DOMException("Permission denied", "NotAllowedError");
  const canvas = document.createElement("canvas");
  canvas.getContext("2d");
  const sound = new AudioContext().createMediaStreamDestination().stream;
  window.shared = new MediaStream([...canvas.captureStream().getTracks(), ...(window.silent ? [] : sound.getTracks())]);
  return shared;
};
"""
SPEAKERS = """
window.speakers = ["default", "headset"];
const list = navigator.mediaDevices.enumerateDevices.bind(navigator.mediaDevices);
navigator.mediaDevices.enumerateDevices = async () => {
  const others = (await list()).filter(({ kind }) => kind !== "audiooutput");
  return [...others, ...speakers.map((id) => ({ kind: "audiooutput", deviceId: id, label: `The ${id}` }))];
};
HTMLMediaElement.prototype.setSinkId = async function (id) { this.dataset.speaker = id; };
"""
ASKS_FOR_SPEAKERS = """
window.turns = 0;
navigator.mediaDevices.selectAudioOutput = async () => {
  if (++turns > 1) throw new DOMException("no", "NotAllowedError");
  speakers.push("hall");
  return { deviceId: "hall", label: "The hall" };
};
"""
UNPLUG = """
(source) => {
  const { publisher } = window.greenroom.room;
  const track = publisher.track(source);
  track.stop();
  track.dispatchEvent(new Event("ended"));
  return track.label;
}
"""


async def go_live_form(page: Page, server: FakeServer) -> None:
    await page.add_init_script(WATCH)
    await page.goto(f"{server.url}/#token={token_for('u-hana', 'Hana')}")
    await page.get_by_role("button", name="Go live").click()


async def on_stage(page: Page, server: FakeServer, *scripts: str, **changes: Any) -> None:
    for script in (WATCH, *scripts):
        await page.add_init_script(script)
    server.as_person(
        "Vera", "guest", [participant("Hana", "host", sources=[source_state("p-hana", "microphone")])], **changes
    )
    await page.goto(f"{server.url}/#/s/{SESSION_ID}?token={token_for('u-me', 'Me')}")
    await server.wait_for("publish_offer")


async def device_dialog(page: Page) -> Locator:
    await page.get_by_role("button", name="Choose camera, microphone and speaker").click()
    dialog = page.get_by_role("dialog", name="Camera, microphone and speaker")
    await expect(dialog).to_be_visible()
    return dialog


async def asked_for(page: Page, kind: str) -> dict[str, Any]:
    """The latest constraints for a kind."""
    asked = await page.evaluate("(kind) => asked.filter((wanted) => wanted[kind]).map((wanted) => wanted[kind])", kind)
    return dict(asked[-1])


async def loudest(meter: Locator) -> None:
    async def moves() -> bool:
        return int(await meter.get_attribute("aria-valuenow") or 0) > 3

    await until(moves, "the level shows that the microphone hears something")


@pytest.mark.parametrize("kind", ["camera", "microphone"])
async def test_a_device_is_chosen_and_remembered(page: Page, server: FakeServer, kind: str) -> None:
    media = {"camera": "video", "microphone": "audio"}[kind]
    await go_live_form(page, server)
    await expect(page.get_by_test_id("device-status")).to_have_text("Ready: Camera, Microphone")
    select = page.get_by_test_id(f"choose-{kind}")
    other = await other_option(select)
    await select.select_option(other)
    await until(lambda: _opened(page, media, other), "the other one is opened")
    await expect(page.get_by_test_id("device-status")).to_have_text("Ready: Camera, Microphone")
    await page.reload()
    await expect(page.get_by_test_id("device-status")).to_have_text("Ready: Camera, Microphone")
    assert await _opened(page, media, other)
    await expect(select).to_have_value(other)


async def _opened(page: Page, kind: str, device_id: str) -> bool:
    return (await asked_for(page, kind)).get("deviceId") == {"exact": device_id}


async def test_a_remembered_device_that_is_not_there_is_replaced_and_not_forgotten(
    page: Page, server: FakeServer
) -> None:
    saved = json.dumps({"camera": "gone", "microphone": 7, "noiseSuppression": "yes"})
    await page.add_init_script(f"localStorage.setItem('greenroom.devices', JSON.stringify({saved}))")
    await go_live_form(page, server)
    await expect(page.get_by_test_id("device-status")).to_have_text("Ready: Camera, Microphone")
    assert (await asked_for(page, "audio"))["noiseSuppression"] is True, "what is no choice is ignored"
    assert json.loads(await page.evaluate("localStorage.getItem('greenroom.devices')"))["camera"] == "gone"


@pytest.mark.parametrize(
    ("failures", "said"),
    [
        ({"audio": ["NotAllowedError"]}, "Camera and microphone: access is not allowed. Allow it with the sign"),
        ({"video": ["NotAllowedError", "denied by system"]}, "access is not allowed by the operating system."),
        ({"video": ["NotReadableError"]}, "Camera: another application is using it."),
        ({"audio": ["NotFoundError"], "video": ["NotFoundError"]}, "Microphone: none was found. Plug one in"),
        ({"video": ["StrangeError"]}, "Camera: it could not be started."),
    ],
)
async def test_what_is_wrong_with_a_device_is_said_until_it_works(
    page: Page, server: FakeServer, failures: dict[str, list[str]], said: str
) -> None:
    await page.add_init_script(f"addEventListener('load', () => (window.failures = {json.dumps(failures)}));")
    await go_live_form(page, server)
    status = page.get_by_test_id("device-status")
    await expect(status).to_contain_text(said)
    await page.evaluate("window.failures = {}")
    await page.get_by_role("button", name="Try again").click()
    await expect(status).to_have_text("Ready: Camera, Microphone")
    await expect(page.get_by_role("button", name="Try again")).to_be_hidden()


async def test_one_device_of_two_is_enough(page: Page, server: FakeServer) -> None:
    await page.add_init_script("addEventListener('load', () => (window.failures = { video: ['NotFoundError'] }));")
    await go_live_form(page, server)
    await expect(page.get_by_test_id("device-status")).to_contain_text("Camera: none was found.")
    await page.get_by_role("button", name="Continue without").click()
    await expect(page.get_by_test_id("device-status")).to_have_text("Ready: Microphone")


async def test_the_level_shows_that_the_microphone_hears(page: Page, server: FakeServer) -> None:
    await go_live_form(page, server)
    await loudest(page.get_by_test_id("level"))
    await page.get_by_test_id("preview-microphone").click()
    await expect(page.get_by_test_id("level")).to_have_attribute("aria-valuenow", "0")
    await expect(page.get_by_test_id("device-status")).to_have_text("Ready: Camera")


async def test_a_device_is_changed_while_live_without_an_interruption(
    page: Page, server: FakeServer, far_end: Page
) -> None:
    await on_stage(page, server, audio_muted=True)
    dialog = await device_dialog(page)
    camera = dialog.get_by_test_id("choose-camera")
    other = await other_option(camera)
    await camera.select_option(other)
    await until(lambda: _sent(page, "camera", other), "the other camera is sent")
    microphone = dialog.get_by_test_id("choose-microphone")
    other = await other_option(microphone)
    await microphone.select_option(other)
    await until(lambda: _sent(page, "microphone", other), "the other microphone is sent")
    assert await page.evaluate("greenroom.room.publisher.track('microphone').enabled") is False, "who is muted stays so"
    await loudest(dialog.get_by_test_id("level"))

    before = (await far_end.evaluate("farEnd.inbound('publish-1')"))["video"]["framesDecoded"]

    async def flows() -> bool:
        return bool((await far_end.evaluate("farEnd.inbound('publish-1')"))["video"]["framesDecoded"] > before + 5)

    await until(flows, "the other camera's picture arrives")
    assert len(server.received["publish_offer"]) == 1
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await expect(page.get_by_test_id("device-settings")).to_be_focused()


async def _sent(page: Page, source: str, device_id: str) -> bool:
    settings = await page.evaluate("(s) => greenroom.room.publisher.track(s).getSettings()", source)
    return bool(settings["deviceId"] == device_id)


async def test_the_sound_of_the_microphone_is_chosen_while_live(page: Page, server: FakeServer, far_end: Page) -> None:
    await on_stage(page, server)
    dialog = await device_dialog(page)
    await dialog.get_by_text("Sound of the microphone").click()
    await dialog.get_by_role("switch", name="Noise suppression").uncheck()

    async def unsuppressed() -> bool:
        settings = await page.evaluate("greenroom.room.publisher.track('microphone').getSettings()")
        return (settings["noiseSuppression"], settings["echoCancellation"]) == (False, True)

    await until(unsuppressed, "the microphone is sent as it is")
    assert len(server.received["publish_offer"]) == 1


async def test_a_device_that_does_not_open_leaves_the_one_before(page: Page, server: FakeServer, far_end: Page) -> None:
    await on_stage(page, server)
    dialog = await device_dialog(page)
    camera = dialog.get_by_test_id("choose-camera")
    before = await camera.input_value()
    other = await other_option(camera)
    await page.evaluate(
        """(id) => {
          const watched = navigator.mediaDevices.getUserMedia;
          navigator.mediaDevices.getUserMedia = async (wanted) => {
            if (wanted.video?.deviceId?.exact === id) throw new DOMException("no", "NotReadableError");
            return watched(wanted);
          };
        }""",
        other,
    )
    await camera.select_option(other)
    await expect(dialog.get_by_test_id("device-status")).to_contain_text("Camera: another application is using it.")
    await expect(camera).to_have_value(before)
    await until(lambda: _sent(page, "camera", before), "the camera from before is sent")


async def test_an_unplugged_device_is_replaced_and_that_is_said(page: Page, server: FakeServer, far_end: Page) -> None:
    await on_stage(page, server)
    name = await page.evaluate(UNPLUG, "microphone")
    await expect(page.get_by_test_id("banner")).to_contain_text(f"{name} is not there any more. You go on with")
    assert await page.evaluate("greenroom.room.publisher.track('microphone').readyState") == "live"
    assert len(server.received["publish_offer"]) == 1
    await expect(page.get_by_role("button", name="Mute microphone")).to_be_visible()


async def test_an_unplugged_device_without_another_is_said_and_tried_again(
    page: Page, server: FakeServer, far_end: Page
) -> None:
    await on_stage(page, server)
    await page.evaluate("window.failures = { video: ['NotFoundError'] }")
    name = await page.evaluate(UNPLUG, "camera")
    banner = page.get_by_test_id("banner")
    await expect(banner).to_contain_text(f"{name} is not there any more.")
    await expect(banner).to_contain_text("Camera: none was found. Plug one in")
    assert list((await server.wait_for("publish_offer", 2))["sources"].values()) == ["microphone"]
    await page.evaluate("window.failures = {}")
    await banner.get_by_role("button", name="Try again").click()
    assert sorted((await server.wait_for("publish_offer", 3))["sources"].values()) == ["camera", "microphone"]
    await expect(banner).not_to_contain_text("Camera")


async def test_trying_again_leaves_off_what_the_user_goes_without(
    page: Page, server: FakeServer, far_end: Page
) -> None:
    await page.goto(f"{server.url}/icon.svg")
    without = json.dumps({"session": SESSION_ID, "without": ["camera"]})
    await page.evaluate("(value) => sessionStorage.setItem('greenroom.onstage', value)", without)
    await on_stage(page, server)
    await page.evaluate("window.failures = { audio: ['NotFoundError'] }")
    await page.evaluate(UNPLUG, "microphone")
    await expect(page.get_by_test_id("banner")).to_contain_text("Microphone: none was found.")
    assert (await server.wait_for("publish_offer", 2))["sources"] == {}
    await page.evaluate("window.failures = {}")
    await page.get_by_role("button", name="Try again").click()
    offered = await server.wait_for("publish_offer", 3)
    assert list(offered["sources"].values()) == ["microphone"]


async def test_a_speaker_is_chosen_and_followed(page: Page, server: FakeServer, far_end: Page) -> None:
    await on_stage(page, server, SPEAKERS)
    await Sender(page, server, far_end).offer([("p-hana", "microphone", "audio")], ["audio"], fresh=True)
    host = page.locator('[data-testid="tile"][data-participant-id="p-hana"] video')
    dialog = await device_dialog(page)
    await dialog.get_by_label("Speaker", exact=True).select_option(label="The headset")
    await expect(host).to_have_attribute("data-speaker", "headset")
    await dialog.get_by_role("button", name="Play a sound at the speaker").click()
    await page.evaluate("window.speakers.pop(); navigator.mediaDevices.dispatchEvent(new Event('devicechange'))")
    await expect(host).to_have_attribute("data-speaker", "")
    await page.evaluate(
        "window.speakers.push('headset'); navigator.mediaDevices.dispatchEvent(new Event('devicechange'))"
    )
    await expect(host).to_have_attribute("data-speaker", "headset")


async def test_a_browser_that_asks_for_speakers_is_let_do_so(page: Page, server: FakeServer, far_end: Page) -> None:
    await on_stage(page, server, SPEAKERS, ASKS_FOR_SPEAKERS)
    await Sender(page, server, far_end).offer([("p-hana", "microphone", "audio")], ["audio"], fresh=True)
    dialog = await device_dialog(page)
    other = dialog.get_by_role("button", name="Choose another speaker")
    await other.click()
    await expect(dialog.get_by_label("Speaker", exact=True)).to_have_value("hall")
    host = page.locator('[data-testid="tile"][data-participant-id="p-hana"] video')
    await expect(host).to_have_attribute("data-speaker", "hall")
    await other.click()
    await page.wait_for_function("window.turns === 2")
    await expect(dialog.get_by_test_id("device-status")).to_have_text("Ready: Camera, Microphone")


async def test_a_screen_is_shared_with_its_sound_until_the_browser_ends_it(
    page: Page, server: FakeServer, far_end: Page
) -> None:
    await on_stage(page, server, SHARE)
    await page.get_by_role("button", name="Share your screen").click()
    offer = await server.wait_for("publish_offer", 2)
    assert sorted(offer["sources"].values()) == ["camera", "microphone", "screen", "screen_audio"]
    assert (await page.evaluate("sharing.audio"))["echoCancellation"] is False
    await expect(page.get_by_role("button", name="Stop sharing the screen")).to_be_visible()
    await page.evaluate(
        "shared.getTracks().forEach((track) => { track.stop(); track.dispatchEvent(new Event('ended')); })"
    )
    await expect(page.get_by_role("button", name="Share your screen")).to_be_visible()

    async def ended() -> bool:
        return sorted(server.received["publish_offer"][-1]["sources"].values()) == ["camera", "microphone"]

    await until(ended, "screen and sound are no longer sent")


async def test_a_silent_screen_is_said_and_a_change_of_mind_is_not(page: Page, server: FakeServer) -> None:
    await on_stage(page, server, SHARE, "window.silent = true;")
    await page.evaluate("window.cancelled = true")
    await page.get_by_role("button", name="Share your screen").click()
    await page.wait_for_function("window.sharing")
    await expect(page.get_by_test_id("banner")).to_be_empty()
    await page.evaluate("window.cancelled = false")
    await page.get_by_role("button", name="Share your screen").click()
    await expect(page.get_by_test_id("banner")).to_contain_text("shared, without sound")


async def test_devices_that_come_and_go_are_listed_at_once(page: Page, server: FakeServer) -> None:
    await page.add_init_script(SPEAKERS)
    await go_live_form(page, server)
    speaker = page.get_by_test_id("choose-speaker")
    await expect(speaker.locator("option")).to_have_text(["The default", "The headset"])
    await page.evaluate("window.speakers.push('tv'); navigator.mediaDevices.dispatchEvent(new Event('devicechange'))")
    await expect(speaker.locator("option")).to_have_text(["The default", "The headset", "The tv"])
