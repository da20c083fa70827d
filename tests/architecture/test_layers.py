"""The layers of docs/architecture.md: a module imports only from its own layer and from those below."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.architecture.tree import SPEC, SRC, Import, copy_of_src, imports_below, module_name, plant

if TYPE_CHECKING:
    from pathlib import Path

BESIDE = 5.5
"""Beside the layers: of them, the command line alone may import these packages."""
BELOW_THOSE = 5.4
"""Beside the layers too, and below the other packages there: what several of them read and load plugins with."""

LAYERS: dict[str, float] = {
    "pipelex": 0,
    "pipelex.exceptions": 0,
    "pipelex.records": 0,
    "pipelex.redaction": 0,
    "pipelex.field_types": 0,
    "pipelex.fork_safe_lock": 0,
    "pipelex.install_hint": 0,
    "pipelex.installation": 0,
    "pipelex.terminal": 0,
    "pipelex.spi": -1,
    "pipelex.plugins.exceptions": 0,
    "pipelex.plugins.installed": 0,
    "pipelex.cogt.error_body": 0,
    "pipelex.cogt.inference.answer_parts": 0,
    "pipelex.cogt.inference.inference_result": 0,
    "pipelex.cogt.error_kinds": 0,
    "pipelex.cogt.exceptions": 0,
    "pipelex.cogt.local_faults": 0,
    "pipelex.reporting": 0,
    "pipelex.plugins": 1,
    "pipelex.cogt": 1,
    "pipelex.providers": 2,
    "pipelex.generated": 3,
    "pipelex.generated.families": 1,
    "pipelex.plugins.discovery": 4,
    "pipelex.config": 4,
    "pipelex.bulk": 5,
    "pipelex.hub": 5,
    "pipelex.worker_factories": 5,
    "pipelex.boot": 5,
    "pipelex.cli": 6,
    "pipelex.__main__": 6,
    "pipelex.checking": BESIDE,
    "pipelex.diagnosis": BESIDE,
    "pipelex.reading": BELOW_THOSE,
    "pipelex.sandbox": BELOW_THOSE,
    "pipelex.scaffold": BESIDE,
    "pipelex.testing": BESIDE,
    "pipelex.upgrading": BESIDE,
}
"""The layer of each package; the longest prefix of a module's name decides. Enter a new one here and in the docs."""

PUBLISHED = {tuple(symbol.split(":")) for symbol in SPEC["symbols"]}


def layer_of(module: str) -> float:
    """Return the layer of a module."""
    package = module
    while package not in LAYERS:
        package = package.rpartition(".")[0]
    assert package != "pipelex" or module == package, f"{module} is in no layer: enter it here and in the docs"
    return LAYERS[package]


def upward_imports(src: Path) -> list[str]:
    """Return each import that reaches up. Type-only imports do not count; those inside functions do."""
    return [
        str(found)
        for found in imports_below(src)
        if not found.type_only
        and found.module.startswith("pipelex")
        and layer_of(_imported_module(found, src)) > layer_of(module_name(found.file))
    ]


def private_reaches(src: Path) -> list[str]:
    """Return each import of a driver that is neither published nor of its own folder; type-only ones count here."""
    reaches = []
    for found in imports_below(src):
        if not found.file.startswith("pipelex/providers/") or not found.module.startswith("pipelex"):
            continue
        own_folder = ".".join(module_name(found.file).split(".")[:3])
        if found.module.startswith(own_folder) or (found.module, found.name) in PUBLISHED:
            continue
        reaches.append(str(found))
    return reaches


def _imported_module(found: Import, src: Path) -> str:
    """Name the module that an import loads: ``from package import module`` loads the module."""
    inner = f"{found.module}.{found.name}" if found.name else found.module
    path = src.joinpath(*inner.split("."))
    return inner if path.with_suffix(".py").is_file() or path.is_dir() else found.module


def test_no_module_imports_from_a_layer_above() -> None:
    assert [] == upward_imports(SRC)


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("pipelex/plugins/registrar.py", "from pipelex.boot import Pipelex"),
        ("pipelex/cogt/llm/llm_job.py", "import pipelex.config.settings"),
        ("pipelex/hub.py", "def _late() -> object:\n    from pipelex import cli\n    return cli"),
        ("pipelex/boot.py", "import pipelex.testing"),
        ("pipelex/hub.py", "import typing\nif not typing.TYPE_CHECKING:\n    from pipelex.cli import main"),
        ("pipelex/spi/names.py", "def _late() -> object:\n    from pipelex import exceptions\n    return exceptions"),
    ],
    ids=[
        "a from-import",
        "a plain import",
        "inside a function",
        "from beside the layers",
        "hidden from type checkers",
        "from the base package",
    ],
)
def test_an_upward_import_is_found(tmp_path: Path, file: str, line: str) -> None:
    src = copy_of_src(tmp_path)
    plant(src, file, line)
    assert [file] == [found.partition(":")[0] for found in upward_imports(src)]


def test_a_type_only_upward_import_does_not_count(tmp_path: Path) -> None:
    src = copy_of_src(tmp_path)
    line = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pipelex.boot import Pipelex"
    plant(src, "pipelex/plugins/model_handle.py", line)
    assert [] == upward_imports(src)


def test_drivers_import_the_published_spi_and_their_own_folder_alone() -> None:
    assert [] == private_reaches(SRC)


@pytest.mark.parametrize(
    "line",
    [
        "from pipelex.hub import get_hub",
        "import pipelex.plugins.contract",
        "from pipelex.plugins.inference_backend_registry import InferenceBackendRegistry",
        "from pipelex.providers.local import client",
    ],
    ids=["a module that is not published", "a whole module", "a name that is not published", "another driver"],
)
def test_a_driver_that_reaches_past_the_spi_is_found(tmp_path: Path, line: str) -> None:
    src = copy_of_src(tmp_path)
    planted = src / "pipelex" / "providers" / "planted"
    planted.mkdir()
    (planted / "llm.py").write_text(f"{line}\n", encoding="utf-8")
    assert [f"pipelex/providers/planted/llm.py:1: {line}"] == private_reaches(src)


def test_a_driver_may_import_what_is_published(tmp_path: Path) -> None:
    src = copy_of_src(tmp_path)
    planted = src / "pipelex" / "providers" / "planted"
    planted.mkdir()
    line = "from pipelex.plugins.inference_backend_registry import require_sdk"
    (planted / "llm.py").write_text(f"{line}\n", encoding="utf-8")
    assert [] == private_reaches(src)


def test_the_docs_show_the_same_layers() -> None:
    page = (SRC.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (-?\d) \| (.+?) \|", page, re.MULTILINE)
    listed = {name: layer for name, layer in LAYERS.items() if name != "pipelex" and layer == int(layer)}
    shown = {f"pipelex.{name}": int(layer) for layer, names in rows for name in re.findall(r"`([\w.]+)`", names)}
    assert listed == shown
    [beside] = re.findall(r"^Beside the layers are (.+?), for", page, re.MULTILINE)
    assert {name for name, layer in LAYERS.items() if layer == BESIDE} == {
        f"pipelex.{name}" for name in re.findall(r"`(\w+)`", beside)
    }
    [below] = re.findall(r"^Below those are (.+?):", page, re.MULTILINE)
    assert {name for name, layer in LAYERS.items() if layer == BELOW_THOSE} == {
        f"pipelex.{name}" for name in re.findall(r"`(\w+)`", below)
    }
