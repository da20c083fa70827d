"""Which real plugins a change breaks: each outcome, from a folder, a wheel and an sdist."""

from __future__ import annotations

import json
import tarfile
import zipfile
from typing import TYPE_CHECKING

from codegen.compat import affected
from codegen.compat.affected import BROKEN, COULD_NOT_TELL, FITS, REFUSED, Evidence, PluginOutcome, exit_code
from codegen.compat.model import CompatFinding, Direction, Verdict
from tests.codegen.compat.small_spi import tree

if TYPE_CHECKING:
    from pathlib import Path

OLD, NEW = tree("old"), tree("new", ("plugins/registrar", "def warn(self, text: str", "def warn(self, message: str"))
PLUGIN = """\
from pipelex.plugins.registrar import PluginRegistrar
class Plugin:
    name = "acme"
    targets_api = 1
    def register(self, registrar: PluginRegistrar) -> None:
        registrar.warn({argument}, level=1)
"""
PROJECT = """\
[project]
name = "acme"
dependencies = ["pipelex>=1"]
[project.entry-points."pipelex.plugins"]
a = "p:Plugin"
"""


def verdict(*, breaks: bool = True) -> Verdict:
    finding = CompatFinding("renamed", "renamed", "a:b", Direction.CALLS, (), "", "", breaking=True)
    return Verdict("old", "new", (finding,) if breaks else ())


def project(folder: Path, argument: str) -> str:
    folder.mkdir()
    (folder / "p.py").write_text(PLUGIN.format(argument=argument), encoding="utf-8")
    (folder / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    return str(folder)


def wheel(folder: Path, argument: str) -> str:
    path = folder / "acme-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("p.py", PLUGIN.format(argument=argument))
        archive.writestr("acme-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: acme\nRequires-Dist: pipelex>=1\n")
        archive.writestr("acme-1.dist-info/entry_points.txt", "[pipelex.plugins]\na = p:Plugin\n")
        archive.writestr("acme-1.dist-info/RECORD", "p.py,,\nacme-1.dist-info/METADATA,,\n")
    return str(path)


def sdist(folder: Path, argument: str) -> str:
    source = project(folder / "acme-1", argument)
    with tarfile.open(folder / "acme-1.tar.gz", "w:gz") as archive:
        archive.add(source, "acme-1")
    return str(folder / "acme-1.tar.gz")


def test_what_fails_on_the_new_tree_is_broken_with_its_line_in_a_folder_a_wheel_and_an_sdist(tmp_path: Path) -> None:
    names = [make(tmp_path, "text=''") for make in (wheel, sdist)]
    names.append(str(tmp_path / "acme-1"))
    outcomes = affected.affected(verdict(), OLD, NEW, names)
    assert names == [item.plugin for item in outcomes]
    for item in outcomes:
        assert (BROKEN, (1,), ("pipelex>=1",)) == (item.outcome, item.targets_api, item.requires)
        assert ("p.py", 6) == (item.evidence[0].file, item.evidence[0].line)
        assert "text" in item.evidence[0].message
    assert json.loads(json.dumps(affected.as_data(outcomes)))[0]["evidence"][0]["line"] == 6
    assert "p.py:6: " in affected.as_text(outcomes)


def test_what_states_the_old_version_is_refused_after_a_break_and_fits_without_one(tmp_path: Path) -> None:
    name = project(tmp_path / "plugin", "''")
    [refused] = affected.affected(verdict(), OLD, NEW, [name])
    assert (REFUSED, ("p.py", 4)) == (refused.outcome, (refused.evidence[0].file, refused.evidence[0].line))
    [fits] = affected.affected(verdict(breaks=False), OLD, NEW, [name])
    assert FITS == fits.outcome


def test_of_what_was_not_clean_or_cannot_be_read_it_could_not_be_told(tmp_path: Path) -> None:
    (tmp_path / "bad.whl").write_text("no archive", encoding="utf-8")
    names = [project(tmp_path / "plugin", "1"), str(tmp_path / "bad.whl"), str(tmp_path / "none")]
    outcomes = affected.affected(verdict(), OLD, NEW, names)
    assert [COULD_NOT_TELL] * 3 == [item.outcome for item in outcomes]
    assert all(item.reason for item in outcomes)


def test_the_exit_code_is_that_of_the_worst_outcome() -> None:
    fits, unknown, broken = (PluginOutcome("a", outcome) for outcome in (FITS, COULD_NOT_TELL, BROKEN))
    shown = PluginOutcome("a", REFUSED, evidence=(Evidence("p.py", 4, ""),))
    found = [exit_code(items) for items in ([fits], [fits, unknown], [unknown, broken], [shown], [])]
    assert [0, 2, 1, 1, 2] == found
