"""Rows of ``spi.toml`` against the published definitions: families, open enums, kinds of contribution."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from codegen.source import dotted_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from codegen.errors import Problem
    from codegen.source import SourceModule
    from codegen.spec import SpecFile

REGISTRAR = "pipelex.plugins.registrar:PluginRegistrar"
"""The published class whose ``add_`` methods are what a plugin may contribute."""


def check_rows(sources: Mapping[str, SourceModule], spec_file: SpecFile) -> Iterator[Problem]:
    """Yield what the rows state and the definitions do not.

    Args:
        sources: The published modules, read.
        spec_file: The spec.
    """
    spec = spec_file.spec
    for index, family in enumerate(spec.family):
        if (ancestry := _ancestry(sources, family.worker)) and "abc:ABC" not in ancestry:
            text = f"'{family.worker}' is no worker base; expected a published class that derives from ABC"
            yield spec_file.problem(("family", index, "worker"), text)
    for reference, symbol in spec.symbols.items():
        is_enum = any(base.startswith("enum:") for base in _ancestry(sources, reference))
        if symbol.open and not is_enum and _definition(sources, reference) is not None:
            yield spec_file.problem(("symbols", reference, "open"), "only an enum can be open; leave it out")
    yield from _check_contributions(sources, spec_file)


def _check_contributions(sources: Mapping[str, SourceModule], spec_file: SpecFile) -> Iterator[Problem]:
    node = _definition(sources, REGISTRAR)
    stated = sorted(spec_file.spec.contributions)
    if not stated or not isinstance(node, cst.ClassDef):
        return
    methods = [child.name.value for child in node.body.body if isinstance(child, cst.FunctionDef)]
    there = sorted(name.removeprefix("add_") for name in methods if name.startswith("add_"))
    if there != stated:
        text = f"not the add_ methods of '{REGISTRAR}'; expected {', '.join(there)}"
        yield spec_file.problem(("contributions",), text)


def _definition(sources: Mapping[str, SourceModule], reference: str) -> cst.CSTNode | None:
    module, _, name = reference.partition(":")
    definition = sources[module].definitions.get(name) if module in sources else None
    return definition.node if definition is not None else None


def _ancestry(sources: Mapping[str, SourceModule], reference: str) -> set[str]:
    """Return a published symbol with its bases, and theirs; nothing where it is not there to be read."""
    node = _definition(sources, reference)
    if node is None:
        return set()
    found = {reference}
    module = reference.partition(":")[0]
    for base in node.bases if isinstance(node, cst.ClassDef) else ():
        name = dotted_name(base.value)
        origin = sources[module].imports.get(name, f"{module}:{name}")
        found |= {origin} | _ancestry(sources, origin)
    return found
