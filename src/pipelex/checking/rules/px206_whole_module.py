"""PX206: a module of pipelex as a whole, or a package above it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.checking.examples import helper
from pipelex.checking.import_shapes import findings_of
from pipelex.checking.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.checking.findings import Finding
    from pipelex.checking.subject import Subject


def _check(subject: Subject) -> Iterator[Finding]:
    return findings_of(RULE, subject)


RULE = Rule(
    id="PX206",
    name="whole-module",
    reason=(
        "Through a module one reaches whatever it holds, published or not, and through a package whatever "
        "happens to be "
        "loaded. The plugin API is a list of names: they are imported by name, each from its module."
    ),
    expected="'from module import name'",
    fix="Import the names that are used, each from its module.",
    positive=helper("import pipelex.plugins.registrar as r\n\nREGISTRAR = r.PluginRegistrar\n"),
    near_miss=helper(
        "from pipelex.plugins.registrar import PluginRegistrar\n\n\n"
        "def served(registrar: PluginRegistrar) -> int:\n    return len(registrar.inference_backends)\n"
    ),
    check=_check,
)
