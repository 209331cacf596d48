import uuid

import pytest

from signaling.join_tokens import INVITED
from signaling.model import Role
from signaling.ports import Identity
from tests.support.fakes import Person, World, refused


async def grant(person, user_id=None, name=None, session_id=None):
    return await person.service.join_grant(person.identity, session_id or person.session_id, user_id, name)


async def bearer_of(world, grantor, **wish):
    """Somebody who holds a join token."""
    return Person(world, await grant(grantor, **wish))


async def test_for_oneself():
    world = World()
    await world.host()
    stranger = await world.person("Sam")
    for own in (None, "user-Sam"):
        bearer = await grant(stranger, own)
        assert bearer == Identity(user_id="user-Sam", name="Sam", session_id=world.session_id)


async def test_one_s_own_name_is_not_chosen():
    world = World()
    await world.host()
    stranger = await world.person("Sam")
    with refused("invalid_request"):
        await grant(stranger, "user-Sam", "The host")


async def test_host_and_cohosts_invite_others_do_not():
    world = World()
    host = await world.host()
    cohost = await world.cohost("Carla")
    for inviter in (host, cohost):
        bearer = await grant(inviter, "bob", "Bob")
        assert bearer == Identity(user_id="invited:bob", name="Bob", session_id=world.session_id)
    for other in (await world.viewer("Vera"), await world.guest("Gus")):
        with refused("forbidden"):
            await grant(other, "bob", "Bob")
        with refused("forbidden"):
            await grant(other, name="Bob")
    with refused("not_joined"):
        await grant(await world.person("Sam"), "bob")


async def test_nameless_people_get_an_id_each():
    world = World()
    host = await world.host()
    first, second = await grant(host, name="Bob"), await grant(host, name="Bob")
    assert first.user_id.startswith(INVITED)
    assert first.user_id != second.user_id


@pytest.mark.parametrize("victim", ["user-Hana", "user-Vera", "user-nobody-yet"])
async def test_nobody_is_let_in_as_the_holder_of_an_account(victim):
    """Not as the host, in particular, whom a cohost could otherwise become."""
    world = World()
    await world.host("Hana")
    vera = await world.viewer("Vera")
    cohost = await world.cohost("Carla")
    impostor = await bearer_of(world, cohost, user_id=victim, name="Hana")
    welcome = await impostor.attach()
    assert welcome["you"]["user_id"] == f"invited:{victim}"
    assert welcome["you"]["role"] == Role.VIEWER
    assert vera.link.closed is None
    with refused("forbidden"):
        await impostor.end()


async def test_the_id_of_an_invited_person_may_be_given_as_the_room_shows_it():
    world = World()
    host = await world.host()
    bob = await bearer_of(world, host, user_id="bob")
    await bob.attach()
    again = await bearer_of(world, host, user_id=bob.view.user_id)
    assert again.identity.user_id == "invited:bob"


async def test_nobody_takes_the_place_of_somebody_on_stage():
    world = World()
    host = await world.host()
    bob = await bearer_of(world, host, user_id="bob")
    await bob.attach()
    request = await bob.ask()
    await host.respond(request.id, True)
    with refused("wrong_role"):
        await grant(host, "bob")


async def test_a_bearer_is_in_one_session_only():
    world = World()
    host = await world.host()
    bob = await bearer_of(world, host, user_id="bob")
    await bob.attach()
    other = await world.host("Olga")
    with refused("forbidden"):
        await bob.attach()
    for verb in (bob.join, bob.ask, bob.leave, bob.end, lambda: bob.mute("audio", True), lambda: grant(bob)):
        with refused("forbidden"):
            await verb()
    assert [member.user_id for member in world.service._rooms[other.session_id].members.values()] == ["user-Olga"]


async def test_a_token_for_oneself_gives_no_more_than_one_has():
    world = World()
    host = await world.host()
    first = world.session_id
    second = await world.host("Olga")
    confined = Person(world, await grant(host, session_id=first))
    with refused("forbidden"):
        await grant(confined)
    assert second.link.closed is None


async def test_a_link_that_was_not_used_does_not_stay_young():
    world = World()
    host = await world.host()
    bob = await bearer_of(world, host, user_id="bob")
    with refused("not_joined"):
        await grant(bob)
    await bob.attach()
    assert await grant(bob) == bob.identity
    await bob.leave()
    with refused("not_joined"):
        await grant(bob)


async def test_the_kicked_get_none_and_theirs_opens_nothing():
    world = World()
    host = await world.host()
    bob = await bearer_of(world, host, user_id="bob")
    await world.service.require_join_token_valid(bob.identity)
    await bob.attach()
    vera = await world.viewer("Vera")
    for kicked in (bob, vera):
        await host.manage(kicked, "kick")
        assert kicked.link.closed == (4403, "kicked")
        with refused("kicked"):
            await grant(kicked)
    with refused("kicked"):
        await world.service.require_join_token_valid(bob.identity)
    with refused("kicked"):
        await grant(host, "bob")
    with refused("kicked"):
        await bob.attach()


async def test_after_the_end_there_are_none():
    world = World()
    host = await world.host()
    bob = await bearer_of(world, host, user_id="bob")
    await bob.attach()
    await host.end()
    assert bob.link.closed == (4410, "session_ended")
    for person in (host, bob, await world.person("Sam")):
        with refused("session_ended"):
            await grant(person)
    with refused("session_ended"):
        await world.service.require_join_token_valid(bob.identity)


async def test_sessions_that_never_were():
    world = World()
    host = await world.host()
    for session_id in (str(uuid.uuid4()), "x"):
        with refused("session_not_found"):
            await grant(host, session_id=session_id)


async def test_other_tokens_are_nobody_s_business():
    world = World()
    await world.service.require_join_token_valid(Identity(user_id="a", name="A"))


async def test_the_banned_get_none_here_and_in_the_next_session_of_the_host():
    world = World()
    host = await world.host()
    bob = await bearer_of(world, host, user_id="bob")
    await bob.attach()
    await host.service.ban(host.identity, host.session_id, user_id="invited:bob")
    assert bob.link.closed is not None
    with refused("banned"):
        await world.service.require_join_token_valid(bob.identity)
    with refused("banned"):
        await grant(host, "bob")
    await host.end()
    host = await world.host()
    with refused("banned"):
        await grant(host, "bob")
