"""What a plugin's callables return, checked where it enters: workers, records of hooks, rows of listers, exit codes.

Registering checks the shape of a callable; that it returns what the contract asks for is known only when it has run.
A wrong value is an InvalidContributionError that names the plugin, the callable, what was expected and what came.
"""

from __future__ import annotations

import sys
from functools import cache, lru_cache
from types import CoroutineType, NoneType
from typing import TYPE_CHECKING, NamedTuple

from pipelex.plugins.raised import shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipelex.cogt.inference.inference_worker_abstract import InferenceWorkerAbstract
    from pipelex.cogt.model_backends.listed_model import ListedModel
    from pipelex.plugins.exceptions import InvalidContributionError

    Fields = Mapping[str, "Field"]


class Shape(NamedTuple):
    """What a hook's result holds.

    Attributes:
        hook: The name of the hook.
        content: The type of the content.
        items: The type of the items, where the content is a sequence of them.
    """

    hook: str
    content: type
    items: type | None = None


class Field(NamedTuple):
    """What a field of a record may hold.

    Attributes:
        types: The types of its value.
        items: The type of the items, where they are records.
    """

    types: tuple[type, ...]
    items: type | None = None


class Origin(NamedTuple):
    """Whose value is checked.

    Attributes:
        plugin_name: The plugin.
        what: The callable that returned the value (``"_gen_text of AcmeLLMWorker"``).
    """

    plugin_name: str
    what: str

    def error(self, expected: str, value: object, *, at: str = "") -> InvalidContributionError:
        """Make the error about a value.

        Args:
            expected: What the contract asks for.
            value: What came; shown briefly, since its repr may be long.
            at: The field at fault, where it is one of a record.
        """
        from pipelex.plugins.exceptions import InvalidContributionError

        if isinstance(value, CoroutineType):
            value.close()  # dropped, it would warn at a place that has nothing to do with it
        return InvalidContributionError(
            plugin_name=self.plugin_name, what=self.what + at, expected=expected, got=shown(value)
        )


def origin_of(worker: InferenceWorkerAbstract, hook: str) -> Origin:
    """Return whose hook it is. A worker that no factory made is named by the package of its class."""
    return _origin(type(worker), worker._plugin_name, hook)


@lru_cache(maxsize=256)  # with every call
def _origin(kind: type, plugin_name: str, hook: str) -> Origin:
    return Origin(plugin_name or kind.__module__.partition(".")[0], f"{hook} of {kind.__qualname__}")


def check_record(origin: Origin, record: object, kind: type, fields: Fields) -> None:
    """Check that a value is a record of a type, and that its fields hold what they are annotated with.

    Args:
        origin: Whose value it is.
        record: The value.
        kind: The record's type.
        fields: The types of the fields to look at.

    Raises:
        InvalidContributionError: It is not, or one of them does not.
    """
    shape = (kind, *map(type, getattr(record, "__dict__", {}).values())) if type(record) is kind else None
    if shape in _CHECKED:
        return
    if not isinstance(record, kind):
        raise origin.error(_words((kind,)), record)
    for name, field in fields.items():
        value = getattr(record, name)
        if type(value) not in field.types and not _is_of(value, field.types):
            raise origin.error(_words(field.types), value, at=f", field '{name}' of {kind.__name__}")
        if field.items is not None:
            for item in value:
                check_record(origin, item, field.items, fields_of(field.items))
    are_types_all = fields is fields_of(kind) and all(field.items is None for field in fields.values())
    if shape is not None and are_types_all and len(_CHECKED) < _MOST_CHECKED:
        _CHECKED.add(shape)


_MOST_CHECKED = 1000
_CHECKED: set[tuple[type, ...]] = set()
"""Records that are right: their type, and the types of the values in them, which are all that is checked."""


def check_content(origin: Origin, content: object, shape: Shape) -> None:
    """Check that the content of a result is of its family's type.

    Raises:
        InvalidContributionError: It is not, or one of its items is not.
    """
    if shape.items is None:
        fields = fields_of(shape.content)
        if fields or not isinstance(content, shape.content):
            check_record(origin, content, shape.content, fields)
        return
    if not isinstance(content, tuple | list):
        raise origin.error(f"a tuple of {shape.items.__name__}", content)
    for item in content:
        check_record(origin, item, shape.items, fields_of(shape.items))


@cache
def fields_of(kind: type) -> Fields:
    """Return what the fields of a record may hold, read from the annotations that name plain types.

    A tuple of records is one of them where the records are of the same module.
    """
    found: dict[str, Field] = {}
    for name, field in getattr(kind, "__dataclass_fields__", {}).items():
        parts = [str(part) for part in str(field.type).split(" | ")]
        types = [_PLAIN.get(part.partition("[")[0], ()) for part in parts]
        if all(types):
            items = vars(sys.modules[kind.__module__]).get(parts[0].partition("[")[2].partition(",")[0])
            found[name] = Field(tuple(member for several in types for member in several), items)
    return found


def check_worker(worker: InferenceWorkerAbstract, *, plugin_name: str) -> None:
    """Check that a worker's constructor called that of the base, and keep the plugin's name for its errors.

    Args:
        worker: What ``make_worker`` returned.
        plugin_name: The plugin.

    Raises:
        InvalidContributionError: The worker has no ``inference_model`` or no ``reporting_delegate``.
    """
    from pipelex.cogt.model_backends.model_spec import InferenceModelSpec

    worker._plugin_name = plugin_name
    held = worker.__dict__  # with every worker: few steps
    is_there = "reporting_delegate" in held and "inference_model" in held
    if is_there and isinstance(held["inference_model"], InferenceModelSpec):
        return
    expected = "super().__init__(inference_model=..., reporting_delegate=...) in it"
    raise origin_of(worker, "__init__").error(expected, held.get("inference_model"), at=", 'inference_model'")


def check_rows(origin: Origin, rows: object) -> Sequence[ListedModel] | None:
    """Check what a lister returned; ``None`` is a lister that wrote its own output.

    Raises:
        InvalidContributionError: It is no sequence of ListedModel, or a field of one is of another type.
    """
    from pipelex.cogt.model_backends.listed_model import ListedModel

    if rows is None:
        return None
    if not isinstance(rows, tuple | list):
        raise origin.error("a sequence of ListedModel, or None", rows)
    for row in rows:
        check_record(origin, row, ListedModel, fields_of(ListedModel))
    return rows


def check_exit_code(origin: Origin, code: object) -> int:
    """Check what a command returned.

    Raises:
        InvalidContributionError: It is no exit code.
    """
    if isinstance(code, int) and not isinstance(code, bool) and 0 <= code <= 255:
        return int(code)
    raise origin.error("an exit code (an int from 0, which is success, to 255)", code)


_PLAIN: Mapping[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (float, int),
    "bool": (bool,),
    "bytes": (bytes,),
    "tuple": (tuple, list),
    "None": (NoneType,),
}


def _is_of(value: object, types: tuple[type, ...]) -> bool:
    return isinstance(value, types) and (not isinstance(value, bool) or bool in types)


def _words(types: tuple[type, ...]) -> str:
    return " or ".join("None" if kind is NoneType else kind.__name__ for kind in types)
