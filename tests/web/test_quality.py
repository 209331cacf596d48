"""web/lib/quality.js: numbers become good, fair or poor, and one bad moment is none."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page

from tests.web.fake_server import FakeServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

GRADE = """
async ({ statistics, paused }) => {
  const { gradeEverybody } = await import("/lib/quality.js");
  return Object.fromEntries(gradeEverybody(statistics, "me", (producerId) => paused.includes(producerId)));
}
"""
SHOW = """
async (losses) => {
  const { Quality } = await import("/lib/quality.js");
  let tell;
  const participants = new Map([["hana", { sources: [] }]]);
  const statistics = { watch: (callback) => (tell = callback) };
  const quality = new Quality({ statistics, state: { participants, you: { id: "me" } } });
  let changes = 0;
  quality.addEventListener("change", () => changes++);
  const path = { state: "connected", bitrateBps: 1, rttMs: 10, loss: 0 };
  const shown = losses.map((loss) => {
    const source = { participantId: "hana", producerId: "x", source: "camera", own: false };
    tell({ up: null, down: path, sources: [{ ...source, bitrateBps: 1, loss, frozen: null, concealed: null }] });
    return quality.of("hana");
  });
  participants.clear();
  tell({ up: null, down: path, sources: [] });
  return { shown, changes, after: quality.of("hana") };
}
"""
FINE = {"state": "connected", "bitrateBps": 1_000_000, "rttMs": 30, "loss": 0}


def received(**values: Any) -> dict[str, Any]:
    fine = {"source": "camera", "bitrateBps": 500_000, "loss": 0, "frozen": 0, "concealed": None, "limitedBy": None}
    return {"participantId": "hana", "producerId": "hana-camera", "own": False, **fine, **values}


async def grade(page: Page, server: FakeServer, paused: tuple[str, ...] = (), **statistics: Any) -> dict[str, str]:
    await page.goto(f"{server.url}/icon.svg")
    whole = {"up": None, "down": FINE, "sources": [], **statistics}
    return dict(await page.evaluate(GRADE, {"statistics": whole, "paused": list(paused)}))


ARRIVING: list[tuple[dict[str, Any], str | None]] = [
    ({}, "good"),
    ({"loss": 0.02}, "good"),
    ({"loss": 0.03}, "fair"),
    ({"loss": 0.1}, "poor"),
    ({"frozen": 0.2}, "fair"),
    ({"frozen": 0.6}, "poor"),
    ({"source": "microphone", "concealed": 0.05}, "fair"),
    ({"source": "microphone", "bitrateBps": 0}, "poor"),
    ({"source": "camera", "bitrateBps": 0}, None),
    ({"bitrateBps": None}, None),
]
OWN: list[tuple[Any, Any, str | None]] = [
    (None, FINE, "good"),
    (FINE, FINE, "good"),
    ({**FINE, "loss": 0.05}, FINE, "fair"),
    (FINE, {**FINE, "rttMs": 400}, "fair"),
    (FINE, {**FINE, "rttMs": 1200}, "poor"),
    ({**FINE, "state": "disconnected"}, FINE, "poor"),
    (None, {**FINE, "state": "connecting"}, None),
    (None, None, None),
]


async def test_what_arrives(page: Page, server: FakeServer) -> None:
    for values, expected in ARRIVING:
        grades = await grade(page, server, sources=[received(**values)])
        assert grades.get("hana") == expected, values
        assert grades["me"] == "good", values


async def test_the_own_connection(page: Page, server: FakeServer) -> None:
    for up, down, expected in OWN:
        assert (await grade(page, server, up=up, down=down)).get("me") == expected, (up, down)


async def test_the_worst_source_counts_and_a_muted_one_does_not(page: Page, server: FakeServer) -> None:
    silent = received(source="microphone", producerId="hana-microphone", bitrateBps=0)
    assert (await grade(page, server, sources=[received(), silent]))["hana"] == "poor"
    assert (await grade(page, server, ("hana-microphone",), sources=[received(), silent]))["hana"] == "good"


async def test_an_own_picture_that_bandwidth_keeps_small_is_fair(page: Page, server: FakeServer) -> None:
    own = {**received(), "own": True, "participantId": "me"}
    assert (await grade(page, server, up=FINE, sources=[{**own, "limitedBy": "bandwidth"}]))["me"] == "fair"
    assert (await grade(page, server, up=FINE, sources=[{**own, "limitedBy": "cpu"}]))["me"] == "good"


async def test_one_bad_moment_changes_nothing(page: Page, server: FakeServer) -> None:
    await page.goto(f"{server.url}/icon.svg")
    result = await page.evaluate(SHOW, [0, 0, 0.5, 0, 0.5, 0.5, 0, 0])
    assert result["shown"] == ["good", "good", "good", "good", "poor", "poor", "poor", "good"]
    assert result["after"] is None


async def test_changes_are_told_once(page: Page, server: FakeServer) -> None:
    await page.goto(f"{server.url}/icon.svg")
    result = await page.evaluate(SHOW, [0, 0, 0, 0.5, 0.5, 0.5])
    assert result["shown"][-1] == "poor"
    # The first that is known, the worse one, and that they are gone.
    assert result["changes"] == 3
