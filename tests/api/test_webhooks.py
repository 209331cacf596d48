"""Webhooks from what a user does to what a receiver gets, with a real database in between."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from control_api.embedded.postgres import EmbeddedPostgres
from control_api.outside.webhook_format import signature
from control_api.outside.webhooks import Webhooks, WebhookTimings
from control_api.store import Database, PostgresStore, WebhookOutbox
from signaling.model import SessionSettings
from signaling.ports import Identity
from signaling.registry import ServiceConfig
from signaling.service import RoomService
from tests.api.conftest import Served
from tests.support.api import Api
from tests.support.fakes import FakePlane
from tests.support.receiver import Receiver, answering, holding, receiving
from tests.support.waiting import until

SECRET = b"0123456789abcdef0123456789abcdef"
# Requests may take long: a database that is stopped on a busy machine does, and meanwhile one is held up.
QUICK = WebhookTimings(
    request_s=120, lease_s=600, poll_s=0.02, first_retry_s=0.02, max_retry_s=0.1, database_retry_s=0.05, close_s=0.2
)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
async def webhooks(served: Served, receiver: Receiver) -> AsyncIterator[Webhooks]:
    webhooks = Webhooks(WebhookOutbox(served.database), [receiver.url], SECRET, timings=QUICK)
    await webhooks.open()
    yield webhooks
    await webhooks.close()


async def outbox_is_empty(database: Database) -> bool:
    async with database.transaction() as connection:
        return not await connection.fetchval("select exists (select from live_webhook_outbox)")


async def test_a_session_as_a_receiver_sees_it(
    served: Served, api: Api, webhooks: Webhooks, receiver: Receiver
) -> None:
    host, viewer = await api.user("Hana"), await api.user("Vera")
    session_id = (await host.start())["id"]
    me = await viewer.join(session_id)
    request = await viewer.request_guest(session_id, "me!")
    await host.respond(session_id, request["id"], True)
    await host.manage(session_id, me["id"], "mute_audio")
    await host.manage(session_id, me["id"], "kick")
    await host.end(session_id)
    await until(lambda: "session_ended" in receiver.of(session_id), "the end is told")
    assert receiver.of(session_id) == [
        *("session_started", "settings_changed", "participant_joined", "participant_joined", "guest_requested"),
        *("guest_request_answered", "role_changed", "audio_muted", "participant_kicked", "session_ended"),
    ]
    events = {event["type"]: event for event in receiver.events}
    muted = events["audio_muted"]
    assert (muted["actor_user_id"], muted["target_user_id"]) == (host.user_id, viewer.user_id)
    assert events["guest_requested"]["data"]["message"] == "me!"
    assert events["role_changed"]["data"] == {"participant_id": me["id"], "from": "viewer", "to": "guest"}
    assert events["session_ended"]["data"]["reason"] == "ended_by_host"
    for got in receiver.got:
        sent_at = int(got.headers["Greenroom-Signature"].partition(",")[0].removeprefix("t="))
        assert got.headers["Greenroom-Signature"] == signature(SECRET, got.body, sent_at)
    await until(lambda: outbox_is_empty(served.database), "nothing is left")


async def test_nothing_is_lost_or_passed_while_a_receiver_is_down(
    api: Api, webhooks: Webhooks, receiver: Receiver
) -> None:
    receiver.answer = answering(503)
    host = await api.user("Hana")
    session_id = (await host.start())["id"]
    for number in range(5):
        await host.call("PATCH", f"/live/sessions/{session_id}/settings", {"slow_mode_s": number + 1})
    await until(lambda: receiver.refused, "it was tried")
    assert {got.event["type"] for got in receiver.refused} == {"session_started"}
    receiver.answer = None
    await until(lambda: len(receiver.got) == 8, "everything comes")
    changes = [event["data"] for event in receiver.events if event["type"] == "settings_changed"][1:]
    assert changes == [{"slow_mode_s": number + 1} for number in range(5)]


async def test_two_servers_send_everything_once_and_in_order(served: Served, api: Api, receiver: Receiver) -> None:
    async def slowly(event: dict[str, Any]) -> web.StreamResponse:
        # Long enough that the other server looks at the outbox meanwhile.
        await asyncio.sleep(0.01)

        return web.Response()

    receiver.answer = slowly
    servers = [Webhooks(WebhookOutbox(served.database), [receiver.url], SECRET, timings=QUICK) for _ in range(2)]
    for server in servers:
        await server.open()
    hosts = [await api.user("Hana") for _ in range(4)]
    sessions = [(await host.start())["id"] for host in hosts]
    for number in range(10):
        for host, session_id in zip(hosts, sessions, strict=True):
            await host.call("PATCH", f"/live/sessions/{session_id}/settings", {"slow_mode_s": number + 1})
    await until(lambda: outbox_is_empty(served.database), "everything is sent")
    for server in servers:
        await server.close()
    counts = Counter(event["id"] for event in receiver.events)
    assert set(counts.values()) == {1}
    assert len(counts) == 4 * 13
    for session_id in sessions:
        ids = [event["id"] for event in receiver.events if event["session_id"] == session_id]
        assert ids == sorted(ids)


async def test_what_one_server_leaves_the_next_one_sends(served: Served, api: Api, receiver: Receiver) -> None:
    gate = asyncio.Event()
    receiver.answer = holding(gate)
    first = Webhooks(WebhookOutbox(served.database), [receiver.url], SECRET, timings=QUICK)
    await first.open()
    session_id = (await (await api.user("Hana")).start())["id"]
    await until(lambda: receiver.under_way, "a request is under way")
    await first.close()
    receiver.answer = None
    second = Webhooks(WebhookOutbox(served.database), [receiver.url], SECRET, timings=QUICK)
    await second.open()
    await until(lambda: outbox_is_empty(served.database), "the rest is sent")
    await second.close()
    assert receiver.of(session_id) == ["session_started", "settings_changed", "participant_joined"]


async def test_a_receiver_that_wants_no_more_costs_nothing_until_the_next_start(
    served: Served, api: Api, webhooks: Webhooks, receiver: Receiver
) -> None:
    receiver.answer = answering(410)
    host = await api.user("Hana")
    session_id = (await host.start())["id"]
    await until(lambda: outbox_is_empty(served.database), "what waited is dropped")
    await host.end(session_id)
    assert await outbox_is_empty(served.database)
    assert len(receiver.refused) == 1
    receiver.answer = None
    again = Webhooks(WebhookOutbox(served.database), [receiver.url], SECRET, timings=QUICK)
    await again.open()
    following = (await host.start())["id"]
    await until(lambda: len(receiver.of(following)) == 3, "it is told again")
    await again.close()


async def test_a_database_that_was_away_has_lost_no_event(
    embedded_postgres: EmbeddedPostgres, receiver: Receiver
) -> None:
    server = embedded_postgres
    database = Database(await server.start())
    await database.migrate()
    await database.connect()
    webhooks = Webhooks(WebhookOutbox(database), [receiver.url], SECRET, timings=QUICK)
    service = RoomService(PostgresStore(database), FakePlane(), ServiceConfig())
    gate = asyncio.Event()
    try:
        await webhooks.open()
        await service.open()
        receiver.answer = holding(gate)
        hana = Identity(user_id="hana", name="Hana")
        session, _ = await service.start(hana, "T", "", "camera", SessionSettings())
        await until(lambda: receiver.under_way, "the first request is under way")
        await server.stop()
        gate.set()
        await until(lambda: len(receiver.got) == 1, "the receiver has the first")
        await server.start()
        await until(lambda: len(receiver.got) >= 3, "the others follow", timeout=30)
        await service.end(hana, session.id)
        await until(lambda: "session_ended" in receiver.of(session.id), "and so does the end")
        assert receiver.of(session.id) == [
            *("session_started", "settings_changed", "participant_joined", "session_ended"),
        ]
    finally:
        await webhooks.close()
        await service.close()
        await database.close()
