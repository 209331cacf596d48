import pytest

from signaling.counters import MAX_REACTION_TYPES, OTHER, Counters, Histogram, SessionTally
from tests.support.fakes import World, settle


@pytest.fixture
async def world():
    world = World()
    yield world
    await world.service.close()


def test_a_value_on_a_bound_is_no_greater_than_it():
    histogram = Histogram((1.0, 5.0))
    for value in (0.5, 1.0, 1.1, 5.0, 7.0):
        histogram.observe(value)
    assert histogram.cumulative() == [2, 4, 5]
    assert histogram.total == pytest.approx(14.6)


def test_types_of_reactions_that_clients_invent_do_not_grow_without_end():
    counters = Counters()
    for number in range(1000):
        counters.count_reactions(f"kind-{number}", 2)
    assert len(counters.reactions) <= MAX_REACTION_TYPES + 1
    assert counters.reactions[OTHER] > 1900
    assert counters.reactions.total() == 2000


def test_the_peak_is_that_of_all_sessions_together():
    counters = Counters()
    one, other = SessionTally(counters), SessionTally(counters)
    one.present(30, [])
    other.present(12, ["g"])
    assert (counters.viewers_now, counters.guests_now, counters.peak_viewers) == (42, 1, 42)
    one.present(5, [])
    other.ended("ended_by_host", 10, audience=13)
    assert (counters.viewers_now, counters.guests_now, counters.peak_viewers) == (5, 0, 42)


async def test_viewers_and_guests_follow_who_is_in(world):
    counters = world.service.counters
    host = await world.host()
    viewer, guest = await world.viewer("Vera"), await world.guest("Gus")
    assert (world.service.session_count, counters.viewers_now, counters.guests_now) == (1, 1, 1)
    await host.manage(guest, "remove_guest")
    assert (counters.viewers_now, counters.guests_now) == (2, 0)
    await viewer.leave()
    assert counters.viewers_now == 1
    assert counters.peak_viewers == 2


async def test_the_end_of_a_session_sums_it_up(world):
    counters = world.service.counters
    host = await world.host()
    for name in ("Ada", "Bea", "Cleo"):
        await world.viewer(name)
    await world.guest("Gus")
    tally = world.service._rooms[world.session_id].tally
    tally.message()
    tally.message()
    tally.reaction("heart", 40)
    await host.end()
    assert (world.service.session_count, counters.viewers_now, counters.guests_now) == (0, 0, 0)
    assert counters.sessions_ended == {"ended_by_host": 1}
    assert counters.session_duration_s.cumulative()[-1] == 1
    assert (counters.session_messages.total, counters.session_reactions.total) == (2, 40)
    assert (counters.messages, counters.reactions) == (2, {"heart": 40})
    assert counters.session_peak_viewers.total == 4
    assert counters.guest_participation.total == pytest.approx(1 / 4)


async def test_who_left_the_stage_or_the_session_did_take_part(world):
    host = await world.host()
    guest = await world.guest("Gus")
    await host.manage(guest, "remove_guest")
    await guest.leave()
    await world.viewer("Vera")
    await host.end()
    assert world.service.counters.guest_participation.total == pytest.approx(1 / 2)


async def test_sessions_taken_up_after_a_restart_are_counted_with_their_people(world):
    await world.host()
    await world.viewer("Vera")
    after = World(store=world.store)
    await after.service.open()
    assert (after.service.session_count, after.service.counters.viewers_now) == (1, 1)
    await after.service.close()


async def test_transports_are_counted_by_how_they_fared(world):
    counters = world.service.counters
    host = await world.host()
    viewer = await world.viewer("Vera")
    await host.publish()
    await settle()
    await viewer.answer()
    listener = world.room.listener
    publish = host.publish_id
    receive = viewer.link.last("receive_offer")["connection_id"]
    listener.transport_state_changed(publish, "connected")
    listener.transport_state_changed(publish, "disconnected")
    listener.transport_state_changed(publish, "connected")
    listener.transport_state_changed(receive, "failed")
    assert counters.transports == {("publish", "connected"): 1, ("receive", "failed"): 1}
    assert counters.connect_s["publish"].cumulative()[-1] == 1
    await settle()
    assert counters.transports.total() == 2


async def test_a_transport_that_nobody_came_through_is_counted_when_it_is_closed(world):
    host = await world.host()
    await host.publish()
    await host.end()
    await settle()
    assert world.service.counters.transports == {("publish", "never"): 1}


async def test_transports_of_a_worker_that_died_are_not_waited_for(world):
    host = await world.host()
    await host.publish()
    world.room.lose()
    assert world.service.counters.transports == {("publish", "never"): 1}
