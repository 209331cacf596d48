"""Mute, kick and end are enforced by the server, whatever a guest's client does."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial

import pytest

from control_api.tokens.auth import Authenticator, load_or_create_secret
from tests.support import clips
from tests.support.api import ApiError, User
from tests.support.crew import Crew
from tests.support.raw_peer import RawPeer
from tests.support.raw_streams import ReceivedStream
from tests.support.server import Server
from tests.support.waiting import grows, quiet, until
from tests.support.ws import ProtocolError, refused_hello

pytestmark = pytest.mark.asyncio(loop_scope="session")

OTHER = {"audio": ("camera", "video"), "video": ("microphone", "audio")}
SOURCE = {"audio": "microphone", "video": "camera"}


@dataclass
class Stage:
    session_id: str
    host: RawPeer
    host_user: User
    guest: RawPeer
    guest_user: User
    viewer: RawPeer

    @property
    def subscribers(self) -> tuple[RawPeer, RawPeer]:
        return self.host, self.viewer

    @property
    def keyframe_requests(self) -> int:
        """To the guest's client."""
        assert self.guest.publisher is not None
        return self.guest.publisher.streams["camera"].feedback["KeyframeRequest"]

    def sent(self, source: str) -> int:
        assert self.guest.publisher is not None
        return self.guest.publisher.streams[source].packets


async def build_stage(crew: Crew) -> Stage:
    """A host, a guest who obeys nobody, and a viewer; all receive each other."""
    host_user, session_id = await crew.live()
    host = await crew.raw(host_user, session_id)
    await host.publish()
    guest_user = await crew.user("Guest")
    guest = await crew.raw(guest_user, session_id)
    await crew.bring_on_stage(host_user, guest_user, session_id)
    await guest.publish()
    viewer = await crew.raw(await crew.user("Viewer"), session_id)
    for peer in (host, viewer):
        for source in ("camera", "microphone"):
            await peer.receiving(guest.id, source, packets=20)
    await viewer.receiving(host.id, "camera", packets=20)
    return Stage(session_id, host, host_user, guest, guest_user, viewer)


@pytest.mark.parametrize("kind", ["audio", "video"])
async def test_mute_stops_the_packets_and_unmute_brings_them_back(crew: Crew, kind: str) -> None:
    stage = await build_stage(crew)
    source = SOURCE[kind]
    other_source = OTHER[kind][0]
    answer = await stage.host_user.manage(stage.session_id, stage.guest.id, f"mute_{kind}")
    assert answer[f"{kind}_locked"] is True
    for peer in (stage.host, stage.guest, stage.viewer):
        await peer.ws.wait_for(
            "participant_updated",
            lambda event: event["participant"]["id"] == stage.guest.id and event["participant"][f"{kind}_locked"],
        )
    for peer in stage.subscribers:
        await silent(peer, stage.guest, source)

    counts = {peer.id: peer.received(stage.guest.id, source) for peer in stage.subscribers}
    await grows(lambda: stage.sent(source), "the guest's client goes on sending", by=30)
    for peer in stage.subscribers:
        await grows(partial(peer.received, stage.guest.id, other_source), "the other source is left alone", by=10)
        assert peer.received(stage.guest.id, source) == counts[peer.id], "not one packet is forwarded"

    with pytest.raises(ProtocolError, match="locked_by_host"):
        await stage.guest.ws.request("set_muted", kind=kind, muted=False)
    streams = [await peer.receiving(stage.guest.id, source) for peer in stage.subscribers]
    for stream in streams:
        stream.forget()
    requests_before = stage.keyframe_requests
    await stage.host_user.manage(stage.session_id, stage.guest.id, f"unmute_{kind}")
    for stream in streams:
        await comes_back(stream)
        if kind == "video":
            assert clips.starts_vp8_keyframe(stream.first_payload or b""), "with a keyframe"
            assert stage.keyframe_requests > requests_before, "which the server asked for"
        assert stream.lost == 0, "a mute is not loss: the sequence numbers go on without a hole"


async def comes_back(stream: ReceivedStream) -> None:
    await until(lambda: stream.first_payload is not None, "the source comes back")


async def test_own_mute_is_enforced_by_the_server_too(crew: Crew) -> None:
    stage = await build_stage(crew)
    await stage.guest.ws.request("set_muted", kind="audio", muted=True)
    await silent(stage.viewer, stage.guest, "microphone")
    await stage.guest.ws.request("set_muted", kind="audio", muted=False)
    before = stage.viewer.received(stage.guest.id, "microphone")
    await until(lambda: stage.viewer.received(stage.guest.id, "microphone") > before, "the microphone comes back")


async def silent(subscriber: RawPeer, publisher: RawPeer, source: str = "camera") -> None:
    """Wait until no packet of the publisher's source has come for a while."""
    await quiet(lambda: subscriber.received(publisher.id, source), f"the {source}", for_s=0.7)


async def test_kick_disconnects_and_locks_out(crew: Crew, server: Server) -> None:
    stage = await build_stage(crew)
    await stage.host_user.manage(stage.session_id, stage.guest.id, "kick")
    assert await stage.guest.ws.wait_closed() == 4403
    assert any(event["type"] == "kicked" for event in stage.guest.ws.events)
    for peer in stage.subscribers:
        await peer.ws.wait_for(
            "participant_left", lambda event: event["participant_id"] == stage.guest.id and event["reason"] == "kicked"
        )
    assert stage.guest.publisher is not None
    # Its checks and packets go on; nothing of them is heard any more.
    transport = stage.guest.publisher.transport
    for peer in stage.subscribers:
        await silent(peer, stage.guest)
    answered = transport.counts["check_ok"]
    for _ in range(5):
        transport.send_check()
    await asyncio.sleep(0.5)
    assert transport.counts["check_ok"] == answered, "the server does not know this transport any more"

    with pytest.raises(ApiError) as refused:
        await stage.guest_user.join(stage.session_id)
    assert (refused.value.status, refused.value.code) == (403, "kicked")
    assert await refused_hello(stage.guest_user, stage.session_id) == ("kicked", 4403)
    assert await refused_hello(stage.guest_user, stage.session_id, stage.guest.ws.resume_token) == ("kicked", 4403)
    new_token = Authenticator(load_or_create_secret(server.data_dir)).issue("Another name", stage.guest_user.user_id)
    assert new_token != stage.guest_user.token
    renewed = User(crew.api, new_token, stage.guest_user.user_id, "Another name")
    assert await refused_hello(renewed, stage.session_id) == ("kicked", 4403)
    (row,) = await server.query(
        "select status from live_participants where session_id = $1::uuid and user_id = $2",
        stage.session_id,
        stage.guest_user.user_id,
    )
    assert row["status"] == "kicked"


async def test_remove_guest_sends_back_to_the_viewers(crew: Crew) -> None:
    stage = await build_stage(crew)
    await stage.host_user.manage(stage.session_id, stage.guest.id, "remove_guest")
    await stage.guest.ws.wait_for(
        "participant_updated",
        lambda event: event["participant"]["id"] == stage.guest.id and event["participant"]["role"] == "viewer",
    )
    for peer in stage.subscribers:
        await silent(peer, stage.guest)
    with pytest.raises(ProtocolError, match="forbidden"):
        await stage.guest.republish()
    await stage.guest.receiving(stage.host.id, "camera", packets=20)


async def test_end_tells_everyone_and_ends_the_row(crew: Crew, server: Server) -> None:
    stage = await build_stage(crew)
    ended = await stage.host_user.end(stage.session_id)
    assert ended["status"] == "ended"
    for peer in (stage.host, stage.guest, stage.viewer):
        assert await peer.ws.wait_closed() == 4410
        (event,) = [event for event in peer.ws.events if event["type"] == "session_ended"]
        assert event["reason"] == "ended_by_host"
    (row,) = await server.query(
        "select status, end_reason, viewer_count, guest_count from live_sessions where id = $1::uuid", stage.session_id
    )
    assert row == {"status": "ended", "end_reason": "ended_by_host", "viewer_count": 0, "guest_count": 0}
    assert stage.session_id not in [session["id"] for session in await stage.host_user.active()]
    with pytest.raises(ApiError) as refused:
        await stage.guest_user.join(stage.session_id)
    assert (refused.value.status, refused.value.code) == (410, "session_ended")
    await silent(stage.viewer, stage.host)
