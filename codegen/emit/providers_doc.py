"""Emits ``docs/providers.md``: what to install per built-in, which key, what a call may ask for, what was tested."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from codegen.counterparts import pages
from codegen.render import template

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codegen.counterparts import Counterparts
    from codegen.project import Project
    from codegen.spec import Builtin, Family, Spec

DEFAULTS_FILE = "src/pipelex/config/defaults/pipelex.toml"
KINDS = {
    "server": "server of another project",
    "mock": "mock server of another project",
    "client": "the vendor's own client, compared",
    "replay": "our replay",
    "library": "in process",
}
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_SETTINGS = ("structured_by", "stream_usage", "limit_name")


@dataclass(frozen=True)
class _Row:
    """What a backend of the packaged defaults declares in one family; ``None`` where they have no backend of an sdk."""

    sdk: str
    backend: str | None
    capabilities: list[str]


def emit(project: Project, spec: Spec, counterparts: Counterparts) -> str:
    """Render the page.

    Args:
        project: Where the packaged defaults and the replays are read from.
        spec: The spec.
        counterparts: What the built-ins are tested against.
    """
    defaults = project.read_toml(DEFAULTS_FILE).data
    backends = defaults.get("backends", {})
    values = {family.name: family.value for family in spec.family}
    builtins = sorted(spec.builtin, key=lambda builtin: builtin.name)
    tested = {
        builtin.name: [(row, counterparts.of(f"{values[row.family]}:{row.sdk}")) for row in builtin.workers]
        for builtin in builtins
    }
    kinds = {name: counterpart.kind for name, counterpart in counterparts.counterparts.items()}
    return template("providers.md.j2").render(
        keys=[(builtin, _codes(_variables(builtin, values, backends))) for builtin in builtins],
        servers=list(_servers(backends, counterparts)),
        calls=[(family, *_calls(spec, family, defaults)) for family in spec.family],
        tested=tested,
        counterparts=counterparts.counterparts,
        kinds=KINDS,
        pages={name: pages(project, found) for name, found in counterparts.counterparts.items()},
        only_replayed=[
            f"{row.family} `{row.sdk}`"
            for rows in tested.values()
            for row, exercises in rows
            if {"replay"} == {kinds[exercise.against] for exercise in exercises}
        ],
    )


def _variables(builtin: Builtin, values: dict[str, str], backends: dict[str, dict[str, Any]]) -> list[str]:
    """List the environment variables that the packaged backends of a built-in read."""
    own = {(values[row.family], row.sdk) for row in builtin.workers}
    used = [table for table in backends.values() if any(table.get(family, {}).get("sdk") == sdk for family, sdk in own)]
    return sorted({name for table in used for name in _VARIABLE.findall(json.dumps(table))})


def _calls(spec: Spec, family: Family, defaults: dict[str, Any]) -> tuple[list[str], list[_Row]]:
    """Return the capabilities that any backend of a family declares, and what each sdk's backend declares of them."""
    rows = [row for builtin in spec.builtin for sdk in _sdks(builtin, family) for row in _rows(sdk, family, defaults)]
    return list(dict.fromkeys(capability for row in rows for capability in row.capabilities)), rows


def _sdks(builtin: Builtin, family: Family) -> list[str]:
    return [row.sdk for row in builtin.workers if row.family == family.name]


def _rows(sdk: str, family: Family, defaults: dict[str, Any]) -> Iterator[_Row]:
    of_sdk = defaults.get("sdks", {}).get(family.value, {}).get(sdk, {})
    tables = {name: table.get(family.value, {}) for name, table in defaults.get("backends", {}).items()}
    named = [(name, table) for name, table in tables.items() if table.get("sdk") == sdk]
    for name, table in named or [(None, {})]:
        yield _Row(sdk, name, {**of_sdk, **table}.get("capabilities", []))


def _servers(backends: dict[str, dict[str, Any]], counterparts: Counterparts) -> Iterator[tuple[str, ...]]:
    """Yield the cells of each packaged backend that is another's server: it states an address of its own."""
    called = {counterpart.backend for counterpart in counterparts.counterparts.values()}
    for name, table in backends.items():
        endpoint = table.get("endpoint", "")
        if endpoint and not _VARIABLE.search(endpoint):
            settings = [f"{key} = {json.dumps(value)}" for key, value in table.items() if key in _SETTINGS]
            variables = _VARIABLE.findall(table.get("api_key", ""))
            yield name, endpoint, _codes(variables), _codes(settings), "yes" if name in called else "no"


def _codes(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "-"
