from __future__ import annotations

import asyncio
import os
import signal
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from control_api.embedded.postgres import EmbeddedPostgres
from control_api.store import Database, PostgresStore
from signaling.listing import ActiveSearch
from signaling.model import GuestRequestRecord, ParticipantRecord, Role, SessionRecord, SessionSettings
from signaling.ports import Store, StoreUnavailable

UNKNOWN = "7be5d82e-39e9-4a63-8b69-c32212995e1f"
START = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def new_session(**values: Any) -> SessionRecord:
    defaults = {"id": str(uuid.uuid4()), "host_user_id": f"host {uuid.uuid4()}", "host_name": "Ana", "title": "Hello"}
    return SessionRecord.model_validate({"started_at": START, **defaults, **values})


def member(session: SessionRecord, role: Role, **values: Any) -> ParticipantRecord:
    defaults = {"id": str(uuid.uuid4()), "user_id": f"user {uuid.uuid4()}", "name": "Ben", "joined_at": START}
    return ParticipantRecord.model_validate({"session_id": session.id, "role": role, **defaults, **values})


def request_of(participant: ParticipantRecord, **values: Any) -> GuestRequestRecord:
    named = {"session_id": participant.session_id, "participant_id": participant.id, "user_id": participant.user_id}
    defaults = {"id": str(uuid.uuid4()), "name": participant.name, "created_at": START}
    return GuestRequestRecord.model_validate({**named, **defaults, **values})


@pytest.fixture
def store(database: Database) -> Store:
    return PostgresStore(database)


async def started(store: Store, **values: Any) -> SessionRecord:
    session = new_session(**values)
    await store.create_session(session, member(session, Role.HOST, user_id=session.host_user_id, name="Ana"))
    return session


async def thrown_out(store: Store, participant: ParticipantRecord) -> None:
    await store.upsert_participant(participant)
    await store.upsert_participant(participant.model_copy(update={"status": "kicked", "left_at": START}))


async def test_a_session_comes_back_as_it_was_saved(store: Store) -> None:
    settings = SessionSettings(
        max_participants=7,
        allow_guests=False,
        require_approval=False,
        max_guests=3,
        enable_chat=False,
        enable_gifts=True,
        guest_audio_default=False,
        guest_video_default=False,
        slow_mode_s=30,
        locked=True,
    )
    title = "'; drop table live_sessions; -- 🎤 \\"
    session = await started(store, title=title, description="ü\n" * 100, session_type="screen", settings=settings)
    assert await store.get_session(session.id) == session
    changed = settings.model_copy(update={"max_guests": 20, "allow_guests": True})
    await store.save_settings(session.id, changed)
    assert await store.get_session(session.id) == session.model_copy(update={"settings": changed})


@pytest.mark.parametrize("unknown", [UNKNOWN, "", "x", "%00", "0" * 10_000, "{" + UNKNOWN + "}"])
async def test_unknown_ids_find_nothing(store: Store, unknown: str) -> None:
    assert await store.get_session(unknown) is None
    assert await store.participants(unknown) == []
    assert await store.requests(unknown) == []


async def test_a_participant_leaves_and_comes_back_in_one_row(store: Store) -> None:
    session = await started(store)
    ben = member(session, Role.VIEWER, audio_locked=True)
    await store.upsert_participant(ben)
    await store.upsert_participant(ben)
    later = START + timedelta(minutes=5)
    gone = ben.model_copy(update={"status": "left", "left_at": later})
    await store.upsert_participant(gone)
    assert gone in await store.participants(session.id)
    back = ben.model_copy(update={"joined_at": later, "name": "Benjamin"})
    await store.upsert_participant(back)
    stored = await store.participants(session.id)
    assert [participant.role for participant in stored] == [Role.HOST, Role.VIEWER]
    assert stored[1] == back


async def test_counts_are_told(store: Store) -> None:
    session = await started(store)
    ben = member(session, Role.VIEWER)
    await store.upsert_participant(ben)
    await store.upsert_participant(member(session, Role.COHOST))
    await thrown_out(store, member(session, Role.VIEWER))
    seen = await store.get_session(session.id)
    assert seen is not None
    assert (seen.viewer_count, seen.guest_count) == (1, 1)
    await store.set_role(session.id, ben.id, Role.GUEST)
    seen = await store.get_session(session.id)
    assert seen is not None
    assert (seen.viewer_count, seen.guest_count) == (0, 2)


async def test_an_approval_and_its_role_are_one_step(store: Store, database: Database) -> None:
    session = await started(store)
    ben = member(session, Role.VIEWER)
    await store.upsert_participant(ben)
    asked = request_of(ben, message="May I?")
    await store.save_request(asked)
    assert await store.requests(session.id) == [asked]
    approved = asked.model_copy(update={"status": "approved", "answered_at": START, "answered_by": "ana"})
    async with database.owner() as connection:
        # The role can't be given: the request stays open as well.
        await connection.execute("alter table live_participants add constraint no_guests check (role <> 'guest')")
        with pytest.raises(asyncpg.CheckViolationError):
            await store.save_request(approved)
        assert await store.requests(session.id) == [asked]
        await connection.execute("alter table live_participants drop constraint no_guests")
    await store.save_request(approved)
    assert await store.requests(session.id) == [approved]
    assert {p.id: p.role for p in await store.participants(session.id)}[ben.id] is Role.GUEST


async def test_ending_closes_everything_and_may_be_repeated(store: Store) -> None:
    session = await started(store)
    ben, cleo = member(session, Role.VIEWER), member(session, Role.VIEWER)
    await store.upsert_participant(ben)
    await thrown_out(store, cleo)
    await store.save_request(request_of(ben))
    end = START + timedelta(hours=1)
    await store.end_session(session.id, "host_ended", end)
    await store.end_session(session.id, "again", end + timedelta(hours=1))
    seen = await store.get_session(session.id)
    assert seen is not None
    assert (seen.status, seen.ended_at, seen.end_reason, seen.viewer_count) == ("ended", end, "host_ended", 0)
    assert {(p.user_id, p.status, p.left_at) for p in await store.participants(session.id)} == {
        (session.host_user_id, "left", end),
        (ben.user_id, "left", end),
        (cleo.user_id, "kicked", START),
    }
    assert [request.status for request in await store.requests(session.id)] == ["expired"]
    assert await store.live_session_ids() == []


async def test_live_sessions_are_listed_newest_first(store: Store) -> None:
    sessions = [await started(store, started_at=START + timedelta(seconds=n)) for n in range(5)]
    await store.end_session(sessions[2].id, "host_ended", START + timedelta(hours=1))
    expected = [sessions[n].id for n in (4, 3, 1, 0)]
    assert [session.id for session in await store.active_sessions(ActiveSearch())] == expected
    assert await store.live_session_ids() == expected[::-1]


async def test_a_session_is_created_with_its_host_or_not_at_all(store: Store) -> None:
    session = new_session()
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await store.create_session(session, member(session, Role.HOST, name=""))
    assert await store.get_session(session.id) is None


async def test_writes_to_unknown_rows_are_told(store: Store) -> None:
    session = await started(store)
    unknown = str(uuid.uuid4())
    with pytest.raises(LookupError):
        await store.set_role(session.id, unknown, Role.GUEST)
    with pytest.raises(LookupError):
        await store.end_session(unknown, "x", START)
    with pytest.raises(LookupError):
        await store.save_settings(unknown, SessionSettings())


async def test_the_end_waits_for_somebody_who_is_joining_and_closes_them_too(store: Store, database: Database) -> None:
    session = await started(store)
    async with database.transaction() as joining:
        await joining.execute(
            "insert into live_participants (session_id, user_id, name, role) values ($1, 'late', 'Late', 'viewer')",
            session.id,
        )
        ending = asyncio.create_task(store.end_session(session.id, "host_ended", START + timedelta(hours=1)))
        async with database.owner() as watcher:
            while not await watcher.fetchval("select count(*) from pg_locks where not granted"):
                assert not ending.done()
    await ending
    seen = await store.get_session(session.id)
    assert seen is not None
    assert (seen.status, seen.viewer_count) == ("ended", 0)
    assert {participant.status for participant in await store.participants(session.id)} == {"left"}


async def test_many_writers_of_one_session_all_get_through(store: Store) -> None:
    session = await started(store)
    viewers = [member(session, Role.VIEWER) for _ in range(60)]
    await asyncio.gather(*(store.upsert_participant(viewer) for viewer in viewers))
    leaving = [viewer.model_copy(update={"status": "left", "left_at": START}) for viewer in viewers]
    await asyncio.gather(
        *(store.upsert_participant(viewer) for viewer in leaving[:30]),
        store.end_session(session.id, "host_ended", START + timedelta(hours=1)),
        *(store.upsert_participant(viewer) for viewer in leaving[30:]),
    )
    seen = await store.get_session(session.id)
    assert seen is not None
    assert (seen.status, seen.viewer_count) == ("ended", 0)


async def test_an_unreachable_database_is_told_without_its_password() -> None:
    database = Database("postgresql://ana:hunter2@127.0.0.1:1/live")
    with pytest.raises(StoreUnavailable) as caught:
        await database.connect()
    assert "hunter2" not in str(caught.value)
    with pytest.raises(StoreUnavailable):
        await database.ping()
    await database.close()


async def test_while_the_database_is_away_calls_fail_and_afterwards_they_work(
    embedded_postgres: EmbeddedPostgres,
) -> None:
    server = embedded_postgres
    database = Database(await server.start())
    try:
        await database.migrate()
        await database.connect()
        store = PostgresStore(database)
        session = await started(store)

        await server.stop()
        for attempt in (
            database.ping(),
            store.get_session(session.id),
            store.live_session_ids(),
            store.upsert_participant(member(session, Role.VIEWER)),
            store.end_session(session.id, "x", START),
        ):
            begin = time.monotonic()
            with pytest.raises(StoreUnavailable):
                await attempt
            assert time.monotonic() - begin < 6

        await server.start()
        await database.ping()
        assert await store.get_session(session.id) == session

        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        deadline = time.monotonic() + 30
        while True:
            try:
                assert await store.get_session(session.id) == session
                break
            except StoreUnavailable:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.05)
    finally:
        await database.close()


async def test_a_call_that_the_database_never_answers_ends(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    session = await started(PostgresStore(database))
    async with database.owner() as blocker, blocker.transaction():
        await blocker.execute("lock table live_sessions in access exclusive mode")
        with pytest.raises(StoreUnavailable):
            async with database.transaction() as connection:
                await connection.fetch("select * from live_sessions", timeout=0.2)
    assert await PostgresStore(database).get_session(session.id) is not None


async def test_more_callers_than_connections_wait_their_turn(store: Store) -> None:
    session = await started(store)
    found = await asyncio.gather(*(store.get_session(session.id) for _ in range(200)))
    assert all(found)


async def test_the_pool_is_nobody_between_transactions(database: Database) -> None:
    async with database._connection() as connection:
        assert await connection.fetchval("select current_user") == "anon"
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("select from live_sessions")
    async with database.transaction() as connection:
        assert await connection.fetchval("select current_user") == "service_role"
    async with database._connection() as connection:
        assert await connection.fetchval("select current_user") == "anon"
        assert await connection.fetchval("select coalesce(current_setting('request.jwt.claims', true), '')") == ""
