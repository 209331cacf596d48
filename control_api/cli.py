"""The command `greenroom`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections.abc import Coroutine
from typing import Any

from pydantic import ValidationError

from signaling.ports import MediaError, StoreUnavailable

from .commands import config, database, serve, sessions, token
from .commands.options import EXIT_CANNOT_RUN, EXIT_CONFIGURATION, EXIT_INTERRUPTED, CommandError, problems
from .embedded.postgres_folder import PostgresError
from .http.tls import TlsError
from .migrations import MigrationError
from .observe import logs
from .outside.payments import PaymentSetupError
from .settings import Settings
from .tokens.token_keys import KeySetupError
from .version import version


def main(argv: list[str] | None = None) -> int:
    """Run a command and return its exit code: 0 when all went well, otherwise one of commands/options.py.

    What the operator can mend is told in one sentence on the standard error stream.
    """
    words = sys.argv[1:] if argv is None else argv
    if words[:1] == ["bench"]:
        from bench.cli import main as bench

        return bench(words[1:])
    arguments = _parser().parse_args(argv)
    given = {name: value for name, value in vars(arguments).items() if name in Settings.model_fields}
    try:
        settings = Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        return int(arguments.refused(error))
    is_server = arguments.run is serve.run
    # Other commands say themselves what they did.
    logs.configure(settings.log_level if is_server else "ERROR", settings.log_format)
    try:
        return _run(arguments.run(settings, arguments))
    except CommandError as error:
        return _refuse(str(error), error.code)
    except (KeySetupError, PaymentSetupError, TlsError) as error:
        return _refuse(str(error), EXIT_CONFIGURATION)
    except (PostgresError, MigrationError, StoreUnavailable, MediaError, OSError) as error:
        logging.getLogger(__name__).debug("the command could not be carried out", exc_info=True)
        return _refuse(_told(error), EXIT_CANNOT_RUN)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _run(command: Coroutine[Any, Any, int]) -> int:
    try:
        import uvloop
    except ImportError:
        return asyncio.run(command)
    return uvloop.run(command)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="greenroom", description="A self-hosted media server for live sessions with guests on stage."
    )
    parser.add_argument("--version", action="version", version=f"greenroom {version()}")
    parser.set_defaults(refused=_refused)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in (serve, token, sessions, database, config):
        command.add(commands)
    commands.add_parser("bench", help="put a running server under load", add_help=False)
    return parser


def _refused(error: ValidationError) -> int:
    """The first of the settings that are wrong."""
    name, problem = problems(error)[0]
    return _refuse(f"{name}: {problem}" if name else problem, EXIT_CONFIGURATION)


def _told(error: Exception) -> str:
    """Without the number of a system's error, which is nothing for people."""
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    return error.strerror if error.filename is None else f"{error.filename}: {error.strerror.lower()}"


def _refuse(message: str, code: int) -> int:
    print(f"greenroom: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
