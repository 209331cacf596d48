"""The chat in a real PostgreSQL: what it takes, what it gives to whom, and what an outage leaves of it."""

from __future__ import annotations

import asyncio
import os
import signal
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from control_api.embedded.postgres import EmbeddedPostgres
from control_api.store import Database, PostgresStore
from control_api.store.chat import AFTER, BEFORE, NEWEST
from signaling.batches import BatchLimits, BatchWriter
from signaling.chat_model import ChatMessage
from signaling.errors import LiveError
from signaling.model import ParticipantRecord, Role, SessionRecord, SessionSettings
from signaling.ports import Identity, NewMessage, Placed, StoreRefused

START = datetime.now(UTC)


class Show:
    """A session in the database, with its host and some viewers."""

    def __init__(self, store: PostgresStore, session: SessionRecord) -> None:
        self.store = store
        self.session = session
        self.people: dict[str, ParticipantRecord] = {}

    @classmethod
    async def live(cls, store: PostgresStore, *viewers: str, **settings: Any) -> Show:
        session = SessionRecord(
            id=str(uuid.uuid4()),
            host_user_id=f"host {uuid.uuid4()}",
            host_name="Ana",
            title="Hello",
            started_at=START,
            settings=SessionSettings(**settings),
        )
        show = cls(store, session)
        await store.create_session(session, show._person("host", Role.HOST, session.host_user_id))
        for name in viewers:
            await store.upsert_participant(show._person(name, Role.VIEWER, f"{name} {uuid.uuid4()}"))
        return show

    def _person(self, name: str, role: Role, user_id: str) -> ParticipantRecord:
        self.people[name] = ParticipantRecord(
            id=str(uuid.uuid4()), session_id=self.session.id, user_id=user_id, name=name, role=role, joined_at=START
        )
        return self.people[name]

    def who(self, name: str) -> Identity:
        return Identity(user_id=self.people[name].user_id, name=name)

    def acting(self, name: str) -> PostgresStore:
        return self.store.acting_as(self.who(name))

    def message(self, name: str, text: str = "Hello", **values: Any) -> NewMessage:
        person = self.people[name]
        known = {"author": self.who(name), "participant_id": person.id, "user_id": person.user_id, "name": name}
        return NewMessage(
            **{
                "id": str(uuid.uuid4()),
                "session_id": self.session.id,
                "kind": "message",
                "text": text,
                **known,
                **values,
            }
        )

    async def say(self, name: str, *texts: str) -> list[Placed | StoreRefused]:
        return await self.store.add_messages([self.message(name, text) for text in texts])

    async def read(self, **place: Any) -> list[str]:
        page = await self.store.messages(
            self.session.id, place.get("limit", 200), place.get("before"), place.get("after")
        )
        return [message.text for message in page.messages]


@pytest.fixture
def store(database: Database) -> PostgresStore:
    return PostgresStore(database)


def codes(outcomes: list[Placed | StoreRefused]) -> list[str]:
    return [outcome.code if isinstance(outcome, StoreRefused) else "written" for outcome in outcomes]


async def test_a_message_comes_back_as_it_was_written(store: PostgresStore) -> None:
    show = await Show.live(store, "ben")
    text = "'; drop table live_chat_messages; -- 🎤 \\u0000 \\ \n{}"
    message = show.message("ben", text, client_id="c-1")
    system = NewMessage(
        id=str(uuid.uuid4()), session_id=show.session.id, kind="system", data={"event": "joined", "names": ["Ü"]}
    )
    outcomes = await store.add_messages([message, system])
    assert all(isinstance(outcome, Placed) for outcome in outcomes)
    page = await show.acting("ben").messages(show.session.id, 50, None, None)
    assert page.messages == [m.at(o) for m, o in zip([message, system], outcomes, strict=True)]  # type: ignore[arg-type]
    assert page.messages[1].data == {"event": "joined", "names": ["Ü"]}
    assert await store.message(show.session.id, message.id) == page.messages[0]


async def test_the_order_of_a_batch_is_the_order_of_the_positions(store: PostgresStore) -> None:
    show = await Show.live(store, "ben", "cleo")
    batch = [show.message("ben" if number % 2 else "cleo", str(number)) for number in range(100)]
    outcomes = [outcome for outcome in await store.add_messages(batch) if isinstance(outcome, Placed)]
    assert [outcome.id for outcome in outcomes] == [message.id for message in batch]
    positions = [outcome.position for outcome in outcomes]
    assert positions == sorted(set(positions))
    assert await show.read() == [str(number) for number in range(100)]


async def test_the_same_message_again_is_the_same_row(store: PostgresStore) -> None:
    show = await Show.live(store, "ben", "cleo")
    first = show.message("ben", "one", client_id="c")
    (placed,) = await store.add_messages([first])
    again = show.message("ben", "another text", client_id="c")
    cleos = show.message("cleo", "two", client_id="c")
    same, retried, other = await store.add_messages([first, again, cleos])
    assert same == retried == placed
    assert isinstance(other, Placed)
    assert other.id == cleos.id
    assert await show.read() == ["one", "two"]


async def test_each_message_is_judged_in_its_authors_name(store: PostgresStore) -> None:
    show = await Show.live(store, "ben", "cleo", "dora", "eve")
    other = await Show.live(store)
    await store.upsert_participant(show.people["cleo"].model_copy(update={"chat_silenced": True}))
    await store.upsert_participant(show.people["dora"].model_copy(update={"status": "left", "left_at": START}))
    outcomes = await store.add_messages(
        [
            show.message("ben", "good"),
            show.message("cleo", "silenced"),
            show.message("dora", "gone"),
            show.message("ben", "as somebody else", user_id=show.people["eve"].user_id),
            show.message("ben", "as another participant", participant_id=show.people["eve"].id),
            show.message("ben", "elsewhere", session_id=other.session.id),
            show.message("ben", "as the server", kind="system"),
            show.message("eve", "good too"),
        ]
    )
    assert codes(outcomes) == ["written", *["forbidden"] * 6, "written"]
    assert await show.read() == ["good", "good too"]


async def test_a_chat_that_is_off_takes_nothing(store: PostgresStore) -> None:
    show = await Show.live(store, "ben", enable_chat=False)
    assert codes(await show.say("ben", "Hello")) == ["forbidden"]


async def test_pages(store: PostgresStore) -> None:
    show, other = await Show.live(store, "ben"), await Show.live(store, "ben")
    for number in range(0, 30, 10):
        await show.say("ben", *(str(n) for n in range(number, number + 10)))
        await other.say("ben", "somebody else's")
    newest = await store.messages(show.session.id, 10, None, None)
    assert ([m.text for m in newest.messages], newest.more) == ([str(n) for n in range(20, 30)], True)
    older = await store.messages(show.session.id, 15, newest.messages[0].position, None)
    assert ([m.text for m in older.messages], older.more) == ([str(n) for n in range(5, 20)], True)
    oldest = await store.messages(show.session.id, 5, older.messages[0].position, None)
    assert ([m.text for m in oldest.messages], oldest.more) == ([str(n) for n in range(5)], False)
    newer = await store.messages(show.session.id, 10, None, oldest.messages[-1].position)
    assert ([m.text for m in newer.messages], newer.more) == ([str(n) for n in range(5, 15)], True)
    last = await store.messages(show.session.id, 15, None, newer.messages[-1].position)
    assert ([m.text for m in last.messages], last.more) == ([str(n) for n in range(15, 30)], False)
    assert await show.read(after=last.messages[-1].position) == []
    assert await show.read(before=0) == []
    assert await show.read(after=2**63 - 1) == []


async def test_who_may_read(store: PostgresStore) -> None:
    show = await Show.live(store, "ben", "cleo", "dora")
    await show.say("ben", "Hello")
    await store.upsert_participant(show.people["cleo"].model_copy(update={"status": "left", "left_at": START}))
    await store.upsert_participant(show.people["dora"].model_copy(update={"status": "kicked", "left_at": START}))
    stranger = store.acting_as(Identity(user_id="stranger", name="S"))
    for _ in ("live", "ended"):
        for name in ("host", "ben", "cleo"):
            assert (await show.acting(name).messages(show.session.id, 9, None, None)).messages
        for barred in (show.acting("dora"), stranger):
            with pytest.raises(StoreRefused, match="forbidden"):
                await barred.messages(show.session.id, 9, None, None)
            assert await barred.message(show.session.id, str(uuid.uuid4())) is None
        await store.end_session(show.session.id, "over", START)


@pytest.mark.parametrize("unknown", ["7be5d82e-39e9-4a63-8b69-c32212995e1f", "", "x", "%00", "0" * 10_000])
async def test_unknown_ids_find_nothing(store: PostgresStore, unknown: str) -> None:
    show = await Show.live(store)
    (placed,) = await show.say("host", "Hello")
    assert isinstance(placed, Placed)
    assert (await store.messages(unknown, 9, None, None)).messages == []
    assert await store.message(unknown, placed.id) is None
    assert await store.message(show.session.id, unknown) is None
    assert await store.delete_message(show.session.id, unknown, START, "x") is None
    assert await store.delete_message(unknown, placed.id, START, "x") is None


async def test_who_may_delete_and_what_is_left_then(store: PostgresStore, database: Database) -> None:
    show = await Show.live(store, "ben", "cleo", "gina")
    await store.set_role(show.session.id, show.people["gina"].id, Role.GUEST)
    await store.set_role(show.session.id, show.people["gina"].id, Role.COHOST)
    for name in ("ben", "host", "gina"):
        (placed,) = await show.say("ben", "a secret")
        assert isinstance(placed, Placed)
        with pytest.raises(StoreRefused, match="forbidden"):
            await show.acting("cleo").delete_message(show.session.id, placed.id, START, show.people["cleo"].user_id)
        deleted = await show.acting(name).delete_message(show.session.id, placed.id, START, show.people[name].user_id)
        assert deleted is not None
        assert (deleted.text, deleted.deleted_at, deleted.deleted_by) == ("", START, show.people[name].user_id)
        assert await store.message(show.session.id, placed.id) == deleted
        later = await show.acting("host").delete_message(show.session.id, placed.id, datetime.now(UTC), "x")
        assert later == deleted
    async with database.transaction() as connection:
        for table in ("live_chat_messages", "live_events", "live_timeline", "live_webhook_outbox"):
            found = await connection.fetchval(f"select count(*) from {table} t where t::text like '%a secret%'")
            assert found == 0, table


async def test_two_who_delete_at_once_see_one_deletion(store: PostgresStore) -> None:
    show = await Show.live(store, "ben")
    (placed,) = await show.say("ben", "Hello")
    assert isinstance(placed, Placed)
    deletions: list[ChatMessage | None] = await asyncio.gather(
        *(
            show.acting(name).delete_message(show.session.id, placed.id, datetime.now(UTC), show.people[name].user_id)
            for name in ("ben", "host") * 4
        )
    )
    assert len({str(deletion) for deletion in deletions}) == 1


@pytest.mark.parametrize("query", [NEWEST, BEFORE, AFTER], ids=["newest", "before", "after"])
async def test_a_page_of_a_long_chat_is_read_from_the_index(
    store: PostgresStore, database: Database, query: str
) -> None:
    show, other = await Show.live(store, "ben"), await Show.live(store, "ben")
    async with database.transaction() as connection:
        await connection.execute(
            """
            insert into live_chat_messages (session_id, participant_id, user_id, name, body)
            select p.session_id, p.id, p.user_id, p.name, n::text
              from generate_series(1, 5000) n, live_participants p where p.id in ($1, $2)
            """,
            show.people["ben"].id,
            other.people["ben"].id,
        )
    async with database.owner() as owner:
        await owner.execute("analyze live_chat_messages")
    place = () if query is NEWEST else (5000,)
    async with database.transaction(show.who("ben")) as connection:
        rows = await connection.fetch("explain (analyze, costs off) " + query, show.session.id, 51, *place)
    plan = "\n".join(row[0] for row in rows)
    assert "live_chat_messages_page" in plan, plan
    assert "Sort" not in plan, plan
    # The policy is asked for the rows of the page, not for those of the session.
    assert "Rows Removed by Filter" not in plan, plan


# Outages


class Stream:
    """People who write as fast as they may, and send again what was refused; and what was acknowledged to them."""

    def __init__(self, show: Show, writer: BatchWriter[NewMessage, Placed]) -> None:
        self.show = show
        self.writer = writer
        self.acknowledged: dict[str, Placed] = {}
        self.refused = 0
        self.stopping = False

    async def write(self, name: str) -> None:
        number = 0
        while not self.stopping:
            number += 1
            await self._send(name, f"{name} {number}")

    async def _send(self, name: str, text: str) -> None:
        while True:
            # A client that sends again has the same client id, and the server a new id of its own.
            message = self.show.message(name, text, client_id=text.replace(" ", "-"))
            try:
                self.acknowledged[text] = await self.writer.add(self.show.session.id, message)
                return
            except LiveError as failure:
                if failure.code != "database_unavailable" or not failure.retry_after_s:
                    raise
                self.refused += 1
                await asyncio.sleep(0.02)

    async def until(self, more: int) -> None:
        goal = len(self.acknowledged) + more
        async with asyncio.timeout(60):
            while len(self.acknowledged) < goal:
                await asyncio.sleep(0.01)


@pytest.fixture
async def own_postgres(embedded_postgres: EmbeddedPostgres) -> AsyncIterator[tuple[EmbeddedPostgres, Database]]:
    database = Database(await embedded_postgres.start())
    try:
        await database.migrate()
        await database.connect()
        yield embedded_postgres, database
    finally:
        await database.close()


async def test_what_was_acknowledged_survives_a_stop_and_kills_exactly_once(
    own_postgres: tuple[EmbeddedPostgres, Database],
) -> None:
    server, database = own_postgres
    store = PostgresStore(database)
    names = [f"v{number}" for number in range(8)]
    show = await Show.live(store, *names)
    limits = BatchLimits(retry_for_s=0.3, pause_s=0.1)
    writer: BatchWriter[NewMessage, Placed] = BatchWriter(store.add_messages, limits)
    stream = Stream(show, writer)
    writing = [asyncio.create_task(stream.write(name)) for name in names]
    await stream.until(200)

    await server.stop()
    refused = stream.refused
    async with asyncio.timeout(30):
        while stream.refused < refused + 20:
            await asyncio.sleep(0.01)
    await server.start()
    await stream.until(200)
    for _ in range(3):
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        await stream.until(200)

    stream.stopping = True
    await asyncio.gather(*writing)
    await writer.close()
    rows = await all_messages(store, show.session.id)
    assert Counter(message.text for message in rows) == Counter(list(stream.acknowledged))
    places = {message.text: (message.id, message.position) for message in rows}
    assert places == {text: (placed.id, placed.position) for text, placed in stream.acknowledged.items()}


async def all_messages(store: PostgresStore, session_id: str) -> list[ChatMessage]:
    found: list[ChatMessage] = []
    while True:
        page = await store.messages(session_id, 200, None, found[-1].position if found else 0)
        found += page.messages
        if not page.more:
            return found
