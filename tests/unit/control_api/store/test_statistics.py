from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from control_api.store import Database, PostgresStore
from signaling.model import GuestRequestRecord, ParticipantRecord, Role, SessionRecord, SessionStatistics
from signaling.ports import Identity, Store, StoreRefused

START = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
NOBODY_CAME = SessionStatistics(
    duration_s=600,
    peak_viewers=0,
    total_viewers=0,
    unique_viewers=0,
    guests=0,
    participation_rate=0,
    messages=0,
    reactions={},
    gifts=0,
    gift_value=0,
    average_watch_time_s=0,
)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


class Show:
    """A session of ten minutes whose people come and go when a test says."""

    def __init__(self, database: Database) -> None:
        self.store: Store = PostgresStore(database)
        self.database = database
        self.id = str(uuid.uuid4())
        self.people: dict[str, ParticipantRecord] = {}

    async def begin(self, user: str = "hana") -> None:
        session = SessionRecord(id=self.id, host_user_id=user, host_name="H", title="T", started_at=START)
        host = ParticipantRecord(
            id=str(uuid.uuid4()), session_id=self.id, user_id=user, name="H", role=Role.HOST, joined_at=START
        )
        await self.store.create_session(session, host)

    async def comes(self, user: str, second: float) -> None:
        known = self.people.get(user)
        changes = {"status": "joined", "joined_at": at(second), "left_at": None, "role": Role.VIEWER}
        self.people[user] = (
            known.model_copy(update=changes)
            if known
            else ParticipantRecord(
                id=str(uuid.uuid4()),
                session_id=self.id,
                user_id=user,
                name=user,
                role=Role.VIEWER,
                joined_at=at(second),
            )
        )
        await self.store.upsert_participant(self.people[user])

    async def goes(self, user: str, second: float, status: str = "left") -> None:
        self.people[user] = self.people[user].model_copy(update={"status": status, "left_at": at(second)})
        await self.store.upsert_participant(self.people[user])

    async def comes_up(self, user: str, *, approved: bool = True) -> None:
        person = self.people[user]
        request = GuestRequestRecord(
            id=str(uuid.uuid4()),
            session_id=self.id,
            participant_id=person.id,
            user_id=user,
            name=user,
            created_at=at(1),
            status="approved" if approved else "pending",
            answered_at=at(2) if approved else None,
        )
        await self.store.save_request(request)
        if approved:
            self.people[user] = person.model_copy(update={"role": Role.GUEST})

    async def sql(self, statement: str, *values: Any) -> Any:
        async with self.database.transaction() as connection:
            return await connection.fetchval(statement, *values)

    async def writes(self, user: str) -> None:
        await self.sql(
            "insert into live_chat_messages (session_id, participant_id, user_id, name, body)"
            " values ($1, $2, $3, $3, 'x')",
            *(self.id, self.people[user].id, user),
        )

    async def reacts(self, user: str, kind: str, count: int) -> None:
        insert = "insert into live_reactions (session_id, user_id, type, count) values ($1, $2, $3, $4)"
        await self.sql(insert, self.id, user, kind, count)

    async def gives(self, user: str, gift: str, quantity: int, status: str | None) -> str:
        gift_id = await self.sql(
            "insert into live_gifts (session_id, participant_id, user_id, name, gift_id, quantity, key, value)"
            " values ($1, $2, $3, $3, $4, $5, $6, 1) returning id",
            *(self.id, self.people[user].id, user, gift, quantity, str(uuid.uuid4())),
        )
        if status is not None:
            await self.settles(gift_id, status)
        return str(gift_id)

    async def settles(self, gift_id: str, status: str) -> None:
        await self.sql("update live_gifts set status = $2, settled_at = now() where id = $1", gift_id, status)

    async def ends(self, second: float = 600) -> SessionStatistics:
        return await self.store.end_session(self.id, "ended_by_host", at(second))


@pytest.fixture
async def show(database: Database) -> Show:
    show = Show(database)
    await show.begin()
    return show


async def test_nobody_came(show: Show) -> None:
    assert await show.ends() == NOBODY_CAME
    assert await show.store.session_statistics(show.id) == NOBODY_CAME


async def test_several_visits(show: Show) -> None:
    await show.comes("vera", 0)
    await show.comes("otto", 100)
    await show.goes("vera", 200)  # 200 s
    await show.comes("vera", 300)
    await show.goes("vera", 310)  # 10 s
    await show.comes("vera", 500)  # to the end: 100 s; otto: 500 s
    statistics = await show.ends()
    assert (statistics.peak_viewers, statistics.total_viewers, statistics.unique_viewers) == (2, 4, 2)
    assert statistics.average_watch_time_s == (200 + 10 + 100 + 500) / 2
    assert statistics.participation_rate == 0


async def test_viewers_who_came_on_stage_are_viewers_and_guests(show: Show) -> None:
    for user in ("vera", "otto", "ida"):
        await show.comes(user, 0)
    await show.comes_up("vera")
    await show.comes_up("otto", approved=False)
    await show.goes("ida", 60, "kicked")
    statistics = await show.ends()
    assert (statistics.peak_viewers, statistics.unique_viewers, statistics.guests) == (3, 3, 1)
    # Both who asked took part.
    assert statistics.participation_rate == pytest.approx(2 / 3)
    assert statistics.average_watch_time_s == (600 + 600 + 60) / 3


async def test_what_people_did(show: Show) -> None:
    for user in ("vera", "otto", "ida", "jo"):
        await show.comes(user, 0)
    await show.writes("vera")
    await show.writes("vera")
    await show.reacts("vera", "heart", 40)
    await show.reacts("otto", "heart", 2)
    await show.reacts("otto", "clap", 1)
    await show.gives("ida", "coffee", 3, "paid")
    await show.gives("jo", "rocket", 1, "refused")
    await show.gives("jo", "rocket", 1, None)
    statistics = await show.ends()
    assert (statistics.messages, statistics.reactions) == (2, {"heart": 42, "clap": 1})
    assert (statistics.gifts, statistics.gift_value) == (3, 15)
    assert statistics.participation_rate == 0.75


async def test_the_host_alone_is_no_participation(show: Show) -> None:
    await show.comes("vera", 0)
    await show.reacts("hana", "heart", 5)
    statistics = await show.ends()
    assert statistics.participation_rate == 0
    assert statistics.reactions == {"heart": 5}


async def test_a_gift_that_is_paid_for_after_the_end_counts(show: Show) -> None:
    await show.comes("vera", 0)
    gift = await show.gives("vera", "cake", 2, None)
    assert (await show.ends()).gifts == 0
    await show.settles(gift, "paid")
    for store in (show.store, show.store.acting_as(Identity(user_id="vera", name="V"))):
        after = await store.session_statistics(show.id)
        assert after is not None
        assert (after.gifts, after.gift_value, after.participation_rate) == (2, 40, 1)


async def test_until_now(show: Show) -> None:
    await show.comes("vera", 0)
    statistics = await show.store.session_statistics(show.id)
    assert statistics is not None
    assert (statistics.peak_viewers, statistics.unique_viewers) == (1, 1)
    assert statistics.duration_s == pytest.approx((datetime.now(UTC) - START).total_seconds(), abs=60)


@pytest.mark.parametrize("ended", [False, True])
async def test_who_may_see_what(show: Show, ended: bool) -> None:
    for user in ("vera", "ida", "kim"):
        await show.comes(user, 0)
    await show.goes("vera", 10)
    await show.goes("kim", 10, "kicked")
    if ended:
        await show.ends()
    for user, statistics, timeline in (
        ("hana", True, True),
        ("vera", True, False),
        ("ida", True, False),
        ("kim", False, False),
        ("stranger", False, False),
    ):
        store = show.store.acting_as(Identity(user_id=user, name=user))
        for allowed, call in (
            (statistics, store.session_statistics(show.id)),
            (timeline, store.timeline(show.id, 0, 10)),
        ):
            if allowed:
                assert await call
            else:
                with pytest.raises(StoreRefused, match="forbidden"):
                    await call


@pytest.mark.parametrize("unknown", ["7be5d82e-39e9-4a63-8b69-c32212995e1f", "", "x", "%00"])
async def test_sessions_that_there_are_not(show: Show, unknown: str) -> None:
    for store in (show.store, show.store.acting_as(Identity(user_id="hana", name="H"))):
        assert await store.session_statistics(unknown) is None
        assert await store.timeline(unknown, 0, 10) is None


async def test_the_timeline_is_in_order_and_paged(show: Show) -> None:
    for number in range(6):
        await show.comes(f"v{number}", number)
    await show.ends()
    whole = await show.store.timeline(show.id, 0, 1000)
    assert whole is not None
    joined = [event.target_user_id for event in whole if event.type == "participant_joined"]
    assert joined == ["hana", *(f"v{number}" for number in range(6))]
    assert (whole[0].type, whole[-1].type) == ("session_started", "session_ended")
    assert whole[-1].data["unique_viewers"] == 6
    pages, after = [], 0
    while page := await show.store.timeline(show.id, after, 2):
        assert len(page) <= 2
        pages += page
        after = page[-1].id
    assert pages == whole
