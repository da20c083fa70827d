"""PX501: a make_worker whose signature is not the contract's."""

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
    shape = subject.spi.call_shape("MakeWorkerFn")
    for made in subject.contributions:
        if made.kind == "backend" and made.function is not None:
            for node, what, expected in differences(made.module, made.function, shape):
                message = f"'{made.function.name}' is not of the call shape MakeWorkerFn: {what}"
                yield RULE.finding(made.module.place(node), message, expected=expected, covers='Argument "make_worker"')


RULE = Rule(
    id="PX501",
    name="make-worker-shape",
    reason=(
        "The signature of make_worker is the contract: it is always called with the same four keywords. A parameter of "
        "another name or type fails when the model is first used; a default or a position is a promise nobody makes."
    ),
    expected="the signature of MakeWorkerFn, all parameters by keyword",
    fix="Copy the signature from docs/write-a-plugin.md, or from MakeWorkerFn in the stubs.",
    positive=closures("    inference_model: InferenceModelSpec,\n", "    inference_modle: InferenceModelSpec,\n"),
    near_miss=closures(
        "    reporting_delegate: ReportingProtocol | None,\n", '    reporting_delegate: "None | ReportingProtocol",\n'
    ),
    check=_check,
)
