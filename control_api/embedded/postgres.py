"""The embedded PostgreSQL: a real server on the data folder, for as long as this process lives."""

from __future__ import annotations

import asyncio
import importlib.metadata
import logging
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import asyncpg

from . import postgres_process
from .postgres_folder import PostgresError, PostgresFolder, PostgresUser, is_postmaster

logger = logging.getLogger(__name__)

ROLE = "greenroom"
DATABASE = "greenroom"

START_TIMEOUT_S = 120.0
"""A crash recovery may have to replay up to a gigabyte of log."""
FAST_STOP_TIMEOUT_S = 5.0
"""A fast shutdown takes milliseconds, but PostgreSQL 18 never ends one that it was asked for while it recovers from a
crash. An immediate one loses nothing: the next start replays the log."""
IMMEDIATE_STOP_TIMEOUT_S = 5.0
POLL_S = 0.02
WATCH_S = 0.1
RESTART_DELAYS_S = (0.0, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Before each restart in a row; the last one repeats."""
STABLE_S = 30.0
"""A server that ran this long starts the delays anew."""
SHARED_MEMORY_TIMEOUT_S = 15.0
"""The children of a postmaster that was killed notice it, but may finish a query first."""

# Durability is the default, spelled out because committed rows depend on it. The rest keeps the server small.
SERVER_OPTIONS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "port": "5432",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "restart_after_crash": "on",
    "max_connections": "50",
    "shared_buffers": "64MB",
    "max_wal_size": "256MB",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "log_checkpoints": "off",
    "log_timezone": "UTC",
    "timezone": "UTC",
}

INITDB_OPTIONS = (
    "--username=postgres",
    "--encoding=UTF8",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--auth-local=trust",  # the socket's folder keeps everybody else out
    "--auth-host=reject",
    "--no-instructions",
)


class EmbeddedPostgres:
    """Starts, watches, restarts and stops PostgreSQL on `data_dir`.

    Start it from the main thread, or one that lives as long as the server should: on Linux PostgreSQL shuts down by
    itself when the thread that started it ends, however that happens. Elsewhere a server whose parent was killed is
    stopped by the next start.
    """

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._folder: PostgresFolder | None = None
        self._binaries = Path()
        self._process: subprocess.Popen[bytes] | None = None
        self._supervisor: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """Of the running postmaster."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    async def start(self) -> str:
        """Start and return the connection URL of an ordinary role that owns its database. It holds across restarts.

        Raises `PostgresError`, one sentence for the operator, and leaves nothing running then.
        """
        self._folder = folder = PostgresFolder(self._data_dir)
        try:
            self._binaries = await asyncio.to_thread(folder.binaries)
            await _stop_orphan(folder)
            if folder.cluster.exists():
                self._check_version(folder)
            else:
                await self._initialise(folder)
            await self._launch(folder)
            await self._ensure_database(folder)
        except BaseException as error:
            await self.stop()
            if isinstance(error, OSError):
                raise PostgresError(f"PostgreSQL can't be started: {error}") from error
            raise
        self._supervisor = asyncio.create_task(self._supervise(folder), name="embedded-postgres")
        return _url(folder, ROLE, DATABASE)

    async def stop(self) -> None:
        """Shut down, open transactions rolled back, and let go of the folder. Harmless when nothing runs."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            with suppress(asyncio.CancelledError):
                await self._supervisor
            self._supervisor = None
        await self._stop_process()
        if self._folder is not None:
            self._folder.close()
            self._folder = None

    async def _initialise(self, folder: PostgresFolder) -> None:
        """Make a cluster beside its place and move it there when it is complete."""
        temporary = folder.temporary_cluster()
        log = folder.open_log()
        offset = os.fstat(log).st_size
        try:
            command = [str(self._binaries / "initdb"), f"--pgdata={temporary}", *INITDB_OPTIONS]
            self._process = _spawn(command, folder.user, log)
            if not await _until(self._ended, START_TIMEOUT_S) or self._process.returncode != 0:
                raise PostgresError(f"PostgreSQL's folder can't be made: {_last_words(folder.log, offset)}")
            temporary.rename(folder.cluster)
        finally:
            os.close(log)

    def _check_version(self, folder: PostgresFolder) -> None:
        version = folder.cluster / "PG_VERSION"
        if not version.exists():
            raise PostgresError(f"{folder.cluster} is no PostgreSQL folder")
        made, here = version.read_text().strip(), importlib.metadata.version("embedded-postgres").split(".")[0]
        if made != here:
            raise PostgresError(f"{folder.cluster} was made by PostgreSQL {made}, and embedded-postgres is {here} now")

    async def _launch(self, folder: PostgresFolder) -> None:
        """Start the server and wait until it takes connections."""
        deadline = _now() + SHARED_MEMORY_TIMEOUT_S
        while True:
            log = folder.open_log()
            offset = os.fstat(log).st_size
            try:
                self._process = _spawn(self._server_command(folder), folder.user, log, _grandparent(folder))
            finally:
                os.close(log)
            await _until(lambda: self._ended() or self._ready(folder), START_TIMEOUT_S)
            if self._ready(folder):
                return
            await self._stop_process()
            words = _last_words(folder.log, offset)
            if "shared memory block" not in words or _now() > deadline:
                raise PostgresError(f"PostgreSQL does not start: {words}")
            await asyncio.sleep(WATCH_S)

    def _server_command(self, folder: PostgresFolder) -> list[str]:
        options = {**SERVER_OPTIONS, "unix_socket_directories": str(folder.socket_dir())}
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return [str(self._binaries / "postgres"), "-D", str(folder.cluster), *settings]

    async def _ensure_database(self, folder: PostgresFolder) -> None:
        """The role is no superuser: those bypass row-level security. It makes the roles that schema.sql speaks of."""
        try:
            connection = await asyncpg.connect(_url(folder, "postgres", "postgres"), timeout=START_TIMEOUT_S)
            try:
                if not await connection.fetchval("select 1 from pg_roles where rolname = $1", ROLE):
                    await connection.execute(f"create role {ROLE} login")
                await connection.execute(f"alter role {ROLE} createrole")
                if not await connection.fetchval("select 1 from pg_database where datname = $1", DATABASE):
                    await connection.execute(f"create database {DATABASE} owner {ROLE}")
            finally:
                await connection.close()
        except (asyncpg.PostgresError, TimeoutError) as error:
            raise PostgresError(f"the embedded database can't be prepared: {error}") from error

    async def _supervise(self, folder: PostgresFolder) -> None:
        """Start the server again whenever it dies, for as long as it takes."""
        failures = 0
        started = _now()
        while True:
            await _until(self._ended, math.inf, WATCH_S)
            code = self._process.returncode if self._process is not None else None
            failures = 0 if _now() - started > STABLE_S else failures
            delay = RESTART_DELAYS_S[min(failures, len(RESTART_DELAYS_S) - 1)]
            failures += 1
            logger.error("PostgreSQL ended (exit code %s); starting it again in %.1f s", code, delay)
            await asyncio.sleep(delay)
            try:
                await self._launch(folder)
                logger.warning("PostgreSQL runs again")
            except (PostgresError, OSError) as error:
                logger.error("%s", error)
            started = _now()

    def _ended(self) -> bool:
        return self.pid is None

    def _ready(self, folder: PostgresFolder) -> bool:
        pid_file = folder.postmaster()
        return pid_file is not None and pid_file.ready and pid_file.pid == self.pid

    async def _stop_process(self) -> None:
        process = self._process
        if process is None:
            return
        steps = (
            (signal.SIGINT, FAST_STOP_TIMEOUT_S),
            (signal.SIGQUIT, IMMEDIATE_STOP_TIMEOUT_S),
            (signal.SIGKILL, IMMEDIATE_STOP_TIMEOUT_S),
        )
        for number, patience in steps:
            if self._ended():
                break
            process.send_signal(number)
            await _until(self._ended, patience)
        self._process = None


async def _stop_orphan(folder: PostgresFolder) -> None:
    """Stop a server whose parent was killed. The folder's lock is ours, so nobody uses it."""
    pid_file = folder.postmaster()
    if pid_file is None:
        return
    pid = pid_file.pid
    for number, patience in ((signal.SIGINT, FAST_STOP_TIMEOUT_S), (signal.SIGQUIT, IMMEDIATE_STOP_TIMEOUT_S)):
        if not is_postmaster(pid, folder.cluster):
            return
        logger.warning("stopping the PostgreSQL (pid %d) of a Greenroom that was killed", pid)
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        if await _until(lambda: not is_postmaster(pid, folder.cluster), patience):
            return
    raise PostgresError(f"an earlier PostgreSQL (pid {pid}) uses {folder.cluster} and does not stop")


def _grandparent(folder: PostgresFolder) -> dict[str, str]:
    """A pid file that a crash left may name a process that is somebody else's by now. PostgreSQL would refuse to start,
    unless it takes that process for the one that started it. Removing the file instead would also remove its check
    that no child of the old server is still writing."""
    pid_file = folder.postmaster()
    return {} if pid_file is None else {"PG_GRANDPARENT_PID": str(pid_file.pid)}


def _spawn(
    command: list[str], user: PostgresUser, log: int, environment: dict[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Run a program that stops with us. It inherits no secrets, and no Ctrl-C from the terminal."""
    launcher = [sys.executable, "-I", "-S", postgres_process.__file__]
    return subprocess.Popen(
        [*launcher, str(os.getpid()), str(user.user_id), str(user.group_id), *command],
        cwd="/",
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )


async def _until(condition: Callable[[], bool], patience_s: float, interval_s: float = POLL_S) -> bool:
    """Wait for the condition; False when it did not come true in time. A process has no event that works everywhere."""
    deadline = _now() + patience_s
    while not condition():
        if _now() > deadline:
            return False
        await asyncio.sleep(interval_s)
    return True


def _last_words(log: Path, offset: int) -> str:
    """The line of the log, written after `offset`, that most likely says why."""
    with log.open("rb") as file:
        file.seek(offset)
        lines = file.read(65536).decode("utf-8", "replace").splitlines()
    wrong = [line for line in lines if "FATAL:" in line or "PANIC:" in line or "error:" in line]
    return (wrong or lines or [f"see {log}"])[-1].strip()


def running_url(data_dir: Path) -> str:
    """The connection URL of the server that another process runs on `data_dir`."""
    # `postgres`, and `socket` in it, may be links to where the database's user can get in.
    return _socket_url((data_dir / "postgres" / "socket").resolve(), ROLE, DATABASE)


def _url(folder: PostgresFolder, role: str, database: str) -> str:
    return _socket_url(folder.socket_dir(), role, database)


def _socket_url(socket_dir: Path, role: str, database: str) -> str:
    # The port is named so that no PGPORT of the environment gets a say.
    return f"postgresql://{role}@/{database}?host={socket_dir}&port=5432"


def _now() -> float:
    return asyncio.get_running_loop().time()
