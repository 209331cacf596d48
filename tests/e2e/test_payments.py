"""A service that decides about payments, and a server that dies while it does."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from aiohttp import ClientError, web

from tests.support.api import Api
from tests.support.server import Server
from tests.support.waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

SECRET = "a secret of the tests, 32 bytes and more"


class Bank:
    """Charges each payment once. The first question is never answered."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.charged: dict[str, int] = {}
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        sent_at, _, given = request.headers["Greenroom-Signature"].removeprefix("t=").partition(",v1=")
        expected = hmac.new(SECRET.encode(), sent_at.encode() + b"." + body, hashlib.sha256).hexdigest()
        if given != expected:
            return web.Response(status=401)
        payment = json.loads(body)
        self.asked.append(payment["id"])
        self.charged.setdefault(payment["id"], payment["value"])
        if len(self.asked) == 1:
            await asyncio.Event().wait()
        return web.json_response({"paid": True})


@pytest_asyncio.fixture(loop_scope="session")
async def bank() -> AsyncIterator[Bank]:
    bank = Bank()
    app = web.Application()
    app.router.add_post("/pay", bank.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    bank.url = f"http://127.0.0.1:{runner.addresses[0][1]}/pay"
    yield bank
    await runner.cleanup()


async def test_a_gift_whose_payment_a_crash_cut_off_is_charged_once_and_counts(
    start_server: Callable[..., Server], bank: Bank
) -> None:
    server = start_server(payment_hook=bank.url, payment_secret=SECRET, reactions="wave,heart")
    async with Api(server.url) as api:
        host, viewer = await api.user("Hana"), await api.user("Vera")
        session_id = (await host.start(enable_gifts=True))["id"]
        await viewer.join(session_id)
        gift = {"session_id": session_id, "gift_id": "cake", "quantity": 2, "key": "mine"}
        giving = asyncio.create_task(viewer.call("POST", "/live/send-gift", gift))
        await until(lambda: bool(bank.asked), "the bank is asked")
        reaction = {"session_id": session_id, "type": "wave", "count": 5}
        await viewer.call("POST", "/live/react", reaction)
        await asyncio.to_thread(server.kill)
        with pytest.raises(ClientError):
            await giving
    await asyncio.to_thread(server.start)
    await until(lambda: len(bank.asked) == 2, "the bank is asked again")
    async with Api(server.url) as api:
        viewer.api = host.api = api

        async def counted() -> bool:
            totals = await viewer.call("GET", f"/live/sessions/{session_id}/gifts")
            return (totals["gifts"], totals["value"]) == (2, 40)

        await until(counted, "the gift counts")
        answer = await viewer.call("POST", "/live/send-gift", gift)
        assert bank.asked == [answer["gift"]["id"]] * 2
        assert bank.charged == {answer["gift"]["id"]: 40}
        totals = await viewer.call("GET", f"/live/sessions/{session_id}/reactions")
        assert totals["totals"] == {"wave": 5, "heart": 0}
        messages = (await viewer.call("GET", f"/live/sessions/{session_id}/messages"))["messages"]
        assert [line["data"]["gift_id"] for line in messages if line["kind"] == "gift"] == ["cake"]
        stats = (await host.call("POST", "/live/end", {"session_id": session_id}))["stats"]
        assert (stats["gifts"], stats["gift_value"], stats["reactions"]) == (2, 40, {"wave": 5})
    await asyncio.to_thread(server.stop)
