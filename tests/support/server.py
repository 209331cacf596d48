"""The real server as a process of its own, on free ports and a data folder of its own."""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import asyncpg
import psutil

ROOT = Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 40.0
LOG_TAIL_LINES = 60


def free_tcp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def free_udp_ports(count: int) -> int:
    """The first of `count` free ports in a row."""
    while True:
        probes: list[socket.socket] = []
        try:
            first = 0
            for offset in range(count):
                probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                probes.append(probe)
                probe.bind(("0.0.0.0", first + offset if first else 0))
                first = first or int(probe.getsockname()[1])
            return first
        except (OSError, OverflowError):
            continue
        finally:
            for probe in probes:
                probe.close()


def copy_data_dir(made: Path, to: Path) -> None:
    """`to` may exist."""
    to.mkdir(exist_ok=True)
    subprocess.run(["cp", "-a", f"{made}/.", to], check=True)


class Server:
    """`start` it, use `url`, `stop` it. The data folder outlives restarts and goes with `discard`."""

    def __init__(self, *, workers: int = 1, copy_of: Path | None = None, **settings: object) -> None:
        """`settings` are those of `greenroom serve`, by their Python names.

        `copy_of` is a data folder to begin with: in one that is empty, the first start takes seconds longer.
        """
        # Below /tmp rather than pytest's private folder: as root, the database runs as another user who has to get in.
        self.data_dir = Path(tempfile.mkdtemp(prefix="greenroom-test-"))
        if copy_of is not None:
            copy_data_dir(copy_of, self.data_dir)
        self.data_dir.chmod(0o755)
        self.log_path = self.data_dir / "server.log"
        self.port = free_tcp_port()
        self.rtc_port = free_udp_ports(workers)
        self._tls = ssl.create_default_context(cafile=str(settings["tls_cert"])) if "tls_cert" in settings else None
        self.url = f"{'http' if self._tls is None else 'https'}://127.0.0.1:{self.port}"
        self._workers = workers
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._shared_database = None if "database_url" in settings else os.environ.get("DATABASE_URL")
        self._schema: str | None = None
        """Of this server alone, in the shared database."""

    def start(self) -> None:
        """Returns when /healthz answers 200. Raises AssertionError with the end of the log otherwise."""
        self.launch()
        self.await_health()

    def launch(self) -> None:
        """Start the process, and wait for nothing."""
        if self._shared_database and self._schema is None:
            schema = f"greenroom_test_{os.getpid()}_{self.port}"
            self._administer(f"create schema {schema}")
            self._schema = schema
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "control_api.cli", "serve"],
                cwd=ROOT,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C in the terminal is for pytest, which then stops the server; a pytest that is killed can't.
                start_new_session=True,
                preexec_fn=end_with_parent if sys.platform == "linux" else None,
            )

    def await_health(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.healthy():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"the server did not start\n{self.log_tail()}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Ctrl-C. Asserts an orderly end: exit code 0, no traceback in the log, no process left behind."""
        assert self._process is not None
        process, family = self._process, self._family()
        process.send_signal(signal.SIGINT)
        try:
            code = process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the server did not stop on SIGINT\n{self.log_tail()}") from None
        self._process = None
        assert code == 0, f"the server ended with {code}\n{self.log_tail()}"
        _, alive = psutil.wait_procs(family, timeout=5)
        assert not alive, f"processes were left behind: {alive}"
        self.assert_log_clean()

    def assert_log_clean(self) -> None:
        log = self.log_path.read_text(errors="replace")
        assert "Traceback (most recent call last)" not in log, f"a traceback was logged\n{self.log_tail(200)}"

    def kill(self) -> list[str]:
        """kill -9 of the control process. Workers and the database are meant to notice it and end by themselves.

        Returns the command lines of those that did not within ten seconds; they are killed then.
        """
        if self._process is None:
            return []
        family = self._family()
        self._process.kill()
        self._process.wait()
        self._process = None
        _, alive = psutil.wait_procs(family, timeout=10)
        survivors = [" ".join(process.cmdline()) for process in alive]
        for process in alive:
            process.kill()
        return survivors

    def restart(self) -> None:
        self.stop()
        self.start()

    def discard(self) -> None:
        self.kill()
        if self._schema is not None:
            self._administer(f"drop schema {self._schema} cascade")
        shutil.rmtree(self.data_dir, ignore_errors=True)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def worker_pids(self) -> list[int]:
        """In no particular order."""
        return [process.pid for process in self._family() if _is_worker(process)]

    def kill_worker(self, pid: int) -> None:
        """kill -9."""
        os.kill(pid, signal.SIGKILL)

    def healthz(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/healthz", timeout=5, context=self._tls) as response:
            return dict(json.load(response))

    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def log_tail(self, lines: int = LOG_TAIL_LINES) -> str:
        if not self.log_path.exists():
            return "(no log)"
        text = self.log_path.read_text(errors="replace").splitlines()
        return "\n".join([f"--- {self.log_path} ---", *text[-lines:]])

    @property
    def database_url(self) -> str:
        """For looking behind the server's back."""
        if self._schema is not None:
            url = str(self._shared_database)
            return f"{url}{'&' if '?' in url else '?'}search_path={self._schema}"
        return f"postgresql://greenroom@/greenroom?host={self.data_dir}/postgres/socket&port=5432"

    async def query(self, sql: str, *arguments: object) -> list[dict[str, Any]]:
        connection = await asyncpg.connect(self.database_url)
        try:
            return [dict(row) for row in await connection.fetch(sql, *arguments)]
        finally:
            await connection.close()

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("GREENROOM_")}
        inherited.pop("DATABASE_URL", None)
        settings = {
            "port": self.port,
            "rtc_port": self.rtc_port,
            "workers": self._workers,
            "data_dir": self.data_dir,
            # Tests play hundreds of hasty people who all live at one address; limits have tests of their own.
            "rate_limits": "off",
        } | self._settings
        environment = inherited | {f"GREENROOM_{name.upper()}": str(value) for name, value in settings.items()}
        if self._schema is not None:
            environment["DATABASE_URL"] = self.database_url
        return environment

    def healthy(self) -> bool:
        try:
            return bool(self.healthz()["status"] == "ok")
        except (OSError, urllib.error.URLError, ValueError, KeyError):
            return False

    def _family(self) -> list[psutil.Process]:
        if self._process is None:
            return []
        try:
            return list(psutil.Process(self._process.pid).children(recursive=True))
        except psutil.NoSuchProcess:
            return []

    def _administer(self, sql: str) -> None:
        async def run() -> None:
            connection = await asyncpg.connect(self._shared_database)
            try:
                await connection.execute("set client_min_messages = warning")
                await connection.execute(sql)
            finally:
                await connection.close()

        # In a thread of its own: a fixture may be set up while an event loop runs in this one.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(lambda: asyncio.run(run())).result()


def end_with_parent() -> None:
    """In the new process: SIGINT when the thread that started it ends (prctl, PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGINT)


def _is_worker(process: psutil.Process) -> bool:
    try:
        return "sfu.worker" in process.cmdline()
    except psutil.Error:
        return False
