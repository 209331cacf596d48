import asyncio
import logging
import socket
from datetime import UTC, datetime

import pytest

from control_api.outside.webhook_format import Delivery, signature
from control_api.outside.webhooks import Webhooks, WebhookTimings
from signaling.ports import StoreUnavailable
from tests.support.receiver import answering, holding, receiving
from tests.support.waiting import until

SECRET = b"0123456789abcdef0123456789abcdef"
QUICK = WebhookTimings(request_s=5, poll_s=0.01, database_retry_s=0.01, close_s=0.05)


class FakeOutbox:
    """`webhooks.Outbox` for one address. What failed is due again at once."""

    def __init__(self, *events: tuple[str, int]) -> None:
        self.waiting = [
            Delivery(number, 0, number, "role_changed", session, datetime(2026, 1, 2, tzinfo=UTC), None, None, "{}")
            for session, number in events
        ]
        self.subscribed: dict[str, object] = {}
        self.leased: set[int] = set()
        self.retries: list[float] = []
        self.released: list[int] = []
        self.claims = 0
        self.down = False
        self.keeps = True

    def _work(self) -> None:
        if self.down:
            raise StoreUnavailable("down")

    async def subscribe(self, urls, event_types):
        self._work()
        self.subscribed = dict.fromkeys(urls, event_types)

    async def unsubscribe(self, url):
        self._work()
        del self.subscribed[url]

    async def claim(self, url, limit, lease_s):
        self.claims += 1
        self._work()
        heads = list({delivery.session_id: delivery for delivery in reversed(self.waiting)}.values())
        claimed = []
        for head in [head for head in heads if head.id not in self.leased][:limit]:
            place = self.waiting.index(head)
            self.waiting[place] = Delivery(**{**vars(head), "attempts": head.attempts + 1})
            self.leased.add(head.id)
            claimed.append(self.waiting[place])
        return claimed

    async def delivered(self, delivery):
        self._work()
        self.waiting = [other for other in self.waiting if other.id != delivery.id]

    async def failed(self, delivery, error, retry_s, keep_s):
        self._work()
        self.retries.append(retry_s)
        self.leased.discard(delivery.id)
        if not self.keeps:
            await self.delivered(delivery)
        return not self.keeps

    async def release(self, deliveries):
        self._work()
        self.released += [delivery.id for delivery in deliveries]


@pytest.fixture
async def receiver():
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
async def started():
    running = []

    async def start(outbox, *urls, timings=QUICK, **options):
        webhooks = Webhooks(outbox, urls, SECRET, timings=timings, **options)
        await webhooks.open()
        running.append(webhooks)
        return webhooks

    yield start
    for webhooks in running:
        await webhooks.close()


async def test_events_come_signed_and_in_order_and_leave_the_outbox(receiver, started):
    outbox = FakeOutbox(*(("a", number) for number in range(20)))
    webhooks = await started(outbox, receiver.url, event_types=["role_changed"])
    assert outbox.subscribed == {receiver.url: ["role_changed"]}
    await until(lambda: not outbox.waiting, "everything is delivered")
    assert [event["id"] for event in receiver.events] == list(range(20))
    for got in receiver.got:
        sent_at = int(got.headers["Greenroom-Signature"].partition(",")[0].removeprefix("t="))
        assert abs(sent_at - datetime.now(UTC).timestamp()) < 60
        assert got.headers["Greenroom-Signature"] == signature(SECRET, got.body, sent_at)
        assert got.headers["Greenroom-Event-Id"] == str(got.event["id"])
        assert got.headers["Content-Type"] == "application/json"
    assert webhooks.outcomes == {"delivered": 20}


async def test_sessions_do_not_wait_for_each_other_but_events_of_one_do(receiver, started):
    outbox, gate = FakeOutbox(("slow", 1), ("slow", 2), ("other", 3), ("other", 4)), asyncio.Event()
    receiver.answer = holding(gate, lambda event: event["id"] == 1)
    await started(outbox, receiver.url)
    await until(lambda: receiver.of("other") == ["role_changed"] * 2, "the other session goes on")
    assert receiver.of("slow") == []
    gate.set()
    await until(lambda: not outbox.waiting, "the slow one follows")
    assert [event["id"] for event in receiver.events if event["session_id"] == "slow"] == [1, 2]


async def test_requests_at_once_are_bounded(receiver, started):
    outbox, gate = FakeOutbox(*((f"s{number}", number) for number in range(10))), asyncio.Event()
    receiver.answer = holding(gate)
    await started(outbox, receiver.url, parallel=3)
    await until(lambda: receiver.under_way == 3, "three are under way")
    claims = outbox.claims
    await asyncio.sleep(0.05)
    assert (receiver.most_under_way, outbox.claims) == (3, claims)
    gate.set()
    await until(lambda: not outbox.waiting, "all are delivered")
    assert receiver.most_under_way == 3


@pytest.mark.parametrize("status", [500, 503, 404, 401, 302, 304])
async def test_what_fails_is_tried_again_before_anything_later(receiver, started, status):
    outbox = FakeOutbox(("a", 1), ("a", 2))
    receiver.answer = answering(status, Location=receiver.url.replace("hook", "elsewhere"))
    webhooks = await started(outbox, receiver.url)
    await until(lambda: len(receiver.refused) >= 3, "it is tried again")
    assert {got.event["id"] for got in receiver.refused} == {1}
    receiver.answer = None
    await until(lambda: not outbox.waiting, "both arrive")
    assert [event["id"] for event in receiver.events] == [1, 2]
    assert receiver.elsewhere == 0, "a redirect was followed"
    assert webhooks.outcomes["failed"] >= 3


async def test_pauses_double_up_to_a_limit_and_differ_by_chance(receiver, started):
    outbox = FakeOutbox(("a", 1))
    receiver.answer = answering(500)
    timings = WebhookTimings(poll_s=0.01, first_retry_s=1, max_retry_s=20)
    await started(outbox, receiver.url, timings=timings)
    await until(lambda: len(outbox.retries) >= 7, "it is tried seven times")
    for retry_s, longest in zip(outbox.retries, (1, 2, 4, 8, 16, 20, 20), strict=False):
        assert longest / 2 <= retry_s <= longest
    assert all(retry_s != round(retry_s, 3) for retry_s in outbox.retries[:3])


async def test_a_pause_after_thousands_of_attempts_is_a_number(receiver, started):
    outbox = FakeOutbox(("a", 1))
    outbox.waiting[0] = Delivery(**{**vars(outbox.waiting[0]), "attempts": 100_000})
    receiver.answer = answering(500)
    await started(outbox, receiver.url)
    await until(lambda: outbox.retries, "it failed")
    assert 1800 <= outbox.retries[0] <= 3600


async def test_an_event_that_was_dropped_lets_the_next_through(receiver, started, caplog):
    outbox = FakeOutbox(("a", 1), ("a", 2))
    outbox.keeps = False
    receiver.answer = answering(500)
    webhooks = await started(outbox, receiver.url)
    await until(lambda: not outbox.waiting, "both were given up")
    assert webhooks.outcomes == {"failed": 2, "dropped": 2}
    assert "event 1 could not be delivered" in caplog.text


async def test_a_receiver_that_wants_no_more_is_left_alone(receiver, started, caplog):
    outbox = FakeOutbox(("a", 1), ("b", 2), ("a", 3))
    receiver.answer = answering(410)
    await started(outbox, receiver.url, parallel=1)
    await until(lambda: not outbox.subscribed, "it is unsubscribed")
    claims = outbox.claims
    await asyncio.sleep(0.05)
    assert (len(receiver.refused), outbox.claims) == (1, claims)
    assert "wants no more events" in caplog.text


async def test_a_receiver_that_takes_too_long_or_is_not_there(receiver, started):
    outbox, gate = FakeOutbox(("a", 1)), asyncio.Event()
    receiver.answer = holding(gate)
    webhooks = await started(outbox, receiver.url, timings=WebhookTimings(request_s=0.05, poll_s=0.01))
    await until(lambda: outbox.retries, "the request was given up")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}/secret-path?token=secret"
    other = FakeOutbox(("a", 1))
    await started(other, nobody)
    await until(lambda: other.retries, "nobody is there")
    assert webhooks.outcomes["delivered"] == 0


async def test_an_answer_without_end_is_not_read(receiver, started):
    outbox = FakeOutbox(("a", 1))
    read: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def endless(event):
        from aiohttp import web

        async def chunks():
            try:
                while True:
                    yield b"x" * 65536
            finally:
                read.set_result(None)

        return web.Response(body=chunks())

    receiver.answer = endless
    await started(outbox, receiver.url)
    await until(lambda: not outbox.waiting, "the status is enough")
    await asyncio.wait_for(read, 5)


async def test_failures_are_logged_once_and_name_no_secret(receiver, started, caplog):
    caplog.set_level(logging.INFO)
    outbox = FakeOutbox(("a", 1))
    receiver.answer = answering(500)
    await started(outbox, f"{receiver.url}?token=hidden")
    await until(lambda: len(outbox.retries) > 5, "it failed often")
    receiver.answer = None
    await until(lambda: not outbox.waiting, "it arrives")
    logged = [record.getMessage() for record in caplog.records if record.name == "control_api.outside.webhooks"]
    assert [("can't be" in line, "again" in line) for line in logged] == [(True, True), (False, True)]
    assert "hidden" not in caplog.text
    assert "/hook" not in caplog.text


async def test_a_database_that_is_away_is_waited_for(receiver, started):
    outbox = FakeOutbox()
    await started(outbox, receiver.url)
    outbox.down = True
    outbox.waiting = FakeOutbox(("a", 1)).waiting
    claims = outbox.claims
    await until(lambda: outbox.claims > claims + 2, "it is asked again")
    outbox.down = False
    await until(lambda: receiver.got, "the event comes")


async def test_a_database_that_goes_during_a_request_makes_no_second_one(receiver, started):
    outbox, gate = FakeOutbox(("a", 1), ("a", 2)), asyncio.Event()
    receiver.answer = holding(gate)
    await started(outbox, receiver.url)
    await until(lambda: receiver.under_way == 1, "the first is under way")
    outbox.down = True
    gate.set()
    await until(lambda: receiver.got, "it was taken")
    await asyncio.sleep(0.05)
    outbox.down = False
    await until(lambda: not outbox.waiting, "the outbox knows")
    assert [event["id"] for event in receiver.events] == [1, 2]


async def test_closing_waits_for_what_is_nearly_done_and_gives_back_the_rest(receiver):
    outbox, gate = FakeOutbox(("a", 1), ("b", 2)), asyncio.Event()
    receiver.answer = holding(gate, lambda event: event["id"] == 2)
    webhooks = Webhooks(outbox, [receiver.url], SECRET, timings=QUICK)
    await webhooks.open()
    await until(lambda: receiver.under_way == 1 and receiver.got, "one is there and one hangs")
    await webhooks.close()
    assert outbox.released == [2]
    assert [delivery.id for delivery in outbox.waiting] == [2]


async def test_without_addresses_nothing_runs():
    outbox = FakeOutbox()
    outbox.subscribed = {"https://earlier.example": None}
    webhooks = Webhooks(outbox, [], b"")
    await webhooks.open()
    assert outbox.subscribed == {}
    await webhooks.close()
    assert outbox.claims == 0
