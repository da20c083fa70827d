"""PX305: registering twice contributes two different things."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.checking.examples import plugin
from pipelex.checking.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.checking.findings import Finding
    from pipelex.checking.subject import Subject


def _check(subject: Subject) -> Iterator[Finding]:
    for one in subject.plugins:
        runs = [line["contributions"] for line in subject.sandbox.of("registered", one.index)]
        if len(runs) == 2 and runs[0] != runs[1]:
            first, second = (", ".join(sorted(_shown(row) for row in run)) or "nothing" for run in runs)
            message = f"'register' contributes {first} the first time, and {second} the second time"
            yield RULE.finding(subject.register_place(one.index), message)


def _shown(row: list[object]) -> str:
    return " ".join(str(part) for part in row[:3] if part)


RULE = Rule(
    id="PX305",
    name="not-repeatable",
    reason="'register' runs at start-up and again when the command line is built. Both runs have to come to the same.",
    expected="the same contributions each time",
    fix="Let 'register' depend on nothing that it, or anything before it, changes.",
    positive=plugin(
        '        registrar.add_model_lister(sdk="acme", lister=list_acme_models)\n',
        "        if self.__dict__.setdefault('seen', 0) == 0:\n"
        '            registrar.add_model_lister(sdk="acme", lister=list_acme_models)\n'
        "        self.__dict__['seen'] += 1\n",
    ),
    near_miss=plugin(
        '        registrar.add_model_lister(sdk="acme", lister=list_acme_models)\n',
        "        if self.targets_api == 1:\n"
        '            registrar.add_model_lister(sdk="acme", lister=list_acme_models)\n',
    ),
    check=_check,
    needs_loading=True,
)
