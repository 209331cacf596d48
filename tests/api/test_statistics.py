"""Statistics and timeline of a session, while it is live and when it is over."""

from __future__ import annotations

import json
import uuid

import pytest

from tests.support.api import refused
from tests.support.ws import WsClient

STATISTICS = {
    *("duration_s", "peak_viewers", "total_viewers", "unique_viewers", "guests", "participation_rate"),
    *("messages", "reactions", "gifts", "gift_value", "average_watch_time_s"),
}


async def stats(user, session_id):
    return (await user.call("GET", f"/live/sessions/{session_id}/stats"))["stats"]


async def timeline(user, session_id, limit=7):
    """All of it, page by page."""
    events, page = [], {"more": True, "next_after": 0}
    while page["more"]:
        path = f"/live/sessions/{session_id}/timeline?limit={limit}&after={page['next_after']}"
        page = await user.call("GET", path)
        events += page["events"]
    return events


async def test_from_start_to_end(host, viewer):
    session_id = (await host.start())["id"]
    await viewer.join(session_id)
    assert set(await stats(viewer, session_id)) == STATISTICS
    assert (await stats(host, session_id))["unique_viewers"] == 1
    await viewer.leave(session_id)
    await viewer.join(session_id)
    socket = await WsClient.open(viewer, session_id)
    answer = await host.call("POST", "/live/end", {"session_id": session_id})
    assert (answer["stats"]["peak_viewers"], answer["stats"]["total_viewers"]) == (1, 2)
    assert answer["stats"]["duration_s"] > 0
    told = await socket.wait_for("session_ended")
    assert told["stats"] == answer["stats"]
    await socket.close()
    for user in (host, viewer):
        assert await stats(user, session_id) == answer["stats"]


async def test_who_may_not_see_them(api, host, viewer):
    session_id = (await host.start())["id"]
    stranger, thrown_out = await api.user("Sam"), await api.user("Kim")
    await viewer.join(session_id)
    await host.manage(session_id, (await thrown_out.join(session_id))["id"], "kick")
    for ended in (False, True):
        if ended:
            await host.end(session_id)
        for user in (stranger, thrown_out):
            with refused(403, "forbidden"):
                await stats(user, session_id)
        for user in (stranger, thrown_out, viewer):
            with refused(403, "forbidden"):
                await timeline(user, session_id)
        assert await timeline(host, session_id)
    for unknown in (uuid.uuid4(), "nonsense", "%00"):
        with refused(404, "session_not_found"):
            await stats(host, unknown)
        with refused(404, "session_not_found"):
            await timeline(host, unknown)


async def test_cohosts_see_the_timeline_while_they_are_in(host, viewer):
    session_id = (await host.start(require_approval=False))["id"]
    participant = await viewer.join(session_id)
    await viewer.request_guest(session_id)
    await host.manage(session_id, participant["id"], "promote")
    assert await timeline(viewer, session_id) == await timeline(host, session_id)
    await viewer.leave(session_id)
    with refused(403, "forbidden"):
        await timeline(viewer, session_id)


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "after=-1", "after=x", f"after={2**63}", "before=1"])
async def test_the_timeline_checks_its_query(host, query):
    session_id = (await host.start())["id"]
    with refused(422, "invalid_request"):
        await host.call("GET", f"/live/sessions/{session_id}/timeline?{query}")
    assert (await host.call("GET", f"/live/sessions/{session_id}/timeline?after={2**63 - 1}"))["events"] == []


class Replay:
    """A session as its timeline tells it, and nothing else."""

    def __init__(self, events):
        self.people, self.requests, self.settings, self.messages = {}, {}, {}, {}
        self.ended = None
        for event in events:
            getattr(self, f"_{event['type']}", self._flag)(event, event["target_user_id"], event["data"])

    def _session_started(self, event, user, data):
        self.title, self.host = data["title"], user

    def _session_ended(self, event, user, data):
        self.ended = data["reason"]
        for person in self.people.values():
            person["status"] = "left" if person["status"] == "joined" else person["status"]

    def _settings_changed(self, event, user, data):
        self.settings |= data

    def _participant_joined(self, event, user, data):
        new = {"audio_locked": False, "video_locked": False, "chat_silenced": False}
        known = self.people.setdefault(user, new)
        known |= {"status": "joined", "name": data["name"], "role": data["role"]}

    def _participant_left(self, event, user, data):
        self.people[user]["status"] = "left"

    def _participant_kicked(self, event, user, data):
        self.people[user]["status"] = "kicked"

    def _banned(self, event, user, data):
        pass  # participant_kicked follows

    def _unbanned(self, event, user, data):
        self.people[user]["status"] = "left"

    def _role_changed(self, event, user, data):
        assert self.people[user]["role"] == data["from"]
        self.people[user]["role"] = data["to"]

    def _guest_requested(self, event, user, data):
        self.requests[data["request_id"]] = "pending"

    _guest_invited = _guest_requested

    def _guest_request_answered(self, event, user, data):
        self.requests[data["request_id"]] = data["status"]

    def _message_sent(self, event, user, data):
        self.messages[data["message_id"]] = data["text"]

    def _message_deleted(self, event, user, data):
        self.messages[data["message_id"]] = ""

    def _flag(self, event, user, data):
        flag = {
            **{
                f"{kind}_{change}": (f"{kind}_locked", change == "muted")
                for kind in ("audio", "video")
                for change in ("muted", "unmuted")
            },
            "chat_silenced": ("chat_silenced", True),
            "chat_unsilenced": ("chat_silenced", False),
        }
        member, value = flag[event["type"]]
        self.people[user][member] = value


async def assert_true(served, session_id, replay):
    """The replayed session is the one that the tables hold."""
    async with served.database.transaction() as connection:
        people = await connection.fetch("select * from live_participants where session_id = $1", session_id)
        requests = await connection.fetch(
            "select id, status from live_guest_requests where session_id = $1", session_id
        )
        settings = await connection.fetchrow("select * from live_session_settings where session_id = $1", session_id)
        messages = await connection.fetch(
            "select id, body from live_chat_messages where session_id = $1 and kind = 'message'", session_id
        )
        session = await connection.fetchrow("select * from live_sessions where id = $1", session_id)
    assert replay.people == {row["user_id"]: {name: row[name] for name in replay.people[replay.host]} for row in people}
    assert replay.requests == {str(row["id"]): row["status"] for row in requests}
    assert replay.settings == {
        name: value for name, value in settings.items() if name not in ("session_id", "updated_at")
    }
    assert replay.messages == {str(row["id"]): row["body"] for row in messages}
    assert (replay.title, replay.host, replay.ended) == (
        session["title"],
        session["host_user_id"],
        session["end_reason"],
    )


async def test_a_replay_of_the_timeline_is_the_session(served, api, host):
    session_id = (await host.start("Replayed", max_guests=3, slow_mode_s=0))["id"]
    users = [await api.user(f"V{number}") for number in range(5)]
    people = [(await user.join(session_id))["id"] for user in users]
    sockets = [await WsClient.open(user, session_id) for user in (host, *users)]
    for number in (0, 1, 2):
        request = await users[number].request_guest(session_id, "me")
        await host.respond(session_id, request["id"], approve=number < 2)
    await users[3].request_guest(session_id)
    for number, action in ((0, "promote"), (1, "mute_audio"), (1, "remove_guest"), (4, "mute_video"), (2, "kick")):
        await host.manage(session_id, people[number], action)
    await users[4].leave(session_id)
    await users[4].join(session_id)
    await host.manage(session_id, people[1], "unmute_audio")
    await users[1].leave(session_id)
    await assert_true(served, session_id, Replay(await timeline(host, session_id)))
    await host.end(session_id)
    events = await timeline(host, session_id)
    replay = Replay(events)
    await assert_true(served, session_id, replay)
    assert replay.ended == "ended_by_host"
    assert [event["id"] for event in events] == sorted({event["id"] for event in events})
    assert json.dumps(events).count("participant_joined") == 7
    for socket in sockets:
        await socket.close()
