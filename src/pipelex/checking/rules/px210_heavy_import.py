"""PX210: loading the plugin loads an SDK."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pipelex.checking.examples import closures
from pipelex.checking.import_shapes import is_ours
from pipelex.checking.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.checking.findings import Finding
    from pipelex.checking.subject import Subject
    from pipelex.reading.source import SourceModule
    from pipelex.spi.imports import Import


def _check(subject: Subject) -> Iterator[Finding]:
    for module, way in _loaded_with_the_plugin(subject):
        for one in module.imports:
            if _runs_at_load(one) and _is_foreign(subject, module, one.module):
                through = f" (loaded through {' -> '.join(way)})" if len(way) > 1 else ""
                message = f"'{one.module}' is imported when the plugin is loaded{through}"
                yield RULE.finding(module.place(one.node), message, last_line=one.node.end_lineno or 0)


def _loaded_with_the_plugin(subject: Subject) -> Iterator[tuple[SourceModule, tuple[str, ...]]]:
    """Yield the entry-point modules and whatever they import when they are loaded, each with the way to it."""
    modules = subject.target.modules
    pending: list[tuple[str, tuple[str, ...]]] = [
        (entry.module, (entry.module,)) for entry in subject.target.entry_points
    ]
    seen: set[str] = set()
    while pending:
        name, way = pending.pop(0)
        parts = name.split(".")
        for depth in range(1, len(parts)):
            package = ".".join(parts[:depth])
            if package in modules and package not in seen:
                pending.append((package, (*way, package)))
        if name in seen or name not in modules:
            continue
        seen.add(name)
        yield modules[name], way
        for one in modules[name].imports:
            if _runs_at_load(one):
                names = (one.module, f"{one.module}.{one.name}")
                pending += [(imported, (*way, imported)) for imported in names]


def _runs_at_load(one: Import) -> bool:
    return not one.in_function and not one.type_only


def _is_foreign(subject: Subject, module: SourceModule, name: str) -> bool:
    return not (
        name.partition(".")[0] in sys.stdlib_module_names or is_ours(name) or subject.target.is_own(module.name, name)
    )


RULE = Rule(
    id="PX210",
    name="heavy-import",
    reason=(
        "Every command loads every plugin. A plugin that imports an SDK at its top costs all of them the "
        "SDK's start-up "
        "time, and fails all of them where the SDK is missing."
    ),
    expected="the standard library, the plugin API and the plugin's own modules",
    fix="Import it inside the function that uses it, behind require_sdk; or in a module that is imported there.",
    positive=closures(
        "from collections.abc import Sequence\n", "from collections.abc import Sequence\n\nimport acme\n"
    ),
    near_miss=closures(
        "    from my_pkg.worker import", "    import acme\n\n    acme.warm_up()\n    from my_pkg.worker import"
    ),
    check=_check,
)
