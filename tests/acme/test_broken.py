"""A second distribution fails in every way; the first one, and the commands, live on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.acme.environment import write_distribution, write_project

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acme.environment import Environment

ENTRY = "[pipelex.plugins]\nlame = lame_module:LamePlugin\n"


def _plugin(body: str, base: str = "AcmePlugin") -> str:
    return f"from my_pkg.acme_plugin import AcmePlugin\n\nclass LamePlugin({base}):\n    name = 'lame'\n{body}\n"


@dataclass(frozen=True)
class Case:
    """One way to be broken.

    Attributes:
        phase: Where it shows.
        error: What booting raises.
        reason: A part of the reason that is given.
        module: The plugin's module.
        entry_points: Its metadata.
    """

    phase: str
    error: str
    reason: str
    module: str = ""
    entry_points: str = ENTRY


CASES = {
    "entry points that cannot be read": Case(
        "metadata", "BrokenPluginError", "entry_points.txt cannot be read", entry_points="[pipelex.plugins]\nlame\n"
    ),
    "an entry point without an attribute": Case(
        "metadata", "BrokenPluginError", "'module:attribute'", entry_points="[pipelex.plugins]\nlame = not a module\n"
    ),
    "a module that is not there": Case(
        "load", "BrokenPluginError", "No module named 'gone'", entry_points="[pipelex.plugins]\nlame = gone:Plugin\n"
    ),
    "an attribute that is not there": Case("load", "BrokenPluginError", "LamePlugin", module="Lame = 1\n"),
    "a module that raises": Case(
        "load", "BrokenPluginError", "RuntimeError: boom", module="raise RuntimeError('boom')"
    ),
    "a module that ends the process": Case("load", "BrokenPluginError", "SystemExit", module="raise SystemExit(3)"),
    "a factory that raises": Case(
        "load", "BrokenPluginError", "ValueError: no", _plugin("    def __init__(self): raise ValueError('no')")
    ),
    "another API version": Case("load", "PluginApiVersionMismatchError", "supports 1", _plugin("    targets_api = 2")),
    "no API version": Case(
        "load", "InvalidContributionError", "targets_api", _plugin("    def register(self, registrar): ...", "")
    ),
    "an API version that is a string": Case(
        "load", "InvalidContributionError", "targets_api", _plugin("    targets_api = '1'")
    ),
    "a name that is taken": Case("load", "DuplicatePluginError", "'acme'", _plugin("    name = 'Acme'.lower()")),
    "a register that raises": Case(
        "register", "BrokenPluginError", "KeyError", _plugin("    def register(self, registrar): {}['x']")
    ),
    "an sdk that is taken": Case("register", "DuplicateInferenceBackendError", "sdk 'acme'", _plugin("")),
    "an unknown family": Case(
        "register",
        "InvalidContributionError",
        "InferenceFamily.LLM",
        _plugin(
            "    def register(self, registrar):\n"
            "        registrar.add_inference_backend(family='video', sdk='lame', make_worker=print)"
        ),
    ),
}


@pytest.fixture(params=CASES, ids=lambda name: str(name).replace(" ", "-"))
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture
def with_lame(full: Environment, tmp_path: Path, case: Case) -> Environment:
    site = tmp_path / "site"
    write_distribution(site, name="lame", entry_points=case.entry_points, lame_module=case.module)
    return full.with_variables(PYTHONPATH=str(site))


def _row_of(environment: Environment) -> tuple[int, dict[str, Any]]:
    done = environment.pipelex("plugins", "list", "--json")
    assert "Traceback" not in done.stderr
    rows = {row["distribution"]: row for row in json.loads(done.stdout)["plugins"]}
    assert "active" == rows["pipelex-example-acme"]["status"]
    return done.returncode, rows["lame"]


def test_each_fault_is_contained_named_and_can_be_disabled(with_lame: Environment, tmp_path: Path, case: Case) -> None:
    """The list shows it and exits 1, boot raises its error, a call lives, and the denylist fixes it."""
    returncode, row = _row_of(with_lame)
    assert (1, "broken", case.phase) == (returncode, row["status"], row["phase"])
    assert case.reason in row["reason"]

    boot = with_lame.run("""
from pipelex.boot import Pipelex
from pipelex.exceptions import PipelexError
try:
    Pipelex.setup()
except PipelexError as error:
    print(type(error).__name__)
""")
    assert f"{case.error}\n" == boot

    call = with_lame.pipelex("llm", "hello", "--model", "acme/acme-small")
    assert (0, "You said: hello\n", 1) == (call.returncode, call.stdout, len(call.stderr.splitlines()))

    project = write_project(tmp_path / "project", disabled='"lame"')
    fixed = with_lame.pipelex("llm", "hello", "--model", "acme/acme-small", cwd=project)
    assert (0, "You said: hello\n", "") == (fixed.returncode, fixed.stdout, fixed.stderr)


def test_the_table_shows_phase_reason_and_way_out(full: Environment, tmp_path: Path) -> None:
    write_distribution(tmp_path, name="lame", entry_points=ENTRY, lame_module="raise RuntimeError('boom')")
    done = full.with_variables(PYTHONPATH=str(tmp_path)).pipelex("plugins", "list")
    assert 1 == done.returncode
    assert "lame is broken" in done.stdout
    for part in ("load", "RuntimeError: boom", 'disabled = ["lame"]'):
        assert part in done.stdout
