"""One row of a model listing."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pipelex.field_types import with_field_types
from pipelex.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

__all__ = ["ListedModel"]

ValueT = TypeVar("ValueT")


@dataclass(frozen=True, kw_only=True)
class ListedModel:
    """A model as its vendor lists it.

    Attributes:
        id: The vendor's id of the model: what stands behind ``backend/``.
        created: When the model was made, with time zone, where the vendor says.
        owner: Who owns it, where the vendor says.
        context_window: The context window, in tokens, where the vendor says.
    """

    id: str
    created: datetime | None = None
    owner: str | None = None
    context_window: int | None = None

    __get_pydantic_core_schema__ = with_field_types

    @classmethod
    def rows_of(cls, body: object) -> list[ListedModel]:
        """Read a vendor's list of models, in whichever shape it comes. A row without an id is left out.

        Args:
            body: The answer: its bytes or text, or the JSON value that an SDK made of it. The rows are the array
                itself, or stand under ``data``, ``models`` or the like, once or twice; one row needs no array.

        Raises:
            InferenceError: The answer is an error, or there is no list in it.
            InferenceInvalidAnswerError: There are rows, and none of them has an id.
        """
        from pipelex.cogt.error_body import parsed, shortened
        from pipelex.cogt.exceptions import InferenceError, InferenceInvalidAnswerError

        value = parsed(body)
        rows = _rows_in(value)
        if rows is None or InferenceError.in_answer(value) is not None:
            raise InferenceError.from_answer(value, expected="a list of models")
        models = [model for row in rows if (model := cls._of_row(row)) is not None]
        if rows and not models:
            raise InferenceInvalidAnswerError(f"No row of the list of models has an id: {shortened(str(rows))}")
        return models

    @classmethod
    def _of_row(cls, row: object) -> ListedModel | None:
        model_id = row if isinstance(row, str) else _first(row, _IDS, str)
        if not model_id:
            return None
        window = _first(row, _WINDOWS, int)
        return cls(
            id=model_id,
            created=_date(_first(row, _DATES, object)),
            owner=_first(row, _OWNERS, str) or None,
            context_window=window if type(window) is int and window > 0 else None,
        )


_WRAPPERS = ("data", "models", "modelSummaries", "items", "results", "result")
_IDS = ("id", "model", "modelId", "name")
_DATES = ("created", "created_at", "createdAt")
_OWNERS = ("owned_by", "owner", "organization", "providerName")
_WINDOWS = (
    "context_length",  # OpenRouter, Together
    "context_window",  # Groq and others
    "max_model_len",  # vLLM
    "max_context_length",  # Mistral
    "max_input_tokens",  # Anthropic
)
_EARLIEST_YEAR, _LATEST_YEAR = 2000, 2100
_MILLISECONDS = 100_000_000_000  # a count of seconds this large is one of milliseconds


def _rows_in(value: object) -> list[object] | None:
    """Return the rows of an answer; ``None`` where it holds no list."""
    from pipelex.cogt.inference.answer_parts import items_of

    rows = value if isinstance(value, list) else _first(value, _WRAPPERS, list)
    if rows is None:
        inner = _first(value, _WRAPPERS, dict)
        rows = _first(inner, _WRAPPERS, list) or ([inner] if _first(inner, _IDS, str) else None)
    return items_of(rows) if rows is not None else None


def _first(row: object, names: Iterable[str], kind: type[ValueT]) -> ValueT | None:
    """Return the first value of a kind under one of the names."""
    values = (row.get(name) for name in names) if isinstance(row, dict) else ()
    return next((value for value in values if value is not None and isinstance(value, kind)), None)


def _date(value: object) -> datetime | None:
    """Read a date: seconds or milliseconds since 1970, or ISO 8601. One that cannot be meant is none."""
    from datetime import UTC, datetime

    try:
        number = float(str(value))
    except ValueError:
        try:
            found = datetime.fromisoformat(str(value))
        except ValueError:
            return None
        found = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    else:
        try:
            found = datetime.fromtimestamp(number / 1000 if number >= _MILLISECONDS else number, UTC)
        except (OverflowError, OSError, ValueError):
            return None
    return found if _EARLIEST_YEAR <= found.year < _LATEST_YEAR else None
