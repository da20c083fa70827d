"""PX403: the plugin's name and its entry point's name are not one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipelex.checking.examples import plugin
from pipelex.checking.rules.rule import Rule
from pipelex.spi.names import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.checking.findings import Finding
    from pipelex.checking.subject import Subject

_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?")


def _check(subject: Subject) -> Iterator[Finding]:
    for one in subject.plugins:
        member = subject.member(one, "name")
        seen = subject.sandbox.of("plugin", one.index)
        name = seen[0]["name"] if seen else subject.constant(member[0], member[2]) if member else None
        if not isinstance(name, str):
            continue
        place = member[0].place(member[1]) if member else one.place
        if _NAME.fullmatch(name) is None:
            expected = "lowercase letters and digits, with '-', '_' or '.' between them"
            yield RULE.finding(place, f"'{name}' is no plugin name", expected=expected)
        elif one.entry.name and canonical(one.entry.name) != canonical(name):
            message = f"the plugin is called '{name}', and its entry point '{one.entry.name}'"
            yield RULE.finding(place, message, expected=f'name = "{one.entry.name}"')


RULE = Rule(
    id="PX403",
    name="name-spelling",
    reason=(
        "Who wants to disable a plugin names it, by its own name or by its entry point's. When the two differ, half of "
        "the messages name what the other half does not know. '-', '_' and '.' are one spelling."
    ),
    expected="one name",
    fix="Give the plugin and its entry point the same name, in lower case.",
    positive=plugin('name = "acme"', 'name = "acme_llm"'),
    near_miss={
        **plugin('name = "acme"', 'name = "acme_llm"'),
        "pyproject.toml": (
            '[project]\nname = "my-plugin"\nversion = "0.1.0"\n\n[project.optional-dependencies]\n'
            'acme = ["acme-sdk>=1"]\n\n'
            '[project.entry-points."pipelex.plugins"]\nacme-llm = "my_pkg.plugin:AcmePlugin"\n'
        ),
    },
    check=_check,
)
