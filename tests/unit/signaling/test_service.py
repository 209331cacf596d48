import asyncio
import uuid

import pytest

from signaling.errors import LiveError
from signaling.model import SessionSettings
from signaling.ports import StoreUnavailable
from tests.support.fakes import ANYBODY, World, refused, settle


@pytest.fixture
def world():
    return World()


async def start(person, title="Another"):
    return await person.service.start(person.identity, title, "", "camera", SessionSettings())


# Start, join, leave, end


async def test_going_live(world):
    host = await world.host()
    ((session,), _) = await world.service.list_active(ANYBODY)
    assert (session.id, session.status, session.host_name) == (world.session_id, "live", "Hana")
    assert host.view.role == "host"
    assert world.store.people[host.id].role == "host"


async def test_one_live_session_for_each_host(world):
    host = await world.host()
    with refused("already_live") as failure:
        await start(host)
    assert failure.value.details == {"session_id": world.session_id}
    await host.end()
    await start(host)


async def test_two_starts_at_once_make_one_session(world):
    host = await world.person("Hana")
    results = await asyncio.gather(start(host), start(host), return_exceptions=True)
    assert sorted(isinstance(result, LiveError) for result in results) == [False, True]
    assert len(world.store.sessions) == 1


async def test_a_start_that_the_store_refuses_leaves_nothing(world):
    host = await world.person("Hana")
    world.store.down = True
    with refused("database_unavailable"):
        await start(host)
    world.store.down = False
    assert (await world.service.list_active(ANYBODY)).sessions == []
    await world.service.sweep()
    await start(host)
    assert len((await world.service.list_active(ANYBODY)).sessions) == 1


async def test_a_start_whose_answer_was_lost_does_not_stay_live_for_ever(world):
    host = await world.person("Hana")
    create = world.store.create_session

    async def committed_but_unheard(session, record):
        await create(session, record)
        world.store.down = True
        await create(session, record)

    world.store.create_session = committed_but_unheard
    with refused("database_unavailable"):
        await start(host)
    world.store.down = False
    await world.service.sweep()
    assert [session.status for session in world.store.sessions.values()] == ["ended"]


async def test_a_start_that_comes_to_the_store_late_does_not_stay_live_either(world):
    """The connection was lost, and the database reads what it was sent when it goes on."""
    host = await world.person("Hana")
    create, sent = world.store.create_session, []

    async def hangs(session, record):
        sent.append((session, record))
        raise StoreUnavailable("lost")

    world.store.create_session = hangs
    with refused("database_unavailable"):
        await start(host)
    await world.service.sweep()
    await create(*sent[0])
    await world.service.sweep()
    assert [session.status for session in world.store.sessions.values()] == ["ended"]


async def test_joining_is_idempotent(world):
    await world.host()
    viewer = await world.person("Vera")
    first, second = await viewer.join(), await viewer.join()
    assert first == second
    assert first.role == "viewer"
    assert not first.connected


async def test_joining_twice_at_once_makes_one_participant(world):
    await world.host()
    viewer = await world.person("Vera")
    first, second = await asyncio.gather(viewer.join(), viewer.join())
    assert first.id == second.id
    assert len(world.store.people) == 2


async def test_a_session_takes_no_more_than_max_participants(world):
    await world.host(max_participants=3)
    people = [await world.person(f"V{n}") for n in range(5)]
    results = await asyncio.gather(*(person.join() for person in people), return_exceptions=True)
    assert [getattr(result, "code", "in") for result in results] == ["in", "in"] + ["session_full"] * 3
    await people[0].leave()
    await people[4].join()


async def test_unknown_sessions(world):
    viewer = await world.person("Vera")
    for session_id in (str(uuid.uuid4()), "nonsense", "", str(uuid.uuid4()).upper(), "\x00"):
        world.session_id = session_id
        with refused("session_not_found"):
            await viewer.join()
        with refused("session_not_found"):
            await world.service.get_session(ANYBODY, session_id)


async def test_leaving_and_coming_back_is_the_same_participant(world):
    host = await world.host()
    viewer = await world.viewer("Vera")
    before = viewer.id
    await viewer.leave()
    assert viewer.link.closed == (1000, "left")
    assert host.link.last("participant_left") == {
        "type": "participant_left",
        "participant_id": before,
        "reason": "left",
    }
    assert world.store.people[before].status == "left"
    await viewer.attach()
    assert viewer.id == before
    assert world.store.people[before].status == "joined"


async def test_a_guest_who_comes_back_is_a_viewer(world):
    await world.host()
    guest = await world.guest("Gus")
    await guest.leave()
    await guest.attach()
    assert guest.view.role == "viewer"


async def test_who_is_not_in_can_do_nothing(world):
    host = await world.host()
    stranger = await world.person("Sid")
    for call in (stranger.leave(), stranger.end(), stranger.ask(), stranger.manage(host, "kick")):
        with refused("not_joined"):
            await call
    with refused("not_joined"):
        await world.service.participants(stranger.identity, world.session_id)


async def test_only_the_host_ends_and_the_host_does_not_leave(world):
    host, cohost, viewer = await world.host(), await world.cohost("Coco"), await world.viewer("Vera")
    for person in (cohost, viewer):
        with refused("forbidden"):
            await person.end()
    with refused("forbidden"):
        await host.leave()


async def test_the_end_is_told_to_everybody_and_is_final(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    ended = await host.end()
    assert (ended.status, ended.end_reason) == ("ended", "ended_by_host")
    for person in (host, viewer):
        assert person.link.last("session_ended")["reason"] == "ended_by_host"
        assert person.link.closed == (4410, "session_ended")
    assert world.store.sessions[world.session_id].status == "ended"
    assert (await world.service.get_session(ANYBODY, world.session_id)).status == "ended"
    for call in (viewer.join(), host.end(), viewer.ask(), viewer.leave()):
        with refused("session_ended"):
            await call
    with refused("session_ended"):
        await viewer.attach()


async def test_the_end_gives_the_media_back(world):
    host = await world.host()
    await host.publish()
    await host.end()
    await settle()
    assert world.room.closed


async def test_an_end_that_the_store_refuses_is_noticed_by_nobody(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    viewer.link.forget()
    world.store.down = True
    with refused("database_unavailable"):
        await host.end()
    world.store.down = False
    assert viewer.link.messages == []
    assert viewer.link.closed is None
    assert (await world.service.get_session(ANYBODY, world.session_id)).status == "live"


async def test_nobody_comes_in_while_the_session_is_being_ended(world):
    host = await world.host()
    late = await world.person("Lea")
    world.store.hold = asyncio.Event()
    ending = asyncio.create_task(host.end())
    await settle()
    joining = asyncio.create_task(late.join())
    await settle()
    world.store.hold.set()
    await ending
    with refused("session_ended"):
        await joining
    assert [person.user_id for person in world.store.people.values()] == ["user-Hana"]


@pytest.mark.parametrize("verb", ["join", "leave"])
async def test_a_verb_that_the_store_refuses_is_noticed_by_nobody(world, verb):
    host, viewer = await world.host(), await world.viewer("Vera")
    person = viewer if verb == "leave" else await world.person("Lea")
    before = await world.service.participants(host.identity, world.session_id)
    host.link.forget()
    world.store.down = True
    with refused("database_unavailable"):
        await getattr(person, verb)()
    world.store.down = False
    assert host.link.messages == []
    assert await world.service.participants(host.identity, world.session_id) == before
    assert viewer.link.closed is None
    await getattr(person, verb)()


# Sockets


async def test_welcome_has_what_a_client_needs_first(world):
    host = await world.host()
    viewer = await world.viewer("Vera")
    request = await viewer.ask("please")
    welcome = await host.attach()
    assert welcome["protocol"] == 1
    assert welcome["session"]["id"] == world.session_id
    assert welcome["session"]["viewer_count"] == 1
    assert welcome["you"]["role"] == "host"
    assert welcome["you"]["connected"]
    assert [p["name"] for p in welcome["participants"]] == ["Hana", "Vera"]
    assert [r["id"] for r in welcome["guest_requests"]] == [request.id]
    assert welcome["grace_s"] == 30
    assert welcome["ice_servers"] == []
    assert not welcome["resumed"]
    assert host.link.messages[0]["type"] == "welcome"


async def test_viewers_do_not_see_viewers(world):
    await world.host()
    await world.viewer("Vera")
    other = await world.viewer("Otto")
    request = await other.ask()
    third = await world.person("Tess")
    welcome = await third.attach()
    assert [p["name"] for p in welcome["participants"]] == ["Hana"]
    assert welcome["guest_requests"] == []
    assert [r["id"] for r in (await other.attach())["guest_requests"]] == [request.id]
    names = [p.name for p in await world.service.participants(other.identity, world.session_id)]
    assert names == ["Hana"]


async def test_hello_without_joining_first_joins(world):
    host = await world.host()
    viewer = await world.viewer("Vera")
    assert viewer.view.role == "viewer"
    assert host.link.last("participant_joined")["participant"]["id"] == viewer.id


async def test_a_second_socket_takes_over(world):
    await world.host()
    viewer = await world.viewer("Vera")
    first = viewer.link
    await viewer.attach()
    assert first.closed == (4409, "replaced")
    # The first socket's end must not take the second one along.
    world.service.detach(viewer.identity, world.session_id, first)
    assert viewer.view.connected


async def test_losing_the_socket_and_resuming(world):
    host = await world.host()
    viewer = await world.viewer("Vera")
    token = viewer.link.last("welcome")["resume_token"]
    viewer.detach()
    assert host.link.last("participant_updated")["participant"]["connected"] is False
    world.now += 29
    await world.service.sweep()
    welcome = await viewer.attach(token)
    assert welcome["resumed"]
    assert host.link.last("participant_updated")["participant"]["connected"] is True
    assert host.link.of("participant_left") == []


@pytest.mark.parametrize("token", [None, "", "wrong", "\u00e9"])
async def test_a_wrong_resume_token_does_not_resume(world, token):
    await world.host()
    viewer = await world.viewer("Vera")
    viewer.detach()
    assert not (await viewer.attach(token))["resumed"]


async def test_a_resume_token_works_once(world):
    await world.host()
    viewer = await world.viewer("Vera")
    token = viewer.link.last("welcome")["resume_token"]
    assert (await viewer.attach(token))["resumed"]
    assert not (await viewer.attach(token))["resumed"]


async def test_resuming_keeps_the_media_and_a_fresh_hello_does_not(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    await host.publish()
    await viewer.answer()
    transports = set(world.room.transports)
    host.detach()
    await host.attach(host.link.last("welcome")["resume_token"])
    await settle()
    assert set(world.room.transports) == transports
    assert len(host.view.sources) == 2
    host.detach()
    await host.attach()
    await settle()
    assert host.view.sources == ()
    assert world.room.producers == {}
    assert viewer.link.last("participant_updated")["participant"]["sources"] == []


async def test_stats_are_those_of_the_callers_connections(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    assert await world.service.stats(viewer.identity, world.session_id) == []
    await host.publish()
    await viewer.answer()
    (mine,) = await world.service.stats(host.identity, world.session_id)
    assert (mine["connection"], mine["state"]) == ("publish", "connected")
    assert "remote_address" not in mine
    (theirs,) = await world.service.stats(viewer.identity, world.session_id)
    assert theirs["connection"] == "receive"
    assert world.room.asked_for_stats == 1


async def test_a_session_for_listening_takes_no_pictures(world):
    host = await world.host(session_type="audio")
    with refused("forbidden"):
        await host.publish()
    assert host.view.sources == ()
    await host.publish(camera=False)
    assert [source.source for source in host.view.sources] == ["microphone"]
    with refused("forbidden"):
        await host.publish(fresh=False)
    assert [source.source for source in host.view.sources] == ["microphone"], "what was sent goes on"


async def test_publishing_is_for_the_stage(world):
    await world.host()
    viewer = await world.viewer("Vera")
    with refused("forbidden"):
        await viewer.publish()
