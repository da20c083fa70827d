"""What a driver's hook returns."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from pipelex.reporting.reporting_protocol import InferenceUsage

__all__ = ["FinishReason", "InferenceResult"]

ContentT_co = TypeVar("ContentT_co", covariant=True)


class FinishReason(StrEnum):
    """Why a model stopped."""

    STOP = "stop"
    """It was done."""
    LENGTH = "length"
    """It reached the token limit: the worker base turns this into an InferenceTruncatedError."""
    CONTENT_FILTER = "content_filter"
    """It, or a filter, refused: the worker base turns this into an InferenceRefusedError."""
    OTHER = "other"
    """A reason that the driver does not know."""


@dataclass(frozen=True, kw_only=True)
class InferenceResult(Generic[ContentT_co]):
    """The record that every hook returns; the caller of the public method gets its content.

    Attributes:
        content: The answer.
        usage: What the call used, where the vendor says.
        finish_reason: Why the model stopped.
        model_served: The model that answered, as the vendor names it, where it says.
    """

    content: ContentT_co
    usage: InferenceUsage | None = None
    finish_reason: FinishReason = FinishReason.STOP
    model_served: str | None = None
