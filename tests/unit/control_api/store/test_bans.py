from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest

from control_api.store import Database, PostgresStore
from signaling.model import BanRecord, GuestRequestRecord, ParticipantRecord, Role, SessionRecord, SessionSettings
from signaling.ports import Identity, StoreRefused

AT = datetime.now(UTC)
ANA, BEN, DAN, EVE = (Identity(user_id=name.lower(), name=name) for name in ("Ana", "Ben", "Dan", "Eve"))
"""Host, cohost, viewer, and somebody who never came."""


class Show:
    def __init__(self, store: PostgresStore) -> None:
        self.store = store
        self.id = str(uuid.uuid4())

    async def begin(self) -> Show:
        session = SessionRecord(id=self.id, host_user_id="ana", host_name="Ana", title="T", started_at=AT)
        await self.store.create_session(session, self.person(ANA, Role.HOST))
        await self.store.upsert_participant(self.person(BEN, Role.COHOST))
        await self.store.upsert_participant(self.person(DAN, Role.VIEWER))
        return self

    def person(self, who: Identity, role: Role) -> ParticipantRecord:
        key = str(uuid.uuid5(uuid.UUID(self.id), who.user_id))
        return ParticipantRecord(
            id=key, session_id=self.id, user_id=who.user_id, name=who.name, role=role, joined_at=AT
        )

    def ban(self, whom: Identity, by: Identity) -> BanRecord:
        return BanRecord(
            host_user_id="ana",
            user_id=whom.user_id,
            session_id=self.id,
            name=whom.name,
            reason="spam",
            banned_by=by.user_id,
            created_at=AT,
        )

    async def status(self, who: Identity) -> str:
        return next(p.status for p in await self.store.participants(self.id) if p.user_id == who.user_id)


@pytest.fixture
async def show(database: Database) -> Show:
    return await Show(PostgresStore(database)).begin()


async def test_a_ban_throws_out_keeps_out_and_ends(show: Show) -> None:
    ana = show.store.acting_as(ANA)
    await ana.add_ban(show.ban(DAN, ANA))
    assert await show.status(DAN) == "kicked"
    assert [(ban.user_id, ban.reason, ban.session_id) for ban in await ana.bans("ana")] == [("dan", "spam", show.id)]
    await ana.add_ban(show.ban(DAN, ANA))
    assert len(await ana.bans("ana")) == 1
    assert await ana.remove_ban("ana", "dan")
    assert await show.status(DAN) == "left"
    assert not await ana.remove_ban("ana", "dan")
    await show.store.acting_as(DAN).upsert_participant(show.person(DAN, Role.VIEWER))


async def test_cohosts_see_and_lift_what_was_decided_where_they_are(show: Show) -> None:
    ana, ben = show.store.acting_as(ANA), show.store.acting_as(BEN)
    await ben.add_ban(show.ban(DAN, BEN))
    await ana.add_ban(show.ban(EVE, ANA))
    assert {ban.user_id for ban in await ben.bans("ana")} == {"dan", "eve"}
    await ana.end_session(show.id, "ended_by_host", AT)
    assert await ben.bans("ana") == []
    assert not await ben.remove_ban("ana", "dan")
    assert {ban.user_id for ban in await ana.bans("ana")} == {"dan", "eve"}


@pytest.mark.parametrize(("by", "whom"), [(BEN, ANA), (BEN, BEN), (DAN, EVE), (EVE, DAN)])
async def test_whom_the_database_lets_nobody_ban(show: Show, by: Identity, whom: Identity) -> None:
    with pytest.raises(StoreRefused, match="forbidden"):
        await show.store.acting_as(by).add_ban(show.ban(whom, by))
    assert await show.store.bans("ana") == []


async def test_who_is_banned_can_not_come_into_the_hosts_next_session(show: Show) -> None:
    ana = show.store.acting_as(ANA)
    await ana.add_ban(show.ban(DAN, ANA))
    await ana.end_session(show.id, "ended_by_host", AT)
    following = Show(show.store)
    session = SessionRecord(id=following.id, host_user_id="ana", host_name="Ana", title="T", started_at=AT)
    await show.store.create_session(session, following.person(ANA, Role.HOST))
    with pytest.raises(StoreRefused, match="forbidden"):
        await show.store.acting_as(DAN).upsert_participant(following.person(DAN, Role.VIEWER))
    await show.store.acting_as(EVE).upsert_participant(following.person(EVE, Role.VIEWER))


async def test_settings_and_the_requests_that_end_with_them_are_one_step(show: Show, database: Database) -> None:
    dan = show.person(DAN, Role.VIEWER)
    asked = GuestRequestRecord(
        id=str(uuid.uuid4()), session_id=show.id, participant_id=dan.id, user_id="dan", name="Dan", created_at=AT
    )
    await show.store.acting_as(DAN).save_request(asked)
    withdrawn = asked.model_copy(update={"status": "cancelled", "answered_at": AT})
    with pytest.raises(StoreRefused, match="forbidden"):
        await show.store.acting_as(BEN).save_settings(show.id, SessionSettings(allow_guests=False), [withdrawn])
    assert (await show.store.requests(show.id))[0].status == "pending"
    await show.store.acting_as(ANA).save_settings(show.id, SessionSettings(allow_guests=False), [withdrawn])
    assert (await show.store.requests(show.id))[0].status == "cancelled"
    saved = await show.store.get_session(show.id)
    assert saved is not None
    assert not saved.settings.allow_guests
