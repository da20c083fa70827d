"""Emits ``docs/spi.md``: the published symbols, the families, the built-ins and the extras as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codegen.render import template

if TYPE_CHECKING:
    from codegen.spec import Builtin, Family, Spec


def emit(spec: Spec) -> str:
    """Render the page.

    Args:
        spec: The spec.
    """
    return template("spi.md.j2").render(
        spec=spec,
        modules=_symbols_by_module(spec),
        families=[(family, _codes(_sdks(spec, family))) for family in spec.family],
        builtins=[(builtin, _contributions(builtin)) for builtin in spec.builtin],
        extras=_extras(spec),
    )


def _symbols_by_module(spec: Spec) -> dict[str, list[tuple[str, str, str]]]:
    """Group the symbols by module, in the order of ``spi.toml``."""
    modules: dict[str, list[tuple[str, str, str]]] = {}
    for reference, symbol in spec.symbols.items():
        module, _, name = reference.partition(":")
        role = f"{symbol.role} (open: a revision may add members)" if symbol.open else symbol.role
        modules.setdefault(module, []).append((name, symbol.since, role))
    return modules


def _sdks(spec: Spec, family: Family) -> list[str]:
    return [row.sdk for builtin in spec.builtin for row in builtin.workers if row.family == family.name]


def _contributions(builtin: Builtin) -> dict[str, str]:
    by_family: dict[str, list[str]] = {}
    for row in builtin.workers:
        by_family.setdefault(row.family, []).append(row.sdk)
    return {
        "backends": " · ".join(f"{family}: {_codes(sdks)}" for family, sdks in by_family.items()),
        "listers": _codes(builtin.lister.sdks if builtin.lister else []),
        "commands": _codes([f"pipelex {command.name}" for command in builtin.commands]),
        "extra": _codes([builtin.extra] if builtin.extra else []),
    }


def _extras(spec: Spec) -> list[tuple[str, str, str]]:
    """List each extra with what it brings and what for: those of the built-ins, then the others."""
    brought: dict[str, list[str]] = {}
    used_by: dict[str, list[str]] = {}
    for builtin in spec.builtin:
        if builtin.extra is not None:
            brought.setdefault(builtin.extra, []).extend(needed.requirement for needed in builtin.requires)
            used_by.setdefault(builtin.extra, []).append(builtin.name)
    rows = [
        (extra, _codes(list(dict.fromkeys(brought[extra]))), f"the built-in plugin {_codes(used_by[extra])}")
        for extra in sorted(brought)
    ]
    return [*rows, *((extra, "see pyproject.toml", role) for extra, role in sorted(spec.extras.items()))]


def _codes(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "-"
