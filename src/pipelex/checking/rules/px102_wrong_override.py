"""PX102: a hook is overridden with another signature."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.checking.examples import worker
from pipelex.checking.rules.rule import Rule
from pipelex.checking.type_findings import type_findings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.checking.findings import Finding
    from pipelex.checking.subject import Subject


def _check(subject: Subject) -> Iterator[Finding]:
    return type_findings(RULE, subject)


RULE = Rule(
    id="PX102",
    name="wrong-override",
    reason=(
        "The public methods of a worker call its hooks with the arguments that the base class declares, "
        "and rely on what "
        "they return. A hook of another shape fails in the middle of a model call."
    ),
    expected="the signature of the method that is overridden",
    fix="Copy the method's signature from the worker base, in the folder that 'pipelex spi stubs' prints.",
    positive=worker("async def _gen_text(self, job: LLMJob)", "async def _gen_text(self, job: LLMJob, retries: int)"),
    near_miss=worker(
        "async def _gen_text(self, job: LLMJob)", "async def _gen_text(self, job: LLMJob, retries: int = 0)"
    ),
    check=_check,
)
