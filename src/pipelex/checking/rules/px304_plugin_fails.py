"""PX304: the plugin cannot be loaded or registered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.checking.examples import plugin
from pipelex.checking.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.checking.findings import Finding
    from pipelex.checking.subject import Subject


def _check(subject: Subject) -> Iterator[Finding]:
    for line in subject.sandbox.of("failed"):
        if line["step"] == "entry point" or line["refused"] or _is_blocked_import(subject, line) or _is_of_others(line):
            continue
        doing = "loading" if line["step"] == "import" else "registering"
        message = f"{doing} the plugin fails: {line['error']}: {line['message']}"
        yield RULE.finding(subject.reported_place(line), message)
    if subject.sandbox.ended is not None:
        index = max((line["entry"] for line in subject.sandbox.lines), default=0)
        message = f"loading or registering the plugin did not come to an end: {subject.sandbox.ended}"
        yield RULE.finding(subject.register_place(index), message)


def _is_of_others(line: dict[str, object]) -> bool:
    """Tell whether PX403, PX404 or PX407 reports the same."""
    return line["error"] in ("PluginApiVersionMismatchError", "DuplicatePluginError") or line["what"] in (
        *("name", "targets_api"),
    )


def _is_blocked_import(subject: Subject, line: dict[str, object]) -> bool:
    blocked = subject.sandbox.of("import")
    return line["error"] == "ModuleNotFoundError" and any(one["name"] in str(line["message"]) for one in blocked)


RULE = Rule(
    id="PX304",
    name="plugin-fails",
    reason=(
        "A plugin that raises, hangs or ends the process when it is loaded or registered is reported as "
        "broken at every "
        "start, and none of its models can be used."
    ),
    expected="'register' returns, with contributions that the registrar accepts",
    fix="Correct what the message says; the registrar's own messages name what it expected.",
    positive=plugin('sdk="acme", make_worker', 'sdk="Acme SDK", make_worker'),
    near_miss=plugin(
        "        registrar.add_inference_backend(",
        "        registrar.add_inference_backend(\n"
        '            family=InferenceFamily.LLM, sdk="acme-sdk", make_worker=make_acme_worker\n        )\n'
        "        registrar.add_inference_backend(",
    ),
    check=_check,
    needs_loading=True,
)
