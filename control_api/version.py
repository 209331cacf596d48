"""Which Greenroom this is."""

from __future__ import annotations

import importlib.metadata


def version() -> str:
    """Of the installed package; `0` where the code runs without having been installed."""
    try:
        return importlib.metadata.version("greenroom")
    except importlib.metadata.PackageNotFoundError:
        return "0"
