import asyncio
import socket
import struct

import pytest

from sfu.worker.channel import MAX_FRAME, Channel
from sfu.worker.messages import MediaError


class End:
    def __init__(self) -> None:
        self.closed = asyncio.Event()
        self.events = []
        self.channel = None

    def answer(self, method, params):
        if method == "fail":
            raise MediaError("unknown_room", "no such room")
        if method == "defect":
            raise KeyError("internals")
        return {"method": method, **params}

    async def open(self, sock):
        self.channel = await Channel.open(
            sock,
            on_request=self.answer,
            on_notification=lambda event, params: self.events.append((event, params)),
            on_closed=self.closed.set,
        )
        return self


@pytest.fixture
async def ends():
    left, right = socket.socketpair()
    ends = await End().open(left), await End().open(right)
    yield ends
    for end in ends:
        end.channel.close()


async def eventually(condition):
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def test_both_sides_can_ask_at_the_same_time(ends):
    left, right = ends
    answers = await asyncio.gather(
        *(left.channel.request("a", {"n": n}) for n in range(50)),
        *(right.channel.request("b", {"n": n}) for n in range(50)),
    )
    assert answers == [{"method": "a", "n": n} for n in range(50)] + [{"method": "b", "n": n} for n in range(50)]


async def test_a_large_message_arrives_whole(ends):
    left, _ = ends
    text = "x" * 1_000_000
    assert (await left.channel.request("echo", {"text": text}))["text"] == text


async def test_errors_carry_their_code(ends):
    left, _ = ends
    with pytest.raises(MediaError) as caught:
        await left.channel.request("fail", {})
    assert (caught.value.code, str(caught.value)) == ("unknown_room", "no such room")


async def test_a_defect_is_answered_without_its_internals_and_the_channel_lives(ends):
    left, _ = ends
    with pytest.raises(MediaError) as caught:
        await left.channel.request("defect", {})
    assert caught.value.code == "internal_error"
    assert "internals" not in str(caught.value)
    assert await left.channel.request("x", {}) == {"method": "x"}


async def test_notifications_arrive_in_order(ends):
    left, right = ends
    for n in range(10):
        left.channel.notify("tick", {"n": n})
    await eventually(lambda: len(right.events) == 10)
    assert right.events == [("tick", {"n": n}) for n in range(10)]


async def test_requests_under_way_fail_when_the_other_side_goes():
    left, right = socket.socketpair()
    end = await End().open(left)
    waiting = asyncio.ensure_future(end.channel.request("a", {}))
    await asyncio.sleep(0)
    right.close()
    with pytest.raises(MediaError) as caught:
        await waiting
    assert caught.value.code == "worker_lost"
    assert end.closed.is_set()
    with pytest.raises(MediaError):
        await end.channel.request("a", {})


async def test_a_silent_other_side_is_a_timeout():
    left, right = socket.socketpair()
    end = await End().open(left)
    with pytest.raises(MediaError) as caught:
        await end.channel.request("a", {}, timeout_s=0.05)
    assert caught.value.code == "timeout"
    end.channel.close()
    right.close()


async def test_an_impossible_length_closes_instead_of_filling_memory():
    left, right = socket.socketpair()
    end = await End().open(left)
    right.send(struct.pack("!I", MAX_FRAME + 1))
    async with asyncio.timeout(10):
        await end.closed.wait()
    right.close()
