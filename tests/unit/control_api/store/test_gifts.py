from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime

import pytest

from control_api.store import Database, PostgresStore
from signaling.gift_model import NewGift
from signaling.model import ParticipantRecord, Role, SessionRecord, SessionSettings
from signaling.ports import Identity, Store, StoreRefused

HOST = Identity(user_id="hana", name="Hana")
VERA = Identity(user_id="vera", name="Vera")
OTTO = Identity(user_id="otto", name="Otto")
NOW = datetime.now(UTC)


class Show:
    def __init__(self, database: Database) -> None:
        self.server: Store = PostgresStore(database)
        self.database = database
        self.id = str(uuid.uuid4())
        self.ids: dict[str, str] = {}

    async def begin(self) -> None:
        settings = SessionSettings(enable_gifts=True)
        session = SessionRecord(
            id=self.id, host_user_id="hana", host_name="H", title="T", started_at=NOW, settings=settings
        )
        await self.server.create_session(session, self.person(HOST, Role.HOST))
        for viewer in (VERA, OTTO):
            await self.server.upsert_participant(self.person(viewer, Role.VIEWER))

    def person(self, who: Identity, role: Role) -> ParticipantRecord:
        self.ids[who.user_id] = str(uuid.uuid4())
        return ParticipantRecord(
            id=self.ids[who.user_id],
            session_id=self.id,
            user_id=who.user_id,
            name=who.name,
            role=role,
            joined_at=NOW,
        )

    def gift(self, who: Identity, gift_id: str = "cake", quantity: int = 1, key: str = "k") -> NewGift:
        return NewGift(
            id=str(uuid.uuid4()),
            session_id=self.id,
            participant_id=self.ids[who.user_id],
            user_id=who.user_id,
            name=who.name,
            gift_id=gift_id,
            quantity=quantity,
            key=key,
        )

    def as_(self, who: Identity) -> Store:
        return self.server.acting_as(who)


@pytest.fixture
async def show(database: Database) -> Show:
    show = Show(database)
    await show.begin()
    return show


async def test_the_catalogue_is_the_operators(show: Show) -> None:
    async with show.database.owner() as sql:
        await sql.execute("update live_gift_catalogue set active = false where id = 'crown'")
        await sql.execute("insert into live_gift_catalogue (id, name, icon, value) values ('star', 'Star', '⭐', 2)")
    for store in (show.server, show.as_(VERA)):
        assert [(kind.id, kind.value) for kind in await store.gift_catalogue()] == [
            *(("rose", 1), ("star", 2), ("coffee", 5), ("cake", 20), ("rocket", 500)),
        ]
    with pytest.raises(StoreRefused, match="gift_not_found"):
        await show.as_(VERA).add_gift(show.gift(VERA, "crown"))


async def test_from_giving_to_paying(show: Show) -> None:
    offered = show.gift(VERA, "cake", 3)
    written = await show.as_(VERA).add_gift(offered)
    assert (written.id, written.status, written.value, written.host_user_id) == (offered.id, "pending", 60, "hana")
    assert (written.gift_name, written.icon, written.settled_at) == ("Cake", "🎂", None)
    assert await show.server.pending_gifts() == [written]
    assert await show.as_(VERA).find_gift(show.id, "vera", "k") == written
    paid = await show.server.settle_gift(show.id, written.id, True, NOW)
    assert (paid.status, paid.settled_at) == ("paid", NOW)
    # What was settled stays as it was.
    assert await show.server.settle_gift(show.id, written.id, False, datetime.now(UTC)) == paid
    assert await show.server.pending_gifts() == []


async def test_one_gift_for_each_user_and_key(show: Show) -> None:
    gifts = [show.gift(VERA) for _ in range(5)]
    written = await asyncio.gather(*(show.as_(VERA).add_gift(gift) for gift in gifts))
    assert len({gift.id for gift in written}) == 1
    assert (await show.as_(OTTO).add_gift(show.gift(OTTO))).id != written[0].id
    assert len(await show.server.pending_gifts()) == 2


async def test_a_gift_that_left_the_catalogue_is_still_paid_for(show: Show) -> None:
    written = await show.as_(VERA).add_gift(show.gift(VERA))
    async with show.database.owner() as sql:
        await sql.execute("update live_gift_catalogue set active = false where id = 'cake'")
    assert (await show.server.settle_gift(show.id, written.id, True, NOW)).status == "paid"
    seen = await show.as_(VERA).find_gift(show.id, "vera", "k")
    assert seen is not None
    assert (seen.status, seen.gift_name, seen.icon) == ("paid", "cake", "")


async def test_what_callers_may_not_do(show: Show) -> None:
    # In somebody else's name, or without being there.
    with pytest.raises(StoreRefused, match="forbidden"):
        await show.as_(OTTO).add_gift(show.gift(VERA))
    stranger = Identity(user_id="sam", name="S")
    with pytest.raises(StoreRefused, match="forbidden"):
        await show.as_(stranger).add_gift(show.gift(VERA).model_copy(update={"user_id": "sam"}))
    written = await show.as_(VERA).add_gift(show.gift(VERA))
    with pytest.raises(StoreRefused, match="forbidden"):
        await show.as_(VERA).settle_gift(show.id, written.id, True, NOW)
    assert await show.as_(OTTO).find_gift(show.id, "vera", "k") is None
    await show.server.save_settings(show.id, SessionSettings(enable_gifts=False))
    with pytest.raises(StoreRefused, match="forbidden"):
        await show.as_(VERA).add_gift(show.gift(VERA, key="k2"))


async def test_totals(show: Show) -> None:
    for who, gift_id, quantity, paid in (
        (VERA, "rose", 3, True),
        (VERA, "cake", 1, True),
        (OTTO, "rocket", 1, True),
        (OTTO, "rose", 1, False),
        (HOST, "rose", 1, None),
    ):
        written = await show.as_(who).add_gift(show.gift(who, gift_id, quantity, key=gift_id))
        if paid is not None:
            await show.server.settle_gift(show.id, written.id, paid, NOW)
    for store in (show.server, show.as_(HOST), show.as_(OTTO)):
        totals = await store.gift_totals(show.id, 10)
        assert totals is not None
        assert (totals.gifts, totals.value) == (5, 523)
        assert [(giver.user_id, giver.gifts, giver.value) for giver in totals.senders] == [
            ("otto", 1, 500),
            ("vera", 4, 23),
        ]
    shorter = await show.server.gift_totals(show.id, 1)
    assert shorter is not None
    assert (shorter.value, [giver.user_id for giver in shorter.senders]) == (523, ["otto"])
    with pytest.raises(StoreRefused, match="forbidden"):
        await show.as_(Identity(user_id="sam", name="S")).gift_totals(show.id, 10)
    for unknown in (str(uuid.uuid4()), "x", "%00"):
        assert await show.server.gift_totals(unknown, 10) is None
