"""Where workers report what each call used: the protocol and its records."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from pipelex.field_types import with_field_types
from pipelex.records import dataclass

if TYPE_CHECKING:
    from pipelex.cogt.inference.inference_result import FinishReason
    from pipelex.plugins.inference_backend_registry import InferenceFamily

__all__ = ["CallOutcome", "InferenceRecord", "InferenceUsage", "ReportingProtocol"]


class CallOutcome(StrEnum):
    """How a call ended."""

    OK = "ok"
    """With its answer."""
    ERROR = "error"
    """With an error."""
    ABANDONED = "abandoned"
    """Its caller cancelled it, or left the stream before its end. The vendor may charge for it all the same."""


@dataclass(frozen=True, kw_only=True)
class InferenceUsage:
    """What a call used, as the vendor counts it. ``None`` is unknown, never zero.

    Attributes:
        input_tokens: Tokens read, the cached ones included.
        output_tokens: Tokens written, the reasoning ones included.
        cached_input_tokens: Those of ``input_tokens`` that came from a cache.
        cache_write_tokens: Those of ``input_tokens`` that were written into a cache.
        reasoning_tokens: Those of ``output_tokens`` that the model thought with.
        input_image_tokens: Those of ``input_tokens`` that are images.
        output_image_tokens: Those of ``output_tokens`` that are images.
        input_audio_tokens: Those of ``input_tokens`` that are audio.
        output_audio_tokens: Those of ``output_tokens`` that are audio.
        images: Images made.
        pages: Pages read.
        searches: Searches run.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_input_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    input_image_tokens: int | None = None
    output_image_tokens: int | None = None
    input_audio_tokens: int | None = None
    output_audio_tokens: int | None = None
    images: int | None = None
    pages: int | None = None
    searches: int | None = None

    def plus(self, other: InferenceUsage | None) -> InferenceUsage:
        """Add up what two parts of one call used; what either knows counts, what neither knows stays unknown."""
        if other is None:
            return self
        total = InferenceUsage()
        for name in vars(total):
            known = [value for value in (getattr(self, name), getattr(other, name)) if value is not None]
            object.__setattr__(total, name, sum(known) if known else None)
        return total

    def updated_by(self, later: InferenceUsage) -> InferenceUsage:
        """Return the counts after a later report of the same call: a later count replaces ours, but 0 replaces none."""
        updated = InferenceUsage()
        for name, count in vars(later).items():
            known = getattr(self, name)
            object.__setattr__(updated, name, count if count or known is None else known)
        return updated


@dataclass(frozen=True, kw_only=True)
class InferenceRecord:
    """One model call, as it is reported when it ends, well or badly.

    Attributes:
        operation: The worker's method (``"gen_text"``).
        family: The family of the call.
        backend_name: The configured backend.
        sdk: The sdk that served it.
        model: The model that was asked for, by its name in the catalogue.
        duration_s: Wall time in seconds, from the call to its end.
        outcome: How the call ended.
        started_at: When it began, in seconds since 1970-01-01 UTC, as ``time.time()`` counts them.
        first_piece_s: Seconds from the call to the first text or page of a stream; ``None`` where none came.
        attempts: How many requests it took: repeated ones, and questions asked again.
        model_id: The vendor's id of the model that was asked for, as it was sent.
        request_id: The vendor's id of the last request, to quote to its support, where it is known.
        model_served: The model that answered, as the vendor names it, where it says.
        usage: What the call used, where it is known; of an abandoned call, what was known by then.
        price_provider: Whose prices it is charged at, as genai-prices names the provider; ``None`` if unknown.
        cost_usd: What it cost in US dollars, where whoever reports it knows; else a report of the log works it out.
        finish_reason: Why the model stopped, where it answered.
        finish_detail: The same in the vendor's own words, where it says.
        error: The class name of the error that ended the call; ``None`` where none did.
    """

    operation: str
    family: InferenceFamily
    backend_name: str
    sdk: str
    model: str
    duration_s: float
    outcome: CallOutcome = CallOutcome.OK
    started_at: float | None = None
    first_piece_s: float | None = None
    attempts: int = 1
    model_id: str | None = None
    request_id: str | None = None
    model_served: str | None = None
    usage: InferenceUsage | None = None
    price_provider: str | None = None
    cost_usd: float | None = None
    finish_reason: FinishReason | None = None
    finish_detail: str | None = None
    error: str | None = None

    __get_pydantic_core_schema__ = with_field_types


@runtime_checkable
class ReportingProtocol(Protocol):
    """Receives a record of every model call."""

    def report_inference(self, record: InferenceRecord) -> None:
        """Take note of one call. Must be quick and safe under threads: the call waits for it.

        It runs in the context of the caller (``contextvars``), after an async call, a synchronous one and a stream
        alike: a ``ContextVar`` that the caller has set says which row or request the record belongs to. What it raises
        is logged under ``pipelex.reporting``, once for its class, and ignored: it never changes the outcome of a call.

        Args:
            record: The call.
        """
        ...
