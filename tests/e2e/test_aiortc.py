"""aiortc's own RTCPeerConnection as publisher and subscriber: a WebRTC stack that is no browser."""

from __future__ import annotations

import pytest

from tests.support import clips, sdp
from tests.support.aiortc_peer import HEIGHT, WIDTH, AiortcPeer
from tests.support.crew import Crew
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def sees_and_hears(watcher: AiortcPeer, publisher: AiortcPeer, *, frames: int = 20) -> None:
    """Frames are decoded with the right size, a picture that lives, and the tone that was sent."""

    def seen() -> bool:
        sink = watcher.video(publisher.id)
        return sink.frames >= frames and sink.pictured

    def heard() -> bool:
        sink = watcher.audio(publisher.id)
        return sink.frames >= 25 and sink.rms > 1000 and abs(sink.frequency_hz - clips.TONE_HZ) < 10

    await until(seen, f"{watcher.user.name} sees {publisher.user.name}", timeout=40)
    assert watcher.video(publisher.id).size == (WIDTH, HEIGHT)
    await until(heard, f"{watcher.user.name} hears {publisher.user.name}", timeout=40)


@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_publishes_and_subscribes(crew: Crew, codec: str) -> None:
    host, session_id = await crew.live()
    publisher = await crew.aiortc(host, session_id)
    await publisher.publish(codec)
    watcher = await crew.aiortc(await crew.user("Viewer"), session_id)
    await sees_and_hears(watcher, publisher)
    assert watcher.receiver is not None
    offered = sdp.parse(watcher.receiver.remoteDescription.sdp)
    video = next(section for section in offered.sections if section.kind == "video" and section.direction == "sendonly")
    assert codec.lower() in video.codec_names.values()


async def test_guest_and_host_see_each_other_and_viewers_see_both(crew: Crew) -> None:
    """The receive connection is offered again as producers come and go."""
    host_user, session_id = await crew.live()
    host = await crew.aiortc(host_user, session_id)
    await host.publish("VP8")
    viewer = await crew.aiortc(await crew.user("Viewer"), session_id)
    await sees_and_hears(viewer, host)
    guest_user = await crew.user("Guest")
    guest = await crew.aiortc(guest_user, session_id)
    await crew.bring_on_stage(host_user, guest_user, session_id)
    await guest.publish("H264")

    await sees_and_hears(host, guest)
    await sees_and_hears(viewer, guest)
    await sees_and_hears(guest, host)
    assert (host.id, "camera") not in host.sinks, "nobody receives what they send themselves"

    before = viewer.video(host.id).frames
    await guest.ws.request("leave_stage")
    guest.unpublish()
    await viewer.ws.wait_for(
        "participant_updated",
        lambda event: event["participant"]["id"] == guest.id and event["participant"]["role"] == "viewer",
    )
    await until(lambda: viewer.video(host.id).frames > before + 15, "the host is still seen when the guest has left")
