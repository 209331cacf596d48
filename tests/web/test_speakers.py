"""web/lib/speakers.js, level_meter.js: who speaks, in real browsers with real sound."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page

from tests.support.waiting import until
from tests.web.fake_server import SESSION_ID, FakeServer, Message, participant
from tests.web.sender import Sender, producer_id, source_state

pytestmark = pytest.mark.asyncio(loop_scope="session")

BROWSERS = pytest.mark.parametrize("browser_name", ["chromium", "firefox"])
HEAR = """
async (levels) => {
  const { Voice } = await import("/lib/speakers.js");
  const voice = new Voice();
  return levels.map((level, turn) => voice.hear(level, turn * 100));
}
"""
TIMERS = """
const started = (window.timers = new Map());
const [start, stop] = [setInterval, clearInterval];
window.setInterval = (action, ms) => {
  const id = start(action, ms);
  started.set(id, ms);
  return id;
};
window.clearInterval = (id) => {
  started.delete(id);
  stop(id);
};
"""
OPEN = """
async (url) => {
  const { Room } = await import("/lib/index.js");
  window.room = new Room({ retryMs: 20, retryMaxMs: 40 });
  window.changes = [];
  window.players = [];
  room.addEventListener("trackadded", ({ detail }) => {
    const player = new Audio();
    player.srcObject = new MediaStream([detail.track]);
    player.play();
    players.push(player);
  });
  await room.connect(url, "the-token");
  room.speakers.addEventListener("change", () => changes.push([...room.speakers.current]));
}
"""
TONE = """
async () => {
  const context = new AudioContext();
  const oscillator = context.createOscillator();
  const gain = (window.voice = context.createGain());
  const output = context.createMediaStreamDestination();
  oscillator.connect(gain).connect(output);
  oscillator.start();
  await room.publish("microphone", output.stream.getAudioTracks()[0]);
}
"""
HIDE = """
(hidden) => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event("visibilitychange"));
}
"""
NO_LEVELS = """
() => {
  const sources = RTCRtpReceiver.prototype.getSynchronizationSources;
  RTCRtpReceiver.prototype.getSynchronizationSources = function () {
    return sources.call(this).map(({ rtpTimestamp, timestamp, source }) => ({ rtpTimestamp, timestamp, source }));
  };
}
"""
STAGE = [("p-hana", "microphone", "audio"), ("p-ana", "microphone", "audio")]


def with_microphone(name: str, role: str, *, paused: bool = False) -> Message:
    mine = f"p-{name.lower()}"
    return participant(name, role, audio_muted=paused, sources=[source_state(mine, "microphone", paused=paused)])


async def hear(page: Page, server: FakeServer, levels: list[float]) -> list[bool]:
    await page.goto(f"{server.url}/icon.svg")
    return list(await page.evaluate(HEAR, levels))


@pytest_asyncio.fixture(loop_scope="session")
async def room(page: Page, server: FakeServer) -> Page:
    """A room in which Hana and Ana are on stage with microphones."""
    server.as_person("Vera", "viewer", [with_microphone("Hana", "host"), with_microphone("Ana", "guest")])
    await page.add_init_script(TIMERS)
    await page.goto(f"{server.url}/icon.svg")
    await page.evaluate(OPEN, f"{server.url.replace('http', 'ws')}/ws/live/{SESSION_ID}")
    return page


@pytest_asyncio.fixture(loop_scope="session")
async def sender(room: Page, server: FakeServer, far_end: Page) -> Sender:
    sender = Sender(room, server, far_end)
    await sender.offer(STAGE, ["audio", "audio"])
    await sender.speak("p-hana", 0)
    await sender.speak("p-ana", 0)
    return sender


async def speak(page: Page, *who: str) -> None:
    async def heard() -> Any:
        return set(await page.evaluate("room.speakers.current")) == set(who)

    await until(heard, f"{who or 'nobody'} speaks")


async def test_a_click_is_no_speech_and_a_pause_no_end(page: Page, server: FakeServer) -> None:
    assert not any(await hear(page, server, [0, 0.5, 0, 0, 0]))
    speech = [0.1, 0.1, *[0.0] * 8, 0.1]
    assert all((await hear(page, server, speech))[1:])
    assert (await hear(page, server, [0.1, 0.1, *[0.0] * 12]))[-1] is False


async def test_a_quiet_room_is_silent_and_a_quiet_voice_heard(page: Page, server: FakeServer) -> None:
    assert not any(await hear(page, server, [0.002] * 20))
    assert (await hear(page, server, [0.01] * 5))[-1]


@BROWSERS
async def test_who_speaks_is_heard_until_they_stop_or_are_muted(sender: Sender, server: FakeServer) -> None:
    page = sender.page
    await sender.speak("p-hana", 0.5)
    await speak(page, "p-hana")
    await sender.speak("p-ana", 0.1)
    await speak(page, "p-hana", "p-ana")
    await sender.speak("p-hana", 0)
    await speak(page, "p-ana")
    await server.push("participant_updated", participant=with_microphone("Ana", "guest", paused=True))
    await speak(page)
    changes = await page.evaluate("changes")
    assert changes[0] == ["p-hana"]
    assert all(before != after for before, after in itertools.pairwise(changes))


async def test_the_loudest_comes_first(sender: Sender) -> None:
    await sender.speak("p-hana", 0.05)
    await speak(sender.page, "p-hana")
    await sender.speak("p-ana", 0.8)
    await speak(sender.page, "p-hana", "p-ana")
    assert await sender.page.evaluate("room.speakers.current") == ["p-ana", "p-hana"]


@BROWSERS
async def test_packets_without_levels_are_measured_by_statistics(
    page: Page, room: Page, server: FakeServer, far_end: Page
) -> None:
    await page.evaluate(NO_LEVELS)
    sender = Sender(page, server, far_end)
    await sender.offer(STAGE, ["audio", "audio"])
    await sender.speak("p-hana", 0.5)
    await sender.speak("p-ana", 0)
    await speak(page, "p-hana")
    await sender.speak("p-hana", 0)
    await speak(page)


async def test_a_page_that_is_hidden_reads_nothing(sender: Sender) -> None:
    page = sender.page
    await sender.speak("p-hana", 0.5)
    await speak(page, "p-hana")
    assert 100 in await page.evaluate("[...timers.values()]")
    await page.evaluate(HIDE, True)
    assert 100 not in await page.evaluate("[...timers.values()]")
    assert await page.evaluate("room.speakers.current") == []
    await page.evaluate(HIDE, False)
    await speak(page, "p-hana")
    await page.evaluate("room.disconnect()")
    assert 100 not in await page.evaluate("[...timers.values()]")


async def test_the_own_voice_is_heard_too(page: Page, server: FakeServer, far_end: Page) -> None:
    own = [source_state("p-vera", "microphone")]
    server.as_person("Vera", "guest", [participant("Hana", "host")], sources=own)
    await page.goto(f"{server.url}/icon.svg")
    await page.mouse.click(5, 5)
    await page.evaluate(OPEN, f"{server.url.replace('http', 'ws')}/ws/live/{SESSION_ID}")
    await page.evaluate(TONE)
    await speak(page, "p-vera")
    muted = participant("Vera", "guest", audio_muted=True, sources=own)
    await server.push("participant_updated", participant=muted)
    await speak(page)
    await server.push("participant_updated", participant=participant("Vera", "guest", sources=own))
    await speak(page, "p-vera")
    await page.evaluate("voice.gain.value = 0")
    await speak(page)


async def test_somebody_who_leaves_speaks_no_more(sender: Sender, server: FakeServer) -> None:
    await sender.speak("p-ana", 0.5)
    await speak(sender.page, "p-ana")
    await server.push("participant_left", participant_id="p-ana", reason="left")
    await speak(sender.page)
    assert producer_id("p-ana", "microphone") in await sender.page.evaluate("[...room.receiver.tracks.keys()]")
