"""What can be seen of the folder without a running PostgreSQL; test_postgres.py has the rest."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from control_api.embedded.postgres_folder import PostgresError, PostgresFolder, PostgresUser, can_enter, is_postmaster


@pytest.fixture
def folder(data_dir: Path) -> Iterator[PostgresFolder]:
    folder = PostgresFolder(data_dir)
    yield folder
    folder.close()


def test_the_lock_names_its_holder_and_is_let_go(data_dir: Path) -> None:
    first = PostgresFolder(data_dir)
    with pytest.raises(PostgresError, match=rf"another Greenroom \(pid {os.getpid()}\) uses this data folder"):
        PostgresFolder(data_dir)
    first.close()
    PostgresFolder(data_dir).close()


def test_a_file_in_place_of_the_data_folder_is_a_sentence(data_dir: Path) -> None:
    data_dir.write_text("")
    with pytest.raises(PostgresError, match="can't be used: File exists"):
        PostgresFolder(data_dir)


@pytest.mark.parametrize("content", ["", "x", "\n" * 9, "12", "12\n/data\n1\n5432\n/socket\n\n1 2\nstarting\n"])
def test_a_pid_file_that_is_half_written_is_not_ready(folder: PostgresFolder, content: str) -> None:
    folder.make_private(folder.cluster)
    (folder.cluster / "postmaster.pid").write_text(content)
    pid_file = folder.postmaster()
    assert pid_file is None or (pid_file.pid == 12 and not pid_file.ready)


def test_a_complete_pid_file_is_ready(folder: PostgresFolder) -> None:
    folder.make_private(folder.cluster)
    (folder.cluster / "postmaster.pid").write_text("12\n/data\n1\n5432\n/socket\n\n1 2\nready   \n")
    pid_file = folder.postmaster()
    assert pid_file is not None
    assert (pid_file.pid, pid_file.ready) == (12, True)


def test_a_process_is_a_postmaster_only_of_its_own_cluster(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()", "-D", str(tmp_path / "a")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()
    assert is_postmaster(process.pid, tmp_path / "a")
    assert not is_postmaster(process.pid, tmp_path / "b")
    process.communicate(b"\n")
    assert not is_postmaster(process.pid, tmp_path / "a")


@pytest.mark.parametrize(
    ("mode", "user", "expected"),
    [
        (0o700, PostgresUser(-2, -2), False),
        (0o711, PostgresUser(-2, -2), True),
        (0o744, PostgresUser(-2, -2), False),
        (0o711, PostgresUser(os.geteuid(), -2), True),
        (0o611, PostgresUser(os.geteuid(), -2), False),
        (0o710, PostgresUser(-2, os.getegid()), True),
        (0o701, PostgresUser(-2, os.getegid()), False),
    ],
)
def test_who_can_enter(data_dir: Path, mode: int, user: PostgresUser, expected: bool) -> None:
    data_dir.mkdir()
    os.chown(data_dir, os.geteuid(), os.getegid())
    data_dir.chmod(mode)
    # The folders above belong to the tests: /tmp is open, and ours is 0711.
    data_dir.parent.chmod(0o755)
    assert can_enter(data_dir / "cluster", user) is expected
    data_dir.chmod(0o700)


def test_a_socket_folder_of_somebody_else_is_not_taken(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = PostgresFolder(data_dir)
    monkeypatch.setattr("control_api.embedded.postgres_folder.MAX_SOCKET_PATH", 1)
    mine = folder.socket_dir()
    assert folder.socket_dir() == mine
    mine.chmod(0o777)
    another = folder.socket_dir()
    assert another != mine
    mine.rmdir()
    folder.close()
    assert not another.exists()
