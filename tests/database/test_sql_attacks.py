"""What somebody tries with plain SQL who knows PostgreSQL well: other verbs, other names, values that hurt readers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from signaling.registry import participant_id
from tests.support.plain_sql import CLOSED, OTHER, SHOW, TABLES, Sql, person

pytestmark = pytest.mark.asyncio(loop_scope="module")


@asynccontextmanager
async def login(sql: Sql, dsn: str, *roles: str) -> AsyncIterator[asyncpg.Connection]:
    """Somebody's own connection to the same tables, as a user who may become `roles` and has no rights besides."""
    user = f"login_{uuid4().hex[:8]}"
    schema = await sql.owner.fetchval("select current_schema()")
    admin = await asyncpg.connect(dsn)
    try:
        await admin.execute(f"create role {user} login noinherit password 'secret'; grant {', '.join(roles)} to {user}")
        connection = await asyncpg.connect(
            dsn, user=user, password="secret", server_settings={"search_path": schema}, ssl=False
        )
        try:
            yield connection
        finally:
            await connection.close()
            await admin.execute(f"drop role {user}")
    finally:
        await admin.close()


# In whose name


async def test_nobody_becomes_somebody_else_by_a_function(sql: Sql, postgres_dsn: str) -> None:
    """PostgREST's user may become each of the roles, and calls whatever function the caller names."""
    forged = {
        "role": "service_role",
        "claims": "",
        "id": str(uuid4()),
        "session_id": SHOW,
        "kind": "system",
        "data": {},
    }
    host = {**forged, "role": "authenticated", "claims": json.dumps({"sub": "ana"}), "user_id": "ana"}
    cheer = {"claims": json.dumps({"sub": "dora"}), "session_id": SHOW, "user_id": "dora", "type": "x", "count": 1}
    async with login(sql, postgres_dsn, "anon", "authenticated", "service_role") as connection:
        for user in ("eve", "dan", "ana"):
            for call, batch in (
                ("live_add_messages($1)", [forged]),
                ("live_add_messages($1)", [host]),
                ("live_add_reactions($1)", [cheer]),
                ("live_record((($1::jsonb) -> 0 ->> 'session_id')::uuid, 'banned')", [forged]),
            ):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await as_postgrest(connection, user, f"select * from {call}", json.dumps(batch))


async def as_postgrest(connection: asyncpg.Connection, user: str, statement: str, value: str) -> None:
    async with connection.transaction():
        await connection.execute("set local role authenticated")
        await connection.execute("select set_config('request.jwt.claims', $1, true)", json.dumps({"sub": user}))
        await connection.execute(statement, value)


async def test_who_is_only_a_caller_stays_one(sql: Sql, postgres_dsn: str) -> None:
    async with login(sql, postgres_dsn, "authenticated") as connection:
        await connection.execute("set role authenticated")
        owner = await sql.owner.fetchval("select current_user")
        for attempt in (
            "set role service_role",
            f'set role "{owner}"',
            f'set session authorization "{owner}"',
            "select set_config('role', 'service_role', false)",
            "alter table live_participants disable row level security",
            "drop policy comes_in on live_participants",
            "alter table live_participants disable trigger all",
            "set session_replication_role = replica",
            "create or replace function live_trusted() returns boolean language sql as 'select true'",
            "create trigger mine before update on live_participants for each row execute function live_touch()",
            "grant service_role to authenticated",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(attempt)
        for claims in ('{"role": "service_role"}', '{"sub": null}', "[]", "null", '"ana"', '{"sub": ["ana"]}', ""):
            await connection.execute("select set_config('request.jwt.claims', $1, false)", claims)
            assert not await connection.fetchval("select live_trusted()")
            assert await connection.fetchval("select count(*) from live_participants") == 0


async def test_tables_of_ones_own_are_not_taken_for_ours(sql: Sql, postgres_dsn: str) -> None:
    async with login(sql, postgres_dsn, "authenticated") as connection:
        await connection.execute("create temporary table live_participants (session_id uuid, user_id text, role text)")
        await connection.execute("insert into live_participants values ($1, 'eve', 'host')", SHOW)
        await connection.execute("grant select on live_participants to public")
        await connection.execute("set role authenticated")
        await connection.execute("select set_config('request.jwt.claims', '{\"sub\": \"eve\"}', false)")
        assert await connection.fetchval("select live_role_in($1)", SHOW) is None
        assert await connection.fetchval("select count(*) from live_events") == 0


# Every table, verbs that people forget


@pytest.mark.parametrize("user", ["eve", "dan"])
async def test_no_row_of_others_is_changed_or_locked(sql: Sql, user: str) -> None:
    columns = await sql.owner.fetch(
        "select table_name, column_name from information_schema.columns "
        "where table_schema = current_schema() and table_name = any($1) and is_identity = 'NO'",
        TABLES,
    )
    assert len(columns) > 100
    for table, column in columns:
        others = f"user_id <> '{user}'" if table in PERSONAL else "true"
        await sql.may_not(user, f"update {table} set {column} = {column} where {others}")
    for table in TABLES:
        others = f"user_id <> '{user}'" if table in PERSONAL else "true"
        for strength in ("update", "no key update", "share", "key share"):
            await sql.may_not(user, f"select from {table} where {others} for {strength}")


PERSONAL = ("live_participants", "live_guest_requests", "live_chat_messages", "live_reactions", "live_gifts")


@pytest.mark.parametrize("table", TABLES)
async def test_copying_is_no_way_around(sql: Sql, table: str) -> None:
    async with sql.acting("eve") as connection:
        with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.FeatureNotSupportedError)):
            await connection.copy_records_to_table(table, records=[])
    async with sql.acting("eve") as connection:
        try:
            copied = await connection.copy_from_query(f"select * from {table} t where to_jsonb(t)::text like '%dora%'",
                                                      output=lambda data: None)  # fmt: skip
        except asyncpg.InsufficientPrivilegeError:
            return
        assert copied == "COPY 0"


@pytest.mark.parametrize(
    "statement",
    [
        "insert into live_participants (session_id, user_id, name, role) values ('{show}', 'dan', 'X', 'viewer') "
        "on conflict (session_id, user_id) do update set role = 'host'",
        "insert into live_participants (session_id, user_id, name, role) values ('{show}', 'eve', 'X', 'viewer') "
        "on conflict (session_id, user_id) do update set role = 'guest' returning 1 / (role = 'guest')::integer",
        "insert into live_sessions (id, host_user_id, host_name, title) values ('{show}', 'eve', 'E', 'E') "
        "on conflict (id) do update set status = 'ended', ended_at = now()",
        "insert into live_reactions (session_id, user_id, type, count) values ('{show}', 'dora', 'heart', 1) "
        "on conflict (session_id, user_id, type) do update set count = live_reactions.count + 1",
        "insert into live_bans (host_user_id, user_id, session_id, name, banned_by) "
        "values ('ana', 'mallory', '{show}', 'X', 'eve') on conflict (host_user_id, user_id) do nothing",
        "merge into live_participants p using (select 1) x on p.user_id = 'dora' "
        "when matched then update set role = 'host'",
        "merge into live_bans b using (select 1) x on b.user_id = 'mallory' when matched then delete",
        "merge into live_reactions r using (select 1) x on r.user_id = 'dora' "
        "when not matched then insert (session_id, user_id, type, count) values ('{show}', 'dora', 'clap', 1)",
        "with gone as (delete from live_bans returning *) select 1 / count(*) from gone",
        "update live_stage set role = 'host'",
        "update live_active set title = 'X'",
        "delete from live_timeline",
        "insert into live_gift_totals values ('{show}', 'eve', 'E', 1, 1)",
    ],
)
async def test_roundabout_ways_are_refused(sql: Sql, statement: str) -> None:
    wrong = (
        asyncpg.InsufficientPrivilegeError,
        asyncpg.IntegrityConstraintViolationError,
        asyncpg.DivisionByZeroError,
        asyncpg.ObjectNotInPrerequisiteStateError,
        asyncpg.WrongObjectTypeError,
    )
    async with sql.acting("eve") as connection:
        try:
            done = await connection.execute(statement.format(show=SHOW))
        except wrong:
            return
        assert done.rpartition(" ")[2] == "0", done


async def test_a_function_of_ones_own_sees_no_row_before_the_policies_do(sql: Sql) -> None:
    seen: list[str] = []
    sql.owner.add_log_listener(listener := lambda _connection, message: seen.append(str(message)))
    try:
        # Cheap and stable, so that the planner would like to ask it first.
        await sql.owner.execute(
            "create function pg_temp.spy(anything text) returns boolean language plpgsql stable cost 0.0001 "
            "as $$ begin raise notice '%', anything; return true; end $$; "
            "grant execute on function pg_temp.spy(text) to authenticated"
        )
        for table in (set(TABLES) - set(CLOSED) - PUBLIC) | {
            "live_reaction_totals", "live_gift_totals", "live_timeline", "live_stage"
        }:  # fmt: skip
            columns = await sql.owner.fetch(
                "select column_name from information_schema.columns "
                "where table_schema = current_schema() and table_name = $1",
                table,
            )
            async with sql.acting("eve") as connection:
                for (column,) in columns:
                    await connection.execute(f"select from {table} where pg_temp.spy({column}::text)")
    finally:
        sql.owner.remove_log_listener(listener)
    assert seen == []


PUBLIC = {"live_sessions", "live_session_settings", "live_gift_catalogue"}


# What can be learnt from how something is refused


async def error_of(sql: Sql, user: str, statement: str, *values: Any) -> str | None:
    async with sql.acting(user) as connection:
        try:
            await connection.execute(statement, *values)
        except asyncpg.PostgresError as error:
            return error.sqlstate
    return None


@pytest.mark.parametrize(
    "statement",
    [
        "insert into live_guest_requests (session_id, participant_id, user_id, name) values ($1, $2, 'eve', 'E')",
        "insert into live_chat_messages (session_id, participant_id, user_id, name, body) "
        "values ($1, $2, 'eve', 'E', 'x')",
        "insert into live_gifts (session_id, participant_id, user_id, name, gift_id, key) "
        "values ($1, $2, 'eve', 'E', 'rose', 'k')",
    ],
)
async def test_a_foreign_key_does_not_tell_who_is_there(sql: Sql, statement: str) -> None:
    there = await error_of(sql, "eve", statement, SHOW, person("dora"))
    assert there == await error_of(sql, "eve", statement, SHOW, str(uuid4())) == "42501"


COME_AS = "insert into live_participants (id, session_id, user_id, name, role) values ($1, $2, $3, $3, 'viewer')"


async def test_an_id_neither_tells_who_is_there_nor_keeps_them_out(sql: Sql) -> None:
    """The ids of participants follow from session and user, so everybody knows them beforehand."""
    dora = participant_id(SHOW, "dora")
    assert await sql.owner.fetchval("select live_participant_id($1, 'dora')::text", SHOW) == dora
    assert await sql.owner.fetchval("select live_participant_id($1, 'Zoë 🙂')::text", SHOW) == participant_id(
        SHOW, "Zoë 🙂"
    )
    for taken in (person("dora"), str(uuid4())):
        assert await error_of(sql, "eve", COME_AS, taken, SHOW, "eve") is None
    async with sql.acting("eve") as connection:
        await connection.execute(COME_AS, participant_id(SHOW, "frank"), SHOW, "eve")
        await connection.fetchval("select set_config('request.jwt.claims', '{\"sub\": \"frank\"}', true)")
        await connection.execute(COME_AS, participant_id(SHOW, "frank"), SHOW, "frank")


# Values that hurt those who read them

NOT_NOW = ("infinity", "-infinity", "200000-01-01", "4000-01-01 BC", "9999-12-31", "2001-01-01")


@pytest.mark.parametrize("moment", NOT_NOW)
@pytest.mark.parametrize(
    ("user", "statement"),
    [
        ("eve", "insert into live_sessions (host_user_id, host_name, title, started_at) values ('eve', 'E', 'E', $1)"),
        ("ana", "update live_sessions set status = 'ended', ended_at = $1 where host_user_id = 'ana'"),
        (
            "eve",
            "insert into live_participants (session_id, user_id, name, role, joined_at) "
            f"values ('{SHOW}', 'eve', 'E', 'viewer', $1)",
        ),
        ("dora", "update live_participants set status = 'left', left_at = $1 where user_id = 'dora'"),
        ("dora", "update live_participants set joined_at = $1 where user_id = 'dora'"),
        ("ana", "update live_participants set status = 'kicked', left_at = $1 where user_id = 'dora'"),
        (
            "dan",
            "insert into live_guest_requests (session_id, participant_id, user_id, name, created_at) "
            f"values ('{SHOW}', '{person('dan')}', 'dan', 'D', $1)",
        ),
        ("dora", "update live_guest_requests set status = 'cancelled', answered_at = $1 where user_id = 'dora'"),
        ("dora", "update live_chat_messages set body = '', deleted_by = 'dora', deleted_at = $1"),
    ],
)
async def test_times_are_of_now(sql: Sql, user: str, statement: str, moment: str) -> None:
    async with sql.acting(user) as connection:
        with pytest.raises(asyncpg.CheckViolationError) as refused:
            await connection.execute(statement.replace("$1", f"'{moment}'"))
        assert refused.value.constraint_name == "live_times_are_of_now"
    assert await sql.may(user, statement.replace("$1", "now()")) == 1


async def test_nobody_watches_longer_than_until_now(sql: Sql) -> None:
    async with sql.acting("dora") as connection:
        await connection.execute(
            "update live_participants set status = 'left', left_at = now() + interval '50 minutes' "
            "where user_id = 'dora'"
        )
        seconds = await connection.fetchval(f"select average_watch_time_s from live_session_statistics('{SHOW}')")
        assert seconds < 600


async def test_counts_of_reactions_can_be_summed_up(sql: Sql) -> None:
    most = f"insert into live_reactions (session_id, user_id, type, count) values ('{SHOW}', $1, 'heart', $2)"
    await sql.may_not("dan", most, "dan", 2**63 - 1)
    await sql.may_not("dora", "update live_reactions set count = 9223372036854775807")
    await sql.owner.execute("update live_reactions set count = 1000000000 where user_id = 'dora'")
    async with sql.acting("dan") as connection:
        await connection.execute(most, "dan", 10**9)
        assert await connection.fetchval("select total from live_reaction_totals where type = 'heart'") == 2 * 10**9
    # Whose count is full is refused alone.
    items = [
        {"claims": json.dumps({"sub": user}), "session_id": SHOW, "user_id": user, "type": "heart", "count": 1}
        for user in ("dora", "dan")
    ]
    async with sql.acting(None, "service_role") as connection:
        rows = await connection.fetch("select refusal from live_add_reactions($1) order by number", json.dumps(items))
    assert [row["refusal"] for row in rows] == ["23514", None]


async def test_nobody_makes_up_types_without_end(sql: Sql) -> None:
    """Everybody is told the totals of all types, ten times a second."""
    made_up = (
        "insert into live_reactions (session_id, user_id, type, count) "
        f"select '{SHOW}', 'dan', 'type_' || n, 1 from generate_series(1, $1::integer) n"
    )
    assert await sql.may("dan", made_up, 50) == 50
    await sql.may_not("dan", made_up, 51)
    async with sql.acting("dan") as connection:
        await connection.execute(made_up, 50)
        again = "on conflict (session_id, user_id, type) do update set count = live_reactions.count + 1"
        await connection.execute(f"{made_up} {again}", 50)


async def test_a_message_carries_nothing_but_its_text(sql: Sql) -> None:
    """`data` has no limit, and everybody who comes gets it."""
    write = (
        "insert into live_chat_messages (session_id, participant_id, user_id, name, body, data) "
        f"values ('{SHOW}', '{person('dan')}', 'dan', 'D', 'Hi', $1)"
    )
    assert await sql.may("dan", write, "{}") == 1
    await sql.may_not("dan", write, json.dumps({"event": "kicked", "much": "x" * 1000}))


async def test_sessions_of_others_are_not_reached_from_ones_own(sql: Sql) -> None:
    """Zoe is a host: in her session, and nowhere else."""
    for statement in (
        f"update live_participants set session_id = '{OTHER}' where user_id = 'dora'",
        f"insert into live_bans (host_user_id, user_id, session_id, name, banned_by) "
        f"values ('zoe', 'ana', '{SHOW}', 'A', 'zoe')",
        f"insert into live_guest_requests (session_id, participant_id, user_id, name, kind, invited_by) "
        f"values ('{OTHER}', '{person('dan')}', 'dan', 'D', 'invitation', 'zoe')",
        f"update live_session_settings set locked = true where session_id = '{SHOW}'",
        "update live_guest_requests set status = 'approved', answered_at = now(), answered_by = 'zoe' "
        "where user_id = 'dora'",
    ):
        await sql.may_not("zoe", statement)
