"""A real TURN server on loopback, as docs/OPERATIONS.md describes it."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .server import end_with_parent, free_udp_ports

RELAY_PORTS = 20
START_TIMEOUT_S = 20.0
BINDING_REQUEST = bytes.fromhex("000100002112a442") + b"any 12 bytes"
"""RFC 8489, section 5: no attributes."""


def turnserver_path() -> str | None:
    return shutil.which("turnserver")


class Coturn:
    """`start` it, use `url`, `stop` it. `secret` is the one that it shares with Greenroom."""

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self.port = free_udp_ports(RELAY_PORTS + 1)
        self.url = f"turn:127.0.0.1:{self.port}?transport=udp"
        self._folder = Path(tempfile.mkdtemp(prefix="greenroom-coturn-"))
        self._log_path = self._folder / "coturn.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Raises AssertionError with its log where it does not come up."""
        path = turnserver_path()
        assert path is not None
        configuration = self._folder / "turnserver.conf"
        configuration.write_text(
            "\n".join(
                [
                    "use-auth-secret",
                    f"static-auth-secret={self.secret}",
                    "realm=greenroom.test",
                    "listening-ip=127.0.0.1",
                    f"listening-port={self.port}",
                    "relay-ip=127.0.0.1",
                    f"min-port={self.port + 1}",
                    f"max-port={self.port + RELAY_PORTS}",
                    # The media server of the tests is on loopback, which coturn protects unless told otherwise.
                    "allow-loopback-peers",
                    # As in docs/operations/turnserver.conf: nothing but the media server may be reached.
                    "denied-peer-ip=0.0.0.0-255.255.255.255",
                    "denied-peer-ip=::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                    "allowed-peer-ip=127.0.0.1",
                    # The port was found free for UDP; some client's TCP connection may have it.
                    *("no-tcp", "no-cli", "no-tls", "no-dtls", "no-multicast-peers", "fingerprint"),
                    f"userdb={self._folder / 'turndb'}",
                    f"pidfile={self._folder / 'turnserver.pid'}",
                    "log-file=stdout",
                ]
            )
        )
        with self._log_path.open("wb") as log:
            self._process = subprocess.Popen(
                [path, "-c", str(configuration)],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=end_with_parent if sys.platform == "linux" else None,
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise AssertionError(f"coturn did not start\n{self.log()}")

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def discard(self) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.settimeout(0.1)
            try:
                probe.connect(("127.0.0.1", self.port))
                probe.send(BINDING_REQUEST)
                return len(probe.recv(1500)) >= len(BINDING_REQUEST)
            except OSError:
                time.sleep(0.05)
                return False

    def log(self) -> str:
        return self._log_path.read_text(errors="replace") if self._log_path.exists() else ""
