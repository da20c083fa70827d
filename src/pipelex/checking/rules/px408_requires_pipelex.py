"""PX408: the distribution requires ``pipelex``, which the public index has as another project."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.checking.examples import PYPROJECT, pyproject
from pipelex.checking.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.checking.findings import Finding
    from pipelex.checking.subject import Subject


def _check(subject: Subject) -> Iterator[Finding]:
    metadata = subject.target.metadata
    if metadata is None:
        return
    for requirement in metadata.host_requirements:
        needle = requirement.text.partition(" = ")[0] if "poetry" in requirement.table else requirement.text
        message = f"{requirement.table} requires '{requirement.text}'"
        yield RULE.finding(metadata.place(needle), message)
    for key in metadata.unknown:
        message = f"project.{key} is dynamic, so whether it requires pipelex is known only after a build"
        yield RULE.finding(metadata.place("dynamic"), message, severity="note")


RULE = Rule(
    id="PX408",
    name="requires-pipelex",
    reason=(
        "The public index has another project by the name of pipelex. A requirement on it brings that project into the "
        "environment of everybody who installs the plugin. A plugin runs inside of pipelex, so it is always there."
    ),
    expected="no requirement on pipelex; in a dependency group, one by address: 'pipelex @ file:///path/to/the.whl'",
    fix="Take the requirement out. For your own tests, name the folder, wheel or repository in a dependency group.",
    positive=pyproject('["acme-sdk>=1"]', '["acme-sdk>=1", "PipeLex>=0.1"]'),
    near_miss={"pyproject.toml": f'{PYPROJECT}\n[dependency-groups]\ntest = ["pipelex @ file:///clones/pipelex"]\n'},
    check=_check,
)
