import asyncio
from datetime import timedelta

import pytest

from signaling.registry import now
from tests.support.fakes import World, refused, settle


@pytest.fixture
def world():
    return World()


async def later(world, seconds):
    world.now += seconds
    await world.service.sweep()


async def restarted(world):
    """The next server on the same database."""
    again = World(store=world.store)
    await again.service.open()
    again.session_id = world.session_id
    return again


async def moved(world, person):
    """The same user with a socket on another server."""
    other = await world.person(person.identity.name)
    await other.attach()
    return other


# Waiting after a rejection


async def test_who_was_rejected_waits_before_asking_again(world):
    host, viewer, other = await world.host(), await world.viewer("Vera"), await world.viewer("Otto")
    await host.respond((await viewer.ask()).id, False)
    with refused("request_too_soon") as failure:
        await viewer.ask()
    assert failure.value.retry_after_s == pytest.approx(60)
    await other.ask()
    await later(world, 59.5)
    with refused("request_too_soon") as failure:
        await viewer.ask()
    assert failure.value.retry_after_s == pytest.approx(0.5)
    await later(world, 0.6)
    await viewer.ask()


async def test_leaving_and_coming_back_does_not_shorten_the_wait(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    await host.respond((await viewer.ask()).id, False)
    await viewer.leave()
    await viewer.attach()
    with refused("request_too_soon"):
        await viewer.ask()


async def test_a_restart_does_not_shorten_the_wait_either(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    await host.respond((await viewer.ask()).id, False)
    again = await restarted(world)
    with refused("request_too_soon") as failure:
        await (await moved(again, viewer)).ask()
    assert 50 < failure.value.retry_after_s <= 60
    (rejected,) = world.store.asked.values()
    world.store.asked[rejected.id] = rejected.model_copy(update={"answered_at": now() - timedelta(seconds=61)})
    later_on = await restarted(world)
    await (await moved(later_on, viewer)).ask()


async def test_taking_back_expiring_and_being_let_up_cost_no_wait(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    await viewer.ask()
    await world.service.cancel_guest_request(viewer.identity, world.session_id)
    await viewer.ask()
    await later(world, 901)
    await host.respond((await viewer.ask()).id, True)
    await host.manage(viewer, "remove_guest")
    await viewer.ask()


async def test_a_rejection_that_the_store_refuses_is_none(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    request = await viewer.ask()
    world.store.down = True
    with refused("database_unavailable"):
        await host.respond(request.id, False)
    world.store.down = False
    await world.service.cancel_guest_request(viewer.identity, world.session_id)
    await viewer.ask()


# Expiry


async def test_a_request_that_nobody_answers_expires(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    request = await viewer.ask()
    await later(world, 899)
    assert await world.service.guest_requests(host.identity, world.session_id) == [request]
    await later(world, 2)
    assert await world.service.guest_requests(host.identity, world.session_id) == []
    for person in (host, viewer):
        assert person.link.last("guest_request_updated")["request"]["status"] == "expired"
    assert world.store.asked[request.id].status == "expired"
    with refused("request_answered"):
        await host.respond(request.id, True)
    assert viewer.view.role == "viewer"


async def test_an_expiry_that_the_store_refuses_is_tried_again(world):
    await world.host()
    viewer = await world.viewer("Vera")
    request = await viewer.ask()
    world.store.down = True
    await later(world, 901)
    world.store.down = False
    assert world.store.asked[request.id].status == "pending"
    await later(world, 1)
    assert world.store.asked[request.id].status == "expired"


async def test_an_approval_in_the_moment_of_the_expiry_wins(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    request = await viewer.ask()
    world.store.hold = asyncio.Event()
    approving = asyncio.create_task(host.respond(request.id, True))
    await settle()
    world.now += 901
    sweeping = asyncio.create_task(world.service.sweep())
    await settle()
    world.store.hold.set()
    await asyncio.gather(approving, sweeping)
    assert viewer.view.role == "guest"
    assert world.store.asked[request.id].status == "approved"


async def test_the_time_goes_on_while_the_server_is_away(world):
    await world.host()
    viewer, other = await world.viewer("Vera"), await world.viewer("Otto")
    old, new = await viewer.ask(), await other.ask()
    world.store.asked[old.id] = old.model_copy(update={"created_at": now() - timedelta(seconds=901)})
    again = await restarted(world)
    await again.service.sweep()
    assert world.store.asked[old.id].status == "expired"
    assert world.store.asked[new.id].status == "pending"


# All at once


async def test_as_many_come_up_as_there_is_room_for_and_the_first_come_first(world):
    host = await world.host(max_guests=3)
    await world.guest("Gus")
    viewers = [await world.viewer(f"V{n}") for n in range(4)]
    for viewer in viewers:
        await viewer.ask()
    assert await world.service.respond_all(host.identity, world.session_id, True) == (2, 2)
    assert [viewer.view.role for viewer in viewers] == ["guest", "guest", "viewer", "viewer"]
    assert viewers[0].link.last("guest_request_updated")["request"]["answered_by"] == host.identity.user_id
    assert viewers[3].link.last("participant_updated")["participant"]["id"] == viewers[1].id
    assert await world.service.respond_all(host.identity, world.session_id, True) == (0, 2)
    assert len(await world.service.guest_requests(host.identity, world.session_id)) == 2
    await host.manage(viewers[0], "remove_guest")
    assert await world.service.respond_all(host.identity, world.session_id, True) == (1, 1)


async def test_rejecting_everybody(world):
    host = await world.host()
    viewers = [await world.viewer(f"V{n}") for n in range(3)]
    for viewer in viewers:
        await viewer.ask()
    assert await world.service.respond_all(host.identity, world.session_id, False) == (3, 0)
    for viewer in viewers:
        assert viewer.link.last("guest_request_updated")["request"]["status"] == "rejected"
        with refused("request_too_soon"):
            await viewer.ask()
    assert await world.service.respond_all(host.identity, world.session_id, False) == (0, 0)


async def test_lowering_all_hands_rejects_nobody(world):
    host, cohost, viewer = await world.host(), await world.cohost("Coco"), await world.viewer("Vera")
    await viewer.ask()
    assert await world.service.clear_requests(cohost.identity, world.session_id) == 1
    assert viewer.link.last("guest_request_updated")["request"]["status"] == "cancelled"
    assert await world.service.guest_requests(host.identity, world.session_id) == []
    await viewer.ask()


async def test_answering_all_is_for_moderators_and_leaves_invitations_alone(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    for call in (
        world.service.respond_all(viewer.identity, world.session_id, True),
        world.service.clear_requests(viewer.identity, world.session_id),
    ):
        with refused("forbidden"):
            await call
    invitation = await world.service.invite_guest(host.identity, world.session_id, viewer.id)
    assert await world.service.respond_all(host.identity, world.session_id, True) == (0, 0)
    assert await world.service.clear_requests(host.identity, world.session_id) == 0
    assert await world.service.guest_requests(host.identity, world.session_id) == [invitation]


async def test_answers_that_the_store_refuses_are_noticed_by_nobody(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    request = await viewer.ask()
    host.link.forget()
    viewer.link.forget()
    world.store.down = True
    for call in (
        world.service.respond_all(host.identity, world.session_id, True),
        world.service.clear_requests(host.identity, world.session_id),
    ):
        with refused("database_unavailable"):
            await call
    world.store.down = False
    assert (host.link.messages, viewer.link.messages) == ([], [])
    assert await world.service.guest_requests(host.identity, world.session_id) == [request]
    assert await world.service.respond_all(host.identity, world.session_id, True) == (1, 0)


async def test_a_request_that_comes_during_the_answers_waits_for_the_next(world):
    host, viewer, late = await world.host(), await world.viewer("Vera"), await world.viewer("Lea")
    await viewer.ask()
    world.store.hold = asyncio.Event()
    answering = asyncio.create_task(world.service.respond_all(host.identity, world.session_id, True))
    await settle()
    asking = asyncio.create_task(late.ask())
    await settle()
    world.store.hold.set()
    assert await answering == (1, 0)
    assert (await asking).status == "pending"
