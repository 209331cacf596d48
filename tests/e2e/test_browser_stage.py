"""The main job in real Chromium: a host goes live, a viewer watches, a guest is let on stage, all see and hear both."""

from __future__ import annotations

import time

import pytest
from playwright.async_api import Browser

from tests.support.browsers import Person, other_option
from tests.support.crew import Crew
from tests.support.waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]


async def first_frame(person: Person, participant_id: str) -> None:
    async def decoded() -> bool:
        return bool((await person.inbound(participant_id, "camera")).get("framesDecoded"))

    await until(decoded, f"the picture of {participant_id} reaches {person.name}", timeout=40)


async def test_host_viewer_and_guest(crew: Crew, chromium: Browser, capsys: pytest.CaptureFixture[str]) -> None:
    host = await crew.person(chromium, "Hana Host")
    session_id = await host.go_live("A stage for three")
    host_id = await host.own_id()
    viewer = await crew.person(chromium, "Viola Viewer")
    await viewer.watch(session_id)
    await viewer.sees(host_id, timeout=40)
    await viewer.hears(host_id)

    guest = await crew.person(chromium, "Gina Guest")
    await guest.watch(session_id)
    await guest.sees(host_id, timeout=40)
    await guest.ask_to_join("May I?")
    request = await host.request_of("Gina Guest")
    assert "May I?" in await request.inner_text()

    guest_id = await guest.own_id()
    await host.approve("Gina Guest")
    await guest.by_id("go-on-stage").wait_for()
    await host.page.locator(f'[data-testid="tile"][data-participant-id="{guest_id}"]').wait_for()
    assert await guest.outbound() == [], "nothing is sent from the green room"
    clicked = time.monotonic()
    await guest.go_on_stage()
    took: dict[str, float] = {}
    for person in (host, viewer):
        await first_frame(person, guest_id)
        took[person.name] = time.monotonic() - clicked
    for person in (host, viewer):
        await person.sees(guest_id)
        await person.hears(guest_id)
    # A loaded machine is slow without being wrong: the two seconds of the requirement are reported, not asserted.
    with capsys.disabled():
        times = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in took.items())
        print(f"\n[guest's picture after the click in the green room: {times}]")
    await guest.sees(host_id)
    assert await guest.role() == "guest"
    assert await guest.video(guest_id).count() == 1, "the guest has a tile for themselves"

    for person in (host, guest, viewer):
        assert await person.by_id("tile").count() == 2


async def test_full_resolution_is_reached(crew: Crew, chromium: Browser) -> None:
    """Without working feedback Chromium would stay at a quarter of its camera's size."""
    host = await crew.person(chromium, "Hugo Host")
    session_id = await host.go_live("In full")
    host_id = await host.own_id()
    viewer = await crew.person(chromium, "Vera Viewer")
    await viewer.watch(session_id)
    await viewer.sees(host_id, timeout=40)

    async def full() -> bool:
        inbound = await viewer.inbound(host_id, "camera")
        return (inbound.get("frameWidth"), inbound.get("frameHeight")) == (1280, 720)

    await until(full, "a 1280x720 camera arrives as 1280x720", timeout=90, interval=0.25)
    picture = await viewer.sample(host_id)
    assert (picture.width, picture.height) == (1280, 720)

    await host.page.get_by_role("button", name="Choose camera, microphone and speaker").click()
    for kind in ("camera", "microphone"):
        await choose_another(host, kind)
    await viewer.sees(host_id)
    await viewer.hears(host_id)


async def choose_another(person: Person, kind: str) -> None:
    """Another device of this kind, while on stage."""
    select = person.by_id(f"choose-{kind}")
    other = await other_option(select)
    await select.select_option(other)
    sent = f"greenroom.room.publisher.track('{kind}').getSettings().deviceId"
    await until(lambda: person.page.evaluate(f"{sent} === '{other}'"), f"the other {kind} is sent")


async def test_moderation_by_the_pages_buttons(crew: Crew, chromium: Browser) -> None:
    host = await crew.person(chromium, "Hedy Host")
    session_id = await host.go_live("With buttons")
    guest = await crew.person(chromium, "Gus Guest")
    await guest.watch(session_id)
    await guest.ask_to_join()
    await host.approve("Gus Guest")
    await guest.go_on_stage()
    guest_id = await guest.own_id()
    await host.sees(guest_id, timeout=40)
    await host.hears(guest_id)

    async def received(source: str) -> int:
        return int((await host.inbound(guest_id, source)).get("packetsReceived", 0))

    await host.manage(guest_id, "mute_audio")
    tile = f'[data-testid="tile"][data-participant-id="{guest_id}"]'
    row = f'[data-testid="participant-row"][data-participant-id="{guest_id}"]'
    await host.page.locator(f'{tile}[data-audio="locked"]').wait_for()

    async def silent() -> bool:
        before = await received("microphone")
        await host.page.wait_for_timeout(1000)
        return await received("microphone") == before

    await until(silent, "no sound comes from who is muted")
    before = await received("microphone")
    await host.manage(guest_id, "unmute_audio")

    async def more() -> bool:
        return await received("microphone") > before

    await until(more, "the microphone comes back")

    await host.manage(guest_id, "promote")
    await host.page.locator(f'{row}[data-role="cohost"]').wait_for()
    await host.manage(guest_id, "kick")
    await guest.by_id("banner").get_by_text("removed you").wait_for()
    await host.page.locator(tile).wait_for(state="detached")

    await host.by_id("end").click()
    await host.by_id("confirm-yes").click()
    await host.by_id("banner").get_by_text("ended").wait_for()
