"""What all tests share: uvloop, as in production, a real PostgreSQL, and real browsers."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import shutil
import tempfile
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from hypothesis import settings
from playwright.async_api import Browser, Playwright, async_playwright

from control_api.assets import schema_file
from control_api.embedded.postgres import SERVER_OPTIONS, EmbeddedPostgres
from control_api.store import Database
from tests.support import browsers
from tests.support.server import copy_data_dir

try:
    import uvloop
except ImportError:  # Windows
    new_event_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
else:
    new_event_loop = uvloop.new_event_loop


# Measured on a busy machine, a deadline fails examples for being slow, not wrong.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"server": new_event_loop}


MEASURING = (
    "tests/bench",
    *(f"tests/e2e/test_{name}.py" for name in ("aiortc", "codecs", "edge", "loss", "media", "overload", "turn")),
)
"""Tests that lose, delay or count packets of their own: two of them at once would measure each other."""


_LONG = ("tests/e2e", "tests/web", "tests/api")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """How `make test` spreads the tests over its processes: file by file; those that measure one after the other."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduler(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return "measuring" if nodeid.startswith(MEASURING) else nodeid.partition("::")[0]

    # In the order below, not by how many tests a file has.
    config.option.loadscopereorder = False
    return Scheduler(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What takes long comes first, so that all processes end together."""
    if not hasattr(config, "workerinput"):
        return
    first = [MEASURING, *_LONG]

    def place(item: pytest.Item) -> int:
        return next((number for number, start in enumerate(first) if item.nodeid.startswith(start)), len(first))

    items.sort(key=place)


@contextmanager
def temporary_data_dir() -> Iterator[Path]:
    """A data folder that root's database user can enter, which pytest's own temporary folders don't allow."""
    parent = Path(tempfile.mkdtemp(prefix="greenroom-test-", dir="/tmp"))
    parent.chmod(0o711)
    try:
        yield parent / "data"
    finally:
        shutil.rmtree(parent, ignore_errors=True)


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Whatever a test made of it: the next one's log has to be seen."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    root.setLevel(level)
    for handler in [handler for handler in root.handlers if handler not in handlers]:
        root.removeHandler(handler)


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A data folder that does not exist yet; removed after the test."""
    with temporary_data_dir() as path:
        yield path


@pytest.fixture(scope="session")
def made_data_dir() -> Iterator[Path]:
    """A data folder whose database was made and stopped, to copy: making one takes seconds."""

    async def make(path: Path) -> None:
        server = EmbeddedPostgres(path)
        await server.start()
        await server.stop()

    # In a thread of its own: this one may have an event loop already.
    with temporary_data_dir() as path, ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(make(path))).result()
        yield path


@pytest.fixture
async def embedded_postgres(made_data_dir: Path, data_dir: Path) -> AsyncIterator[EmbeddedPostgres]:
    """A test's own, on `data_dir`; not started."""
    copy_data_dir(made_data_dir, data_dir)
    server = EmbeddedPostgres(data_dir)
    yield server
    await server.stop()


@pytest.fixture(scope="session")
def postgres_dsn(request: pytest.FixtureRequest) -> Iterator[str]:
    """A database for the whole run: `DATABASE_URL`, or an embedded one. Tests take `database_dsn`."""
    if os.environ.get("DATABASE_URL"):
        yield os.environ["DATABASE_URL"]
        return
    with temporary_data_dir() as path:
        copy_data_dir(request.getfixturevalue("made_data_dir"), path)
        with _running_postgres(path) as dsn:
            yield dsn


@contextmanager
def _running_postgres(path: Path) -> Iterator[str]:
    """The supervisor needs a loop for the whole run; the tests' loops end with them."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="postgres", daemon=True)
    thread.start()
    server = EmbeddedPostgres(path)
    try:
        with pytest.MonkeyPatch.context() as patch:
            # Thousands of small transactions of tests; nobody needs them after a power failure.
            for option in ("fsync", "full_page_writes", "synchronous_commit"):
                patch.setitem(SERVER_OPTIONS, option, "off")
            dsn = asyncio.run_coroutine_threadsafe(server.start(), loop).result(60)
        yield dsn
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@pytest.fixture
async def database_dsn(postgres_dsn: str) -> AsyncIterator[str]:
    """The URL of an empty schema of this test's own; dropped after the test."""
    async with own_schema(postgres_dsn) as dsn:
        yield dsn


@pytest.fixture
async def another_database_dsn(postgres_dsn: str) -> AsyncIterator[str]:
    """The same once more."""
    async with own_schema(postgres_dsn) as dsn:
        yield dsn


@asynccontextmanager
async def own_schema(postgres_dsn: str) -> AsyncIterator[str]:
    """The URL of an empty schema of the database."""
    url = await _made_schema(postgres_dsn)
    try:
        yield url
    finally:
        await _drop([url])


_CATALOGUE = (
    "delete from live_gift_catalogue; "
    + re.findall(r"insert into live_gift_catalogue [^;]*;", schema_file().read_text(encoding="utf-8"))[0]
)
"""Gifts as a new database has them."""


@pytest.fixture(scope="session")
def spare_schemas(postgres_dsn: str) -> Iterator[list[str]]:
    """URLs of schemas with all tables and no rows, that no test uses now: to make one takes longer than most tests."""
    spare: list[str] = []
    yield spare
    asyncio.run(_drop(spare))


async def _drop(urls: list[str]) -> None:
    for url in urls:
        connection = await asyncpg.connect(url)
        await connection.execute("set client_min_messages = warning")
        await connection.execute(f"drop schema {url.rpartition('=')[2]} cascade")
        await connection.close()


@pytest.fixture
async def database_to_spoil(database_dsn: str) -> AsyncIterator[Database]:
    """The same on `database_dsn`, for a test that changes more than rows of sessions."""
    pool = Database(database_dsn)
    await pool.migrate()
    await pool.connect()
    try:
        yield pool
    finally:
        await pool.close()


@pytest.fixture
async def database(postgres_dsn: str, spare_schemas: list[str]) -> AsyncIterator[Database]:
    """A connected pool on the whole schema, without rows."""
    if spare_schemas:
        pool = Database(url := spare_schemas.pop())
    else:
        pool = Database(url := await _made_schema(postgres_dsn))
        await pool.migrate()
    await pool.connect()
    try:
        yield pool
    finally:
        await pool.close()
    async with pool.owner() as connection:
        await connection.execute(f"delete from live_sessions; delete from live_webhooks; {_CATALOGUE}")
    spare_schemas.append(url)


async def _made_schema(postgres_dsn: str) -> str:
    schema = f"test_{uuid.uuid4().hex}"
    connection = await asyncpg.connect(postgres_dsn)
    await connection.execute(f"create schema {schema}")
    await connection.close()
    return f"{postgres_dsn}{'&' if '?' in postgres_dsn else '?'}search_path={schema}"


# One of each for the whole run, whatever needs them: they take seconds to start.
@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def playwright() -> AsyncIterator[Playwright]:
    async with async_playwright() as driver:
        yield driver


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def chromium(playwright: Playwright) -> AsyncIterator[Browser]:
    if browsers.chromium_path() is None:
        pytest.skip("Chromium is not installed")
    browser = await browsers.launch_chromium(playwright)
    yield browser
    await browser.close()


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def firefox(playwright: Playwright) -> AsyncIterator[Browser]:
    if browsers.firefox_path() is None:
        pytest.skip("Firefox is not installed")
    browser = await browsers.launch_firefox(playwright)
    yield browser
    await browser.close()
