"""What a class has without writing it: the hash, the ordering and the patterns that its decorator or kind brings."""

from __future__ import annotations

import ast
import builtins
from dataclasses import replace
from typing import TYPE_CHECKING

from codegen.compat.reading.directions import CONSTRUCTOR
from pipelex.spi.stub_tree import Attribute, ClassKind, Method, ParamKind, field_params

if TYPE_CHECKING:
    from pipelex.spi.stub_tree import ClassShape, Member, TreeShape


def constructed_as(tree: TreeShape, shape: ClassShape) -> Member | None:
    """Return the constructor of a class, which is there whether it is written or not; a protocol has what it states.

    Args:
        tree: The tree.
        shape: The class.
    """
    if shape.kind is ClassKind.PROTOCOL:
        return tree.find(shape, CONSTRUCTOR)
    return Method(CONSTRUCTOR, (tree.constructor(shape),))


def declared_as(tree: TreeShape, shape: ClassShape, attribute: Attribute) -> Attribute:
    """Return an attribute with the type that a base declares, where its own class gives it a new value and no type.

    Args:
        tree: The tree.
        shape: The class.
        attribute: The attribute.
    """
    if attribute.type is not None:
        return attribute
    for ancestor in tree.lineage(shape):
        declared = ancestor.members.get(attribute.name)
        if isinstance(declared, Attribute) and declared.type is not None:
            return replace(attribute, type=declared.type, writable=declared.writable)
    return attribute


def is_hashable(tree: TreeShape, shape: ClassShape) -> bool:
    """Return whether objects of a class can be hashed: be in a set, be the key of a dictionary.

    The rules are those of Python's data model (``__eq__`` without ``__hash__`` takes the hash away) and of
    :func:`dataclasses.dataclass` (``eq`` takes it away, unless ``frozen`` or ``unsafe_hash`` gives one).

    Args:
        tree: The tree.
        shape: The class.
    """
    for ancestor in tree.lineage(shape):
        written = ancestor.members.get("__hash__")
        options = ancestor.options
        if ancestor.kind is ClassKind.RECORD and options.unsafe_hash:
            return True
        if written is not None:
            return not (isinstance(written, Attribute) and written.value == "None")
        if ancestor.kind is ClassKind.TYPED_DICT:
            return False
        if ancestor.kind is ClassKind.RECORD and options.eq:
            return options.frozen
        if "__eq__" in ancestor.members:
            return False
    outside = (getattr(builtins, name.removeprefix("builtins."), object) for name in tree.ancestry(shape))
    return all(getattr(one, "__hash__", None) is not None for one in outside)


def is_ordered(tree: TreeShape, shape: ClassShape) -> bool:
    """Return whether objects of a class can be compared with ``<``.

    Args:
        tree: The tree.
        shape: The class.
    """
    made = any(one.kind is ClassKind.NAMED_TUPLE or one.options.order for one in tree.lineage(shape))
    return made or tree.find(shape, "__lt__") is not None


def match_args(tree: TreeShape, shape: ClassShape) -> tuple[str, ...]:
    """Return the fields that a pattern of a class takes by position: its ``__match_args__``.

    Args:
        tree: The tree.
        shape: The class.
    """
    for ancestor in tree.lineage(shape):
        written = ancestor.members.get("__match_args__")
        if isinstance(written, Attribute) and written.value is not None:
            stated = ast.walk(ast.parse(written.value))
            return tuple(str(node.value) for node in stated if isinstance(node, ast.Constant))
        if not ancestor.is_record or not ancestor.options.match_args or ancestor.kind is ClassKind.TYPED_DICT:
            continue
        records = [one for one in reversed(tree.lineage(ancestor)) if one.is_record]
        kinds = {param.name: param.kind for one in records for param in field_params(one)}
        return tuple(name for name, kind in kinds.items() if kind is not ParamKind.KEYWORD)
    return ()
