"""PX202: a published name, imported from a module that merely imports it."""

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
    id="PX202",
    name="re-export",
    reason=(
        "Each published name has one module. That another module imports it, too, is that module's own affair and may "
        "end in any release."
    ),
    expected="the import from the module that docs/spi.md names",
    fix="Import the name from its own module.",
    positive=helper("from pipelex.plugins.registrar import InferenceFamily\n\nFAMILY = InferenceFamily.LLM\n"),
    near_miss=helper(
        "from pipelex.plugins.inference_backend_registry import InferenceFamily as Family\n\nFAMILY = Family.LLM\n"
    ),
    check=_check,
)
