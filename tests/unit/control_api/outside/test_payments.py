from __future__ import annotations

import asyncio
import json
import threading
from contextlib import AsyncExitStack
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from control_api.outside import payments
from control_api.outside.payment_service import ServicePayments
from control_api.outside.payments import FunctionPayments, PaymentSetupError, load, open_payments
from control_api.settings import Settings
from signaling.gift_model import PaymentUnknown, for_free
from tests.support.gifts import GIFT


def charge(payment: dict[str, Any]) -> bool:
    return bool(payment["value"] == 40)


class Purse:
    async def charge(self, payment: dict[str, Any]) -> bool:
        return charge(payment)


purse = Purse()
no_function = 7


@pytest.mark.parametrize("path", ["charge", "purse.charge"])
async def test_a_function_of_the_operator_decides(path: str) -> None:
    pay = FunctionPayments(load(f"{__name__}:{path}"), 5)
    assert await pay(GIFT) is True
    assert await pay(GIFT.model_copy(update={"value": 41})) is False


async def test_it_is_told_who_pays_whom_how_much() -> None:
    told: list[dict[str, Any]] = []

    async def hears(payment: dict[str, Any]) -> bool:
        told.append(payment)
        return True

    await FunctionPayments(hears, 5)(GIFT)
    assert told == [json.loads(json.dumps(told[0]))]
    assert told[0] == {
        "id": GIFT.id,
        "session_id": GIFT.session_id,
        "host_user_id": "hana",
        "user_id": "vera",
        "name": "Vera",
        "gift_id": "cake",
        "gift_name": "Cake",
        "quantity": 2,
        "value": 40,
        "created_at": "2026-01-02T00:00:00Z",
    }


async def test_a_callable_object_may_be_async() -> None:
    class Asks:
        async def __call__(self, payment: dict[str, Any]) -> bool:
            return True

    assert await FunctionPayments(Asks(), 5)(GIFT) is True


@pytest.mark.parametrize("answer", [None, 1, "yes", {}])
async def test_only_true_and_false_are_answers(answer: Any) -> None:
    with pytest.raises(PaymentUnknown, match="bool"):
        await FunctionPayments(lambda payment: answer, 5)(GIFT)


async def test_what_a_hook_raises_comes_through() -> None:
    def broken(payment: dict[str, Any]) -> bool:
        raise KeyError("no account")

    with pytest.raises(KeyError):
        await FunctionPayments(broken, 5)(GIFT)


async def test_an_async_hook_that_hangs_is_given_up() -> None:
    async def hangs(payment: dict[str, Any]) -> bool:
        await asyncio.Event().wait()
        return True

    with pytest.raises(PaymentUnknown, match="no answer within"):
        await FunctionPayments(hangs, 0.01)(GIFT)


async def test_a_hook_that_hangs_in_a_thread_is_given_up_and_can_not_take_all_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(payments, "THREADS", 2)
    go_on = threading.Event()
    pay = FunctionPayments(lambda payment: go_on.wait(), 0.01)
    for _ in range(2):
        with pytest.raises(PaymentUnknown, match="no answer within"):
            await pay(GIFT)
    with pytest.raises(PaymentUnknown, match="too many threads"):
        await pay(GIFT)
    go_on.set()
    while pay._threads:
        await asyncio.sleep(0)
    assert await FunctionPayments(lambda payment: go_on.wait(), 5)(GIFT) is True


@pytest.mark.parametrize(
    "hook", ["no.such.module:f", f"{__name__}:missing", f"{__name__}:purse.missing", f"{__name__}:no_function"]
)
def test_what_is_no_function_ends_the_start(hook: str) -> None:
    with pytest.raises(PaymentSetupError, match="GREENROOM_PAYMENT_HOOK"):
        load(hook)


SECRET = SecretStr("a secret of the tests, 32 bytes and more")


async def test_what_the_settings_choose() -> None:
    async with AsyncExitStack() as stack:
        assert await open_payments(Settings(), stack) is for_free
        assert await for_free(GIFT) is True
        function = await open_payments(Settings(payment_hook=f"{__name__}:charge"), stack)
        assert isinstance(function, FunctionPayments)
        address = Settings(payment_hook="https://pay.example/charge", payment_secret=SECRET)
        assert isinstance(await open_payments(address, stack), ServicePayments)


@pytest.mark.parametrize(
    "wrong",
    [
        {"payment_hook": "https://pay.example"},
        {"payment_hook": "http://pay.example", "payment_secret": SECRET},
        {"payment_hook": "https://user:word@pay.example", "payment_secret": SECRET},
        {"payment_hook": "nonsense", "payment_secret": SECRET},
        {"payment_hook": "https://pay.example", "payment_secret": SecretStr("short")},
        {"payment_hook": "a:b", "payment_secret": SECRET},
        {"payment_secret": SECRET},
        {"payment_timeout_s": 0},
    ],
)
def test_settings_that_do_not_fit(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Settings(**wrong)
