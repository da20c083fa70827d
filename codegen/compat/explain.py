"""``explain``: the directions of a symbol, of its members and their parameters, with the paths that make them so."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from codegen.compat.reading.directions import infer, one_word, short
from codegen.compat.reading.outline import Outline
from codegen.errors import CodegenError, Problem
from pipelex.spi.stub_tree import ClassKind, ClassShape, FunctionShape, Method

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codegen.compat.model import Direction
    from codegen.compat.reading.directions import Directions, Path
    from pipelex.spi.stub_tree import TreeShape


def find_symbol(tree: TreeShape, wanted: str) -> str:
    """Return the full name of a symbol or member.

    Args:
        tree: The tree.
        wanted: ``module:Class.member``, or as much of its end as is unique.

    Raises:
        CodegenError: There is none, or more than one.
    """
    names = _all_names(tree)
    if wanted in names:
        return wanted
    found = [name for name in names if wanted in {short(name), name.replace(":", ".")}]
    found = found or [name for name in names if short(name).rpartition(".")[2] == wanted]
    if len(found) == 1:
        return found[0]
    if found:
        text = f"more than one symbol is called so; name one of: {', '.join(found)}"
    else:
        near = ", ".join(difflib.get_close_matches(wanted, [short(name) for name in names], n=3))
        text = f"no such symbol in {tree.label}{f'; nearest: {near}' if near else ''}"
    raise CodegenError(Problem("explain", 0, wanted, text))


def _all_names(tree: TreeShape) -> list[str]:
    names = []
    for key, shape in tree.shapes.items():
        names.append(key)
        if isinstance(shape, ClassShape):
            names += [f"{key}.{name}" for name in shape.members]
    return names


def explain(tree: TreeShape, wanted: str) -> str:
    """Explain a symbol or a member.

    Args:
        tree: The tree.
        wanted: What is asked for, as :func:`find_symbol` takes it.

    Raises:
        CodegenError: There is none, or more than one.
    """
    symbol, found = find_symbol(tree, wanted), infer(tree)
    shape = tree.shapes.get(symbol)
    lines = [f"{symbol}: {found.summary(symbol)[0].value}", *_ways(found.of(symbol), "  ")]
    if isinstance(shape, ClassShape):
        if shape.kind is ClassKind.ENUM:
            lines.append("  its members are values: an added one matters where the plugin receives them")
        for name in dict.fromkeys(name for one in tree.lineage(shape) for name in one.members):
            lines += _member(tree, shape, name, found)
    else:
        lines += _parameters(tree, symbol, found, "  ")
    return "\n".join(lines) + "\n"


def _member(tree: TreeShape, shape: ClassShape, name: str, found: Directions) -> Iterator[str]:
    owner = next(one for one in tree.lineage(shape) if name in one.members)
    if shape.kind is ClassKind.ENUM:
        return
    symbol = f"{owner.key}.{name}"
    ways = found.of(symbol)
    inherited = f" (of {owner.name})" if owner is not shape else ""
    direction = one_word(ways).value if ways else "no plugin uses it"
    yield ""
    yield f"  {name}{inherited}: {direction}"
    yield f"    {Outline().member(owner.members[name])}"
    yield from _ways(ways, "    ")
    yield from _parameters(tree, symbol, found, "    ")


def _parameters(tree: TreeShape, symbol: str, found: Directions, indent: str) -> Iterator[str]:
    method = _method(tree, symbol)
    for signature in method.signatures if method is not None else ():
        for param in signature.params:
            ways = found.parameters.get((symbol, param.name), {})
            word = {"plugin implements": "the plugin supplies it", "plugin calls": "the plugin receives it"}
            direction = one_word(ways).value if ways else ""
            yield f"{indent}  {param.name}: {word.get(direction, direction)}"


def _method(tree: TreeShape, symbol: str) -> Method | None:
    shape = tree.shapes.get(symbol)
    if isinstance(shape, FunctionShape):
        return shape.method
    key, _, name = symbol.rpartition(".")
    owner = tree.shapes.get(key)
    member = owner.members.get(name) if isinstance(owner, ClassShape) else None
    return member if isinstance(member, Method) else None


def _ways(ways: dict[Direction, Path], indent: str) -> Iterator[str]:
    for direction, path in ways.items():
        yield f"{indent}{direction.value}: {' > '.join(path)}"
