"""Which cores there are, and keeping processes to some of them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path


def usable() -> tuple[int, ...]:
    """Numbers of the cores that this process may run on; empty where the system does not say."""
    return tuple(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else ()


def pin(pid: int, cores: Iterable[int]) -> None:
    """Keep all threads of a process (0: this one) to these cores. Nothing where the system cannot, or for no cores."""
    wanted = tuple(cores)
    if not wanted or not hasattr(os, "sched_setaffinity"):
        return
    tasks = Path(f"/proc/{pid or os.getpid()}/task")
    with contextlib.suppress(ProcessLookupError, FileNotFoundError):
        for thread in tasks.iterdir():
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(int(thread.name), wanted)
