"""What the kit does in processes of their own, once for each plugin: the sandbox, and a run without the SDK."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pipelex.sandbox.run import Order, SandboxError, SandboxReport, run_sandbox
from pipelex.testing import missing_sdk
from pipelex.testing.checks import fail

if TYPE_CHECKING:
    from pipelex.cogt.model_backends.backend import InferenceBackend
    from pipelex.cogt.model_backends.model_spec import InferenceModelSpec
    from pipelex.testing.missing_sdk import Errors
    from pipelex.testing.missing_sdk import Order as MissingSdkOrder

_TIMEOUT_S = 60
_SITES = ("site-packages", "dist-packages")


class Findings(NamedTuple):
    """What the sandbox saw.

    Attributes:
        heavy: What loading the plugin did: imports beyond the standard library, the SPI and its own modules, I/O.
        impure: What ``register`` did beyond calling menu methods.
        rejected: Why boot would leave the plugin out; empty where it would not.
    """

    heavy: list[str]
    impure: list[str]
    rejected: list[str]


@cache
def findings_about(
    entry_point: str, sdk_imports: tuple[str, ...], search_path: tuple[str, ...] | None = None
) -> Findings:
    """Load and register a plugin in the sandbox.

    Args:
        entry_point: The plugin, as ``module:name``.
        sdk_imports: The import names of its SDK.
        search_path: In place of the module search path of this process.
    """
    module, _, attribute = entry_point.partition(":")
    path = [str(Path(entry or ".").absolute()) for entry in (search_path or sys.path)]
    folders, own = _own_modules(module, path)
    order = Order(
        entries=((module, attribute, attribute or module),),
        paths=(*folders, *path),
        own=own,
        absent=sdk_imports,
    )
    try:
        report = run_sandbox(order)
        imports = report.of("import")
        if imports and not report.of("plugin"):  # it cannot be loaded without: its register is judged all the same
            report = run_sandbox(replace(order, blocks=False))
    except SandboxError as exc:
        fail(f"The plugin could not be examined: {exc}.")
    failed = report.of("failed")
    if report.ended is not None or not report.of("plugin"):
        reason = report.ended or "; ".join(_shown_failure(line) for line in failed)
        fail(
            f"The plugin could not be loaded as '{entry_point}' in a process of its own: {reason}. Where it is made by "
            "a function, or defined elsewhere, set 'entry_point' to what pyproject.toml states."
        )
    refused = {phase: _shown(report, "refused", phase) for phase in ("loading", "registering")}
    heavy = [f"imports {line['name']}{_place(line)}" for line in imports if line["phase"] == "loading"]
    impure = [f"imports {line['name']}{_place(line)}" for line in report.of("import") if line["phase"] != "loading"]
    own_failures = [line for line in failed if not line["refused"]]
    return Findings(
        heavy=heavy or refused["loading"],  # what the SDK itself does while it is loaded is no second fault
        impure=[*refused["registering"], *impure],
        rejected=[] if refused["registering"] or impure else [_shown_failure(line) for line in own_failures],
    )


def errors_without_sdk(
    *, entry_point: str, sdk_imports: tuple[str, ...], model: InferenceModelSpec, backend: InferenceBackend
) -> Errors:
    """Build a worker and begin a listing in a process where the SDK is not installed.

    Args:
        entry_point: The plugin, as ``module:name``.
        sdk_imports: The import names of its SDK.
        model: The model whose worker is to be built.
        backend: Its backend.

    Returns:
        The error of each call.
    """
    records = (replace(model, extras=dict(model.extras)), replace(backend, extras=dict(backend.extras)))
    module, _, attribute = entry_point.partition(":")
    order: MissingSdkOrder = {
        "path": [entry or "." for entry in sys.path],
        "module": module,
        "attribute": attribute,
        "absent": list(sdk_imports),
        "sdk": model.sdk,
        "records": pickle.dumps(records).hex(),
    }
    command = [sys.executable, "-P", str(missing_sdk.__file__)]
    done = subprocess.run(
        command, input=json.dumps(order), capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
    )
    if done.returncode != 0:
        fail(f"The plugin could not be tried as '{entry_point}' in a process of its own.\n{done.stderr}")
    found: Errors = json.loads(done.stdout.splitlines()[-1])
    return found


def _own_modules(module: str, path: list[str]) -> tuple[list[str], tuple[str, ...]]:
    """Return the folders that hold the plugin's modules, and the names of its top-level modules."""
    from importlib.machinery import PathFinder
    from importlib.metadata import packages_distributions
    from importlib.util import find_spec

    top = module.partition(".")[0]
    spec = PathFinder.find_spec(top, path) or find_spec(top)  # an editable install may have a finder of its own
    if spec is None or top == "pipelex":
        return [], (top,)
    packages = spec.submodule_search_locations
    folders = [Path(path).parent for path in packages or ()] or [Path(str(spec.origin)).parent]
    if folders[0].name in _SITES:
        owners = packages_distributions()
        return list(map(str, folders)), (
            top,
            *(name for name in owners if set(owners[name]) & set(owners.get(top, ()))),
        )
    beside = [path for folder in folders for path in folder.iterdir()]
    names = [path.stem for path in beside if path.suffix == ".py" or (path / "__init__.py").is_file()]
    return list(map(str, folders)), (top, *sorted(names))


def _shown(report: SandboxReport, kind: str, phase: str) -> list[str]:
    return [
        f"does {line['event']}({line['detail']}){_place(line)}" for line in report.of(kind) if line["phase"] == phase
    ]


def _shown_failure(line: dict[str, Any]) -> str:
    return f"{line['error']}: {line['message']}{_place(line)}"


def _place(line: dict[str, Any]) -> str:
    return f" ({Path(line['file']).name}:{line['line']})" if line["file"] else ""
