"""The servers that can be put under the same load. A module here makes one of them known by its name."""

from __future__ import annotations

import importlib
from typing import Final

from .base import System

NAMES: Final = ("greenroom", "aiortc_relay", "janus", "livekit")


def system(name: str) -> System:
    """The system of a module here. `ValueError` for other names."""
    if name not in NAMES:
        raise ValueError(f"there is no system {name!r}: choose from {', '.join(NAMES)}")
    found: System = importlib.import_module(f"{__name__}.{name}").SYSTEM
    return found
