"""PX404: the plugin targets another API version than it is checked against."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.checking.examples import plugin
from pipelex.checking.rules.rule import Rule
from pipelex.reading.plugin_code import wrong_api

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.checking.findings import Finding
    from pipelex.checking.subject import Subject


def _check(subject: Subject) -> Iterator[Finding]:
    wanted = subject.spi.api_version
    for one in subject.plugins:
        stated = subject.stated_api(one)
        if stated is not None and stated.follows:
            continue  # PLUGIN_API_VERSION: whatever version it meets
        seen = subject.sandbox.of("plugin", one.index)
        problem = stated.problem(wanted) if stated is not None else ""
        if seen:
            value, is_int = seen[0]["targets_api"], seen[0]["is_int"]
            problem = wrong_api(value, is_int=is_int, wanted=wanted)
        if problem:
            place = stated.place if stated is not None else one.place
            message = f"{problem}; it is checked against version {wanted}"
            yield RULE.finding(place, message, expected=f"targets_api = {wanted}")


RULE = Rule(
    id="PX404",
    name="wrong-targets-api",
    reason="targets_api has to equal the version of the plugin API that the plugin is written against, as one integer.",
    expected="the version that the plugin is checked against",
    fix="Set targets_api to the version that the plugin is written for, or check it against that one with --api.",
    positive=plugin("targets_api = 1", "targets_api = 2"),
    near_miss=plugin("targets_api = 1", "targets_api: int = 1"),
    check=_check,
)
