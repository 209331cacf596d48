from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from control_api.data_dir import make_data_dir


def test_a_new_folder_shows_others_nothing(tmp_path: Path) -> None:
    make_data_dir(tmp_path / "a" / "data")
    # Root's may be passed through, because the database in it runs as another user.
    assert stat.S_IMODE((tmp_path / "a" / "data").stat().st_mode) == (0o711 if os.geteuid() == 0 else 0o700)


def test_an_existing_folder_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data").chmod(0o750)
    make_data_dir(tmp_path / "data")
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o750


def test_a_file_in_its_place_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(FileExistsError):
        make_data_dir(tmp_path / "data")
