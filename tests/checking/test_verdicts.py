"""A stored verdict is told again only where all that it was found in is still the same."""

from __future__ import annotations

import os
import random
import shutil
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pipelex.checking import cache, judging, spi_tree, verdicts
from pipelex.checking.check import check
from pipelex.checking.examples import (
    PACKAGE,
    PYPROJECT,
    closures,
    helper,
    plugin,
    pyproject,
    worker,
)
from pipelex.checking.targets import resolve
from pipelex.checking.type_check import type_errors
from tests.checking.written import write_example

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.thorough

READING = """\
from pathlib import Path

SDK = Path(__file__).with_name("sdk.txt").read_text(encoding="utf-8")


class AcmePlugin:"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A plugin that was found clean, and whose verdict is stored."""
    monkeypatch.setenv("PIPELEX_CACHE_DIR", str(tmp_path / "cache"))
    write_example(tmp_path / "plugin", {})
    assert [] == rules_found(tmp_path / "plugin")
    assert stored(tmp_path / "plugin")
    return tmp_path / "plugin"


@pytest.fixture
def own_stubs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the stubs that a test may change."""
    shutil.copytree(spi_tree.SPI_FOLDER, tmp_path / "spi")
    monkeypatch.setattr(spi_tree, "SPI_FOLDER", tmp_path / "spi")
    monkeypatch.setattr(verdicts, "SPI_FOLDER", tmp_path / "spi")
    forget()
    yield tmp_path / "spi"
    forget()


def forget() -> None:
    """Let the next check read anew what a process reads once."""
    spi_tree.spi_tree.cache_clear()
    verdicts._own_digest.cache_clear()


def rules_found(folder: Path) -> list[str]:
    (checked,) = check([str(folder)]).checked
    return [finding.rule for finding in checked.findings]


def stored(folder: Path) -> bool:
    (target,) = resolve(str(folder))
    return verdicts.recall(verdicts.key_of(target, spi_tree.spi_tree())) is not None


CHANGES = {
    "source": (helper('X: int = "a"\n'), ["PX100"]),
    "source that the sandbox runs": (plugin('sdk="acme", make', 'sdk="", make'), ["PX304"]),
    "source that only a worker runs": (worker("user_text", "text"), ["PX103"]),
    "the import of a new module": (closures("from collections", "import my_pkg.worker\n\nfrom collections"), ["PX210"]),
    "metadata": (pyproject('"pipelex.plugins"', '"pipelex.plugin"'), ["PX401"]),
    "a waiver that is not needed": (helper("X = 1  # pipelex: allow[PX100] once\n"), ["PX901"]),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_plugin_is_judged_anew(name: str, folder: Path) -> None:
    files, found = CHANGES[name]
    write_example(folder, files)
    assert not stored(folder)
    assert found == sorted(set(rules_found(folder)))
    assert stored(folder)


def test_a_project_that_states_its_wheel_is_looked_up_until_the_wheel_is_another(folder: Path) -> None:
    wheel = (
        '\n[build-system]\nbuild-backend = "hatchling.build"\n[tool.hatch.build.targets.wheel]\npackages = ["src/{}"]\n'
    )
    write_example(folder, {"pyproject.toml": PYPROJECT + wheel.format("my_pkg")})
    assert [] == rules_found(folder)
    assert stored(folder)
    write_example(folder, {"pyproject.toml": PYPROJECT + wheel.format("my_pk")})
    assert ["PX409"] == rules_found(folder)


def test_a_module_that_is_new_or_gone_is_a_change(folder: Path) -> None:
    (folder / PACKAGE / "added.py").write_text("", encoding="utf-8")
    assert not stored(folder)
    (folder / PACKAGE / "added.py").unlink()
    assert stored(folder)
    (folder / PACKAGE / "worker.py").unlink()
    assert not stored(folder)


@pytest.mark.parametrize("name", ["v1/pipelex/plugins/registrar.pyi", "spi.lock"])
def test_changed_stubs_and_a_changed_lock_make_verdicts_void(name: str, folder: Path, own_stubs: Path) -> None:
    assert stored(folder)  # the same text elsewhere is the same
    stat = (own_stubs / name).stat()
    text = (own_stubs / name).read_text(encoding="utf-8")
    (own_stubs / name).write_text(text.replace("name", "nam_"), encoding="utf-8")
    os.utime(own_stubs / name, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # neither size nor time tells
    forget()
    assert not stored(folder)


@pytest.mark.parametrize("tool", ["mypy", "Python", "the plugin API", "the check itself"])
def test_other_tools_make_verdicts_void(tool: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    match tool:
        case "mypy":
            monkeypatch.setattr(verdicts, "mypy_version", lambda: "99.0")
        case "Python":
            monkeypatch.setattr(sys, "version", f"{sys.version} of another make")
        case "the plugin API":
            monkeypatch.setattr(verdicts, "PLUGIN_API_VERSION", 99)
        case _:
            monkeypatch.setattr(verdicts, "_own_digest", lambda: "other rules")
    assert not stored(folder)


def test_a_file_that_the_plugin_reads_while_it_is_loaded_counts_as_its_source(folder: Path) -> None:
    write_example(folder, plugin("class AcmePlugin:", READING) | {f"{PACKAGE}/sdk.txt": "acme"})
    changed = (folder / PACKAGE / "plugin.py").read_text(encoding="utf-8").replace('sdk="acme"', "sdk=SDK")
    (folder / PACKAGE / "plugin.py").write_text(changed, encoding="utf-8")
    assert [] == rules_found(folder)
    assert stored(folder)
    (folder / PACKAGE / "sdk.txt").write_text("", encoding="utf-8")
    assert not stored(folder)
    assert ["PX304"] == rules_found(folder)


def test_a_damaged_verdict_is_as_good_as_none(folder: Path) -> None:
    for path in (folder.parent / "cache").rglob("verdicts/*.json"):
        path.write_text('{"read": {}, "findings": [{}], "lines": [], "names": {}}', encoding="utf-8")
    assert not stored(folder)


def test_what_changes_while_it_is_judged_is_not_stored(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*arguments: Any) -> Any:
        errors = type_errors(*arguments)
        (folder / PACKAGE / "helper.py").write_text("X = 2\n", encoding="utf-8")
        return errors

    monkeypatch.setattr(judging, "type_errors", slow)
    write_example(folder, helper("X = 1\n"))
    assert [] == rules_found(folder)
    write_example(folder, helper("X = 1\n"))
    assert not stored(folder)


def test_after_any_edits_the_store_says_what_a_check_without_one_says(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice = random.Random(6)
    states = [{}, *(files for files, _ in CHANGES.values())]
    for _ in range(12):
        write_example(folder, {f"{PACKAGE}/helper.py": "", **dice.choice(states)})
        with_store = check([str(folder)])
        with monkeypatch.context() as patched:
            patched.setattr(cache, "read_verdict", lambda _: None)
            patched.setattr(verdicts, "read_verdict", lambda _: None)
            assert with_store == check([str(folder)])
