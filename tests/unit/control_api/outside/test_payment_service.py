"""Against a real server on loopback."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from control_api.outside.payment_service import MAX_ANSWER_BYTES, ServicePayments
from signaling.gift_model import PaymentUnknown
from tests.support.gifts import GIFT

SECRET = b"a secret of the tests, 32 bytes and more"


class Service:
    """What it was asked, and what it answers."""

    def __init__(self) -> None:
        self.asked: list[tuple[dict[str, str], bytes]] = []
        self.answer: Callable[[], Awaitable[web.StreamResponse]] = self.paid
        self.url = ""

    async def paid(self) -> web.StreamResponse:
        return web.json_response({"paid": True})

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((dict(request.headers), await request.read()))
        return await self.answer()


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    service = Service()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", service.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    service.url = f"http://127.0.0.1:{runner.addresses[0][1]}/pay"
    yield service
    await runner.cleanup()


@pytest.fixture
async def pay(service: Service) -> AsyncIterator[ServicePayments]:
    pay = ServicePayments(service.url, SECRET, 0.5)
    yield pay
    await pay.close()


def answers(text: str, status: int = 200, **headers: str) -> Callable[[], Awaitable[web.StreamResponse]]:
    async def answer() -> web.StreamResponse:
        return web.Response(text=text, status=status, headers=headers)

    return answer


async def test_it_decides(service: Service, pay: ServicePayments) -> None:
    assert await pay(GIFT) is True
    service.answer = answers('{"paid": false, "reason": "no money"}')
    assert await pay(GIFT) is False


async def test_the_request_is_signed_and_names_the_gift(service: Service, pay: ServicePayments) -> None:
    await pay(GIFT)
    ((headers, body),) = service.asked
    sent_at, _, given = headers["Greenroom-Signature"].partition(",v1=")
    expected = hmac.new(SECRET, sent_at.removeprefix("t=").encode() + b"." + body, hashlib.sha256).hexdigest()
    assert given == expected
    assert headers["Idempotency-Key"] == GIFT.id
    payment = json.loads(body)
    assert (payment["id"], payment["user_id"], payment["host_user_id"], payment["value"]) == (
        *(GIFT.id, "vera"),
        *("hana", 40),
    )


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("", 200),
        ("yes", 200),
        ("[true]", 200),
        ("{}", 200),
        ('{"paid": 1}', 200),
        ('{"paid": "true"}', 200),
        ('{"paid": null}', 200),
        (" " * MAX_ANSWER_BYTES + '{"paid": true}', 200),
        ('{"paid": true}', 201),
        ('{"paid": true}', 402),
        ('{"paid": true}', 500),
    ],
)
async def test_whatever_else_it_says_is_no_answer(
    service: Service, pay: ServicePayments, text: str, status: int
) -> None:
    service.answer = answers(text, status)
    with pytest.raises(PaymentUnknown) as failure:
        await pay(GIFT)
    assert "paid" not in str(failure.value) or status == 200


async def test_redirects_are_not_followed(service: Service, pay: ServicePayments) -> None:
    service.answer = answers('{"paid": true}', 307, Location="/elsewhere")
    with pytest.raises(PaymentUnknown):
        await pay(GIFT)
    assert len(service.asked) == 1


async def test_a_service_that_hangs_or_is_away(service: Service, pay: ServicePayments) -> None:
    async def hang() -> web.StreamResponse:
        await asyncio.Event().wait()
        return await service.paid()

    service.answer = hang
    with pytest.raises(PaymentUnknown, match="no answer within"):
        await pay(GIFT)
    away = ServicePayments("http://127.0.0.1:9/", SECRET, 0.5)
    with pytest.raises(PaymentUnknown, match="no answer"):
        await away(GIFT)
    await away.close()
