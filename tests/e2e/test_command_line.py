"""`greenroom` as an operator uses it, beside a running server."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sys
from pathlib import Path

import pytest

from tests.support.api import Api, User
from tests.support.crew import Crew
from tests.support.server import ROOT, Server, free_tcp_port, free_udp_ports
from tests.support.ws import WsClient

pytestmark = pytest.mark.asyncio(loop_scope="session")

SECRET = "hunter2-hunter2-hunter2-hunter2-hunter2"
SECRETS = {
    "GREENROOM_JWT_SECRET": SECRET,
    "GREENROOM_METRICS_TOKEN": SECRET,
    "GREENROOM_SENTRY_DSN": "https://hunter2@sentry.example/1",
    "GREENROOM_TURN_SECRET": SECRET,
    "GREENROOM_TURN_URLS": "turn:turn.example.com",
}


async def greenroom(*words: str, environment: dict[str, str]) -> tuple[int | None, str, str]:
    """Exit code, standard output and standard error of a command."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "control_api.cli", *words),
        cwd=ROOT,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, out.decode(), err.decode()


@pytest.fixture
def environment(server: Server) -> dict[str, str]:
    """That of the running server."""
    return server._environment()


@pytest.fixture
def elsewhere(environment: dict[str, str]) -> dict[str, str]:
    """That of a server which does not run, with a data folder of its own that does not exist yet."""
    folder = Path(environment["GREENROOM_DATA_DIR"]).with_suffix(".elsewhere")
    changes = {
        "GREENROOM_DATA_DIR": str(folder),
        "GREENROOM_PORT": str(free_tcp_port()),
        "GREENROOM_RTC_PORT": str(free_udp_ports(1)),
    }
    yield {name: value for name, value in environment.items() if name != "DATABASE_URL"} | changes
    shutil.rmtree(folder, ignore_errors=True)


async def test_the_operator_ends_a_session_that_runs_on_the_server(crew: Crew, environment: dict[str, str]) -> None:
    host, viewer = await crew.api.user("Hana"), await crew.api.user("Vera")
    session = await host.start("Friday \x1b[31mnight")
    client = await WsClient.open(viewer, session["id"])
    code, shown, _ = await greenroom("sessions", "list", environment=environment)
    assert code == 0
    (line,) = [line for line in shown.splitlines() if session["id"] in line]
    assert "Friday" in line
    assert host.name in line
    assert "\x1b" not in shown
    code, shown, _ = await greenroom("sessions", "end", session["id"], environment=environment)
    assert code == 0
    assert session["id"] in shown
    await asyncio.wait_for(client.closed.wait(), 10)
    assert client.events[-1]["reason"] == "ended_by_operator"
    assert client.close_code == 4410
    code, shown, complaint = await greenroom("sessions", "end", session["id"], environment=environment)
    assert (code, shown) == (1, "")
    assert "has ended" in complaint


async def test_another_secret_is_of_no_use(environment: dict[str, str]) -> None:
    code, shown, complaint = await greenroom(
        "sessions", "list", environment=environment | {"GREENROOM_JWT_SECRET": SECRET}
    )
    assert (code, shown) == (2, "")
    assert "another secret" in complaint
    assert SECRET not in complaint


async def test_a_token_opens_the_server(server: Server, environment: dict[str, str]) -> None:
    code, shown, complaint = await greenroom("token", "--name", "Ana", "--user-id", "ana", environment=environment)
    assert (code, complaint) == (0, "")
    async with Api(server.url) as api:
        assert isinstance(await User(api, shown.strip(), "ana", "Ana").active(), list)


async def test_the_database_of_a_running_server_is_looked_at(environment: dict[str, str]) -> None:
    code, shown, _ = await greenroom("db", "status", environment=environment)
    assert code == 0
    assert "applied" in shown
    assert await greenroom("db", "migrate", environment=environment) == (
        0,
        "nothing to do: the database is at this version\n",
        "",
    )


async def test_a_database_is_made_before_the_first_start(elsewhere: dict[str, str]) -> None:
    code, shown, _ = await greenroom("db", "status", environment=elsewhere)
    assert code == 1
    assert "no database" in shown
    assert not os.path.exists(elsewhere["GREENROOM_DATA_DIR"])  # noqa: ASYNC240
    code, shown, complaint = await greenroom("db", "migrate", environment=elsewhere)
    assert (code, complaint) == (0, "")
    assert "made the database" in shown
    code, shown, _ = await greenroom("db", "status", environment=elsewhere)
    assert code == 0
    assert "missing" not in shown


async def test_a_database_that_is_away_is_one_sentence(elsewhere: dict[str, str]) -> None:
    away = elsewhere | {"DATABASE_URL": f"postgresql://ana:hunter2@127.0.0.1:{free_tcp_port()}/x"}
    for words in (("db", "migrate"), ("db", "status")):
        code, _, complaint = await greenroom(*words, environment=away)
        assert code == 1
        assert complaint.startswith("greenroom: the database can't be reached")
        assert complaint.count("\n") == 1
        assert "hunter2" not in complaint


def checks_of(shown: str) -> dict[str, str]:
    """The lines of `config check` by what they are about."""
    return {line.split("  ")[0]: line for line in shown.partition("\n\n")[2].splitlines()}


async def test_the_configuration_of_a_running_server_is_sound(server: Server, environment: dict[str, str]) -> None:
    slip = {"GREENROOM_TRUSTED_PROXY": "hunter2"}
    code, shown, complaint = await greenroom("config", "check", environment=environment | slip)
    assert (code, complaint) == (0, "")
    assert "a Greenroom is running" in shown
    assert "WRONG" not in shown
    assert "GREENROOM_TRUSTED_PROXY is no setting and has no effect: is GREENROOM_TRUSTED_PROXIES meant?" in shown
    assert "hunter2" not in shown


async def test_what_keeps_a_server_from_running_is_told_without_secrets(elsewhere: dict[str, str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        wrong = elsewhere | SECRETS | {"GREENROOM_PORT": str(taken.getsockname()[1])}
        wrong["DATABASE_URL"] = f"postgresql://ana:hunter2@127.0.0.1:{free_tcp_port()}/shows?password=hunter2"
        code, shown, complaint = await greenroom("config", "check", environment=wrong)
    assert (code, complaint) == (1, "")
    checks = checks_of(shown)
    assert "WRONG" in checks["web port"]
    assert "WRONG" in checks["database"]
    assert "WRONG" not in checks["tokens"]
    assert "hunter2" not in shown
    assert "/shows" in shown


async def test_settings_that_are_wrong_are_all_told(elsewhere: dict[str, str]) -> None:
    wrong = elsewhere | {"GREENROOM_JWT_SECRET": "hunter2", "GREENROOM_PORT": "http"}
    code, shown, complaint = await greenroom("config", "check", environment=wrong)
    assert (code, complaint) == (2, "")
    assert "GREENROOM_JWT_SECRET" in shown
    assert "GREENROOM_PORT" in shown
    assert "hunter2" not in shown


async def test_a_certificate_and_a_key_that_are_none_are_mistakes(elsewhere: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "cert.pem"
    file.write_text("nonsense")
    wrong = elsewhere | {"GREENROOM_TLS_CERT": str(file), "GREENROOM_TLS_KEY": str(file)}
    wrong["GREENROOM_JWT_PUBLIC_KEY_FILE"] = str(file)
    code, shown, _ = await greenroom("config", "check", environment=wrong)
    assert code == 2
    checks = checks_of(shown)
    assert "can't be used" in checks["TLS"]
    # Also where the server has no secret of its own yet, which it would make.
    assert "WRONG" in checks["tokens"]
