"""PX405: the plugin takes its API version from whatever is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.checking.examples import PLUGIN
from pipelex.checking.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.checking.findings import Finding
    from pipelex.checking.subject import Subject


def _check(subject: Subject) -> Iterator[Finding]:
    for one in subject.plugins:
        stated = subject.stated_api(one)
        if stated is not None and stated.follows:
            message = "targets_api is PLUGIN_API_VERSION, so the version gate lets this plugin pass in any version"
            yield RULE.finding(stated.place, message, expected=f"targets_api = {subject.spi.api_version}")


RULE = Rule(
    id="PX405",
    name="targets-api-floats",
    severity="note",
    reason=(
        "'targets_api = PLUGIN_API_VERSION' is legal and says: I fit whatever is installed. The gate then "
        "never stops the "
        "plugin, not even where a later version has taken away what it uses. A literal is what lets the gate work."
    ),
    expected="an integer literal",
    fix="Write the number of the version that the plugin was written for.",
    positive={
        "src/my_pkg/plugin.py": "from pipelex.plugins.contract import PLUGIN_API_VERSION\n"
        + PLUGIN.replace("targets_api = 1", "targets_api = PLUGIN_API_VERSION")
    },
    near_miss={
        "src/my_pkg/plugin.py": PLUGIN.replace("targets_api = 1", "targets_api = API_VERSION").replace(
            "\n\nclass", "\nAPI_VERSION = 1\n\n\nclass"
        )
    },
    check=_check,
)
