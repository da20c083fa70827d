"""PX401: the project declares no plugin, or declares it where nobody looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.checking.examples import pyproject
from pipelex.checking.rules.rule import Rule
from pipelex.plugins.installed import ENTRY_POINT_GROUP
from pipelex.reading.metadata import near_groups

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.checking.findings import Finding
    from pipelex.checking.subject import Subject


def _check(subject: Subject) -> Iterator[Finding]:
    metadata = subject.target.metadata
    if metadata is None:
        return
    near = near_groups(metadata.groups)
    for name in near:
        yield RULE.finding(metadata.place(name), f"no plugin is looked for in the entry-point group '{name}'")
    if not metadata.groups.get(ENTRY_POINT_GROUP) and not near:
        message = f"the project declares no entry point in the group '{ENTRY_POINT_GROUP}'"
        yield RULE.finding(metadata.place("[project"), message)


RULE = Rule(
    id="PX401",
    name="entry-point-group",
    reason="A plugin is found through its entry point. Declared in another group, it is installed and never seen.",
    expected='[project.entry-points."pipelex.plugins"] with a line: name = "module:PluginClass"',
    fix='Declare the plugin under [project.entry-points."pipelex.plugins"] in pyproject.toml.',
    positive=pyproject('"pipelex.plugins"', '"pipelex.plugin"'),
    near_miss=pyproject(
        '[project.entry-points."pipelex.plugins"]',
        '[project.entry-points."acme.plugins"]\nother = "my_pkg.closures"\n\n[project.entry-points."pipelex.plugins"]',
    ),
    check=_check,
)
