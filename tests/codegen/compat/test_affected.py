"""Which real plugins a change breaks: each outcome, from a folder, a wheel and an sdist."""

from __future__ import annotations

import json
import sys
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest

from codegen.compat import affected
from codegen.compat.affected import BROKEN, COULD_NOT_TELL, FITS, REFUSED, Evidence, PluginOutcome, exit_code
from codegen.compat.model import CompatFinding, Direction, Verdict, Witness
from codegen.errors import CodegenError
from tests.codegen.compat.small_spi import tree

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.thorough

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
    finding = CompatFinding(
        "renamed", "renamed", "a:b", Direction.CALLS, (), "", "", True, witness=Witness("", 1, "", "")
    )
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


def test_what_states_another_version_than_core_will_have_is_refused(tmp_path: Path) -> None:
    name = project(tmp_path / "plugin", "''")
    [refused] = affected.affected(verdict(), OLD, NEW, [name])
    assert (REFUSED, ("p.py", 4)) == (refused.outcome, (refused.evidence[0].file, refused.evidence[0].line))
    assert "version 1; core will be at 2" in refused.evidence[0].message
    [fits] = affected.affected(verdict(breaks=False), OLD, NEW, [name])
    assert FITS == fits.outcome


def test_what_states_the_version_of_the_new_tree_already_fits(tmp_path: Path) -> None:
    raised = tree("new", ("plugins/contract", "Final = 1", "Final = 2"))
    ready, late = (project(tmp_path / f"plugin{number}", "''") for number in (2, 1))
    module = tmp_path / "plugin2/p.py"
    module.write_text(
        module.read_text(encoding="utf-8").replace("targets_api = 1", "targets_api = 2"), encoding="utf-8"
    )
    for breaks in (True, False):
        outcomes = affected.affected(verdict(breaks=breaks), OLD, raised, [ready, late])
        assert [FITS, REFUSED] == [item.outcome for item in outcomes]


def test_a_tree_without_an_api_version_is_an_error_that_names_it() -> None:
    bare = tree("bare", ("plugins/contract", "PLUGIN_API_VERSION: Final = 1\n", ""))
    with pytest.raises(CodegenError, match=r"bare.*PLUGIN_API_VERSION"):
        affected.affected(verdict(), bare, NEW, [])


def test_where_no_plugin_is_named_every_installed_one_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(wheel(tmp_path, "text=''")) as archive:
        archive.extractall(tmp_path / "site")
    project(tmp_path / "acme", "1")  # a folder of the same name, which is another plugin
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site")])
    [broken] = affected.affected(verdict(), OLD, NEW, [])
    assert ("acme", BROKEN, ("pipelex>=1",)) == (broken.plugin, broken.outcome, broken.requires)
    assert ("p.py", 6) == (broken.evidence[0].file, broken.evidence[0].line)


def test_what_is_only_in_the_former_entry_point_group_is_broken_at_that_line(tmp_path: Path) -> None:
    ends = {"from": "pipelex.plugins", "to": "pipelex.inference"}
    moved = CompatFinding(
        "group", "entry-point-group-changed", "a:b", Direction.IMPLEMENTS, (), "", "", True, detail=ends
    )
    name, ready = project(tmp_path / "plugin", "''"), project(tmp_path / "ready", "''")
    for file, old, new in (("p.py", "api = 1", "api = 2"), ("pyproject.toml", "pipelex.plugins", "pipelex.inference")):
        text = (tmp_path / "ready" / file).read_text(encoding="utf-8")
        (tmp_path / "ready" / file).write_text(text.replace(old, new), encoding="utf-8")
    [broken, fits] = affected.affected(Verdict("old", "new", (moved,)), OLD, OLD, [name, ready])
    assert FITS == fits.outcome
    assert (BROKEN, ("pyproject.toml", 4)) == (broken.outcome, (broken.evidence[0].file, broken.evidence[0].line))
    assert "'pipelex.inference', no longer in 'pipelex.plugins'" in broken.evidence[0].message


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
