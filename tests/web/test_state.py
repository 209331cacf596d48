"""web/lib/state.js: what a client knows of a room."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page

from tests.web.fake_server import FakeServer, guest_request, participant, session

pytestmark = pytest.mark.asyncio(loop_scope="session")

APPLY = """
async ({ welcome, messages }) => {
  const { RoomState } = await import("/lib/state.js");
  const state = new RoomState();
  let changes = 0;
  state.addEventListener("change", () => changes++);
  state.reset(welcome);
  for (const message of messages) state.apply(message);
  return {
    onStage: state.onStage.map(({ name }) => name),
    viewers: state.viewers.map(({ name }) => name),
    requests: state.pendingRequests.map(({ name }) => name),
    own: state.ownRequest?.status ?? null,
    role: state.you.role,
    viewerCount: state.session.viewer_count,
    changes,
  };
}
"""


async def apply(page: Page, server: FakeServer, *messages: dict[str, Any]) -> dict[str, Any]:
    await page.goto(f"{server.url}/icon.svg")
    return dict(await page.evaluate(APPLY, {"welcome": server.welcome, "messages": list(messages)}))


def updated(name: str, role: str, **changes: Any) -> dict[str, Any]:
    return {"type": "participant_updated", "participant": participant(name, role, **changes)}


async def test_the_stage_is_sorted_by_rank_then_by_arrival(page: Page, server: FakeServer) -> None:
    early, late = "2026-01-01T10:00:00Z", "2026-01-01T11:00:00Z"
    state = await apply(
        page,
        server,
        {"type": "participant_joined", "participant": participant("Late", "guest", joined_at=late)},
        {"type": "participant_joined", "participant": participant("Early", "guest", joined_at=early)},
        {"type": "participant_joined", "participant": participant("Co", "cohost", joined_at=late)},
    )
    assert state["onStage"] == ["Hana", "Co", "Early", "Late"]
    assert state["changes"] == 4


async def test_a_viewer_forgets_who_leaves_the_stage(page: Page, server: FakeServer) -> None:
    state = await apply(page, server, updated("Ana", "guest"), updated("Ana", "viewer"))
    assert state["onStage"] == ["Hana"]
    assert state["viewers"] == ["Vera"]


async def test_a_host_still_knows_them(page: Page, server: FakeServer) -> None:
    server.as_person("Hana", "host", [participant("Ana", "guest")])
    state = await apply(page, server, updated("Ana", "viewer"))
    assert state["viewers"] == ["Ana"]


async def test_a_promotion_brings_the_roster_and_a_demotion_takes_it(page: Page, server: FakeServer) -> None:
    server.as_person("Vera", "guest", [participant("Hana", "host")])
    everybody = [participant("Hana", "host"), participant("Vera", "cohost"), participant("Vic", "viewer")]
    promotion = [
        updated("Vera", "cohost"),
        {"type": "roster", "participants": everybody, "guest_requests": [guest_request("Vic")]},
    ]
    promoted = await apply(page, server, *promotion)
    assert (promoted["viewers"], promoted["requests"]) == (["Vic"], ["Vic"])
    demoted = await apply(page, server, *promotion, updated("Vera", "guest"))
    assert (demoted["viewers"], demoted["requests"]) == ([], [])
    assert demoted["onStage"] == ["Hana", "Vera"]


async def test_answered_requests_leave_the_list_but_the_own_one_is_kept(page: Page, server: FakeServer) -> None:
    rejected = {"type": "guest_request_updated", "request": guest_request("Vera", status="rejected")}
    state = await apply(page, server, {"type": "guest_request_created", "request": guest_request("Vera")}, rejected)
    assert (state["requests"], state["own"]) == ([], "rejected")
    server.as_person("Hana", "host", requests=[guest_request("Vera"), guest_request("Ana")])
    state = await apply(page, server, rejected)
    assert state["requests"] == ["Ana"]


async def test_an_invitation_is_nothing_for_the_host_to_answer(page: Page, server: FakeServer) -> None:
    invitation = {"type": "guest_request_created", "request": guest_request("Vera", kind="invitation")}
    state = await apply(page, server, invitation)
    assert (state["requests"], state["own"]) == ([], None)
    server.as_person("Hana", "host", requests=[guest_request("Ana", kind="invitation"), guest_request("Vic")])
    assert (await apply(page, server, invitation))["requests"] == ["Vic"]


async def test_counts_and_departures(page: Page, server: FakeServer) -> None:
    state = await apply(
        page,
        server,
        {"type": "session_updated", "session": session(viewer_count=41)},
        {"type": "participant_left", "participant_id": "p-hana", "reason": "left"},
        {"type": "participant_left", "participant_id": "p-nobody", "reason": "left"},
    )
    assert (state["viewerCount"], state["onStage"]) == (41, [])
