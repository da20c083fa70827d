"""PX203: a name that an SPI module has and does not publish."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.checking.examples import helper
from pipelex.checking.import_shapes import findings_of
from pipelex.checking.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.checking.findings import Finding
    from pipelex.checking.subject import Subject


def _check(subject: Subject) -> Iterator[Finding]:
    return findings_of(RULE, subject)


RULE = Rule(
    id="PX203",
    name="unpublished-name",
    reason="A module of the plugin API holds more than it publishes. The rest is ours to change in any release.",
    expected="a name that the module publishes",
    fix="Use what is published. What is missing there is a gap in the plugin API: report it.",
    positive=helper(
        "from pipelex.plugins.inference_backend_registry import InferenceBackendRegistry\n\n"
        "REGISTRY = InferenceBackendRegistry\n"
    ),
    near_miss=helper(
        "from __future__ import annotations\n\nfrom typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n"
        "    from pipelex.plugins.inference_backend_registry import MakeWorkerFn\n\n\n"
        "def keep(make_worker: MakeWorkerFn) -> MakeWorkerFn:\n    return make_worker\n"
    ),
    check=_check,
)
