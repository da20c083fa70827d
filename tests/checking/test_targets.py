"""What a target on the command line can be, and which of its modules are judged."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pipelex.checking.check import Checked, check
from pipelex.checking.examples import SAMPLE
from pipelex.checking.findings import CheckError
from pipelex.checking.spi_tree import lock
from pipelex.checking.targets import resolve
from tests.checking.written import write_example

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.thorough


def flat(folder: Path) -> None:
    for name, text in SAMPLE.items():
        path = folder / name.removeprefix("src/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def rules_of(target: object) -> set[str]:
    (checked,) = check([str(target)]).checked
    return {finding.rule for finding in checked.findings}


def test_a_flat_project_is_judged_without_its_tests(tmp_path: Path) -> None:
    flat(tmp_path)
    for name in ("tests/test_plugin.py", "docs/conf.py", "setup.py", ".venv/lib/x.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("from pipelex.hub import get_hub\n", encoding="utf-8")
    (target,) = resolve(str(tmp_path))
    assert {"my_pkg", "my_pkg.plugin", "my_pkg.closures", "my_pkg.worker"} == set(target.modules)
    assert set() == rules_of(tmp_path)


def test_a_package_that_lies_in_a_folder_of_another_name_is_found(tmp_path: Path) -> None:
    write_example(tmp_path, {})
    (tmp_path / "src").rename(tmp_path / "python")
    assert set() == rules_of(tmp_path)


def test_a_namespace_package_is_judged(tmp_path: Path) -> None:
    for name, text in SAMPLE.items():
        moved = name.replace("src/my_pkg", "src/acme_space/my_pkg")
        path = tmp_path / moved
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("my_pkg", "acme_space.my_pkg"), encoding="utf-8")
    assert set() == rules_of(tmp_path)


def test_relative_imports_are_followed(tmp_path: Path) -> None:
    files = {name: text.replace("from my_pkg.", "from .") for name, text in SAMPLE.items() if name.endswith(".py")}
    write_example(tmp_path, files)
    assert set() == rules_of(tmp_path)


def test_a_file_is_judged_with_what_it_imports(tmp_path: Path) -> None:
    write_example(tmp_path, {})
    (target,) = resolve(str(tmp_path / "src/my_pkg/plugin.py"))
    assert {"my_pkg", "my_pkg.plugin", "my_pkg.closures", "my_pkg.worker"} == set(target.modules)
    assert ["AcmePlugin"] == [entry.attribute for entry in target.entry_points]
    assert set() == rules_of(tmp_path / "src/my_pkg/plugin.py")


def test_a_file_by_itself_is_judged(tmp_path: Path) -> None:
    path = tmp_path / "acme_plugin.py"
    path.write_text("from pipelex.hub import get_hub\n", encoding="utf-8")
    assert {"PX201"} == rules_of(path)


def test_a_package_without_a_project_is_judged(tmp_path: Path) -> None:
    write_example(tmp_path, {})
    assert set() == rules_of(tmp_path / "src" / "my_pkg")


def test_a_folder_of_projects_is_as_many_targets(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_example(tmp_path / name, {})
    (tmp_path / "no-plugin").mkdir()
    (tmp_path / "no-plugin" / "pyproject.toml").write_text("[project]\nname = 'x'\n", encoding="utf-8")
    result = check([str(tmp_path)])
    assert [str(tmp_path / "one"), str(tmp_path / "two")] == [checked.label for checked in result.checked]
    assert 0 == result.exit_code


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Installs the sample by hand: what pip writes, without its seconds."""
    site = tmp_path / "site"
    info = site / "my_plugin-0.1.0.dist-info"
    info.mkdir(parents=True)
    record = []
    for name, text in SAMPLE.items():
        if name.endswith(".py"):
            path = site / name.removeprefix("src/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            record.append(f"{name.removeprefix('src/')},,\n")
    metadata = "Metadata-Version: 2.1\nName: my-plugin\nVersion: 0.1.0\nProvides-Extra: acme\n"
    (info / "METADATA").write_text(f"{metadata}Requires-Dist: acme-sdk>=1; extra == 'acme'\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[pipelex.plugins]\nacme = my_pkg.plugin:AcmePlugin\n", encoding="utf-8")
    (info / "RECORD").write_text("".join([*record, "my_plugin-0.1.0.dist-info/entry_points.txt,,\n"]), encoding="utf-8")
    monkeypatch.syspath_prepend(str(site))
    return site


@pytest.mark.parametrize("name", ["my-plugin", "My_Plugin", "acme"])
def test_an_installed_distribution_is_found_by_its_name_and_by_its_entry_point(name: str, installed: Path) -> None:
    (target,) = resolve(name)
    assert {"my_pkg", "my_pkg.plugin", "my_pkg.closures", "my_pkg.worker"} == set(target.modules)
    assert set() == rules_of(name)


def test_an_installed_plugin_is_not_imported_by_the_check(installed: Path) -> None:
    before = set(sys.modules)
    (installed / "my_pkg" / "plugin.py").write_text("from pipelex.hub import get_hub\n", encoding="utf-8")
    assert {"PX201", "PX402", "PX304"} >= rules_of("my-plugin")
    assert not {name for name in set(sys.modules) - before if name.startswith("my_pkg")}


BUILTINS = [row.name for row in lock().builtins]


@pytest.fixture(scope="module")
def checked_builtins() -> dict[str, Checked]:
    return {one.label: one for one in check([f"builtin:{name}" for name in BUILTINS]).checked}


@pytest.mark.parametrize("name", BUILTINS)
def test_every_builtin_is_clean_without_a_waiver(checked_builtins: dict[str, Checked], name: str) -> None:
    (target,) = resolve(f"builtin:{name}")
    assert () == checked_builtins[target.label].findings
    assert [] == [waiver for module in target.modules.values() for waiver in module.waivers]


def test_a_builtin_is_meant_rather_than_the_sdk_of_its_name() -> None:
    (target,) = resolve("openai")
    assert "builtin:openai" == target.label


def test_a_builtin_is_judged_with_its_drivers_and_not_with_others() -> None:
    (target,) = resolve("builtin:pypdfium2")
    drivers = {name.split(".")[2] for name in target.modules if name.startswith("pipelex.providers.")}
    assert {"pypdfium2"} == drivers


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no/such/folder", "no such file or folder"),
        ("missing.py", "no such file or folder"),
        ("not-installed-at-all", "no installed distribution"),
        ("builtin:nobody", "pypdfium2"),
    ],
)
def test_a_target_that_means_nothing_says_what_a_target_is(name: str, words: str) -> None:
    with pytest.raises(CheckError, match=words) as caught:
        resolve(name)
    assert "builtin:NAME" in str(caught.value)


@pytest.mark.parametrize("name", ["x-1-py3-none-any.whl", "x.zip", "x-1.tar.gz"])
def test_an_archive_is_to_be_installed_or_unpacked(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"PK")
    with pytest.raises(CheckError, match=r"it is an archive\. Install it and check it by its name"):
        resolve(str(tmp_path / name))


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"src/my_pkg/worker.py": "def f(:\n"}, f"worker.py:1: could not be checked: it is no Python {PYTHON} "),
        ({"pyproject.toml": "[project\n"}, "pyproject.toml:1: could not be checked: it is no TOML"),
        ({"pyproject.toml": "[project]\nname = 'a'\ndynamic = ['entry-points']\n"}, "is dynamic"),
        ({"src/my_pkg/worker.py": "# coding: nonsense\n"}, "cannot be read"),
        ({"src/my_pkg/worker.py": "from ....... import x\n"}, "cannot perform relative import"),
    ],
)
def test_a_target_that_cannot_be_read_is_never_clean(files: dict[str, str], words: str, tmp_path: Path) -> None:
    write_example(tmp_path / "broken", files)
    write_example(tmp_path / "whole", {})
    result = check([str(tmp_path / "broken"), str(tmp_path / "whole")])
    assert 2 == result.exit_code
    assert [str(tmp_path / "whole")] == [checked.label for checked in result.checked]
    (failure,) = result.failures
    assert words in str(failure)


def test_an_empty_folder_is_not_clean(tmp_path: Path) -> None:
    assert 2 == check([str(tmp_path)]).exit_code


def test_nothing_of_the_machine_stands_in_for_what_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the current folder nor MYPYPATH nor a configuration file has a say."""
    write_example(tmp_path / "plugin", {"src/my_pkg/helper.py": "from pipelex.extra import x\n\nY: int = 'a'\n"})
    (tmp_path / "pipelex").mkdir()
    for name in ("__init__.py", "extra.py"):
        (tmp_path / "pipelex" / name).write_text("x = 1\n", encoding="utf-8")
    (tmp_path / "mypy.ini").write_text("[mypy]\nignore_errors = true\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MYPYPATH", str(tmp_path))
    assert {"PX100", "PX201"} == rules_of(tmp_path / "plugin")


def test_the_check_needs_the_extra_and_says_so(tmp_path: Path) -> None:
    """Without mypy there is no verdict: a named error with the line that installs it."""
    write_example(tmp_path, {})
    code = (
        "import sys; sys.modules['mypy'] = None; from pipelex.cli.main import main; "
        f"sys.exit(main(['plugins', 'check', {str(tmp_path)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert 2 == done.returncode
    assert "pipelex[check]" in done.stderr
    assert "" == done.stdout
