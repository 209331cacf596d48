"""The outbox in a real database: what triggers put there, who may take it, and in which order."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime

import pytest

from control_api.outside.webhook_format import Delivery
from control_api.store import Database, PostgresStore, WebhookOutbox
from control_api.store.webhooks import CLAIM
from signaling.model import ParticipantRecord, Role, SessionRecord
from signaling.ports import Identity

URL, OTHER = "https://one.example/hook", "https://two.example/hook"
LEASE_S = 60.0
FIRST = ["session_started", "settings_changed", "participant_joined"]


@pytest.fixture
def outbox(database: Database) -> WebhookOutbox:
    return WebhookOutbox(database)


@pytest.fixture
def store(database: Database) -> PostgresStore:
    return PostgresStore(database)


async def live(store: PostgresStore) -> str:
    """A session with its first events: `FIRST`."""
    session_id, host = str(uuid.uuid4()), f"host {uuid.uuid4()}"
    at = datetime.now(UTC)
    session = SessionRecord(id=session_id, host_user_id=host, host_name="Ana", title="T", started_at=at)
    person = ParticipantRecord(
        id=str(uuid.uuid4()), session_id=session_id, user_id=host, name="Ana", role=Role.HOST, joined_at=at
    )
    await store.acting_as(Identity(user_id=host, name="Ana")).create_session(session, person)
    return session_id


async def waiting(database: Database) -> int:
    async with database.transaction() as connection:
        return int(await connection.fetchval("select count(*) from live_webhook_outbox"))


async def lease_is_over(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute("update live_webhook_outbox set next_attempt_at = now()")


async def drained(outbox: WebhookOutbox, url: str) -> list[Delivery]:
    found = []
    while claimed := await outbox.claim(url, 100, LEASE_S):
        for delivery in claimed:
            await outbox.delivered(delivery)
        found += claimed
    return found


async def test_events_come_in_order_with_who_and_whom(outbox: WebhookOutbox, store: PostgresStore) -> None:
    await outbox.subscribe([URL], None)
    session_id = await live(store)
    (first,) = await outbox.claim(URL, 10, LEASE_S)
    assert (first.type, first.session_id, first.attempts) == ("session_started", session_id, 1)
    assert first.actor_user_id is not None
    assert first.actor_user_id == first.target_user_id
    # Its successor waits, and it is nobody else's.
    assert await outbox.claim(URL, 10, LEASE_S) == []
    await outbox.delivered(first)
    (second,) = await outbox.claim(URL, 10, LEASE_S)
    assert second.event_id > first.event_id
    await outbox.delivered(second)
    assert [second.type, *(d.type for d in await drained(outbox, URL))] == FIRST[1:]


async def test_each_address_has_its_own_and_only_what_it_wants(outbox: WebhookOutbox, store: PostgresStore) -> None:
    await outbox.subscribe([URL, OTHER], ["session_ended"])
    session_id = await live(store)
    await store.end_session(session_id, "ended_by_host", datetime.now(UTC))
    assert [d.type for d in await drained(outbox, URL)] == ["session_ended"]
    assert [d.type for d in await drained(outbox, OTHER)] == ["session_ended"]


async def test_addresses_that_are_no_longer_configured_get_nothing(
    outbox: WebhookOutbox, store: PostgresStore, database: Database
) -> None:
    await outbox.subscribe([URL, OTHER], None)
    await live(store)
    await outbox.subscribe([OTHER], ["session_started"])
    assert await outbox.claim(URL, 10, LEASE_S) == []
    assert await waiting(database) == len(FIRST)
    # What was written under the old settings is still delivered, what comes is judged by the new ones.
    await live(store)
    assert sorted(d.type for d in await drained(outbox, OTHER)) == sorted(["session_started", *FIRST])
    await outbox.subscribe([], None)
    await live(store)
    assert await waiting(database) == 0


async def test_claimers_at_the_same_moment_never_get_the_same_event_or_pass_one(
    outbox: WebhookOutbox, store: PostgresStore
) -> None:
    await outbox.subscribe([URL], None)
    sessions = [await live(store) for _ in range(6)]
    order: dict[str, list[int]] = {session: [] for session in sessions}

    async def worker() -> None:
        idle = 0
        while idle < 5:
            claimed = await outbox.claim(URL, 2, LEASE_S)
            idle = 0 if claimed else idle + 1
            for delivery in claimed:
                order[delivery.session_id].append(delivery.event_id)
                await outbox.delivered(delivery)

    await asyncio.gather(*(worker() for _ in range(5)))
    for events in order.values():
        assert len(events) == len(FIRST)
        assert events == sorted(set(events))


async def test_a_lease_that_is_over_is_anybodys(
    outbox: WebhookOutbox, store: PostgresStore, database: Database
) -> None:
    await outbox.subscribe([URL], None)
    await live(store)
    (lost,) = await outbox.claim(URL, 10, LEASE_S)
    await lease_is_over(database)
    (again,) = await outbox.claim(URL, 10, LEASE_S)
    assert (again.id, again.attempts) == (lost.id, 2)
    # The one who lost it can't shorten the lease of the other.
    assert not await outbox.failed(lost, "late", 0, 86400)
    await outbox.release([lost])
    assert await outbox.claim(URL, 10, LEASE_S) == []


async def test_failing_waits_and_remembers_why(outbox: WebhookOutbox, store: PostgresStore, database: Database) -> None:
    await outbox.subscribe([URL], None)
    await live(store)
    (first,) = await outbox.claim(URL, 10, LEASE_S)
    assert not await outbox.failed(first, "status 500", 3600, 86400)
    assert await outbox.claim(URL, 10, LEASE_S) == []
    async with database.transaction() as connection:
        row = await connection.fetchrow(
            "select attempts, last_error, next_attempt_at - now() > interval '59 minutes' as later "
            "from live_webhook_outbox where id = $1",
            first.id,
        )
    assert tuple(row) == (1, "status 500", True)


async def test_an_old_event_is_dropped_and_the_next_one_comes(outbox: WebhookOutbox, store: PostgresStore) -> None:
    await outbox.subscribe([URL], None)
    await live(store)
    (first,) = await outbox.claim(URL, 10, LEASE_S)
    assert await outbox.failed(first, "status 500", 3600, 0)
    assert [d.type for d in await drained(outbox, URL)] == FIRST[1:]


async def test_what_is_given_back_is_due_at_once(outbox: WebhookOutbox, store: PostgresStore) -> None:
    await outbox.subscribe([URL], None)
    await live(store)
    claimed = await outbox.claim(URL, 10, LEASE_S)
    await outbox.release(claimed)
    assert [d.id for d in await outbox.claim(URL, 10, LEASE_S)] == [d.id for d in claimed]


async def test_a_receiver_that_left_gets_nothing_until_it_is_configured_again(
    outbox: WebhookOutbox, store: PostgresStore, database: Database
) -> None:
    await outbox.subscribe([URL], None)
    await live(store)
    await outbox.unsubscribe(URL)
    await live(store)
    assert await waiting(database) == 0


async def test_a_long_backlog_of_one_session_does_not_make_claiming_slow(
    outbox: WebhookOutbox, store: PostgresStore, database: Database
) -> None:
    await outbox.subscribe([URL], None)
    session_id = await live(store)
    async with database.transaction() as connection:
        await connection.execute(
            "select live_record($1, 'settings_changed', null, '{}') from generate_series(1, 3000)", session_id
        )
    async with database.owner() as connection:
        await connection.execute("analyze live_webhook_outbox")
        await connection.execute("analyze live_events")
    async with database.transaction() as connection:
        plan = "\n".join(row[0] for row in await connection.fetch(f"explain {CLAIM}", URL, 8, LEASE_S))
    assert "Seq Scan on live_webhook_outbox" not in plan, plan
    assert "Seq Scan on live_events" not in plan, plan
