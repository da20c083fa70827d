"""What the generated built-ins do when they run is what their rows in ``spi.toml`` and the lock say."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import tomli

from codegen.spec import Builtin, Spec, parse_spec
from pipelex.generated.builtins import BUILTIN_PLUGINS, CORE_UNCONDITIONAL
from pipelex.plugins.command_call import CommandCall
from pipelex.plugins.contract import PLUGIN_API_VERSION, PipelexPlugin
from pipelex.plugins.inference_backend_registry import InferenceFamily, MakeWorkerFn
from pipelex.plugins.model_lister_registry import ListModelsFn
from pipelex.plugins.registrar import PluginRegistrar
from tests.codegen.conftest import ROOT


class RecordingRegistrar(PluginRegistrar):
    """Notes every call in order, and hands it on."""

    def __init__(self) -> None:
        super().__init__(plugin_name="recorded")
        self.backends: list[tuple[str, str]] = []
        self.listers: list[str] = []
        self.helps: list[tuple[str, str]] = []

    def add_inference_backend(self, *, family: InferenceFamily, sdk: str, make_worker: MakeWorkerFn) -> None:
        """Note a backend."""
        super().add_inference_backend(family=family, sdk=sdk, make_worker=make_worker)
        self.backends.append((family.name, sdk))

    def add_model_lister(self, *, sdk: str, lister: ListModelsFn) -> None:
        """Note a lister."""
        super().add_model_lister(sdk=sdk, lister=lister)
        self.listers.append(sdk)

    def add_command(self, *, name: str, help: str, run: Callable[[CommandCall], int]) -> None:
        """Note a command."""
        super().add_command(name=name, help=help, run=run)
        self.helps.append((name, help))


def _spec() -> Spec:
    return parse_spec((ROOT / "spi.toml").read_text(encoding="utf-8")).spec


def _recorded(plugin: PipelexPlugin) -> RecordingRegistrar:
    registrar = RecordingRegistrar()
    plugin.register(registrar)
    return registrar


ROWS = list(zip(BUILTIN_PLUGINS, _spec().builtin, strict=True))


def _name_of(value: object) -> str:
    return value.name if isinstance(value, Builtin) else ""


@pytest.mark.parametrize(("plugin", "row"), ROWS, ids=_name_of)
def test_a_built_in_contributes_what_its_row_says(plugin: PipelexPlugin, row: Builtin) -> None:
    recorded = _recorded(plugin)
    assert [(worker.family, worker.sdk) for worker in row.workers] == recorded.backends
    assert (row.lister.sdks if row.lister else []) == recorded.listers
    assert [(command.name, command.help) for command in row.commands] == recorded.helps


@pytest.mark.parametrize(("plugin", "row"), ROWS, ids=_name_of)
def test_a_built_in_contributes_what_the_lock_says(plugin: PipelexPlugin, row: Builtin) -> None:
    lock = tomli.loads((ROOT / "src/pipelex/spi/spi.lock").read_text(encoding="utf-8"))
    (locked,) = [entry for entry in lock["builtin"] if entry["name"] == plugin.name]
    recorded = _recorded(plugin)
    assert locked["backends"] == sorted(f"{InferenceFamily[family].value}/{sdk}" for family, sdk in recorded.backends)
    assert locked["listers"] == sorted(recorded.listers)
    assert locked["commands"] == sorted(name for name, _ in recorded.helps)
    assert locked["imports"] == [needed.import_name for needed in row.requires]
    assert locked["core_unconditional"] == (plugin.name in CORE_UNCONDITIONAL)


@pytest.mark.parametrize(("plugin", "row"), ROWS, ids=_name_of)
def test_a_built_in_passes_the_version_gate(plugin: PipelexPlugin, row: Builtin) -> None:
    assert (row.name, PLUGIN_API_VERSION) == (plugin.name, plugin.targets_api)


def test_the_lock_has_the_built_ins_and_no_other() -> None:
    lock = tomli.loads((ROOT / "src/pipelex/spi/spi.lock").read_text(encoding="utf-8"))
    assert sorted(plugin.name for plugin in BUILTIN_PLUGINS) == [entry["name"] for entry in lock["builtin"]]


def test_the_families_are_those_of_the_spec() -> None:
    assert {family.name: family.value for family in _spec().family} == {
        member.name: member.value for member in InferenceFamily
    }


def test_a_changed_registration_would_be_seen() -> None:
    """The planted failure: a plugin that contributes one sdk too few is not what its row says."""
    plugin, row = ROWS[0]
    recorded = _recorded(plugin)
    recorded.backends.pop()
    assert [(worker.family, worker.sdk) for worker in row.workers] != recorded.backends
