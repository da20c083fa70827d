"""The decorator of the contract's records: ``dataclasses.dataclass``, made in a third of the time.

The whole contract has over fifty records, and the standard decorator compiles six functions for each: two thirds of
what importing the contract took. This one compiles ``__init__``; what the other five do needs no code of its own for
each class. Type checkers, and the generator of the stubs, see the standard decorator.
"""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import MISSING, FrozenInstanceError
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, NoReturn, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["dataclass"]

_T = TypeVar("_T")


class _Made:
    """The default that a signature shows for a field whose value a factory makes."""

    def __repr__(self) -> str:
        return "<factory>"


_MADE = _Made()


def _record(*, frozen: bool, kw_only: bool) -> Callable[[type[_T]], type[_T]]:
    """Make the decorator of a frozen dataclass whose fields are given by keyword.

    Args:
        frozen: ``True``: a record is a value.
        kw_only: ``True``: a new field may come anywhere.

    Returns:
        The decorator. Its classes are dataclasses to :func:`dataclasses.fields`, :func:`dataclasses.replace` and
        whatever else reads one; a class inherits from records only.

    Raises:
        TypeError: Another kind of dataclass is asked for.
    """
    if not (frozen and kw_only):
        raise TypeError("A record is frozen and takes keywords; for other dataclasses, use dataclasses.dataclass")
    return _make_record


def _make_record(cls: type[_T]) -> type[_T]:
    is_below_record = hasattr(cls, "__dataclass_fields__")
    own = vars(cls)
    methods = {name for name in ("__repr__", "__eq__", "__hash__") if own.get(name) is not None}
    # Where no base is frozen, the standard decorator is not asked for it: it would compile two methods.
    dataclasses.dataclass(init=False, repr=False, eq=False, kw_only=True, frozen=is_below_record)(cls)
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]  # it is one now
    written: dict[str, object] = {
        "__init__": _init_of(cls, fields),
        "__repr__": recursive_repr()(_repr),
        "__eq__": _eq_of([field.name for field in fields if field.compare]),
        "__hash__": _hash_of([field.name for field in fields if (field.compare if field.hash is None else field.hash)]),
    }
    if not is_below_record:
        written |= {"__setattr__": _refuse_to_set, "__delattr__": _refuse_to_delete}
    for name, method in written.items():
        if name not in methods:
            setattr(cls, name, method)
    params = vars(cls)["__dataclass_params__"]
    params.init = params.repr = params.eq = params.frozen = True
    return cls


def _init_of(cls: type, fields: tuple[dataclasses.Field[object], ...]) -> object:
    """Compile the constructor: fields without a default are required, as in every dataclass."""
    values: dict[str, object] = {"made": _MADE}
    parameters, stored = [], []
    for number, field in enumerate(fields):
        value, default = field.name, f"default_{number}"
        if field.default is not MISSING:
            values[default] = field.default
            parameter = f"{field.name}={default}"
            value = value if field.init else default
        elif field.default_factory is not MISSING:
            values[default] = field.default_factory
            parameter = f"{field.name}=made"
            value = f"{default}() if {value} is made else {value}" if field.init else f"{default}()"
        else:
            parameter = field.name
        if field.init:
            parameters.append(parameter)
        if field.init or not (field.default is MISSING and field.default_factory is MISSING):
            stored.append(f"{field.name}={value}")
    # One call for all fields: object.__setattr__, as the standard decorator calls it for each, takes twice as long.
    lines = [f"self.__dict__.update({', '.join(stored)})"]
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    signature = ", ".join(["self", "*", *parameters] if parameters else ["self"])
    text = "\n  ".join([f"def make({', '.join(values)}):\n def __init__({signature}):", *lines])
    scope: dict[str, Callable[..., Callable[..., None]]] = {}
    exec(f"{text}\n return __init__", vars(sys.modules[cls.__module__]), scope)  # noqa: S102 - as dataclasses does
    init = scope["make"](**values)
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    init.__annotations__ = {field.name: field.type for field in fields if field.init} | {"return": None}
    return init


def _repr(self: object) -> str:
    shown = [f"{field.name}={getattr(self, field.name)!r}" for field in dataclasses.fields(self) if field.repr]  # type: ignore[arg-type]  # a record
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _values_by(names: list[str]) -> Callable[[object], object]:
    """Return a function that takes these fields of a record."""
    return attrgetter(*names) if names else lambda _: ()


def _eq_of(names: list[str]) -> Callable[[object, object], bool]:
    values = _values_by(names)

    def __eq__(self: object, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return (values(self),) == (values(other),)  # in a tuple, what is the same object is equal

    return __eq__


def _hash_of(names: list[str]) -> Callable[[object], int]:
    values = _values_by(names)

    def __hash__(self: object) -> int:
        return hash((values(self),))

    return __hash__


def _refuse_to_set(_: object, name: str, __: object) -> NoReturn:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(_: object, name: str) -> NoReturn:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    dataclass = _record
