from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from control_api.store import Database, PostgresStore
from control_api.store.listing import active_query
from signaling.listing import ActiveOrder, ActiveSearch, Place
from signaling.model import ParticipantRecord, Role, SessionRecord
from signaling.ports import Identity, Store

START = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


@pytest.fixture
def store(database: Database) -> Store:
    return PostgresStore(database)


async def live(store: Store, title: str, host: str = "Ana", *, minutes: int = 0, viewers: int = 0) -> SessionRecord:
    session = SessionRecord(
        id=str(uuid.uuid4()),
        host_user_id=f"host {uuid.uuid4()}",
        host_name=host,
        title=title,
        started_at=START + timedelta(minutes=minutes),
    )
    await store.create_session(session, person(session, session.host_user_id, Role.HOST))
    for number in range(viewers):
        await store.upsert_participant(person(session, f"viewer {number}", Role.VIEWER))
    return session


def person(session: SessionRecord, user_id: str, role: Role) -> ParticipantRecord:
    return ParticipantRecord(
        id=str(uuid.uuid4()), session_id=session.id, user_id=user_id, name="P", role=role, joined_at=START
    )


async def titles(store: Store, **search: object) -> list[str]:
    return [session.title for session in await store.active_sessions(ActiveSearch(**search))]  # type: ignore[arg-type]


async def paged(store: Store, order: ActiveOrder, limit: int) -> list[str]:
    found: list[str] = []
    after = None
    while page := await store.active_sessions(ActiveSearch(order=order, after=after, limit=limit)):
        found += [session.title for session in page]
        after = Place.of(order, page[-1])
    return found


async def test_orders(store: Store) -> None:
    await live(store, "old and full", minutes=0, viewers=2)
    await live(store, "newer", minutes=1, viewers=1)
    await live(store, "newest", minutes=2, viewers=1)
    over = await live(store, "over", minutes=3, viewers=3)
    await store.end_session(over.id, "host_ended", START + timedelta(hours=1))
    assert await titles(store) == ["newest", "newer", "old and full"]
    assert await titles(store, order="viewers") == ["old and full", "newest", "newer"]
    assert await titles(store, limit=1) == ["newest"]


@pytest.mark.parametrize("order", ["started", "viewers"])
@pytest.mark.parametrize("limit", [1, 2, 3, 7])
async def test_pages_have_everything_once_and_in_order(store: Store, order: ActiveOrder, limit: int) -> None:
    # Many equal times and counts: only the id tells them apart.
    expected = [await live(store, f"s{n}", minutes=n // 4, viewers=n % 2) for n in range(7)]
    assert sorted(await paged(store, order, limit)) == sorted(session.title for session in expected)
    assert await paged(store, order, limit) == await titles(store, order=order)


async def test_new_sessions_do_not_shift_the_next_page(store: Store) -> None:
    for number in range(4):
        await live(store, f"s{number}", minutes=number)
    first = await store.active_sessions(ActiveSearch(limit=2))
    await live(store, "s9", minutes=9)
    assert await titles(store, after=Place.of("started", first[-1])) == ["s1", "s0"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("piano", {"Piano at night"}),
        ("PIANO AT", {"Piano at night"}),
        ("ölaf", {"100% live"}),
        ("Ana", {"Piano at night", "snake_case", "back\\slash"}),
        ("%", {"100% live"}),
        ("_", {"snake_case"}),
        ("\\", {"back\\slash"}),
        ("a%b", set()),
        ("'; drop table live_sessions; --", set()),
    ],
)
async def test_search_takes_text_as_it_is_in_any_case(store: Store, text: str, expected: set[str]) -> None:
    for title, host in (
        ("Piano at night", "Ana"),
        ("100% live", "Ölaf"),
        ("snake_case", "Ana"),
        ("back\\slash", "Ana"),
    ):
        await live(store, title, host)
    assert set(await titles(store, text=text)) == expected


async def test_anybody_with_a_token_may_look(store: Store) -> None:
    await live(store, "open")
    assert await titles(store.acting_as(Identity(user_id="stranger", name="S"))) == ["open"]


async def test_newest_first_is_read_from_the_index(database: Database) -> None:
    place = Place(order="started", viewers=0, started_at=START, session_id=uuid.uuid4())
    async with database.transaction() as connection:
        await connection.execute("set local enable_seqscan = off; set local enable_sort = off")
        for search in (ActiveSearch(), ActiveSearch(after=place), ActiveSearch(text="x", after=place)):
            statement, values = active_query(search)
            plan = "\n".join(row[0] for row in await connection.fetch(f"explain {statement}", *values))
            assert "live_sessions_live" in plan
            assert "Sort" not in plan
            assert ("Index Cond" in plan and "started_at" in plan) or search.after is None


async def test_a_title_that_the_api_would_not_take_is_in_nobodys_way(store: PostgresStore, database: Database) -> None:
    """Somebody wrote it with plain SQL."""
    async with database.owner() as connection:
        await connection.execute(
            "insert into live_sessions (host_user_id, host_name, title) values ('eve', 'E', ' '); "
            "insert into live_session_settings (session_id) select id from live_sessions where host_user_id = 'eve'"
        )
    assert " " in [session.title for session in await store.active_sessions(ActiveSearch(limit=9))]
