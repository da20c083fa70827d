"""Two versions in a row, of the changes that rewrite the most: from 1 to 2 to 3, and from 1 to 3 in one go.

Version 2 regroups parameters, adds a keyword of a new type, changes a default and the entry-point group; version 3
wraps what a lister returns, makes a hook async and renames a keyword. Every plugin goes through both ways to one text.
"""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.rehearsals.test_rehearsals import REGISTRY, RESULT, VERSION, all_is_green, pass_backend_as

if TYPE_CHECKING:
    from pathlib import Path

    from tests.rehearsals.conftest import Copy

pytestmark = pytest.mark.rehearsal

LISTERS = "src/pipelex/plugins/model_lister_registry.py"
BUILTINS = "codegen/templates/builtins.py.j2"
HUB = "src/pipelex/hub.py"
CALLS = "src/pipelex/testing/calls.py"
SHOW = "src/pipelex/cli/show.py"
ATTEMPTS = "src/pipelex/cogt/inference/attempts.py"
BASE = "src/pipelex/cogt/inference/inference_worker_abstract.py"

OPTIONS = '''\
@dataclass(frozen=True, kw_only=True)
class ListingOptions:
    """How the models are wanted.

    Attributes:
        flat: Whether the user asked for plain lines; matters only to a lister that prints by itself.
        any_listed: Whether another sdk of this command was listed before; matters only likewise.
    """

    flat: bool
    any_listed: bool


class ListModelsFn'''
LISTING = '''\
@dataclass(frozen=True, kw_only=True)
class Listing:
    """What a lister found.

    Attributes:
        rows: The models.
    """

    rows: Sequence[ListedModel]


class ListModelsFn'''
LIMITS = '''\
@dataclass(frozen=True, kw_only=True)
class CallLimits:
    """What a call may cost.

    Attributes:
        timeout_s: The time-out of a request, in seconds; ``None`` for none.
    """

    timeout_s: float | None = None


class MakeWorkerFn'''
NOW = """\
def _now(hook):
    try:
        hook.send(None)
    except StopIteration as stop:
        return stop.value
"""
DELEGATE = "    reporting_delegate: ReportingProtocol | None"
ANYWHERE = "if anywhere.\n\n"
IMPORT_LIMITS = "from pipelex.plugins.inference_backend_registry import CallLimits"
IMPORT_OPTIONS = "from pipelex.plugins.model_lister_registry import ListingOptions"
IMPORT_LISTING = "from pipelex.plugins.model_lister_registry import Listing"


def publish(project: Copy, symbol: str, role: str) -> None:
    """Enter a symbol in ``spi.toml``."""
    row = f'"{symbol}" = {{ since = "next", role = "{role}" }}\n'
    project.edit("spi.toml", ("# errors that", f"{row}\n# errors that"))


def append(project: Copy, path: str, code: str) -> None:
    """Append code to a module."""
    with (project.root / path).open("a", encoding="utf-8") as file:
        file.write(f"\n\n{code}")


def version_two(project: Copy) -> None:
    """Regroup, add a keyword with a new type, change a default and the entry-point group."""
    project.edit(
        LISTERS,
        ("from typing import", "from dataclasses import dataclass\nfrom typing import"),
        ('["ListModelsFn",', '["ListModelsFn", "ListingOptions",'),
        ("class ListModelsFn", OPTIONS),
        ("        flat: bool,\n        any_listed: bool,\n    )", "        options: ListingOptions,\n    )"),
        ("            flat: Whether the user asked", "            options: Whether the user asked"),
        ("            any_listed: Whether another sdk of this command was listed before; matters only likewise.\n", ""),
    )
    project.edit(
        SHOW,
        ("flat=flat, any_listed=any_listed\n", "options=ListingOptions(flat=flat, any_listed=any_listed)\n"),
        ("    import asyncio\n", f"    import asyncio\n\n    {IMPORT_OPTIONS}\n"),
    )
    project.edit(
        REGISTRY,
        ("from enum import", "from dataclasses import dataclass\nfrom enum import"),
        ('["InferenceFamily",', '["CallLimits", "InferenceFamily",'),
        ("class MakeWorkerFn", LIMITS),
        (f"{DELEGATE},\n    ) -> Inf", f"{DELEGATE},\n        limits: CallLimits,\n    ) -> Inf"),
        (f"{ANYWHERE}        Returns", f"{ANYWHERE[:-1]}            limits: What a call may cost.\n\n        Returns"),
    )
    project.edit(
        HUB,
        (
            "        return self.inference_backends.make_worker(",
            f"        {IMPORT_LIMITS}\n\n        return self.inference_backends.make_worker(",
        ),
        ("=self.reporting_delegate,\n", "=self.reporting_delegate,\n                limits=CallLimits(),\n"),
    )
    project.edit(
        CALLS,
        (
            "    return _registered(plugin).inference_backends",
            f"    {IMPORT_LIMITS}\n\n    return _registered(plugin).inference_backends",
        ),
        ("reporting_delegate=log,\n", "reporting_delegate=log,\n        limits=CallLimits(),\n"),
        (
            "    return _registered(plugin).model_listers",
            f"    {IMPORT_OPTIONS}\n\n    return _registered(plugin).model_listers",
        ),
        ("flat=False, any_listed=False", "options=ListingOptions(flat=False, any_listed=False)"),
    )
    project.edit(RESULT, ("FinishReason = FinishReason.STOP", "FinishReason = FinishReason.OTHER"))
    project.edit("spi.toml", ('entry_point_group = "pipelex.plugins"', 'entry_point_group = "pipelex.inference"'))
    project.edit("src/pipelex/plugins/installed.py", ('= "pipelex.plugins"', '= "pipelex.inference"'))
    publish(project, "pipelex.plugins.model_lister_registry:ListingOptions", "how models are listed")
    publish(project, "pipelex.plugins.inference_backend_registry:CallLimits", "what a call may cost")
    project.codegen()
    project.declare(
        kind="parameters-regrouped",
        symbol="pipelex.plugins.model_lister_registry:ListModelsFn",
        to="options: ListingOptions",
        migration="ListingOptions(flat={flat}, any_listed={any_listed})",
        why="more options are to come",
        **{"from": "flat, any_listed"},
    )
    project.declare(
        kind="parameter-added",
        symbol="pipelex.plugins.inference_backend_registry:MakeWorkerFn",
        to="limits: CallLimits",
        migration="limits=CallLimits()",
        why="a worker is made for what its calls may cost",
    )
    project.declare(
        kind="field-default-changed",
        symbol="pipelex.cogt.inference.inference_result:InferenceResult.finish_reason",
        migration="finish_reason=FinishReason.STOP",
        why="a result that gives no reason has not stopped for that",
    )
    project.declare(
        kind="entry-point-group-changed",
        symbol="pipelex.plugins.contract:PipelexPlugin",
        to="pipelex.inference",
        why="plugins of other kinds are to come",
        **{"from": "pipelex.plugins"},
    )


def version_three(project: Copy) -> None:
    """Wrap a return, make a hook async, rename a keyword."""
    project.edit(
        LISTERS,
        ('["ListModelsFn",', '["ListModelsFn", "Listing",'),
        ("class ListModelsFn", LISTING),
        ("-> Sequence[ListedModel] | None", "-> Listing | None"),
    )
    called = "{{ plugin.lister.function }}(sdk=sdk, backend=backend)"
    project.edit(
        BUILTINS,
        ("    with translate_errors", f"    {IMPORT_LISTING}\n\n    with translate_errors"),
        (f"return await {called}", f"return Listing(rows=await {called})"),
        ("backend=backend),\n    )", "backend=backend_config),\n    )"),
    )
    project.edit("codegen/call_shapes.py", ('frozenset({"backend", "sdk', 'frozenset({"backend_config", "sdk'))
    pass_backend_as(project, "backend_config")
    project.edit(
        SHOW,
        ("return await lister(", "return _rows(await lister("),
        ("any_listed=any_listed)\n                )", "any_listed=any_listed)\n                ))"),
    )
    append(project, SHOW, "def _rows(found):\n    return None if found is None else found.rows\n")
    for path in [BASE, *_drivers(project.root)]:
        project.edit(path, ("    def _classify_error", "    async def _classify_error"))
    project.edit(ATTEMPTS, ("worker._classify_error(error)", "_now(worker._classify_error(error))"))
    append(project, ATTEMPTS, NOW)
    shape = (
        "        sdk_clients: SdkClientRegistry,\n        reporting_delegate: ReportingProtocol | None,\n        limits"
    )
    argument = (
        ": The configuration record of the model's backend.\n            sdk_clients: Where SDK clients are memoized,"
    )
    project.edit(
        REGISTRY,
        (f"        backend: InferenceBackend,\n{shape}", f"        backend_config: InferenceBackend,\n{shape}"),
        (f"            backend{argument}", f"            backend_config{argument}"),
    )
    publish(project, "pipelex.plugins.model_lister_registry:Listing", "what a lister found")
    project.codegen()
    project.declare(
        kind="return-wrapped",
        symbol="pipelex.plugins.model_lister_registry:ListModelsFn",
        to="Listing | None",
        migration="Listing(rows={})",
        why="more than the models is to be known",
        **{"from": "Sequence[ListedModel] | None"},
    )
    project.declare(
        kind="async-changed",
        symbol="pipelex.cogt.inference.inference_worker_abstract:InferenceWorkerAbstract._classify_error",
        to="async",
        why="some vendors have to be asked what an error means",
        **{"from": "sync"},
    )
    project.declare(
        kind="parameter-renamed",
        symbol="pipelex.plugins.inference_backend_registry:MakeWorkerFn",
        to="backend_config",
        why="it is the record of the configuration",
        **{"from": "backend"},
    )


def _drivers(root: Path) -> list[str]:
    pattern = re.compile(r"^    def _classify_error", re.MULTILINE)
    found = sorted((root / "src/pipelex/providers").glob("*/*.py"))
    return [str(path.relative_to(root)) for path in found if pattern.search(path.read_text(encoding="utf-8"))]


def texts(folder: Path) -> dict[str, str]:
    """Return the files of plugins."""
    return {
        str(path.relative_to(folder)): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*"))
        if path.suffix in {".py", ".toml"}
    }


def bump(project: Copy, version: int) -> None:
    """Freeze a version, whose breaks are declared."""
    project.codegen("diff", "--accept-declared", "--no-witness")
    assert f"to {version}.0 (breaking)" in project.codegen("bump")


def test_every_plugin_follows_two_versions(project: Copy) -> None:
    version_two(project)
    bump(project, VERSION + 1)
    version_three(project)
    bump(project, VERSION + 2)
    project.codegen("--check", "--full")
    both, one = project.root / "plugins", project.root / "at_once"
    shutil.copytree(project.root / "docs/examples/acme/plugin", both / "acme")
    shutil.copytree(both, one)
    names = sorted(path.name for path in both.iterdir())
    stepwise, at_once = [f"plugins/{name}" for name in names], [f"at_once/{name}" for name in names]
    for step in (VERSION + 1, VERSION + 2):
        said = project.pipelex("plugins", "upgrade", "--write", "--to", str(step), *stepwise)
        assert len(names) == said.count("proved: mypy was clean"), said
    said = project.pipelex("plugins", "upgrade", "--write", *at_once)
    assert len(names) == said.count("proved: mypy was clean"), said
    assert texts(both) == texts(one)
    assert not [path for path, text in texts(one).items() if '"pipelex.plugins"' in text or "TODO" in text]
    all_is_green(project, stepwise)
