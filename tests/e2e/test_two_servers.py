"""Two servers on one database: they start at once, one serves, and the other takes over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import asyncpg
import jwt
import pytest

from tests.conftest import own_schema
from tests.support.api import Api, User
from tests.support.crew import Crew
from tests.support.server import Server
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

SECRET = "a secret of two servers, 32 bytes or more"
WAITS = "another server uses this database"


def account(api: Api, name: str) -> User:
    token = jwt.encode({"sub": name, "name": name}, SECRET, algorithm="HS256")
    return User(api, token, name, name)


async def test_one_serves_and_the_other_takes_over_with_the_sessions(
    postgres_dsn: str, start_server: Callable[..., Server]
) -> None:
    async with own_schema(postgres_dsn) as dsn:
        shared = {"database_url": dsn, "jwt_secret": SECRET, "resume_grace_s": 60}
        pair = [start_server(launch_only=True, **shared) for _ in range(2)]
        await until(lambda: [server for server in pair if WAITS in server.log()], "one that waits", timeout=60)
        waiting = next(server for server in pair if WAITS in server.log())
        serving = next(server for server in pair if server is not waiting)
        await asyncio.to_thread(serving.await_health)
        connection = await asyncpg.connect(dsn)
        versions = await connection.fetchval("select count(*) from greenroom_migrations")
        assert versions >= 3  # made once: the other found nothing to do, or it would have failed

        crew = Crew(serving)
        host, viewer = account(crew.api, "hana"), account(crew.api, "vera")
        session_id = (await host.start())["id"]
        await crew.socket(viewer, session_id)
        assert not waiting.healthy()
        await crew.dismiss()

        assert await asyncio.to_thread(serving.kill) == []
        await asyncio.to_thread(waiting.await_health)
        there = Crew(waiting)
        for user in (host, viewer):
            user.api = there.api
        socket = await there.socket(viewer, session_id)
        assert socket.welcome["session"]["id"] == session_id
        host_socket = await there.socket(host, session_id)
        assert {p["user_id"] for p in host_socket.welcome["participants"]} == {host.user_id, viewer.user_id}
        await there.dismiss()

        # The one that was killed comes back, and waits in its turn.
        await asyncio.to_thread(serving.launch)
        await until(lambda: serving.log().count(WAITS) == 1, "waiting", timeout=60)
        await asyncio.to_thread(serving.stop)
        await asyncio.to_thread(waiting.stop)
        await connection.close()
