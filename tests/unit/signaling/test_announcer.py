import asyncio

import pytest

from signaling import announcer
from tests.support.fakes import World, settle


@pytest.fixture
def world():
    return World()


@pytest.fixture
def due(monkeypatch):
    """Lets the test say when a second has passed: the timers run when `due` is called."""
    timers, running_loop = [], asyncio.get_running_loop

    class Loop:
        def __init__(self, real):
            self._real = real

        def __getattr__(self, name):
            return getattr(self._real, name)

        def call_later(self, delay_s, callback):
            timers.append((delay_s, callback))
            return self

        def cancel(self):
            timers.clear()

    class Asyncio:
        TimerHandle = asyncio.TimerHandle

        @staticmethod
        def get_running_loop():
            return Loop(running_loop())

    monkeypatch.setattr(announcer, "asyncio", Asyncio)

    async def run():
        delays = [delay_s for delay_s, _ in timers]
        for _, callback in tuple(timers):
            callback()
        del timers[: len(delays)]
        await settle()
        return delays

    return run


def lines(person):
    return [m["message"]["data"] for m in person.link.of("message") if m["message"]["kind"] == "system"]


async def test_one_viewer_is_named(world, due):
    host = await world.host()
    vera = await world.viewer("Vera")
    await due()
    (line,) = lines(host)
    assert line == {"event": "joined", "user_id": "user-Vera", "name": "Vera", "count": 1, "names": ["Vera"]}
    (message,) = [m["message"] for m in vera.link.of("message")]
    assert (message["kind"], message["user_id"], message["name"], message["text"]) == ("system", None, None, "")


async def test_those_who_come_together_are_one_line(world, due):
    host = await world.host()
    for number in range(30):
        await world.viewer(f"V{number}")
    await due()
    (line,) = lines(host)
    assert (line["count"], line["names"], line["name"]) == (30, ["V0", "V1", "V2"], "V0")


async def test_there_is_a_second_between_two_lines_and_ten_in_a_crowd(world, due):
    await world.host()
    await world.viewer("V")
    assert await due() == [0.0]
    await world.viewer("W")
    (delay_s,) = await due()
    assert 0 < delay_s <= announcer.INTERVAL_S
    for number in range(announcer.CROWD):
        await world.viewer(f"V{number}")
    (early,) = await due()
    assert early <= announcer.INTERVAL_S
    await world.viewer("X")
    (delay_s,) = await due()
    assert announcer.INTERVAL_S < delay_s <= announcer.CROWD_INTERVAL_S


async def test_viewers_who_leave_are_gathered_and_those_on_stage_told_at_once(world, due):
    host = await world.host()
    vera, gina = await world.viewer("Vera"), await world.guest("Gina")
    await due()
    host.link.forget()
    await vera.leave()
    await gina.leave()
    await settle()
    assert [(line["event"], line["name"]) for line in lines(host)] == [("left", "Gina")]
    await due()
    assert [(line["event"], line["name"]) for line in lines(host)] == [("left", "Gina"), ("left", "Vera")]


async def test_what_a_host_does_is_told_at_once(world):
    host = await world.host()
    gina = await world.viewer("Gina")
    request = await gina.ask()
    await host.respond(request.id, True)
    await host.manage(gina, "promote")
    await host.manage(gina, "kick")
    await settle()
    events = [(line["event"], line["name"]) for line in lines(host) if line["event"] != "joined"]
    assert events == [("approved", "Gina"), ("promoted", "Gina"), ("kicked", "Gina")]
    assert not [line for line in lines(host) if line["event"] == "left"]


async def test_who_has_only_just_come_is_said_to_have_come_first(world, due):
    host = await world.host()
    gina = await world.viewer("Gina")
    await world.viewer("Vera")
    await host.respond((await gina.ask()).id, True)
    await settle()
    told = [("joined", "Gina"), ("approved", "Gina")]
    assert [(line["event"], line["name"]) for line in lines(host)] == told
    await due()
    assert [(line["event"], line["name"]) for line in lines(host)] == [*told, ("joined", "Vera")]


async def test_a_rejection_is_nobody_elses_business(world):
    host = await world.host()
    request = await (await world.viewer("Vera")).ask()
    await host.respond(request.id, False)
    await settle()
    assert {line["event"] for line in lines(host)} <= {"joined"}


async def test_no_verb_waits_for_a_line(world):
    await world.host()
    gina = await world.viewer("Gina")
    await settle()
    add = world.store.add_messages
    hold = asyncio.Event()

    async def slow(batch):
        await hold.wait()
        return await add(batch)

    world.service._messages._write = slow
    await asyncio.wait_for(gina.leave(), 1)
    hold.set()


async def test_nothing_is_written_while_the_chat_is_off(world, due):
    host = await world.host(enable_chat=False)
    await world.viewer("Vera")
    await due()
    assert lines(host) == []
    assert world.store.chat == []


async def test_the_end_writes_no_lines_any_more(world, due):
    host = await world.host()
    await world.viewer("Vera")
    await host.end()
    assert await due() == []
    assert world.store.chat == []
