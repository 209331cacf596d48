import asyncio

import pytest

from signaling.batches import BatchLimits, BatchWriter, WriteInDoubt
from signaling.errors import LiveError
from signaling.ports import CommitInDoubt, StoreRefused, StoreUnavailable
from tests.support.fakes import settle

QUICK = {"retry_for_s": 0.02, "first_retry_s": 0.001, "max_retry_s": 0.002, "close_s": 0.05}


class Sink:
    """A database of items. `hold` makes transactions wait; `fail` is raised by the next ones, in order."""

    def __init__(self):
        self.batches = []
        self.hold = None
        self.fail = []
        self.down = False
        self.poison = set()

    @property
    def written(self):
        return [item for batch in self.batches for item in batch]

    async def write(self, items):
        items = list(items)
        if self.hold is not None:
            await self.hold.wait()
        if self.down:
            raise StoreUnavailable("down")
        if self.fail:
            failure = self.fail.pop(0)
            if isinstance(failure, CommitInDoubt):
                failure.items = items
            raise failure
        if self.poison & set(items):
            raise ValueError("poison")
        self.batches.append(items)
        return [StoreRefused("forbidden") if item == "refuse me" else f"{item}!" for item in items]


@pytest.fixture
def sink():
    return Sink()


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def writer_of(sink, clock=None, **limits):
    return BatchWriter(sink.write, BatchLimits(**(QUICK | limits)), **({"clock": clock} if clock else {}))


def refused(code="database_unavailable"):
    return pytest.raises(LiveError, match=f"^{code}:")


async def test_the_first_goes_at_once_and_what_comes_meanwhile_goes_together(sink):
    writer = writer_of(sink)
    sink.hold = asyncio.Event()
    first = writer.submit("s", "a")
    await settle()
    rest = [writer.submit("s", item) for item in "bcd"]
    await settle()
    assert not first.done()
    sink.hold.set()
    assert await asyncio.gather(first, *rest) == ["a!", "b!", "c!", "d!"]
    assert sink.batches == [["a"], ["b", "c", "d"]]


async def test_a_batch_has_an_upper_bound(sink):
    writer = writer_of(sink, batch=3)
    await asyncio.gather(*(writer.add("s", str(number)) for number in range(8)))
    assert [len(batch) for batch in sink.batches] == [3, 3, 2]


async def test_sessions_are_locked_in_one_order_and_keep_their_own(sink):
    writer = writer_of(sink)
    order = []
    for session, item in [("b", "b1"), ("a", "a1"), ("b", "b2"), ("c", "c1"), ("a", "a2")]:
        writer.submit(session, item).add_done_callback(lambda future: order.append(future.result()))
    await settle()
    assert sink.written == ["a1", "a2", "b1", "b2", "c1"]
    assert order == ["a1!", "a2!", "b1!", "b2!", "c1!"]


async def test_a_refused_item_does_not_hold_up_the_others(sink):
    writer = writer_of(sink)
    answers = await asyncio.gather(*(writer.add("s", i) for i in ("a", "refuse me", "b")), return_exceptions=True)
    assert [getattr(answer, "code", answer) for answer in answers] == ["a!", "forbidden", "b!"]


async def test_one_item_that_breaks_the_transaction_does_not_take_the_others_along(sink):
    writer = writer_of(sink)
    sink.poison = {"5"}
    items = [str(number) for number in range(10)]
    answers = await asyncio.gather(*(writer.add("s", item) for item in items), return_exceptions=True)
    assert [getattr(answer, "code", answer) for answer in answers] == [
        "internal_error" if item == "5" else f"{item}!" for item in items
    ]
    assert await writer.add("s", "next") == "next!"


async def test_a_lost_connection_is_tried_again(sink):
    writer = writer_of(sink, retry_for_s=60)
    sink.fail = [StoreUnavailable("one"), StoreUnavailable("two")]
    assert await writer.add("s", "a") == "a!"
    assert sink.batches == [["a"]]


@pytest.mark.parametrize("committed", [True, False])
async def test_a_commit_in_doubt_is_settled_before_anything_is_written_again(sink, committed):
    writer = writer_of(sink, retry_for_s=60)
    questions = iter([StoreUnavailable("not yet"), committed])

    async def ask():
        answer = next(questions)
        if isinstance(answer, Exception):
            raise answer
        return ["was there"] if answer else None

    sink.fail = [CommitInDoubt(ask)]
    assert await writer.add("s", "a") == ("was there" if committed else "a!")
    assert sink.batches == ([] if committed else [["a"]])


async def test_a_doubt_that_stays_is_told(sink):
    writer = writer_of(sink)

    async def ask():
        raise StoreUnavailable("down")

    sink.fail = [CommitInDoubt(ask)]
    with pytest.raises(WriteInDoubt):
        await writer.add("s", "a")
    assert sink.batches == []


async def test_new_items_are_refused_at_once_while_the_database_is_away(sink):
    writer = writer_of(sink, retry_for_s=30, first_retry_s=0.005)
    sink.down = True
    before = [writer.submit("s", item) for item in "ab"]
    await settle()
    with refused() as failure:
        writer.submit("s", "c")
    assert failure.value.retry_after_s > 0
    sink.down = False
    assert await asyncio.gather(*before) == ["a!", "b!"]
    assert await writer.add("s", "d") == "d!"
    assert sink.written == ["a", "b", "d"]


async def test_it_gives_up_after_a_while_and_comes_back_by_itself(sink, clock):
    writer = writer_of(sink, clock, retry_for_s=0, pause_s=1)
    sink.down = True
    with refused():
        await writer.add("s", "a")
    clock.now = 0.5
    with refused() as failure:
        writer.submit("s", "b")
    assert failure.value.retry_after_s == 0.5
    clock.now = 1.0
    trial = writer.submit("s", "trial")
    with refused():
        writer.submit("s", "behind the trial")
    with refused():
        await trial
    sink.down = False
    clock.now = 2.0
    assert await writer.add("s", "c") == "c!"
    assert await asyncio.gather(writer.add("s", "d"), writer.add("s", "e")) == ["d!", "e!"]
    assert sink.written == ["c", "d", "e"]


async def test_whether_the_database_is_back_is_tried_once(sink, clock):
    writer = writer_of(sink, clock, retry_for_s=0)
    sink.down = True
    with refused():
        await writer.add("s", "a")
    patient = BatchLimits(**(QUICK | {"retry_for_s": 60, "first_retry_s": 60}))
    writer._limits = patient
    clock.now = patient.pause_s
    with refused():
        await asyncio.wait_for(writer.add("s", "trial"), 5)


async def test_what_waits_behind_a_batch_that_is_given_up_is_refused_too(sink):
    writer = writer_of(sink, batch=1)
    sink.down = True
    futures = [writer.submit("s", item) for item in "abc"]
    answers = await asyncio.gather(*futures, return_exceptions=True)
    assert [answer.code for answer in answers] == ["database_unavailable"] * 3
    assert writer.refused == 3


async def test_nobody_queues_behind_a_transaction_that_hangs(sink, clock):
    writer = writer_of(sink, clock, stalled_s=2)
    sink.hold = asyncio.Event()
    hanging = writer.submit("s", "a")
    await settle()
    clock.now = 1.9
    behind = writer.submit("s", "b")
    clock.now = 2.1
    with refused():
        writer.submit("s", "c")
    sink.hold.set()
    assert await asyncio.gather(hanging, behind) == ["a!", "b!"]
    assert await writer.add("s", "d") == "d!"


async def test_the_queue_is_bounded_for_all_and_for_each_session(sink):
    writer = writer_of(sink, queued=5, queued_per_session=3)
    sink.hold = asyncio.Event()
    futures = [writer.submit("loud", str(number)) for number in range(3)]
    with refused():
        writer.submit("loud", "one too many")
    futures += [writer.submit("quiet", str(number)) for number in range(2)]
    with refused():
        writer.submit("third", "the process is full")
    sink.hold.set()
    await asyncio.gather(*futures)
    assert await writer.add("loud", "again") == "again!"
    assert not writer._of_session


async def test_closing_writes_what_is_queued_and_takes_no_more(sink):
    writer = writer_of(sink, batch=2)
    futures = [writer.submit("s", item) for item in "abcde"]
    await writer.close()
    assert [future.result() for future in futures] == ["a!", "b!", "c!", "d!", "e!"]
    with refused():
        writer.submit("s", "late")


async def test_closing_does_not_wait_for_ever(sink):
    writer = writer_of(sink)
    sink.hold = asyncio.Event()
    hanging = writer.submit("s", "a")
    await settle()
    behind = writer.submit("s", "b")
    await writer.close()
    with pytest.raises(WriteInDoubt):
        await hanging
    with refused():
        await behind


async def test_closing_while_the_database_is_away_refuses(sink):
    writer = writer_of(sink, retry_for_s=60)
    sink.down = True
    future = writer.submit("s", "a")
    await settle()
    await writer.close()
    with refused():
        await future


async def test_nobody_is_left_waiting_where_outcomes_are_missing(sink):
    async def forgetful(items):
        return []

    writer = writer_of(sink)
    writer._write = forgetful
    with refused():
        await writer.add("s", "a")
    writer._write = sink.write
    assert await writer.add("s", "b") == "b!"


async def test_who_is_cancelled_has_written_all_the_same(sink):
    writer = writer_of(sink)
    sink.hold = asyncio.Event()
    waiting = asyncio.create_task(writer.add("s", "a"))
    await settle()
    waiting.cancel()
    sink.hold.set()
    await settle()
    assert waiting.cancelled()
    assert sink.written == ["a"]
