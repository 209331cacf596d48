"""schema.sql by plain SQL: what it refuses, and the counts that it keeps."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from control_api.store import Database


@pytest.fixture
async def sql(database: Database) -> AsyncIterator[asyncpg.Connection]:
    async with database.owner() as connection:
        yield connection


async def new_session(sql: asyncpg.Connection, host: str = "ana") -> str:
    session_id = await sql.fetchval(
        "insert into live_sessions (host_user_id, host_name, title) values ($1, $1, 'Hello') returning id", host
    )
    await sql.execute("insert into live_session_settings (session_id) values ($1)", session_id)
    return str(session_id)


async def join(sql: asyncpg.Connection, session_id: str, user: str, role: str = "viewer") -> str:
    return str(
        await sql.fetchval(
            "insert into live_participants (session_id, user_id, name, role) values ($1, $2, $2, $3) returning id",
            session_id,
            user,
            role,
        )
    )


async def counts(sql: asyncpg.Connection, session_id: str) -> tuple[int, int]:
    row = await sql.fetchrow("select viewer_count, guest_count from live_sessions where id = $1", session_id)
    return row["viewer_count"], row["guest_count"]


async def refused(sql: asyncpg.Connection, constraint: str, statement: str, *values: object) -> None:
    with pytest.raises(asyncpg.IntegrityConstraintViolationError) as caught:
        await sql.execute(statement, *values)
    assert caught.value.constraint_name == constraint


@pytest.mark.parametrize(
    ("constraint", "assignment"),
    [
        ("live_sessions_title_check", "title = ''"),
        ("live_sessions_title_check", "title = repeat('x', 201)"),
        ("live_sessions_description_check", "description = repeat('x', 2001)"),
        ("live_sessions_host_user_id_check", "host_user_id = ''"),
        ("live_sessions_session_type_check", "session_type = 'hologram'"),
        ("live_sessions_status_check", "status = 'paused'"),
        ("live_sessions_viewer_count_check", "viewer_count = -1"),
        ("live_sessions_guest_count_check", "guest_count = -1"),
        ("live_sessions_ended_at_iff_ended", "status = 'ended'"),
        ("live_sessions_ended_at_iff_ended", "ended_at = now()"),
        ("live_sessions_reason_only_when_ended", "end_reason = 'host'"),
    ],
)
async def test_session_refuses(sql: asyncpg.Connection, constraint: str, assignment: str) -> None:
    session_id = await new_session(sql)
    await refused(sql, constraint, f"update live_sessions set {assignment} where id = $1", session_id)


@pytest.mark.parametrize(
    ("constraint", "assignment"),
    [
        ("live_session_settings_max_guests_check", "max_guests = 0"),
        ("live_session_settings_max_guests_check", "max_guests = 21"),
        ("live_session_settings_max_participants_check", "max_participants = 0"),
    ],
)
async def test_settings_refuse(sql: asyncpg.Connection, constraint: str, assignment: str) -> None:
    session_id = await new_session(sql)
    await refused(sql, constraint, f"update live_session_settings set {assignment} where session_id = $1", session_id)


@pytest.mark.parametrize(
    ("constraint", "assignment"),
    [
        ("live_participants_role_check", "role = 'admin'"),
        ("live_participants_status_check", "status = 'away', left_at = now()"),
        ("live_participants_name_check", "name = ''"),
        ("live_participants_left_at_iff_gone", "status = 'left'"),
        ("live_participants_left_at_iff_gone", "left_at = now()"),
        ("live_participants_host_never_kicked", "role = 'host', status = 'kicked', left_at = now()"),
    ],
)
async def test_participant_refuses(sql: asyncpg.Connection, constraint: str, assignment: str) -> None:
    participant_id = await join(sql, await new_session(sql), "ben")
    await refused(sql, constraint, f"update live_participants set {assignment} where id = $1", participant_id)


async def test_one_host_per_session_and_one_row_per_user(sql: asyncpg.Connection) -> None:
    session_id = await new_session(sql)
    await join(sql, session_id, "ana", "host")
    insert = "insert into live_participants (session_id, user_id, name, role) values ($1, $2, $2, $3)"
    await refused(sql, "live_participants_one_host", insert, session_id, "ben", "host")
    await refused(sql, "live_participants_one_row_per_user", insert, session_id, "ana", "viewer")


async def test_a_user_hosts_one_live_session_at_a_time(sql: asyncpg.Connection) -> None:
    first = await new_session(sql)
    insert = "insert into live_sessions (host_user_id, host_name, title) values ('ana', 'Ana', 'Again')"
    await refused(sql, "live_sessions_one_live_per_host", insert)
    await sql.execute("update live_sessions set status = 'ended', ended_at = now() where id = $1", first)
    await sql.execute(insert)


@pytest.mark.parametrize(
    ("constraint", "assignment"),
    [
        ("live_guest_requests_status_check", "status = 'maybe'"),
        ("live_guest_requests_message_check", "message = repeat('x', 501)"),
        ("live_guest_requests_pending_has_no_answer", "answered_at = now()"),
        ("live_guest_requests_pending_has_no_answer", "answered_by = 'ana'"),
        ("live_guest_requests_answer_has_a_time", "status = 'approved'"),
    ],
)
async def test_request_refuses(sql: asyncpg.Connection, constraint: str, assignment: str) -> None:
    session_id = await new_session(sql)
    participant_id = await join(sql, session_id, "ben")
    insert = "insert into live_guest_requests (session_id, participant_id, user_id, name) values ($1, $2, 'ben', 'Ben')"
    await sql.execute(insert, session_id, participant_id)
    await refused(sql, constraint, f"update live_guest_requests set {assignment} where session_id = $1", session_id)


async def test_one_open_request_per_participant_of_the_same_session(sql: asyncpg.Connection) -> None:
    session_id, other = await new_session(sql), await new_session(sql, "zoe")
    participant_id = await join(sql, session_id, "ben")
    insert = "insert into live_guest_requests (session_id, participant_id, user_id, name) values ($1, $2, 'ben', 'Ben')"
    await sql.execute(insert, session_id, participant_id)
    await refused(sql, "live_guest_requests_one_pending", insert, session_id, participant_id)
    await sql.execute("update live_guest_requests set status = 'rejected', answered_at = now()")
    await sql.execute(insert, session_id, participant_id)
    stranger = await join(sql, session_id, "cleo")
    await refused(sql, "live_guest_requests_session_id_participant_id_fkey", insert, other, stranger)


async def test_counts_follow_every_way_in_up_down_and_out(sql: asyncpg.Connection) -> None:
    session_id, other = await new_session(sql), await new_session(sql, "zoe")
    await join(sql, session_id, "ana", "host")
    assert await counts(sql, session_id) == (0, 0)
    ben, cleo = await join(sql, session_id, "ben"), await join(sql, session_id, "cleo")
    assert await counts(sql, session_id) == (2, 0)
    await sql.execute("update live_participants set role = 'guest' where id = $1", ben)
    assert await counts(sql, session_id) == (1, 1)
    await sql.execute("update live_participants set role = 'cohost', audio_locked = true where id = $1", ben)
    assert await counts(sql, session_id) == (1, 1)
    await sql.execute("update live_participants set status = 'kicked', left_at = now() where id = $1", ben)
    assert await counts(sql, session_id) == (1, 0)
    await sql.execute("update live_participants set status = 'joined', left_at = null where id = $1", ben)
    assert await counts(sql, session_id) == (1, 1)
    await sql.execute("delete from live_participants where id = $1", cleo)
    assert await counts(sql, session_id) == (0, 1)
    assert await counts(sql, other) == (0, 0)


async def test_counts_follow_statements_over_many_rows_and_sessions(sql: asyncpg.Connection) -> None:
    session_id, other = await new_session(sql), await new_session(sql, "zoe")
    await sql.execute(
        "insert into live_participants (session_id, user_id, name, role) "
        "select s::uuid, 'user ' || n, 'x', case when n % 10 = 0 then 'guest' else 'viewer' end "
        "from unnest($1::text[]) as s, generate_series(1, 100) as n",
        [session_id, other],
    )
    assert await counts(sql, session_id) == await counts(sql, other) == (90, 10)
    await sql.execute(
        "insert into live_participants (session_id, user_id, name, role) values ($1, 'user 1', 'x', 'guest'), "
        "($1, 'new', 'x', 'viewer') on conflict (session_id, user_id) do update set role = excluded.role",
        session_id,
    )
    assert await counts(sql, session_id) == (90, 11)
    await sql.execute("update live_participants set status = 'left', left_at = now() where session_id = $1", session_id)
    assert await counts(sql, session_id) == (0, 0)
    assert await counts(sql, other) == (90, 10)


async def test_a_rolled_back_join_is_not_counted(sql: asyncpg.Connection) -> None:
    session_id = await new_session(sql)
    transaction = sql.transaction()
    await transaction.start()
    await join(sql, session_id, "ben")
    await transaction.rollback()
    assert await counts(sql, session_id) == (0, 0)


async def test_nobody_watches_an_ended_session(sql: asyncpg.Connection) -> None:
    session_id = await new_session(sql)
    await join(sql, session_id, "ben")
    await sql.execute("update live_sessions set status = 'ended', ended_at = now() where id = $1", session_id)
    assert await sql.fetchval("select status from live_participants where session_id = $1", session_id) == "left"
    assert await counts(sql, session_id) == (0, 0)
    insert = "insert into live_participants (session_id, user_id, name, role) values ($1, 'cleo', 'Cleo', 'viewer')"
    await refused(sql, "live_participants_in_a_live_session", insert, session_id)
    again = "update live_participants set status = 'joined', left_at = null where session_id = $1"
    await refused(sql, "live_participants_in_a_live_session", again, session_id)


async def test_deleting_a_session_takes_everything_of_it_along(sql: asyncpg.Connection) -> None:
    session_id = await new_session(sql)
    participant_id = await join(sql, session_id, "ben")
    await sql.execute(
        "insert into live_guest_requests (session_id, participant_id, user_id, name) values ($1, $2, 'ben', 'Ben')",
        session_id,
        participant_id,
    )
    await sql.execute("delete from live_sessions where id = $1", session_id)
    for table in ("live_session_settings", "live_participants", "live_guest_requests"):
        assert await sql.fetchval(f"select count(*) from {table}") == 0


async def test_every_table_is_described(sql: asyncpg.Connection) -> None:
    undescribed = await sql.fetch(
        "select relname from pg_class where relnamespace = current_schema()::regnamespace and relkind = 'r' "
        "and obj_description(oid, 'pg_class') is null"
    )
    assert undescribed == []


async def test_the_list_of_live_sessions_uses_its_index(sql: asyncpg.Connection) -> None:
    await sql.execute(
        "insert into live_sessions (host_user_id, host_name, title, status, started_at, ended_at) "
        "select 'u' || n, 'x', 'x', 'ended', now(), now() from generate_series(1, 5000) as n"
    )
    await new_session(sql)
    await sql.execute("analyze live_sessions")
    plan = await sql.fetch(
        "explain select * from live_sessions where status = 'live' order by started_at desc, id desc limit 50"
    )
    assert any("live_sessions_live" in row[0] for row in plan), plan


async def test_updated_at_moves(sql: asyncpg.Connection) -> None:
    session_id = await new_session(sql)
    before = await sql.fetchval("select updated_at from live_sessions where id = $1", session_id)
    await sql.execute("update live_sessions set title = 'Another' where id = $1", session_id)
    assert await sql.fetchval("select updated_at from live_sessions where id = $1", session_id) > before
