"""web/lib/publish.js: what is to be sent gets to the other side, whatever happens in between."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page

from tests.support.waiting import until
from tests.web.conftest import answering
from tests.web.fake_server import SESSION_ID, FakeServer, participant, session

pytestmark = pytest.mark.asyncio(loop_scope="session")

OPEN = """
async (url) => {
  const lib = await import("/lib/index.js");
  window.lib = lib;
  window.room = new lib.Room({ retryMs: 20, retryMaxMs: 40 });
  window.refusals = [];
  room.addEventListener("publisherror", ({ detail }) => refusals.push(detail.code));
  await room.connect(url, "the-token");
  const { camera, microphone } = await lib.openCameraAndMicrophone();
  Object.assign(window, { camera, microphone });
}
"""


PUBLISH_ONCE_LOST = """
() => {
  room.addEventListener("status", () => room.publish("microphone", microphone), { once: true });
}
"""


@pytest_asyncio.fixture(loop_scope="session")
async def on_stage(page: Page, server: FakeServer, far_end: Page) -> Page:
    """A guest's page whose devices are open, and who publishes nothing yet."""
    server.as_person("Gus", "guest", [participant("Hana", "host")])
    await page.goto(f"{server.url}/icon.svg")
    await page.evaluate(OPEN, f"{server.url.replace('http', 'ws')}/ws/live/{SESSION_ID}")
    return page


async def publish(page: Page, source: str, track: str) -> None:
    await page.evaluate(f"room.publish('{source}', {track})")


async def frames(far_end: Page, connection_id: str) -> int:
    inbound = await far_end.evaluate("(id) => farEnd.inbound(id)", connection_id)
    return int(inbound.get("video", {}).get("framesDecoded", 0))


async def arrives(far_end: Page, connection_id: str) -> None:
    before = await frames(far_end, connection_id)

    async def grown() -> bool:
        return await frames(far_end, connection_id) > before + 5

    await until(grown, f"video of {connection_id} arrives")


@pytest.mark.parametrize("browser_name", ["chromium", "firefox"])
async def test_camera_and_microphone_arrive(on_stage: Page, server: FakeServer, far_end: Page) -> None:
    await on_stage.evaluate("Promise.all([room.publish('camera', camera), room.publish('microphone', microphone)])")
    (offer,) = server.received["publish_offer"]
    assert offer["connection_id"] is None
    assert sorted(offer["sources"].values()) == ["camera", "microphone"]
    await arrives(far_end, "publish-1")

    async def heard() -> bool:
        inbound = await far_end.evaluate("farEnd.inbound('publish-1')")
        return inbound.get("audio", {}).get("packetsReceived", 0) > 20

    await until(heard, "sound arrives")


async def test_offers_never_overlap(on_stage: Page, server: FakeServer, far_end: Page) -> None:
    release = asyncio.Event()
    at_once = 0
    most = 0
    answer = answering(far_end)

    async def slowly(message: dict[str, Any]) -> dict[str, Any]:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await release.wait()
        at_once -= 1
        return dict(await answer(message))

    server.replies["publish_offer"] = slowly
    await on_stage.evaluate("() => { window.done = room.publish('camera', camera); }")
    await server.wait_for("publish_offer")
    await on_stage.evaluate("() => { window.done = Promise.all([done, room.publish('microphone', microphone)]); }")
    release.set()
    await on_stage.evaluate("done")
    assert most == 1
    first, second = server.received["publish_offer"]
    assert list(first["sources"].values()) == ["camera"]
    assert (second["connection_id"], sorted(second["sources"].values())) == ("publish-1", ["camera", "microphone"])


async def test_a_source_can_end_and_come_back_on_the_same_connection(on_stage: Page, server: FakeServer) -> None:
    await publish(on_stage, "camera", "camera")
    await on_stage.evaluate("room.unpublish('camera')")
    ended = server.received["publish_offer"][-1]
    assert (ended["connection_id"], ended["sources"]) == ("publish-1", {})
    assert "a=inactive" in ended["sdp"]
    await publish(on_stage, "camera", "camera.clone()")
    again = server.received["publish_offer"][-1]
    assert again["connection_id"] == "publish-1"
    assert again["sources"] == server.received["publish_offer"][0]["sources"]
    assert again["sdp"].count("m=video") == 1


async def test_another_camera_needs_no_offer(on_stage: Page, server: FakeServer, far_end: Page) -> None:
    await publish(on_stage, "camera", "camera")
    await publish(on_stage, "camera", "camera.clone()")
    await arrives(far_end, "publish-1")
    assert len(server.received["publish_offer"]) == 1


async def test_media_reset_makes_a_new_connection(on_stage: Page, server: FakeServer, far_end: Page) -> None:
    await publish(on_stage, "camera", "camera")
    await server.push("media_reset", reason="worker_lost")
    renewed = await server.wait_for("publish_offer", 2)
    assert (renewed["connection_id"], list(renewed["sources"].values())) == (None, ["camera"])
    await arrives(far_end, "publish-2")


async def test_a_connection_that_the_server_forgot_is_made_anew(on_stage: Page, server: FakeServer) -> None:
    await publish(on_stage, "camera", "camera")
    answer = server.replies["publish_offer"]

    def forgetful(message: dict[str, Any]) -> Any:
        unknown = {"type": "error", "code": "unknown_connection", "message": "Unknown."}
        return unknown if message["connection_id"] else answer(message)

    server.replies["publish_offer"] = forgetful
    await publish(on_stage, "microphone", "microphone")
    renewed = await server.wait_for("publish_offer", 3)
    assert (renewed["connection_id"], len(renewed["sources"])) == (None, 2)


@pytest.mark.parametrize("resumed", [True, False])
async def test_what_was_added_while_the_socket_was_away_is_offered(
    on_stage: Page, server: FakeServer, resumed: bool
) -> None:
    await publish(on_stage, "camera", "camera")
    server.welcome["resumed"] = resumed
    await on_stage.evaluate(PUBLISH_ONCE_LOST)
    server.cut()
    offer = await server.wait_for("publish_offer", 2)
    assert offer["connection_id"] == ("publish-1" if resumed else None)
    assert sorted(offer["sources"].values()) == ["camera", "microphone"]


async def test_a_refusal_is_told_and_not_repeated(on_stage: Page, server: FakeServer) -> None:
    server.replies["publish_offer"] = lambda _: {"type": "error", "code": "forbidden", "message": "No."}
    refused = await on_stage.evaluate("room.publish('camera', camera).catch((error) => error.code)")
    assert refused == "forbidden"
    assert await on_stage.evaluate("refusals") == ["forbidden"]
    await on_stage.wait_for_timeout(300)
    assert len(server.received["publish_offer"]) == 1


async def test_who_leaves_the_stage_stops_sending_and_may_come_back(on_stage: Page, server: FakeServer) -> None:
    await publish(on_stage, "camera", "camera")
    await server.push("participant_updated", participant=participant("Gus", "viewer"))
    await until(lambda: on_stage.evaluate("room.publisher.pc === null"), "the connection is closed")
    await server.push("participant_updated", participant=participant("Gus", "guest"))
    assert (await server.wait_for("publish_offer", 2))["connection_id"] is None


async def test_mutes_silence_the_track_itself(on_stage: Page, server: FakeServer) -> None:
    await publish(on_stage, "microphone", "microphone")
    await server.push("participant_updated", participant=participant("Gus", "guest", audio_locked=True))
    await until(lambda: on_stage.evaluate("!microphone.enabled"), "the host's lock silences the track")
    await server.push("participant_updated", participant=participant("Gus", "guest"))
    await until(lambda: on_stage.evaluate("microphone.enabled"), "the track is back")
    await on_stage.evaluate("room.mute('audio')")
    assert await on_stage.evaluate("microphone.enabled") is False
    await server.push("session_updated", session=session(title="Told before the mute is"))
    await until(lambda: on_stage.evaluate("room.state.session.title.startsWith('Told')"), "something else is told")
    assert await on_stage.evaluate("microphone.enabled") is False
    server.replies["set_muted"] = lambda _: {"type": "error", "code": "locked_by_host", "message": "Locked."}
    await server.push("participant_updated", participant=participant("Gus", "guest", audio_locked=True))
    code = await on_stage.evaluate("room.unmute('audio').catch((error) => error.code)")
    assert code == "locked_by_host"
    assert await on_stage.evaluate("microphone.enabled") is False


START_BITRATE = """
async (sdp) => (await import("/lib/start_bitrate.js")).withStartBitrate(sdp)
"""


async def test_only_video_is_told_where_to_start(page: Page, server: FakeServer) -> None:
    await page.goto(f"{server.url}/icon.svg")
    audio = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 useinbandfec=1\r\n"
    vp8 = "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n"
    h264 = "m=video 9 UDP/TLS/RTP/SAVPF 98\r\na=rtpmap:98 H264/90000\r\na=fmtp:98 packetization-mode=1\r\n"
    rejected = "m=video 0 UDP/TLS/RTP/SAVPF 0\r\n"
    told = await page.evaluate(START_BITRATE, audio + vp8 + h264 + rejected)
    start = "x-google-start-bitrate=1500"
    assert told == "".join(
        [
            audio,
            vp8.replace("VP8/90000\r\n", f"VP8/90000\r\na=fmtp:96 {start}\r\n"),
            h264.replace("mode=1", f"mode=1;{start}"),
            rejected,
        ]
    )


async def test_a_camera_is_sent_at_full_size_from_the_start(on_stage: Page, far_end: Page) -> None:
    await publish(on_stage, "camera", "camera")
    await arrives(far_end, "publish-1")
    inbound = await far_end.evaluate("farEnd.inbound('publish-1')")
    assert (inbound["video"]["frameWidth"], inbound["video"]["frameHeight"]) == (1280, 720)
