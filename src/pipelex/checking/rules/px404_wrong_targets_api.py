"""PX404: the plugin targets another API version than it is checked against."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.checking.examples import plugin
from pipelex.checking.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.checking.findings import Finding
    from pipelex.checking.subject import Subject


def _check(subject: Subject) -> Iterator[Finding]:
    wanted = subject.spi.api_version
    for one in subject.plugins:
        member = subject.member(one, "targets_api")
        if member is not None and subject.published(member[0], getattr(member[2], "id", "")):
            continue  # PLUGIN_API_VERSION: whatever version it meets
        seen = subject.probe.of("plugin", one.index)
        constant = subject.constant(member[0], member[2]) if member else None
        is_int = seen[0]["is_int"] if seen else type(constant) is int
        value = seen[0]["targets_api"] if seen else repr(constant) if not is_int else constant
        if (not seen and constant is None) or (is_int and value == wanted):
            continue
        place = member[0].place(member[1]) if member else one.place
        message = (
            f"targets_api is {value}{'' if is_int else ', which is no int'}; it is checked against version {wanted}"
        )
        expected = f"targets_api = {wanted}"
        yield RULE.finding(place, message, expected=expected)


RULE = Rule(
    id="PX404",
    name="wrong-targets-api",
    reason="targets_api has to equal the version of the plugin API that the plugin is written against, as one integer.",
    expected="the version that the plugin is checked against",
    mend="Set targets_api to the version that the plugin is written for, or check it against that one with --api.",
    positive=plugin("targets_api = 1", "targets_api = 2"),
    near_miss=plugin("targets_api = 1", "targets_api: int = 1"),
    check=_check,
)
