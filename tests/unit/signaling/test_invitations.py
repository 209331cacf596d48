import asyncio

import pytest

from tests.support.fakes import World, refused, settle


@pytest.fixture
def world():
    return World()


async def invite(by, whom):
    return await by.service.invite_guest(by.identity, by.session_id, whom.id)


async def respond(person, invitation, accept):
    return await person.service.respond_invitation(person.identity, person.session_id, invitation.id, accept)


async def withdraw(by, invitation):
    return await by.service.cancel_invitation(by.identity, by.session_id, invitation.id)


async def test_who_accepts_is_a_guest(world):
    host, viewer, other = await world.host(), await world.viewer("Vera"), await world.viewer("Otto")
    invitation = await invite(host, viewer)
    assert (invitation.kind, invitation.status, invitation.invited_by) == (
        "invitation",
        "pending",
        host.identity.user_id,
    )
    assert viewer.link.last("invited")["request"]["id"] == invitation.id
    assert host.link.last("guest_request_created")["request"]["id"] == invitation.id
    assert other.link.of("invited") == other.link.of("guest_request_created") == []
    accepted = await respond(viewer, invitation, True)
    assert (accepted.status, accepted.answered_by) == ("approved", viewer.identity.user_id)
    assert viewer.view.role == "guest"
    assert host.link.last("guest_request_updated")["request"]["status"] == "approved"
    assert other.link.last("participant_updated")["participant"]["role"] == "guest"
    assert world.store.people[viewer.id].role == "guest"


async def test_who_declines_stays_a_viewer_and_need_not_wait(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    assert (await respond(viewer, await invite(host, viewer), False)).status == "rejected"
    assert viewer.view.role == "viewer"
    assert host.link.last("guest_request_updated")["request"]["status"] == "rejected"
    await viewer.ask()


async def test_an_invitation_is_answered_by_the_invitee_and_withdrawn_by_those_who_moderate(world):
    host, cohost, viewer = await world.host(), await world.cohost("Coco"), await world.viewer("Vera")
    other = await world.viewer("Otto")
    invitation = await invite(cohost, viewer)
    for person in (host, cohost, other):
        with refused("request_not_found"):
            await respond(person, invitation, True)
    # Nor is it a request that host and cohosts could approve, or the invitee take back.
    with refused("request_not_found"):
        await host.respond(invitation.id, True)
    with refused("request_not_found"):
        await world.service.cancel_guest_request(viewer.identity, world.session_id)
    for person in (viewer, other):
        with refused("forbidden"):
            await withdraw(person, invitation)
    assert (await withdraw(host, invitation)).status == "cancelled"
    assert viewer.link.last("guest_request_updated")["request"]["status"] == "cancelled"
    for call in (respond(viewer, invitation, True), withdraw(host, invitation)):
        with refused("request_answered"):
            await call
    assert viewer.view.role == "viewer"


async def test_who_may_be_invited(world):
    host, guest, viewer = await world.host(), await world.guest("Gus"), await world.viewer("Vera")
    for person in (guest, host):
        with refused("already_on_stage"):
            await invite(host, person)
    for person in (guest, viewer):
        with refused("forbidden"):
            await invite(person, viewer)
    with refused("participant_not_found"):
        await world.service.invite_guest(host.identity, world.session_id, "nobody")


async def test_requests_and_invitations_do_not_cross(world):
    host, viewer, other = await world.host(), await world.viewer("Vera"), await world.viewer("Otto")
    request = await viewer.ask()
    with refused("request_pending") as failure:
        await invite(host, viewer)
    assert failure.value.details == {"request_id": request.id}
    invitation = await invite(host, other)
    for call in (other.ask(), invite(host, other)):
        with refused("invitation_pending") as failure:
            await call
        assert failure.value.details == {"request_id": invitation.id}
    # A request is not answered as an invitation is.
    with refused("request_not_found"):
        await respond(viewer, request, True)
    with refused("request_not_found"):
        await withdraw(host, request)


async def test_both_at_the_same_moment(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    results = await asyncio.gather(viewer.ask(), invite(host, viewer), return_exceptions=True)
    assert [getattr(result, "code", "open") for result in results] == ["open", "request_pending"]


async def test_a_full_stage_can_be_invited_to_but_not_entered(world):
    host, guest = await world.host(max_guests=1), await world.guest("Gus")
    viewer = await world.viewer("Vera")
    invitation = await invite(host, viewer)
    with refused("stage_full"):
        await respond(viewer, invitation, True)
    assert viewer.view.role == "viewer"
    await host.manage(guest, "remove_guest")
    await respond(viewer, invitation, True)
    assert viewer.view.role == "guest"


async def test_no_invitations_where_no_guests_are_allowed(world):
    host, viewer = await world.host(allow_guests=False), await world.viewer("Vera")
    with refused("guests_not_allowed"):
        await invite(host, viewer)


async def test_an_invitation_expires_like_a_request(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    invitation = await invite(host, viewer)
    world.now += 901
    await world.service.sweep()
    assert viewer.link.last("guest_request_updated")["request"]["status"] == "expired"
    with refused("request_answered"):
        await respond(viewer, invitation, True)


async def test_leaving_and_being_kicked_take_it_back(world):
    host, viewer, other = await world.host(), await world.viewer("Vera"), await world.viewer("Otto")
    first, second = await invite(host, viewer), await invite(host, other)
    await viewer.leave()
    await host.manage(other, "kick")
    assert {world.store.asked[i.id].status for i in (first, second)} == {"cancelled"}
    assert await world.service.guest_requests(host.identity, world.session_id) == []


async def test_it_is_there_after_a_reconnect_and_after_a_restart(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    invitation = await invite(host, viewer)
    welcome = await viewer.attach()
    assert [request["id"] for request in welcome["guest_requests"]] == [invitation.id]
    again = World(store=world.store)
    await again.service.open()
    again.session_id = world.session_id
    invitee = await again.person("Vera")
    assert [request["kind"] for request in (await invitee.attach())["guest_requests"]] == ["invitation"]
    await respond(invitee, invitation, True)
    assert invitee.view.role == "guest"


async def test_who_accepts_comes_up_muted_where_the_session_says_so(world):
    host, viewer = (
        await world.host(guest_audio_default=False, guest_video_default=False),
        await world.viewer("Vera"),
    )
    await respond(viewer, await invite(host, viewer), True)
    assert (viewer.view.audio_muted, viewer.view.video_muted) == (True, True)


async def test_an_invitation_whose_answer_was_lost_blocks_nobody(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    save = world.store.save_request

    async def committed_but_unheard(request):
        await save(request)
        world.store.down = True
        await save(request)

    async def lose():
        world.store.save_request = committed_but_unheard
        with refused("database_unavailable"):
            await invite(host, viewer)
        world.store.down, world.store.save_request = False, save

    await lose()
    await invite(host, viewer)
    assert [request.status for request in world.store.asked.values()] == ["pending"]
    await withdraw(host, next(iter(world.store.asked.values())))
    await lose()
    # The viewer asks by themselves: there is one open row, and it is the request.
    await viewer.ask()
    assert [(r.kind, r.status) for r in world.store.asked.values()] == [
        ("invitation", "cancelled"),
        ("invitation", "cancelled"),
        ("request", "pending"),
    ]


async def test_nobody_sees_it_before_the_store_has_it(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    world.store.hold = asyncio.Event()
    inviting = asyncio.create_task(invite(host, viewer))
    await settle()
    assert viewer.link.of("invited") == host.link.of("guest_request_created") == []
    world.store.hold.set()
    await inviting
    assert len(viewer.link.of("invited")) == 1
