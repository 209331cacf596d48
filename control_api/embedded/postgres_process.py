"""Becomes a PostgreSQL program, as another user where asked, that is told to stop when its parent dies.

Run as a script: `postgres_process.py PARENT_PID USER_ID GROUP_ID PROGRAM ARGUMENT...`; the ids are -1 to stay who one
is. It stands between the server and PostgreSQL because the order matters: Linux forgets the parent-death signal when a
process changes its user, and Python can do neither safely between fork and exec in a process with threads. It imports
nothing of the project, so that it needs no access to it after the change of user.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    parent_pid, user_id, group_id = (int(argument) for argument in arguments[:3])
    command = arguments[3:]
    if user_id >= 0:
        os.setgroups([])
        os.setgid(group_id)
        os.setuid(user_id)
    if sys.platform == "linux":
        # SIGINT is a fast shutdown for postgres, and makes initdb remove what it has begun.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)
    if os.getppid() != parent_pid:  # it died before the line above
        sys.exit(1)
    os.umask(0o077)
    os.execv(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
