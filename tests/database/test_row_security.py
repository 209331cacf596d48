"""schema.sql against people with plain SQL: what each may read, write and forge, table by table and verb by verb."""

from __future__ import annotations

import json
import re
from typing import Any

import asyncpg
import pytest

from control_api.store import Database
from tests.conftest import own_schema
from tests.support.plain_sql import CLOSED, OTHER, PEOPLE, SHOW, TABLES, Sql, person

pytestmark = pytest.mark.asyncio(loop_scope="module")

# Every table, whoever asks


async def test_every_table_is_guarded(sql: Sql) -> None:
    rows = await sql.owner.fetch(
        "select relname, relrowsecurity from pg_class "
        "where relnamespace = current_schema()::regnamespace and relkind in ('r', 'p')"
    )
    assert {row["relname"] for row in rows} == set(TABLES)
    assert all(row["relrowsecurity"] for row in rows)


async def test_functions_with_the_owners_rights_find_no_other_schema(sql: Sql) -> None:
    rows = await sql.owner.fetch(
        "select proname, proconfig from pg_proc where pronamespace = current_schema()::regnamespace and prosecdef"
    )
    assert rows
    for row in rows:
        assert row["proconfig"] is not None, row["proname"]
        assert re.fullmatch(r"search_path=.*pg_temp", row["proconfig"][0]), row["proname"]


async def test_they_do_not_ask_whether_they_are_trusted(sql: Sql) -> None:
    """They always are: `live_trusted` would let everybody through."""
    asking = "select proname from pg_proc where prosecdef and prosrc like '%live_trusted%'"
    assert await sql.owner.fetch(asking) == []


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    "statement", ["select from {}", "delete from {}", "truncate {} cascade", "insert into {} default values"]
)
async def test_nobody_without_a_token_reaches_anything(sql: Sql, table: str, statement: str) -> None:
    async with sql.acting(None, "anon") as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement.format(table))


@pytest.mark.parametrize("table", TABLES)
async def test_nothing_is_deleted_by_callers(sql: Sql, table: str) -> None:
    if table == "live_bans":
        return
    for user in ("ana", "dan", "eve"):
        for statement in (f"delete from {table}", f"truncate {table} cascade"):
            async with sql.acting(user) as connection:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(statement)


@pytest.mark.parametrize("table", CLOSED)
async def test_what_is_the_servers_own(sql: Sql, table: str) -> None:
    for user in ("ana", "eve"):
        for statement in (f"select from {table}", f"insert into {table} default values"):
            async with sql.acting(user) as connection:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(statement)


@pytest.mark.parametrize("table", ["live_gift_catalogue", "live_events", "live_visits", "live_session_stats"])
@pytest.mark.parametrize("verb", ["insert into {} default values", "update {} set {column} = default"])
async def test_what_callers_only_read(sql: Sql, table: str, verb: str) -> None:
    column = "id" if table != "live_session_stats" else "duration_s"
    for user in ("ana", "eve"):
        async with sql.acting(user) as connection:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(verb.format(table, column=column))


async def test_a_transaction_that_says_nobodys_name_finds_nothing(sql: Sql) -> None:
    async with sql.acting(None) as connection:
        for table in set(TABLES) - set(CLOSED) - {"live_sessions", "live_session_settings", "live_gift_catalogue"}:
            assert await connection.fetchval(f"select count(*) from {table}") == 0, table


# Reading


@pytest.mark.parametrize(
    ("user", "people"),
    [
        ("ana", "ana ben carl cleo dan dora kai lea"),
        ("ben", "ana ben carl cleo dan dora kai lea"),
        ("cleo", "ana ben carl cleo"),
        ("dan", "ana ben carl cleo dan"),
        ("lea", "ana ben carl cleo lea"),
        ("kai", "kai"),
        ("eve", ""),
        ("zoe", "yan zoe"),
    ],
)
async def test_who_sees_whom(sql: Sql, user: str, people: str) -> None:
    assert sorted(await sql.seen(user, "select user_id from live_participants")) == people.split()


@pytest.mark.parametrize(
    ("user", "requests", "messages", "gifts", "bans", "events"),
    [
        ("ana", ["dora"], ["dora"], [], ["mallory"], True),
        ("ben", ["dora"], ["dora"], [], ["mallory"], True),
        ("cleo", [], ["dora"], [], [], False),
        ("dora", ["dora"], ["dora"], ["dora"], [], False),
        ("lea", [], ["dora"], [], [], False),
        ("kai", [], [], [], [], False),
        ("eve", [], [], [], [], False),
        ("mallory", [], [], [], [], False),
        ("zoe", ["yan"], ["yan"], ["yan"], ["max"], True),
    ],
)
async def test_who_reads_what(
    sql: Sql, user: str, requests: list[str], messages: list[str], gifts: list[str], bans: list[str], events: bool
) -> None:
    assert await sql.seen(user, "select user_id from live_guest_requests") == requests
    assert await sql.seen(user, "select user_id from live_chat_messages") == messages
    assert await sql.seen(user, "select user_id from live_gifts") == gifts
    assert await sql.seen(user, "select user_id from live_bans") == bans
    seen = set(map(str, await sql.seen(user, "select session_id from live_events")))
    assert seen == ({OTHER if user == "zoe" else SHOW} if events else set())
    assert set(map(str, await sql.seen(user, "select session_id from live_timeline"))) == seen


async def test_what_is_on_is_for_everybody_with_a_token(sql: Sql) -> None:
    assert len(await sql.seen("eve", "select id from live_sessions")) == 2
    assert len(await sql.seen("eve", "select id from live_active")) == 2
    assert len(await sql.seen("eve", "select id from live_gift_catalogue")) == 5


async def test_totals_are_for_the_room_and_name_nobody(sql: Sql) -> None:
    totals = "select total from live_reaction_totals"
    assert await sql.seen("ana", totals) == await sql.seen("cleo", totals) == [3]
    assert await sql.seen("kai", totals) == await sql.seen("eve", totals) == []
    assert await sql.seen("cleo", "select user_id from live_reactions") == []
    assert await sql.seen("dora", "select user_id from live_reactions") == ["dora"]


async def test_statistics_are_for_those_who_were_there(sql: Sql) -> None:
    query = f"select unique_viewers from live_session_statistics('{SHOW}')"
    assert await sql.seen("ana", query) == await sql.seen("lea", query) == [4]
    assert await sql.seen("kai", query) == await sql.seen("eve", query) == []
    async with sql.acting("eve") as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch(f"select live_statistics('{SHOW}')")


# Sessions and settings

START = "insert into live_sessions (host_user_id, host_name, title) values ($1, 'X', 'X')"


async def test_a_session_is_started_in_ones_own_name_only(sql: Sql) -> None:
    assert await sql.may("eve", START, "eve") == 1
    await sql.may_not("eve", START, "ana")
    await sql.may_not("ana", START, "ana")
    forged = "insert into live_sessions (host_user_id, host_name, title, viewer_count) values ('eve', 'X', 'X', 1000)"
    await sql.may_not("eve", forged)


END = f"update live_sessions set status = 'ended', ended_at = now(), end_reason = 'x' where id = '{SHOW}'"


async def test_only_the_host_ends_and_the_end_is_final(sql: Sql) -> None:
    assert await sql.may("ana", END) == 1
    for user in ("ben", "dan", "eve", "zoe"):
        await sql.may_not(user, END)
    await sql.may_not("ana", f"update live_sessions set title = 'x' where id = '{SHOW}'")
    await sql.may_not("ana", f"update live_sessions set viewer_count = 9 where id = '{SHOW}'")
    await sql.may_not("ana", f"update live_sessions set host_user_id = 'eve' where id = '{SHOW}'")
    await sql.owner.execute(END)
    await sql.may_not(
        "ana", f"update live_sessions set status = 'live', ended_at = null, end_reason = null where id = '{SHOW}'"
    )


async def test_only_the_host_changes_settings(sql: Sql) -> None:
    change = f"update live_session_settings set max_guests = 2 where session_id = '{SHOW}'"
    assert await sql.may("ana", change) == 1
    for user in ("ben", "dan", "eve", "zoe"):
        await sql.may_not(user, change)
    await sql.may_not("eve", f"insert into live_session_settings (session_id) values ('{SHOW}')")


# Participants

COME_IN = "insert into live_participants (session_id, user_id, name, role) values ($1, $2, 'X', $3)"


async def test_coming_in(sql: Sql) -> None:
    assert await sql.may("eve", COME_IN, SHOW, "eve", "viewer") == 1
    for role in ("host", "cohost", "guest"):
        await sql.may_not("eve", COME_IN, SHOW, "eve", role)
    await sql.may_not("eve", COME_IN, SHOW, "frank", "viewer")
    await sql.may_not("mallory", COME_IN, SHOW, "mallory", "viewer")
    assert await sql.may("mallory", COME_IN, OTHER, "mallory", "viewer") == 1


async def test_coming_in_where_it_is_locked_or_over(sql: Sql) -> None:
    await sql.owner.execute("update live_session_settings set locked = true")
    await sql.may_not("eve", COME_IN, SHOW, "eve", "viewer")
    back = "update live_participants set status = 'joined', left_at = null where user_id = $1"
    assert await sql.may("lea", back, "lea") == 1
    await sql.may_not("kai", back, "kai")
    await sql.owner.execute(END)
    await sql.may_not("lea", back, "lea")


@pytest.mark.parametrize(
    ("change", "allowed"),
    [
        ("status = 'left', left_at = now()", True),
        ("name = 'Danny'", True),
        ("role = 'guest'", False),
        ("role = 'cohost'", False),
        ("role = 'host'", False),
        ("audio_locked = true", False),
        ("chat_silenced = true", False),
        ("status = 'kicked', left_at = now()", False),
        (f"session_id = '{OTHER}'", False),
        ("user_id = 'ana'", False),
    ],
)
async def test_what_viewers_do_with_themselves(sql: Sql, change: str, allowed: bool) -> None:
    statement = f"update live_participants set {change} where user_id = 'dan'"
    if allowed:
        assert await sql.may("dan", statement) == 1
    else:
        await sql.may_not("dan", statement)
    for user in ("dora", "cleo", "eve", "zoe"):
        await sql.may_not(user, statement)


async def test_a_muted_guest_does_not_unmute_and_a_silenced_viewer_does_not_speak(sql: Sql) -> None:
    await sql.owner.execute(
        "update live_participants set audio_locked = true, chat_silenced = true where user_id in ('cleo', 'dan')"
    )
    await sql.may_not("cleo", "update live_participants set audio_locked = false where user_id = 'cleo'")
    await sql.may_not("dan", "update live_participants set chat_silenced = false where user_id = 'dan'")
    await sql.may_not("dan", WRITE, SHOW, person("dan"), "dan", "message")
    assert await sql.may("ben", "update live_participants set audio_locked = false where user_id = 'cleo'") == 1


async def test_stepping_down_is_allowed_and_up_is_not(sql: Sql) -> None:
    down = "update live_participants set role = 'viewer' where user_id = $1"
    assert await sql.may("cleo", down, "cleo") == await sql.may("ben", down, "ben") == 1
    await sql.may_not("ana", down, "ana")
    await sql.may_not("cleo", "update live_participants set role = 'cohost' where user_id = 'cleo'")
    await sql.may_not("lea", "update live_participants set role = 'guest' where user_id = 'lea'")


@pytest.mark.parametrize(
    ("target", "change", "host", "cohost"),
    [
        ("cleo", "audio_locked = true", True, True),
        ("dan", "chat_silenced = true", True, True),
        ("dan", "status = 'kicked', left_at = now()", True, True),
        ("cleo", "role = 'viewer'", True, True),
        ("cleo", "role = 'cohost'", True, False),
        ("ben", "role = 'guest'", True, None),
        ("ben", "status = 'kicked', left_at = now()", True, None),
        ("dan", "role = 'guest'", False, False),
        ("dan", "role = 'host'", False, False),
        ("dan", "status = 'left', left_at = now()", False, False),
        ("dan", "name = 'Fool'", False, False),
        ("kai", "status = 'joined', left_at = null", False, False),
        ("ana", "audio_locked = true", None, False),
        ("ana", "role = 'viewer'", False, False),
    ],
)
async def test_what_moderators_do_with_others(
    sql: Sql, target: str, change: str, host: bool | None, cohost: bool | None
) -> None:
    statement = f"update live_participants set {change} where user_id = '{target}'"
    for user, allowed in (("ana", host), ("ben", cohost)):
        if allowed is not None:
            if allowed:
                assert await sql.may(user, statement) == 1
            else:
                await sql.may_not(user, statement)
    for user in ("cleo", "carl", "dora", "eve", "zoe"):
        if user != target:
            await sql.may_not(user, statement)


# Requests and invitations

ASK = (
    "insert into live_guest_requests "
    "(session_id, participant_id, user_id, name, status, answered_at, kind, invited_by) "
    "values ($1, $2, $3, 'X', $4, case when $4 = 'approved' then now() end, $5, $6)"
)


async def test_asking(sql: Sql) -> None:
    assert await sql.may("dan", ASK, SHOW, person("dan"), "dan", "pending", "request", None) == 1
    await sql.may_not("dora", ASK, SHOW, person("dora"), "dora", "pending", "request", None)  # one is open
    await sql.may_not("dan", ASK, SHOW, person("dan"), "dan", "approved", "request", None)
    await sql.may_not("dan", ASK, SHOW, person("dora"), "dora", "pending", "request", None)
    await sql.may_not("dan", ASK, SHOW, person("dora"), "dan", "pending", "request", None)
    await sql.may_not("cleo", ASK, SHOW, person("cleo"), "cleo", "pending", "request", None)
    await sql.may_not("eve", ASK, SHOW, person("dan"), "eve", "pending", "request", None)


async def test_where_no_approval_is_needed_asking_is_enough(sql: Sql) -> None:
    await sql.owner.execute("update live_session_settings set require_approval = false")
    async with sql.acting("dan") as connection:
        await connection.execute(ASK, SHOW, person("dan"), "dan", "approved", "request", None)
        assert await connection.fetchval("select role from live_participants where user_id = 'dan'") == "guest"
    await sql.owner.execute("update live_session_settings set allow_guests = false")
    await sql.may_not("dan", ASK, SHOW, person("dan"), "dan", "approved", "request", None)


ANSWER = "update live_guest_requests set status = $1, answered_at = now(), answered_by = $2 where user_id = 'dora'"


async def test_answering(sql: Sql) -> None:
    for user in ("ana", "ben"):
        async with sql.acting(user) as connection:
            await connection.execute(ANSWER, "approved", user)
            assert await connection.fetchval("select role from live_participants where user_id = 'dora'") == "guest"
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(ANSWER, "rejected", user)
    await sql.may_not("ana", ANSWER, "approved", "ben")
    assert await sql.may("dora", ANSWER, "cancelled", None) == 1
    for status in ("approved", "rejected"):
        await sql.may_not("dora", ANSWER, status, "dora")
    for user in ("cleo", "dan", "eve", "zoe"):
        await sql.may_not(user, ANSWER, "approved", user)


async def test_inviting(sql: Sql) -> None:
    for user in ("ana", "ben"):
        assert await sql.may(user, ASK, SHOW, person("dan"), "dan", "pending", "invitation", user) == 1
    await sql.may_not("ana", ASK, SHOW, person("dan"), "dan", "pending", "invitation", "ben")
    await sql.may_not("ana", ASK, SHOW, person("dan"), "dan", "approved", "invitation", "ana")
    await sql.may_not("ana", ASK, SHOW, person("cleo"), "cleo", "pending", "invitation", "ana")
    for user in ("cleo", "dora", "dan", "eve"):
        await sql.may_not(user, ASK, SHOW, person("dan"), "dan", "pending", "invitation", user)


async def test_accepting_an_invitation(sql: Sql) -> None:
    await sql.owner.execute(ASK, SHOW, person("dan"), "dan", "pending", "invitation", "ana")
    accept = "update live_guest_requests set status = $1, answered_at = now(), answered_by = $2 where user_id = 'dan'"
    async with sql.acting("dan") as connection:
        await connection.execute(accept, "approved", "dan")
        assert await connection.fetchval("select role from live_participants where user_id = 'dan'") == "guest"
    for user in ("ana", "ben", "dora", "eve"):
        await sql.may_not(user, accept, "approved", user)
    assert await sql.may("ben", accept, "cancelled", None) == 1
    await sql.may_not("dan", accept, "cancelled", None)


# Chat, reactions, gifts, bans

WRITE = (
    "insert into live_chat_messages (session_id, participant_id, user_id, name, kind, body) "
    "values ($1, $2, $3, 'X', $4, 'Hi')"
)


async def test_writing(sql: Sql) -> None:
    for user in PEOPLE[SHOW]:
        assert await sql.may(user, WRITE, SHOW, person(user), user, "message") == 1
    for kind in ("system", "gift"):
        await sql.may_not("ana", WRITE, SHOW, person("ana"), "ana", kind)
    await sql.may_not("dan", WRITE, SHOW, person("ana"), "ana", "message")
    await sql.may_not("dan", WRITE, SHOW, person("ana"), "dan", "message")
    await sql.may_not("dan", WRITE, OTHER, person("dan"), "dan", "message")
    for user in ("lea", "kai", "eve", "zoe"):
        await sql.may_not(user, WRITE, SHOW, person("dan"), user, "message")
    await sql.owner.execute("update live_session_settings set enable_chat = false")
    await sql.may_not("dan", WRITE, SHOW, person("dan"), "dan", "message")


DELETE = f"update live_chat_messages set body = '', deleted_at = now(), deleted_by = $1 where session_id = '{SHOW}'"


async def test_deleting_messages(sql: Sql) -> None:
    for user in ("ana", "ben", "dora"):
        assert await sql.may(user, DELETE, user) == 1
    for user in ("cleo", "dan", "lea", "kai", "eve", "zoe"):
        await sql.may_not(user, DELETE, user)
    await sql.may_not("ana", DELETE, "ben")
    await sql.may_not("dora", "update live_chat_messages set body = 'Rewritten' where user_id = 'dora'")
    await sql.may_not("ana", "update live_chat_messages set user_id = 'dan'")


async def test_reacting(sql: Sql) -> None:
    react = "insert into live_reactions (session_id, user_id, type, count) values ($1, $2, 'clap', 1)"
    assert await sql.may("dan", react, SHOW, "dan") == 1
    await sql.may_not("dan", react, SHOW, "dora")
    for user in ("lea", "kai", "eve"):
        await sql.may_not(user, react, SHOW, user)
    assert await sql.may("dora", "update live_reactions set count = count + 1") == 1
    await sql.may_not("dora", "update live_reactions set count = 1")
    await sql.may_not("ana", "update live_reactions set count = count + 1")
    await sql.owner.execute(END)
    await sql.may_not("dan", react, SHOW, "dan")


GIVE = (
    "insert into live_gifts (session_id, participant_id, user_id, name, gift_id, quantity, key, value) "
    "values ($1, $2, $3, 'X', 'crown', 2, 'k', 1) returning value"
)


async def test_giving(sql: Sql) -> None:
    async with sql.acting("dan") as connection:
        assert await connection.fetchval(GIVE, SHOW, person("dan"), "dan") == 200
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("update live_gifts set status = 'paid', settled_at = now()")
    await sql.may_not("dan", GIVE, SHOW, person("dora"), "dora")
    await sql.may_not("eve", GIVE, SHOW, person("dan"), "eve")
    await sql.owner.execute("update live_session_settings set enable_gifts = false")
    await sql.may_not("dan", GIVE, SHOW, person("dan"), "dan")


BAN = "insert into live_bans (host_user_id, user_id, session_id, name, banned_by) values ($1, $2, $3, 'X', $4)"


async def test_banning(sql: Sql) -> None:
    for user in ("ana", "ben"):
        async with sql.acting(user) as connection:
            await connection.execute(BAN, "ana", "dan", SHOW, user)
            assert await connection.fetchval("select status from live_participants where user_id = 'dan'") == "kicked"
    assert await sql.may("ana", BAN, "ana", "ben", SHOW, "ana") == 1
    await sql.may_not("ben", BAN, "ana", "ana", SHOW, "ben")
    await sql.may_not("ana", BAN, "ana", "ana", SHOW, "ana")
    await sql.may_not("ana", BAN, "zoe", "yan", OTHER, "ana")
    await sql.may_not("ana", BAN, "zoe", "yan", SHOW, "ana")
    await sql.may_not("ana", BAN, "ana", "dan", SHOW, "ben")
    for user in ("cleo", "dan", "eve", "zoe"):
        await sql.may_not(user, BAN, "ana", "dora", SHOW, user)


async def test_unbanning(sql: Sql) -> None:
    lift = "delete from live_bans where user_id = 'mallory'"
    assert await sql.may("ana", lift) == await sql.may("ben", lift) == 1
    for user in ("cleo", "dan", "mallory", "eve", "zoe"):
        await sql.may_not(user, lift)


async def test_a_ban_that_is_lifted_after_the_session_is_written_down_too(sql: Sql) -> None:
    await sql.owner.execute(END)
    async with sql.acting("ana") as connection:
        await connection.execute("delete from live_bans where user_id = 'mallory'")
        last = "select type, actor_user_id, target_user_id, session_id::text from live_events order by id desc limit 1"
        assert tuple(await connection.fetchrow(last)) == ("unbanned", "ana", "mallory", SHOW)


async def test_a_batch_is_judged_message_by_message(sql: Sql) -> None:
    def item(user: str, number: int, **values: Any) -> dict[str, Any]:
        claims = json.dumps({"sub": values.pop("claims", user)})
        session = {"id": f"50000000-0000-4000-8000-{number:012}", "session_id": SHOW, "participant_id": person("dan")}
        rest = {"user_id": user, "name": "X", "kind": "message", "body": "Hi", "data": {}, "client_id": None}
        return {"role": "authenticated", "claims": claims, **session, **rest, **values}

    batch = [
        item("dan", 1),
        item("dora", 2, claims="dan"),
        item("dan", 3, kind="system"),
        item("dora", 4, participant_id=person("dora"), client_id="once"),
        item("dora", 5, participant_id=person("dora"), client_id="once"),
    ]
    async with sql.acting(None, "service_role") as connection:
        rows = await connection.fetch("select number, id, refusal from live_add_messages($1)", json.dumps(batch))
    assert [(row["number"], row["refusal"]) for row in rows] == [
        (1, None),
        (2, "42501"),
        (3, "42501"),
        (4, None),
        (5, None),
    ]
    assert rows[3]["id"] == rows[4]["id"]


# What the triggers write


async def test_moderation_is_audited_with_who_and_whom(sql: Sql) -> None:
    async with sql.acting("ben") as connection:
        await connection.execute("update live_participants set audio_locked = true where user_id = 'cleo'")
        await connection.execute("update live_participants set chat_silenced = true where user_id = 'dan'")
        await connection.execute(
            "update live_participants set status = 'kicked', left_at = now() where user_id = 'dan'"
        )
        await connection.execute(BAN, "ana", "dora", SHOW, "ben")
        await connection.execute("update live_participants set role = 'viewer' where user_id = 'carl'")
        rows = await connection.fetch(
            "select type, actor_user_id, target_user_id from live_events where actor_user_id = 'ben' order by id"
        )
    assert [tuple(row) for row in rows] == [
        ("audio_muted", "ben", "cleo"),
        ("chat_silenced", "ben", "dan"),
        ("participant_kicked", "ben", "dan"),
        ("banned", "ben", "dora"),
        ("participant_kicked", "ben", "dora"),
        ("role_changed", "ben", "carl"),
    ]


async def test_the_stage_takes_no_more_than_it_may(sql: Sql) -> None:
    await sql.owner.execute("update live_session_settings set max_guests = 3")
    async with sql.acting("ana") as connection:
        with pytest.raises(asyncpg.CheckViolationError) as caught:
            await connection.execute(ANSWER, "approved", "ana")
        assert caught.value.constraint_name == "live_participants_max_guests"


async def test_what_supabase_grants_by_default_is_taken_back(postgres_dsn: str, populated: asyncpg.Connection) -> None:
    """There every new table, sequence and function of the schema is open to the roles of the API."""
    async with own_schema(postgres_dsn) as dsn:
        database = Database(dsn)
        schema = dsn.rpartition("=")[2]
        async with database.owner() as connection:
            for what in ("tables", "sequences", "functions"):
                await connection.execute(
                    f"alter default privileges in schema {schema} grant all on {what} to anon, authenticated"
                )
            await database.migrate()
            open_to_all = await connection.fetch(
                """
                select c.relname, p.role, p.verb from pg_class c,
                       (select role, verb from unnest(array['anon', 'authenticated']) role,
                               unnest(array['select', 'insert', 'update', 'delete', 'truncate', 'trigger']) verb) p
                 where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'v')
                   and has_table_privilege(p.role, c.oid, p.verb)
                   and not (p.role = 'authenticated' and (p.verb = 'select' and c.relname not in
                              ('live_webhooks', 'live_webhook_outbox', 'greenroom_migrations')
                            or p.verb = 'delete' and c.relname = 'live_bans'))
                """
            )
            assert [tuple(row) for row in open_to_all] == []
            for role, allowed in (("anon", set()), ("authenticated", FOR_CALLERS)):
                callable_now = await connection.fetch(
                    "select proname from pg_proc where pronamespace = current_schema()::regnamespace "
                    "and has_function_privilege($1::text, oid, 'execute')",
                    role,
                )
                assert {row[0] for row in callable_now} == allowed, role
                numbers = await connection.fetch(
                    "select relname from pg_class where relnamespace = current_schema()::regnamespace "
                    "and case relkind when 'S' then has_sequence_privilege($1::text, oid, 'usage, select, update') end",
                    role,
                )
                assert [row[0] for row in numbers] == [], role


async def test_what_is_somebody_elses_in_the_schema_stays_as_it_is(postgres_dsn: str) -> None:
    """It may be `public`, with tables of the product whose sessions these are, and names that begin like ours."""
    async with own_schema(postgres_dsn) as dsn:
        database = Database(dsn)
        async with database.owner() as connection:
            await connection.execute(
                "create table live_orders (id integer); grant select, update on live_orders to anon; "
                "alter table live_orders enable row level security; create policy theirs on live_orders using (true); "
                "create function live_ticker() returns integer language sql as 'select 1'"
            )
            before = await connection.fetchval(OF_OTHERS)
            await database.migrate()
            assert await connection.fetchval(OF_OTHERS) == before


FOR_CALLERS = {
    "live_caller",
    "live_trusted",
    "live_role_in",
    "live_hosts",
    "live_moderates",
    "live_attended",
    "live_admits",
    "live_may_write",
    "live_lock_session",
    "live_session_statistics",
}
"""Functions that policies and verbs ask. None takes a name to act in."""

OF_OTHERS = """
select (c.relacl, (select proacl from pg_proc where proname = 'live_ticker' and pronamespace = c.relnamespace),
        array(select (polname, polroles, polcmd) from pg_policy where polrelid = c.oid))::text
  from pg_class c where relname = 'live_orders' and relnamespace = current_schema()::regnamespace
"""
