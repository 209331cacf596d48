"""Servers that are one process, ready when they accept connections: starting, pinning, finding and stopping them."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from bench.cores import pin

from .base import Processes

HOST: Final = "127.0.0.1"

_ROOT: Final = Path(__file__).resolve().parents[2]
_START_TIMEOUT_S: Final = 30.0
_STOP_TIMEOUT_S: Final = 10.0
_FILES: Final = 1 << 16
"""Not simply all that are allowed: libwebsockets makes a table as long as the limit."""
_PROC: Final = Path("/proc")
_LISTENING: Final = "0A"
"""TCP_LISTEN as /proc/net/tcp writes it."""


def free_tcp_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


class SpawnedServer:
    """A server with a folder of its own, gone when it is stopped."""

    def __init__(self, command: Sequence[str], url: str, folder: Path, core: int) -> None:
        """Start it and keep all of its threads to `core`. `RuntimeError` when it does not listen at `url` in time."""
        self.url = url
        self._folder = folder
        self._log = folder / "server.log"
        _allow_files()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                cwd=_ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._await_listening()
            pin(self._process.pid, (core,))
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _await_listening(self) -> None:
        address = HOST, _port(self.url)
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(address, timeout=1):
                return
            time.sleep(0.05)
        raise RuntimeError(f"the server did not start\n{self._log.read_text(errors='replace')}")


def _allow_files() -> None:
    """Let this process, and what it starts, have as many sockets as thousands of participants need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def installed_version(command: Sequence[str], read: Callable[[str], str | None]) -> str | None:
    """What `read` finds in the output of a command; None where the command is not there."""
    if shutil.which(command[0]) is None:
        return None
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return read(done.stdout + done.stderr)


def listening_process(url: str) -> Processes:
    """The process of this machine that listens at the port of `url`, as its only worker."""
    pid = _listener(_port(url)) if urlsplit(url).hostname in (HOST, "localhost") else None
    return Processes() if pid is None else Processes(workers=(pid,))


def _port(url: str) -> int:
    port = urlsplit(url).port
    if port is None:
        raise ValueError(f"there is no port in {url}")
    return port


def _listener(port: int) -> int | None:
    wanted = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    if not wanted:
        return None
    for process in _PROC.iterdir():
        if not process.name.isdecimal():
            continue
        # Processes of other users, and those that have just ended, do not show their files.
        with contextlib.suppress(OSError):
            for descriptor in (process / "fd").iterdir():
                with contextlib.suppress(OSError):
                    if os.readlink(descriptor) in wanted:
                        return int(process.name)
    return None


def _listening_inodes(port: int) -> set[str]:
    inodes = set()
    for table in (_PROC / "net/tcp", _PROC / "net/tcp6"):
        with contextlib.suppress(OSError):
            for line in table.read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                    inodes.add(fields[9])
    return inodes
