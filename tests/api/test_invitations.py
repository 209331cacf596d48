"""Requests and invitations over REST and the WebSocket, with a real database and its policies."""

import aiohttp
import pytest

from control_api.store import PostgresStore
from signaling.registry import ServiceConfig
from signaling.service import RoomService
from tests.support.api import refused
from tests.support.audit import acts
from tests.support.fakes import FakePlane
from tests.support.ws import ProtocolError, WsClient


@pytest.fixture
async def other(api):
    return await api.user("Otto")


async def invite(host, session_id, participant_id):
    body = {"session_id": session_id, "participant_id": participant_id}
    return (await host.call("POST", "/live/invite-guest", body))["request"]


async def answer(person, session_id, request_id, accept):
    body = {"session_id": session_id, "request_id": request_id, "accept": accept}
    return (await person.call("POST", "/live/respond-invitation", body))["request"]


async def test_an_invitation_over_rest(served, host, viewer, other):
    session_id = (await host.start())["id"]
    me = await viewer.join(session_id)
    await other.join(session_id)
    invitation = await invite(host, session_id, me["id"])
    assert (invitation["kind"], invitation["status"], invitation["invited_by"]) == (
        *("invitation", "pending", host.user_id),
    )
    pending = (await host.call("GET", f"/live/sessions/{session_id}/guest-requests"))["guest_requests"]
    assert pending == [invitation]
    with refused(409, "invitation_pending"):
        await viewer.request_guest(session_id)
    with refused(404, "request_not_found"):
        await answer(other, session_id, invitation["id"], True)
    with refused(404, "request_not_found"):
        await host.respond(session_id, invitation["id"], True)
    assert (await answer(viewer, session_id, invitation["id"], True))["status"] == "approved"
    assert (await host.session(session_id))["guest_count"] == 1
    with refused(409, "request_answered"):
        await answer(viewer, session_id, invitation["id"], True)
    with refused(409, "already_on_stage"):
        await invite(host, session_id, me["id"])
    assert await acts(served.database, session_id, "guest_invited", "guest_request_answered", "role_changed") == [
        ("guest_invited", host.user_id, viewer.user_id),
        ("guest_request_answered", viewer.user_id, viewer.user_id),
        ("role_changed", viewer.user_id, viewer.user_id),
    ]


async def test_declining_and_withdrawing(served, host, viewer):
    session_id = (await host.start())["id"]
    me = await viewer.join(session_id)
    first = await invite(host, session_id, me["id"])
    assert (await answer(viewer, session_id, first["id"], False))["status"] == "rejected"
    second = await invite(host, session_id, me["id"])
    body = {"session_id": session_id, "request_id": second["id"]}
    with refused(403, "forbidden"):
        await viewer.call("POST", "/live/cancel-invitation", body)
    assert (await host.call("POST", "/live/cancel-invitation", body))["request"]["status"] == "cancelled"
    with refused(409, "request_answered"):
        await answer(viewer, session_id, second["id"], True)
    # Nobody was turned down by the host, so nobody has to wait.
    assert (await viewer.request_guest(session_id))["status"] == "pending"
    assert await acts(served.database, session_id, "guest_request_answered") == [
        ("guest_request_answered", viewer.user_id, viewer.user_id),
        ("guest_request_answered", host.user_id, viewer.user_id),
    ]


async def test_an_invitation_over_the_websocket(host, viewer):
    session_id = (await host.start())["id"]
    theirs = await WsClient.open(viewer, session_id)
    mine = await WsClient.open(host, session_id)
    reply = await mine.request("invite_guest", participant_id=theirs.participant_id)
    assert (reply["type"], reply["request"]["kind"]) == ("guest_request_created", "invitation")
    invited = await theirs.wait_for("invited")
    assert invited["request"] == reply["request"]
    with pytest.raises(ProtocolError, match="request_not_found"):
        await mine.request("respond_guest_request", request_id=reply["request"]["id"], approve=True)
    await theirs.request("respond_invitation", request_id=reply["request"]["id"], accept=True)
    told = await mine.wait_for("guest_request_updated")
    assert (told["request"]["status"], told["request"]["kind"]) == ("approved", "invitation")
    assert (await mine.wait_for("participant_updated", lambda e: e["participant"]["role"] == "guest")) is not None
    for client in (mine, theirs):
        await client.close()


async def test_who_is_invited_and_leaves(served, host, viewer):
    session_id = (await host.start())["id"]
    me = await viewer.join(session_id)
    await invite(host, session_id, me["id"])
    await viewer.leave(session_id)
    assert (await host.call("GET", f"/live/sessions/{session_id}/guest-requests"))["guest_requests"] == []
    # Neither accepted nor declined: the server took it back.
    assert await acts(served.database, session_id, "guest_request_answered") == [
        ("guest_request_answered", None, viewer.user_id)
    ]


async def test_taking_a_request_back_over_rest(host, viewer):
    session_id = (await host.start())["id"]
    await viewer.join(session_id)
    with refused(404, "request_not_found"):
        await viewer.call("POST", "/live/cancel-request", {"session_id": session_id})
    request = await viewer.request_guest(session_id)
    cancelled = (await viewer.call("POST", "/live/cancel-request", {"session_id": session_id}))["request"]
    assert (cancelled["id"], cancelled["status"]) == (request["id"], "cancelled")
    await viewer.request_guest(session_id)


async def test_who_was_rejected_is_told_how_long_to_wait_after_a_restart_too(served, host, viewer):
    session_id = (await host.start())["id"]
    await viewer.join(session_id)
    await host.respond(session_id, (await viewer.request_guest(session_id))["id"], False)
    headers, body = {"Authorization": f"Bearer {viewer.token}"}, {"session_id": session_id}
    async with (
        aiohttp.ClientSession(served.url, headers=headers) as http,
        http.post("/live/request-guest", json=body) as response,
    ):
        assert response.status == 429
        assert (await response.json())["error"]["code"] == "request_too_soon"
        assert 1 <= int(response.headers["Retry-After"]) <= 60
    again = RoomService(PostgresStore(served.database), FakePlane(), ServiceConfig())
    await again.open()
    assert again._rooms[session_id].may_ask_at.keys() == {viewer.user_id}
    await again.close()


async def test_a_request_expires_as_the_servers_own_act(served, host, viewer):
    session_id = (await host.start())["id"]
    await viewer.join(session_id)
    request = await viewer.request_guest(session_id)
    room = served.service._rooms[session_id]
    room.open_request(room.requests[request["id"]], until=0)
    await served.service.sweep()
    with refused(409, "request_answered"):
        await host.respond(session_id, request["id"], True)
    assert await acts(served.database, session_id, "guest_request_answered") == [
        ("guest_request_answered", None, viewer.user_id)
    ]


async def test_answering_all(served, api, host):
    session_id = (await host.start(max_guests=2))["id"]
    people = [await api.user(f"V{n}") for n in range(4)]
    for person in people:
        await person.join(session_id)
        await person.request_guest(session_id)
    body = {"session_id": session_id, "approve": True}
    with refused(403, "forbidden"):
        await people[0].call("POST", "/live/respond-all", body)
    assert await host.call("POST", "/live/respond-all", body) == {"answered": 2, "waiting": 2}
    assert (await host.session(session_id))["guest_count"] == 2
    assert await host.call("POST", "/live/respond-all", body | {"approve": False}) == {"answered": 2, "waiting": 0}
    assert await host.call("POST", "/live/clear-requests", {"session_id": session_id}) == {"cleared": 0}
    answered = await acts(served.database, session_id, "guest_request_answered")
    assert answered == [("guest_request_answered", host.user_id, person.user_id) for person in people]


async def test_lowering_all_hands(api, host, viewer, other):
    session_id = (await host.start())["id"]
    mine, theirs = await WsClient.open(host, session_id), await WsClient.open(viewer, session_id)
    await other.join(session_id)
    await theirs.request("request_guest")
    await other.request_guest(session_id)
    await mine.request("clear_requests")
    assert (await theirs.wait_for("guest_request_updated"))["request"]["status"] == "cancelled"
    assert (await theirs.request("request_guest"))["type"] == "guest_request_created"
    answer = await mine.request("respond_all", approve=True)
    assert (answer["type"], answer["answered"], answer["waiting"]) == ("answered", 1, 0)
    for client in (mine, theirs):
        await client.close()
