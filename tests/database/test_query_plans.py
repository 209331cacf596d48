"""Every query of the store on tables that have grown: none reads a whole one."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import asyncpg
import pytest
import pytest_asyncio

from control_api.store import Database, PostgresStore
from control_api.store.chat import AFTER, BEFORE, NEWEST
from control_api.store.database import speak_as
from control_api.store.statistics import TIMELINE
from signaling.listing import ActiveSearch
from signaling.model import Role
from signaling.ports import Identity
from tests.conftest import own_schema

pytestmark = pytest.mark.asyncio(loop_scope="module")

SESSIONS = 1200
PEOPLE = 5
"""In each session."""
MESSAGES = 10_000
"""In one session."""

# Each host's sessions but the last have ended. Without the triggers: they are not what is looked at here.
FILL = f"""
insert into live_sessions (id, host_user_id, host_name, title, status, started_at, ended_at)
select gen_random_uuid(), 'host ' || n % 40, 'Host', 'Session ' || n,
       case when n > {SESSIONS - 40} then 'live' else 'ended' end,
       now() - n * interval '1 minute', case when n > {SESSIONS - 40} then null else now() end
  from generate_series(1, {SESSIONS}) n;
insert into live_session_settings (session_id) select id from live_sessions;
alter table live_participants disable trigger user;
insert into live_participants (session_id, user_id, name, role, status, left_at)
select s.id, case n when 0 then s.host_user_id else 'user ' || n end, 'X', case n when 0 then 'host' else 'viewer' end,
       case s.status when 'live' then 'joined' else 'left' end, case s.status when 'live' then null else now() end
  from live_sessions s, generate_series(0, {PEOPLE}) n;
alter table live_participants enable trigger user;
alter table live_guest_requests disable trigger user;
insert into live_guest_requests (session_id, participant_id, user_id, name, status, answered_at)
select session_id, id, user_id, name, 'rejected', now() from live_participants where role = 'viewer';
alter table live_guest_requests enable trigger user;
alter table live_chat_messages disable trigger user;
insert into live_chat_messages (session_id, participant_id, user_id, name, body)
select p.session_id, p.id, p.user_id, p.name, 'Hello ' || n
  from (select * from live_participants where status = 'joined' and role = 'viewer' limit 1) p,
       generate_series(1, {MESSAGES}) n;
insert into live_chat_messages (session_id, participant_id, user_id, name, body)
select session_id, id, user_id, name, 'Hello' from live_participants;
alter table live_chat_messages enable trigger user;
insert into live_reactions (session_id, user_id, type, count)
select session_id, user_id, 'heart', 1 from live_participants;
alter table live_gifts disable trigger user;
insert into live_gifts (session_id, participant_id, user_id, name, gift_id, key, value, status, settled_at)
select session_id, id, user_id, name, 'rose', 'key', 1, 'paid', now() from live_participants;
alter table live_gifts enable trigger user;
alter table live_bans disable trigger user;
insert into live_events (session_id, type) select session_id, 'role_changed' from live_participants;
insert into live_events (session_id, type, data)
select session_id, 'message_sent', jsonb_build_object('message_id', id) from live_chat_messages;
insert into live_visits (session_id, participant_id, user_id, as_viewer, joined_at, left_at)
select session_id, id, user_id, true, joined_at, left_at from live_participants;
insert into live_bans (host_user_id, user_id, session_id, name, banned_by)
select s.host_user_id, 'banned ' || n, s.id, 'X', 'x'
  from live_sessions s, generate_series(1, 100) n where s.status = 'live';
alter table live_bans enable trigger user;
analyze;
"""


class Query(NamedTuple):
    text: str
    values: tuple[Any, ...]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def database(postgres_dsn: str) -> AsyncIterator[Database]:
    async with own_schema(postgres_dsn) as dsn:
        database = Database(dsn)
        await database.migrate()
        await database.connect()
        yield database
        await database.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def grown(database: Database) -> AsyncIterator[asyncpg.Connection]:
    async with database.owner() as connection:
        await connection.execute(FILL)
        await connection.execute("set random_page_cost = 1.1")  # as for any disk of today
        yield connection


async def test_no_query_of_the_store_reads_a_whole_table(
    database: Database, grown: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id, host, viewer_id, message_id = await grown.fetchrow(
        "select s.id::text, s.host_user_id, p.id::text, m.id::text from live_sessions s "
        "join live_participants p on p.session_id = s.id and p.role = 'viewer' "
        "join live_chat_messages m on m.participant_id = p.id where s.status = 'live' limit 1"
    )
    asked: dict[str, Query] = {}

    def record(name: str) -> None:
        original = getattr(asyncpg.Connection, name)

        async def recorded(self: asyncpg.Connection, text: str, *values: Any, **options: Any) -> Any:
            asked[text] = Query(text, values)
            return await original(self, text, *values, **options)

        monkeypatch.setattr(asyncpg.Connection, name, recorded)

    for name in ("fetch", "fetchrow", "fetchval", "execute"):
        record(name)
    server = PostgresStore(database)
    as_host = server.acting_as(Identity(user_id=host, name="Host"))
    for store in (server, as_host):
        await store.get_session(session_id)
        await store.participants(session_id)
        await store.requests(session_id)
        await store.messages(session_id, 50, None, None)
        await store.messages(session_id, 50, 1000, None)
        await store.messages(session_id, 50, None, 1000)
        await store.message(session_id, message_id)
        await store.reaction_totals(session_id)
        await store.gift_totals(session_id, 10)
        await store.find_gift(session_id, "user 1", "key")
        await store.bans(host)
        await store.timeline(session_id, 0, 100)
        await store.session_statistics(session_id)
        await store.active_sessions(ActiveSearch(limit=20))
        await store.active_sessions(ActiveSearch(text="Session", limit=20))
        await store.set_role(session_id, viewer_id, Role.VIEWER)
    await server.live_session_ids()
    await server.pending_gifts()
    monkeypatch.undo()

    planned = [query for query in asked.values() if _is_one_query(query.text)]
    assert len(planned) > 20
    wrong = []
    for query in planned:
        plan = [row[0] for row in await grown.fetch(f"explain {query.text}", *query.values)]
        wrong += [f"{line.strip()}\n{query.text}" for line in plan if "Seq Scan on live_" in line and not _small(line)]
    assert wrong == []


def _is_one_query(text: str) -> bool:
    return text.lstrip().lower().startswith(("select", "update", "with")) and ";" not in text


def _small(line: str) -> bool:
    """Tables that stay small are read whole."""
    return "live_gift_catalogue" in line


async def test_every_foreign_key_has_an_index(grown: asyncpg.Connection) -> None:
    """Without one the deletion of a session would read every table once for each row that goes."""
    rows = await grown.fetch(
        """
        select conrelid::regclass::text as table, conname as name from pg_constraint c
         where contype = 'f' and connamespace = current_schema()::regnamespace
           and confrelid <> 'live_gift_catalogue'::regclass
           and not exists (
             select from pg_index i where i.indrelid = c.conrelid and i.indpred is null
                and (i.indkey::int2[])[0:cardinality(c.conkey) - 1] @> c.conkey)
        """
    )
    assert [tuple(row) for row in rows] == []


async def test_what_the_policies_ask_is_one_look_into_an_index(grown: asyncpg.Connection) -> None:
    bodies = await grown.fetch(
        "select proname, prosrc from pg_proc where pronamespace = current_schema()::regnamespace "
        "and proname in ('live_role_in', 'live_hosts', 'live_attended')"
    )
    assert len(bodies) == 3
    for name, body in bodies:
        text = body.replace("id = session ", f"id = '{uuid.uuid4()}' ").replace("live_caller()", "'user 7'")
        plan = "\n".join(row[0] for row in await grown.fetch(f"explain {text}"))
        assert "Index" in plan, name
        assert "Seq Scan" not in plan, f"{name}\n{plan}"


def scans(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """What reads tables, among a plan and all below it."""
    own = [plan] if "Relation Name" in plan else []
    return own + [scan for part in plan.get("Plans", ()) for scan in scans(part)]


def rows_of(scan: dict[str, Any]) -> int:
    return int((scan["Actual Rows"] + scan.get("Rows Removed by Filter", 0)) * scan["Actual Loops"])


@pytest.mark.parametrize(
    ("query", "values", "page"),
    [(TIMELINE, (5000, 100), 100), (NEWEST, (50,), 50), (BEFORE, (50, 5000), 50), (AFTER, (50, 5000), 50)],
)
async def test_a_page_of_a_long_session_reads_a_page(
    grown: asyncpg.Connection, query: str, values: tuple[int, ...], page: int
) -> None:
    """Policies ask for every row that is read: forty seconds for all events of a day."""
    session_id, host = await grown.fetchrow(
        "select s.id::text, s.host_user_id from live_sessions s join live_chat_messages m on m.session_id = s.id "
        "where s.status = 'live' group by s.id having count(*) > 5000"
    )
    async with grown.transaction():
        await grown.execute(speak_as(Identity(user_id=host, name="H")))
        explained = await grown.fetchval(f"explain (analyze, format json) {query}", session_id, *values)
    read = {scan["Relation Name"]: rows_of(scan) for scan in scans(json.loads(explained)[0]["Plan"])}
    assert max(read.values()) >= page
    assert max(read.values()) <= 3 * page, read


@pytest.mark.parametrize("view", ["live_reaction_totals", "live_gift_totals"])
async def test_totals_ask_about_the_session_and_not_about_every_row(grown: asyncpg.Connection, view: str) -> None:
    session_id, host = await grown.fetchrow("select id::text, host_user_id from live_sessions where status = 'live'")
    async with grown.transaction():
        await grown.execute(speak_as(Identity(user_id=host, name="H")))
        explained = await grown.fetchval(
            f"explain (analyze, format json) select * from {view} where session_id = $1", session_id
        )
    judged = [scan for scan in scans(json.loads(explained)[0]["Plan"]) if "live_attended" in scan.get("Filter", "")]
    assert [(scan["Relation Name"], rows_of(scan)) for scan in judged] == [("live_sessions", 1)]
