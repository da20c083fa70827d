"""What goes into an LLM call, and the pieces in which an answer comes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelex.cogt.inference.inference_result import FinishReason
    from pipelex.cogt.inference.media import MediaSource
    from pipelex.reporting.reporting_protocol import InferenceUsage

__all__ = ["LLMJob", "LLMJobParams", "LLMPrompt", "LLMTextChunk", "ReasoningEffort"]


class ReasoningEffort(StrEnum):
    """How long a reasoning model may think."""

    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, kw_only=True)
class LLMPrompt:
    """What the model is told.

    Attributes:
        user_text: The user's text.
        system_text: An instruction beside it.
        images: Images to look at.
        documents: PDF documents to read.
    """

    user_text: str
    system_text: str | None = None
    images: tuple[MediaSource, ...] = ()
    documents: tuple[MediaSource, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LLMJobParams:
    """How the model is to answer. What is ``None`` is left to the model; what is set and undeclared is refused.

    Attributes:
        temperature: Randomness, from 0 (none) upwards, on the vendor's scale.
        max_tokens: The longest answer, in tokens.
        seed: The seed of the randomness: the same seed, the same answer, where the model honours it.
        stop: Texts at which the answer ends.
        reasoning_effort: How long a reasoning model may think.
    """

    temperature: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    reasoning_effort: ReasoningEffort | None = None


@dataclass(frozen=True, kw_only=True)
class LLMJob:
    """One LLM call.

    Attributes:
        prompt: What the model is told.
        params: How it is to answer.
    """

    prompt: LLMPrompt
    params: LLMJobParams = LLMJobParams()

    @classmethod
    def of(cls, source: LLMJob | str) -> LLMJob:
        """Make a job of a text; a job is returned as it is."""
        return cls(prompt=LLMPrompt(user_text=source)) if isinstance(source, str) else source


@dataclass(frozen=True, kw_only=True)
class LLMTextChunk:
    """A piece of a streamed answer. The worker base puts the pieces together; each one holds what it adds.

    Attributes:
        text: The new text; may be empty.
        usage: What the whole call has used so far. A later count replaces an earlier one, but 0 replaces none.
        finish_reason: Why the model stopped. Of several, the strongest counts: CONTENT_FILTER, then LENGTH,
            UNFINISHED, OTHER, STOP.
        finish_detail: The same in the vendor's own words. The pieces of a sentence are joined.
        model_served: The model that answers, as the vendor names it.
        has_reasoning: Whether the piece is, or holds, reasoning.
        has_tool_calls: Whether the piece is, or holds, a tool call.
    """

    text: str
    usage: InferenceUsage | None = None
    finish_reason: FinishReason | None = None
    finish_detail: str | None = None
    model_served: str | None = None
    has_reasoning: bool = False
    has_tool_calls: bool = False
