"""PX401: the project declares no plugin, or declares it where nobody looks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipelex.checking.examples import pyproject
from pipelex.checking.rules.rule import Rule
from pipelex.checking.targets import entry_point_group

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.checking.findings import Finding
    from pipelex.checking.subject import Subject


def _check(subject: Subject) -> Iterator[Finding]:
    metadata = subject.target.metadata
    if metadata is None:
        return
    group = entry_point_group()
    near = [name for name in metadata.groups if name != group and _bare(name) in {_bare(group), _bare(group)[:-1]}]
    for name in near:
        yield RULE.finding(metadata.place(name), f"the entry-point group '{name}' is one that nobody looks into")
    if not metadata.groups.get(group) and not near:
        yield RULE.finding(metadata.place("[project"), f"the project declares no entry point in the group '{group}'")


def _bare(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())


RULE = Rule(
    id="PX401",
    name="entry-point-group",
    reason="A plugin is found through its entry point. Declared in another group, it is installed and never seen.",
    expected='[project.entry-points."pipelex.plugins"] with a line: name = "module:PluginClass"',
    mend='Declare the plugin under [project.entry-points."pipelex.plugins"] in pyproject.toml.',
    positive=pyproject('"pipelex.plugins"', '"pipelex.plugin"'),
    near_miss=pyproject(
        '[project.entry-points."pipelex.plugins"]',
        '[project.entry-points."acme.plugins"]\nother = "my_pkg.closures"\n\n[project.entry-points."pipelex.plugins"]',
    ),
    check=_check,
)
