"""What a driver's hook returns, and what is kept of an answer where a call fails."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Generic, TypeVar

from pipelex.field_types import with_field_types
from pipelex.records import dataclass

if TYPE_CHECKING:
    from pipelex.reporting.reporting_protocol import InferenceUsage

__all__ = ["FinishReason", "InferenceResult", "PartialAnswer"]

ContentT_co = TypeVar("ContentT_co", covariant=True)


class FinishReason(StrEnum):
    """Why a model stopped."""

    STOP = "stop"
    """It was done."""
    LENGTH = "length"
    """It reached the token limit: the worker base turns this into an InferenceTruncatedError."""
    CONTENT_FILTER = "content_filter"
    """It, or a filter, refused: the worker base turns this into an InferenceRefusedError."""
    UNFINISHED = "unfinished"
    """It stopped, or was stopped, before it was done (paused, cancelled, a broken tool call): the worker base turns
    this into an InferenceInvalidAnswerError."""
    TOOL_CALLS = "tool_calls"
    """It calls tools and waits for their results (LLM)."""
    OTHER = "other"
    """A reason that the driver does not know."""


@dataclass(frozen=True, kw_only=True)
class PartialAnswer:
    """What is known of the answer of a call that failed: the attribute ``answer`` of its error.

    Attributes:
        text: The text that came; empty where none did.
        usage: What the whole call used, repeated attempts included, where the vendor says.
        finish_reason: Why the model stopped, where it says.
        finish_detail: The same in the vendor's own words: its finish reason, or its sentence about a refusal.
        model_served: The model that answered, as the vendor names it, where it says.
    """

    text: str = ""
    usage: InferenceUsage | None = None
    finish_reason: FinishReason | None = None
    finish_detail: str | None = None
    model_served: str | None = None

    __get_pydantic_core_schema__ = with_field_types


@dataclass(frozen=True, kw_only=True)
class InferenceResult(Generic[ContentT_co]):
    """The record that every hook returns; the caller of the public method gets its content.

    Attributes:
        content: The answer.
        usage: What the call used, where the vendor says.
        finish_reason: Why the model stopped.
        finish_detail: The same in the vendor's own words: its finish reason, or its sentence about a refusal.
        model_served: The model that answered, as the vendor names it, where it says.
    """

    content: ContentT_co
    usage: InferenceUsage | None = None
    finish_reason: FinishReason = FinishReason.STOP
    finish_detail: str | None = None
    model_served: str | None = None

    __get_pydantic_core_schema__ = with_field_types
