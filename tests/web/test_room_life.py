"""web/ui: who speaks, how good connections are, and the connection in numbers, as people see them."""

from __future__ import annotations

import re

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, expect

from tests.web.fake_server import SESSION_ID, FakeServer, participant, token_for
from tests.web.sender import Sender, source_state

pytestmark = pytest.mark.asyncio(loop_scope="session")

HANA = [("p-hana", "microphone", "audio"), ("p-hana", "camera", "video")]
SPEAKING = re.compile(r"\bspeaking\b")
LOSING = """
(share) => {
  const { pc } = greenroom.room.receiver;
  pc.getStats = async () => {
    const reports = new Map(await RTCPeerConnection.prototype.getStats.call(pc));
    for (const [id, report] of reports) {
      const packetsLost = Math.round(report.packetsReceived * share);
      if (report.type === "inbound-rtp") reports.set(id, { ...report, packetsLost });
    }
    return reports;
  };
}
"""
NO_CLIPBOARD = (
    "() => void (navigator.clipboard.writeText = () => Promise.reject(new DOMException('no', 'NotAllowedError')))"
)


def tile(page: Page, name: str) -> Locator:
    return page.locator(f'[data-testid="tile"][data-participant-id="p-{name.lower()}"][data-source="camera"]')


@pytest_asyncio.fixture(loop_scope="session")
async def sender(page: Page, server: FakeServer, far_end: Page) -> Sender:
    """Hana is seen and heard; Ana is on stage without devices."""
    sources = [source_state("p-hana", "microphone"), source_state("p-hana", "camera")]
    server.as_person("Vera", "viewer", [participant("Hana", "host", sources=sources), participant("Ana", "guest")])
    await page.goto(f"{server.url}/#/s/{SESSION_ID}?token={token_for('u-me', 'Me')}")
    await page.get_by_test_id("stage").wait_for()
    sender = Sender(page, server, far_end)
    await sender.offer(HANA, ["audio", "video"])
    await sender.speak("p-hana", 0)
    return sender


async def test_the_tile_of_who_speaks_is_marked(sender: Sender) -> None:
    page = sender.page
    await expect(tile(page, "Hana")).not_to_have_class(SPEAKING)
    await sender.speak("p-hana", 0.4)
    await expect(tile(page, "Hana")).to_have_class(SPEAKING)
    await expect(tile(page, "Ana")).not_to_have_class(SPEAKING)
    await sender.speak("p-hana", 0)
    await expect(tile(page, "Hana")).not_to_have_class(SPEAKING)


async def test_a_bad_connection_is_seen_and_said(sender: Sender) -> None:
    page = sender.page
    mark = tile(page, "Hana").get_by_test_id("quality")
    await expect(mark.get_by_role("img", name="Good connection")).to_be_attached()
    await expect(mark).to_have_css("opacity", "0")
    await tile(page, "Hana").hover()
    await expect(mark).to_have_css("opacity", "1")
    await page.mouse.move(0, 0)
    await page.evaluate(LOSING, 0.3)
    await expect(mark.get_by_role("img", name="Bad connection")).to_be_visible()
    await expect(mark).to_have_css("opacity", "1")
    await expect(tile(page, "Ana").get_by_test_id("quality")).to_be_hidden()


async def test_the_connection_in_numbers_that_are_renewed_in_place(sender: Sender) -> None:
    page = sender.page
    button = page.get_by_role("button", name="Connection statistics")
    await button.click()
    panel = page.get_by_role("dialog", name="Connection statistics")
    await expect(panel).to_be_focused()
    await expect(button).to_have_attribute("aria-expanded", "true")
    row = panel.get_by_role("row", name="Hana, Camera")
    await expect(row.get_by_role("cell").nth(0)).to_have_text(re.compile("VP8|VP9|H264|AV1"))
    await expect(row.get_by_role("cell").nth(1)).to_have_text(re.compile(r"^\d+ × \d+$"))
    for column, shape in {2: r"^\d+$", 3: r"^[\d.]+ [kM]bit/s$", 4: r"^[\d.]+ %$", 5: r"^\d+ ms$"}.items():
        await expect(row.get_by_role("cell").nth(column)).to_have_text(re.compile(shape))
    await expect(panel.get_by_role("row", name="Hana, Microphone").get_by_role("cell").nth(0)).to_have_text("opus")
    facts = panel.locator(".statistics-facts")
    await expect(facts.locator("[data-fact=down] dd")).to_have_text(re.compile(r"bit/s$"))
    await expect(facts.locator("[data-fact=rtt] dd")).to_have_text(re.compile(r"^\d+ ms$"))
    await expect(facts.locator("[data-fact=way] dd")).to_have_text(re.compile("direct.*, UDP"))
    await expect(facts.locator("[data-fact=server] dd")).to_have_text(re.compile(r":\d+$"))
    loss = row.get_by_role("cell").nth(4)
    kept = await loss.element_handle()
    assert kept is not None
    await page.evaluate(LOSING, 0.25)
    await expect(loss).to_have_text(re.compile(r"^(1[5-9]|2[0-5])(\.\d)? %$"))
    assert await kept.evaluate("(element) => element.isConnected")
    # What changes each second is read when somebody goes there, not announced.
    assert await panel.locator("[aria-live], [role=status], [role=alert], [role=log]").count() == 0
    await page.keyboard.press("Escape")
    await expect(panel).to_be_hidden()
    await expect(button).to_be_focused()


async def test_statistics_can_be_copied_for_a_report(sender: Sender) -> None:
    page = sender.page
    await page.get_by_test_id("statistics").click()
    await expect(page.get_by_role("row", name="Hana, Camera").get_by_role("cell").nth(4)).to_have_text(re.compile("%"))
    await page.get_by_role("button", name="Copy as text").click()
    await expect(page.get_by_test_id("announcer")).to_have_text("Copied")
    text = await page.evaluate("navigator.clipboard.readText()")
    assert SESSION_ID in text
    assert "Mozilla/" in text
    assert re.search(r"^Server: \S+:\d+$", text, re.MULTILINE)
    assert re.search(r"^Hana, Camera: Codec \w+, Resolution \d+ × \d+, .*Jitter \d+ ms$", text, re.MULTILINE)
    # Without a clipboard it is there to select.
    await page.evaluate(NO_CLIPBOARD)
    await page.get_by_test_id("copy-statistics").click()
    field = page.get_by_role("dialog").get_by_role("textbox")
    await expect(field).to_be_focused()
    assert SESSION_ID in await field.input_value()


async def test_numbers_over_a_tile(sender: Sender) -> None:
    page = sender.page
    await tile(page, "Hana").hover()
    await tile(page, "Hana").get_by_test_id("tile-menu").click()
    await page.get_by_role("menuitem", name="Connection statistics").click()
    numbers = tile(page, "Hana").get_by_test_id("tile-statistics")
    await expect(numbers).to_be_focused()
    await expect(numbers.locator("[data-fact=resolution] dd")).to_have_text(re.compile("×"))
    await expect(numbers.locator("[data-fact=bitrate] dd").first).to_have_text(re.compile("bit/s"))
    await expect(numbers.get_by_role("heading")).to_have_text(["Microphone", "Camera"])
    assert await numbers.locator("[data-fact=resolution]").count() == 1
    await tile(page, "Hana").get_by_test_id("tile-menu").click()
    await page.get_by_role("menuitem", name="Hide statistics").click()
    await expect(numbers).to_be_hidden()


async def test_the_panel_goes_with_the_room(sender: Sender, server: FakeServer) -> None:
    page = sender.page
    await page.get_by_test_id("statistics").click()
    await expect(page.get_by_role("row", name="Hana, Camera")).to_be_visible()
    await server.close(4410, "session_ended")
    await expect(page.get_by_test_id("statistics-panel")).to_be_hidden()
