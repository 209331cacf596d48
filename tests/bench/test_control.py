"""The bench of the control plane at its smallest, on a server of its own."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.support.server import ROOT

SMALL = {"starts": 3, "requests": 3, "members": 5, "rate": 10, "sessions": 2, "session-members": 3}
TIMES = {"seconds": 2, "settle-s": 0.1}


def test_every_measurement_counts_what_it_says() -> None:
    options = [f"--{name}={value}" for name, value in (SMALL | TIMES).items()]
    command = [sys.executable, "-m", "bench.control", "--json", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.stdout, done.stderr
    starts, requests, chat, everything = json.loads(done.stdout)
    assert (starts["count"], requests["count"]) == (3, 3)
    assert chat["count"] == 6 * 20  # the host and five members hear 20 messages each
    assert everything["count"] >= 2
    for result in (starts, requests, chat, everything):
        assert 0 < result["p50_ms"] <= result["p99_ms"]
        assert result["control_cpu"] > 0
