"""A database that stops to answer: media goes on, callers are told, nothing that was acknowledged is lost."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import psutil
import pytest

from tests.support.api import ApiError, User
from tests.support.control_room import ControlRoom
from tests.support.crew import Crew
from tests.support.server import Server
from tests.support.waiting import until
from tests.support.ws import ProtocolError

pytestmark = pytest.mark.asyncio(loop_scope="session")

OUTAGE_S = 12
"""Longer than the time limit of any query."""


def postgres_of(server: Server) -> list[psutil.Process]:
    family = psutil.Process(server.pid).children(recursive=True)
    return [process for process in family if "postgres" in process.name()]


def signal_all(processes: list[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        if process.is_running():
            process.send_signal(number)


async def test_a_database_that_hangs_and_comes_back(start_server: Callable[..., Server]) -> None:
    server = await asyncio.to_thread(start_server)
    crew = Crew(server)
    room = await ControlRoom.build(crew)
    host, session_id = await crew.live("Hana")
    socket = await crew.socket(host, session_id)
    writer = await crew.user("Vera")
    writing = await crew.socket(writer, session_id)
    acknowledged = [(await writing.request("send_message", text=f"before {n}"))["message"]["id"] for n in range(5)]

    late = await crew.user("Late")
    postgres = postgres_of(server)
    signal_all(postgres, signal.SIGSTOP)
    try:
        refused = asyncio.gather(
            is_refused(late.join(session_id)), retry_after(late, session_id), is_refused(late.start())
        )
        began = asyncio.get_running_loop().time()
        refusals: list[str] = []
        number = 0
        while asyncio.get_running_loop().time() - began < OUTAGE_S:
            number += 1
            try:
                reply = await writing.request("send_message", text=f"during {number}", client_id=f"c{number}")
                acknowledged.append(reply["message"]["id"])
            except ProtocolError as refusal:
                refusals.append(refusal.code)
            await room.assert_undisturbed()
        assert set(refusals) == {"database_unavailable"}
        _, retry_after_s, _ = await refused
        assert retry_after_s >= 1
        assert not socket.closed.is_set()
    finally:
        signal_all(postgres, signal.SIGCONT)

    async def takes_messages() -> Any:
        try:
            return (await writing.request("send_message", text="after", client_id="after"))["message"]["id"]
        except ProtocolError:
            return None

    acknowledged.append(await until(takes_messages, "the chat again", timeout=60))
    await until(lambda: works(late.join(session_id)), "joins again", timeout=60)
    # Whose start failed meanwhile is in nobody's way, not even in their own.
    for user in (late, writer):
        await until(lambda user=user: works(user.start()), "starts again", timeout=60)
    page = await host.call("GET", f"/live/sessions/{session_id}/messages?limit=200")
    kept = [message["id"] for message in page["messages"] if message["kind"] == "message"]
    assert set(acknowledged) <= set(kept)
    assert len(kept) == len(set(kept))
    await room.assert_undisturbed()
    await crew.dismiss()
    await asyncio.to_thread(server.stop)


async def is_refused(call: Awaitable[Any]) -> None:
    with pytest.raises(ApiError, match="503 database_unavailable"):
        await call


async def works(call: Awaitable[Any]) -> bool:
    try:
        await call
    except ApiError as refusal:
        if refusal.code != "database_unavailable":
            raise
        return False
    return True


async def retry_after(user: User, session_id: str) -> float:
    headers = {"Authorization": f"Bearer {user.token}"}
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{user.api.base_url}/live/join", json={"session_id": session_id}, headers=headers) as response,
    ):
        assert response.status == 503
        return float(response.headers["Retry-After"])
