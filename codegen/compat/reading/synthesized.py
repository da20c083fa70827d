"""What a class has without writing it: the hash, the ordering and the patterns that its decorator or kind brings."""

from __future__ import annotations

import ast
import builtins
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from codegen.compat.reading.directions import CONSTRUCTOR
from pipelex.spi.stub_tree import (
    SELF,
    Attribute,
    ClassKind,
    Method,
    Param,
    ParamKind,
    Signature,
    Type,
    field_params,
    reference,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipelex.spi.stub_tree import ClassShape, Member, TreeShape


REPLACING: Mapping[str, str] = {
    "__bool__": "an object is tested for truth",
    "__len__": "an object is tested for truth",
    "__get__": "an object that a class holds is read",
    "__set__": "an object that a class holds is replaced",
    "__delete__": "an object that a class holds is deleted",
}
"""Special methods that replace what each object does without them, with when Python calls them."""
PRINTING = {"__str__", "__repr__", "__format__"}
"""Special methods that each object has: without one of its own, an object of a class is printed in another way."""


def constructed_as(tree: TreeShape, shape: ClassShape) -> Member | None:
    """Return the constructor of a class, which is there whether it is written or not; a protocol has what it states.

    Args:
        tree: The tree.
        shape: The class.
    """
    if shape.kind is ClassKind.PROTOCOL:
        return tree.find(shape, CONSTRUCTOR)
    return Method(CONSTRUCTOR, tree.constructors(shape))


def made_by(tree: TreeShape, shape: ClassShape) -> str:
    """Return which method makes the objects of a class; what ``__new__`` returns, too, where that is another class.

    Args:
        tree: The tree.
        shape: The class.
    """
    for at in tree.lineage(shape):
        written = at.members.get("__new__") if CONSTRUCTOR not in at.members else None
        if isinstance(written, Method):
            returns = written.signature.returns
            if returns is None or reference(returns) in SELF:
                return "__new__"
            return f"__new__ of {'its class' if reference(returns) == at.key else ast.unparse(returns.node)}"
        if CONSTRUCTOR in at.members:
            break
    return CONSTRUCTOR


def replaced_method(tree: TreeShape, shape: ClassShape, name: str) -> Method | None:
    """Return the method that Python uses as long as a class has no special method of a given name.

    Args:
        tree: The tree.
        shape: The class.
        name: The special method: ``__contains__``, for which Python iterates; ``__iadd__``, for which it adds.
    """
    is_iterable = any(isinstance(tree.find(shape, one), Method) for one in ("__iter__", "__getitem__"))
    if name in {"__eq__", "__ne__"} or (name == "__contains__" and is_iterable):
        anything, boolean = (Type(ast.Name(one), shape.module) for one in ("object", "bool"))
        return Method(name, (Signature((Param("value", ParamKind.POSITIONAL_ONLY, anything),), boolean),))
    if name == "__new__":
        return Method(CONSTRUCTOR, tree.constructors(shape))
    plain = tree.find(shape, f"__{name[3:]}") if name.startswith("__i") else None
    return plain if isinstance(plain, Method) else None


def left_abstract(tree: TreeShape, shape: ClassShape) -> set[str]:
    """Return the methods that bases outside the tree leave to a class, and that it does not write.

    Args:
        tree: The tree.
        shape: The class.
    """
    names = {name for base in _outside(tree, shape) for name in getattr(base, "__abstractmethods__", ())}
    return {name for name in names - _written_outside(tree, shape) if tree.find(shape, name) is None}


def has_from_outside(tree: TreeShape, shape: ClassShape, name: str) -> bool:
    """Return whether a class inherits a member from a base outside the tree that not every class has.

    Args:
        tree: The tree.
        shape: The class.
        name: The member.
    """
    return not hasattr(object, name) and name in _written_outside(tree, shape)


def _outside(tree: TreeShape, shape: ClassShape) -> list[type]:
    """Return the bases of a class outside the tree, as far as they are known."""
    of_kind = {ClassKind.NAMED_TUPLE: "builtins.tuple", ClassKind.TYPED_DICT: "builtins.dict"}
    names = [one for one in tree.ancestry(shape) if ":" not in one] + [of_kind.get(shape.kind, "builtins.object")]
    places = (one.rpartition(".") for one in names)
    return [getattr(sys.modules.get(module), bare, object) for module, _, bare in places]


def _written_outside(tree: TreeShape, shape: ClassShape) -> set[str]:
    members = (pair for base in _outside(tree, shape) for pair in vars(base).items())
    return {name for name, member in members if not getattr(member, "__isabstractmethod__", False)}


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
            return isinstance(written, Method)
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
