from __future__ import annotations

import asyncio
import time

import pytest

from control_api.observe import health as module
from control_api.observe.health import ServerHealth
from control_api.store import Database
from sfu.worker.pool import WorkerReport


class Pool:
    def __init__(self, *answers):
        self.reports = tuple(WorkerReport(answers=each) for each in answers)
        self.asked_with = None

    async def stats(self, *, timeout_s):
        self.asked_with = timeout_s
        return []


async def test_all_is_well(database):
    report = await ServerHealth(database, Pool(False, True)).readiness()
    assert report.model_dump() == {
        "status": "ok",
        "database": "ok",
        "migrations": "ok",
        "workers": "ok",
        "stopping": False,
    }


async def test_without_a_worker_that_answers_the_server_is_not_ready(database):
    report = await ServerHealth(database, Pool(False, False)).readiness()
    assert (report.status, report.workers, report.database) == ("unavailable", "unavailable", "ok")


async def test_without_a_database_it_is_not_ready_either():
    report = await ServerHealth(Database("postgresql://nowhere"), Pool(True)).readiness()
    assert (report.status, report.database, report.workers) == ("unavailable", "unavailable", "ok")


async def test_a_database_that_is_too_old_or_empty_is_told_apart_from_one_that_is_away(database_to_spoil):
    health = ServerHealth(database_to_spoil, Pool(True))
    async with database_to_spoil.owner() as connection:
        await connection.execute("update greenroom_migrations set version = version - 1000")
    report = await health.readiness()
    assert (report.status, report.database, report.migrations) == ("unavailable", "ok", "unavailable")
    async with database_to_spoil.owner() as connection:
        await connection.execute("drop table greenroom_migrations")
    report = await health.readiness()
    assert (report.status, report.database, report.migrations) == ("unavailable", "ok", "unavailable")


async def test_a_database_that_a_newer_server_brought_forward_will_do(database_to_spoil):
    async with database_to_spoil.owner() as connection:
        await connection.execute(
            "insert into greenroom_migrations (version, name, checksum) values (99999, 'later', 'x')"
        )
    assert (await ServerHealth(database_to_spoil, Pool(True)).readiness()).status == "ok"


async def test_a_database_that_hangs_is_not_waited_for(database, monkeypatch):
    monkeypatch.setattr(module, "DATABASE_TIMEOUT_S", 0.2)
    async with database.owner() as connection, connection.transaction():
        await connection.execute("lock table greenroom_migrations in access exclusive mode")
        began = time.monotonic()
        report = await ServerHealth(database, Pool(True)).readiness()
    assert report.database == "unavailable"
    assert time.monotonic() - began < 5


async def test_workers_get_a_short_time_to_answer(database):
    pool = Pool(True)
    async with asyncio.timeout(5):
        assert await ServerHealth(database, pool).workers() == []
    assert pool.asked_with == pytest.approx(module.WORKER_TIMEOUT_S)
