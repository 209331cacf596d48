import asyncio

import pytest

from signaling.model import MAX_GUESTS
from tests.support.fakes import World, refused, settle


@pytest.fixture
def world():
    return World()


# Asking and answering


async def test_asking_and_being_let_on_stage(world):
    host, viewer, other = await world.host(), await world.viewer("Vera"), await world.viewer("Otto")
    request = await viewer.ask("me?")
    assert request.status == "pending"
    assert host.link.last("guest_request_created")["request"]["message"] == "me?"
    assert other.link.of("guest_request_created") == []
    assert await world.service.guest_requests(host.identity, world.session_id) == [request]
    answered = await host.respond(request.id, True)
    assert (answered.status, answered.answered_by) == ("approved", host.identity.user_id)
    assert viewer.view.role == "guest"
    assert viewer.link.last("guest_request_updated")["request"]["status"] == "approved"
    # Until now the other viewer did not know of them.
    assert other.link.last("participant_updated")["participant"]["role"] == "guest"
    assert other.link.of("guest_request_updated") == []
    assert world.store.asked[request.id].status == "approved"
    assert world.store.people[viewer.id].role == "guest"
    assert await world.service.guest_requests(host.identity, world.session_id) == []


async def test_being_rejected(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    request = await viewer.ask()
    await host.respond(request.id, False)
    assert viewer.view.role == "viewer"
    assert viewer.link.last("guest_request_updated")["request"]["status"] == "rejected"


async def test_without_approval_one_comes_up_at_once(world):
    await world.host(require_approval=False)
    viewer = await world.viewer("Vera")
    assert (await viewer.ask()).status == "approved"
    assert viewer.view.role == "guest"


async def test_requests_that_do_not_fit(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    guest = await world.guest("Gus")
    request = await viewer.ask()
    with refused("request_pending"):
        await viewer.ask()
    for person in (host, guest):
        with refused("already_on_stage"):
            await person.ask()
    for person in (viewer, guest):
        with refused("forbidden"):
            await person.respond(request.id, True)
        with refused("forbidden"):
            await world.service.guest_requests(person.identity, world.session_id)
    with refused("request_not_found"):
        await host.respond("nope", True)
    await host.respond(request.id, True)
    with refused("request_answered"):
        await host.respond(request.id, True)


async def test_a_session_without_guests(world):
    await world.host(allow_guests=False)
    viewer = await world.viewer("Vera")
    with refused("guests_not_allowed"):
        await viewer.ask()


async def test_taking_a_request_back(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    with refused("request_not_found"):
        await world.service.cancel_guest_request(viewer.identity, world.session_id)
    request = await viewer.ask()
    await world.service.cancel_guest_request(viewer.identity, world.session_id)
    assert host.link.last("guest_request_updated")["request"]["status"] == "cancelled"
    with refused("request_answered"):
        await host.respond(request.id, True)


async def test_leaving_takes_the_request_back(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    request = await viewer.ask()
    await viewer.leave()
    assert world.store.asked[request.id].status == "cancelled"
    assert await world.service.guest_requests(host.identity, world.session_id) == []


async def test_a_request_whose_answer_was_lost_does_not_block_the_next(world):
    await world.host()
    viewer = await world.viewer("Vera")
    save = world.store.save_request

    async def committed_but_unheard(request):
        await save(request)
        world.store.down = True
        await save(request)

    world.store.save_request = committed_but_unheard
    with refused("database_unavailable"):
        await viewer.ask()
    world.store.down, world.store.save_request = False, save
    await viewer.ask()
    assert len(world.store.asked) == 1


# The limit


async def test_the_21st_guest_is_refused_when_approved(world):
    host = await world.host()
    for number in range(MAX_GUESTS - 1):
        await world.guest(f"G{number}")
    await world.cohost("Coco")
    late = await world.viewer("Lea")
    request = await late.ask()
    with refused("stage_full"):
        await host.respond(request.id, True)
    assert late.view.role == "viewer"
    assert (await world.service.guest_requests(host.identity, world.session_id)) == [request]


async def test_the_21st_guest_is_refused_without_approval(world):
    await world.host(require_approval=False)
    for number in range(MAX_GUESTS):
        await world.guest(f"G{number}")
    late = await world.viewer("Lea")
    with refused("stage_full"):
        await late.ask()


async def test_approvals_at_the_same_moment_do_not_overfill_the_stage(world):
    host = await world.host(max_guests=1)
    requests = [await (await world.viewer(f"V{n}")).ask() for n in range(3)]
    results = await asyncio.gather(*(host.respond(r.id, True) for r in requests), return_exceptions=True)
    assert [getattr(result, "code", "up") for result in results] == ["up", "stage_full", "stage_full"]


async def test_a_place_is_free_again_when_a_guest_goes(world):
    await world.host(max_guests=1, require_approval=False)
    first, second = await world.guest("Gus"), await world.viewer("Vera")
    with refused("stage_full"):
        await second.ask()
    await world.service.leave_stage(first.identity, world.session_id)
    await second.ask()


# Managing


async def test_a_cohost_manages_guests_and_viewers_but_not_cohosts_and_host(world):
    host, cohost, other = await world.host(), await world.cohost("Coco"), await world.cohost("Carl")
    guest, viewer = await world.guest("Gus"), await world.viewer("Vera")
    await cohost.manage(guest, "mute_audio")
    await cohost.manage(guest, "remove_guest")
    await cohost.manage(viewer, "kick")
    for target in (host, other, cohost):
        for action in ("mute_audio", "kick", "remove_guest", "promote", "demote"):
            with refused("forbidden"):
                await cohost.manage(target, action)
    for action in ("promote", "demote"):
        with refused("forbidden"):
            await cohost.manage(guest, action)


async def test_managing_nobody(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    await viewer.leave()
    with refused("participant_not_found"):
        await host.manage(viewer, "kick")


async def test_promotion_keeps_the_media_and_shows_what_was_hidden(world):
    host, guest, viewer = await world.host(), await world.guest("Gus"), await world.viewer("Vera")
    request = await viewer.ask()
    await guest.publish()
    sources = guest.view.sources
    await host.manage(guest, "promote")
    assert guest.view.role == "cohost"
    assert guest.view.sources == sources
    assert len(world.room.producers) == 2
    roster = guest.link.last("roster")
    assert [p["name"] for p in roster["participants"]] == ["Hana", "Gus", "Vera"]
    assert [r["id"] for r in roster["guest_requests"]] == [request.id]
    types = [message["type"] for message in guest.link.messages]
    assert types.index("roster") > max(i for i, t in enumerate(types) if t == "participant_updated")
    await host.manage(guest, "demote")
    assert guest.view.role == "guest"
    assert guest.view.sources == sources
    assert world.store.people[guest.id].role == "guest"


async def test_only_guests_are_promoted_and_only_cohosts_demoted(world):
    host, guest, viewer = await world.host(), await world.guest("Gus"), await world.viewer("Vera")
    with refused("wrong_role"):
        await host.manage(viewer, "promote")
    with refused("wrong_role"):
        await host.manage(guest, "demote")
    with refused("not_a_guest"):
        await host.manage(viewer, "remove_guest")


@pytest.mark.parametrize("how", ["remove_guest", "leave_stage"])
async def test_leaving_the_stage_ends_the_sources(world, how):
    host, guest, viewer = await world.host(), await world.guest("Gus"), await world.viewer("Vera")
    await guest.publish()
    await viewer.answer()
    if how == "remove_guest":
        await host.manage(guest, "remove_guest")
    else:
        await world.service.leave_stage(guest.identity, world.session_id)
    await settle()
    told = viewer.link.last("participant_updated")["participant"]
    assert (told["role"], told["sources"]) == ("viewer", [])
    assert world.room.producers == {}
    assert world.store.people[guest.id].role == "viewer"
    with refused("forbidden"):
        await guest.publish()
    # A viewer again, and the next change of theirs is nobody's business.
    viewer.link.forget()
    guest.detach()
    assert viewer.link.of("participant_updated") == []


async def test_kicked_is_kicked(world):
    host, guest, viewer = await world.host(), await world.guest("Gus"), await world.viewer("Vera")
    await guest.publish()
    await viewer.answer()
    token = guest.link.last("welcome")["resume_token"]
    await host.manage(guest, "kick")
    await settle()
    assert guest.link.last("kicked")["reason"] == "kicked"
    assert guest.link.closed == (4403, "kicked")
    assert viewer.link.last("participant_left")["reason"] == "kicked"
    assert world.room.producers == {}
    assert set(world.room.transports) == {p.link.last("receive_offer")["connection_id"] for p in (host, viewer)}
    assert world.store.people[guest.id].status == "kicked"
    # Not over REST, not over the WebSocket, not by resuming.
    for call in (guest.join(), guest.attach(), guest.attach(token), guest.ask(), guest.leave(), guest.publish()):
        with refused("kicked"):
            await call
    # A new token of the same user changes nothing, and another user is not meant.
    guest.identity = guest.identity.model_copy(update={"name": "Somebody else"})
    with refused("kicked"):
        await guest.join()
    await (await world.person("Gustav")).join()


async def test_kicking_somebody_whose_offer_is_being_carried_out(world):
    host, guest = await world.host(), await world.guest("Gus")
    await host.publish()
    world.room.hold["produce"] = asyncio.Event()
    publishing = asyncio.create_task(guest.publish())
    await settle()
    await host.manage(guest, "kick")
    world.room.hold["produce"].set()
    with refused("forbidden"):
        await publishing
    await settle()
    assert len(world.room.producers) == 2, "only the host's"


async def test_leaving_the_stage_while_a_slow_worker_makes_the_sources(world):
    host, guest, viewer = await world.host(), await world.guest("Gus"), await world.viewer("Vera")
    await host.publish()
    world.room.hold = {"produce": asyncio.Event(), "close_transport": asyncio.Event()}
    publishing = asyncio.create_task(guest.publish())
    await settle()
    await host.manage(guest, "remove_guest")
    world.room.hold["produce"].set()
    await settle()
    world.room.hold["close_transport"].set()
    with refused("forbidden"):
        await publishing
    await settle()
    assert len(world.room.producers) == 2, "only the host's"
    assert guest.view.sources == ()
    assert viewer.link.last("participant_updated")["participant"]["sources"] == []


MANAGED = ("kick", "promote", "remove_guest", "mute_audio", "mute_video")


@pytest.mark.parametrize("action", MANAGED)
async def test_an_action_that_the_store_refuses_is_noticed_by_nobody(world, action):
    host, guest, viewer = await world.host(), await world.guest("Gus"), await world.viewer("Vera")
    await guest.publish()
    await settle()
    before, producers = guest.view, dict(world.room.producers)
    for person in (host, guest, viewer):
        person.link.forget()
    world.store.down = True
    with refused("database_unavailable"):
        await host.manage(guest, action)
    world.store.down = False
    await settle()
    assert [person.link.messages for person in (host, guest, viewer)] == [[], [], []]
    assert guest.view == before
    assert world.room.producers == producers
    assert not any(producer.paused for producer in producers.values())
    assert guest.link.closed is None
    await host.manage(guest, action)


async def test_an_approval_that_the_store_refuses_leaves_the_request_and_the_place(world):
    host, viewer = await world.host(max_guests=1), await world.viewer("Vera")
    request = await viewer.ask()
    world.store.down = True
    with refused("database_unavailable"):
        await host.respond(request.id, True)
    world.store.down = False
    assert viewer.view.role == "viewer"
    await host.respond(request.id, True)
    assert viewer.view.role == "guest"


async def test_nobody_sees_a_change_before_the_store_has_it(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    request = await viewer.ask()
    world.store.hold = asyncio.Event()
    approving = asyncio.create_task(host.respond(request.id, True))
    await settle()
    assert viewer.view.role == "viewer"
    world.store.hold.set()
    await approving
    assert viewer.view.role == "guest"


# Muting


async def test_a_hosts_mute_holds_for_sources_of_now_and_later(world):
    host, guest, viewer = await world.host(), await world.guest("Gus"), await world.viewer("Vera")
    await guest.publish()
    await host.manage(guest, "mute_audio")
    assert (guest.producer("audio").paused, guest.producer("video").paused) == (True, False)
    told = viewer.link.last("participant_updated")["participant"]
    assert told["audio_locked"]
    assert {s["kind"]: s["paused"] for s in told["sources"]} == {"audio": True, "video": False}
    await guest.publish()
    assert (guest.producer("audio").paused, guest.producer("video").paused) == (True, False)
    with refused("locked_by_host"):
        await guest.mute("audio", False)
    assert guest.producer("audio").paused
    await host.manage(guest, "unmute_audio")
    assert not guest.producer("audio").paused


async def test_the_owners_mute_survives_the_hosts_unmute(world):
    host, guest = await world.host(), await world.guest("Gus")
    await guest.publish()
    await guest.mute("video", True)
    await host.manage(guest, "mute_video")
    await host.manage(guest, "unmute_video")
    assert guest.producer("video").paused
    await guest.mute("video", False)
    assert not guest.producer("video").paused


async def test_a_lock_survives_leaving_and_coming_back(world):
    host, guest = await world.host(require_approval=False), await world.guest("Gus")
    await host.manage(guest, "mute_audio")
    await guest.leave()
    await guest.attach()
    await guest.ask()
    await guest.publish()
    assert guest.producer("audio").paused


async def test_guests_come_up_muted_where_the_session_says_so(world):
    await world.host(guest_audio_default=False, guest_video_default=False)
    guest = await world.guest("Gus")
    assert guest.view.audio_muted
    assert guest.view.video_muted
    await guest.publish()
    assert guest.producer("audio").paused
    await guest.mute("audio", False)
    assert not guest.producer("audio").paused


async def test_a_mute_that_comes_while_the_source_is_being_made_holds(world):
    host, guest = await world.host(), await world.guest("Gus")
    await host.publish()
    world.room.hold["produce"] = asyncio.Event()
    publishing = asyncio.create_task(guest.publish())
    await settle()
    for action in ("mute_audio", "mute_video"):
        await host.manage(guest, action)
    world.room.hold["produce"].set()
    await publishing
    assert guest.producer("audio").paused
    assert guest.producer("video").paused


async def test_a_source_that_can_not_be_paused_is_closed(world):
    host, guest = await world.host(), await world.guest("Gus")
    await guest.publish()
    world.room.fail["set_producer_paused"] = "timeout"
    await host.manage(guest, "mute_video")
    await settle()
    assert world.room.producers == {}
    assert guest.view.sources == ()


async def test_viewers_have_nothing_to_mute(world):
    await world.host()
    viewer = await world.viewer("Vera")
    with refused("forbidden"):
        await viewer.mute("audio", True)


# Silence in the chat


async def test_who_is_silenced_is_known_to_them_and_to_those_who_moderate(world):
    host, cohost, guest, viewer = (
        await world.host(),
        await world.cohost("Coco"),
        await world.guest("Gus"),
        await world.viewer("Vera"),
    )
    for person in (host, cohost, guest, viewer):
        person.link.forget()
    assert (await host.manage(guest, "silence")).chat_silenced
    for person in (host, cohost, guest):
        assert person.link.last("participant_updated")["participant"]["chat_silenced"]
    assert viewer.link.messages == []
    assert world.store.people[guest.id].chat_silenced
    # Nor does it slip out with what everybody is told, or asks for.
    await host.manage(guest, "mute_audio")
    told = viewer.link.last("participant_updated")["participant"]
    assert (told["audio_locked"], told["chat_silenced"]) == (True, False)
    assert guest.link.last("participant_updated")["participant"]["chat_silenced"]
    for person, seen in ((viewer, False), (host, True), (guest, True)):
        listed = await world.service.participants(person.identity, world.session_id)
        assert next(p for p in listed if p.id == guest.id).chat_silenced == seen
    await host.manage(guest, "unsilence")
    assert not guest.link.last("participant_updated")["participant"]["chat_silenced"]


async def test_silence_survives_leaving_and_coming_back(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    await host.manage(viewer, "silence")
    await viewer.leave()
    assert (await viewer.attach())["you"]["chat_silenced"]
    host.link.forget()
    await host.manage(viewer, "silence")
    assert host.link.messages == [], "they were silent already"


async def test_silence_that_the_store_refuses(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    viewer.link.forget()
    world.store.down = True
    with refused("database_unavailable"):
        await host.manage(viewer, "silence")
    assert viewer.link.messages == []
    assert not viewer.view.chat_silenced
