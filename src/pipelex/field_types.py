"""The types of the fields of our records, for pydantic.

A record may be a field of a user's own pydantic model. pydantic then looks for the types that its annotations name in
the record's module, which imports most of them for type checkers alone: they would make importing the contract slow.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def _schema(cls: type, source: object, handler: Callable[[object], object]) -> object:
    """Return pydantic's schema of a record.

    The imports that the record's module has under ``if TYPE_CHECKING:`` are carried out first.

    Args:
        cls: The record's class.
        source: The type of which pydantic wants a schema.
        handler: Makes the schema as pydantic would by itself.
    """
    import ast
    import inspect
    from importlib import import_module

    from pipelex.spi.imports import read_imports

    for base in cls.__mro__[:-1]:
        module = sys.modules[base.__module__]
        if module.__name__.startswith("pipelex."):
            for found in read_imports(ast.parse(inspect.getsource(module)), module.__name__):
                if found.type_only and found.name is not None:
                    vars(module).setdefault(found.bound, getattr(import_module(found.module), found.name))
    return handler(source)


with_field_types: classmethod[object, [object, Callable[[object], object]], object] = classmethod(_schema)
"""To be ``__get_pydantic_core_schema__`` of the class of a record."""
