"""Starts the kit's own process and keeps what it found, once for each plugin."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from pipelex.testing import isolated
from pipelex.testing.checks import fail

if TYPE_CHECKING:
    from pipelex.cogt.model_backends.backend import InferenceBackend
    from pipelex.cogt.model_backends.model_spec import InferenceModelSpec
    from pipelex.testing.isolated import Findings, Order

_FOUND: dict[str, Findings] = {}
_TIMEOUT_S = 60


def findings_about(
    *, entry_point: str, sdk_imports: tuple[str, ...], model: InferenceModelSpec, backend: InferenceBackend
) -> Findings:
    """Return what a process of its own found about a plugin.

    Args:
        entry_point: The plugin, as ``module:name``.
        sdk_imports: The import names of its SDK.
        model: The model whose worker is to be built.
        backend: Its backend.
    """
    records = (replace(model, extras=dict(model.extras)), replace(backend, extras=dict(backend.extras)))
    order: Order = {
        "path": [entry or "." for entry in sys.path],
        "entry_point": entry_point,
        "absent": list(sdk_imports),
        "family": model.family.value,
        "sdk": model.sdk,
        "records": pickle.dumps(records).hex(),
    }
    key = json.dumps(order)
    if key not in _FOUND:
        _FOUND[key] = _run(key, entry_point)
    return _FOUND[key]


def _run(order: str, entry_point: str) -> Findings:
    command = [sys.executable, "-P", str(isolated.__file__)]
    done = subprocess.run(command, input=order, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    if done.returncode != 0:
        fail(
            f"The plugin could not be imported as '{entry_point}' in a process of its own. Where it is made by a "
            f"function or stands elsewhere, set 'entry_point' to what pyproject.toml says.\n{done.stderr}"
        )
    found: Findings = json.loads(done.stdout.splitlines()[-1])
    return found
