"""web/lib/receive.js: offers are answered, and every track finds its owner."""

from __future__ import annotations

import pytest
import pytest_asyncio
from playwright.async_api import Page

from tests.support.waiting import until
from tests.web.fake_server import SESSION_ID, FakeServer
from tests.web.sender import Sender

pytestmark = pytest.mark.asyncio(loop_scope="session")

OPEN = """
async (url) => {
  const { Room } = await import("/lib/index.js");
  window.room = new Room({ retryMs: 20, retryMaxMs: 40 });
  window.events = [];
  for (const type of ["trackadded", "trackremoved"]) {
    room.addEventListener(type, ({ detail }) => events.push(`${type} ${detail.participantId} ${detail.source}`));
  }
  await room.connect(url, "the-token");
}
"""
HANA = [("p-hana", "microphone", "audio"), ("p-hana", "camera", "video")]


@pytest_asyncio.fixture(loop_scope="session")
async def sender(page: Page, server: FakeServer, far_end: Page) -> Sender:
    await page.goto(f"{server.url}/icon.svg")
    await page.evaluate(OPEN, f"{server.url.replace('http', 'ws')}/ws/live/{SESSION_ID}")
    return Sender(page, server, far_end)


@pytest.mark.parametrize("browser_name", ["chromium", "firefox"])
async def test_offered_tracks_arrive_at_their_owner(sender: Sender) -> None:
    answer = await sender.offer(HANA, ["audio", "video"])
    assert answer["sdp"].count("a=recvonly") == 2
    assert sorted(await sender.events()) == ["trackadded p-hana camera", "trackadded p-hana microphone"]
    await sender.arrives("p-hana", "camera")
    await sender.arrives("p-hana", "microphone")


async def test_a_second_offer_adds_without_touching_what_is_there(sender: Sender) -> None:
    await sender.offer(HANA, ["audio", "video"])
    await sender.events()
    await sender.offer([*HANA, ("p-ana", "camera", "video")], ["video"])
    assert await sender.events() == ["trackadded p-ana camera"]
    await sender.arrives("p-ana", "camera")
    await sender.arrives("p-hana", "camera")


async def test_what_is_listed_no_more_is_removed_and_its_section_may_serve_another(sender: Sender) -> None:
    await sender.offer(HANA, ["audio", "video"])
    await sender.events()
    await sender.offer([HANA[0]], [])
    assert await sender.events() == ["trackremoved p-hana camera"]
    await sender.offer([HANA[0], ("p-ana", "camera", "video")], [])
    assert await sender.events() == ["trackadded p-ana camera"]


async def test_a_new_connection_id_replaces_everything(sender: Sender) -> None:
    await sender.offer(HANA, ["audio", "video"])
    await sender.events()
    await sender.offer(HANA, ["audio", "video"], fresh=True)
    events = await sender.events()
    assert [event.split()[0] for event in events] == ["trackremoved"] * 2 + ["trackadded"] * 2
    await sender.arrives("p-hana", "camera")


async def test_media_reset_closes_the_connection(sender: Sender) -> None:
    await sender.offer(HANA, ["audio", "video"])
    await sender.server.push("media_reset", reason="worker_lost")
    await until(lambda: sender.page.evaluate("room.receiver.pc === null"), "the connection is closed")
    assert await sender.page.evaluate("room.receiver.tracks.size") == 0


async def test_a_stale_answer_changes_nothing(sender: Sender) -> None:
    stale = {"type": "error", "code": "stale_answer", "message": "Stale."}
    sender.server.replies["receive_answer"] = lambda _: stale
    await sender.offer(HANA, ["audio", "video"])
    await sender.arrives("p-hana", "camera")
    assert not sender.server.received["receive_restart"]


async def test_a_failed_connection_asks_for_another(sender: Sender) -> None:
    await sender.offer(HANA, ["audio", "video"])
    await sender.arrives("p-hana", "camera")
    await sender.far_end.evaluate("farEnd.hangUp()")
    await sender.server.wait_for("receive_restart", timeout_s=30)
    await sender.offer(HANA, ["audio", "video"], fresh=True)
    await sender.arrives("p-hana", "camera")


async def test_an_offer_that_makes_no_sense_asks_for_another(sender: Sender) -> None:
    await sender.server.push("receive_offer", connection_id="c", offer_id=1, sdp="v=0\r\nnonsense", tracks=[])
    await sender.server.wait_for("receive_restart")
