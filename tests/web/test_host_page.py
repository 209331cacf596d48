"""web/ui: what a host can do in the panel, how those concerned are told, and what is shown at the end."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Locator, Page, expect

from tests.support.waiting import until
from tests.web.fake_server import (
    SESSION_ID,
    STATS,
    FakeServer,
    Message,
    guest_request,
    participant,
    session,
    token_for,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

BAN = {
    "host_user_id": "u-hana",
    "user_id": "u-eve",
    "session_id": SESSION_ID,
    "name": "Eve",
    "reason": "Spam",
    "banned_by": "u-hana",
    "created_at": "2026-01-01T12:00:00Z",
}


async def enter(page: Page, server: FakeServer) -> None:
    await page.goto(f"{server.url}/#/s/{SESSION_ID}?token={token_for('u-me', 'Me')}")
    await page.get_by_test_id("stage").wait_for()


def row(page: Page, name: str) -> Locator:
    return page.locator(f'[data-testid="participant-row"][data-participant-id="p-{name.lower()}"]')


async def test_all_requests_are_answered_at_once_and_rejecting_all_is_asked_for(page: Page, server: FakeServer) -> None:
    server.as_person("Hana", "host", requests=[guest_request("Ana"), guest_request("Bo")])
    server.replies["respond_all"] = lambda _: {"type": "answered", "answered": 1, "waiting": 1}
    await enter(page, server)
    await page.get_by_role("button", name="Approve all").click()
    assert (await server.wait_for("respond_all"))["approve"] is True
    await expect(page.get_by_test_id("banner")).to_contain_text("1 request waits")
    await page.get_by_role("button", name="Reject all").click()
    assert len(server.received["respond_all"]) == 1
    await page.get_by_test_id("confirm-yes").click()
    assert (await server.wait_for("respond_all", 2))["approve"] is False


async def test_a_viewer_is_invited_and_the_invitation_can_be_taken_back(page: Page, server: FakeServer) -> None:
    server.as_person("Hana", "host", [participant("Vic", "viewer")])
    invitation = guest_request("Vic", kind="invitation", invited_by="u-hana")
    server.replies["invite_guest"] = lambda _: {"type": "guest_request_created", "request": invitation}
    await enter(page, server)
    await page.get_by_role("button", name="Invite Vic on stage").click()
    assert (await server.wait_for("invite_guest"))["participant_id"] == "p-vic"
    await expect(page.get_by_test_id("request-row")).to_have_count(0)
    await page.get_by_role("button", name="Take the invitation of Vic back").click()
    assert (await server.wait_for("cancel_invitation"))["request_id"] == "r-vic"


@pytest.mark.parametrize(("button", "accepted"), [("Accept", True), ("Decline", False)])
async def test_who_is_invited_says_yes_or_no(page: Page, server: FakeServer, button: str, accepted: bool) -> None:
    await enter(page, server)
    invitation = guest_request("Vera", kind="invitation", invited_by="u-hana")
    await server.push("invited", request=invitation)
    await expect(page.get_by_role("heading", name="You are invited on stage")).to_be_visible()
    await page.get_by_role("button", name=button).click()
    answer = await server.wait_for("respond_invitation")
    assert (answer["request_id"], answer["accept"]) == ("r-vera", accepted)
    status = "approved" if accepted else "rejected"
    await server.push("guest_request_updated", request={**invitation, "status": status})
    await expect(page.get_by_role("heading", name="Come on stage")).to_be_visible()


async def test_a_ban_is_asked_for_can_be_undone_and_lifted_later(page: Page, server: FakeServer) -> None:
    server.as_person("Hana", "host", [participant("Eve", "viewer")])
    await enter(page, server)
    await page.get_by_role("button", name="More about Eve").click()
    await row(page, "Eve").get_by_role("button", name="Ban Eve").click()
    dialog = page.get_by_role("dialog", name="Ban Eve?")
    await dialog.get_by_label("Reason").fill("Spam")
    await page.keyboard.press("Enter")
    await expect(dialog).to_be_hidden()
    assert not server.received["ban"], "Enter in the field bans nobody"
    await row(page, "Eve").get_by_role("button", name="Ban Eve").click()
    await dialog.get_by_label("Reason").fill("Spam")
    await dialog.get_by_role("button", name="Ban").click()
    banned = await server.wait_for("ban")
    assert (banned["participant_id"], banned["reason"]) == ("p-eve", "Spam")
    await page.get_by_role("button", name="Undo").click()
    assert (await server.wait_for("unban"))["user_id"] == "u-eve"
    bans = [BAN]
    server.rest["bans"] = lambda _: {"bans": bans}
    await page.get_by_text("Banned people").click()
    await expect(page.get_by_test_id("ban-row")).to_contain_text("Spam")
    bans.clear()
    await page.get_by_role("button", name="Lift the ban of Eve").click()
    await expect(page.get_by_test_id("bans")).to_have_text("Nobody is banned.")


async def test_everybody_is_muted_by_one_button(page: Page, server: FakeServer) -> None:
    server.as_person("Hana", "host", [participant("Ana", "guest")])
    server.replies["mute_all"] = lambda _: {"type": "muted", "muted": 1}
    await enter(page, server)
    await page.get_by_role("button", name="Mute all").click()
    assert (await server.wait_for("mute_all"))["except_cohosts"] is False
    await expect(page.get_by_test_id("banner")).to_contain_text("1 person muted.")
    locked = participant("Ana", "guest", audio_locked=True)
    await server.push("participant_updated", participant=locked)
    await page.get_by_role("button", name="Undo").click()
    undone = await server.wait_for("manage_participant")
    assert (undone["participant_id"], undone["action"]) == ("p-ana", "unmute_audio")


async def test_settings_change_at_once_and_go_back_when_refused(page: Page, server: FakeServer) -> None:
    server.as_person("Hana", "host", requests=[guest_request("Ana")])
    await enter(page, server)
    await page.get_by_role("tab", name="Settings").click()
    await page.get_by_label("Slow mode").select_option("30")
    assert (await server.wait_for("update_settings"))["settings"] == {"slow_mode_s": 30}
    await page.get_by_label("Maximum guests").fill("21")
    await page.keyboard.press("Tab")
    await page.get_by_label("Maximum guests").fill("4")
    await page.keyboard.press("Tab")
    assert (await server.wait_for("update_settings", 2))["settings"] == {"max_guests": 4}
    await page.get_by_label("Allow guests").uncheck()
    await page.get_by_test_id("confirm-cancel").click()
    await expect(page.get_by_label("Allow guests")).to_be_checked()
    server.replies["update_settings"] = lambda _: {"type": "error", "code": "of_the_future", "message": "Not you."}
    await page.get_by_role("switch", name="Lock").click()
    await expect(page.get_by_test_id("banner")).to_have_text("Not you.")
    await expect(page.get_by_role("switch", name="Lock")).not_to_be_checked()
    await server.push("session_updated", session=session(settings={"locked": True, "slow_mode_s": 45}))
    await expect(page.get_by_role("switch", name="Lock")).to_be_checked()
    await expect(page.get_by_label("Slow mode")).to_have_value("45")


async def test_who_waits_is_shown_with_how_long(page: Page, server: FakeServer) -> None:
    since = (datetime.now(UTC) - timedelta(minutes=7)).isoformat()
    requests = [guest_request("Ana", created_at=since), guest_request("Bo", created_at=datetime.now(UTC).isoformat())]
    server.as_person("Hana", "host", requests=requests)
    await enter(page, server)
    await expect(page.get_by_test_id("request-row").filter(has_text="Ana")).to_contain_text("7 min")
    await expect(page.get_by_test_id("request-row").filter(has_text="Bo")).to_contain_text("just now")


async def test_who_was_turned_down_by_a_slip_is_invited(page: Page, server: FakeServer) -> None:
    server.as_person("Hana", "host", [participant("Ana", "viewer")], requests=[guest_request("Ana")])
    await enter(page, server)
    await page.get_by_role("button", name="Reject Ana").click()
    await server.wait_for("respond_guest_request")
    await page.get_by_role("button", name="Invite after all").click()
    assert (await server.wait_for("invite_guest"))["participant_id"] == "p-ana"


@pytest.mark.parametrize(
    ("role", "action", "button", "undo", "sent"),
    [
        ("guest", "promote", "Make co-host: Ana", "Undo", "demote"),
        ("cohost", "demote", "Make guest: Ana", "Undo", "promote"),
        ("guest", "silence", "Silence Ana in the chat", "Undo", "unsilence"),
        ("guest", "remove_guest", "Send back to the viewers: Ana", "Invite again", None),
    ],
)
async def test_what_a_host_did_can_be_undone_where_it_is_said(
    page: Page, server: FakeServer, role: str, action: str, button: str, undo: str, sent: str | None
) -> None:
    server.as_person("Hana", "host", [participant("Ana", role)])
    await enter(page, server)
    await page.get_by_role("button", name="More about Ana").click()
    await page.get_by_role("button", name=button).click()
    assert (await server.wait_for("manage_participant"))["action"] == action
    await page.get_by_test_id("banner").get_by_role("button", name=undo).click()
    if sent:
        assert (await server.wait_for("manage_participant", 2))["action"] == sent
    else:
        assert (await server.wait_for("invite_guest"))["participant_id"] == "p-ana"


async def test_everybody_sees_who_is_muted_and_a_pressed_button_keeps_the_focus(page: Page, server: FakeServer) -> None:
    others = [participant("Ana", "guest", audio_muted=True), participant("Bo", "guest", video_locked=True)]
    server.as_person("Hana", "host", others)
    await enter(page, server)
    await expect(row(page, "Ana").get_by_role("img", name="Microphone off")).to_be_visible()
    mute = row(page, "Bo").get_by_role("button", name="Mute microphone of Bo")
    await mute.focus()
    await page.keyboard.press("Enter")
    await server.push("participant_updated", participant=participant("Bo", "guest", audio_locked=True))
    await expect(row(page, "Bo").get_by_role("button", name="Unmute microphone of Bo")).to_be_focused()
    await server.push("participant_updated", participant=participant("Hana", "guest"))
    await expect(row(page, "Bo").get_by_role("img", name="Microphone turned off by the host")).to_be_visible()


async def test_one_among_a_thousand_viewers_is_found_by_name(page: Page, server: FakeServer) -> None:
    server.as_person("Hana", "host", [participant(f"Viewer{number}", "viewer") for number in range(1000)])
    await enter(page, server)
    viewers = page.get_by_test_id("viewers")
    await expect(viewers.get_by_test_id("participant-row")).to_have_count(50)
    await expect(page.get_by_text("950 viewers more")).to_be_visible()
    await page.get_by_label("Find a viewer").fill("viewer777")
    await expect(viewers.get_by_test_id("participant-row")).to_have_count(1)
    await page.get_by_role("button", name="Invite Viewer777 on stage").click()
    assert (await server.wait_for("invite_guest"))["participant_id"] == "p-viewer777"
    await page.get_by_label("Find a viewer").fill("nobody of that name")
    await expect(page.get_by_text("No viewer’s name has “nobody of that name” in it.")).to_be_visible()


async def test_a_request_behind_another_tab_is_told(page: Page, server: FakeServer) -> None:
    server.as_person("Hana", "host")
    await enter(page, server)
    await page.get_by_test_id("tab-chat").click()
    await server.push("guest_request_created", request=guest_request("Ana"))
    await expect(page.get_by_test_id("banner")).to_contain_text("Ana asks to come on stage.")
    await page.get_by_role("button", name="Show").click()
    await expect(page.get_by_test_id("request-row")).to_be_visible()


async def test_nobody_but_the_host_is_offered_settings(page: Page, server: FakeServer) -> None:
    server.as_person("Co", "cohost", [participant("Hana", "host"), participant("Gus", "guest")])
    await enter(page, server)
    await expect(page.get_by_role("tab", name="Settings")).to_be_hidden()
    await expect(page.get_by_role("button", name="Mute all")).to_be_visible()
    await server.push("participant_updated", participant=participant("Co", "guest"))
    await expect(page.get_by_role("button", name="Mute all")).to_be_hidden()


async def test_the_end_shows_what_came_of_it(page: Page, server: FakeServer) -> None:
    await enter(page, server)
    await server.push("session_ended", reason="host_lost", stats=STATS)
    await server.close(4410, "session_ended")
    await expect(page.get_by_test_id("banner")).to_contain_text("connection was lost")
    await expect(page.get_by_text("Baking bread, by Hana")).to_be_visible()
    stats = page.get_by_test_id("session-stats")
    for fact in ("1 h 2 min", "52", "42", "50 %", "20 min"):
        await expect(stats.get_by_text(fact, exact=True)).to_be_visible()


@pytest.mark.parametrize(
    ("code", "said", "button"),
    [
        ("session_full", "The session is full.", "Try again"),
        ("session_locked", "nobody new comes in", "Try again"),
        ("guests_not_allowed", "takes no guests", "Back to live sessions"),
        ("of_the_future", "The connection was closed", "Back to live sessions"),
    ],
)
async def test_who_is_not_let_in_is_told_why_and_what_to_do(
    page: Page, server: FakeServer, code: str, said: str, button: str
) -> None:
    server.hello_answer = {"type": "error", "code": code, "message": "No."}
    await page.goto(f"{server.url}/#/s/{SESSION_ID}?token={token_for('u-me', 'Me')}")
    await expect(page.get_by_test_id("banner")).to_contain_text(said)
    server.hello_answer = None
    await page.get_by_test_id("banner").get_by_role("button", name=button).click()
    if button == "Try again":
        await expect(page.get_by_test_id("stage")).to_be_visible()
    else:
        await expect(page.get_by_role("heading", name="Live now")).to_be_visible()


async def test_who_comes_too_late_sees_it_too(page: Page, server: FakeServer) -> None:
    ended: Message = {"type": "error", "code": "session_ended", "message": "The session has ended."}
    server.hello_answer = ended
    await page.goto(f"{server.url}/#/s/{SESSION_ID}?token={token_for('u-me', 'Me')}")
    await expect(page.get_by_test_id("banner")).to_contain_text("The session has ended.")
    await expect(page.get_by_test_id("session-stats")).to_be_visible()


DRAWN = "(c) => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((value) => value > 0)"
CATALOGUE = [
    {"id": "rose", "name": "Rose", "icon": "🌹", "value": 1},
    {"id": "cake", "name": "Cake", "icon": "🎂", "value": 20},
]


async def test_a_gift_says_its_price_before_it_is_given(page: Page, server: FakeServer) -> None:
    server.welcome["session"] = session(settings={"enable_gifts": True})
    given = {"gift_name": "Cake", "icon": "🎂", "quantity": 5, "value": 100, "name": "<b>Vera</b>"}
    server.replies["send_gift"] = lambda _: {"type": "gift_sent", "gift": given}
    await page.route("**/live/gifts", lambda route: route.fulfill(json={"gifts": CATALOGUE}))
    await enter(page, server)
    await page.get_by_role("button", name="Give something").click()
    await page.get_by_role("radio", name="Cake").check(force=True)
    await page.get_by_label("How many").select_option("5")
    assert not server.received["send_gift"]
    await page.get_by_role("button", name="Give for 100").click()
    sent = await server.wait_for("send_gift")
    assert (sent["gift_id"], sent["quantity"]) == ("cake", 5)
    await server.push("gift", gift=given)
    await expect(page.get_by_text("<b>Vera</b> gave 5 × Cake")).to_be_visible()
    await until(lambda: page.locator("canvas.rain").evaluate(DRAWN), "cakes float over the stage")
    await server.push("session_updated", session=session())
    await expect(page.get_by_role("button", name="Give something")).to_be_hidden()


async def test_a_gift_that_cannot_be_paid_for_is_said_and_one_that_takes_long_too(
    page: Page, server: FakeServer
) -> None:
    server.welcome["session"] = session(settings={"enable_gifts": True})
    paid = asyncio.Event()

    async def refuse(_: Message) -> Message:
        await paid.wait()
        return {"type": "error", "code": "payment_refused", "message": "No money."}

    server.replies["send_gift"] = refuse
    await page.route("**/live/gifts", lambda route: route.fulfill(json={"gifts": CATALOGUE}))
    await enter(page, server)
    await page.get_by_role("button", name="Give something").click()
    await page.get_by_role("button", name="Give for 1").click()
    await expect(page.get_by_test_id("banner")).to_contain_text("on its way")
    paid.set()
    await expect(page.get_by_test_id("banner")).to_have_text("The gift could not be paid for.")


async def test_who_asks_is_not_invited_too_and_a_long_message_leaves_the_answer_in_sight(
    page: Page, server: FakeServer
) -> None:
    asking = guest_request("Ana", message="word " * 100)
    server.as_person("Hana", "host", [participant("Ana", "viewer"), participant("Vic", "viewer")], [asking])
    await enter(page, server)
    await expect(row(page, "Vic").get_by_role("button", name="Invite")).to_be_visible()
    await expect(row(page, "Ana").get_by_role("button", name="Invite")).to_have_count(0)
    await expect(row(page, "Ana").get_by_role("img", name="Asks to come on stage")).to_be_visible()
    message = await page.locator(".request-message").bounding_box()
    assert message
    assert message["height"] < 150


async def test_where_nobody_watches_there_is_the_link(page: Page, server: FakeServer) -> None:
    server.as_person("Hana", "host")
    await enter(page, server)
    await page.get_by_test_id("share-empty").click()
    await expect(page.get_by_test_id("banner")).to_have_text("The link is copied.")
    await server.push("participant_joined", participant=participant("Vic", "viewer"))
    await expect(page.get_by_test_id("share-empty")).to_be_hidden()
