from __future__ import annotations

import sys
from types import ModuleType

import pytest

from control_api.cli import main
from control_api.commands.options import variable
from control_api.embedded.postgres_folder import PostgresError
from control_api.migrations import MigrationError
from control_api.settings import Settings
from signaling.ports import StoreUnavailable


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """What a server that ends at once was started with."""
    seen: list[Settings] = []

    async def serve(settings: Settings) -> int:
        seen.append(settings)
        return 0

    replace_server(monkeypatch, serve)
    return seen


def replace_server(monkeypatch: pytest.MonkeyPatch, serve: object) -> None:
    module = ModuleType("control_api.server")
    module.serve = serve  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "control_api.server", module)
    for name in Settings.model_fields:
        monkeypatch.delenv(variable(name), raising=False)


def test_options_win_over_the_environment(served: list[Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENROOM_PORT", "1234")
    monkeypatch.setenv("GREENROOM_RTC_PORT", "5678")
    assert main(["serve", "--port", "0", "--rtc-bind", "127.0.0.1,::1"]) == 0
    assert (served[0].port, served[0].rtc_port, served[0].rtc_bind) == (0, 5678, ("127.0.0.1", "::1"))


def test_help_tells_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["serve", "--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    for name in Settings.model_fields:
        assert variable(name) in shown
    assert "--port PORT" in shown
    assert "default 8080" in shown
    assert "--jwt-secret" not in shown


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("greenroom ")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--port", "http"], "GREENROOM_PORT: input should be a valid integer, unable to parse string as an integer"),
        (["--public-ip", "here"], "GREENROOM_PUBLIC_IP: 'here' is not an IP address"),
        (["--host", "0.0.0.0"], "set GREENROOM_JWT_SECRET, or listen on 127.0.0.1"),
    ],
)
def test_a_mistake_is_one_sentence(
    arguments: list[str], sentence: str, served: list[Settings], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", *arguments]) == 2
    shown = capsys.readouterr().err
    assert sentence in shown
    assert shown.count("\n") == 1
    assert not served


def test_a_mistake_in_a_secret_does_not_show_it(
    served: list[Settings], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GREENROOM_JWT_SECRET", "hunter2")
    assert main(["serve"]) == 2
    monkeypatch.delenv("GREENROOM_JWT_SECRET")
    monkeypatch.setenv("DATABASE_URL", "mysql://ana:hunter2@db")
    assert main(["serve"]) == 2
    shown = capsys.readouterr().err
    assert "GREENROOM_JWT_SECRET: the secret has to have at least 32 bytes" in shown
    assert "DATABASE_URL: it has to begin with postgresql://" in shown
    assert "hunter2" not in shown


@pytest.mark.parametrize(
    "error", [PostgresError("no"), MigrationError("no"), StoreUnavailable("no"), OSError("no")], ids=repr
)
def test_what_the_operator_can_mend_is_one_sentence(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def serve(settings: Settings) -> int:
        raise error

    replace_server(monkeypatch, serve)
    assert main(["serve"]) == 1
    assert capsys.readouterr().err == "greenroom: no\n"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            OSError(98, "can't listen on ::1 port 1: address already in use"),
            "can't listen on ::1 port 1: address already in use",
        ),
        (FileNotFoundError(2, "No such file or directory", "/x"), "/x: no such file or directory"),
    ],
)
def test_numbers_of_the_systems_errors_are_nothing_for_people(
    error: OSError, sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def serve(settings: Settings) -> int:
        raise error

    replace_server(monkeypatch, serve)
    assert main(["serve"]) == 1
    assert capsys.readouterr().err == f"greenroom: {sentence}\n"


def test_a_misspelled_setting_is_told(
    served: list[Settings], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GREENROOM_JWT_SECERT", "hunter2")
    monkeypatch.setenv("GREENROOM_DATABASE_URL", "postgresql://db")
    assert main(["serve"]) == 0
    shown = capsys.readouterr().err
    assert "GREENROOM_JWT_SECERT is no setting and has no effect: is GREENROOM_JWT_SECRET meant?" in shown
    assert "DATABASE_URL" not in shown
    assert "hunter2" not in shown


def test_no_command_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([])
    assert caught.value.code == 2


@pytest.mark.parametrize(
    "words",
    [
        *(["serve"], ["token"], ["sessions"], ["sessions", "list"], ["sessions", "end"]),
        *(["db"], ["db", "migrate"], ["db", "status"], ["config"], ["config", "check"]),
    ],
    ids=" ".join,
)
def test_every_command_explains_itself(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*words, "--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: greenroom {' '.join(words)} ")
    assert max(map(len, shown.splitlines())) <= 120


def test_the_commands_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    for command in ("serve", "token", "sessions", "db", "config", "bench"):
        assert f"\n    {command} " in shown
