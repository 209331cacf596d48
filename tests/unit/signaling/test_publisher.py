import asyncio

import pytest

from tests.support import sdp
from tests.support.fakes import World, credentials, refused, settle


@pytest.fixture
def world():
    return World()


def kinds(person):
    return sorted(source.kind for source in person.view.sources)


async def test_publishing_is_answered_and_told(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    answer = await host.publish()
    assert [section.direction for section in sdp.parse(answer).sections] == ["recvonly", "recvonly"]
    assert world.room.transports[host.publish_id].ice_ufrag == "peerufrag"
    told = viewer.link.last("participant_updated")["participant"]["sources"]
    assert [(s["source"], s["kind"], s["paused"]) for s in told] == [
        ("microphone", "audio", False),
        ("camera", "video", False),
    ]
    assert {s["producer_id"] for s in told} == set(world.room.producers)


async def test_sources_end_and_begin_on_the_same_connection(world):
    host = await world.host()
    await host.publish()
    first = host.publish_id
    await host.publish(fresh=False, camera=False)
    assert kinds(host) == ["audio"]
    assert len(world.room.producers) == 1
    await host.publish(fresh=False)
    assert kinds(host) == ["audio", "video"]
    assert host.publish_id == first
    assert list(world.room.transports) == [first]


async def test_a_new_connection_takes_the_place_of_the_old(world):
    host = await world.host()
    await host.publish()
    first, producers = host.publish_id, set(world.room.producers)
    await host.publish()
    assert list(world.room.transports) == [host.publish_id] != [first]
    assert not producers & set(world.room.producers)


async def test_an_unknown_connection(world):
    host = await world.host()
    host.publish_id = "nope"
    with refused("unknown_connection"):
        await host.publish(fresh=False)


@pytest.mark.parametrize("text", ["", "v=0\r\n", "m=audio", "x" * 1000])
async def test_an_offer_that_is_no_offer_changes_nothing(world, text):
    host = await world.host()
    await host.publish()
    for connection_id in (None, host.publish_id):
        with refused("invalid_sdp"):
            await world.service.publish_offer(host.identity, world.session_id, connection_id, text, {})
    assert kinds(host) == ["audio", "video"]
    assert list(world.room.transports) == [host.publish_id]


async def test_closing(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    await host.publish()
    await world.service.publish_close(host.identity, world.session_id)
    assert (host.publish_id in world.room.transports, world.room.producers) == (False, {})
    assert viewer.link.last("participant_updated")["participant"]["sources"] == []
    await world.service.publish_close(host.identity, world.session_id)


@pytest.mark.parametrize("method", ["create_transport", "connect_transport", "produce"])
async def test_a_worker_that_fails_leaves_nothing_behind(world, method):
    host = await world.host()
    await host.publish()
    world.room.fail[method] = "internal_error"
    with refused("media_unavailable"):
        await host.publish()
    await settle()
    assert (world.room.transports, world.room.producers, host.view.sources) == ({}, {}, ())
    world.room.fail.clear()
    await host.publish()
    assert kinds(host) == ["audio", "video"]


@pytest.mark.parametrize("state", ["failed", "closed"])
async def test_a_transport_that_ends_takes_its_sources_along(world, state):
    host, viewer = await world.host(), await world.viewer("Vera")
    await host.publish()
    world.room.listener.transport_state_changed(host.publish_id, state)
    await settle()
    assert (host.publish_id in world.room.transports, world.room.producers) == (False, {})
    assert viewer.link.last("participant_updated")["participant"]["sources"] == []


async def test_a_transport_that_may_come_back_keeps_them(world):
    host = await world.host()
    await host.publish()
    world.room.listener.transport_state_changed(host.publish_id, "disconnected")
    await settle()
    assert kinds(host) == ["audio", "video"]


async def test_a_slow_worker_does_not_hold_up_the_others(world):
    host, guest = await world.host(), await world.guest("Gus")
    await host.publish()
    world.room.hold["produce"] = asyncio.Event()
    slow = asyncio.create_task(guest.publish())
    await settle()
    viewer = await world.viewer("Vera")
    await host.mute("video", True)
    assert viewer.link.last("participant_updated")["participant"]["video_muted"]
    world.room.hold["produce"].set()
    await slow


async def test_offers_of_one_participant_are_answered_one_after_another(world):
    host = await world.host()
    await host.publish()
    offer = sdp.publish_offer(credentials(), [sdp.SentTrack("0", "audio", 1)])
    call = (host.identity, world.session_id, None, offer, {"0": "microphone"})
    await asyncio.gather(*(world.service.publish_offer(*call) for _ in range(3)))
    assert len(world.room.transports) == 1
    assert len(world.room.producers) == 1
    assert kinds(host) == ["audio"]
