"""Settings that change while the session is live, over REST and the WebSocket."""

import pytest

from tests.support.api import refused
from tests.support.audit import acts
from tests.support.ws import ProtocolError, WsClient, refused_hello


async def change(person, session_id, **settings):
    return (await person.call("PATCH", f"/live/sessions/{session_id}/settings", settings))["session"]


EVERYTHING = {
    "max_participants": 7,
    "allow_guests": False,
    "require_approval": False,
    "max_guests": 3,
    "enable_chat": False,
    "enable_gifts": True,
    "guest_audio_default": False,
    "guest_video_default": False,
    "slow_mode_s": 30,
    "locked": True,
}


async def test_every_setting_changes_is_told_and_is_kept(served, host, viewer):
    session = await host.start()
    socket = await WsClient.open(viewer, session["id"])
    for name, value in EVERYTHING.items():
        changed = await change(host, session["id"], **{name: value})
        assert changed["settings"] == {**session["settings"], name: value}
        told = await socket.wait_for("session_updated", lambda e, n=name, v=value: e["session"]["settings"][n] == v)
        assert told["session"]["settings"] == changed["settings"]
        session = changed
    assert (await viewer.session(session["id"]))["settings"] == EVERYTHING
    async with served.database.transaction() as connection:
        row = await connection.fetchrow("select * from live_session_settings where session_id = $1", session["id"])
    assert {name: row[name] for name in EVERYTHING} == EVERYTHING
    assert len(await acts(served.database, session["id"], "settings_changed")) >= len(EVERYTHING)
    await socket.close()


@pytest.mark.parametrize(
    "settings",
    [
        *({"max_guests": 0}, {"max_guests": 21}, {"max_guests": "3"}, {"max_participants": 0}, {"slow_mode_s": -1}),
        *({"slow_mode_s": 3601}, {"locked": 1}, {"locked": None}, {"title": "Mine"}),
    ],
)
async def test_settings_that_can_not_be(host, settings):
    session = await host.start()
    with refused(422, "invalid_request"):
        await change(host, session["id"], **settings)
    assert (await host.session(session["id"]))["settings"] == session["settings"]


async def test_who_may_not(api, host, viewer):
    session_id = (await host.start(require_approval=False))["id"]
    with refused(409, "not_joined"):
        await change(viewer, session_id, locked=True)
    me = await viewer.join(session_id)
    with refused(403, "forbidden"):
        await change(viewer, session_id, locked=True)
    await viewer.request_guest(session_id)
    await host.manage(session_id, me["id"], "promote")
    with refused(403, "forbidden"):
        await change(viewer, session_id, locked=True)
    with refused(404, "session_not_found"):
        await change(host, "nope", locked=True)
    await host.end(session_id)
    with refused(410, "session_ended"):
        await change(host, session_id, locked=True)


async def test_a_locked_session(api, host, viewer):
    session_id = (await host.start())["id"]
    newcomer = await api.user("Nora")
    await viewer.join(session_id)
    await change(host, session_id, locked=True)
    with refused(403, "session_locked"):
        await newcomer.join(session_id)
    client = await WsClient.connect(newcomer, session_id)
    with pytest.raises(ProtocolError, match="session_locked"):
        await client.request("hello", protocol=1, token=newcomer.token)
    await viewer.leave(session_id)
    await viewer.join(session_id)
    # The socket stayed open for a while: the door may open in time.
    await change(host, session_id, locked=False)
    assert (await client.request("hello", protocol=1, token=newcomer.token))["type"] == "welcome"
    await client.close()


async def test_a_join_token_does_not_open_a_locked_session(api, host):
    session_id = (await host.start())["id"]
    await change(host, session_id, locked=True)
    grant = await host.call("POST", "/live/join-token", {"session_id": session_id, "name": "Ina"})
    with refused(403, "session_locked"):
        await api.call("POST", "/live/join", {"session_id": session_id}, grant["token"])


async def test_over_the_websocket(host, viewer):
    session_id = (await host.start())["id"]
    mine, theirs = await WsClient.open(host, session_id), await WsClient.open(viewer, session_id)
    with pytest.raises(ProtocolError, match="forbidden"):
        await theirs.request("update_settings", settings={"locked": True})
    with pytest.raises(ProtocolError, match="invalid_request"):
        await mine.request("update_settings", settings={"lokced": True})
    assert (await mine.request("update_settings", settings={"slow_mode_s": 7}))["type"] == "ok"
    await theirs.wait_for("session_updated", lambda e: e["session"]["settings"]["slow_mode_s"] == 7)
    for client in (mine, theirs):
        await client.close()


async def test_without_guests_requests_and_invitations_are_taken_back_by_the_host(served, api, host, viewer):
    session_id = (await host.start())["id"]
    invited = await api.user("Ina")
    me = await invited.join(session_id)
    await viewer.join(session_id)
    request = await viewer.request_guest(session_id)
    body = {"session_id": session_id, "participant_id": me["id"]}
    await host.call("POST", "/live/invite-guest", body)
    await change(host, session_id, allow_guests=False)
    assert await acts(served.database, session_id, "guest_request_answered") == [
        ("guest_request_answered", host.user_id, viewer.user_id),
        ("guest_request_answered", host.user_id, invited.user_id),
    ]
    with refused(409, "request_answered"):
        await host.respond(session_id, request["id"], True)
    for call in (viewer.request_guest(session_id), host.call("POST", "/live/invite-guest", body)):
        with refused(403, "guests_not_allowed"):
            await call


async def test_a_ban_is_told_at_hello_with_its_close_code(host, viewer):
    session_id = (await host.start())["id"]
    await viewer.join(session_id)
    await host.call("POST", "/live/ban", {"session_id": session_id, "user_id": viewer.user_id})
    assert await refused_hello(viewer, session_id) == ("banned", 4403)
