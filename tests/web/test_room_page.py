"""web/ui: the room as viewers, guests and hosts see it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from tests.support.waiting import until
from tests.web.fake_server import SESSION_ID, FakeServer, guest_request, participant, session, token_for

pytestmark = pytest.mark.asyncio(loop_scope="session")

NO_DEVICES_ONCE = """
const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
window.refuse = true;
navigator.mediaDevices.getUserMedia = async (wanted) => {
  if (window.refuse) throw new DOMException('no', 'NotAllowedError');
  return real(wanted);
};
"""
SOUND_NEEDS_A_TAP = """
const play = HTMLMediaElement.prototype.play;
HTMLMediaElement.prototype.play = function () {
  if (this.muted || window.tapped) return play.call(this);
  return Promise.reject(new DOMException('tap first', 'NotAllowedError'));
};
addEventListener('click', () => (window.tapped = true), true);
"""


async def enter(page: Page, server: FakeServer) -> None:
    await page.goto(f"{server.url}/#/s/{SESSION_ID}?token={token_for('u-me', 'Me')}")
    await page.get_by_test_id("stage").wait_for()


def row(page: Page, name: str) -> Locator:
    return page.locator(f'[data-testid="participant-row"][data-participant-id="p-{name.lower()}"]')


def tile(page: Page, name: str) -> Locator:
    return page.locator(f'[data-testid="tile"][data-participant-id="p-{name.lower()}"]')


async def actions(page: Page, name: str) -> list[str]:
    return list(
        await row(page, name).locator("[data-action]").evaluate_all("(all) => all.map((e) => e.dataset.action)")
    )


async def test_tiles_show_who_is_there_and_in_what_state(page: Page, server: FakeServer) -> None:
    server.as_person("Vera", "viewer", [participant("Hana", "host"), participant("Ana", "guest", audio_muted=True)])
    await enter(page, server)
    await expect(page.get_by_role("article", name="Hana, Host")).to_be_visible()
    await expect(tile(page, "Ana").get_by_role("img", name="Microphone off")).to_be_visible()
    lost = participant("Ana", "guest", video_locked=True, connected=False)
    await server.push("participant_updated", participant=lost)
    await expect(tile(page, "Ana").get_by_role("img", name="Camera turned off by the host")).to_be_visible()
    await expect(tile(page, "Ana").get_by_text("Connection lost")).to_be_visible()
    await expect(page.get_by_role("img", name="Microphone off")).to_have_count(0)
    await server.push("participant_left", participant_id="p-ana", reason="lost")
    await expect(page.get_by_test_id("tile")).to_have_count(1)


async def test_counts_follow_the_session(page: Page, server: FakeServer) -> None:
    await enter(page, server)
    await server.push("session_updated", session=session(viewer_count=41, guest_count=2))
    await expect(page.get_by_test_id("viewers-count")).to_have_text("41 viewers")
    await expect(page.get_by_test_id("guests-count")).to_have_text("2 guests on stage")


async def test_how_long_it_runs_and_the_way_to_it(page: Page, server: FakeServer) -> None:
    since = (datetime.now(UTC) - timedelta(minutes=62)).isoformat()
    server.welcome["session"] = session(started_at=since, description="With seeds")
    await enter(page, server)
    await expect(page.get_by_test_id("running-time")).to_have_text(re.compile(r"^1:02:\d\d$"))
    await expect(page.get_by_text("Hana · With seeds")).to_be_visible()
    await page.get_by_role("button", name="Copy link").click()
    await expect(page.get_by_test_id("banner")).to_have_text("The link is copied.")
    link = await page.evaluate("navigator.clipboard.readText()")
    assert link == f"{server.url}/#/s/{SESSION_ID}", "nobody else's token is in it"
    await page.evaluate("() => { navigator.clipboard.writeText = async () => { throw new Error('no'); }; }")
    await page.get_by_role("button", name="Copy link").click()
    await expect(page.get_by_test_id("banner")).to_have_text(f"Share this link: {link}")


PHONE_THAT_SHARES = """
const matches = window.matchMedia.bind(window);
window.matchMedia = (query) => (query === "(pointer: coarse)" ? { matches: true } : matches(query));
navigator.share = async (what) => {
  window.shared = what;
  if (window.putAway) throw new DOMException("no", "AbortError");
};
"""


async def test_a_phone_offers_its_own_ways_to_share(page: Page, server: FakeServer) -> None:
    await page.add_init_script(PHONE_THAT_SHARES)
    await enter(page, server)
    for put_away in (False, True):
        await page.evaluate("(putAway) => { window.shared = null; window.putAway = putAway; }", put_away)
        await page.get_by_role("button", name="Copy link").click()
        await page.wait_for_function("window.shared")
        shared = await page.evaluate("window.shared")
        assert shared == {"title": "Baking bread · Greenroom", "url": f"{server.url}/#/s/{SESSION_ID}"}
    await expect(page.get_by_test_id("banner")).to_be_hidden()


async def test_a_page_that_is_older_than_the_server_is_loaded_anew(page: Page, server: FakeServer) -> None:
    server.hello_answer = {"type": "error", "code": "unsupported_protocol", "message": "Speak another version."}
    await page.goto(f"{server.url}/#/s/{SESSION_ID}?token={token_for('u-me', 'Me')}")
    await page.get_by_role("button", name="Reload the page").wait_for()
    server.hello_answer = None
    await page.get_by_role("button", name="Reload the page").click()
    await expect(page.get_by_test_id("stage")).to_be_visible()


async def test_the_place_taken_by_another_tab_can_be_taken_back(page: Page, server: FakeServer) -> None:
    await enter(page, server)
    await page.get_by_test_id("chat-input").fill("Half a tho")
    await server.close(4409, "replaced")
    await expect(page.get_by_test_id("banner")).to_contain_text("somewhere else")
    await page.get_by_role("button", name="Continue here").click()
    await server.wait_for("hello", 2)
    await expect(page.get_by_test_id("chat-input")).to_have_value("Half a tho")


async def test_a_lost_network_is_said_at_once_and_over_as_soon_as_it_is_back(page: Page, server: FakeServer) -> None:
    server.welcome["resumed"] = True
    await enter(page, server)
    await page.get_by_test_id("chat-input").fill("Half a tho")
    await page.evaluate("() => { dispatchEvent(new Event('offline')); }")
    await expect(page.get_by_test_id("banner")).to_contain_text("Connection lost. Reconnecting…", timeout=1_000)
    await expect(page.get_by_test_id("chat-note")).to_have_text("What you send goes out when the connection is back.")
    await server.wait_for("hello", 2)
    await expect(page.get_by_test_id("banner")).to_be_empty()
    await expect(page.get_by_test_id("chat-input")).to_have_value("Half a tho")


async def test_a_viewer_asks_is_declined_and_asks_again(page: Page, server: FakeServer) -> None:
    server.replies["request_guest"] = lambda message: {
        "type": "guest_request_created",
        "request": guest_request("Vera", message=message["message"]),
    }
    await enter(page, server)
    await page.get_by_label("Message to the host").fill("Hello")
    await page.get_by_role("button", name="Ask to join").click()
    assert (await server.wait_for("request_guest"))["message"] == "Hello"
    await expect(page.get_by_test_id("ask-status")).to_contain_text("Waiting")
    await server.push("guest_request_updated", request=guest_request("Vera", status="rejected"))
    await expect(page.get_by_test_id("ask-status")).to_contain_text("cannot bring you up right now")
    await page.get_by_role("button", name="Ask again").click()
    await page.get_by_role("button", name="Cancel request").click()
    await server.wait_for("cancel_guest_request")


async def test_who_is_approved_publishes_after_the_green_room(page: Page, server: FakeServer) -> None:
    await enter(page, server)
    await server.push("participant_updated", participant=participant("Vera", "guest"))
    await page.get_by_test_id("go-on-stage").click()
    own = tile(page, "Vera")
    await until(lambda: own.locator("video").evaluate("(video) => video.videoWidth"), "the own picture is shown")
    await expect(own).to_have_class(re.compile("mirrored"))
    assert await own.locator("video").evaluate("(video) => video.muted")
    offer = await server.wait_for("publish_offer")
    assert offer["connection_id"] is None
    await expect(page.get_by_test_id("ask-card")).to_be_hidden()
    await page.get_by_role("button", name="Leave stage").click()
    await server.wait_for("leave_stage")
    await server.push("participant_updated", participant=participant("Vera", "viewer"))
    await expect(page.get_by_test_id("ask-to-join")).to_be_visible()
    await expect(own).to_have_count(0)


async def test_refused_devices_leave_a_guest_on_stage_with_a_way_to_try_again(page: Page, server: FakeServer) -> None:
    server.as_person("Vera", "guest", [participant("Hana", "host")])
    await page.add_init_script(NO_DEVICES_ONCE)
    await enter(page, server)
    await expect(page.get_by_test_id("banner")).to_contain_text("not allowed")
    await expect(tile(page, "Vera")).to_be_visible()
    await page.evaluate("() => { window.refuse = false; }")
    await page.get_by_role("button", name="Try again").click()
    await server.wait_for("publish_offer")
    await expect(page.get_by_test_id("banner")).to_be_empty()


async def test_own_microphone_and_camera(page: Page, server: FakeServer) -> None:
    server.as_person("Vera", "guest", [participant("Hana", "host")])
    await enter(page, server)
    await server.wait_for("publish_offer")
    await page.get_by_role("button", name="Mute microphone").click()
    asked = await server.wait_for("set_muted")
    assert (asked["kind"], asked["muted"]) == ("audio", True)
    await server.push("participant_updated", participant=participant("Vera", "guest", audio_muted=True))
    await expect(page.get_by_role("button", name="Unmute microphone")).to_be_visible()
    await server.push("participant_updated", participant=participant("Vera", "guest", video_locked=True))
    camera = page.get_by_test_id("toggle-camera")
    await expect(camera).to_be_disabled()
    await expect(camera).to_have_accessible_name("Camera turned off by the host")


async def test_a_host_answers_requests(page: Page, server: FakeServer) -> None:
    requests = [guest_request("Ana", message="Me!"), guest_request("Bo")]
    server.as_person("Hana", "host", requests=requests)
    await enter(page, server)
    await expect(page.get_by_test_id("request-row").first).to_contain_text("Me!")
    await page.get_by_role("button", name="Approve Ana").click()
    await page.get_by_role("button", name="Reject Bo").click()
    answers = [await server.wait_for("respond_guest_request", count) for count in (1, 2)]
    assert [(answer["request_id"], answer["approve"]) for answer in answers] == [("r-ana", True), ("r-bo", False)]
    await server.push("guest_request_updated", request=guest_request("Ana", status="approved"))
    await expect(page.get_by_test_id("request-row")).to_have_count(1)


async def test_a_host_manages_guests_and_is_asked_before_a_kick(page: Page, server: FakeServer) -> None:
    server.as_person("Hana", "host", [participant("Ana", "guest")])
    await enter(page, server)
    await row(page, "Ana").locator("[data-action=mute_audio]").click()
    managed = await server.wait_for("manage_participant")
    assert (managed["participant_id"], managed["action"]) == ("p-ana", "mute_audio")
    await server.push("participant_updated", participant=participant("Ana", "guest", audio_locked=True))
    await expect(row(page, "Ana").get_by_role("button", name="Unmute microphone of Ana")).to_be_visible()
    await page.get_by_role("button", name="More about Ana").click()
    await page.get_by_role("button", name="Kick Ana").click()
    await page.get_by_role("button", name="Cancel").click()
    await page.get_by_role("button", name="Kick Ana").click()
    await page.get_by_role("dialog", name="Kick Ana?").get_by_role("button", name="Kick").click()
    assert (await server.wait_for("manage_participant", 2))["action"] == "kick"


MEDIA_ACTIONS = ["mute_audio", "mute_video"]
MODERATION = ["silence", "kick", "ban"]


@pytest.mark.parametrize(
    ("role", "on_guest", "on_cohost", "on_viewer"),
    [
        (
            "host",
            [*MEDIA_ACTIONS, "promote", "remove_guest", *MODERATION],
            [*MEDIA_ACTIONS, "demote", "remove_guest", *MODERATION],
            ["invite", *MODERATION],
        ),
        ("cohost", [*MEDIA_ACTIONS, "remove_guest", *MODERATION], [], ["invite", *MODERATION]),
        ("guest", [], [], []),
    ],
)
async def test_only_what_the_role_allows_is_offered(
    page: Page, server: FakeServer, role: str, on_guest: list[str], on_cohost: list[str], on_viewer: list[str]
) -> None:
    others = [participant("Gus", "guest"), participant("Co", "cohost"), participant("Vic", "viewer")]
    server.as_person("Me", role, [*others, participant("Boss", "host" if role != "host" else "guest")])
    await enter(page, server)
    assert await actions(page, "Gus") == on_guest
    assert await actions(page, "Co") == on_cohost
    assert await actions(page, "Vic") == on_viewer
    assert await actions(page, "Me") == []
    if role != "host":
        assert await actions(page, "Boss") == []


async def test_ending_and_leaving(page: Page, server: FakeServer) -> None:
    server.as_person("Hana", "host")
    await enter(page, server)
    await page.get_by_role("button", name="End session").click()
    assert not server.received["end"]
    await page.get_by_test_id("confirm-yes").click()
    await server.wait_for("end")
    await server.push("session_ended", reason="ended_by_host")
    await server.close(4410, "session_ended")
    await expect(page.get_by_test_id("banner")).to_contain_text("The session has ended.")
    await page.get_by_role("button", name="Back to live sessions").click()
    await expect(page.get_by_role("heading", name="Live now")).to_be_visible()


async def test_leaving_leads_back_to_the_list(page: Page, server: FakeServer) -> None:
    await enter(page, server)
    await page.get_by_role("button", name="Leave session").click()
    await server.wait_for("leave")
    await server.close(1000, "left")
    await expect(page.get_by_role("heading", name="Live now")).to_be_visible()


@pytest.mark.parametrize(
    ("code", "reason", "said"),
    [(4403, "kicked", "removed you"), (4409, "replaced", "somewhere else"), (4404, "session_not_found", "no such")],
)
async def test_why_it_is_over_is_said(page: Page, server: FakeServer, code: int, reason: str, said: str) -> None:
    server.as_person("Vera", "guest", [participant("Hana", "host")])
    await enter(page, server)
    await server.wait_for("publish_offer")
    await server.close(code, reason)
    await expect(page.get_by_test_id("banner")).to_contain_text(said)
    assert await page.evaluate("window.greenroom.room.publisher.pc") is None


async def test_an_expired_token_leads_to_signing_in_for_the_same_session(page: Page, server: FakeServer) -> None:
    await enter(page, server)
    await server.close(4401, "token_expired")
    await expect(page.get_by_role("alert")).to_have_text("Your sign-in has expired. Sign in again.")
    await page.get_by_label("Your name").fill("Vera")
    await page.get_by_role("button", name="Continue").click()
    await server.wait_for("hello", 2)
    await expect(page.get_by_test_id("stage")).to_be_visible()


async def test_a_lost_connection_is_said_until_it_is_back(page: Page, server: FakeServer) -> None:
    await enter(page, server)
    server.cut()
    await expect(page.get_by_test_id("banner")).to_contain_text("Reconnecting")
    await server.wait_for("hello", 2)
    await expect(page.get_by_test_id("banner")).to_be_empty()


async def test_errors_of_actions_are_said(page: Page, server: FakeServer) -> None:
    server.as_person("Hana", "host", requests=[guest_request("Ana")])
    server.replies["respond_guest_request"] = lambda _: {
        "type": "error",
        "code": "of_the_future",
        "message": "<b>Not yet.</b>",
    }
    await enter(page, server)
    await page.get_by_role("button", name="Approve Ana").click()
    await expect(page.get_by_test_id("banner")).to_have_text("<b>Not yet.</b>")
    refusal = {"type": "error", "code": "rate_limited", "message": "Rate limit.", "retry_after_s": 3}
    server.replies["respond_guest_request"] = lambda _: refusal
    await page.get_by_role("button", name="Approve Ana").click()
    await expect(page.get_by_test_id("banner")).to_have_text("That was too much at once. Try again in 3 s.")


@pytest.mark.parametrize("browser_name", ["chromium", "firefox"])
async def test_others_are_seen_and_heard_after_a_tap_where_the_browser_wants_one(
    page: Page, server: FakeServer, far_end: Page
) -> None:
    await page.add_init_script(SOUND_NEEDS_A_TAP)
    sources = [
        {"source": "microphone", "kind": "audio", "producer_id": "m", "paused": False},
        {"source": "camera", "kind": "video", "producer_id": "c", "paused": False},
    ]
    server.as_person("Vera", "viewer", [participant("Hana", "host", sources=sources)])
    await enter(page, server)
    await send(server, far_end, sources)
    video = tile(page, "Hana").locator("video")
    await until(lambda: video.evaluate("(video) => video.videoWidth"), "the host is seen")
    assert await video.evaluate("(video) => video.muted")
    await page.get_by_role("button", name="Tap to hear").click()
    await until(lambda: video.evaluate("(video) => !video.muted && !video.paused"), "the host is heard")
    await expect(page.get_by_test_id("banner")).to_be_empty()
    paused = [sources[0], {**sources[1], "paused": True}]
    dark = participant("Hana", "host", sources=paused, video_muted=True)
    await server.push("participant_updated", participant=dark)
    await expect(tile(page, "Hana")).not_to_have_class(re.compile("has-video"))
    assert await video.evaluate("(video) => video.srcObject.getAudioTracks().length") == 1
    await server.push("participant_updated", participant=participant("Hana", "host", sources=sources))
    await expect(tile(page, "Hana")).to_have_class(re.compile("has-video"))
    await until(lambda: video.evaluate("(video) => video.videoWidth"), "the host is seen again")


async def send(server: FakeServer, far_end: Page, sources: list[dict[str, Any]]) -> None:
    """Offer the host's sources and finish the handshake."""
    kinds = [source["kind"] for source in sources]
    offer = await far_end.evaluate("(kinds) => farEnd.offer(kinds, true)", kinds)
    tracks = [
        {"mid": mid, "participant_id": "p-hana", **{key: source[key] for key in ("source", "kind", "producer_id")}}
        for mid, source in zip(offer.pop("mids"), sources, strict=True)
    ]
    await server.push("receive_offer", tracks=tracks, **offer)
    answer = await server.wait_for("receive_answer")
    await far_end.evaluate("(sdp) => farEnd.accept(sdp)", answer["sdp"])
