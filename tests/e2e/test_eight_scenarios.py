"""What a live product has to do, from beginning to end, through REST and WebSocket on the real server."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from tests.support.api import ApiError, User
from tests.support.crew import Crew
from tests.support.waiting import until
from tests.support.ws import WsClient

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def audience(crew: Crew, session_id: str, count: int, name: str = "Viewer") -> list[tuple[User, WsClient]]:
    users = [await crew.user(name) for _ in range(count)]
    return [(user, await crew.socket(user, session_id)) for user in users]


def role_of(client: WsClient, participant_id: str) -> str | None:
    """As the client was last told."""
    for event in reversed(client.events):
        if event["type"] == "participant_updated" and event["participant"]["id"] == participant_id:
            return str(event["participant"]["role"])
    return None


async def test_1_a_host_starts_a_session(crew: Crew) -> None:
    host = await crew.user("Hana")
    session = await host.start("Evening show", description="About everything", max_guests=3)
    assert (session["status"], session["title"], session["settings"]["max_guests"]) == ("live", "Evening show", 3)
    socket = await crew.socket(host, session["id"])
    assert socket.welcome["you"]["role"] == "host"
    stranger = await crew.user("Eve")
    found = await stranger.call("GET", f"/live/active?q={host.name.replace(' ', '%20')}")
    assert [(each["id"], each["host_name"]) for each in found["sessions"]] == [(session["id"], host.name)]
    with pytest.raises(ApiError, match="409 already_live"):
        await host.start("A second one")


async def test_2_viewers_join_and_the_count_rises_for_everybody(crew: Crew) -> None:
    host, session_id = await crew.live()
    host_socket = await crew.socket(host, session_id)
    people = await audience(crew, session_id, 5)
    for socket in (host_socket, people[0][1]):
        await socket.wait_for("session_updated", lambda event: event["session"]["viewer_count"] == 5)
    joined = {event["participant"]["id"] for event in host_socket.events if event["type"] == "participant_joined"}
    assert joined == {socket.participant_id for _, socket in people}
    await people[0][0].leave(session_id)
    await host_socket.wait_for("session_updated", lambda event: event["session"]["viewer_count"] == 4)
    assert (await host.session(session_id))["viewer_count"] == 4


async def test_3_a_viewer_asks_is_approved_and_is_promoted(crew: Crew) -> None:
    host, session_id = await crew.live()
    host_socket = await crew.socket(host, session_id)
    (viewer, socket), (_, onlooker) = await audience(crew, session_id, 2)
    await viewer.request_guest(session_id, "May I come up?")
    request = (await host_socket.wait_for("guest_request_created"))["request"]
    assert (request["user_id"], request["message"]) == (viewer.user_id, "May I come up?")
    await host_socket.request("respond_guest_request", request_id=request["id"], approve=True)
    for client in (host_socket, socket, onlooker):
        await until(lambda client=client: role_of(client, socket.participant_id) == "guest", "a guest on stage")
    await host_socket.request("manage_participant", participant_id=socket.participant_id, action="promote")
    await until(lambda: role_of(onlooker, socket.participant_id) == "cohost", "a cohost")
    assert (await socket.wait_for("roster"))["participants"]


async def test_4_twenty_come_on_stage_at_once_and_the_twenty_first_is_refused(crew: Crew) -> None:
    host, session_id = await crew.live(max_guests=20)
    host_socket = await crew.socket(host, session_id)
    people = await audience(crew, session_id, 21, "Guest")
    requests = await asyncio.gather(*(user.request_guest(session_id) for user, _ in people))
    answers = await asyncio.gather(
        *(host.respond(session_id, request["id"], approve=True) for request in requests), return_exceptions=True
    )
    refused = [answer for answer in answers if isinstance(answer, ApiError)]
    assert [str(refusal).partition(":")[0] for refusal in refused] == ["409 stage_full"]
    await host_socket.wait_for("session_updated", lambda event: event["session"]["guest_count"] == 20)
    on_stage = Counter(participant["role"] for participant in await host.participants(session_id))
    assert on_stage == {"host": 1, "guest": 20, "viewer": 1}
    # Room for one: the one who was refused still waits, and comes up.
    await host.manage(session_id, people[answers.index(refused[0]) - 1][1].participant_id, "remove_guest")
    await host.respond(session_id, requests[answers.index(refused[0])]["id"], approve=True)


async def test_5_what_the_host_does_is_seen_by_all_at_once(crew: Crew) -> None:
    host, session_id = await crew.live()
    host_socket = await crew.socket(host, session_id)
    (guest, guest_socket), *others = await audience(crew, session_id, 4)
    await crew.bring_on_stage(host, guest, session_id)
    everybody = [host_socket, guest_socket, *(socket for _, socket in others)]

    async def all_see(**members: Any) -> None:
        for client in everybody:
            await client.wait_for(
                "participant_updated",
                lambda event: (
                    event["participant"]["id"] == guest_socket.participant_id
                    and all(event["participant"][name] == value for name, value in members.items())
                ),
            )

    await host.manage(session_id, guest_socket.participant_id, "mute_audio")
    await all_see(audio_locked=True)
    await host.manage(session_id, guest_socket.participant_id, "unmute_audio")
    await all_see(audio_locked=False)
    await host.call("PATCH", f"/live/sessions/{session_id}/settings", {"slow_mode_s": 5, "locked": True})
    for client in everybody:
        settings = (await client.wait_for("session_updated", lambda e: e["session"]["settings"]["locked"]))["session"]
        assert settings["settings"]["slow_mode_s"] == 5
    late = await crew.user("Late")
    with pytest.raises(ApiError, match="403 session_locked"):
        await late.join(session_id)
    await host.manage(session_id, guest_socket.participant_id, "kick")
    assert await guest_socket.wait_closed() == 4403
    for client in everybody:
        if client is not guest_socket:
            await client.wait_for("participant_left", lambda event: event["reason"] == "kicked")
    with pytest.raises(ApiError, match="403 kicked"):
        await guest.join(session_id)


async def test_6_five_hundred_messages_are_told_in_order_and_read_by_pages(crew: Crew) -> None:
    host, session_id = await crew.live()
    reader = await crew.socket(host, session_id)
    people = await audience(crew, session_id, 50)

    async def write(number: int, socket: WsClient) -> None:
        for line in range(10):
            await socket.request("send_message", text=f"{number}: {line}", client_id=f"{number}-{line}")

    await asyncio.gather(*(write(number, socket) for number, (_, socket) in enumerate(people)))
    await until(lambda: len(written(reader.events)) == 500, "all messages")
    told = written(reader.events)
    assert [message["position"] for message in told] == sorted(message["position"] for message in told)
    for number in range(50):
        assert [m["text"] for m in told if m["text"].startswith(f"{number}: ")] == [f"{number}: {n}" for n in range(10)]

    pages: list[dict[str, Any]] = []
    before = ""
    while True:
        page = await people[0][0].call("GET", f"/live/sessions/{session_id}/messages?limit=100{before}")
        pages = page["messages"] + pages
        if not page["more"]:
            break
        before = f"&before={page['messages'][0]['position']}"
    assert [m["id"] for m in pages if m["kind"] == "message"] == [m["id"] for m in told]
    late = await crew.socket(await crew.user("Late"), session_id)
    assert [m["id"] for m in late.welcome["messages"]] == [m["id"] for m in pages[-50:]]
    assert late.welcome["more_messages"]


def written(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Messages of people among events."""
    return [e["message"] for e in events if e["type"] == "message" and e["message"]["kind"] == "message"]


async def test_7_a_storm_of_reactions_is_counted_exactly_and_told_in_few_words(crew: Crew) -> None:
    host, session_id = await crew.live()
    watcher = await crew.socket(host, session_id)
    people = await audience(crew, session_id, 40)

    async def storm(socket: WsClient) -> None:
        for kind in ("heart", "clap", "heart", "fire", "heart"):
            await socket.request("react", reaction=kind)

    await asyncio.gather(*(storm(socket) for _, socket in people))
    expected = {"heart": 120, "clap": 40, "fire": 40}
    await watcher.wait_for("reactions", lambda event: event["totals"] == expected)
    told = [event for event in watcher.events if event["type"] == "reactions"]
    assert sum((Counter(event["counts"]) for event in told), Counter()) == expected
    assert len(told) < 100
    statistics = (await host.call("POST", "/live/end", {"session_id": session_id}))["stats"]
    assert statistics["reactions"] == expected


async def test_8_the_end_sends_everybody_home_and_leaves_statistics(crew: Crew) -> None:
    host, session_id = await crew.live()
    host_socket = await crew.socket(host, session_id)
    people = await audience(crew, session_id, 4)
    guest, guest_socket = people[0]
    await crew.bring_on_stage(host, guest, session_id)
    await people[1][1].request("send_message", text="Good night")
    await people[2][0].leave(session_id)
    await people[2][0].join(session_id)
    await host_socket.request("end")
    for socket in (host_socket, guest_socket, people[1][1], people[3][1]):
        ended = await socket.wait_for("session_ended")
        assert await socket.wait_closed() == 4410
    statistics = (await host.call("GET", f"/live/sessions/{session_id}/stats"))["stats"]
    assert ended["stats"] == statistics
    assert (statistics["unique_viewers"], statistics["total_viewers"], statistics["peak_viewers"]) == (4, 5, 4)
    assert (statistics["guests"], statistics["messages"], statistics["participation_rate"]) == (1, 1, 0.5)
    assert 0 < statistics["average_watch_time_s"] <= statistics["duration_s"]
    with pytest.raises(ApiError, match="410 session_ended"):
        await guest.join(session_id)
    assert session_id not in [session["id"] for session in await host.active()]
    timeline = (await host.call("GET", f"/live/sessions/{session_id}/timeline?limit=200"))["events"]
    assert [event["type"] for event in (timeline[0], timeline[-1])] == ["session_started", "session_ended"]
