"""Servers, browsers and people for the integration tests.

Every test of this folder runs on one event loop for the whole session, because the browsers belong to it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.support.console import Console, gate
from tests.support.control_room import ControlRoom
from tests.support.crew import Crew
from tests.support.server import Server

_running: list[Server] = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the servers said when a test fails."""
    report = yield
    if report.failed:
        for server in _running:
            report.sections.append((f"log of the server on port {server.port}", server.log_tail()))
    return report


@pytest.fixture(autouse=True)
def console() -> Iterator[Console]:
    """No page of a test says an error on its console, but for what the test expects."""
    with gate() as console:
        yield console


@pytest.fixture(scope="session")
def server(made_data_dir: Path) -> Iterator[Server]:
    """For tests that only add sessions of their own."""
    yield from _lifetime(Server(workers=1, copy_of=made_data_dir))


@pytest.fixture
def start_server(made_data_dir: Path) -> Iterator[Callable[..., Server]]:
    """Starts servers with settings of their own, for tests that break them."""
    servers: list[Server] = []

    def start(*, launch_only: bool = False, **settings: Any) -> Server:
        server = Server(copy_of=made_data_dir, **settings)
        servers.append(server)
        _running.append(server)
        server.launch()
        if not launch_only:
            server.await_health()
        return server

    yield start
    for server in servers:
        try:
            if server.running:
                server.stop()
        finally:
            _running.remove(server)
            server.discard()


def _lifetime(server: Server) -> Iterator[Server]:
    _running.append(server)
    try:
        server.start()
        yield server
        server.stop()
    finally:
        _running.remove(server)
        server.discard()


@pytest_asyncio.fixture(loop_scope="session")
async def crew(server: Server) -> AsyncIterator[Crew]:
    """Participants on the shared server."""
    crew = Crew(server)
    yield crew
    await crew.dismiss()


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def room_beside(server: Server) -> AsyncIterator[ControlRoom]:
    crew = Crew(server)
    yield await ControlRoom.build(crew)
    await crew.dismiss()


@pytest_asyncio.fixture(loop_scope="session")
async def control_room(room_beside: ControlRoom) -> AsyncIterator[ControlRoom]:
    """A room that must not notice the tests of a file beside it, each of them."""
    yield room_beside
    await room_beside.assert_undisturbed()
