"""What the media plane does to RTP, seen by a peer that has every packet in its hands."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support import clips, rtcp, sdp
from tests.support.crew import Crew
from tests.support.raw_peer import RawPeer
from tests.support.raw_streams import UNKNOWN_VALUE
from tests.support.raw_transport import CM_SHA1, GCM_128
from tests.support.waiting import grows, quiet, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def pair(crew: Crew, publisher: dict[str, Any] | None = None, **viewer: Any) -> tuple[RawPeer, RawPeer]:
    """A host who publishes camera and microphone, and a viewer; media not yet awaited."""
    host, session_id = await crew.live()
    peer = await crew.raw(host, session_id, **(publisher or {}))
    await peer.publish("camera", "microphone")
    return peer, await crew.raw(await crew.user("Viewer"), session_id, **viewer)


@pytest.mark.parametrize(
    ("profiles", "name"), [(GCM_128, "AEAD_AES_128_GCM"), (CM_SHA1, "AES128_CM_SHA1_80"), (None, "AEAD_AES_128_GCM")]
)
async def test_srtp_profiles(crew: Crew, profiles: Any, name: str) -> None:
    """AES-GCM wherever the peer has it, AES-CM with SHA-1 otherwise."""
    host, viewer = await pair(crew, {"srtp_profiles": profiles}, srtp_profiles=profiles)
    await viewer.receiving(host.id, "camera", packets=50)
    await viewer.receiving(host.id, "microphone", packets=50)
    for peer, connection in ((host, "publish"), (viewer, "receive")):
        stats = await peer.ws.request("get_stats")
        (entry,) = [entry for entry in stats["connections"] if entry["connection"] == connection]
        assert entry["srtp_profile"] == name
        assert entry["state"] == "connected"


@pytest.mark.parametrize("setup", ["actpass", "active", "passive"])
async def test_dtls_roles(crew: Crew, setup: str) -> None:
    host, viewer = await pair(crew, {"setup": setup})
    await viewer.receiving(host.id, "camera", packets=30)


async def test_every_packet_arrives_once_and_in_canonical_form(crew: Crew) -> None:
    host, viewer = await pair(crew)
    video = await viewer.receiving(host.id, "camera", packets=300)
    audio = await viewer.receiving(host.id, "microphone", packets=150)
    assert (video.lost, video.duplicates) == (0, 0)
    assert (audio.lost, audio.duplicates) == (0, 0)
    assert viewer.receiver is not None
    assert viewer.receiver.stray == {}, "every SSRC was offered"
    assert host.publisher is not None
    own = {stream.ssrc for stream in host.publisher.streams.values()}
    assert own.isdisjoint(viewer.receiver.streams), "consumers have SSRCs of their own"
    assert sdp.VP8_PT not in video.payload_types, "the publisher's payload types end at ingress"
    assert video.codecs <= {"vp8", "rtx"}
    assert audio.codecs == {"opus"}


async def test_a_new_viewer_starts_with_a_keyframe(crew: Crew) -> None:
    host, viewer = await pair(crew)
    await viewer.receiving(host.id, "camera", packets=100)
    assert host.publisher is not None
    asked = host.publisher.streams["camera"].feedback
    before = asked["KeyframeRequest"]
    late = await crew.raw(await crew.user("Late"), viewer.ws.welcome["session"]["id"])
    stream = await late.receiving(host.id, "camera")
    assert asked["KeyframeRequest"] > before, "nobody waits for the next one that happens to come"
    assert stream.first_payload is not None
    assert clips.starts_vp8_keyframe(stream.first_payload)


async def test_a_quiet_worker_answers_and_wakes(crew: Crew) -> None:
    host, viewer = await pair(crew)
    video = await viewer.receiving(host.id, "camera", packets=30)
    assert host.publisher is not None
    assert viewer.receiver is not None
    transport = viewer.receiver.transport
    host.publisher.silent = True
    answered = transport.counts["check_ok"]
    for _ in range(200):
        transport.send_check()
        await asyncio.sleep(0.01)
    await until(lambda: transport.counts["check_ok"] >= answered + 200, "every check is answered")
    host.publisher.silent = False
    await grows(lambda: video.received, "media flows again", by=100)
    assert video.lost == 0


async def test_unknown_header_extensions_survive(crew: Crew) -> None:
    host, viewer = await pair(crew)
    video = await viewer.receiving(host.id, "camera", packets=50)
    assert video.extensions[sdp.UNKNOWN_URI] > 0
    assert video.unknown_extension == UNKNOWN_VALUE
    audio = await viewer.receiving(host.id, "microphone", packets=50)
    assert audio.extensions[sdp.AUDIO_LEVEL_URI] > 0


async def test_publishers_get_feedback_that_lets_them_grow(crew: Crew) -> None:
    host, viewer = await pair(crew)
    await viewer.receiving(host.id, "camera", packets=100)
    assert host.publisher is not None
    feedback = host.publisher.feedback
    await until(
        lambda: any(isinstance(packet, rtcp.TransportFeedback | rtcp.Remb) for packet in feedback),
        "the publisher is told what arrived",
    )
    await until(
        lambda: any(isinstance(packet, rtcp.ReceiverReport) and packet.reports for packet in feedback),
        "receiver reports arrive at the publisher",
    )


async def test_sender_reports_map_to_one_clock(crew: Crew) -> None:
    """Audio and video stay in sync when both streams' reports relate media time to the same NTP clock."""
    host, viewer = await pair(crew)
    video = await viewer.receiving(host.id, "camera")
    audio = await viewer.receiving(host.id, "microphone")
    await until(lambda: len(video.reports) > 1 and len(audio.reports) > 1, "sender reports for both streams arrive")
    for stream, clock_hz in ((video, clips.VIDEO_CLOCK_HZ), (audio, clips.AUDIO_CLOCK_HZ)):
        first, last = stream.reports[0], stream.reports[-1]
        ntp_s = (last.ntp - first.ntp) / (1 << 32)
        media_s = ((last.rtp_timestamp - first.rtp_timestamp) & 0xFFFFFFFF) / clock_hz
        assert media_s == pytest.approx(ntp_s, abs=0.05)
        assert last.packet_count > 0


async def test_loss_before_the_server_is_repaired_by_the_publisher(crew: Crew) -> None:
    host, viewer = await pair(crew)
    await viewer.receiving(host.id, "camera", packets=50)
    assert host.publisher is not None
    camera = host.publisher.streams["camera"]
    camera.withheld = lambda index: index % 20 == 7
    video = await viewer.receiving(host.id, "camera", packets=500, timeout=40)
    assert camera.feedback["NackPacket"] > 0, "the server asks for what is missing"
    camera.withheld = lambda index: False
    await until(lambda: video.lost == 0, "every hole is filled", timeout=10)


async def test_loss_behind_the_server_is_repaired_from_its_cache(crew: Crew) -> None:
    host, viewer = await pair(crew)
    video = await viewer.receiving(host.id, "camera", packets=50)
    assert host.publisher is not None
    asked_before = host.publisher.streams["camera"].feedback["NackPacket"]
    video.withheld = lambda ext_seq: ext_seq % 20 == 7
    await viewer.receiving(host.id, "camera", packets=500, timeout=40)
    video.withheld = lambda ext_seq: False
    # A packet that was withheld last is missed only when the next one has come.
    await until(lambda: video.repaired >= video.withheld_count > 0, "every hole is filled by RTX", timeout=10)
    assert video.lost == 0
    assert host.publisher.streams["camera"].feedback["NackPacket"] == asked_before, "without troubling the publisher"


async def test_keyframe_requests_are_coalesced(crew: Crew) -> None:
    host, viewer = await pair(crew)
    video = await viewer.receiving(host.id, "camera", packets=50)
    assert host.publisher is not None
    assert viewer.receiver is not None
    asked = host.publisher.streams["camera"].feedback
    before = asked["KeyframeRequest"]
    video.forget()
    for _ in range(50):
        viewer.receiver.send_pli(video)
        await asyncio.sleep(0.01)
    await until(lambda: video.keyframes > 0, "a keyframe comes")
    assert 1 <= asked["KeyframeRequest"] - before <= 10, "fifty requests do not become fifty keyframes"


async def test_sources_come_and_go_by_renegotiation(crew: Crew) -> None:
    host, viewer = await pair(crew)
    await viewer.receiving(host.id, "camera", packets=30)
    assert host.publisher is not None
    await host.publisher.publish("screen")
    await viewer.receiving(host.id, "screen", packets=30)
    await host.publisher.unpublish("screen")

    def gone() -> bool:
        return viewer.receiver is not None and viewer.receiver.stream(host.id, "screen") is None

    await until(gone, "the screen is no longer offered")
    await grows(lambda: viewer.received(host.id, "camera"), "the camera goes on", by=10)


async def test_a_subscriber_can_pause_a_source_for_itself(crew: Crew) -> None:
    host, viewer = await pair(crew)
    other = await crew.raw(await crew.user("Other"), viewer.ws.welcome["session"]["id"])
    video = await viewer.receiving(host.id, "camera", packets=30)
    await other.receiving(host.id, "camera", packets=30)
    assert viewer.receiver is not None
    producer_id = next(key for key, track in viewer.receiver.tracks.items() if track["source"] == "camera")
    await viewer.ws.request("set_subscription", producer_id=producer_id, paused=True)
    await quiet(lambda: video.received, "the paused camera", for_s=0.7)
    await grows(lambda: other.received(host.id, "camera"), "others see it", by=10)
    video.forget()
    await viewer.ws.request("set_subscription", producer_id=producer_id, paused=False)
    await until(lambda: video.first_payload is not None, "the source comes back")
    assert clips.starts_vp8_keyframe(video.first_payload or b""), "with a keyframe"
    assert video.lost == 0, "a pause is not loss: the sequence numbers go on without a hole"


async def test_statistics_tell_what_happened(crew: Crew) -> None:
    host, viewer = await pair(crew)
    video = await viewer.receiving(host.id, "camera", packets=100)
    stats = await viewer.ws.request("get_stats")
    (receive,) = [entry for entry in stats["connections"] if entry["connection"] == "receive"]
    consumers = {consumer["kind"]: consumer for consumer in receive["consumers"]}
    assert consumers["video"]["packets"] >= 100
    assert consumers["video"]["bytes"] > video.octets / 2
    assert consumers["audio"]["packets"] > 0
    stats = await host.ws.request("get_stats")
    (publish,) = [entry for entry in stats["connections"] if entry["connection"] == "publish"]
    assert sum(producer["packets"] for producer in publish["producers"]) >= 100
