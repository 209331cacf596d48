"""Logs: what libraries, the server and its requests say, in one shape on the standard error stream.

Everything goes through the standard library's `logging`; `structlog` gives it members, such as the request's id, and
writes it for people (`console`) or for programs (`json`, one object a line).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final, Literal, TextIO

import structlog
from aiohttp.http_exceptions import HttpProcessingError
from structlog.typing import EventDict

from .scrubbing import one_line, scrub, traceback_text

LogFormat = Literal["console", "json"]

_PLACED: Final = ("timestamp", "level", "logger", "event", "exception")
"""Members that the console shows in a place of their own."""


def configure(level: str, log_format: LogFormat, stream: TextIO | None = None) -> None:
    """Make `logging` write to `stream` (default: standard error). May be called again."""
    console = log_format == "console"
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_common(),
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _with_exception,
                structlog.processors.TimeStamper(
                    "%Y-%m-%d %H:%M:%S" if console else "%Y-%m-%dT%H:%M:%S.%fZ", utc=not console
                ),
                _scrubbed,
                _console if console else structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    root = logging.getLogger()
    for former in tuple(root.handlers):
        root.removeHandler(former)
    root.addHandler(handler)
    root.setLevel(level)
    logging.captureWarnings(True)
    logging.getLogger("aiohttp.server").addFilter(_no_bad_request)
    structlog.configure(
        processors=[*_common(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _no_bad_request(record: logging.LogRecord) -> bool:
    """False for aiohttp's tracebacks about what was no HTTP, of which strangers could send any number: their request
    has its line, as every other."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


def _common() -> list[Callable[[Any, str, EventDict], Any]]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
    ]


def _with_exception(logger: Any, method: str, entry: EventDict) -> EventDict:
    info = entry.pop("exc_info", None)
    entry.pop("stack_info", None)
    error = info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        entry["exception"] = traceback_text(error)
    return entry


def _scrubbed(logger: Any, method: str, entry: EventDict) -> EventDict:
    return {
        name: value if isinstance(value, int | float | None) else _clean(name, value) for name, value in entry.items()
    }


def _clean(name: str, value: object) -> str:
    return scrub(str(value)) if name == "exception" else one_line(str(value))


def _console(logger: Any, method: str, entry: EventDict) -> str:
    members = "".join(f" {name}={_shown(value)}" for name, value in entry.items() if name not in _PLACED)
    line = f"{entry['timestamp']} {entry['level'].upper():<7} {entry['logger']}: {entry['event']}{members}"
    return f"{line}\n{entry['exception']}" if "exception" in entry else line


def _shown(value: object) -> str:
    text = str(value)
    return f'"{text}"' if " " in text else text
