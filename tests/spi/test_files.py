"""A set of files is written whole or not at all, whatever ends the process, and leaves nothing beside it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipelex.spi.files import STAGING_PREFIX, WriteError, file_set, finish_interrupted, replace_file, write_files

CHILD = """\
import os, signal, sys
from pathlib import Path
from pipelex.spi import files

folder, step = Path(sys.argv[1]), int(sys.argv[2])
rename, done = Path.replace, []

def killed(self, target):
    if len(done) == step:
        os.kill(os.getpid(), signal.SIGKILL)
    done.append(target)
    return rename(self, target)

Path.replace = killed
if step < 0:  # before the journal
    files.FileSet._write_journal = lambda self: os.kill(os.getpid(), signal.SIGKILL)
files.write_files(folder, {folder / name: b"new" for name in ("a", "sub/b", "c")}, remove=[folder / "gone" / "old"])
"""
posix_only = pytest.mark.skipif(os.name != "posix", reason="a process is killed by a signal")


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def old_files(folder: Path) -> dict[str, bytes]:
    """Write what a set is to replace, and return it."""
    (folder / "gone").mkdir()
    for name in ("a", "c", "gone/old"):
        (folder / name).write_bytes(b"old")
    return contents(folder)


@posix_only
@pytest.mark.parametrize("step", [0, 1, 2])
def test_a_set_whose_renames_are_killed_is_finished_by_the_next_run(tmp_path: Path, step: int) -> None:
    old_files(tmp_path)
    killed = subprocess.run([sys.executable, "-c", CHILD, str(tmp_path), str(step)], check=False)
    assert -signal.SIGKILL == killed.returncode
    assert [True] == [path.is_dir() for path in tmp_path.glob(f"{STAGING_PREFIX}*")]
    assert finish_interrupted(tmp_path)
    assert {"a": b"new", "sub/b": b"new", "c": b"new"} == contents(tmp_path)
    assert not (tmp_path / "gone").exists()


@posix_only
def test_a_set_that_is_killed_before_it_is_complete_is_removed_by_the_next_run(tmp_path: Path) -> None:
    before = old_files(tmp_path)
    killed = subprocess.run([sys.executable, "-c", CHILD, str(tmp_path), "-1"], check=False)
    assert -signal.SIGKILL == killed.returncode
    assert before != contents(tmp_path)
    assert finish_interrupted(tmp_path)
    assert before == contents(tmp_path)


def test_a_set_is_finished_when_its_renames_are_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename, done = Path.replace, []

    def interrupted(self: Path, target: Path) -> Path:
        done.append(target)
        if len(done) == 2:
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_files(tmp_path, {tmp_path / name: b"new" for name in ("a", "b", "c")})
    assert {"a": b"new", "b": b"new", "c": b"new"} == contents(tmp_path)


def test_a_set_that_is_left_without_a_commit_leaves_nothing(tmp_path: Path) -> None:
    with file_set(tmp_path / "new" / "folder") as files:
        files.add(tmp_path / "new" / "folder" / "a", b"a")
        assert contents(tmp_path)
    assert [] == list(tmp_path.iterdir())


def test_what_cannot_be_written_is_named_and_nothing_is(tmp_path: Path) -> None:
    (tmp_path / "taken").write_bytes(b"a file")
    with pytest.raises(WriteError) as caught:
        write_files(tmp_path, {tmp_path / "new" / "a": b"a", tmp_path / "taken" / "b": b"b"})
    assert tmp_path / "taken" / "b" == caught.value.file
    assert ["taken"] == [path.name for path in tmp_path.iterdir()]


def test_a_full_disk_names_the_file_and_leaves_no_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_number: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WriteError, match="No space left on device") as caught:
        write_files(tmp_path / "new", {tmp_path / "new" / "a": b"a"})
    assert tmp_path / "new" / "a" == caught.value.file
    assert [] == list(tmp_path.iterdir())


@posix_only
def test_modes_and_symbolic_links_are_kept(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    script = tmp_path / "real" / "script"
    script.write_bytes(b"old")
    script.chmod(0o751)
    (tmp_path / "work").mkdir()
    link = tmp_path / "work" / "link"
    link.symlink_to("../real/script")
    write_files(tmp_path / "work", {link: b"new"})
    assert link.is_symlink()
    assert (b"new", 0o751) == (script.read_bytes(), script.stat().st_mode & 0o777)


def test_another_run_that_is_at_work_is_left_alone(tmp_path: Path) -> None:
    with file_set(tmp_path) as files:
        files.add(tmp_path / "a", b"first")
        write_files(tmp_path, {tmp_path / "b": b"second"})
        files.commit()
    assert {"a": b"first", "b": b"second"} == contents(tmp_path)


@pytest.mark.parametrize("target", ["../outside", "link/outside"])
def test_a_forged_journal_writes_nothing_outside_of_its_folder(tmp_path: Path, target: str) -> None:
    work = tmp_path / "work"
    staging = work / f"{STAGING_PREFIX}forged"
    staging.mkdir(parents=True)
    if os.name == "posix":
        (work / "link").symlink_to(tmp_path)
    (staging / "0-outside").write_bytes(b"forged")
    (staging / "journal").write_text(f'[["0-outside", "{target}"], ["", "../kept"]]', encoding="utf-8")
    (tmp_path / "kept").write_bytes(b"kept")
    finish_interrupted(work)
    assert {"kept": b"kept"} == {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert not staging.exists()


def test_one_file_is_replaced_whole_or_left_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_file(tmp_path / "a", b"old")
    replace_file(tmp_path / "a", b"new")
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(OSError, match="full"):
        replace_file(tmp_path / "a", b"newer")
    assert {"a": b"new"} == contents(tmp_path)
