import asyncio

from signaling.gate import Gate
from tests.support.fakes import settle


class Log:
    def __init__(self):
        self.gate = Gate()
        self.entries = []
        self.go = {}

    def start(self, name, user=None):
        self.go[name] = asyncio.Event()
        return asyncio.create_task(self._work(name, user))

    async def _work(self, name, user):
        async with self.gate.everybody() if user is None else self.gate.user(user):
            self.entries.append(name)
            await self.go[name].wait()


async def test_verbs_about_one_user_wait_for_each_other_and_others_do_not():
    log = Log()
    tasks = [log.start("a1", "a"), log.start("a2", "a"), log.start("b1", "b")]
    await settle()
    assert log.entries == ["a1", "b1"]
    log.go["a1"].set()
    await settle()
    assert log.entries == ["a1", "b1", "a2"]
    for event in log.go.values():
        event.set()
    await asyncio.gather(*tasks)


async def test_everybody_is_alone():
    log = Log()
    first = log.start("a1", "a")
    await settle()
    alone = log.start("all")
    await settle()
    late = log.start("b1", "b")
    await settle()
    assert log.entries == ["a1"]
    log.go["a1"].set()
    await settle()
    assert log.entries == ["a1", "all"]
    log.go["all"].set()
    await settle()
    assert log.entries == ["a1", "all", "b1"]
    log.go["b1"].set()
    await asyncio.gather(first, alone, late)


async def test_a_verb_that_fails_or_is_cancelled_leaves_the_gate_open():
    log = Log()
    task = log.start("a1", "a")
    await settle()
    task.cancel()
    await settle()
    alone = log.start("all")
    await settle()
    assert log.entries == ["a1", "all"]
    alone.cancel()
    await settle()
    last = log.start("b1", "b")
    await settle()
    assert log.entries[-1] == "b1"
    last.cancel()
