"""Two trees, read and matched, and which of their symbols a difference can reach.

All that follows looks at these symbols alone. A symbol is reached if its definition differs, or what it mentions is
reached, over any number of steps and in either tree: its bases, the types in its signatures, an alias, a type variable
with its bounds, a default. Of what is not reached all is the same in both trees, so each can replace the other.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from codegen.compat.reading.directions import infer
from codegen.compat.reading.identity import identify
from codegen.compat.reading.trees import read_shapes
from pipelex.spi.stub_tree import PACKAGE, is_documentation, module_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from codegen.compat.reading.directions import Directions
    from codegen.compat.reading.identity import Identity
    from codegen.compat.reading.trees import StubTree
    from pipelex.spi.stub_tree import TreeShape


@dataclass(frozen=True)
class Pair:
    """Two trees, read and matched.

    Attributes:
        old: The old tree.
        new: The new tree.
        identity: Which symbol is which.
        same: The modules that are the same text in both trees.
        reached: The symbols that a difference can reach; those of both trees by their old keys.
    """

    old: TreeShape
    new: TreeShape
    identity: Identity
    same: frozenset[str]
    reached: frozenset[str]

    @cached_property
    def was(self) -> Directions:
        """The directions in the old tree."""
        return infer(self.old)

    @cached_property
    def now(self) -> Directions:
        """The directions in the new tree."""
        return infer(self.new)

    @cached_property
    def shared(self) -> frozenset[str]:
        """The modules that are the same text in both trees, and so is all that they import, and all below a package."""
        importers: dict[str, set[str]] = {}
        for module in self.new.modules.values():
            for target in module.imports.values():
                importers.setdefault(target.partition(":")[0], set()).add(module.name)
        differing = _closure(self.new.modules.keys() - self.same, importers)
        packages = {name for name in self.same if any(one.startswith(f"{name}.") for one in differing)}
        return self.same - differing - packages

    def compared(self) -> Iterator[tuple[str, str]]:
        """Yield the old and the new key of each symbol of both trees that a difference can reach."""
        return ((old, new) for old, new in self.identity.pairs.items() if old in self.reached)


def read_pair(old: StubTree, new: StubTree) -> Pair:
    """Read two trees, and match their symbols.

    Args:
        old: The old tree.
        new: The new tree.

    Raises:
        CodegenError: A tree cannot be read.
    """
    before, after = read_shapes(old), read_shapes(new)
    identity = identify(before, after)
    same = frozenset(module_of(path) for path, text in old.files.items() if new.files.get(path) == text)
    return Pair(before, after, identity, same, reached(before, after, identity, same))


def reached(old: TreeShape, new: TreeShape, identity: Identity, same: frozenset[str]) -> frozenset[str]:
    """Return the symbols that a difference can reach.

    Args:
        old: The old tree.
        new: The new tree.
        identity: Which symbol is which.
        same: The modules that are the same text in both trees.
    """
    users: dict[str, set[str]] = {}
    pending = {*old.shapes, *map(identity.canonical, new.shapes)} - identity.pairs.keys()
    for key, other in identity.pairs.items():
        module = key.partition(":")[0]
        if module not in same and _stated(old, key, str) != _stated(new, other, identity.canonical):
            pending.add(key)
    for tree, canonical, unread in ((old, str, frozenset[str]()), (new, identity.canonical, same)):
        for key, other in _mentions(tree, unread):
            users.setdefault(canonical(other), set()).add(canonical(key))
            if other not in tree.shapes:  # a name that no tree defines, whatever becomes of it
                pending.add(canonical(key))
    return _closure(pending, users)


def _closure(start: set[str], users: Mapping[str, set[str]]) -> frozenset[str]:
    """Return what is to start with, and its users, over any number of steps."""
    found: set[str] = set()
    while start:
        found |= start
        start = {user for one in start for user in users.get(one, ())} - found
    return frozenset(found)


def _mentions(tree: TreeShape, unread: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Yield each symbol with what its definition mentions of the package.

    Args:
        tree: The tree.
        unread: Modules that are passed over.
    """
    for module in tree.modules.values():
        for name in module.shapes if module.name not in unread else ():
            for other in map(module.resolve, module.mentioned[name]):
                if ":" in other or other.partition(".")[0] == PACKAGE:
                    yield f"{module.name}:{name}", other


def _stated(tree: TreeShape, key: str, canonical: Callable[[str], str]) -> tuple[object, ...]:
    """Return all that a definition states: where and how it is written, what its names mean, if it is published."""
    name = key.partition(":")[2]
    module = tree.shapes[key].module
    meanings = [canonical(module.resolve(one)) for one in sorted(module.mentioned[name])]
    return key, _text(module.statements[name]), meanings, module.published is None or name in module.published


def _text(syntax: object) -> str:
    """Return syntax as text, whatever its layout and documentation."""
    if isinstance(syntax, list):
        return f"[{', '.join(_text(one) for one in syntax if not is_documentation(one))}]"
    if isinstance(syntax, ast.AST):
        return f"{type(syntax).__name__}({', '.join(_text(value) for _, value in ast.iter_fields(syntax))})"
    return repr(syntax)
