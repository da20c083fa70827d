"""What a build puts into the wheel, read from the project: beside what hatchling and setuptools select themselves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipelex.checking.check import check
from pipelex.checking.examples import PYPROJECT
from pipelex.reading.metadata import project_metadata
from tests.checking.written import write_example

if TYPE_CHECKING:
    from pipelex.reading.wheel import Wheel

FILES = (
    "src/quip/__init__.py",
    "src/quip/plugin.py",
    "src/quip/drivers/__init__.py",
    "src/quip/drivers/worker.py",
    "src/single.py",
    "flat/__init__.py",
    "flat/inner/part.py",
    "lone.py",
)
PROJECT = '[project]\nname = "my-quip"\nversion = "1"\n\n'
HATCHLING = f'{PROJECT}[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n\n'
TARGET = f"{HATCHLING}[tool.hatch.build.targets.wheel]\n"
SETUPTOOLS = f'{PROJECT}[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n\n'
TOOL = f"{SETUPTOOLS}[tool.setuptools]\n"
FIND = f"{SETUPTOOLS}[tool.setuptools.packages.find]\n"
CFG = "[metadata]\nname = my-quip\nversion = 1\n\n[options]\n"
QUIP = {"quip", "quip.plugin", "quip.drivers", "quip.drivers.worker"}
FLAT = {"flat", "flat.inner.part"}


def below(prefix: str, names: set[str]) -> set[str]:
    return {f"{prefix}.{name}" for name in names}


HATCHLING_ROWS = {
    'packages = ["src/quip"]': QUIP,
    'packages = ["./src/quip/"]': QUIP,
    'packages = ["quip"]': set(),
    'packages = ["src"]': below("src", {*QUIP, "single"}),
    'packages = ["flat", "src/quip"]': QUIP | FLAT,
    'packages = ["src/quip/drivers"]': {"drivers", "drivers.worker"},
    'packages = ["lone.py"]': {"lone"},
    'only-include = ["src/quip"]': below("src", QUIP),
    'only-include = ["src"]\nsources = ["src"]': {*QUIP, "single"},
    'only-include = ["src/quip"]\nsources = ["src"]': QUIP,
    'only-include = ["src/quip"]\nsources = { "src" = "vendor" }': below("vendor", QUIP),
    'packages = ["src/quip"]\nonly-include = ["flat"]': FLAT,
    'packages = ["src/quip"]\n[tool.hatch.build.targets.wheel.force-include]\n"lone.py" = "alone.py"': {*QUIP, "alone"},
    'packages = ["flat"]\n[tool.hatch.build.targets.wheel.force-include]\n"src/quip" = "quip"': QUIP | FLAT,
    'include = ["src/quip"]': below("src", QUIP),
    'include = ["src/quip/**/*.py"]\nsources = ["src"]': QUIP,
    'include = ["/flat"]': FLAT,
    'packages = ["src/quip"]\n[tool.hatch.build]\npackages = ["flat"]': QUIP,
}
SETUPTOOLS_ROWS = {
    f'{TOOL}packages = ["quip"]\npackage-dir = {{ "" = "src" }}\n': {"quip", "quip.plugin"},
    f'{TOOL}packages = ["quip", "quip.drivers"]\npackage-dir = {{ "" = "src" }}\n': QUIP,
    f'{TOOL}packages = ["quip.drivers"]\npackage-dir = {{ "quip" = "src/quip" }}\n': QUIP - {"quip", "quip.plugin"},
    f'{TOOL}packages = ["flat"]\n': {"flat"},
    f'{TOOL}packages = []\npy-modules = ["lone"]\n': {"lone"},
    f'{TOOL}py-modules = ["single"]\n': set(),
    f'{TOOL}py-modules = ["single"]\npackage-dir = {{ "" = "src" }}\n': {"single"},
    f'{FIND}where = ["src"]\n': QUIP,
    f'{FIND}where = ["lib"]\n': set(),
    f'{FIND}where = ["src"]\ninclude = ["quip"]\n': {"quip", "quip.plugin"},
    f'{FIND}where = ["src"]\nexclude = ["*.drivers"]\n': {"quip", "quip.plugin"},
    f'{FIND}include = ["flat*"]\n': FLAT,
    f'{FIND}include = ["flat*"]\nnamespaces = false\n': {"flat"},
    f"{CFG}packages = find:\n": {"flat"},
    f"{CFG}packages = find_namespace:\n[options.packages.find]\ninclude = flat*\n": FLAT,
    f"{CFG}packages = find:\npackage_dir =\n    = src\n[options.packages.find]\nwhere = src\n": QUIP,
    f"{CFG}packages = quip, quip.drivers\npackage_dir =\n    = src\n": QUIP,
    f"{CFG}py_modules =\n    lone\n": {"lone"},
}
FLIT = f'{PROJECT}[build-system]\nrequires = ["flit_core"]\nbuild-backend = "flit_core.buildapi"\n\n'
POETRY = f'{PROJECT}[build-system]\nrequires = ["poetry-core"]\nbuild-backend = "poetry.core.masonry.api"\n\n'
UV = f'{PROJECT}[build-system]\nrequires = ["uv_build"]\nbuild-backend = "uv_build"\n\n[tool.uv.build-backend]\n'
OTHER_ROWS = {
    f'{FLIT}[tool.flit.module]\nname = "quip"\n': QUIP,
    f'{FLIT}[tool.flit.module]\nname = "lone"\n': {"lone"},
    f'{POETRY}[tool.poetry]\npackages = [{{ include = "quip", from = "src" }}]\n': QUIP,
    f'{POETRY}[tool.poetry]\npackages = [{{ include = "flat" }}, {{ include = "lone.py" }}]\n': {*FLAT, "lone"},
    f'{POETRY}[tool.poetry]\npackages = [{{ include = "flat", to = "up" }}]\n': below("up", FLAT),
    f'{POETRY}[tool.poetry]\npackages = [{{ include = "flat" }}, {{ include = "src/quip", format = "sdist" }}]\n': FLAT,
    f'{UV}module-name = "quip"\n': QUIP,
    f'{UV}module-name = ["flat"]\nmodule-root = ""\n': FLAT,
    f'{UV}module-name = "flat"\n': set(),
}
UNKNOWN = [
    PROJECT,
    HATCHLING,
    f'{TARGET}include = ["quip"]\n',
    f'{TARGET}include = ["src/q*p"]\n',
    f'{TARGET}packages = ["flat"]\n[tool.hatch.build.hooks.custom]\n',
    f'{TOOL}package-dir = {{ "" = "src" }}\n',
    f"{CFG}zip_safe = true\n",
    f'{POETRY}[tool.poetry]\npackages = [{{ include = "q*p", from = "src" }}]\n',
    f'{UV}module-root = ""\n',
    f'{PROJECT}[build-system]\nrequires = []\nbuild-backend = "pdm.backend"\n',
    f"{TOOL}packages = []\n".replace("[build-system]", '[build-system]\nbackend-path = ["."]'),
]


def write(folder: Path, text: str) -> Path:
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    name = "setup.cfg" if text.startswith(CFG) else "pyproject.toml"
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def stated(folder: Path) -> Wheel | None:
    # a setup.cfg without entry points states its packages all the same
    return project_metadata(folder).wheel


def modules(folder: Path) -> set[str]:
    wheel = stated(folder)
    assert wheel is not None
    return {wheel.module_of(name) for name in FILES} - {""}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *((f"{TARGET}{text}\n", names) for text, names in HATCHLING_ROWS.items()),
        *SETUPTOOLS_ROWS.items(),
        *OTHER_ROWS.items(),
    ],
)
def test_the_modules_of_the_wheel_are_read_from_what_the_project_states(
    text: str, expected: set[str], tmp_path: Path
) -> None:
    assert expected == modules(write(tmp_path, text))


@pytest.mark.parametrize("text", UNKNOWN)
def test_what_a_build_finds_by_itself_is_not_known(text: str, tmp_path: Path) -> None:
    assert stated(write(tmp_path, text)) is None


def test_a_setup_script_that_names_packages_makes_them_unknown(tmp_path: Path) -> None:
    write(tmp_path, f"{CFG}packages = find:\n")
    (tmp_path / "setup.py").write_text("from setuptools import setup\nsetup(packages=find())\n", encoding="utf-8")
    assert stated(tmp_path) is None


def named(paths: set[str]) -> set[str]:
    return {path.removesuffix(".py").replace("/", ".").removesuffix(".__init__") for path in paths}


@pytest.mark.parametrize(("text", "expected"), HATCHLING_ROWS.items())
def test_hatchling_selects_the_same(text: str, expected: set[str], tmp_path: Path) -> None:
    from hatchling.builders.wheel import WheelBuilder

    files = WheelBuilder(str(write(tmp_path, f"{TARGET}{text}\n"))).recurse_included_files()
    found = {Path(file.distribution_path).as_posix() for file in files}
    assert expected == named({path for path in found if path.endswith(".py")})


@pytest.mark.heavy
@pytest.mark.filterwarnings("ignore:.*still.*beta")
@pytest.mark.parametrize(("text", "expected"), SETUPTOOLS_ROWS.items())
def test_setuptools_selects_the_same(
    text: str, expected: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from setuptools import Distribution  # type: ignore[import-untyped]  # it ships no types

    monkeypatch.chdir(write(tmp_path, text))
    distribution = Distribution({"script_name": "setup.py"})
    distribution.parse_config_files()
    distribution.set_defaults()
    build = distribution.get_command_obj("build_py")
    build.ensure_finalized()
    rows = [row for row in build.find_all_modules() if Path(row[2]).is_file()]  # a missing one is warned of, no more
    assert expected == named(
        {"/".join([*filter(None, [package.replace(".", "/")]), f"{name}.py"]) for package, name, _ in rows}
    )


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        ('packages = ["my_pkg"]', "the wheel lacks src/my_pkg/plugin.py, and the entry point names 'my_pkg.plugin'"),
        (
            'include = ["src/my_pkg"]',
            "the wheel holds src/my_pkg/plugin.py as 'src.my_pkg.plugin', and the entry point names 'my_pkg.plugin'",
        ),
    ],
)
def test_a_package_that_the_wheel_lacks_is_one_finding_at_the_line_that_selects(
    selection: str, message: str, tmp_path: Path
) -> None:
    text = f"{PYPROJECT}{TARGET.removeprefix(PROJECT)}{selection}\n"
    write_example(tmp_path, {"pyproject.toml": text})
    [finding] = check([str(tmp_path)]).checked[0].findings
    assert ("PX409", message) == (finding.rule, finding.message)
    assert text.splitlines().index(selection) + 1 == finding.place.line


def test_a_subpackage_that_the_wheel_lacks_is_found_by_who_imports_it(tmp_path: Path) -> None:
    tool = TOOL.removeprefix(PROJECT)
    write_example(
        tmp_path,
        {
            "pyproject.toml": f'{PYPROJECT}\n{tool}packages = ["my_pkg"]\npackage-dir = {{ "" = "src" }}\n',
            "src/my_pkg/factory.py": "from my_pkg.parts.names import NAME\n\n__all__ = ['NAME']\n",
            "src/my_pkg/__init__.py": "from my_pkg.factory import NAME\n\n__all__ = ['NAME']\n",
            "src/my_pkg/parts/__init__.py": "",
            "src/my_pkg/parts/names.py": 'NAME = "acme"\n',
        },
    )
    [finding] = check([str(tmp_path)]).checked[0].findings
    assert "PX409" == finding.rule
    assert "lacks src/my_pkg/parts/names.py, and src/my_pkg/factory.py imports 'my_pkg.parts.names'" in finding.message
