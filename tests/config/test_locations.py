from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.config.locations import config_files, user_folder

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.config.conftest import Folders


def test_no_files_are_no_fault(folders: Folders) -> None:
    assert config_files() == []


def test_the_project_stands_before_the_user(folders: Folders) -> None:
    mine, ours = folders.user(""), folders.of_project("")
    assert config_files() == [ours, mine]


def test_the_project_is_found_from_a_folder_inside_it(folders: Folders) -> None:
    ours = folders.of_project("")
    inside = folders.project / "a" / "b"
    inside.mkdir(parents=True)
    assert config_files(inside) == [ours]


def test_the_nearest_project_folder_with_files_counts_alone(folders: Folders) -> None:
    ours = folders.of_project("")
    nearer = folders.project / "part" / ".pipelex"
    nearer.mkdir(parents=True)
    assert config_files(folders.project / "part") == [ours]
    (nearer / "models.toml").touch()
    assert config_files(folders.project / "part") == []


def test_the_users_folder_is_counted_once(folders: Folders) -> None:
    mine = folders.user("")
    assert config_files(folders.home) == [mine]
    assert config_files(folders.project) == [mine]


def test_the_variable_replaces_the_users_folder(
    folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders.user("")
    other = tmp_path / "other"
    other.mkdir()
    (other / "pipelex.toml").write_text("")
    monkeypatch.setenv("PIPELEX_HOME", str(other))
    assert user_folder() == other
    assert config_files() == [other / "pipelex.toml"]


def test_each_file_is_looked_for_by_its_own_name(folders: Folders) -> None:
    catalogue = folders.of_project("", "models.toml")
    assert config_files(name="models.toml") == [catalogue]
    assert config_files() == []
