import asyncio

import pytest

import signaling.room
from signaling import messages
from tests.support.fakes import World, settle


@pytest.fixture
def world(monkeypatch):
    monkeypatch.setattr(signaling.room, "COUNTS_INTERVAL_S", 0.05)
    return World()


async def test_viewers_come_and_go_unseen_by_other_viewers(world):
    host, cohost, viewer = await world.host(), await world.cohost("Coco"), await world.viewer("Vera")
    guest = await world.guest("Gus")
    for person in (host, cohost, viewer, guest):
        person.link.forget()
    other = await world.viewer("Otto")
    other.detach()
    await other.attach()
    await other.leave()
    for person in (host, cohost):
        assert [m["type"] for m in person.link.messages if m["type"] != "session_updated"] == [
            "participant_joined",
            "participant_updated",
            "participant_updated",
            "participant_updated",
            "participant_left",
        ]
    for person in (viewer, guest):
        assert [m["type"] for m in person.link.messages if m["type"] != "session_updated"] == []


async def test_who_is_on_stage_is_seen_by_everybody(world):
    await world.host()
    guest, viewer = await world.guest("Gus"), await world.viewer("Vera")
    viewer.link.forget()
    guest.detach()
    assert viewer.link.last("participant_updated")["participant"]["connected"] is False
    await guest.attach()
    await guest.leave()
    assert viewer.link.last("participant_left")["participant_id"] == guest.id


async def test_counts_are_told_to_everybody_but_not_one_by_one(world):
    await world.host()
    viewer = await world.viewer("Vera")
    await asyncio.sleep(0.1)
    viewer.link.forget()
    people = [await world.viewer(f"V{n}") for n in range(20)]
    await asyncio.sleep(0.12)
    told = viewer.link.of("session_updated")
    assert 1 <= len(told) <= 3
    assert told[-1]["session"]["viewer_count"] == 21
    await people[0].leave()
    await world.guest("Gus")
    await asyncio.sleep(0.12)
    session = viewer.link.last("session_updated")["session"]
    assert (session["viewer_count"], session["guest_count"]) == (20, 1)


async def test_a_broadcast_is_encoded_once(world, monkeypatch):
    host = await world.host()
    for number in range(10):
        await world.viewer(f"V{number}")
    encoded = []
    encode = messages.encode
    monkeypatch.setattr(messages, "encode", lambda message: encoded.append(message["type"]) or encode(message))
    await host.mute("audio", True)
    assert encoded == ["participant_updated"]


async def test_a_room_without_listeners_encodes_nothing(world, monkeypatch):
    host = await world.host()
    host.detach()
    monkeypatch.setattr(messages, "encode", lambda message: pytest.fail("nobody listens"))
    viewer = await world.person("Vera")
    await viewer.join()


async def test_an_ended_room_is_silent(world):
    host = await world.host()
    viewer = await world.viewer("Vera")
    await host.end()
    viewer.link.closed = None
    viewer.link.forget()
    await asyncio.sleep(0.1)
    await settle()
    assert viewer.link.messages == []
