"""How many tokens a request counts as before its backend reports them."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelex.cogt.model_backends.model_spec import InferenceModelSpec

CHARACTERS_PER_TOKEN = 4
"""How many characters a token has, about."""


def estimated_tokens(job: object, model: InferenceModelSpec) -> int:
    """Return the characters of a job's texts / 4, and the longest answer that it asks for.

    Args:
        job: The job of any family.
        model: Its model, which knows the longest answer where the job does not say.
    """
    asked = getattr(getattr(job, "params", None), "max_tokens", None)
    return characters_of(job) // CHARACTERS_PER_TOKEN + (asked or model.max_output_tokens or 0)


def characters_of(value: object) -> int:
    """Count the characters of the texts in a record, of those in its fields, and so on."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, tuple | list):
        return sum(map(characters_of, value))
    if is_dataclass(value):
        return sum(characters_of(getattr(value, field.name)) for field in fields(value))
    return 0
