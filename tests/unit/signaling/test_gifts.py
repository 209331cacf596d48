from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from signaling import till
from signaling.gift_model import PaymentUnknown
from signaling.model import SettingsChange
from tests.support.fakes import ANYBODY, World, refused, settle
from tests.support.waiting import until


class Bank:
    """A `Pay` that notes what it is asked. `answer` is what it says, or raises."""

    def __init__(self):
        self.asked = []
        self.answer = True
        self.hold = None

    async def __call__(self, gift):
        self.asked.append(gift.id)
        if self.hold is not None:
            await self.hold.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def bank():
    return Bank()


@pytest.fixture
def world(bank):
    return World(pay=bank)


def give(person, gift="rose", quantity=1, key="k1"):
    return person.service.send_gift(person.identity, person.session_id, gift, quantity, key)


async def test_a_gift_is_told_to_everybody_once_it_is_paid_for(world, bank):
    host, viewer = await world.host(enable_gifts=True), await world.viewer("Vera")
    bank.hold = asyncio.Event()
    giving = asyncio.create_task(give(viewer, "cake", 3))
    await settle()
    assert host.link.of("gift") == []
    assert [gift.status for gift in world.store.gifts.values()] == ["pending"]
    bank.hold.set()
    gift = await giving
    await settle()
    assert (gift.user_id, gift.name, gift.gift_name, gift.value) == (viewer.identity.user_id, "Vera", "Cake", 60)
    for person in (host, viewer):
        told = person.link.last("gift")["gift"]
        assert told == gift.model_dump(mode="json")
        assert "key" not in told
    line = host.link.last("message")["message"]
    assert (line["kind"], line["user_id"], line["data"]["gift_id"], line["data"]["quantity"]) == (
        *("gift", viewer.identity.user_id),
        *("cake", 3),
    )


async def test_the_same_key_is_the_same_gift(world, bank):
    host, viewer = await world.host(enable_gifts=True), await world.viewer("Vera")
    first = await give(viewer)
    assert await give(viewer) == first
    assert len(bank.asked) == 1
    assert len(host.link.of("gift")) == 1
    # Another user's keys are their own, and another key is another gift.
    assert (await give(host)).id != first.id
    assert (await give(viewer, key="k2")).id != first.id
    with refused("invalid_request"):
        await give(viewer, "cake")
    with refused("invalid_request"):
        await give(viewer, quantity=2)


async def test_many_at_once_with_one_key_are_charged_once(world, bank):
    await world.host(enable_gifts=True)
    viewer = await world.viewer("Vera")
    bank.hold = asyncio.Event()
    giving = [asyncio.create_task(give(viewer)) for _ in range(5)]
    await settle()
    bank.hold.set()
    assert len({gift.id for gift in await asyncio.gather(*giving)}) == 1
    assert len(bank.asked) == 1


async def test_the_answer_stays_the_same_after_gifts_were_switched_off_and_after_the_end(world):
    host, viewer = await world.host(enable_gifts=True), await world.viewer("Vera")
    first = await give(viewer)
    await world.service.update_settings(host.identity, world.session_id, SettingsChange(enable_gifts=False))
    assert await give(viewer) == first
    with refused("gifts_disabled"):
        await give(viewer, key="k2")
    await host.end()
    assert await give(viewer) == first
    with refused("session_ended"):
        await give(viewer, key="k3")


async def test_refused_payments(world, bank):
    host, viewer = await world.host(enable_gifts=True), await world.viewer("Vera")
    bank.answer = False
    with refused("payment_refused"):
        await give(viewer)
    bank.answer = True
    with refused("payment_refused"):
        await give(viewer)
    assert len(bank.asked) == 1
    assert host.link.of("gift") == []
    await give(viewer, key="k2")


@pytest.mark.parametrize("failure", [PaymentUnknown("away"), RuntimeError("a defect of the hook")])
async def test_a_payment_that_is_not_known_is_asked_about_again_under_the_same_key(world, bank, failure):
    host, viewer = await world.host(enable_gifts=True), await world.viewer("Vera")
    bank.answer = failure
    with refused("payment_unavailable") as caught:
        await give(viewer)
    assert caught.value.retry_after_s > 0
    assert [gift.status for gift in world.store.gifts.values()] == ["pending"]
    bank.answer = True
    gift = await give(viewer)
    assert bank.asked == [gift.id, gift.id]
    assert len(host.link.of("gift")) == 1


async def test_a_payment_that_is_not_known_is_asked_about_again_though_nobody_does(world, bank, monkeypatch):
    monkeypatch.setattr(till, "RETRY_S", 0.02)
    host, viewer = await world.host(enable_gifts=True), await world.viewer("Vera")
    bank.answer = PaymentUnknown("away")
    with refused("payment_unavailable"):
        await give(viewer)
    await until(lambda: len(bank.asked) >= 3, "the payment to be asked about again")
    bank.answer = True
    await until(lambda: host.link.of("gift"), "the gift to be told")
    asked = len(bank.asked)
    await asyncio.sleep(0.1)
    assert (len(bank.asked), len(host.link.of("gift"))) == (asked, 1)


async def test_nothing_is_asked_after_the_server_has_stopped(world, bank, monkeypatch):
    monkeypatch.setattr(till, "RETRY_S", 0.02)
    await world.host(enable_gifts=True)
    bank.answer = PaymentUnknown("away")
    with refused("payment_unavailable"):
        await give(await world.viewer("Vera"))
    await world.service.close()
    asked = len(bank.asked)
    await asyncio.sleep(0.1)
    assert len(bank.asked) == asked


async def test_the_database_goes_away_after_the_payment(world, bank):
    host, viewer = await world.host(enable_gifts=True), await world.viewer("Vera")
    bank.hold = asyncio.Event()
    giving = asyncio.create_task(give(viewer))
    await settle()
    world.store.down = True
    bank.hold.set()
    with refused("database_unavailable"):
        await giving
    assert host.link.of("gift") == []
    world.store.down = False
    gift = await give(viewer)
    # The hook knows the gift by its id, and so does not charge again.
    assert bank.asked == [gift.id, gift.id]


async def test_who_does_not_wait_for_the_answer_has_given_all_the_same(world, bank):
    host, viewer = await world.host(enable_gifts=True), await world.viewer("Vera")
    bank.hold = asyncio.Event()
    giving = asyncio.create_task(give(viewer))
    await settle()
    giving.cancel()
    bank.hold.set()
    await settle()
    assert len(host.link.of("gift")) == 1


async def test_pending_gifts_are_settled_at_the_next_start(world, bank):
    host, viewer = await world.host(enable_gifts=True), await world.viewer("Vera")
    bank.answer = PaymentUnknown("away")
    for key in ("k1", "k2"):
        with refused("payment_unavailable"):
            await give(viewer, key=key)
    await world.service.close()
    again = Bank()
    restarted = World(world.store, pay=again)
    await restarted.service.open()
    await settle()
    assert sorted(again.asked) == sorted(world.store.gifts)
    assert {gift.status for gift in world.store.gifts.values()} == {"paid"}
    assert host.link.of("gift") == []
    await restarted.service.close()


async def test_however_many_are_pending_at_the_start_there_is_room_for_a_new_one(world, bank, monkeypatch):
    monkeypatch.setattr(till, "MAX_WAITING", 4)
    await world.host(enable_gifts=True)
    viewer = await world.viewer("Vera")
    bank.answer = PaymentUnknown("not now")
    for key in "abcdefgh":
        with refused("payment_unavailable"):
            await give(viewer, key=key)
    await world.service.close()
    again = Bank()
    again.hold = asyncio.Event()
    restarted = World(world.store, pay=again)
    restarted.session_id = world.session_id
    await restarted.service.open()
    await settle()
    assert len(again.asked) == 2
    viewer.world, viewer.service = restarted, restarted.service
    await viewer.attach()
    giving = asyncio.create_task(give(viewer, key="new"))
    await settle()
    again.hold.set()
    assert (await giving).gift_id == "rose"
    await restarted.service.close()


async def test_stopping_waits_for_a_payment_that_is_under_way(world, bank):
    await world.host(enable_gifts=True)
    viewer = await world.viewer("Vera")
    bank.hold = asyncio.Event()
    giving = asyncio.create_task(give(viewer))
    await settle()
    closing = asyncio.create_task(world.service.close())
    await settle()
    assert not closing.done()
    bank.hold.set()
    await closing
    await giving
    assert {gift.status for gift in world.store.gifts.values()} == {"paid"}


async def test_a_hook_that_hangs_does_not_hold_up_the_room(world, bank):
    host, viewer = await world.host(enable_gifts=True), await world.viewer("Vera")
    bank.hold = asyncio.Event()
    giving = asyncio.create_task(give(viewer))
    await settle()
    await host.manage(viewer, "kick")
    await host.end()
    bank.hold.set()
    assert (await giving).user_id == viewer.identity.user_id


async def test_a_queue_before_a_slow_hook_has_an_end(world, bank, monkeypatch):
    monkeypatch.setattr(till, "MAX_WAITING", 2)
    await world.host(enable_gifts=True)
    viewer = await world.viewer("Vera")
    bank.hold = asyncio.Event()
    giving = [asyncio.create_task(give(viewer, key=key)) for key in ("k1", "k2")]
    await settle()
    with refused("payment_unavailable"):
        await give(viewer, key="k3")
    assert len(world.store.gifts) == 2
    bank.hold.set()
    await asyncio.gather(*giving)
    await give(viewer, key="k3")


async def test_gifts_without_a_chat(world):
    host, viewer = await world.host(enable_gifts=True, enable_chat=False), await world.viewer("Vera")
    await give(viewer)
    await settle()
    assert len(host.link.of("gift")) == 1
    assert host.link.of("message") == []


async def test_refusals(world):
    host = await world.host()
    viewer = await world.viewer("Vera")
    with refused("gifts_disabled"):
        await give(viewer)
    await world.service.update_settings(host.identity, world.session_id, SettingsChange(enable_gifts=True))
    with refused("gift_not_found"):
        await give(viewer, "moon")
    with refused("not_joined"):
        await world.service.send_gift(ANYBODY, world.session_id, "rose", 1, "k")
    with refused("session_not_found"):
        await world.service.send_gift(ANYBODY, str(uuid4()), "rose", 1, "k")
    with refused("session_not_found"):
        await world.service.send_gift(ANYBODY, "nonsense", "rose", 1, "k")
    await host.manage(viewer, "kick")
    with refused("kicked"):
        await give(viewer)
    world.store.down = True
    with refused("database_unavailable"):
        await give(host)


async def test_totals(world):
    host, viewer = await world.host(enable_gifts=True), await world.viewer("Vera")
    await give(viewer, "cake", 2)
    totals = await world.service.gift_totals(host.identity, world.session_id, 10)
    assert (totals.gifts, totals.value) == (2, 40)
    assert [kind.id for kind in await world.service.gift_catalogue(host.identity)] == ["rose", "cake"]
    with refused("session_not_found"):
        await world.service.gift_totals(host.identity, str(uuid4()), 10)
