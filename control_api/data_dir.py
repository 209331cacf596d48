"""The data folder: made private to the user who runs the server."""

from __future__ import annotations

import os
from pathlib import Path


def make_data_dir(path: Path) -> None:
    """Make the folder and its parents where they are missing. An existing folder keeps its mode.

    Root's lets others pass through, not look: the embedded database lies in it and runs as another user.
    Raises `OSError`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        if not path.is_dir():
            raise
    else:
        path.chmod(0o711 if os.geteuid() == 0 else 0o700)
