from __future__ import annotations

from pathlib import Path

import pytest

from control_api import assets


def test_in_a_checkout() -> None:
    assert assets.schema_file().read_text().count("create table") >= 4
    assert assets.web_dir().is_dir()


def test_in_an_installed_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "control_api" / "_assets" / "web").mkdir(parents=True)
    monkeypatch.setattr(assets, "_PACKAGE", tmp_path / "control_api")
    assert assets.web_dir() == tmp_path / "control_api" / "_assets" / "web"
    assert assets.schema_file() == tmp_path / "control_api" / "_assets" / "schema.sql"
