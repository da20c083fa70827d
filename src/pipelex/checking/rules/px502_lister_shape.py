"""PX502: a model lister whose signature is not the contract's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.checking.call_shapes import differences
from pipelex.checking.examples import closures
from pipelex.checking.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.checking.findings import Finding
    from pipelex.checking.subject import Subject


def _check(subject: Subject) -> Iterator[Finding]:
    shape = subject.spi.call_shape("ListModelsFn")
    for made in subject.contributions:
        if made.kind == "lister" and made.function is not None:
            for node, what, expected in differences(made.module, made.function, shape):
                message = f"'{made.function.name}' is not of the call shape ListModelsFn: {what}"
                yield RULE.finding(made.module.place(node), message, expected=expected, covers='Argument "lister"')


RULE = Rule(
    id="PX502",
    name="lister-shape",
    reason="The signature of a lister is the contract: it is always called with the same five keywords.",
    expected="the signature of ListModelsFn, all parameters by keyword",
    fix="Copy the signature from docs/write-a-plugin.md, or from ListModelsFn in the stubs.",
    positive=closures("    any_listed: bool,\n", "    any_listed: bool = False,\n"),
    near_miss=closures(") -> Sequence[ListedModel]:", ") -> list[ListedModel]:"),
    check=_check,
)
