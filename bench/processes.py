"""Time and memory of processes on this machine, from /proc; nothing on systems without it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

_PROC = Path("/proc")


def command_line(pid: int) -> str:
    """Arguments joined by spaces; empty where there is no such process (or no /proc)."""
    try:
        return (_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def parent(pid: int) -> int | None:
    """The parent's id."""
    fields = _status(pid)
    return int(fields["PPid"]) if "PPid" in fields else None


def cpu_s(pids: Iterable[int]) -> float:
    """Seconds that the processes ran, all threads; 0 for those that are gone."""
    return sum(_cpu_s(pid) for pid in pids)


def memory_bytes(pids: Iterable[int]) -> int:
    """Resident memory, shared pages counted in each process; 0 for those that are gone."""
    return sum(int(_status(pid).get("VmRSS", "0 kB").split()[0]) * 1024 for pid in pids)


def _cpu_s(pid: int) -> float:
    try:
        threads = list((_PROC / str(pid) / "task").iterdir())
        # Nanoseconds by the scheduler's own account; /proc/pid/stat counts in ticks of 10 ms.
        return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9
    except (OSError, ValueError, IndexError):
        return _cpu_ticks_s(pid)


def _cpu_ticks_s(pid: int) -> float:
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return 0.0


def _status(pid: int) -> dict[str, str]:
    try:
        lines = (_PROC / str(pid) / "status").read_text().splitlines()
    except OSError:
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
