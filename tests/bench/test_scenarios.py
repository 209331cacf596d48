"""Every scenario at its smallest, against a real server."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.server import ROOT, Server

SMALL = ("--seconds", "1", "--settle-s", "0.3", "--bitrate", "300k", "--join-rate", "50", "--quiet")


@pytest.fixture(scope="module")
def server(made_data_dir: Path) -> Iterator[Server]:
    server = Server(workers=1, copy_of=made_data_dir)
    try:
        server.start()
        yield server
        server.stop()
    finally:
        server.discard()


def bench(server: Server, scenario: str, *words: str) -> subprocess.CompletedProcess[str]:
    # What a test says itself comes last, and so counts.
    command = [sys.executable, "-m", "control_api.cli", "bench", scenario, "--url", server.url, *SMALL, *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def measured(server: Server, *words: str) -> dict[str, Any]:
    done = bench(server, *words, "--json")
    assert done.returncode == 0, done.stderr + done.stdout
    result: dict[str, Any] = json.loads(done.stdout)
    assert result["passed"]
    assert result["loss"] == 0
    assert result["srtp_failures"] == 0
    assert result["client_send_failures"] == 0
    return result


@pytest.mark.parametrize(
    ("words", "participants", "fanout"),
    [
        (("webinar", "--viewers", "4"), 5, 4),
        (("stage", "--guests", "2", "--viewers", "1"), 4, 3),
        (("rooms", "--rooms", "2", "--room-viewers", "1"), 6, 2),
        (("audio", "--speakers", "2", "--listeners", "2"), 4, 3),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_everybody_receives_everything(server: Server, words: tuple[str, ...], participants: int, fanout: int) -> None:
    # What is under way when counting begins or ends belongs to one side only: on a busy machine that is a quarter of a
    # second. Of the longer time it is less than what one receiver of one stream would be missing by.
    result = measured(server, *words, "--seconds", "4")
    assert result["participants"] == participants
    assert result["packets_out_per_s"] == pytest.approx(fanout * result["packets_in_per_s"], rel=0.12)
    assert result["latency_samples"] > 0
    assert 0 < result["latency_p50_ms"] < 1000
    assert result["joins"] == participants - (2 if words[0] == "rooms" else 1), "everybody but the hosts joined"
    assert result["join_p99_ms"] > 0
    assert result["worker_us_per_packet"] > 0
    assert result["control_us_per_packet"] is not None


def test_idle_participants_are_connected_and_receive_nothing(server: Server) -> None:
    result = measured(server, "idle", "--participants", "5")
    assert (result["participants"], result["joins"]) == (6, 5)
    assert (result["packets_in_per_s"], result["packets_out_per_s"]) == (0, 0)


def test_those_who_come_and_go_see_a_picture_and_leave_nothing_behind(server: Server) -> None:
    result = measured(server, "churn", "--rate", "6", "--stay-s", "0.2")
    assert result["joins"] == 6
    assert result["packets_out_per_s"] > 0
    assert result["notes"]["transports_left"] == 0


def test_the_search_tells_people_the_highest_load(server: Server) -> None:
    done = bench(server, "audio", "--speakers", "1", "--find-max", "--listeners", "1", "--limit", "2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("highest load carried\n")
    assert "2 listeners (3 participants" in done.stdout
    assert "added latency" in done.stdout
    assert "no higher load was tried" in done.stdout
    assert done.stderr == ""


def test_a_server_that_is_not_there_is_one_sentence() -> None:
    command = [sys.executable, "-m", "bench.cli", "webinar", "--url", "http://127.0.0.1:9"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("greenroom bench: there is no Greenroom at http://127.0.0.1:9")
    assert "Traceback" not in done.stderr
