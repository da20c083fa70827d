"""PX101: something published is called with the wrong arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.checking.examples import plugin
from pipelex.checking.rules.rule import Rule
from pipelex.checking.type_findings import type_findings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.checking.findings import Finding
    from pipelex.checking.subject import Subject


def _check(subject: Subject) -> Iterator[Finding]:
    return type_findings(RULE, subject)


RULE = Rule(
    id="PX101",
    name="wrong-call",
    reason=(
        "An argument that is misspelt, missing or of another type fails when the plugin is used, far from where it was "
        "written. mypy sees it before the plugin is shipped."
    ),
    expected="the arguments that the signature has",
    fix="Compare the call with the signature, in the folder that 'pipelex spi stubs' prints or in docs/spi.md.",
    positive=plugin("family=InferenceFamily.LLM", 'family="llm"'),
    near_miss=plugin("family=InferenceFamily.LLM", 'family=InferenceFamily("llm")'),
    check=_check,
)
