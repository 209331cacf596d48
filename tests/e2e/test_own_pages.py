"""Pages of another origin, with the library from the server: docs/examples against the real thing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from playwright.async_api import Browser, Page, expect

from tests.support import node_packages
from tests.support.api import User
from tests.support.console import listen
from tests.support.crew import Crew
from tests.support.server import Server, free_tcp_port
from tests.support.waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

PATIENCE_MS = 30_000
EXAMPLES = Path(__file__).resolve().parents[2] / "docs/examples"
PLAYING = """
(count) => {
  const videos = [...document.querySelectorAll("video")];
  return videos.filter((video) => video.videoWidth > 0 && video.currentTime > 1).length === count;
}
"""


@asynccontextmanager
async def site(port: int, server: Server) -> AsyncIterator[str]:
    """Somebody's own web server with the two example pages, which take the library from Greenroom's."""

    async def example(request: web.Request) -> web.Response:
        page = (EXAMPLES / f"{request.match_info['name']}.html").read_text()
        return web.Response(text=page.replace('"./lib/', f'"{server.url}/lib/'), content_type="text/html")

    async def react(request: web.Request) -> web.Response:
        return web.Response(text=node_packages.react_module(request.match_info["name"]), content_type="text/javascript")

    app = web.Application()

    async def icon(request: web.Request) -> web.Response:
        return web.Response(status=204)

    app.add_routes([web.get("/{name}.html", example), web.get("/react/{name}", react), web.get("/favicon.ico", icon)])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield f"http://127.0.0.1:{port}"
    await runner.cleanup()


async def pending(host: User, session_id: str) -> list[dict[str, Any]]:
    return list((await host.call("GET", f"/live/sessions/{session_id}/guest-requests"))["guest_requests"])


async def test_pages_of_another_origin_talk_to_each_other(
    start_server: Callable[..., Server], chromium: Browser
) -> None:
    node_packages.path_of("react")
    port = free_tcp_port()
    server = start_server(allowed_origins=f"http://127.0.0.1:{port}")
    crew = Crew(server)
    errors: list[str] = []

    async def visit(example: str, token: str) -> Page:
        context = await chromium.new_context(permissions=["camera", "microphone"])
        listen(context)
        page = await context.new_page()
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        await page.goto(f"{address}/{example}.html#server={server.url}&session={session_id}&token={token}")
        return page

    async with site(port, server) as address:
        host, session_id = await crew.live()
        guest = await crew.user("Guest")
        hosts = await visit("watch", host.token)
        guests = await visit("react", guest.token)
        await guests.wait_for_function(PLAYING, arg=1)
        await guests.get_by_label("Message").fill("Hello from elsewhere")
        await guests.get_by_role("button", name="Send").click()
        await expect(hosts.locator("#chat li")).to_have_text(f"{guest.name}: Hello from elsewhere", timeout=PATIENCE_MS)
        await guests.get_by_role("button", name="Ask to join").click()
        requests = await until(lambda: pending(host, session_id), "the host is asked")
        await host.respond(session_id, requests[0]["id"], approve=True)
        await hosts.wait_for_function(PLAYING, arg=1)
        await expect(hosts.get_by_role("heading")).to_have_text(
            f"A test: {host.name}, {guest.name}", timeout=PATIENCE_MS
        )
        for page in (hosts, guests):
            await page.context.close()
    await crew.dismiss()
    assert errors == []
