"""The command `greenroom`."""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import logging
import sys
from collections.abc import Coroutine
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from signaling.ports import MediaError, StoreUnavailable

from . import logs
from .migrations import MigrationError
from .postgres_folder import PostgresError
from .settings import ENV_PREFIX, Settings
from .tls import TlsError
from .token_keys import KeySetupError

EXIT_CANNOT_RUN = 1
"""The configuration is sound, but its database is away, its port is taken, ..."""
EXIT_CONFIGURATION = 2
EXIT_INTERRUPTED = 130
"""128 + SIGINT: a second Ctrl-C, while the server was stopping."""

# Secrets have no place on a command line, which every user of the machine can read.
_ENVIRONMENT_ONLY = ("database_url", "jwt_secret", "turn_secret", "metrics_token", "sentry_dsn")


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code: 0 after an orderly stop, otherwise one of those above.

    What the operator can mend is told in one sentence on the standard error stream.
    """
    words = sys.argv[1:] if argv is None else argv
    if words[:1] == ["bench"]:
        from bench.cli import main as bench

        return bench(words[1:])
    arguments = vars(_parser().parse_args(argv))
    arguments.pop("command")
    try:
        settings = Settings(**{name: value for name, value in arguments.items() if value is not None})
    except ValidationError as error:
        return _refuse(_sentence(error), EXIT_CONFIGURATION)
    logs.configure(settings.log_level, settings.log_format)

    from .server import serve  # late, so that --help and a mistyped option answer at once

    try:
        return _run(serve(settings))
    except (KeySetupError, TlsError) as error:
        return _refuse(str(error), EXIT_CONFIGURATION)
    except (PostgresError, MigrationError, StoreUnavailable, MediaError, OSError) as error:
        logging.getLogger(__name__).debug("the server could not run", exc_info=True)
        return _refuse(str(error), EXIT_CANNOT_RUN)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _run(server: Coroutine[Any, Any, int]) -> int:
    try:
        import uvloop
    except ImportError:
        return asyncio.run(server)
    return uvloop.run(server)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="greenroom", description="A self-hosted media server for live sessions with guests on stage."
    )
    parser.add_argument("--version", action="version", version=f"greenroom {_version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serve = commands.add_parser(
        "serve",
        help="run the server until Ctrl-C",
        description="Run the server until Ctrl-C. The environment variables in brackets do the same as the options.",
        epilog=_secrets_help(),
        formatter_class=_wide_help,
    )
    commands.add_parser("bench", help="put a running server under load", add_help=False)
    for name, field in Settings.model_fields.items():
        if name not in _ENVIRONMENT_ONLY:
            # pydantic converts and checks the texts, as it does those of the environment.
            serve.add_argument(f"--{name.replace('_', '-')}", metavar=_placeholder(name), help=_help(name, field))
    return parser


def _version() -> str:
    try:
        return importlib.metadata.version("greenroom")
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"


def _wide_help(prog: str) -> argparse.HelpFormatter:
    return argparse.RawDescriptionHelpFormatter(prog, max_help_position=36, width=110)


def _help(name: str, field: FieldInfo) -> str:
    if field.default_factory is not None:
        default = f"; default {field.get_default(call_default_factory=True, validated_data={})}"
    elif field.default in (None, (), PydanticUndefined):
        default = ""
    else:
        default = f"; default {field.default}"
    return f"{field.description}{default} [{variable(name)}]".replace("%", "%%")


def _secrets_help() -> str:
    lines = [f"  {variable(name)}: {Settings.model_fields[name].description}" for name in _ENVIRONMENT_ONLY]
    return "environment variables without an option, because command lines are public:\n" + "\n".join(lines)


def _placeholder(name: str) -> str:
    return name.rpartition("_")[2].upper()


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return "DATABASE_URL" if name == "database_url" else f"{ENV_PREFIX}{name}".upper()


def _sentence(error: ValidationError) -> str:
    """What is wrong with the first setting, without its value, which may be a secret."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    message = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:
        return message
    name = str(first["loc"][0])
    return f"{name if name.isupper() else variable(name)}: {message[0].lower()}{message[1:]}"


def _refuse(message: str, code: int) -> int:
    print(f"greenroom: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
