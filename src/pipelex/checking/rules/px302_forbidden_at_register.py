"""PX302: loading or registering the plugin reaches for files, sockets or processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.checking.examples import plugin
from pipelex.checking.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.checking.findings import Finding
    from pipelex.checking.subject import Subject


def _check(subject: Subject) -> Iterator[Finding]:
    for line in subject.sandbox.of("refused"):
        message = f"while {line['phase']}, the plugin tries to do this: {line['event']}({line['detail']})"
        yield RULE.finding(subject.reported_place(line), message)


RULE = Rule(
    id="PX302",
    name="forbidden-at-register",
    reason=(
        "The check loads the plugin and calls 'register' in a process that refuses to open files, sockets "
        "and processes "
        "and to start threads. While the module is loaded, reading files is allowed; in 'register' nothing is."
    ),
    expected="nothing of the kind before a worker is built",
    fix="Move it into make_worker, or into the worker.",
    positive=plugin(
        "    def register(self, registrar: PluginRegistrar) -> None:\n",
        "    def register(self, registrar: PluginRegistrar) -> None:\n        open('/etc/hostname')\n",
    ),
    near_miss=plugin(
        "\n\nclass AcmePlugin:",
        "\nwith open(__file__, encoding='utf-8') as own_source:\n    VERSION = len(own_source.read())\n\n"
        "\nclass AcmePlugin:",
    ),
    check=_check,
    needs_loading=True,
)
