"""`make screenshots`: the pictures of README and docs, taken from the real page on a real server.

The host of the panel's picture has a browser with a camera; everybody else on stage sends a film from here.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Browser, BrowserContext, Playwright, async_playwright

from .api import User
from .browsers import CHROMIUM_FLAGS, Person, chromium_path
from .clips import encode_vp8
from .crew import Crew
from .portraits import Portrait, record
from .server import Server
from .waiting import until

GUESTS: Final = (
    *("Gustavo", "Ines", "Mateus", "Yuki", "Amara", "Jonas", "Leila", "Tomasz", "Priya", "Samuel"),
    *("Chidi", "Elin", "Rafael", "Noor", "Marta", "Kofi", "Sofia", "Dmitri", "Aiko", "Lucas"),
)
TALK: Final = (
    ("Wren", "Hello from Lisbon"),
    ("Otis", "The sound is great today"),
    ("Beatriz", "How do you keep the delay so low with this many people?"),
    ("Wren", "I was about to ask the same"),
    ("Otis", "Can we see the workshop later? https://example.org/workshop"),
    ("Beatriz", "It is in the corner, I think I saw it"),
)
LIVE: Final = (
    ("Friday evening with guests", "Questions, answers, and a tour of the workshop", "Hana", 7),
    ("Choir rehearsal", "Altos and tenors, second half", "Mateus", 4),
    ("Reading group", "Chapter nine. Late joiners are welcome", "Leila", 2),
    ("Open studio", "", "Yuki", 1),
    ("Bread at home", "Sourdough, from the start", "Amara", 5),
    ("Standup, out loud", "Five people, five minutes each", "Samuel", 3),
)
SPEAKERS: Final = (0, 3)
"""Numbers of the people who can be heard."""
DESKTOP: Final = {"width": 1280, "height": 800}
PHONE: Final = {"width": 390, "height": 844}


class Studio:
    """A server with people on it, and where the pictures go."""

    def __init__(self, crew: Crew, browser: Browser, target: Path) -> None:
        self.crew = crew
        self._browser = browser
        self._target = target
        self.url = crew.server.url

    async def user(self, name: str) -> User:
        """Somebody who is called just that."""
        api = self.crew.api
        answer = await api.call("POST", "/auth/dev-token", {"name": name})
        return User(api, answer["token"], answer["user_id"], answer["name"])

    async def film(self, user: User, number: int, session_id: str, *, small: bool = False) -> None:
        """Send the film of person `number` as the user's camera, who is on stage."""
        width, height, bit_rate = (480, 270, 400_000) if small else (960, 540, 1_500_000)
        film = await asyncio.to_thread(encode_vp8, Portrait(number, width, height).frames(), bit_rate)
        peer = await self.crew.raw(user, session_id, receives=False)
        sources = ("camera", "microphone") if number in SPEAKERS else ("camera",)
        await peer.publish(*sources, film=film)

    async def watcher(self, name: str, size: dict[str, int], **options: Any) -> Person:
        context: BrowserContext = await self._browser.new_context(viewport=size, locale="en-GB", **options)
        user = await self.user(name)
        page = await context.new_page()
        await page.goto(f"{self.url}/#token={user.token}")
        return Person(name, page, self.url)

    async def take(self, person: Person, name: str, scheme: str) -> None:
        await person.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        await person.page.mouse.move(0, 0)
        await person.page.wait_for_timeout(600)
        await person.page.screenshot(path=self._target / f"{name}.jpg", type="jpeg", quality=90)


async def all_shown(person: Person, count: int) -> None:
    """That many tiles show a picture."""

    async def shown() -> bool:
        return bool(
            await person.page.evaluate(
                """(count) => {
                  const videos = [...document.querySelectorAll("[data-testid=tile] video")];
                  return videos.length === count && videos.every(({ videoWidth }) => videoWidth > 300);
                }""",
                count,
            )
        )

    await until(shown, f"{count} pictures are shown", timeout=90)


async def landing(studio: Studio) -> None:
    hosts = []
    for title, description, name, viewers in LIVE:
        host = await studio.user(name)
        session = await host.start(title, description=description)
        hosts.append((host, session["id"]))
        for user in (host, *[await studio.user(f"Viewer {number}") for number in range(viewers)]):
            await studio.crew.socket(user, session["id"])
    person = await studio.watcher("Wren", DESKTOP)
    await until(lambda: person.by_id("session-card").nth(len(LIVE) - 1).is_visible(), "all sessions are listed")
    await studio.take(person, "landing", "dark")
    await studio.take(person, "landing-light", "light")
    await person.leave()
    for host, session_id in hosts:
        await host.end(session_id)


async def stages(studio: Studio) -> None:
    """The same evening with one, five and all on stage, on a laptop and on a phone."""
    host = await studio.user("Hana")
    session = await host.start("Friday evening with guests", require_approval=False, max_guests=20)
    session_id = session["id"]
    await studio.film(host, 0, session_id)
    viewers = {name: await studio.user(name) for name in ("Wren", "Otis", "Beatriz")}
    for user in viewers.values():
        await user.join(session_id)
    person = await studio.watcher("Ada", DESKTOP)
    await person.page.goto(f"{person.base_url}/#/s/{session_id}")
    await person.by_id("stage").wait_for()
    await all_shown(person, 1)
    await talk(viewers, session_id)
    await studio.take(person, "stage-1", "dark")
    phone = await studio.watcher("Ben", PHONE, device_scale_factor=2, is_mobile=True, has_touch=True)
    await phone.page.goto(f"{phone.base_url}/#/s/{session_id}")
    for number, name in enumerate(GUESTS, 1):
        guest = await studio.user(name)
        await guest.join(session_id)
        await guest.request_guest(session_id)
        await studio.film(guest, number, session_id, small=True)
        if number == 4:
            await all_shown(person, 5)
            await talk(viewers, session_id)
            await studio.take(person, "stage-5", "light")
            await all_shown(phone, 5)
            await studio.take(phone, "phone", "dark")
            await studio.take(phone, "phone-light", "light")
            await phone.leave()
    await all_shown(person, 21)
    await studio.take(person, "stage-21", "dark")
    await person.leave()


async def talk(viewers: dict[str, User], session_id: str) -> None:
    for name, text in TALK:
        await viewers[name].call("POST", "/live/send-message", {"session_id": session_id, "text": text})


async def panel(studio: Studio, playwright: Playwright) -> None:
    """What a host sees: a guest on stage, and people who ask."""
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "camera.mjpeg"
        record(0, film)
        flags = [*CHROMIUM_FLAGS, f"--use-file-for-fake-video-capture={film}"]
        browser = await playwright.chromium.launch(executable_path=chromium_path(), args=flags)
        host = await Person.arrive(browser, studio.url, "Hana")
        session_id = await host.go_live("Friday evening with guests")
        guest = await studio.user("Gustavo")
        await guest.join(session_id)
        await guest.request_guest(session_id)
        await host.approve("Gustavo")
        await studio.film(guest, 1, session_id)
        for name, message in (("Ines", "A question about latency, if there is time"), ("Otis", "")):
            viewer = await studio.user(name)
            await studio.crew.socket(viewer, session_id)
            await viewer.request_guest(session_id, message)
        await host.request_of("Otis")
        await all_shown(host, 2)
        await studio.take(host, "room", "dark")
        await browser.close()


async def main(target: Path) -> None:
    """Take all pictures."""
    server = Server(workers=1)
    server.start()
    crew = Crew(server)
    try:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=chromium_path(), args=CHROMIUM_FLAGS)
            studio = Studio(crew, browser, target)
            await landing(studio)
            await stages(studio)
            await panel(studio, playwright)
            await browser.close()
    finally:
        await crew.dismiss()
        server.stop()
        server.discard()


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(folder))
