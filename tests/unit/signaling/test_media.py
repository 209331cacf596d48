import asyncio

import pytest

from signaling.errors import LiveError
from tests.support.fakes import World, settle


@pytest.fixture
def world():
    return World()


async def until(condition):
    for _ in range(400):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it did not happen")


async def test_a_lost_worker_is_told_and_replaced(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    await host.publish()
    await viewer.answer()
    old = world.room
    old.lose()
    for person in (host, viewer):
        assert person.link.last("media_reset")["reason"] == "worker_lost"
    assert viewer.link.last("participant_updated")["participant"]["sources"] == []
    assert host.view.sources == ()
    await until(lambda: len(world.plane.rooms) == 2)
    await host.publish()
    assert world.room is not old
    await viewer.answer()
    assert len(viewer.received()) == 2


async def test_who_was_away_when_the_worker_died_must_not_think_that_media_flows(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    await host.publish()
    await viewer.answer()
    token = viewer.link.last("welcome")["resume_token"]
    viewer.detach()
    world.room.lose()
    assert not (await viewer.attach(token))["resumed"]


async def test_who_was_there_may_resume(world):
    host = await world.host()
    await host.publish()
    world.room.lose()
    await settle()
    token = host.link.last("welcome")["resume_token"]
    assert (await host.attach(token))["resumed"]


async def test_a_worker_that_dies_while_it_is_being_asked(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    await host.publish()
    old = world.room
    old.hold["create_transport"] = asyncio.Event()
    publishing = asyncio.create_task(host.publish())
    await settle()
    old.lose()
    old.hold["create_transport"].set()
    with pytest.raises(LiveError, match="media_unavailable"):
        await publishing
    await until(lambda: len(world.plane.rooms) == 2)
    await host.publish()
    await viewer.answer()
    assert len(viewer.received()) == 2


async def test_a_worker_that_dies_right_after_it_took_the_room(world):
    host = await world.host()
    world.plane.hold = asyncio.Event()
    publishing = asyncio.create_task(host.publish())
    await settle()
    world.room.lose()
    world.plane.hold.set()
    await publishing
    assert len(world.plane.rooms) == 2
    assert len(world.room.producers) == 2


async def test_the_room_is_given_back_when_the_pools_first_choice_died(world):
    """The worker that has the room lives: it would refuse to make it twice."""
    host = await world.host()
    world.plane.hold = asyncio.Event()
    publishing = asyncio.create_task(host.publish())
    await settle()
    given = world.room
    given.listener.media_lost()
    world.plane.hold.set()
    await publishing
    assert given.closed
    assert world.room is not given


async def test_without_a_worker_the_caller_may_try_again():
    world = World(room_wait_s=0.01)
    host, viewer = await world.host(), await world.viewer("Vera")
    world.plane.down = True
    with pytest.raises(LiveError, match="media_unavailable"):
        await host.publish()
    world.plane.down = False
    await until(lambda: world.plane.rooms)
    await host.publish()
    await viewer.answer()
    assert len(viewer.received()) == 2


async def test_a_request_waits_for_a_worker_that_comes_soon(world):
    host = await world.host()
    world.plane.down = True
    publishing = asyncio.create_task(host.publish())
    await settle()
    world.plane.down = False
    await publishing
    assert len(host.view.sources) == 2


async def test_receivers_hear_of_the_new_worker_by_themselves(world):
    """Nobody publishes anew before the new room is there; then everybody is offered what comes."""
    host, viewer = await world.host(), await world.viewer("Vera")
    await host.publish()
    await viewer.answer()
    world.plane.down = True
    world.room.lose()
    await settle()
    world.plane.down = False
    await until(lambda: len(world.plane.rooms) == 2)
    await host.publish()
    assert len(viewer.link.last("receive_offer")["tracks"]) == 2


async def test_an_ended_session_opens_no_room(world):
    host = await world.host()
    world.plane.down = True
    publishing = asyncio.create_task(host.publish())
    await settle()
    await host.end()
    world.plane.down = False
    with pytest.raises(LiveError):
        await publishing
    await settle()
    assert all(room.closed for room in world.plane.rooms)


async def test_notifications_about_unknown_transports_are_ignored(world):
    host = await world.host()
    await host.publish()
    world.room.listener.transport_state_changed("nope", "closed")
    await settle()
    assert len(host.view.sources) == 2


async def test_stats_without_a_worker(world):
    host = await world.host()
    await host.publish()
    world.room.fail["stats"] = "timeout"
    with pytest.raises(LiveError, match="media_unavailable"):
        await world.service.stats(host.identity, world.session_id)
