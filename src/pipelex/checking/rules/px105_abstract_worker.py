"""PX105: a worker is built that lacks a hook."""

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
    id="PX105",
    name="abstract-worker",
    reason="A worker without the hook that its base class requires cannot be built: every call of its models fails.",
    expected="a class that defines every abstract method of its base",
    fix="Define the methods that the message names; their signatures are in the worker base.",
    positive=worker("async def _gen_text(", "async def gen_text_of_job("),
    near_miss=worker(
        "class AcmeLLMWorker(LLMWorkerAbstract):",
        "class AcmeBase(LLMWorkerAbstract):\n    pass\n\n\nclass AcmeLLMWorker(AcmeBase):",
    ),
    check=_check,
)
