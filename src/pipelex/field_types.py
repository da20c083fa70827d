"""The types of the fields of our records, for pydantic.

A record may be a field of a user's own pydantic model. pydantic then looks for the types that its annotations name in
the record's module, which imports most of them for type checkers alone: they would make importing the contract slow.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipelex.exceptions import PipelexError


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


def _error_schema(cls: type, _source: object, _handler: Callable[[object], object]) -> object:
    """Return pydantic's schema of an error that is a field of a record: an instance, in JSON its ``to_dict()``."""
    from pydantic_core import core_schema

    written = core_schema.plain_serializer_function_ser_schema(
        lambda error: error.to_dict(), return_schema=core_schema.dict_schema()
    )
    kind: type[PipelexError] = cls
    instance = core_schema.is_instance_schema(cls)
    restored = core_schema.no_info_after_validator_function(kind.from_dict, core_schema.dict_schema())
    return core_schema.json_or_python_schema(restored, instance, serialization=written)


with_error_schema: classmethod[object, [object, Callable[[object], object]], object] = classmethod(_error_schema)
"""To be ``__get_pydantic_core_schema__`` of the root of our errors."""

BYTES_IN_JSON = {"ser_json_bytes": "base64", "val_json_bytes": "base64"}
"""To be ``__pydantic_config__`` of the class of a record that holds the bytes of a file."""
