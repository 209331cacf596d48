from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from signaling.batches import BatchLimits, WriteInDoubt
from signaling.ports import CommitInDoubt, StoreRefused, StoreUnavailable
from tests.support.fakes import ANYBODY, FakeStore, World, refused, settle


@pytest.fixture
def world():
    return World()


def react(person, kind="heart", count=1):
    return person.service.react(person.identity, person.session_id, kind, count)


def totals(person):
    return person.service.reaction_totals(person.identity, person.session_id)


async def test_everybody_is_told_once_it_is_written(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    world.store.hold = asyncio.Event()
    reacting = asyncio.create_task(react(viewer, "heart", 3))
    await settle()
    assert not reacting.done()
    assert host.link.of("reactions") == []
    world.store.hold.set()
    await reacting
    await asyncio.sleep(0.002)
    for person in (host, viewer):
        assert person.link.last("reactions") == {"type": "reactions", "counts": {"heart": 3}, "totals": {"heart": 3}}
    assert (await totals(viewer))["heart"] == 3


async def test_a_storm_costs_few_transactions_and_few_frames_and_is_exact(world):
    host = await world.host()
    viewers = [await world.viewer(f"V{number}") for number in range(40)]
    await asyncio.gather(*(react(viewer, kind, 2) for viewer in viewers for kind in ("heart", "clap") * 5))
    host.service._rooms[world.session_id].reactions.tell()
    assert world.store.reacted[world.session_id, "heart"] == 400
    told = host.link.of("reactions")
    assert sum(event["counts"].get("heart", 0) for event in told) == 400
    assert told[-1]["totals"] == {"heart": 400, "clap": 400}
    # A user's reactions are written one after another, those of different users together.
    assert len(world.store.reaction_batches) < 25
    assert len(told) < 5
    assert all(viewer.link.frames[-1] is host.link.frames[-1] for viewer in viewers), "encoded more than once"


async def test_totals_come_with_the_welcome_and_survive_a_restart(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    await react(viewer, "wow", 4)
    assert (await viewer.attach())["reactions"] == {"heart": 0, "fire": 0, "clap": 0, "laugh": 0, "wow": 4, "sad": 0}
    await world.service.close()
    again = World(world.store)
    await again.service.open()
    again.session_id = world.session_id
    host.service = again.service
    assert (await host.attach())["reactions"]["wow"] == 4
    await react(host, "wow", 1)
    assert (await totals(host))["wow"] == 5


async def test_the_end_waits_for_what_is_being_written(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    world.store.hold = asyncio.Event()
    reacting = asyncio.create_task(react(viewer))
    await settle()
    ending = asyncio.create_task(host.end())
    await settle()
    assert not ending.done()
    world.store.hold.set()
    await reacting
    await ending
    kinds = [message["type"] for message in host.link.messages]
    assert kinds.index("reactions") < kinds.index("session_ended")
    with refused("session_ended"):
        await react(viewer)


async def test_refusals(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    with refused("unknown_reaction") as failure:
        await react(viewer, "rotten_egg")
    assert "heart" in failure.value.details["types"]
    with refused("not_joined"):
        await world.service.react(ANYBODY, world.session_id, "heart", 1)
    for session_id in (str(uuid4()), "nonsense"):
        with refused("session_not_found"):
            await world.service.react(ANYBODY, session_id, "heart", 1)
        with refused("session_not_found"):
            await world.service.reaction_totals(ANYBODY, session_id)
    await host.manage(viewer, "kick")
    with refused("kicked"):
        await react(viewer)
    await settle()
    assert world.store.reaction_batches == []


async def test_what_the_database_refuses_is_not_counted(world, monkeypatch):
    async def refuse(batch):
        return [StoreRefused("forbidden") for _ in batch]

    monkeypatch.setattr(world.service._reactions, "_write", refuse)
    host = await world.host()
    with refused("forbidden"):
        await react(host)
    assert (await totals(host))["heart"] == 0


class Unsure(FakeStore):
    """Counts, loses the connection, and stays away."""

    async def add_reactions(self, batch):
        await super().add_reactions(batch)

        async def settle():
            raise StoreUnavailable("away")

        raise CommitInDoubt(settle)


async def test_what_may_have_been_counted_is_looked_up_once_the_database_is_back():
    world = World(Unsure())
    world.service._reactions._limits = BatchLimits(retry_for_s=0.01)
    host = await world.host()
    with pytest.raises(WriteInDoubt):
        await react(host, "heart", 3)
    assert (await totals(host))["heart"] == 0
    await world.service.sweep()
    assert (await totals(host))["heart"] == 3
