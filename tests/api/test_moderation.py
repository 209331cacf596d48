"""Bans, silence and muting all over REST and the WebSocket, and what the database writes down about them."""

import pytest

from control_api.store import PostgresStore
from signaling.registry import ServiceConfig
from signaling.service import RoomService
from tests.support.api import refused
from tests.support.audit import acts
from tests.support.fakes import FakePlane
from tests.support.ws import ProtocolError, WsClient


async def ban(by, session_id, **target):
    return (await by.call("POST", "/live/ban", {"session_id": session_id, **target}))["ban"]


async def unban(by, session_id, user_id):
    return await by.call("POST", "/live/unban", {"session_id": session_id, "user_id": user_id})


async def bans(by, session_id):
    return (await by.call("GET", f"/live/sessions/{session_id}/bans"))["bans"]


async def cohost_of(host, session_id, person):
    me = await person.join(session_id)
    await host.respond(session_id, (await person.request_guest(session_id))["id"], True)
    await host.manage(session_id, me["id"], "promote")
    return me


async def test_a_ban_from_beginning_to_end(served, api, host, viewer):
    session_id = (await host.start())["id"]
    socket = await WsClient.open(viewer, session_id)
    made = await ban(host, session_id, participant_id=socket.participant_id, reason=" spam ")
    assert {name: made[name] for name in ("user_id", "host_user_id", "banned_by", "reason", "name", "session_id")} == {
        "user_id": viewer.user_id,
        "host_user_id": host.user_id,
        "banned_by": host.user_id,
        "reason": "spam",
        "name": viewer.name,
        "session_id": session_id,
    }
    assert await socket.wait_closed() == 4403
    assert socket.events[-1] == {"type": "kicked", "reason": "banned"}
    (listed,) = await bans(host, session_id)
    assert listed["user_id"] == viewer.user_id
    with refused(403, "banned"):
        await viewer.join(session_id)
    assert (await host.session(session_id))["viewer_count"] == 0
    await host.end(session_id)
    following = (await host.start())["id"]
    with refused(403, "banned"):
        await viewer.join(following)
    assert await unban(host, following, viewer.user_id) == {"user_id": viewer.user_id}
    await viewer.join(following)
    with refused(404, "ban_not_found"):
        await unban(host, following, viewer.user_id)
    assert await acts(served.database, session_id, "banned", "participant_kicked", "participant_left") == [
        ("banned", host.user_id, viewer.user_id),
        ("participant_kicked", host.user_id, viewer.user_id),
    ]
    assert await acts(served.database, following, "unbanned") == [("unbanned", host.user_id, viewer.user_id)]


async def test_unbanning_in_the_same_session_lets_back_in(served, host, viewer):
    session_id = (await host.start())["id"]
    me = await viewer.join(session_id)
    await host.manage(session_id, me["id"], "kick")
    with refused(403, "kicked"):
        await viewer.join(session_id)
    await ban(host, session_id, user_id=viewer.user_id)
    await unban(host, session_id, viewer.user_id)
    assert (await viewer.join(session_id))["id"] == me["id"]


async def test_bans_and_their_end_survive_a_restart(served, api, host, viewer):
    session_id = (await host.start())["id"]
    other = await api.user("Otto")
    for person in (viewer, other):
        await person.join(session_id)
        await ban(host, session_id, user_id=person.user_id)
    await unban(host, session_id, other.user_id)
    again = RoomService(PostgresStore(served.database), FakePlane(), ServiceConfig())
    await again.open()
    room = again._rooms[session_id]
    assert (set(room.banned), room.kicked) == ({viewer.user_id}, {viewer.user_id})
    await again.close()


async def test_a_cohosts_reach(api, host, viewer):
    session_id = (await host.start())["id"]
    cohost, second = await api.user("Coco"), await api.user("Carl")
    await cohost_of(host, session_id, cohost)
    them = await cohost_of(host, session_id, second)
    await viewer.join(session_id)
    for target in ({"participant_id": them["id"]}, {"user_id": host.user_id}, {"user_id": cohost.user_id}):
        with refused(403, "forbidden"):
            await ban(cohost, session_id, **target)
    await ban(cohost, session_id, user_id=viewer.user_id)
    assert [b["banned_by"] for b in await bans(cohost, session_id)] == [cohost.user_id]
    await unban(cohost, session_id, viewer.user_id)
    await viewer.join(session_id)
    for call in (
        ban(viewer, session_id, user_id=second.user_id),
        unban(viewer, session_id, second.user_id),
        bans(viewer, session_id),
    ):
        with refused(403, "forbidden"):
            await call


async def test_somebody_who_never_came(api, host):
    session_id = (await host.start())["id"]
    stranger = await api.user("Sam")
    assert (await ban(host, session_id, user_id=stranger.user_id))["name"] == stranger.user_id[:80]
    with refused(403, "banned"):
        await stranger.join(session_id)


@pytest.mark.parametrize(
    "target",
    [
        *({}, {"user_id": ""}, {"user_id": "a\x00b"}, {"user_id": "x" * 201}, {"user_id": "a", "participant_id": "b"}),
        *({"user_id": 7}, {"user_id": "a", "reason": "x" * 501}, {"user_id": "a", "why": "spam"}),
    ],
)
async def test_bans_that_can_not_be(host, target):
    session_id = (await host.start())["id"]
    with refused(422, "invalid_request"):
        await ban(host, session_id, **target)


async def test_a_ban_of_an_unknown_participant(host):
    session_id = (await host.start())["id"]
    with refused(404, "participant_not_found"):
        await ban(host, session_id, participant_id="nobody")


async def test_over_the_websocket(host, viewer):
    session_id = (await host.start())["id"]
    mine, theirs = await WsClient.open(host, session_id), await WsClient.open(viewer, session_id)
    with pytest.raises(ProtocolError, match="forbidden"):
        await theirs.request("ban", user_id=host.user_id)
    assert (await mine.request("ban", participant_id=theirs.participant_id))["type"] == "ok"
    assert await theirs.wait_closed() == 4403
    with pytest.raises(ProtocolError, match="ban_not_found"):
        await mine.request("unban", user_id="nobody")
    await mine.request("unban", user_id=viewer.user_id)
    back = await WsClient.open(viewer, session_id)
    for client in (mine, back):
        await client.close()


async def test_muting_all(served, api, host, viewer):
    session_id = (await host.start())["id"]
    cohost, guest = await api.user("Coco"), await api.user("Gus")
    await cohost_of(host, session_id, cohost)
    await guest.join(session_id)
    await host.respond(session_id, (await guest.request_guest(session_id))["id"], True)
    await viewer.join(session_id)
    body = {"session_id": session_id}
    with refused(403, "forbidden"):
        await guest.call("POST", "/live/mute-all", body)
    assert await host.call("POST", "/live/mute-all", body | {"except_cohosts": True}) == {"muted": 1}
    socket = await WsClient.open(host, session_id)
    assert (await socket.request("mute_all"))["muted"] == 1
    locked = {p["user_id"]: p["audio_locked"] for p in await host.participants(session_id)}
    assert locked == {host.user_id: False, cohost.user_id: True, guest.user_id: True, viewer.user_id: False}
    assert await acts(served.database, session_id, "audio_muted") == [
        ("audio_muted", host.user_id, guest.user_id),
        ("audio_muted", host.user_id, cohost.user_id),
    ]
    await socket.close()


async def test_silence_is_seen_by_those_it_concerns_and_written_down(served, api, host, viewer):
    session_id = (await host.start(require_approval=False))["id"]
    other = await WsClient.open(await api.user("Otto"), session_id)
    theirs = await WsClient.open(viewer, session_id)
    await theirs.request("request_guest")
    assert (await host.manage(session_id, theirs.participant_id, "silence"))["chat_silenced"]
    await theirs.wait_for("participant_updated", lambda e: e["participant"]["chat_silenced"])
    await host.manage(session_id, theirs.participant_id, "mute_audio")
    seen = await other.wait_for("participant_updated", lambda e: e["participant"]["audio_locked"])
    assert not seen["participant"]["chat_silenced"]
    assert not (await host.manage(session_id, theirs.participant_id, "unsilence"))["chat_silenced"]
    assert await acts(served.database, session_id, "chat_silenced", "chat_unsilenced") == [
        ("chat_silenced", host.user_id, viewer.user_id),
        ("chat_unsilenced", host.user_id, viewer.user_id),
    ]
    for client in (other, theirs):
        await client.close()


async def test_every_act_of_moderation_names_who_did_it_and_to_whom(served, api, host):
    session_id = (await host.start())["id"]
    guest = await api.user("Gus")
    me = await guest.join(session_id)
    await host.respond(session_id, (await guest.request_guest(session_id))["id"], True)
    done = []
    for action, recorded in (
        *(("mute_audio", "audio_muted"), ("unmute_audio", "audio_unmuted")),
        *(("mute_video", "video_muted"), ("unmute_video", "video_unmuted")),
        *(("silence", "chat_silenced"), ("unsilence", "chat_unsilenced")),
        *(("promote", "role_changed"), ("demote", "role_changed"), ("remove_guest", "role_changed")),
        ("kick", "participant_kicked"),
    ):
        await host.manage(session_id, me["id"], action)
        done.append((recorded, host.user_id, guest.user_id))
    # The first change of role was the approval.
    written = await acts(served.database, session_id, *{what for what, _, _ in done})
    assert written == [("role_changed", host.user_id, guest.user_id), *done]
