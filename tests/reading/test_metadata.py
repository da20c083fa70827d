"""The metadata of a project folder: what each way of describing it says, and what only a build knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipelex.checking.check import check
from pipelex.reading.metadata import Declaration, is_project, near_groups, project_metadata
from pipelex.reading.place import UnreadableError
from tests.checking.written import write_example

if TYPE_CHECKING:
    from pathlib import Path

HYBRID = '[project]\nname = "my-plugin"\n'
BUILD = '[build-system]\nrequires = ["setuptools"]\n'
POETRY = """\
[tool.poetry]
name = "my-plugin"

[tool.poetry.dependencies]
python = "^3.11"
acme-sdk = { version = ">=1", optional = true }

[tool.poetry.extras]
acme = ["acme-sdk"]

[tool.poetry.plugins."pipelex.plugins"]
acme = "my_pkg.plugin:AcmePlugin"
"""
SETUP_CFG = """\
[metadata]
name = my-plugin

[options]
packages = find:
package_dir =
    = src
install_requires =
    httpx

[options.packages.find]
where = src

[options.extras_require]
acme =
    acme-sdk>=1

[options.entry_points]
pipelex.plugins =
    acme = my_pkg.plugin:AcmePlugin
"""


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    "files",
    [
        {"pyproject.toml": POETRY},
        {"pyproject.toml": BUILD, "setup.cfg": SETUP_CFG},
        {"setup.cfg": SETUP_CFG, "setup.py": "from setuptools import setup\nsetup()\n"},
        {
            "pyproject.toml": f'[build-system]\nbuild-backend = "poetry.core.masonry.api"\n{HYBRID}'
            + POETRY.replace("[tool.poetry]\nname", "[tool.poetry]\nx")
        },
    ],
    ids=["Poetry", "setup.cfg", "setup.cfg beside a plain setup.py", "Poetry beside [project]"],
)
def test_entry_points_and_extras_are_read_however_the_project_is_described(
    files: dict[str, str], tmp_path: Path
) -> None:
    metadata = project_metadata(write(tmp_path, files))
    assert [("acme", "my_pkg.plugin", "AcmePlugin")] == [one[:3] for one in metadata.declarations]
    assert {"acme"} == metadata.extras.keys()
    assert metadata.extras["acme"]
    assert "my-plugin" == metadata.name


@pytest.mark.parametrize("files", [{"pyproject.toml": POETRY}, {"pyproject.toml": BUILD, "setup.cfg": SETUP_CFG}])
def test_a_project_without_a_project_table_is_checked_as_any_other(files: dict[str, str], tmp_path: Path) -> None:
    write_example(tmp_path, files)
    result = check([str(tmp_path)])
    assert (0, ()) == (result.exit_code, result.checked[0].findings)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"pyproject.toml": BUILD}, "no [project] table"),
        (
            {"pyproject.toml": BUILD, "setup.py": "from setuptools import setup\nsetup(entry_points={})\n"},
            "entry_points",
        ),
        ({"pyproject.toml": BUILD, "setup.py": "import setuptools\nsetuptools.setup(**OPTIONS)\n"}, "'**'"),
        ({"setup.cfg": SETUP_CFG, "setup.py": "setup(extras_require=EXTRAS)\n"}, "extras_require"),
        ({"setup.py": "from setuptools import setup as go\ngo(entry_points={})\n"}, "entry_points"),
        ({"setup.cfg": "[metadata]\nname = x\n", "setup.py": "setup(pbr=True)\n"}, "'pbr'"),
        ({"setup.cfg": "[options]\nentry_points = file: entry.txt\n"}, "file: entry.txt"),
        ({"pyproject.toml": '[project]\nname = "x"\ndynamic = ["optional-dependencies"]\n'}, "is dynamic"),
        ({"pyproject.toml": '[tool.flit.entrypoints."pipelex.plugins"]\nacme = "a:B"\n'}, "no [project] table"),
    ],
)
def test_what_only_a_build_knows_is_an_error_and_no_finding(files: dict[str, str], words: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableError) as caught:
        project_metadata(write(tmp_path, files))
    assert words in str(caught.value)
    assert "check it by its name" in str(caught.value)
    assert 2 == check([str(tmp_path)]).exit_code


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"pyproject.toml": "[project\n"}, "no TOML"),
        ({"pyproject.toml": "x = " + "[" * 5000 + "]" * 5000}, "nested"),
        ({"pyproject.toml": "project = 'x'\n"}, "project is no table"),
        ({"pyproject.toml": '[project]\ndependencies = "pipelex"\n'}, "project.dependencies is no array of strings"),
        ({"pyproject.toml": "[project]\ndependencies = [{}]\n"}, "project.dependencies is no array of strings"),
        ({"pyproject.toml": "[project.optional-dependencies]\na = 'b'\n"}, "optional-dependencies.a is no array"),
        ({"pyproject.toml": "[build-system]\nrequires = 'a'\n"}, "build-system.requires is no array of strings"),
        (
            {"pyproject.toml": '[project.entry-points."pipelex.plugins"]\na = ["a:B"]\n'},
            '"pipelex.plugins".a is no string',
        ),
        ({"pyproject.toml": '[project.entry-points."pipelex.plugins"]\na = 1\n'}, '"pipelex.plugins".a is no string'),
        ({"pyproject.toml": '[project]\nentry-points = ["a:B"]\n'}, "project.entry-points is no table"),
        ({"pyproject.toml": '[tool.poetry.plugins]\n"pipelex.plugins" = "a:B"\n'}, '"pipelex.plugins" is no table'),
        ({"setup.cfg": "[options.entry_points\n"}, "setup.cfg"),
        ({"setup.py": "setup(\n"}, "no Python"),
    ],
)
def test_a_file_that_cannot_be_parsed_is_named(files: dict[str, str], words: str, tmp_path: Path) -> None:
    write(tmp_path, {**files, "setup.py": files.get("setup.py", "setup()")})
    with pytest.raises(UnreadableError, match=words) as caught:
        project_metadata(tmp_path)
    assert next(iter(files)) in caught.value.subject


def test_a_setup_cfg_of_tools_alone_describes_no_project(tmp_path: Path) -> None:
    assert not is_project(write(tmp_path, {"setup.cfg": "[flake8]\nmax-line-length = 120\n"}))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("my_pkg.plugin:AcmePlugin [acme]", ("my_pkg.plugin", "AcmePlugin")),
        ("my_pkg.plugin : AcmePlugin.made", ("my_pkg.plugin", "AcmePlugin.made")),
        ("my_pkg.plugin", ("my_pkg.plugin", "")),
        ("my_pkg/plugin.py", ("", "")),
    ],
)
def test_an_entry_point_is_read_as_importlib_metadata_reads_it(value: str, expected: tuple[str, str]) -> None:
    declared = Declaration.parse("acme", value, None)
    assert expected == (declared.module, declared.attribute)


def test_an_entry_point_with_an_extra_is_clean(tmp_path: Path) -> None:
    text = POETRY.replace("AcmePlugin", "AcmePlugin [acme]")
    write_example(tmp_path, {"pyproject.toml": text})
    assert () == check([str(tmp_path)]).checked[0].findings


@pytest.mark.parametrize("value", ["a:B", "", "it", "x"])
def test_an_entry_point_has_the_line_that_states_it(value: str, tmp_path: Path) -> None:
    scripts = '[project.scripts]\nx = "a:B"\n'
    text = f'[project]\nname = "it-x"\n{scripts}[project.entry-points."pipelex.plugins"]\nit = "{value}"\n'
    [declared] = project_metadata(write(tmp_path, {"pyproject.toml": text})).declarations
    assert declared.place is not None
    assert 6 == declared.place.line


def test_a_requirement_has_the_line_that_states_it(tmp_path: Path) -> None:
    text = (
        '[project]\nname = "pipelex-acme"\ndescription = "for pipelex"\ndependencies = [\n  "httpx",\n  "pipelex",\n]\n'
    )
    write_example(
        tmp_path,
        {"pyproject.toml": text + '[project.entry-points."pipelex.plugins"]\nacme = "my_pkg.plugin:AcmePlugin"\n'},
    )
    [finding] = [one for one in check([str(tmp_path)]).checked[0].findings if one.rule == "PX408"]
    assert (6, '  "pipelex",') == (finding.place.line, finding.place.source)


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ("[project.entry-points.pipelex.plugins]", "the table [project.entry-points.pipelex.plugins]"),
        ('[project.entry_points."pipelex.plugins"]', 'the table [project.entry_points."pipelex.plugins"]'),
        ('[entry-points."pipelex.plugins"]', 'the table [entry-points."pipelex.plugins"]'),
        ('[project.plugins."pipelex.plugins"]', 'the table [project.plugins."pipelex.plugins"]'),
        ('[tool.poetry.plugins."pipelex.plugins"]', 'the table [tool.poetry.plugins."pipelex.plugins"]'),
        ("[project.entry-points.pipelex]", "the entry-point group 'pipelex'"),
        ('[project.entry-points."pipelex.backends"]', "the entry-point group 'pipelex.backends'"),
        ('[project.entry-points."acme.plugins"]', "declares no entry point in the group 'pipelex.plugins'"),
        ('[project.entry-points."pipelex.plugins"]\n[project.scripts]', "declares no entry point in the group"),
    ],
)
def test_a_group_in_the_wrong_table_is_named_with_its_line(table: str, named: str, tmp_path: Path) -> None:
    text = f'[project]\nname = "x"\nversion = "1"\n{table}\nacme = "my_pkg.plugin:AcmePlugin"\n'
    write_example(tmp_path, {"pyproject.toml": text})
    [finding] = [one for one in check([str(tmp_path)], loads=False).checked[0].findings if one.rule == "PX401"]
    assert named in finding.message
    assert finding.place.line == (1 if "acme.plugins" in table else 4)


def test_groups_that_are_nearly_the_plugins_group_are_found() -> None:
    near = ["pipelex_plugins", "pipelex.plugin", "Pipelex-Plugins", "pipelexplugins"]
    assert near == near_groups([*near, "pipelex.plugins", "acme.plugins", "console_scripts"])


PEP621 = '[project]\nname = "my-plugin"\nversion = "1"\n'


@pytest.mark.parametrize(
    ("text", "tables"),
    [
        (f'{PEP621}dependencies = ["pipelex>=0.1"]\n', ["project.dependencies"]),
        (f"{PEP621}dependencies = [\"PipeLex[check] ; python_version > '3'\"]\n", ["project.dependencies"]),
        (f'{PEP621}dependencies = ["pipelex @ file:///clone"]\n', ["project.dependencies"]),
        (f'{PEP621}[project.optional-dependencies]\nacme = ["pipelex"]\n', ["project.optional-dependencies.acme"]),
        (f'{PEP621}[build-system]\nrequires = ["pipelex"]\n', ["build-system.requires"]),
        (f'{PEP621}[dependency-groups]\ntest = ["pipelex>=1"]\n', ["dependency-groups.test"]),
        (f'{PEP621}[dependency-groups]\ntest = ["pipelex @ git+https://x.test/pipelex"]\n', []),
        (f'{PEP621}[dependency-groups]\nt = ["pipelex"]\n[tool.uv.sources]\npipelex = {{ path = "c" }}\n', []),
        (f'{PEP621}[tool.uv]\ndev-dependencies = ["pipelex"]\n', ["tool.uv.dev-dependencies"]),
        (f'{PEP621}[tool.pdm.dev-dependencies]\ntest = ["pipelex"]\n', ["tool.pdm.dev-dependencies.test"]),
        (f'{PEP621}[tool.hatch.envs.test]\ndependencies = ["pipelex"]\n', ["tool.hatch.envs.test.dependencies"]),
        (f'{PEP621}[tool.hatch.envs.test]\ndependencies = ["pipelex @ {{root:uri}}/../pipelex"]\n', []),
        (f'{PEP621}dependencies = ["pipelex-acme", "my-pipelex"]\n', []),
        ('[project]\nname = "pipelex"\ndependencies = ["pipelex[check]"]\n', []),
        (POETRY.replace("acme-sdk = {", 'pipelex = "^1"\nacme-sdk = {'), ["tool.poetry.dependencies"]),
        (f'{POETRY}[tool.poetry.group.dev.dependencies]\npipelex = "^1"\n', ["tool.poetry.group.dev.dependencies"]),
        (f'{POETRY}[tool.poetry.group.dev.dependencies]\npipelex = {{ path = "../clone" }}\n', []),
    ],
)
def test_a_requirement_on_pipelex_is_found_in_every_table(text: str, tables: list[str], tmp_path: Path) -> None:
    metadata = project_metadata(write(tmp_path, {"pyproject.toml": text}))
    assert tables == [one.table for one in metadata.host_requirements]


def test_a_requirement_in_setup_cfg_is_found(tmp_path: Path) -> None:
    text = SETUP_CFG.replace("httpx", "httpx\n    pipelex")
    metadata = project_metadata(write(tmp_path, {"setup.cfg": text}))
    assert ["options.install_requires"] == [one.table for one in metadata.host_requirements]


def test_dynamic_dependencies_are_a_note_since_the_plugin_can_be_found_without_them(tmp_path: Path) -> None:
    text = (
        '[project]\nname = "my-plugin"\nversion = "1"\ndynamic = ["dependencies"]\n'
        '[project.optional-dependencies]\nacme = ["acme-sdk"]\n'
        '[project.entry-points."pipelex.plugins"]\nacme = "my_pkg.plugin:AcmePlugin"\n'
    )
    write_example(tmp_path, {"pyproject.toml": text})
    result = check([str(tmp_path)])
    assert [("PX408", "note")] == [(one.rule, one.severity) for one in result.checked[0].findings]
    assert 0 == result.exit_code
