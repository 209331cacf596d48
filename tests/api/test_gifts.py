"""Gifts over both faces of the API."""

from __future__ import annotations

import asyncio

import pytest

from signaling.till import Till
from tests.support.api import refused
from tests.support.waiting import until
from tests.support.ws import ProtocolError, SocketClosed, WsClient


class Bank:
    def __init__(self):
        self.asked = []
        self.answer = True
        self.hold = None

    async def __call__(self, gift):
        self.asked.append((gift.user_id, gift.host_user_id, gift.value))
        if self.hold is not None:
            await self.hold.wait()
        return self.answer


@pytest.fixture
def bank(served):
    bank = Bank()
    served.service._till = Till(served.service._store, bank, served.service._live_room)
    return bank


async def give(user, session_id, gift_id="rose", key="k", **quantity):
    body = {"session_id": session_id, "gift_id": gift_id, "key": key, **quantity}
    return (await user.call("POST", "/live/send-gift", body))["gift"]


async def test_the_catalogue(viewer):
    gifts = (await viewer.call("GET", "/live/gifts"))["gifts"]
    assert gifts[0] == {"id": "rose", "name": "Rose", "icon": "🌹", "value": 1}
    assert [gift["value"] for gift in gifts] == sorted(gift["value"] for gift in gifts)


async def test_both_faces(bank, host, viewer):
    session_id = (await host.start(enable_gifts=True))["id"]
    watching, giving = await WsClient.open(host, session_id), await WsClient.open(viewer, session_id)
    gift = await give(viewer, session_id, "cake", quantity=3)
    assert (gift["user_id"], gift["gift_name"], gift["value"]) == (viewer.user_id, "Cake", 60)
    assert (await watching.wait_for("gift"))["gift"] == gift
    assert (await watching.wait_for("message", lambda event: event["message"]["kind"] == "gift"))["message"]["data"][
        "gift_id"
    ] == "cake"
    answer = await giving.request("send_gift", gift_id="cake", quantity=3, key="k")
    assert (answer["type"], answer["gift"]) == ("gift_sent", gift)
    again = (await giving.request("send_gift", gift_id="rose", key="k2"))["gift"]
    assert bank.asked == [(viewer.user_id, host.user_id, 60), (viewer.user_id, host.user_id, 1)]
    totals = await viewer.call("GET", f"/live/sessions/{session_id}/gifts")
    sender = {"user_id": viewer.user_id, "name": viewer.name, "gifts": 4, "value": 61}
    assert totals == {"gifts": 4, "value": 61, "senders": [sender]}
    ended = await host.call("POST", "/live/end", {"session_id": session_id})
    assert (ended["stats"]["gifts"], ended["stats"]["gift_value"]) == (4, 61)
    assert await give(viewer, session_id, "rose", "k2") == again
    assert (await host.call("GET", f"/live/sessions/{session_id}/gifts"))["value"] == 61
    for socket in (watching, giving):
        await socket.close()


async def test_a_payment_that_takes_its_time_holds_up_nothing_else(bank, host, viewer):
    session_id = (await host.start(enable_gifts=True))["id"]
    socket = await WsClient.open(viewer, session_id)
    bank.hold = asyncio.Event()
    giving = asyncio.create_task(socket.request("send_gift", gift_id="rose", key="k"))
    assert (await socket.request("ping"))["type"] == "pong"
    assert (await socket.request("react", reaction="heart"))["type"] == "reacted"
    assert not giving.done()
    bank.hold.set()
    assert (await giving)["gift"]["gift_id"] == "rose"
    await socket.close()


async def test_a_session_that_ends_during_the_payment_counts_the_gift(bank, host, viewer):
    session_id = (await host.start(enable_gifts=True))["id"]
    await viewer.join(session_id)
    bank.hold = asyncio.Event()
    giving = asyncio.create_task(give(viewer, session_id, "coffee"))
    await until(lambda: bool(bank.asked), "the payment is under way")
    assert (await host.call("POST", "/live/end", {"session_id": session_id}))["stats"]["gifts"] == 0
    bank.hold.set()
    await giving
    stats = (await host.call("GET", f"/live/sessions/{session_id}/stats"))["stats"]
    assert (stats["gifts"], stats["gift_value"]) == (1, 5)


async def test_refusals(bank, api, host, viewer):
    session_id = (await host.start())["id"]
    await viewer.join(session_id)
    with refused(403, "gifts_disabled"):
        await give(viewer, session_id)
    await host.call("PATCH", f"/live/sessions/{session_id}/settings", {"enable_gifts": True})
    with refused(404, "gift_not_found"):
        await give(viewer, session_id, "moon")
    stranger = await api.user("Sam")
    with refused(409, "not_joined"):
        await give(stranger, session_id)
    with refused(403, "forbidden"):
        await stranger.call("GET", f"/live/sessions/{session_id}/gifts")
    bank.answer = False
    with refused(402, "payment_refused"):
        await give(viewer, session_id)
    socket = await WsClient.open(viewer, session_id)
    with pytest.raises(ProtocolError, match=r"^payment_refused"):
        await socket.request("send_gift", gift_id="rose", key="k")
    await socket.close()
    bank.answer = None
    bank.asked.clear()
    with refused(422, "invalid_request"):
        await give(viewer, session_id, "cake")
    assert bank.asked == []
    for wrong in (
        *({"quantity": 0}, {"quantity": 1001}, {"quantity": "1"}, {"gift_id": "A"}, {"gift_id": ""}),
        *({"key": ""}, {"key": "k" * 65}, {"key": "two words"}, {"key": "\x00"}, {"key": None}, {"more": 1}),
    ):
        with refused(422, "invalid_request"):
            body = {"session_id": session_id, "gift_id": "rose", "key": "k9"} | wrong
            await viewer.call("POST", "/live/send-gift", body)
    with refused(404, "session_not_found"):
        await give(viewer, "nonsense")
    for query in ("limit=0", "limit=201", "x=1"):
        with refused(422, "invalid_request"):
            await viewer.call("GET", f"/live/sessions/{session_id}/gifts?{query}")


async def test_a_payment_that_is_not_known(bank, served, host, viewer):
    session_id = (await host.start(enable_gifts=True))["id"]
    await viewer.join(session_id)

    async def broken(gift):
        raise RuntimeError("secrets of the operator")

    served.service._till = Till(served.service._store, broken, served.service._live_room)
    with refused(503, "payment_unavailable") as failure:
        await give(viewer, session_id)
    assert "secrets" not in str(failure.value)
    served.service._till = Till(served.service._store, bank, served.service._live_room)
    assert (await give(viewer, session_id))["gift_id"] == "rose"


async def test_who_leaves_during_the_payment_has_given_all_the_same(bank, host, viewer):
    session_id = (await host.start(enable_gifts=True))["id"]
    watching, socket = await WsClient.open(host, session_id), await WsClient.open(viewer, session_id)
    bank.hold = asyncio.Event()
    giving = asyncio.create_task(socket.request("send_gift", gift_id="rose", key="k"))
    await until(lambda: bool(bank.asked), "the payment is under way")
    assert (await socket.request("leave"))["type"] == "ok"
    with pytest.raises(SocketClosed) as closed:
        await giving
    assert closed.value.code == 1000
    bank.hold.set()
    assert (await watching.wait_for("gift"))["gift"]["user_id"] == viewer.user_id
    await watching.close()
