import asyncio

import pytest

from signaling.model import SessionSettings
from tests.support.fakes import ANYBODY, FakePlane, World, refused, settle


@pytest.fixture
def world():
    return World()


async def later(world, seconds):
    world.now += seconds
    await world.service.sweep()


async def test_who_does_not_come_back_within_the_grace_leaves(world):
    host, guest = await world.host(), await world.guest("Gus")
    await guest.publish()
    guest.detach()
    await later(world, 29.9)
    assert guest.view.role == "guest"
    await later(world, 0.2)
    await settle()
    assert host.link.last("participant_left") == {
        "type": "participant_left",
        "participant_id": guest.id,
        "reason": "lost",
    }
    assert world.store.people[guest.id].status == "left"
    assert world.room.producers == {}


async def test_who_never_opens_a_socket_leaves_too(world):
    await world.host()
    viewer = await world.person("Vera")
    await viewer.join()
    await later(world, 119)
    assert viewer.view.role == "viewer"
    await later(world, 2)
    assert world.store.people[viewer.id].status == "left"


async def test_a_host_who_is_lost_takes_the_session_along(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    host.detach()
    await later(world, 31)
    assert viewer.link.last("session_ended")["reason"] == "host_lost"
    assert viewer.link.closed == (4410, "session_ended")
    assert world.store.sessions[world.session_id].end_reason == "host_lost"
    with refused("session_ended"):
        await host.attach()


async def test_a_host_who_comes_back_in_time_keeps_it(world):
    host = await world.host()
    host.detach()
    await later(world, 29)
    await host.attach()
    await later(world, 1000)
    assert (await world.service.get_session(ANYBODY, world.session_id)).status == "live"


async def test_what_the_store_can_not_take_is_tried_again(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    viewer.detach()
    host.link.forget()
    world.store.down = True
    await later(world, 31)
    assert host.link.messages == []
    host.detach()
    await later(world, 31)
    assert (await world.service.get_session(ANYBODY, world.session_id)).status == "live"
    world.store.down = False
    await world.service.sweep()
    assert world.store.sessions[world.session_id].end_reason == "host_lost"


async def test_a_room_that_can_not_be_looked_after_holds_up_no_other(world, monkeypatch):
    """The first one's rows were deleted with SQL."""
    first = await world.host()
    first_room, write = world.session_id, world.store.end_session
    other = await world.person("Olga")
    session, _ = await world.service.start(other.identity, "Another", "", "camera", SessionSettings())

    async def ends(session_id, reason, at):
        if session_id == first_room:
            raise LookupError("there is no such session")
        return await write(session_id, reason, at)

    monkeypatch.setattr(world.store, "end_session", ends)
    first.detach()
    await later(world, 121)
    assert world.store.sessions[session.id].status == "ended"


async def test_somebody_who_returns_while_being_let_go_stays(world):
    """The grace is looked at again after waiting for whatever else was happening to that participant."""
    await world.host()
    viewer = await world.viewer("Vera")
    viewer.detach()
    world.now += 31
    room = world.service._rooms[world.session_id]
    async with room.gate.user(viewer.identity.user_id):
        sweeping = asyncio.create_task(world.service.sweep())
        await settle()
        room.members[viewer.id].absent_until = None
    await sweeping
    assert viewer.view.role == "viewer"


async def restarted(world):
    """The same database, a new process."""
    await world.service.close()
    fresh = World(world.store, FakePlane())
    fresh.session_id, fresh.now = world.session_id, 5.0
    await fresh.service.open()
    return fresh


def moved(person, world):
    """The same user, at the new process."""
    person.world, person.service = world, world.service
    return person


async def test_stopping_closes_sockets_and_keeps_sessions(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    await host.publish()
    await world.service.close()
    assert [person.link.closed for person in (host, viewer)] == [(1001, "server_stopping")] * 2
    assert host.link.of("session_ended") == []
    assert world.store.sessions[world.session_id].status == "live"
    assert world.room.closed


async def test_a_restart_takes_sessions_up_again(world):
    host, guest, viewer = await world.host(), await world.guest("Gus"), await world.viewer("Vera")
    await host.manage(guest, "mute_audio")
    request = await viewer.ask()
    token = host.link.last("welcome")["resume_token"]
    fresh = await restarted(world)
    welcome = await moved(host, fresh).attach(token)
    assert not welcome["resumed"]
    seen = {p["name"]: p for p in welcome["participants"]}
    assert {name: p["role"] for name, p in seen.items()} == {"Hana": "host", "Gus": "guest", "Vera": "viewer"}
    assert not seen["Gus"]["connected"]
    assert seen["Gus"]["audio_locked"]
    assert [r["id"] for r in welcome["guest_requests"]] == [request.id]
    with refused("already_live"):
        await fresh.service.start(host.identity, "x", "", "camera", SessionSettings())
    await fresh.service.close()


async def test_after_a_restart_the_host_has_to_come_back(world):
    await world.host()
    fresh = await restarted(world)
    await later(fresh, 29)
    assert (await fresh.service.get_session(ANYBODY, world.session_id)).status == "live"
    await later(fresh, 2)
    assert world.store.sessions[world.session_id].end_reason == "host_lost"
    await fresh.service.close()


async def test_the_grace_begins_when_everything_was_read(world, monkeypatch):
    """The rooms of a large server take longer to read than anybody has to come back."""
    host = await world.host()
    await world.service.close()
    fresh = World(world.store, FakePlane())
    fresh.session_id = world.session_id
    read = world.store.participants

    async def slowly(session_id):
        found = await read(session_id)
        fresh.now += 60
        return found

    monkeypatch.setattr(world.store, "participants", slowly)
    await fresh.service.open()
    await later(fresh, 29)
    await moved(host, fresh).attach()
    assert host.view.role == "host"


async def test_kicked_is_kicked_after_a_restart_too(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    await host.manage(viewer, "kick")
    fresh = await restarted(world)
    with refused("kicked"):
        await moved(viewer, fresh).join()
    await fresh.service.close()


async def test_who_left_before_the_restart_comes_back_as_the_same_participant(world):
    host, guest = await world.host(), await world.guest("Gus")
    await host.manage(guest, "mute_video")
    await guest.leave()
    fresh = await restarted(world)
    before = guest.id
    await moved(guest, fresh).attach()
    assert guest.id == before
    assert guest.view.video_locked
    await fresh.service.close()


async def test_a_row_that_an_earlier_version_gave_another_id_keeps_it(world):
    await world.host()
    viewer = await world.viewer("Vera")
    await viewer.leave()
    record = world.store.people.pop(viewer.id)
    old = "00000000-0000-5000-8000-000000000000"
    world.store.people[old] = record.model_copy(update={"id": old})
    fresh = await restarted(world)
    await moved(viewer, fresh).attach()
    assert [p.id for p in fresh.store.people.values() if p.user_id == viewer.identity.user_id] == [old]
    await fresh.service.close()
