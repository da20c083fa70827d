from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipelex.config.locations import FOLDER, config_files, config_folders, skipped_folders, unsafe_reason, user_folder

if TYPE_CHECKING:
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


@pytest.mark.parametrize("variable", ["PIPELEX_TRUST", "PIPELEX_HOME"])
@pytest.mark.parametrize("odd", ["~no-such-user/x", "{tmp}/loop", "{tmp}/\x7f", " ", "{tmp}/file/below"])
def test_a_variable_that_names_no_folder_names_none(
    folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, odd: str
) -> None:
    ours = folders.of_project("")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "file").touch()
    monkeypatch.setenv(variable, odd.format(tmp=tmp_path))
    assert [ours] == config_files()


def test_without_a_home_there_is_no_users_folder(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # no HOME, and no entry in the user database
    assert user_folder() is None
    assert [] == skipped_folders()
    assert [] == config_files(folders.home)


def test_the_search_ends_at_a_home_that_a_symbolic_link_names(
    folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    above = tmp_path / FOLDER / "pipelex.toml"
    above.parent.mkdir()
    above.touch()
    (tmp_path / "link").symlink_to(folders.home)
    monkeypatch.setenv("HOME", str(tmp_path / "link"))
    assert [] == config_files()


def _closed(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let the system refuse all that is in a folder, as it does for a user who may not open it; root may."""
    stat = os.stat

    def refuse(path: str | Path, *rest: object, **options: object) -> os.stat_result:
        if folder in Path(os.fspath(path)).parents:
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, *rest, **options)  # type: ignore[arg-type]  # whatever the caller gave

    monkeypatch.setattr(os, "stat", refuse)


@pytest.mark.parametrize("trusted", [True, False])
def test_a_folder_of_a_project_that_cannot_be_opened_is_left_out(
    folders: Folders, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, trusted: bool
) -> None:
    folder = folders.of_project("").parent
    mine = folders.user("")
    if not trusted:
        monkeypatch.delenv("PIPELEX_TRUST")
    _closed(monkeypatch, folder)
    assert [mine] == config_files()
    [skipped] = skipped_folders()
    assert (folder, f"{folder} cannot be opened (Permission denied)") == (skipped.path, skipped.reason)
    assert skipped.reason == unsafe_reason(config_folders(folders.project / "x")[0]._replace(path=folder))
    assert "is left out" in caplog.text


def test_a_home_that_cannot_be_opened_is_left_out(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = folders.of_project("")
    folders.user("")
    _closed(monkeypatch, folders.home / FOLDER)
    assert [ours] == config_files()
    [skipped] = skipped_folders()
    assert (folders.home / FOLDER, "Set HOME, or name a folder of yours in PIPELEX_HOME") == (skipped.path, skipped.fix)


def test_a_working_directory_below_a_closed_one_has_no_project(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders.of_project("")
    _closed(monkeypatch, folders.project)
    assert [] == config_files()


def test_a_warning_holds_no_control_character(
    folders: Folders, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    odd = folders.project / "\x1b[2J" / FOLDER
    odd.mkdir(parents=True)
    _closed(monkeypatch, odd)
    config_folders(odd.parent)
    assert r"\x1b[2J" in caplog.text
    assert "\x1b" not in caplog.text
