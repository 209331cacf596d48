"""The operator sees and ends anybody's session."""

from uuid import uuid4

import pytest

from tests.support.fakes import World, refused


@pytest.fixture
def world():
    return World()


async def test_all_live_sessions_are_listed_the_oldest_first(world):
    assert world.service.operator_sessions() == []
    first = (await world.host("Hana")).session_id
    second = (await world.host("Otto")).session_id
    assert [session.id for session in world.service.operator_sessions()] == [first, second]


async def test_the_operators_end_reaches_everybody_and_is_recorded(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    ended = await world.service.operator_end(world.session_id)
    assert (ended.status, ended.end_reason) == ("ended", "ended_by_operator")
    for person in (host, viewer):
        assert person.link.last("session_ended")["reason"] == "ended_by_operator"
        assert person.link.closed == (4410, "session_ended")
    assert world.store.sessions[world.session_id].end_reason == "ended_by_operator"
    assert world.service.operator_sessions() == []


async def test_what_is_not_live_can_not_be_ended(world):
    await world.host()
    await world.service.operator_end(world.session_id)
    with refused("session_ended"):
        await world.service.operator_end(world.session_id)
    for unknown in (str(uuid4()), "nonsense"):
        with refused("session_not_found"):
            await world.service.operator_end(unknown)
