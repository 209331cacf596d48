"""Where the files are that are no Python: beside the packages in a checkout, inside this one in an installed wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def web_dir() -> Path:
    """The folder of the browser's files."""
    return _asset("web")


def schema_file() -> Path:
    """The SQL that makes the whole database."""
    return _asset("schema.sql")


def schema_changes_dir() -> Path:
    """The folder of the numbered changes that older databases need."""
    return _PACKAGE / "schema_changes"


def _asset(name: str) -> Path:
    installed = _PACKAGE / "_assets"
    return (installed if installed.is_dir() else _PACKAGE.parent) / name
