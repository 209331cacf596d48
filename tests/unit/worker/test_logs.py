import json
import logging
import os

import pytest

from sfu.worker import logs


@pytest.fixture(autouse=True)
def as_before():
    root = logging.getLogger()
    handlers = list(root.handlers)
    yield
    root.handlers[:] = handlers


def test_json_has_the_members_of_the_control_process(capsys):
    logs.configure("json")
    try:
        raise RuntimeError("no\nsocket")
    except RuntimeError:
        logging.getLogger("sfu.worker.engine").exception("request %s failed", "produce")
    (line,) = capsys.readouterr().err.splitlines()
    entry = json.loads(line)
    assert (entry["event"], entry["level"], entry["logger"]) == ("request produce failed", "error", "sfu.worker.engine")
    assert entry["worker"] == os.getpid()
    assert "RuntimeError" in entry["exception"]


def test_the_console_tells_which_worker_speaks(capsys):
    logs.configure("console")
    logging.getLogger("sfu.worker.engine").error("oh")
    assert capsys.readouterr().err.endswith(f"ERROR   sfu.worker.engine: oh worker={os.getpid()}\n")
