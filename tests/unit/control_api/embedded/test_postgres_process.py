from __future__ import annotations

import os
import pwd
import subprocess
import sys

import pytest

from control_api.embedded import postgres_process

REPORT = (
    "import ctypes, os; n = ctypes.c_int(); ctypes.CDLL(None).prctl(2, ctypes.byref(n)); m = os.umask(0); "
    "print(os.getuid(), os.getgid(), os.getgroups(), n.value, oct(m))"
)


def become(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, postgres_process.__file__, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_nothing_runs_when_the_parent_has_died_before() -> None:
    result = become(1, -1, -1, "/bin/echo", "I run")
    assert result.returncode == 1
    assert result.stdout == ""


@pytest.mark.skipif(sys.platform != "linux", reason="parent-death signals are Linux's")
def test_it_stays_who_it_is_and_dies_with_its_parent() -> None:
    result = become(os.getpid(), -1, -1, sys.executable, "-c", REPORT)
    words = result.stdout.split()
    assert words[0] == str(os.getuid())
    assert words[-2:] == ["2", "0o77"]


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="root only")
def test_the_parent_death_signal_survives_the_change_of_user() -> None:
    user = pwd.getpwnam("nobody")
    # A Python of the system: the tests' own may lie where this user can't reach it.
    if not os.path.exists("/usr/bin/python3"):
        pytest.skip("there is no Python that everybody can run")
    result = become(os.getpid(), user.pw_uid, user.pw_gid, "/usr/bin/python3", "-c", REPORT)
    assert result.stdout.split() == [str(user.pw_uid), str(user.pw_gid), "[]", "2", "0o77"]
