"""The chat over REST and the WebSocket, with a real database."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from control_api.embedded.postgres import EmbeddedPostgres
from control_api.store import Database
from tests.api.conftest import serve
from tests.support.api import Api, ApiError, User, refused
from tests.support.waiting import until
from tests.support.ws import ProtocolError, WsClient

MESSAGE = {
    *("id", "session_id", "position", "kind", "participant_id", "user_id", "name", "text", "data", "client_id"),
    *("created_at", "deleted_at", "deleted_by"),
}


async def say(user: User, session: dict[str, Any], text: str = "Hello", **members: Any) -> dict[str, Any]:
    body = {"session_id": session["id"], "text": text, **members}
    return dict((await user.call("POST", "/live/send-message", body))["message"])


async def read(user: User, session: dict[str, Any], query: str = "") -> dict[str, Any]:
    return dict(await user.call("GET", f"/live/sessions/{session['id']}/messages{query}"))


async def delete(user: User, session: dict[str, Any], message_id: str) -> dict[str, Any]:
    return dict((await user.call("DELETE", f"/live/sessions/{session['id']}/messages/{message_id}"))["message"])


def texts(page):
    return [message["text"] for message in page["messages"] if message["kind"] == "message"]


async def test_writing_reading_and_deleting_over_rest(host, viewer):
    session = await host.start()
    participant = await viewer.join(session["id"])
    message = await say(viewer, session, "  Hello\x07 you\t👋 \r\n ", client_id="c-1")
    assert set(message) == MESSAGE
    assert (message["text"], message["name"], message["client_id"]) == ("Hello you 👋", viewer.name, "c-1")
    assert (message["user_id"], message["participant_id"]) == (viewer.user_id, participant["id"])
    assert await say(viewer, session, "again", client_id="c-1") == message
    await say(host, session, "Welcome")
    page = await read(viewer, session)
    assert texts(page) == ["Hello you 👋", "Welcome"]
    assert message in page["messages"]
    assert page["more"] is False

    deleted = await delete(viewer, session, message["id"])
    assert (deleted["text"], deleted["deleted_by"]) == ("", viewer.user_id)
    assert texts(await read(host, session)) == ["", "Welcome"]


async def test_events_and_replies_on_the_socket(host, viewer):
    session = await host.start()
    hana, vera = await WsClient.open(host, session["id"]), await WsClient.open(viewer, session["id"])
    try:
        assert hana.welcome["messages"] == []
        assert hana.welcome["more_messages"] is False
        reply = await vera.request("send_message", text="Hello", client_id="c")
        assert reply["type"] == "message"
        again = await vera.request("send_message", text="Hello", client_id="c")
        assert again["message"] == reply["message"]
        for client in (hana, vera):
            event = await client.wait_for("message", lambda event: event["message"]["kind"] == "message")
            assert event == {"type": "message", "message": reply["message"]}
        over_rest = await say(host, session, "Hi")
        event = await vera.wait_for("message", lambda event: event["message"]["text"] == "Hi")
        assert event["message"] == over_rest
        assert len([e for e in vera.events if e["type"] == "message" and e["message"]["kind"] == "message"]) == 2

        message_id = reply["message"]["id"]
        with pytest.raises(ProtocolError, match=r"^forbidden:"):
            await vera.request("delete_message", message_id=over_rest["id"])
        assert (await hana.request("delete_message", message_id=message_id))["type"] == "ok"
        event = await vera.wait_for("message_deleted")
        assert event == {
            "type": "message_deleted",
            "message_id": message_id,
            "position": reply["message"]["position"],
            "deleted_by": host.user_id,
        }
    finally:
        await hana.close()
        await vera.close()


async def test_the_server_says_who_came_was_let_up_and_thrown_out(host, viewer):
    session = await host.start()
    client = await WsClient.open(host, session["id"])
    try:
        participant = await viewer.join(session["id"])
        request = await viewer.request_guest(session["id"])
        await host.respond(session["id"], request["id"], True)
        await host.manage(session["id"], participant["id"], "promote")
        await host.manage(session["id"], participant["id"], "kick")
        await client.wait_for("message", lambda event: event["message"]["data"].get("event") == "kicked")
        page = await read(host, session)
        lines = [message["data"] for message in page["messages"]]
        # A line about who came may take its time.
        assert [line["event"] for line in lines if line["event"] != "joined"] == ["approved", "promoted", "kicked"]
        assert {(line["user_id"], line["name"]) for line in lines} == {(viewer.user_id, viewer.name)}
    finally:
        await client.close()


async def test_refusals(api, host, viewer):
    session = await host.start()
    for user in (viewer, await api.user("Nobody")):
        with refused(409, "not_joined"):
            await say(user, session)
        with refused(409, "not_joined"):
            await read(user, session)
    await viewer.join(session["id"])
    for text in ("", "  \n ", "\x00", "x" * 501, "\n".join("x" * 11), "\u200b"):
        with refused(422, "invalid_request"):
            await say(viewer, session, text)
    for members in ({"client_id": ""}, {"client_id": "x" * 65}, {"client_id": 5}, {"kind": "system"}, {"text": 5}):
        with refused(422, "invalid_request"):
            await say(viewer, session, **({"text": "Hello"} | members))
    with refused(404, "session_not_found"):
        await say(viewer, {"id": "nonsense"})
    with refused(404, "session_not_found"):
        await read(viewer, {"id": "nonsense"})
    with refused(404, "message_not_found"):
        await delete(viewer, session, "nonsense")
    message = await say(host, session)
    with refused(403, "forbidden"):
        await delete(viewer, session, message["id"])
    for query in (
        "?limit=0",
        "?limit=201",
        "?before=-1",
        "?after=x",
        "?before=1&after=1",
        f"?before={2**63}",
        "?page=1",
    ):
        with refused(422, "invalid_request"):
            await read(viewer, session, query)
    assert texts(await read(host, session)) == ["Hello"]


async def test_silence_slow_mode_and_a_chat_that_is_off(host, viewer):
    session = await host.start(slow_mode_s=600)
    participant = await viewer.join(session["id"])
    await say(viewer, session, "one")
    with refused(429, "slow_mode"):
        await say(viewer, session, "two")
    headers = {"Authorization": f"Bearer {viewer.token}"}
    body = {"session_id": session["id"], "text": "two"}
    async with viewer.api.http.post(f"{viewer.api.base_url}/live/send-message", json=body, headers=headers) as answer:
        assert 590 < int(answer.headers["Retry-After"]) <= 600
    await say(host, session, "I may")
    await say(host, session, "at any time")
    await host.manage(session["id"], participant["id"], "silence")
    with refused(403, "silenced"):
        await say(viewer, session, "three")
    await host.call("PATCH", f"/live/sessions/{session['id']}/settings", {"enable_chat": False})
    with refused(403, "chat_disabled"):
        await say(host, session, "four")
    assert texts(await read(viewer, session)) == ["one", "I may", "at any time"]


async def test_five_hundred_messages_from_many_at_once_are_paged_in_order(api, host):
    session = await host.start()
    writers = [await api.user("Writer") for _ in range(5)]
    for writer in writers:
        await writer.join(session["id"])

    async def write(writer: User, name: int) -> None:
        for number in range(100):
            await say(writer, session, f"{name}:{number}")

    await asyncio.gather(*(write(writer, name) for name, writer in enumerate(writers)))
    seen: list[dict[str, Any]] = []
    query = "?limit=70"
    while True:
        page = await read(host, session, query)
        seen = page["messages"] + seen
        if not page["more"]:
            break
        query = f"?limit=70&before={seen[0]['position']}"
    written = texts({"messages": seen})
    assert len(written) == len(set(written)) == 500
    for name in range(5):
        assert [text for text in written if text.startswith(f"{name}:")] == [f"{name}:{n}" for n in range(100)]
    forward, after = [], 0
    while True:
        page = await read(host, session, f"?limit=200&after={after}")
        forward += page["messages"]
        after = forward[-1]["position"]
        if not page["more"]:
            break
    # Those who join together are told of in one line, which may have come since.
    assert [message["id"] for message in forward[: len(seen)]] == [message["id"] for message in seen]

    late = await WsClient.open(await api.user("Late"), session["id"])
    try:
        told = texts({"messages": late.welcome["messages"]})
        assert told
        assert len(late.welcome["messages"]) == 50
        assert told == written[-len(told) :]
        assert late.welcome["more_messages"] is True
    finally:
        await late.close()


async def test_who_was_there_reads_on_after_the_end(api, host, viewer):
    session = await host.start()
    await viewer.join(session["id"])
    kim = await api.user("Kim")
    participant = await kim.join(session["id"])
    message = await say(viewer, session, "Bye")
    await host.manage(session["id"], participant["id"], "kick")
    with refused(403, "kicked"):
        await read(kim, session)
    await host.end(session["id"])
    for user in (host, viewer):
        assert texts(await read(user, session)) == ["Bye"]
    for user in (kim, await api.user("Stranger")):
        with refused(403, "forbidden"):
            await read(user, session)
    with refused(410, "session_ended"):
        await say(viewer, session)
    await delete(host, session, message["id"])
    assert texts(await read(viewer, session)) == [""]


async def test_a_chat_goes_on_after_a_restart(served, api, host, viewer):
    session = await host.start()
    await viewer.join(session["id"])
    message = await say(viewer, session, "before", client_id="c")
    room = served.service._rooms.pop(session["id"])
    room.close_links(1001, "server_stopping")
    await served.service._recover(session["id"])
    client = await WsClient.open(host, session["id"])
    try:
        assert texts({"messages": client.welcome["messages"]}) == ["before"]
        assert await say(viewer, session, "before", client_id="c") == message
        await say(viewer, session, "after")
        await client.wait_for("message", lambda event: event["message"]["text"] == "after")
        assert not [e for e in client.events if e["type"] == "message" and e["message"]["text"] == "before"]
    finally:
        await client.close()


async def test_a_database_that_is_away_costs_refusals_and_nothing_else(embedded_postgres, static_dir):
    database = Database(await embedded_postgres.start())
    try:
        await database.migrate()
        await database.connect()
        async for served in serve(database, static_dir, dev_tokens=True):
            async with Api(served.url) as api:
                await _outlive(api, embedded_postgres)
    finally:
        await database.close()


async def _outlive(api: Api, postgres: EmbeddedPostgres) -> None:
    host, viewer = await api.user("Hana"), await api.user("Vera")
    session = await host.start()
    hana, vera = await WsClient.open(host, session["id"]), await WsClient.open(viewer, session["id"])
    await say(viewer, session, "before")
    await postgres.stop()
    headers = {"Authorization": f"Bearer {viewer.token}"}
    for _ in range(3):
        body = {"session_id": session["id"], "text": "meanwhile", "client_id": "m"}
        async with api.http.post(f"{api.base_url}/live/send-message", json=body, headers=headers) as answer:
            assert answer.status == 503
            assert int(answer.headers["Retry-After"]) >= 1
    # What needs no database goes on, and who loses the socket comes back.
    assert (await hana.request("set_muted", kind="audio", muted=True))["type"] == "ok"
    await vera.drop()
    vera = await WsClient.open(viewer, session["id"], resume=vera.resume_token)
    assert vera.welcome["resumed"]

    await postgres.start()

    async def again() -> bool:
        try:
            return bool(await say(viewer, session, "meanwhile", client_id="m"))
        except ApiError as failure:
            return failure.code != "database_unavailable"

    await until(again, "a message after the outage")
    await say(viewer, session, "after")
    await hana.wait_for("message", lambda event: event["message"]["text"] == "after")
    heard = [event["message"] for event in hana.events if event["type"] == "message"]
    assert texts({"messages": heard}) == texts(await read(host, session)) == ["before", "meanwhile", "after"]
    await hana.close()
    await vera.close()
