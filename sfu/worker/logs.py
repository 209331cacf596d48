"""A worker's log, in the shape of the control process's, whose standard error stream it shares."""

from __future__ import annotations

import json
import logging
import os
import time
from typing import Literal

LogFormat = Literal["console", "json"]


def configure(log_format: LogFormat) -> None:
    """Make `logging` write to standard error. May be called again."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Json() if log_format == "json" else _console())
    logging.getLogger().handlers[:] = [handler]


def _console() -> logging.Formatter:
    return logging.Formatter(
        f"%(asctime)s %(levelname)-7s %(name)s: %(message)s worker={os.getpid()}", datefmt="%Y-%m-%d %H:%M:%S"
    )


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        entry: dict[str, str | int] = {
            "event": record.getMessage(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "timestamp": f"{seconds}.{int(record.created % 1 * 1_000_000):06d}Z",
            "worker": os.getpid(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)
