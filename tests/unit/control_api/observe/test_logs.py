from __future__ import annotations

import io
import json
import logging
import re

import pytest
import structlog

from control_api.observe import logs


@pytest.fixture
def stream():
    """Puts `logging` back as pytest had it."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield io.StringIO()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


def test_the_console_looks_as_it_always_did(stream):
    logs.configure("INFO", "console", stream)
    logging.getLogger("sfu.worker.pool").info("worker %d listens on UDP port %d", 7, 40000)
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d INFO    sfu\.worker\.pool: worker 7 listens on UDP port 40000\n",
        stream.getvalue(),
    )


def test_members_follow_the_sentence(stream):
    logs.configure("INFO", "console", stream)
    structlog.stdlib.get_logger("greenroom.request").info("request", method="GET", ms=1.5, client="::1", why="a b")
    assert stream.getvalue().endswith('greenroom.request: request method=GET ms=1.5 client=::1 why="a b"\n')


def test_json_is_one_object_a_line_for_libraries_too(stream):
    logs.configure("INFO", "json", stream)
    logging.getLogger("aiohttp.server").error("line one\nline two \x1b[31m")
    structlog.stdlib.get_logger("greenroom.request").info("request", status=200)
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert (first["level"], first["logger"]) == ("error", "aiohttp.server")
    assert first["event"] == "line one\\nline two \\x1b[31m"
    assert (second["event"], second["status"]) == ("request", 200)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", second["timestamp"])


def test_whatever_is_logged_meanwhile_has_the_id_of_the_request(stream):
    logs.configure("INFO", "json", stream)
    with structlog.contextvars.bound_contextvars(request_id="r1"):
        logging.getLogger("signaling.media").warning("hm")
    logging.getLogger("signaling.media").warning("later")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert first["request_id"] == "r1"
    assert "request_id" not in second


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_a_traceback_is_logged_without_what_it_quotes(stream, log_format):
    logs.configure("INFO", log_format, stream)
    try:
        int("Bearer hunter2")
    except ValueError:
        logging.getLogger("control_api.http.errors").exception("POST /live/start failed")
    written = stream.getvalue()
    assert "Traceback (most recent call last)" in written
    assert "invalid literal for int()" in written
    assert "hunter2" not in written.replace('int("Bearer hunter2")', "").replace('int(\\"Bearer hunter2\\")', "")


def test_what_is_below_the_level_is_not_written(stream):
    logs.configure("WARNING", "json", stream)
    logging.getLogger("x").info("quiet")
    structlog.stdlib.get_logger("y").info("quiet")
    assert stream.getvalue() == ""


def test_configuring_twice_writes_once(stream):
    logs.configure("INFO", "json", io.StringIO())
    logs.configure("INFO", "json", stream)
    logging.getLogger("x").info("once")
    assert len(stream.getvalue().splitlines()) == 1
