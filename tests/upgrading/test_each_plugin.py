"""The changes that contracts of this kind go through, each on the example, the page's plugin and two of odd shapes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acme.listing import METADATA, WITH_LISTER
from tests.heavy import heavy_but
from tests.rehearsals.plugins import LISTERS, ODD
from tests.upgrading.conftest import World, change
from tests.upgrading.test_forwarding import add_timeout, regroup, wrap_rows
from tests.upgrading.test_versions import change_default, change_group

ACME = Path(__file__).parents[2] / "docs/examples/acme/plugin"
PLUGINS = {
    "acme": {
        str(path.relative_to(ACME)): path.read_text(encoding="utf-8") for path in sorted(ACME.rglob("*.[pt][yo]*"))
    },
    "page": {"pyproject.toml": METADATA, "my_pkg/__init__.py": "", "my_pkg/acme_plugin.py": WITH_LISTER},
    "odd": ODD,
    "lst": LISTERS,
}
BASE = "pipelex.cogt.inference.inference_worker_abstract"
HANDLE = "pipelex.plugins.model_handle"
REGISTRY = "pipelex.plugins.inference_backend_registry"
LLM = "pipelex.cogt.llm.llm_job"


def add_menu_method(world: World) -> None:
    """Let the registrar offer more: nothing that a plugin has to follow."""
    menu = "    def add_model_lister("
    world.edit("pipelex.plugins.registrar", menu, f"    def add_health_check(self) -> None: ...\n\n{menu}")


def add_limits(world: World) -> None:
    """Let workers be made with a record of a new type."""
    add_timeout(world, "limits: Limits")
    record = "class Limits:\n    def __init__(self) -> None: ...\n\n\nclass MakeWorkerFn"
    world.edit(REGISTRY, "class MakeWorkerFn", record)
    world.edit(REGISTRY, '["InferenceFamily",', '["InferenceFamily", "Limits",')
    world.changes = [
        change("parameter-added", f"{REGISTRY}:MakeWorkerFn", new="limits: Limits", migration="limits=Limits()")
    ]


def turn_async(world: World) -> None:
    """Let workers ask what an error means."""
    world.edit(BASE, "    def _classify_error", "    async def _classify_error")
    world.changes = [change("async-changed", f"{BASE}:InferenceWorkerAbstract._classify_error", "sync", "async")]


def change_defaults(world: World) -> None:
    """Let a result, and an answer of an LLM, that give no reason have another one."""
    change_default(world, migration="finish_reason=FinishReason.STOP")
    world.edit(
        LLM, "finish_reason: FinishReason | None = None", "finish_reason: FinishReason | None = FinishReason.STOP"
    )
    symbol = f"{LLM}:LLMAnswer.finish_reason"
    world.changes.append(change("field-default-changed", symbol, migration="finish_reason=None"))


def return_none(world: World) -> None:
    """Let a model without a handle be possible."""
    world.edit(HANDLE, "-> ModelHandle", "-> ModelHandle | None")
    symbol = f"{HANDLE}:ModelHandle.make_for_inference_model"
    world.changes = [change("return-retyped", symbol, todo="return a value where there is none")]


CHANGES: dict[str, Callable[[World], None]] = {
    "a menu addition": add_menu_method,
    "a group split": change_group,
    "a keyword with a new type": add_limits,
    "a return that plugins consume": return_none,
    "a regrouped parameter": regroup,
    "a return that plugins produce": wrap_rows,
    "an async hook": turn_async,
    "a changed default": change_defaults,
}


@pytest.mark.parametrize("plugin", PLUGINS)
@pytest.mark.parametrize("case", heavy_but("a regrouped parameter", names=CHANGES))
def test_each_change_is_carried_through_on_each_plugin(world: World, case: str, plugin: str) -> None:
    """Proved by mypy, and a second run changes nothing; who uses a handle has to decide, where it is made and used."""
    CHANGES[case](world)
    for name, text in PLUGINS[plugin].items():
        path = world.plugin / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    done = world.upgrade()
    uses_handle = case == "a return that plugins consume" and plugin in {"acme", "page"}
    assert (1, 2, 2 * uses_handle) == (done.old, done.new, len(done.left))
    followed = {edit.change.kind for edit in done.edits} - {"api-version-changed"}
    assert followed <= {one.kind for one in world.changes}
    again = world.upgrade(since=2 if plugin == "page" else None)
    assert ([], len(done.left)) == (again.changed, len(again.left))
