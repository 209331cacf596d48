import asyncio

import pytest

from signaling.outbox import Closing, Outbox, TokenBucket
from tests.support.fakes import settle


async def drain(outbox):
    entries = []
    while not isinstance(entry := await outbox.first(), Closing):
        entries.append(entry)
        outbox.done()
    return [*entries, entry]


async def test_frames_come_out_in_order_and_the_close_last():
    outbox = Outbox(10, 100)
    assert outbox.put(b"a")
    assert outbox.put(b"b")
    outbox.finish(1000, "left")
    outbox.put(b"too late")
    outbox.finish(4400, "later")
    assert await drain(outbox) == [b"a", b"b", Closing(1000, "left")]


@pytest.mark.parametrize(("messages", "size"), [(3, 1000), (1000, 3)])
async def test_it_is_bounded_by_messages_and_by_bytes(messages, size):
    outbox = Outbox(messages, size)
    assert [outbox.put(b"x") for _ in range(5)] == [True, True, True, False, False]
    await outbox.first()
    outbox.done()
    assert outbox.put(b"x")


async def test_what_is_being_sent_still_counts():
    outbox = Outbox(1, 100)
    outbox.put(b"x")
    await outbox.first()
    assert not outbox.put(b"y")


async def test_the_reader_waits_for_the_next_frame():
    outbox = Outbox(2, 100)
    waiting = asyncio.create_task(outbox.first())
    await settle()
    assert not waiting.done()
    outbox.put(b"x")
    assert await waiting == b"x"


async def test_clearing_makes_room_for_the_close():
    outbox = Outbox(1, 100)
    outbox.put(b"x")
    outbox.clear()
    outbox.finish(4429, "too_slow")
    assert await drain(outbox) == [Closing(4429, "too_slow")]


def test_a_bucket_allows_a_burst_and_then_the_rate():
    bucket = TokenBucket(20, 100, now=50.0)
    assert sum(bucket.take(50.0) for _ in range(150)) == 100
    assert sum(bucket.take(50.5) for _ in range(150)) == 10
    assert sum(bucket.take(1000.0) for _ in range(150)) == 100


def test_a_bucket_says_how_long_to_wait():
    bucket = TokenBucket(0.5, 1, now=0.0)
    assert bucket.take(0.0)
    assert not bucket.take(0.0)
    assert bucket.wait_s == 2.0
    assert not bucket.take(1.5)
    assert bucket.wait_s == 0.5
    assert bucket.take(2.0)
