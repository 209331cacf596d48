from __future__ import annotations

import asyncio
import json
import uuid
from datetime import UTC, datetime

import asyncpg
import pytest

from control_api.store import Database, PostgresStore
from control_api.store import commits as commits_module
from signaling.batches import BatchLimits, BatchWriter
from signaling.model import ParticipantRecord, Role, SessionRecord
from signaling.ports import Identity, NewReaction, Store, StoreRefused, StoreUnavailable

NOW = datetime.now(UTC)


def named(user: str) -> Identity:
    return Identity(user_id=user, name=user)


@pytest.fixture
def store(database: Database) -> Store:
    return PostgresStore(database)


async def show(store: Store, viewers: int = 2) -> str:
    session_id = str(uuid.uuid4())
    host = f"host-{session_id}"
    session = SessionRecord(id=session_id, host_user_id=host, host_name="H", title="T", started_at=NOW)
    await store.create_session(session, person(session_id, host, Role.HOST))
    for number in range(viewers):
        await store.upsert_participant(person(session_id, f"v{number}", Role.VIEWER))
    return session_id


def person(session_id: str, user: str, role: Role) -> ParticipantRecord:
    return ParticipantRecord(
        id=str(uuid.uuid4()), session_id=session_id, user_id=user, name=user, role=role, joined_at=NOW
    )


def reaction(session_id: str, user: str, kind: str = "heart", count: int = 1) -> NewReaction:
    return NewReaction(session_id, named(user), kind, count)


async def rows(database: Database, session_id: str) -> dict[tuple[str, str], int]:
    async with database.transaction() as connection:
        found = await connection.fetch(
            "select user_id, type, count from live_reactions where session_id = $1", session_id
        )
    return {(row["user_id"], row["type"]): row["count"] for row in found}


async def events(store: Store, session_id: str) -> list[dict[str, int]]:
    timeline = await store.timeline(session_id, 0, 1000)
    assert timeline is not None
    return [event.data for event in timeline if event.type == "reactions"]


async def test_a_batch_is_summed_by_user_and_type(database: Database, store: Store) -> None:
    session_id = await show(store)
    batch = [reaction(session_id, f"v{n % 2}", "heart" if n % 3 else "clap", n) for n in range(1, 13)]
    assert await store.add_reactions(batch) == [None] * 12
    assert await store.add_reactions([reaction(session_id, "v0", "heart", 1000)]) == [None]
    assert await rows(database, session_id) == {
        ("v0", "heart"): 2 + 4 + 8 + 10 + 1000,
        ("v1", "heart"): 1 + 5 + 7 + 11,
        ("v0", "clap"): 6 + 12,
        ("v1", "clap"): 3 + 9,
    }
    assert await store.reaction_totals(session_id) == {"heart": 48 + 1000, "clap": 30}
    # One event for each batch, by the server.
    assert await events(store, session_id) == [{"heart": 48, "clap": 30}, {"heart": 1000}]


async def test_each_is_judged_as_its_author(database: Database, store: Store) -> None:
    session_id, other = await show(store), await show(store, viewers=1)
    gone = person(session_id, "gone", Role.VIEWER)
    await store.upsert_participant(gone)
    await store.upsert_participant(gone.model_copy(update={"status": "kicked", "left_at": NOW}))
    batch = [
        reaction(session_id, "v0"),
        reaction(session_id, "stranger"),
        reaction(session_id, "gone"),
        reaction(other, "v1"),
        reaction(other, "v0", "clap", 2),
        reaction(str(uuid.uuid4()), "v0"),
        reaction(session_id, "v1", "No Such Type"),
    ]
    outcomes = await store.add_reactions(batch)
    assert [outcome is None for outcome in outcomes] == [True, False, False, False, True, False, False]
    assert all(isinstance(outcome, StoreRefused) for outcome in outcomes if outcome is not None)
    assert await rows(database, session_id) == {("v0", "heart"): 1}
    assert (await events(store, session_id), await events(store, other)) == ([{"heart": 1}], [{"clap": 2}])


async def test_after_the_end_nothing_is_counted(database: Database, store: Store) -> None:
    session_id = await show(store)
    await store.end_session(session_id, "ended_by_host", NOW)
    (outcome,) = await store.add_reactions([reaction(session_id, "v0")])
    assert isinstance(outcome, StoreRefused)
    assert await events(store, session_id) == []


async def test_who_may_count(store: Store) -> None:
    session_id = await show(store)
    await store.add_reactions([reaction(session_id, "v0", "heart", 7)])
    for user in ("v1", f"host-{session_id}"):
        assert await store.acting_as(named(user)).reaction_totals(session_id) == {"heart": 7}
    with pytest.raises(StoreRefused, match="forbidden"):
        await store.acting_as(named("stranger")).reaction_totals(session_id)
    for unknown in (str(uuid.uuid4()), "x", "%00"):
        assert await store.reaction_totals(unknown) is None


async def test_batches_of_several_sessions_in_any_order_do_not_wait_for_each_other(store: Store) -> None:
    sessions = [await show(store, viewers=20) for _ in range(4)]

    async def write(order: list[str], user: str) -> None:
        # As a `BatchWriter` hands them over: in the order of the sessions.
        await store.add_reactions([reaction(session_id, user) for session_id in sorted(order)])

    await asyncio.wait_for(asyncio.gather(*(write(sessions, f"v{n}") for n in range(20))), 20)
    for session_id in sessions:
        assert await store.reaction_totals(session_id) == {"heart": 20}


async def test_a_storm_with_connections_that_are_lost_at_the_commit_is_counted_exactly(
    database: Database, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the lost commits had happened, half had not; nobody can tell from the answer."""
    session_id = await show(store, viewers=50)
    fates = iter(["before", "after", None, "after", "before"])
    transaction = database.transaction

    async def kill(connection: asyncpg.Connection) -> None:
        pid = connection.get_server_pid()
        async with database.owner() as other:
            await other.fetchval("select pg_terminate_backend($1, 5000)", pid)

    class Dying:
        """A transaction whose connection dies right before or right after its commit."""

        def __init__(self) -> None:
            self._inner = transaction()

        async def __aenter__(self) -> asyncpg.Connection:
            self._connection = await self._inner.__aenter__()
            return self._connection

        async def __aexit__(self, *failure: object) -> object:
            fate = next(fates, None)
            if fate == "before":
                await kill(self._connection)
            result = await self._inner.__aexit__(*failure)  # type: ignore[arg-type]
            if fate == "after":
                raise StoreUnavailable("the answer was lost")
            return result

    class DyingDatabase:
        transaction = staticmethod(Dying)

    commit_once = commits_module.commit_once

    async def dying(_: Database, sessions: list[str], write: object) -> object:
        return await commit_once(DyingDatabase(), sessions, write)  # type: ignore[arg-type]

    monkeypatch.setattr("control_api.store.reactions.commit_once", dying)
    writer: BatchWriter[NewReaction, None] = BatchWriter(
        store.add_reactions, BatchLimits(retry_for_s=30, batch=20, first_retry_s=0.001, max_retry_s=0.002)
    )
    futures = [writer.submit(session_id, reaction(session_id, f"v{n % 50}", "heart", n)) for n in range(1, 201)]
    outcomes = await asyncio.gather(*futures, return_exceptions=True)
    await writer.close()
    assert [outcome for outcome in outcomes if outcome is not None] == []
    assert await store.reaction_totals(session_id) == {"heart": sum(range(1, 201))}
    assert sum(event["heart"] for event in await events(store, session_id)) == sum(range(1, 201))
    assert json.dumps(await events(store, session_id)).count("heart") <= 20
