"""Who speaks and how the connection is, through a real server, in Chromium and Firefox."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Browser, Locator, expect

from tests.support.browsers import Person
from tests.support.crew import Crew

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

SPEAKING = re.compile(r"\bspeaking\b")
# A machine that runs the whole suite is slow enough for any of them.
GRADE = re.compile("good|fair|poor")
VOICE = """
const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wanted) => {
  const stream = await open(wanted);
  for (const track of stream.getAudioTracks()) {
    const context = new AudioContext();
    const oscillator = context.createOscillator();
    const gain = (window.voice = context.createGain());
    gain.gain.value = 0;
    const output = context.createMediaStreamDestination();
    oscillator.connect(gain).connect(output);
    oscillator.start();
    stream.removeTrack(track);
    stream.addTrack(output.stream.getAudioTracks()[0]);
  }
  return stream;
};
"""


async def speak(person: Person, volume: float) -> None:
    await person.page.evaluate("(volume) => (voice.gain.value = volume)", volume)


def tile(person: Person, participant_id: str) -> Locator:
    return person.page.locator(f'[data-testid="tile"][data-participant-id="{participant_id}"][data-source="camera"]')


async def test_everybody_sees_who_speaks_and_how_the_connection_is(
    crew: Crew, chromium: Browser, firefox: Browser
) -> None:
    host = await crew.person(chromium, "Hilda Host", VOICE)
    session_id = await host.go_live("Voices")
    host_id = await host.own_id()
    fox = await crew.person(firefox, "Felix Fox")
    await fox.watch(session_id)
    await fox.ask_to_join()
    await host.approve("Felix Fox")
    await fox.go_on_stage()
    fox_id = await fox.own_id()
    await host.sees(fox_id, timeout=40, textured=False)

    # What Firefox pretends to record is a tone that never ends. Without a device for sound it does not measure its own.
    await expect(tile(host, fox_id)).to_have_class(SPEAKING, timeout=20_000)
    await fox.by_id("toggle-mic").click()
    await expect(tile(host, fox_id)).not_to_have_class(SPEAKING)
    await speak(host, 0.3)
    for person in (host, fox):
        await expect(tile(person, host_id)).to_have_class(SPEAKING, timeout=20_000)
    await speak(host, 0)
    for person in (host, fox):
        await expect(tile(person, host_id)).not_to_have_class(SPEAKING)

    for person, other_id, other in ((host, fox_id, "Felix Fox"), (fox, host_id, "Hilda Host")):
        await expect(tile(person, other_id).get_by_test_id("quality")).to_have_attribute("data-grade", GRADE)
        await person.by_id("statistics").click()
        panel = person.by_id("statistics-panel")
        for name in (f"{other}, Camera", f"{person.name} (you), Camera"):
            row = panel.get_by_role("row", name=name)
            await expect(row.get_by_role("cell").nth(1)).to_have_text(re.compile("×"))
            await expect(row.get_by_role("cell").nth(4)).to_have_text(re.compile("%"))
        facts = panel.locator(".statistics-facts")
        for name in ("up", "down", "rtt", "server"):
            await expect(facts.locator(f"[data-fact={name}] dd")).to_have_text(re.compile(r"\d"))
