"""The HTTP application on real sockets and a real database; only the media workers are missing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web

from control_api.http import openapi
from control_api.http.app import create_app
from control_api.http.route_table import AnyRoute
from control_api.http.routes_bodies import Readiness
from control_api.store import Database, PostgresStore
from control_api.tokens.auth import Authenticator
from sfu.worker.messages import WorkerStats
from signaling.connection import ConnectionLimits
from signaling.registry import ServiceConfig
from signaling.service import RoomService
from tests.support.api import Api, User
from tests.support.fakes import FakePlane

SECRET = b"a secret of the tests, 32 bytes and more"
ALLOWED = "https://friend.example"


class ScriptedHealth:
    def __init__(self) -> None:
        self.report = Readiness(status="ok", database="ok", migrations="ok", workers="ok")
        self.stats: list[WorkerStats] = []

    async def workers(self) -> list[WorkerStats]:
        return self.stats

    async def readiness(self) -> Readiness:
        return self.report


_make_document = openapi.document
_documents: dict[tuple[str, ...], openapi.Json] = {}


def _document_made_once(routes: Iterable[AnyRoute]) -> openapi.Json:
    routes = tuple(routes)
    names = tuple(route.name for route in routes)
    if names not in _documents:
        _documents[names] = _make_document(routes)
    return _documents[names]


@pytest.fixture(autouse=True)
def documents_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """They depend on the routes alone, and to make one takes longer than most tests of an application."""
    monkeypatch.setattr(openapi, "document", _document_made_once)


@dataclass
class Served:
    url: str
    service: RoomService
    authenticator: Authenticator
    health: ScriptedHealth
    plane: FakePlane
    runner: web.AppRunner
    database: Database


@pytest.fixture
def static_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "web"
    (folder / "ui").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>Greenroom</title>")
    (folder / "ui" / "main.js").write_text("export const answer = 42;\n")
    (folder / "style.css").write_text("body { margin: 0 }\n")
    (folder / "icon.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (folder / ".secret.js").write_text("hidden")
    (folder / "notes.unknown").write_text("not for the web")
    (tmp_path / "outside.js").write_text("outside")
    return folder


@pytest.fixture
async def served(database: Database, static_dir: Path) -> AsyncIterator[Served]:
    async for server in serve(database, static_dir, dev_tokens=True):
        yield server


async def serve(
    database: Database, static_dir: Path, *, dev_tokens: bool, authenticator: Authenticator | None = None
) -> AsyncIterator[Served]:
    plane, health, authenticator = FakePlane(), ScriptedHealth(), authenticator or Authenticator(SECRET)
    service = RoomService(PostgresStore(database), plane, ServiceConfig())
    await service.open()
    limits = ConnectionLimits(hello_timeout_s=2, outbox_messages=64, close_timeout_s=0.5)
    app = create_app(
        service,
        authenticator,
        health,
        dev_tokens=dev_tokens,
        static_dir=static_dir,
        allowed_origins=[ALLOWED],
        limits=limits,
    )
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=2, auto_decompress=False)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield Served(url, service, authenticator, health, plane, runner, database)
    finally:
        await runner.cleanup()
        await service.close()


@pytest.fixture
async def api(served: Served) -> AsyncIterator[Api]:
    async with Api(served.url) as client:
        yield client


@pytest.fixture
async def host(api: Api) -> User:
    return await api.user("Hana")


@pytest.fixture
async def viewer(api: Api) -> User:
    return await api.user("Vera")
