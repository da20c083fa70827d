"""Files keep their encoding, byte order mark, line ends, links and modes, or the whole upgrade is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelex.spi.source_lines import source_lines
from pipelex.upgrading.errors import UpgradeError
from pipelex.upgrading.files import demand_writable, encoded, read_text, uncommitted

BEFORE, AFTER = "targets_api = 1\n", "targets_api = 2\n"


@pytest.mark.parametrize("separator", ["\f", "\x0b", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"])
def test_lines_are_those_of_python(separator: str) -> None:
    assert [f"a{separator}b\n", "c"] == source_lines(f"a{separator}b\nc")


def test_every_line_end_of_python_ends_a_line() -> None:
    assert ["a\r\n", "b\r", "c\n", "d"] == source_lines("a\r\nb\rc\nd")


CONTENTS = {
    "utf-8": "é = 1\n{}".encode(),
    "a byte order mark": b"\xef\xbb\xbfx = 1\n{}",
    "latin-1": b"# -*- coding: latin-1 -*-\nx = 'caf\xe9'\n{}",
    "latin-1 on the second line": b"#!/usr/bin/env python\n# coding: latin-1\nx = 'caf\xe9'\n{}",
    "windows": b"x = 1\r\n{}y = 2\r\n",
    "old mac": b"x = 1\r{}y = 2\r",
    "mixed": b"a = 1\r\nb = 2\n{}c = 3\r\nd = 4\n",
    "no end": b"x = 1\r\n{}y = 2",
    "form feeds and separators": "a = 1\n\f\nb = '\x0b\x1c\x85\u2028'\n{}".encode(),
}


@pytest.mark.parametrize("case", CONTENTS)
def test_a_file_keeps_its_encoding_and_its_line_ends(tmp_path: Path, case: str) -> None:
    path = tmp_path / "m.py"
    end = b"\r\n" if case in {"windows", "no end"} else b"\r" if case == "old mac" else b"\n"
    path.write_bytes(CONTENTS[case].replace(b"{}", b"targets_api = 1" + end))
    before = read_text(path)
    assert BEFORE in before
    expected = CONTENTS[case].replace(b"{}", b"targets_api = 2" + end)
    assert expected == encoded(path, before, before.replace(BEFORE, AFTER))


def test_a_new_line_ends_as_its_neighbour_does(tmp_path: Path) -> None:
    path = tmp_path / "m.py"
    path.write_bytes(b"a = 1\r\nb = 2\nc = 3")
    assert b"a = 1\r\nnew = 1\r\nb = 2\nc = 3\nd = 4" == encoded(
        path, read_text(path), "a = 1\nnew = 1\nb = 2\nc = 3\nd = 4"
    )


def test_a_character_that_the_encoding_lacks_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.py"
    path.write_bytes(b"# coding: latin-1\nx = 1\n")
    with pytest.raises(UpgradeError, match="encoding, iso-8859-1, has no '…'"):
        encoded(path, read_text(path), "# coding: latin-1\nx = 1  # …\n")


def test_a_file_that_changed_meanwhile_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.py"
    path.write_text(BEFORE, encoding="utf-8")
    with pytest.raises(UpgradeError, match="changed while the upgrade ran"):
        encoded(path, "x = 1\n", AFTER)


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """A module in a plugin's folder."""
    (tmp_path / "plugin").mkdir()
    path = tmp_path / "plugin" / "m.py"
    path.write_text(BEFORE, encoding="utf-8")
    return path


def refusal(content: dict[Path, bytes], root: Path) -> str:
    """Return why files are refused."""
    with pytest.raises(UpgradeError) as caught:
        demand_writable(content, root)
    return str(caught.value)


def test_a_plain_file_and_a_link_inside_the_folder_are_not_refused(module: Path) -> None:
    link = module.with_name("link.py")
    link.symlink_to(module)
    demand_writable({module: b"x", link: b"x"}, module.parent)


def test_a_read_only_file_is_refused(module: Path) -> None:
    module.chmod(0o444)
    assert "it is read-only. Make it writable" in refusal({module: b"x"}, module.parent)


def test_a_file_with_several_names_is_refused(module: Path) -> None:
    os.link(module, module.parent.parent / "other.py")
    assert "under 2 names (hard links)" in refusal({module: b"x"}, module.parent)


def test_a_link_that_leads_out_of_the_folder_is_refused(module: Path) -> None:
    outside = module.parent.parent / "outside.py"
    outside.write_text(BEFORE, encoding="utf-8")
    link = module.with_name("link.py")
    link.symlink_to(outside)
    assert f"a link leads to {outside}" in refusal({link: b"x"}, module.parent)
    folder = module.with_name("folder")
    folder.symlink_to(module.parent.parent)
    assert f"a link leads to {outside}" in refusal({folder / "outside.py": b"x"}, module.parent)


def test_two_texts_for_one_file_are_refused(module: Path) -> None:
    link = module.with_name("link.py")
    link.symlink_to(module)
    assert "two different texts" in refusal({module: b"x", link: b"y"}, module.parent)


def test_what_git_does_not_hold_is_named(module: Path) -> None:
    folder = module.parent
    assert [] == uncommitted(folder)

    def git(*arguments: str) -> None:
        names = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *names, *arguments], cwd=folder, check=True, capture_output=True)

    git("init", "-q")
    assert ["m.py"] == uncommitted(folder)
    git("add", ".")
    git("commit", "-qm", "first")
    assert [] == uncommitted(folder)
    module.write_text("x = 3\n", encoding="utf-8")
    assert ["m.py"] == uncommitted(folder)
    git("checkout", "m.py")
    (folder / ".gitignore").write_text("ignored.py\n.gitignore\n", encoding="utf-8")
    (folder / "ignored.py").write_text(BEFORE, encoding="utf-8")
    assert [] == uncommitted(folder, [module])
    assert ["ignored.py"] == uncommitted(folder, [module, folder / "ignored.py"])


KILLED = """
import os, sys
from pathlib import Path
from pipelex.spi import files

real, count = Path.replace, [0]
def replace(self, target):
    if not str(target).endswith("journal"):
        count[0] += 1
        if count[0] > 1:
            os._exit(9)
    return real(self, target)
Path.replace = replace
folder = Path(sys.argv[1])
files.write_files(folder, {folder / "a.py": b"targets_api = 2\\n", folder / "b.py": b"b = 2\\n"})
"""


def test_a_killed_write_is_finished_by_the_next_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Until then, without ``--write``, its half is refused."""
    from pipelex.cli.main import main

    folder = tmp_path / "plugin"
    folder.mkdir()
    (folder / "a.py").write_text("targets_api = 1\n", encoding="utf-8")
    (folder / "b.py").write_text("b = 1\n", encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", KILLED, str(folder)], check=False)
    assert 9 == done.returncode
    texts = {(folder / name).read_text(encoding="utf-8") for name in ("a.py", "b.py")}
    assert texts in ({"targets_api = 2\n", "b = 1\n"}, {"targets_api = 1\n", "b = 2\n"})
    assert 2 == main(["plugins", "upgrade", str(folder)])
    assert "an earlier --write was interrupted" in capsys.readouterr().err
    assert texts == {(folder / name).read_text(encoding="utf-8") for name in ("a.py", "b.py")}
    main(["plugins", "upgrade", str(folder), "--write"])
    assert "b = 2\n" == (folder / "b.py").read_text(encoding="utf-8")
    assert "targets_api = 2\n" == (folder / "a.py").read_text(encoding="utf-8")
    assert [] == [path.name for path in folder.iterdir() if path.suffix != ".py" and "mypy" not in path.name]
