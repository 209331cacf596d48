"""schemathesis asks a running server for all that /openapi.json promises, and much that it does not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.server import ROOT, Server

MAX_TIME_S = 20
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server(workers=1, rate_limits="off")
    try:
        server.start()
        yield server
    finally:
        server.discard()


def test_the_server_is_as_its_document_says(server: Server, tmp_path: Path) -> None:
    finished = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIGURATION)),
            *("run", f"{server.url}/openapi.json", "--max-time", str(MAX_TIME_S), "--no-color"),
        ],
        cwd=tmp_path,
        env=os.environ
        | {
            "PYTHONPATH": str(ROOT),
            "FUZZED_SERVER": server.url,
            "FUZZED_SECRET": str(server.data_dir / "jwt_secret"),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "API Operations" in finished.stdout
    server.stop()
