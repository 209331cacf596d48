from datetime import UTC, datetime
from uuid import uuid4

import pytest

from signaling.errors import LiveError
from signaling.model import TimelineEvent
from tests.support.fakes import ANYBODY, STATISTICS, World


@pytest.fixture
def world():
    return World()


def event(number):
    at = datetime(2026, 1, 2, tzinfo=UTC)
    return TimelineEvent(id=number, at=at, type="reactions", actor_user_id=None, target_user_id=None, data={})


async def test_statistics(world):
    host = await world.host()
    assert await world.service.session_statistics(host.identity, world.session_id) == STATISTICS


async def test_the_end_tells_everybody_what_it_was(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    ending = await world.service.end(host.identity, world.session_id)
    assert (ending.session.status, ending.statistics) == ("ended", STATISTICS)
    for person in (host, viewer):
        assert person.link.last("session_ended")["stats"] == STATISTICS.model_dump(mode="json")


async def test_a_lost_host_too(world):
    host, viewer = await world.host(), await world.viewer("Vera")
    host.detach()
    world.now += 31
    await world.service.sweep()
    ended = viewer.link.last("session_ended")
    assert (ended["reason"], ended["stats"]["unique_viewers"]) == ("host_lost", STATISTICS.unique_viewers)


async def test_pages_of_the_timeline(world):
    host = await world.host()
    world.store.events = [event(number) for number in (3, 5, 8)]
    page = await world.service.timeline(host.identity, world.session_id, 0, 2)
    assert ([e.id for e in page.events], page.next_after, page.more) == ([3, 5], 5, True)
    page = await world.service.timeline(host.identity, world.session_id, page.next_after, 2)
    assert ([e.id for e in page.events], page.next_after, page.more) == ([8], 8, False)
    page = await world.service.timeline(host.identity, world.session_id, page.next_after, 2)
    assert page == ([], 8, False)


async def test_refusals(world):
    await world.host()
    for session_id in (str(uuid4()), "nonsense"):
        with pytest.raises(LiveError, match=r"^session_not_found:"):
            await world.service.session_statistics(ANYBODY, session_id)
        with pytest.raises(LiveError, match=r"^session_not_found:"):
            await world.service.timeline(ANYBODY, session_id, 0, 10)
    world.store.down = True
    with pytest.raises(LiveError, match=r"^database_unavailable:"):
        await world.service.session_statistics(ANYBODY, world.session_id)
    with pytest.raises(LiveError, match=r"^database_unavailable:"):
        await world.service.timeline(ANYBODY, world.session_id, 0, 10)
