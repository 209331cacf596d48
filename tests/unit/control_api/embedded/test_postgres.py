"""The embedded PostgreSQL, for real: its starts and stops, the crashes of each process, and its users."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from control_api.embedded.postgres import EmbeddedPostgres
from control_api.embedded.postgres_folder import PostgresError, is_postmaster

REPOSITORY = Path(__file__).parents[4]
OWNER = REPOSITORY / "tests" / "support" / "postgres_owner.py"
PYTHONPATH = os.pathsep.join([str(REPOSITORY), str(Path(asyncpg.__file__).parents[1])])

Running = tuple[subprocess.Popen[str], dict[str, str]]
StartOwner = Callable[..., Running]


async def until(condition: Callable[[], bool], what: str, timeout: float = 30) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {timeout} s"
        await asyncio.sleep(0.02)


async def query(dsn: str, statement: str) -> object:
    """The first value, as soon as the database takes connections."""
    deadline = time.monotonic() + 30
    while True:
        try:
            connection = await asyncpg.connect(dsn)
            try:
                return await connection.fetchval(statement)
            finally:
                connection.terminate()
        except (OSError, asyncpg.PostgresConnectionError, asyncpg.exceptions.OperatorInterventionError):
            assert time.monotonic() < deadline, "the database did not come back within 30 s"
            await asyncio.sleep(0.02)


def runs(pid: int) -> bool:
    """Whether the process exists and is no zombie (not every container's first process buries them)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def run_owner(data_dir: Path, python: str = sys.executable, user: int | None = None) -> Running:
    """Start a process that owns the database, and tell what it says."""
    process = subprocess.Popen(
        [python, str(OWNER), str(data_dir)],
        env={**os.environ, "PYTHONPATH": PYTHONPATH},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        user=user,
        extra_groups=None if user is None else [],
    )
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())


@pytest.fixture
async def new_server(data_dir: Path) -> AsyncIterator[EmbeddedPostgres]:
    """Not started, its data folder not made."""
    server = EmbeddedPostgres(data_dir)
    yield server
    await server.stop()


@pytest.fixture
def server(embedded_postgres: EmbeddedPostgres) -> EmbeddedPostgres:
    """Not started, its data folder made."""
    return embedded_postgres


@pytest.fixture
def start_owner(data_dir: Path) -> Iterator[StartOwner]:
    """Starts processes that own the database on `data_dir`."""
    started: list[subprocess.Popen[str]] = []

    def start(python: str = sys.executable, user: int | None = None) -> Running:
        process, answer = run_owner(data_dir, python, user)
        started.append(process)
        return process, answer

    yield start
    for process in started:
        process.communicate(timeout=30)


async def test_starts_in_a_new_folder_and_keeps_rows_across_restarts(
    data_dir: Path, new_server: EmbeddedPostgres
) -> None:
    server = new_server
    dsn = await server.start()
    await query(dsn, "create table kept as select 42 as value")
    pid = server.pid
    assert pid is not None
    await server.stop()
    assert not runs(pid)
    assert "database system is shut down" in (data_dir / "postgres" / "server.log").read_text()
    assert await query(await server.start(), "select value from kept") == 42


async def test_stop_is_harmless_twice_and_before_start(server: EmbeddedPostgres) -> None:
    await server.stop()
    await server.start()
    await server.stop()
    await server.stop()
    assert server.pid is None


async def test_the_application_is_no_superuser_and_commits_reach_the_disk(server: EmbeddedPostgres) -> None:
    dsn = await server.start()
    assert await query(dsn, "select rolsuper from pg_roles where rolname = current_user") is False
    assert await query(dsn, "show fsync") == "on"
    assert await query(dsn, "show synchronous_commit") == "on"
    assert await query(dsn, "show listen_addresses") == ""
    assert await query(dsn, "show server_encoding") == "UTF8"


async def test_only_its_user_reaches_the_socket_and_the_files(data_dir: Path, server: EmbeddedPostgres) -> None:
    await server.start()
    folder = data_dir / "postgres"
    for private in (folder / "socket", folder / "cluster"):
        assert stat.S_IMODE(private.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "server.log").stat().st_mode) == 0o600
    assert pwd.getpwuid((folder / "cluster").stat().st_uid).pw_uid != 0


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_no_secret_of_the_server_reaches_postgres(
    data_dir: Path, server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GREENROOM_JWT_SECRET", "do not pass me on" * 3)
    await server.start()
    environment = await asyncio.to_thread(Path(f"/proc/{server.pid}/environ").read_bytes)
    assert b"do not pass" not in environment


async def test_a_killed_postmaster_is_started_again_with_every_committed_row(server: EmbeddedPostgres) -> None:
    dsn = await server.start()
    await query(dsn, "create table kept (value integer)")
    for value in range(3):
        await query(dsn, f"insert into kept values ({value})")
        pid = server.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await until(lambda pid=pid: server.pid not in (None, pid), "the restart")  # type: ignore[misc]
        assert await query(dsn, "select count(*) from kept") == value + 1


async def test_a_killed_backend_does_not_end_the_service(server: EmbeddedPostgres) -> None:
    dsn = await server.start()
    pid = server.pid
    await query(dsn, "create table kept as select 1 as value")
    victim = await asyncpg.connect(dsn)
    os.kill(await victim.fetchval("select pg_backend_pid()"), signal.SIGKILL)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await victim.fetchval("select pg_sleep(30)")
    assert await query(dsn, "select value from kept") == 1
    assert server.pid == pid


async def test_stopping_while_it_recovers_from_a_crash_takes_seconds_and_loses_nothing(
    server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("control_api.embedded.postgres.FAST_STOP_TIMEOUT_S", 1.0)
    dsn = await server.start()
    await query(dsn, "create table kept as select 2 as value")
    victim = await asyncpg.connect(dsn)
    os.kill(await victim.fetchval("select pg_backend_pid()"), signal.SIGKILL)
    await until(victim.is_closed, "the crash")
    begin = time.monotonic()
    await server.stop()
    assert time.monotonic() - begin < 11
    assert await query(await server.start(), "select value from kept") == 2


async def test_a_second_server_on_the_folder_is_refused_by_name(data_dir: Path, server: EmbeddedPostgres) -> None:
    dsn = await server.start()
    second = EmbeddedPostgres(data_dir)
    with pytest.raises(PostgresError) as caught:
        await second.start()
    assert str(caught.value) == f"another Greenroom (pid {os.getpid()}) uses this data folder: {data_dir}"
    await second.stop()
    assert await query(dsn, "select 1") == 1


async def test_a_second_process_on_the_folder_is_refused(server: EmbeddedPostgres, start_owner: StartOwner) -> None:
    dsn = await server.start()
    _, answer = start_owner()
    assert f"another Greenroom (pid {os.getpid()})" in answer["error"]
    assert await query(dsn, "select 1") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the next start stops it")
async def test_postgres_ends_when_its_owner_is_killed_and_the_next_start_has_its_rows(
    server: EmbeddedPostgres, start_owner: StartOwner
) -> None:
    owner, answer = start_owner()
    await query(answer["dsn"], "create table kept as select 7 as value")
    owner.kill()
    owner.wait()
    await until(lambda: not runs(int(answer["pid"])), "the end of postgres")
    assert await query(await server.start(), "select value from kept") == 7


async def test_the_next_start_right_after_a_kill_waits_for_the_old_postgres(
    server: EmbeddedPostgres, start_owner: StartOwner, caplog: pytest.LogCaptureFixture
) -> None:
    owner, answer = start_owner()
    await query(answer["dsn"], "create table kept as select 8 as value")
    # A postgres that can't react at once, as under load or where it is told nothing of its parent's death.
    os.kill(int(answer["pid"]), signal.SIGSTOP)
    owner.kill()
    owner.wait()
    starting = asyncio.create_task(server.start())
    await until(lambda: "of a Greenroom that was killed" in caplog.text, "noticing it")
    assert not starting.done()
    os.kill(int(answer["pid"]), signal.SIGCONT)
    assert await query(await starting, "select value from kept") == 8


async def test_everything_killed_at_once_loses_nothing(server: EmbeddedPostgres, start_owner: StartOwner) -> None:
    owner, answer = start_owner()
    await query(answer["dsn"], "create table kept as select generate_series(1, 1000) as value")
    os.kill(int(answer["pid"]), signal.SIGKILL)
    owner.kill()
    owner.wait()
    assert await query(await server.start(), "select count(*) from kept") == 1000


async def test_a_stale_pid_file_that_names_a_living_stranger_is_no_obstacle(
    data_dir: Path, server: EmbeddedPostgres
) -> None:
    dsn = await server.start()
    await query(dsn, "create table kept as select 9 as value")
    folder = data_dir / "postgres"
    owner = (folder / "cluster").stat().st_uid
    pid_file = (folder / "cluster" / "postmaster.pid").read_text().splitlines()
    await server.stop()
    # Of the database's user: PostgreSQL itself ignores those of others.
    code = f"import os, time; os.setuid({owner}); print(flush=True); time.sleep(60)"
    stranger = await asyncio.create_subprocess_exec(sys.executable, "-I", "-S", "-c", code, stdout=subprocess.PIPE)
    assert stranger.stdout is not None
    await stranger.stdout.readline()
    try:
        stale = "\n".join([str(stranger.pid), *pid_file[1:]]) + "\n"
        for name in ("cluster/postmaster.pid", "socket/.s.PGSQL.5432.lock"):
            (folder / name).write_text(stale)
            os.chown(folder / name, owner, -1)
        assert await query(await server.start(), "select value from kept") == 9
        assert stranger.returncode is None
    finally:
        stranger.kill()
        await stranger.wait()


async def test_an_initialisation_that_was_cut_short_is_begun_again(
    data_dir: Path, new_server: EmbeddedPostgres
) -> None:
    leftover = data_dir / "postgres" / "cluster.new-abc"
    leftover.mkdir(parents=True)
    (leftover / "PG_VERSION").write_text("18\n")
    if os.geteuid() == 0:
        for folder in (data_dir, data_dir / "postgres"):
            folder.chmod(0o711)
    assert await query(await new_server.start(), "select 1") == 1
    assert not leftover.exists()


async def test_a_folder_of_another_version_is_refused(data_dir: Path, server: EmbeddedPostgres) -> None:
    await server.start()
    await server.stop()
    (data_dir / "postgres" / "cluster" / "PG_VERSION").write_text("12\n")
    with pytest.raises(PostgresError, match="was made by PostgreSQL 12"):
        await server.start()


async def test_a_damaged_folder_is_refused_with_postgres_own_words(data_dir: Path, server: EmbeddedPostgres) -> None:
    await server.start()
    await server.stop()
    (data_dir / "postgres" / "cluster" / "global" / "pg_control").unlink()
    with pytest.raises(PostgresError, match=r"PostgreSQL does not start: .*pg_control"):
        await server.start()
    assert server.pid is None


async def test_a_path_too_long_for_a_socket_gets_one_elsewhere(data_dir: Path) -> None:
    deep = data_dir / ("d" * 100) / "with space, comma"
    os.makedirs(deep.parent, mode=0o755)
    server = EmbeddedPostgres(deep)
    try:
        assert await query(await server.start(), "select 1") == 1
        socket_dir = (deep / "postgres" / "socket").resolve()
        assert stat.S_IMODE(socket_dir.stat().st_mode) == 0o700
    finally:
        await server.stop()
    assert not socket_dir.exists()


async def test_the_log_is_bounded(data_dir: Path, server: EmbeddedPostgres) -> None:
    await server.start()
    await server.stop()
    log = data_dir / "postgres" / "server.log"
    log.write_text("x" * 2_000_000)
    await server.start()
    assert log.stat().st_size < 100_000


@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests run as an ordinary user already")
async def test_an_ordinary_user_runs_it_as_themselves(data_dir: Path, start_owner: StartOwner) -> None:
    user = pwd.getpwnam("nobody")
    python = python_for(user.pw_uid)
    os.mkdir(data_dir, mode=0o700)
    os.chown(data_dir, user.pw_uid, user.pw_gid)
    owner, answer = start_owner(python=python, user=user.pw_uid)
    assert await query(answer["dsn"], "select 1") == 1
    assert (data_dir / "postgres" / "cluster").stat().st_uid == user.pw_uid
    owner.communicate(timeout=30)
    assert owner.returncode == 0
    assert not is_postmaster(int(answer["pid"]), data_dir / "postgres" / "cluster")
    # Root runs what belongs to a user as that user.
    server = EmbeddedPostgres(data_dir)
    await server.start()
    await server.stop()
    _, answer = start_owner(python=python, user=user.pw_uid)
    assert "dsn" in answer, answer


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has such folders")
async def test_root_keeps_the_database_elsewhere_where_its_user_cannot_enter(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    system = data_dir.parent / "system"
    monkeypatch.setattr("control_api.embedded.postgres_folder.SYSTEM_DIR", system)
    closed = data_dir.parent / "closed"
    closed.mkdir(mode=0o700)
    server = EmbeddedPostgres(closed / "data")
    try:
        dsn = await server.start()
        await query(dsn, "create table kept as select 5 as value")
        assert str(system) in caplog.text
        assert (closed / "data" / "postgres").resolve().parent == system
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
        await server.stop()
        assert await query(await server.start(), "select value from kept") == 5
        assert len(list(system.iterdir())) == 1
    finally:
        await server.stop()
    shutil.rmtree(system)
    with pytest.raises(PostgresError, match="which is gone"):
        await server.start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs it as somebody else")
async def test_root_copies_binaries_that_its_user_cannot_reach(
    data_dir: Path, server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("control_api.embedded.postgres_folder.PostgresFolder._can_run", lambda self, package: False)
    assert await query(await server.start(), "select 1") == 1
    assert os.readlink(f"/proc/{server.pid}/exe").startswith(f"{data_dir}/postgres/binaries-")


def python_for(user_id: int) -> str:
    """An interpreter that this user may run: the tests' own may lie in root's home."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/bin/python{version}", f"/usr/local/bin/python{version}"):
        try:
            subprocess.run(
                [python, "-c", "import asyncpg, embedded_postgres, pydantic_settings, control_api.embedded.postgres"],
                env={**os.environ, "PYTHONPATH": PYTHONPATH},
                cwd="/",
                user=user_id,
                extra_groups=[],
                check=True,
                capture_output=True,
            )
        except (OSError, subprocess.CalledProcessError):
            continue
        return python
    pytest.skip("an ordinary user can reach neither this Python nor one like it")
