"""Nothing heavy before it is used. Counted in modules, of which Python 3.12 loads one more of its own than 3.11.

The times are in benchmarks/, for a clock is no judge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.architecture.import_guard import Reach, reach_of
from tests.architecture.tree import ROOT, SPEC, SRC, copy_of_src, imports_below, plant
from tests.heavy import heavy_but

if TYPE_CHECKING:
    from pathlib import Path

HEAVY = ("pydantic", "pydantic_core", "rich", "httpx", "importlib.metadata")
SDKS = tuple(sorted({required["import"] for builtin in SPEC["builtin"] for required in builtin["requires"]}))

SEAM = (
    "pipelex.plugins.contract",
    "pipelex.plugins.registrar",
    "pipelex.plugins.inference_backend_registry",
    "pipelex.plugins.model_lister_registry",
    "pipelex.plugins.model_handle",
    "pipelex.plugins.sdk_client_registry",
)
WHOLE_SPI = tuple(sorted({symbol.partition(":")[0] for symbol in SPEC["symbols"]}))
JOB_MODULES = tuple(module for module in WHOLE_SPI if module.endswith("_job"))

IMPORT_SEAM = f"import {', '.join(SEAM)}"
IMPORT_SPI = f"import {', '.join(WHOLE_SPI)}"
REGISTER_ALL = """
from pipelex.config.plugins_config import PluginsConfig
from pipelex.plugins.discovery import survey_plugins
survey = survey_plugins(PluginsConfig(), installed=())
assert {row.name for row in survey.rows if row.status == "active"} == %r, survey.rows
""" % {builtin["name"] for builtin in SPEC["builtin"]}
BOOT = (
    REGISTER_ALL
    + """
from pipelex.boot import Pipelex
with Pipelex.setup(on_broken_plugin=print):
    pass
"""
)


DOCUMENT = str(ROOT / "demo" / "night-train.pdf")
EXTRACT = f"from pipelex.cli.main import main\nassert main(['extract', {DOCUMENT!r}]) == 0"
HELP = "from pipelex.cli.main import main\nassert main(['--help']) == 0"
PLUGINS_LIST = "from pipelex.cli.main import main\nassert main(['plugins', 'list']) == 0"


def seam(src: Path) -> Reach:
    return reach_of(IMPORT_SEAM, src=src, blocked=(*SDKS, *HEAVY))


def whole_spi(src: Path) -> Reach:
    return reach_of(IMPORT_SPI, src=src, blocked=(*SDKS, *HEAVY))


def boot(src: Path) -> Reach:
    return reach_of(BOOT, src=src, blocked=(*SDKS, *HEAVY))


def test_the_seam_loads_at_most_40_modules_and_nothing_heavy() -> None:
    reach = seam(SRC)
    assert () == reach.attempts
    assert len(reach.loaded) <= 40, sorted(reach.loaded)


def test_the_seam_loads_no_job_type() -> None:
    assert [] == seam(SRC).of(*JOB_MODULES, "pipelex.cogt")


def test_the_whole_spi_loads_at_most_65_modules_beside_its_own_and_nothing_heavy() -> None:
    reach = whole_spi(SRC)
    assert () == reach.attempts
    beside = reach.loaded - set(WHOLE_SPI)
    assert len(beside) <= 65, sorted(beside)


def test_the_whole_spi_is_the_whole_spi() -> None:
    assert set(WHOLE_SPI) <= whole_spi(SRC).loaded
    assert set(SEAM) - {"pipelex.plugins.registrar"} <= set(WHOLE_SPI)
    assert len(JOB_MODULES) == len(SPEC["family"])


def test_booting_with_every_builtin_loads_at_most_65_modules_and_nothing_heavy() -> None:
    reach = boot(SRC)
    assert () == reach.attempts
    assert len(reach.loaded) <= 65, sorted(reach.loaded)
    assert [] == reach.of("pipelex.providers", "pipelex.cli")


def test_a_command_that_needs_no_key_loads_no_pydantic() -> None:
    reach = reach_of(EXTRACT, src=SRC, blocked=HEAVY)
    assert () == reach.attempts
    assert reach.of("pipelex.config.tables", "pypdfium2")


@pytest.mark.parametrize("command", [HELP, PLUGINS_LIST])
def test_a_command_that_only_tells_loads_at_most_110_modules_and_nothing_heavy(command: str) -> None:
    reach = reach_of(command, src=SRC, blocked=(*SDKS, *HEAVY))
    assert () == reach.attempts
    assert [] == reach.of("pipelex.providers", "pipelex.checking", "pipelex.upgrading", "pipelex.scaffold")
    assert len(reach.loaded) <= 110, sorted(reach.loaded)


@pytest.mark.parametrize("module", heavy_but("pydantic", "openai", names=[*HEAVY, *SDKS]))
def test_a_heavy_import_in_the_seam_is_found(tmp_path: Path, module: str) -> None:
    src = copy_of_src(tmp_path)
    plant(src, "pipelex/plugins/model_handle.py", f"try:\n    import {module}\nexcept ImportError:\n    pass")
    assert module in seam(src).attempts


def test_a_job_type_in_the_seam_is_found(tmp_path: Path) -> None:
    src = copy_of_src(tmp_path)
    plant(src, "pipelex/plugins/model_handle.py", "import pipelex.cogt.llm.llm_job")
    assert ["pipelex.cogt.llm.llm_job"] == seam(src).of(*JOB_MODULES)


@pytest.mark.parametrize("module", HEAVY)
def test_a_heavy_import_in_a_command_is_found(tmp_path: Path, module: str) -> None:
    src = copy_of_src(tmp_path)
    plant(src, "pipelex/cli/output.py", f"try:\n    import {module}\nexcept ImportError:\n    pass")
    assert module in reach_of(HELP, src=src, blocked=(*SDKS, *HEAVY)).attempts


def test_too_many_modules_are_found(tmp_path: Path) -> None:
    src = copy_of_src(tmp_path)
    plant(src, "pipelex/plugins/model_handle.py", "import asyncio")
    assert len(seam(src).loaded) > 40
    assert len(whole_spi(src).loaded - set(WHOLE_SPI)) > 59


@pytest.mark.parametrize("module", heavy_but("httpx", "google.genai", names=[*HEAVY, *SDKS]))
def test_a_heavy_import_at_boot_is_found(tmp_path: Path, module: str) -> None:
    src = copy_of_src(tmp_path)
    plant(src, "pipelex/generated/builtins.py", f"try:\n    import {module}\nexcept ImportError:\n    pass")
    assert module in boot(src).attempts


RAY = "pipelex.bulk.ray"
CHOOSES_RAY = "pipelex/cli/map.py"
"""Where the command line is asked for it; in Python the user imports it."""


def reaches_for_ray(src: Path) -> list[str]:
    """Return each import of Ray, or of what runs on it, outside of the package for it; type-only ones count."""
    return [
        str(found)
        for found in imports_below(src)
        if not found.file.startswith(f"{RAY.replace('.', '/')}/")
        and (found.module.partition(".")[0] == "ray" or found.module.startswith(RAY))
        and not (found.file == CHOOSES_RAY and found.name == "Ray")
    ]


def test_ray_is_imported_where_a_run_is_made_on_it_alone() -> None:
    assert [] == reaches_for_ray(SRC)
    at_top = "import pipelex.bulk.ray.engine, pipelex.bulk.ray.run"
    assert () == reach_of(at_top, src=SRC, blocked=("ray",)).attempts


@pytest.mark.parametrize("line", ["import ray", "from ray.data import Dataset", "import pipelex.bulk.ray.run"])
def test_another_import_of_ray_is_found(tmp_path: Path, line: str) -> None:
    src = copy_of_src(tmp_path)
    plant(src, "pipelex/bulk/run.py", line)
    assert ["pipelex/bulk/run.py"] == [found.partition(":")[0] for found in reaches_for_ray(src)]
