import asyncio

import pytest

from signaling.model import SettingsChange
from tests.support.fakes import World, refused, settle


@pytest.fixture
def world():
    return World()


async def change(person, **settings):
    return await person.service.update_settings(person.identity, person.session_id, SettingsChange(**settings))


async def test_what_is_given_changes_and_everybody_is_told(world):
    host, viewer = await world.host(max_guests=7), await world.viewer("Vera")
    session = await change(host, slow_mode_s=5, enable_gifts=True)
    assert (session.settings.slow_mode_s, session.settings.enable_gifts, session.settings.max_guests) == (5, True, 7)
    for person in (host, viewer):
        assert person.link.last("session_updated")["session"]["settings"]["slow_mode_s"] == 5
    assert world.store.sessions[world.session_id].settings == session.settings
    assert (await world.service.get_session(viewer.identity, world.session_id)).settings == session.settings


async def test_changing_nothing_tells_nobody(world):
    host = await world.host()
    host.link.forget()
    await change(host)
    await change(host, max_guests=20)
    assert host.link.of("session_updated") == []


async def test_only_the_host_decides(world):
    await world.host()
    for person in (await world.cohost("Coco"), await world.guest("Gus"), await world.viewer("Vera")):
        with refused("forbidden"):
            await change(person, locked=True)


async def test_a_locked_session_takes_back_who_was_in_and_nobody_else(world):
    host, viewer, gone = await world.host(), await world.viewer("Vera"), await world.viewer("Gina")
    await gone.leave()
    await change(host, locked=True)
    newcomer = await world.person("Nora")
    for call in (newcomer.attach(), newcomer.join()):
        with refused("session_locked"):
            await call
    await viewer.attach()
    await gone.attach()
    await change(host, locked=False)
    await newcomer.attach()


async def test_somebody_who_is_coming_in_while_it_is_locked_is_in_or_out(world):
    host, newcomer = await world.host(), await world.person("Nora")
    world.store.hold = asyncio.Event()
    joining = asyncio.create_task(newcomer.attach())
    await settle()
    locking = asyncio.create_task(change(host, locked=True))
    late = await world.person("Lea")
    await settle()
    joining_late = asyncio.create_task(late.join())
    await settle()
    world.store.hold.set()
    await joining
    await locking
    with refused("session_locked"):
        await joining_late


async def test_a_smaller_stage_throws_nobody_off_and_lets_nobody_up(world):
    host = await world.host()
    guests = [await world.guest(f"G{n}") for n in range(3)]
    viewer = await world.viewer("Vera")
    request = await viewer.ask()
    await change(host, max_guests=2)
    assert [guest.view.role for guest in guests] == ["guest"] * 3
    await host.manage(guests[0], "remove_guest")
    with refused("stage_full"):
        await host.respond(request.id, True)
    await host.manage(guests[1], "remove_guest")
    await host.respond(request.id, True)


async def test_a_smaller_session_throws_nobody_out(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    await change(host, max_participants=1)
    assert viewer.view.role == "viewer"
    with refused("session_full"):
        await (await world.person("Nora")).join()


async def test_without_guests_nobody_waits_any_more_and_the_stage_stays(world):
    host, guest = await world.host(), await world.guest("Gus")
    asking, invited = await world.viewer("Vera"), await world.viewer("Ina")
    request = await asking.ask()
    invitation = await world.service.invite_guest(host.identity, world.session_id, invited.id)
    await change(host, allow_guests=False)
    assert guest.view.role == "guest"
    assert {world.store.asked[r.id].status for r in (request, invitation)} == {"cancelled"}
    for person in (asking, invited, host):
        assert person.link.last("guest_request_updated")["request"]["status"] == "cancelled"
    with refused("request_answered"):
        await world.service.respond_invitation(invited.identity, world.session_id, invitation.id, True)
    with refused("guests_not_allowed"):
        await asking.ask()
    await change(host, allow_guests=True)
    # Nobody was rejected, so nobody waits.
    await asking.ask()


async def test_an_acceptance_and_the_end_of_guests_do_not_cross(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    invitation = await world.service.invite_guest(host.identity, world.session_id, viewer.id)
    world.store.hold = asyncio.Event()
    closing = asyncio.create_task(change(host, allow_guests=False))
    await settle()
    accepting = asyncio.create_task(
        world.service.respond_invitation(viewer.identity, world.session_id, invitation.id, True)
    )
    await settle()
    world.store.hold.set()
    await closing
    with refused("request_answered"):
        await accepting
    assert viewer.view.role == "viewer"


async def test_requests_that_wait_go_on_waiting_when_no_approval_is_needed_any_more(world):
    host, viewer, other = await world.host(), await world.viewer("Vera"), await world.viewer("Otto")
    request = await viewer.ask()
    await change(host, require_approval=False)
    assert (await other.ask()).status == "approved"
    assert await world.service.guest_requests(host.identity, world.session_id) == [request]


async def test_a_change_that_the_store_refuses_is_none(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    request = await viewer.ask()
    viewer.link.forget()
    world.store.down = True
    with refused("database_unavailable"):
        await change(host, allow_guests=False, locked=True)
    world.store.down = False
    assert viewer.link.messages == []
    assert (await world.service.get_session(host.identity, world.session_id)).settings.allow_guests
    assert await world.service.guest_requests(host.identity, world.session_id) == [request]
