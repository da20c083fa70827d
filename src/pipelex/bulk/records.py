"""Errors and usage of a row as JSON, and back."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING

from pipelex.bulk.cells import encodable
from pipelex.cogt.exceptions import InferenceError
from pipelex.cogt.inference.inference_result import PartialAnswer
from pipelex.exceptions import PipelexError
from pipelex.reporting.prices import cost_of
from pipelex.reporting.reporting_protocol import InferenceUsage

if TYPE_CHECKING:
    from pipelex.reporting.reporting_protocol import InferenceRecord


def error_to_json(error: PipelexError) -> str:
    """Return an error as JSON."""
    return encodable(json.dumps(error.to_dict(), ensure_ascii=False))


def error_from_json(text: str) -> PipelexError:
    """Return an error of the kind that was written, with its message, plain attributes, and what came of an answer."""
    data = json.loads(text)
    error = PipelexError.from_dict(data)
    if isinstance(error, InferenceError) and data.get("answer") is not None:
        from pydantic import TypeAdapter

        known = {field.name for field in fields(PartialAnswer)}
        answer = {name: value for name, value in data["answer"].items() if name in known}
        error.answer = TypeAdapter(PartialAnswer).validate_python(answer)
    return error


def usage_to_json(usage: InferenceUsage | None) -> str | None:
    """Return the known counts as JSON; ``None`` where there are none."""
    known = [f'"{name}": {count}' for name, count in vars(usage).items() if count is not None] if usage else None
    return f"{{{', '.join(known)}}}" if known else None


def usage_from_json(text: str | None) -> InferenceUsage | None:
    """Return the counts; those that this version does not know are left out."""
    if text is None:
        return None
    known = vars(InferenceUsage())
    return InferenceUsage(**{name: count for name, count in json.loads(text).items() if name in known})


def totals_of(records: list[InferenceRecord]) -> tuple[InferenceUsage | None, float | None, int | None]:
    """Return what the calls of a row used, what they cost, and how many requests they took, as far as that is known.

    The cost is unknown where that of one of the calls is.
    """
    usage: InferenceUsage | None = None
    total: float | None = None if not records else 0.0
    attempts = 0
    for record in records:
        attempts += record.attempts
        if record.usage is not None:
            usage = record.usage.plus(usage)
        cost = cost_of(record)
        total = None if cost is None or total is None else total + cost
    return usage, total, attempts or None
