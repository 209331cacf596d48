"""`make screenshots`: the pictures of README and docs, taken from the real page on a real server.

Everybody on stage has a browser of their own, whose camera is a drawing that moves.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from playwright.async_api import Browser, Playwright, async_playwright

from .browsers import CHROMIUM_FLAGS, Person, chromium_path
from .server import Server
from .waiting import until

WIDTH, HEIGHT, FRAMES = 1280, 720, 20
Colour = tuple[int, int, int]

# Background above and below, clothes, skin, hair.
PALETTES: dict[str, tuple[Colour, Colour, Colour, Colour, Colour]] = {
    "Hana": ((42, 78, 96), (18, 32, 48), (214, 92, 70), (236, 188, 156), (48, 30, 28)),
    "Gustavo": ((196, 164, 120), (110, 78, 56), (46, 92, 84), (168, 112, 78), (24, 20, 20)),
    "Ines": ((132, 110, 168), (60, 46, 92), (240, 200, 90), (206, 150, 116), (96, 52, 34)),
}


def _ellipse(x: float, y: float, width: float, height: float) -> NDArray[np.float64]:
    """How much each pixel lies inside, 0-1 with a soft edge."""
    columns, rows = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    distance = ((columns - x) / width) ** 2 + ((rows - y) / height) ** 2
    return np.clip((1 - distance) * min(width, height) / 3, 0, 1)


def portrait(name: str, phase: float) -> NDArray[np.uint8]:
    """One frame, uint8 of shape (HEIGHT, WIDTH, 3). `phase` 0-1 is where in its loop the movement is."""
    top, bottom, clothes, skin, hair = (np.array(colour, dtype=float) for colour in PALETTES[name])
    fade = np.linspace(0, 1, HEIGHT)[:, None, None]
    picture = np.broadcast_to(top * (1 - fade) + bottom * fade, (HEIGHT, WIDTH, 3)).copy()
    sway = 14 * np.sin(2 * np.pi * phase)
    nod = 6 * np.cos(2 * np.pi * phase)

    def paint(colour: NDArray[np.float64], *shape: float) -> None:
        mask = _ellipse(*shape)[:, :, None]
        picture[:] = picture * (1 - mask) + colour * mask

    centre = WIDTH / 2 + sway
    paint(top * 1.25, WIDTH * 0.82, HEIGHT * 0.3, 120, 120)
    paint(clothes, centre, HEIGHT * 1.12, 330, 330)
    paint(hair, centre, 268 + nod, 152, 176)
    paint(skin * 0.9, centre, 470, 58, 100)
    paint(skin, centre, 310 + nod, 118, 150)
    paint(hair, centre - 20, 196 + nod, 128, 62)
    for side in (-46, 46):
        paint(np.array([34.0, 28, 28]), centre + side, 306 + nod, 11, 13)
    paint(skin * 0.62, centre, 384 + nod, 34, 9 + 5 * abs(np.sin(4 * np.pi * phase)))
    return np.clip(picture, 0, 255).astype(np.uint8)


def record(name: str, folder: Path) -> Path:
    """A short film that Chromium plays as its camera, over and over."""
    path = folder / f"{name}.mjpeg"
    with av.open(str(path), "w", format="mjpeg") as container:
        stream = container.add_stream("mjpeg", rate=20)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuvj420p"
        for index in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(portrait(name, index / FRAMES), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


async def _open(playwright: Playwright, name: str, folder: Path, url: str) -> tuple[Browser, Person]:
    flags = [*CHROMIUM_FLAGS]
    if name in PALETTES:
        flags.append(f"--use-file-for-fake-video-capture={record(name, folder)}")
    browser = await playwright.chromium.launch(executable_path=chromium_path(), args=flags)
    return browser, await Person.arrive(browser, url, name)


async def take(target: Path) -> None:
    """Make all pictures in `target`."""
    server = Server(workers=1)
    server.start()
    browsers: list[Browser] = []
    try:
        with tempfile.TemporaryDirectory() as films:
            async with async_playwright() as playwright:

                async def arrive(name: str) -> Person:
                    browser, person = await _open(playwright, name, Path(films), server.url)
                    browsers.append(browser)
                    return person

                await _scene(arrive, target)
                for browser in browsers:
                    await browser.close()
    finally:
        server.stop()
        server.discard()


async def _scene(arrive: Callable[[str], Awaitable[Person]], target: Path) -> None:
    host = await arrive("Hana")
    await host.page.set_viewport_size({"width": 1280, "height": 760})
    await host.page.emulate_media(color_scheme="dark")
    session_id = await host.go_live("Friday evening with guests")
    guest = await arrive("Gustavo")
    await guest.watch(session_id)
    await guest.ask_to_join("I built the thing you talk about")
    await host.approve("Gustavo")
    await guest.go_on_stage()
    viewer = await arrive("Ines")
    await viewer.watch(session_id)
    guest_id = await guest.own_id()
    await host.sees(guest_id)
    await viewer.ask_to_join("A question about latency, if there is time")
    await host.request_of("Ines")

    async def sharp() -> bool:
        return (await host.sample(guest_id)).width >= WIDTH // 2

    await until(sharp, "the guest's picture is sharp", timeout=60)
    await host.page.screenshot(path=target / "room.png")


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(take(folder))
