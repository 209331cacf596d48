import asyncio
from contextlib import suppress

import pytest

from signaling.errors import LiveError
from signaling.media import MediaTimings
from tests.support import sdp
from tests.support.fakes import World, credentials, refused, settle


@pytest.fixture
def world():
    return World()


def names(offer):
    return [(track["participant_id"], track["source"]) for track in offer["tracks"]]


async def test_nothing_is_offered_before_there_is_something_to_receive(world):
    await world.host()
    viewer = await world.viewer("Vera")
    await settle()
    assert viewer.link.of("receive_offer") == []
    assert world.plane.rooms == []


async def test_everybody_receives_everything_of_the_others(world):
    host, guest, viewer = await world.host(), await world.guest("Gus"), await world.viewer("Vera")
    await host.publish()
    await guest.publish()
    await viewer.answer()
    for person, others in ((host, [guest]), (guest, [host]), (viewer, [host, guest])):
        expected = sorted((other.id, source) for other in others for source in ("camera", "microphone"))
        assert sorted(names(person.link.last("receive_offer"))) == expected
        assert {t["kind"] for t in person.link.last("receive_offer")["tracks"]} == {"audio", "video"}


async def test_consumers_start_with_the_answer_and_what_it_accepts(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    await host.publish()
    offer = viewer.link.last("receive_offer")
    assert all(consumer.payload_types is None for consumer in world.room.consumers.values())
    assert world.room.transports[offer["connection_id"]] is None
    await viewer.answer()
    assert world.room.transports[offer["connection_id"]].ice_ufrag == "peerufrag"
    assert sorted(consumer.payload_types for consumer in viewer.received().values()) == [(96, 97), (111,)]


async def test_one_offer_at_a_time_and_changes_are_gathered(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    await host.publish()
    for name in ("Gus", "Gil", "Gab"):
        await (await world.guest(name)).publish()
    assert len(viewer.link.of("receive_offer")) == 1
    await viewer.answer()
    first, second = viewer.link.of("receive_offer")
    assert (first["offer_id"], second["offer_id"]) == (1, 2)
    assert first["connection_id"] == second["connection_id"]
    assert len(second["tracks"]) == 8
    await viewer.answer()
    assert len(viewer.received()) == 8
    assert len(viewer.link.of("receive_offer")) == 2


async def test_sources_that_end_are_offered_no_more(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    await host.publish()
    await viewer.answer()
    await host.publish(fresh=False, camera=False)
    assert names(viewer.link.last("receive_offer")) == [(host.id, "microphone")]
    await viewer.answer()
    assert len(world.room.consumers) == 1


async def test_a_source_that_ends_before_the_answer_is_no_harm(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    await host.publish()
    stale = viewer.link.last("receive_offer")
    await host.publish(fresh=False, camera=False)
    await viewer.answer(stale)
    await viewer.answer()
    assert [c.payload_types for c in viewer.received().values()] == [(111,)]


async def test_answers_that_answer_nothing(world):
    host, viewer = await world.host(), await world.viewer("Vera")

    async def answer(connection_id, offer_id, text="v=0\r\n"):
        call = (viewer.identity, world.session_id, connection_id, offer_id, text)
        await world.service.receive_answer(*call)

    with refused("stale_answer"):
        await answer("nope", 1)
    await host.publish()
    offer = viewer.link.last("receive_offer")
    for connection_id, offer_id in (("nope", 1), (offer["connection_id"], 2), (offer["connection_id"], 0)):
        with refused("stale_answer"):
            await answer(connection_id, offer_id)
    with refused("invalid_sdp"):
        await answer(offer["connection_id"], offer["offer_id"])
    await viewer.answer()
    assert len(viewer.received()) == 2
    with refused("stale_answer"):
        await viewer.answer(offer)


async def test_a_peer_that_rejects_a_section_is_not_asked_again(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    await host.publish()
    offer = viewer.link.last("receive_offer")
    lines = sdp.receive_answer(credentials(), sdp.parse(offer["sdp"]))
    video = next(track["mid"] for track in offer["tracks"] if track["kind"] == "video")
    rejected = lines.replace("m=video 9", "m=video 0").replace(f" {video}\r\n", "\r\n", 1)
    call = (viewer.identity, world.session_id, offer["connection_id"], offer["offer_id"], rejected)
    await world.service.receive_answer(*call)
    await settle()
    assert [consumer.payload_types for consumer in viewer.received().values()] == [(111,)]
    for later in viewer.link.of("receive_offer")[1:]:
        assert [track["kind"] for track in later["tracks"]] == ["audio"]


async def test_no_answer_in_time_makes_a_new_connection_but_not_for_ever():
    world = World(answer_timeout_s=0.01)
    host, viewer = await world.host(), await world.viewer("Vera")
    await host.publish()
    for _ in range(200):
        if len(viewer.link.of("receive_offer")) == 3 and not world.room.consumers:
            break
        await asyncio.sleep(0.005)
    offers = viewer.link.of("receive_offer")
    assert len({offer["connection_id"] for offer in offers}) == 3
    await asyncio.sleep(0.03)
    assert len(viewer.link.of("receive_offer")) == 3
    assert set(world.room.transports) == {host.publish_id}
    world.service._rooms[world.session_id].media.timings = MediaTimings()
    await world.service.receive_restart(viewer.identity, world.session_id)
    await settle()
    await viewer.answer()
    assert len(viewer.received()) == 2


async def test_restart_offers_everything_on_a_new_connection(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    await host.publish()
    await viewer.answer()
    first = viewer.link.last("receive_offer")
    await world.service.receive_restart(viewer.identity, world.session_id)
    await settle()
    second = viewer.link.last("receive_offer")
    assert second["connection_id"] != first["connection_id"]
    assert len(second["tracks"]) == 2
    assert first["connection_id"] not in world.room.transports
    await viewer.answer()
    assert len(viewer.received()) == 2


async def test_restart_while_an_offer_is_open(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    await host.publish()
    first = viewer.link.last("receive_offer")
    await world.service.receive_restart(viewer.identity, world.session_id)
    await settle()
    with refused("stale_answer"):
        await viewer.answer(first)
    await viewer.answer()
    assert len(viewer.received()) == 2


async def test_an_offer_that_was_open_when_the_socket_went_is_sent_again(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    await host.publish()
    offer = viewer.link.last("receive_offer")
    token = viewer.link.last("welcome")["resume_token"]
    viewer.detach()
    await settle()
    await (await world.guest("Gus")).publish()
    await viewer.attach(token)
    await settle()
    assert viewer.link.last("receive_offer") == offer
    await viewer.answer()
    assert len(viewer.link.last("receive_offer")["tracks"]) == 4


async def test_a_socket_that_changes_hands_at_once_gets_the_offer_too(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    await host.publish()
    offer = viewer.link.last("receive_offer")
    await viewer.attach(viewer.link.last("welcome")["resume_token"])
    await settle()
    assert viewer.link.of("receive_offer") == [offer]


async def test_without_a_socket_nothing_is_made(world):
    host = await world.host()
    viewer = await world.person("Vera")
    await viewer.join()
    await host.publish()
    assert world.room.consumers == {}
    await viewer.attach()
    await settle()
    assert len(world.room.consumers) == 2


@pytest.mark.parametrize("state", ["failed", "closed"])
async def test_a_connection_that_ends_is_made_anew_when_the_client_asks(world, state):
    host, viewer = await world.host(), await world.viewer("Vera")
    await host.publish()
    await viewer.answer()
    first = viewer.link.last("receive_offer")["connection_id"]
    world.room.listener.transport_state_changed(first, state)
    await settle()
    assert first not in world.room.transports
    assert len(viewer.link.of("receive_offer")) == 1
    await world.service.receive_restart(viewer.identity, world.session_id)
    await settle()
    assert len(viewer.link.of("receive_offer")) == 2


async def test_what_a_viewer_does_not_want_is_not_sent(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    await host.publish()
    video = next(s.producer_id for s in host.view.sources if s.kind == "video")

    async def subscribe(paused, producer_id=video):
        await world.service.set_subscription(viewer.identity, world.session_id, producer_id, paused)

    await subscribe(True)
    await viewer.answer()
    assert viewer.received()[video].paused
    assert [c.paused for c in viewer.received().values()].count(True) == 1
    await subscribe(False)
    assert not viewer.received()[video].paused
    await subscribe(True)
    # A new connection does not forget it.
    await world.service.receive_restart(viewer.identity, world.session_id)
    await settle()
    await viewer.answer()
    assert viewer.received()[video].paused
    with refused("unknown_producer"):
        await subscribe(True, "nope")
    with refused("unknown_producer"):
        await world.service.set_subscription(host.identity, world.session_id, video, True)


@pytest.mark.parametrize("method", ["create_transport", "consume", "connect_transport", "start_consumer"])
async def test_one_participants_trouble_is_their_own_and_ends(world, method):
    host, other = await world.host(), await world.viewer("Otto")
    await host.publish()
    await other.answer()
    world.room.fail[method] = "internal_error"
    viewer = await world.viewer("Vera")
    await settle()
    for _ in range(5):
        with suppress(LiveError, AssertionError):
            await viewer.answer()
    assert len(viewer.link.of("receive_offer")) in (0, 3)
    assert len(world.room.transports) == 2, "those of the host and of the other viewer"
    assert len(other.received()) == 2
    world.room.fail.clear()
    await world.service.receive_restart(viewer.identity, world.session_id)
    await settle()
    await viewer.answer()
    assert len(viewer.received()) == 2
    assert viewer.link.closed is None
