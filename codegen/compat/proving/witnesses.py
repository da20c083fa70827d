"""Witnesses: of many small plugins the smallest that is clean on the old tree and fails on the new one.

Every candidate is type-checked against both trees, all of them in one run, as modules of two worlds in which the
package ``pipelex`` has another name.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from codegen.compat.asking.folding import mentions_variable, symbol_of
from codegen.compat.asking.typecheck import check
from codegen.compat.drafting.drafts import callables
from codegen.compat.model import Direction, Witness
from codegen.compat.proving.plugins import (
    derived_frozen,
    generic_uses,
    hashed,
    imported,
    ordered,
    replaced,
    subclass,
    uses,
)
from pipelex.spi.stub_tree import ClassShape, VariableShape, module_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from codegen.compat.drafting.draft import Draft
    from codegen.compat.model import CompatFinding
    from codegen.compat.reading.pair import Pair
    from codegen.compat.reading.trees import StubTree
    from pipelex.spi.type_check import Diagnostic

_IMPORT = re.compile(r"^(\s*(?:from|import) )(pipelex\b[\w.]*)", re.MULTILINE)
_IMPORTED = re.compile(r"^\s*(?:from|import) ([\w.]+)", re.MULTILINE)
_IN_WORLD = re.compile(r"\bw\d+(?:old|new)\.")
_ON_NEW = {"symbol-removed", "symbol-moved", "symbol-renamed"}
_OF_ALL_MEMBERS = {"record-frozen", "incompatible", "class-kind-changed"}
_OF_ONE_USE = {"hash-removed": hashed, "ordering-removed": ordered, "record-unfrozen": derived_frozen}
Job = tuple["Pair", "tuple[StubTree, StubTree]", "list[Draft]"]


def find_witnesses(jobs: Sequence[Job], cache: Path | None = None) -> list[list[CompatFinding]]:
    """Find a witness for every break.

    Args:
        jobs: For each pair of trees what was read of it, the trees as text, and the settled drafts.
        cache: Where the type checker keeps what it knows between runs.

    Returns:
        The findings of each job; a break without a witness stays one, unconfirmed.
    """
    benches = [_Bench(number, job) for number, job in enumerate(jobs)]
    modules: dict[str, str] = {}
    for bench in benches:
        modules |= bench.modules()
    errors = check(modules, cache) if modules else {}
    return [bench.findings(errors) for bench in benches]


class _Bench:
    """The candidates of one pair of trees."""

    def __init__(self, number: int, job: Job) -> None:
        self._pair, self._trees, self._drafts = job
        self._worlds = (f"w{number}old", f"w{number}new")
        self._candidates: dict[int, list[tuple[int, int]]] = {}
        self._sources: list[str] = []
        for place, draft in enumerate(self._drafts):
            if draft.broken:
                found = candidates(self._pair, draft)
                self._candidates[place] = [(rank, self._take(source)) for rank, source in found]

    def _take(self, source: str) -> int:
        if source not in self._sources:
            self._sources.append(source)
        return self._sources.index(source)

    def modules(self) -> dict[str, str]:
        """Return the modules to check: each candidate against either tree, and what they need of it."""
        (before, after), (old, new) = self._worlds, self._trees
        olds, news = ({f"{name}_plugin{at}": text for at, text in enumerate(self._sources)} for name in self._worlds)
        modules = world(before, old, olds) | world(after, new, news, dict.fromkeys(self._pair.shared, before))
        return _needed(modules, [*olds, *news])

    def findings(self, errors: Mapping[str, list[Diagnostic]]) -> list[CompatFinding]:
        """Return the findings, each with the smallest witness that holds."""
        found = []
        for place, draft in enumerate(self._drafts):
            finding = draft.finding()
            held = [
                (rank, witness)
                for rank, number in self._candidates.get(place, [])
                if (witness := self._witness(number, errors)) is not None
            ]
            if held:
                _, smallest = min(held, key=lambda one: (one[0], len(one[1].source)))
                finding = replace(finding, witness=smallest)
            found.append(finding)
        return found

    def _witness(self, number: int, errors: Mapping[str, list[Diagnostic]]) -> Witness | None:
        old, new = (errors.get(f"{world}_plugin{number}", []) for world in self._worlds)
        if old or not new:
            return None
        first = min(new, key=lambda error: error.line)
        return Witness(self._sources[number], first.line, first.code, _IN_WORLD.sub("", first.message))


def world(
    name: str, tree: StubTree, plugins: Mapping[str, str], elsewhere: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the modules of a world: a tree below a package of its own, and plugins that import from there.

    Args:
        name: The package.
        tree: The tree.
        plugins: The source of each plugin, by the name of its module.
        elsewhere: The modules of the tree that another world has already, each with its package.
    """
    homes = elsewhere or {}
    texts = {
        f"{name}.{module}.pyi": text for path, text in tree.files.items() if (module := module_of(path)) not in homes
    }
    renamed = {
        module: _IMPORT.sub(lambda found: f"{found[1]}{homes.get(found[2], name)}.{found[2]}", text)
        for module, text in (texts | dict(plugins)).items()
    }
    return {f"{name}.pyi": ""} | renamed


def _needed(modules: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    """Return some modules, and those that they import, over any number of steps; of a package all that is below it."""
    found: set[str] = set()
    pending = set(names)
    while pending:
        found |= pending
        imported = tuple({f"{name}." for key in pending for name in _IMPORTED.findall(modules[key])})
        pending = {key for key in modules.keys() - found if f"{key.removesuffix('.pyi')}.".startswith(imported)}
    return {key: text for key, text in modules.items() if key in found}


def candidates(pair: Pair, draft: Draft) -> Iterator[tuple[int, str]]:
    """Yield plugins that a break may break, each with its rank: those of the nearest direction come first.

    Args:
        pair: The trees.
        draft: The break.
    """
    old, key = pair.old, symbol_of(draft.symbol)
    shape = old.shapes.get(key)
    if draft.kind in _ON_NEW:
        yield 0, imported(old, key)
    elif draft.kind in _OF_ONE_USE and isinstance(shape, ClassShape):
        yield 0, _OF_ONE_USE[draft.kind](old, shape)
    elif isinstance(shape, VariableShape):
        yield from ((0, source) for source in generic_uses(old, key))
        for user, method, _ in callables(old.shapes.values()):
            if mentions_variable(method, key):
                yield from ((0, source) for source in uses(old, user, list(pair.was.of(user))))
    else:
        order = [*draft.ways, *Direction]
        broken = sorted(draft.broken, key=order.index) or [Direction.CALLS]
        for rank, way in enumerate(broken):
            yield from ((rank, source) for source in uses(old, draft.symbol, [way]))
        if draft.kind == "method-added" and isinstance(shape, ClassShape):
            yield from ((0, source) for source in replaced(old, shape, draft.symbol.rpartition(".")[2]))
        if draft.kind == "abstract-added" and isinstance(shape, ClassShape):
            yield 0, subclass(old, shape, make=True)
        if draft.kind in _OF_ALL_MEMBERS and isinstance(shape, ClassShape):
            for member in (f"{key}.{name}" for name in shape.members):
                yield from ((0, source) for source in uses(old, member, list(pair.was.of(member))))
