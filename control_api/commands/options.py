"""The settings as command-line options, and exit codes."""

from __future__ import annotations

import argparse
import difflib
import os
import textwrap
from collections.abc import Iterable
from typing import Final, get_args

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticUndefined

from control_api.settings import ENV_PREFIX, Settings

WIDTH: Final = 110
"""Of help texts, in characters."""
EXIT_CANNOT_RUN: Final = 1
"""The configuration is sound, but its database is away, its port is taken, ..."""
EXIT_CONFIGURATION: Final = 2
EXIT_INTERRUPTED: Final = 130
"""128 + SIGINT: a second Ctrl-C, while the server was stopping."""


class CommandError(Exception):
    """The command can't be carried out; one sentence for the operator."""

    def __init__(self, message: str, code: int = EXIT_CANNOT_RUN) -> None:
        super().__init__(message)
        self.code = code


def is_secret(name: str) -> bool:
    """Whether a setting has no place on a command line, which every user of the machine can read, or in an output."""
    annotation = Settings.model_fields[name].annotation
    return name == "database_url" or SecretStr in (annotation, *get_args(annotation))


def add_settings(parser: argparse.ArgumentParser, names: Iterable[str]) -> None:
    """Options for these settings, but for secrets. pydantic checks the texts, as it does those of the environment."""
    for name in names:
        if not is_secret(name):
            field = Settings.model_fields[name]
            parser.add_argument(f"--{name.replace('_', '-')}", metavar=_placeholder(name), help=_help(name, field))


def secrets_help() -> str:
    lines = [
        f"  {variable(name)}: {field.description}" for name, field in Settings.model_fields.items() if is_secret(name)
    ]
    wrapped = [textwrap.fill(line, WIDTH, subsequent_indent="    ") for line in lines]
    return "environment variables without an option, because command lines are public:\n" + "\n".join(wrapped)


def wide_help(prog: str) -> argparse.HelpFormatter:
    return argparse.RawDescriptionHelpFormatter(prog, max_help_position=36, width=WIDTH)


def paragraphs(*texts: str) -> str:
    return "\n\n".join(textwrap.fill(text, WIDTH) for text in texts)


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return "DATABASE_URL" if name == "database_url" else f"{ENV_PREFIX}{name}".upper()


def without_effect() -> list[str]:
    """About each `GREENROOM_*` variable of the environment that is no setting: misspelled, it would protect nothing."""
    known = {f"{ENV_PREFIX}{name}".upper() for name in Settings.model_fields}
    return [_unknown(name, known) for name in sorted(os.environ) if name.startswith(ENV_PREFIX) and name not in known]


def _unknown(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f"{name} is no setting and has no effect" + (f": is {near[0]} meant?" if near else "")


def problems(error: ValidationError) -> list[tuple[str, str]]:
    """Each setting that is wrong, by its environment variable (empty for several together), and what is wrong.

    Without values, which may be secrets.
    """
    return [_problem(each) for each in error.errors(include_url=False, include_context=False, include_input=False)]


def _problem(error: ErrorDetails) -> tuple[str, str]:
    message = error["msg"].removeprefix("Value error, ")
    if not error["loc"]:
        return "", message
    name = str(error["loc"][0])
    return name if name.isupper() else variable(name), f"{message[0].lower()}{message[1:]}"


def _placeholder(name: str) -> str:
    return name.rpartition("_")[2].upper()


def _help(name: str, field: FieldInfo) -> str:
    if field.default_factory is not None:
        default = f"; default {field.get_default(call_default_factory=True, validated_data={})}"
    elif field.default in (None, (), PydanticUndefined):
        default = ""
    else:
        default = f"; default {field.default}"
    return f"{field.description}{default} [{variable(name)}]".replace("%", "%%")
