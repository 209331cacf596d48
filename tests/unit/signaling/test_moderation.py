import asyncio

import pytest

from signaling.model import SettingsChange
from tests.support.fakes import World, refused, settle


@pytest.fixture
def world():
    return World()


async def ban(by, whom, reason=""):
    return await by.service.ban(by.identity, by.session_id, user_id=whom.identity.user_id, reason=reason)


async def unban(by, whom):
    await by.service.unban(by.identity, by.session_id, whom.identity.user_id)


async def restarted(world):
    again = World(store=world.store)
    await again.service.open()
    again.session_id = world.session_id
    return again


# Bans


async def test_who_is_banned_is_thrown_out_and_stays_out(world):
    host, guest, viewer = await world.host(), await world.guest("Gus"), await world.viewer("Vera")
    await guest.publish()
    record = await ban(host, guest, "spam")
    await settle()
    assert (record.host_user_id, record.user_id, record.session_id, record.name, record.reason, record.banned_by) == (
        *("user-Hana", "user-Gus", world.session_id, "Gus", "spam", "user-Hana"),
    )
    assert guest.link.last("kicked")["reason"] == "banned"
    assert guest.link.closed == (4403, "banned")
    # To the others it is a kick.
    assert viewer.link.last("participant_left") == {
        "type": "participant_left",
        "participant_id": guest.id,
        "reason": "kicked",
    }
    assert world.room.producers == {}
    for call in (guest.join(), guest.attach(), guest.ask(), guest.leave()):
        with refused("banned"):
            await call
    assert await world.service.bans(host.identity, world.session_id) == [record]


async def test_by_what_they_are_called_in_the_session(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    record = await world.service.ban(host.identity, world.session_id, participant_id=viewer.id)
    assert record.user_id == viewer.identity.user_id
    with refused("participant_not_found"):
        await world.service.ban(host.identity, world.session_id, participant_id=viewer.id)


async def test_a_ban_holds_in_the_hosts_next_sessions_and_in_nobody_elses(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    await ban(host, viewer)
    await host.end()
    await world.host("Hana")
    with refused("banned"):
        await viewer.attach()
    await world.host("Hugo")
    await viewer.attach()


async def test_somebody_who_left_or_never_came_can_be_banned(world):
    host, gone, stranger = await world.host(), await world.viewer("Gina"), await world.person("Sam")
    await gone.leave()
    assert (await ban(host, gone)).name == "Gina"
    assert (await ban(host, stranger)).name == "user-Sam"
    for person in (gone, stranger):
        with refused("banned"):
            await person.join()


async def test_a_ban_is_there_after_a_restart(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    await ban(host, viewer)
    again = await restarted(world)
    with refused("banned"):
        await (await again.person("Vera")).attach()


async def test_who_is_unbanned_may_come_back_here_too(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    await ban(host, viewer)
    await unban(host, viewer)
    await viewer.attach()
    assert viewer.view.role == "viewer"
    assert await world.service.bans(host.identity, world.session_id) == []
    with refused("ban_not_found"):
        await unban(host, viewer)


async def test_unbanning_lifts_an_earlier_kick_and_a_kick_alone_is_no_ban(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    await host.manage(viewer, "kick")
    with refused("ban_not_found"):
        await unban(host, viewer)
    with refused("kicked"):
        await viewer.join()
    await ban(host, viewer)
    await unban(host, viewer)
    await viewer.join()


async def test_who_is_unbanned_comes_back_to_a_locked_session_that_they_were_in(world):
    host, viewer, stranger = await world.host(), await world.viewer("Vera"), await world.person("Sam")
    for person in (viewer, stranger):
        await ban(host, person)
        await unban(host, person)
    await world.service.update_settings(host.identity, world.session_id, SettingsChange(locked=True))
    await viewer.join()
    with refused("session_locked"):
        await stranger.join()


async def test_whom_one_may_ban(world):
    host, cohost, other = await world.host(), await world.cohost("Coco"), await world.cohost("Carl")
    guest, viewer = await world.guest("Gus"), await world.viewer("Vera")
    for by, whom in (
        *((guest, viewer), (viewer, guest), (viewer, viewer)),
        *((cohost, host), (cohost, other), (cohost, cohost), (host, host)),
    ):
        with refused("forbidden"):
            await ban(by, whom)
    # Who was cohost when they left is still not a cohost's to ban.
    await other.leave()
    with refused("forbidden"):
        await ban(cohost, other)
    await ban(cohost, guest)
    await ban(host, other)
    await ban(host, cohost)
    with refused("banned"):
        await world.service.bans(cohost.identity, world.session_id)


async def test_cohosts_lift_the_bans_of_their_session_only(world):
    host, old, new = await world.host(), await world.viewer("Olga"), await world.person("Nora")
    await ban(host, old)
    await host.end()
    await world.host("Hana")
    cohost = await world.cohost("Coco")
    await ban(cohost, new)
    with refused("forbidden"):
        await unban(cohost, old)
    await unban(cohost, new)
    for call in (unban(new, old), world.service.bans(new.identity, world.session_id)):
        with refused("not_joined"):
            await call


async def test_a_ban_that_the_store_refuses_is_noticed_by_nobody(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    world.store.down = True
    with refused("database_unavailable"):
        await ban(host, viewer)
    world.store.down = False
    assert viewer.link.closed is None
    assert viewer.view.role == "viewer"
    await ban(host, viewer)
    world.store.down = True
    with refused("database_unavailable"):
        await unban(host, viewer)
    world.store.down = False
    with refused("banned"):
        await viewer.join()


async def test_a_lifted_ban_whose_answer_was_lost_can_be_lifted_again(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    await ban(host, viewer)
    world.store.banned.clear()
    await unban(host, viewer)
    await viewer.join()


async def test_who_is_coming_in_while_being_banned_is_out(world):
    host, viewer = await world.host(), await world.person("Vera")
    world.store.hold = asyncio.Event()
    joining = asyncio.create_task(viewer.attach())
    await settle()
    banning = asyncio.create_task(ban(host, viewer))
    await settle()
    world.store.hold.set()
    await joining
    await banning
    assert viewer.link.closed == (4403, "banned")


async def test_a_banned_users_request_is_taken_back(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    request = await viewer.ask()
    await ban(host, viewer)
    assert world.store.asked[request.id].status == "cancelled"
    assert await world.service.guest_requests(host.identity, world.session_id) == []


# The stage, quiet


async def test_muting_all(world):
    host, cohost, guest, viewer = (
        await world.host(),
        await world.cohost("Coco"),
        await world.guest("Gus"),
        await world.viewer("Vera"),
    )
    for person in (host, guest):
        await person.publish()
    assert await world.service.mute_all(host.identity, world.session_id) == 2
    assert [p.view.audio_locked for p in (host, cohost, guest, viewer)] == [False, True, True, False]
    assert (guest.producer("audio").paused, guest.producer("video").paused) == (True, False)
    assert not host.producer("audio").paused
    assert viewer.link.last("participant_updated")["participant"]["audio_locked"]
    assert world.store.people[guest.id].audio_locked
    with refused("locked_by_host"):
        await guest.mute("audio", False)
    # Who is muted already is not counted, and who comes up later is not meant.
    assert await world.service.mute_all(host.identity, world.session_id) == 0
    assert not (await world.guest("Gina")).view.audio_locked


async def test_muting_all_but_the_cohosts(world):
    host, cohost, other, guest = (
        await world.host(),
        await world.cohost("Coco"),
        await world.cohost("Carl"),
        await world.guest("Gus"),
    )
    assert await world.service.mute_all(host.identity, world.session_id, except_cohosts=True) == 1
    assert not cohost.view.audio_locked
    await host.manage(guest, "unmute_audio")
    # A cohost reaches guests only, whatever is asked for.
    assert await world.service.mute_all(cohost.identity, world.session_id) == 1
    assert [p.view.audio_locked for p in (host, cohost, other, guest)] == [False, False, False, True]
    with refused("forbidden"):
        await world.service.mute_all(guest.identity, world.session_id)


async def test_muting_all_that_the_store_refuses_mutes_nobody(world):
    host, guest = await world.host(), await world.guest("Gus")
    await guest.publish()
    world.store.down = True
    with refused("database_unavailable"):
        await world.service.mute_all(host.identity, world.session_id)
    world.store.down = False
    assert not guest.producer("audio").paused
    assert not guest.view.audio_locked
