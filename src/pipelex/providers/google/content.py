"""What Google's LLM and image workers share: files as parts, and how an answer is read."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from google.genai.types import FinishReason as GoogleFinishReason
from google.genai.types import MediaModality, Part

from pipelex.cogt.inference.answer_parts import usage_of as read_usage
from pipelex.cogt.inference.inference_result import FinishReason
from pipelex.reporting.reporting_protocol import InferenceUsage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.genai.types import GenerateContentResponse, ModalityTokenCount

    from pipelex.cogt.inference.media import MediaSource

_FINISH_REASONS = {
    GoogleFinishReason.STOP: FinishReason.STOP,
    GoogleFinishReason.MAX_TOKENS: FinishReason.LENGTH,
    GoogleFinishReason.CONTINUATION: FinishReason.LENGTH,
    GoogleFinishReason.SAFETY: FinishReason.CONTENT_FILTER,
    GoogleFinishReason.RECITATION: FinishReason.CONTENT_FILTER,
    GoogleFinishReason.LANGUAGE: FinishReason.CONTENT_FILTER,
    GoogleFinishReason.BLOCKLIST: FinishReason.CONTENT_FILTER,
    GoogleFinishReason.PROHIBITED_CONTENT: FinishReason.CONTENT_FILTER,
    GoogleFinishReason.SPII: FinishReason.CONTENT_FILTER,
    GoogleFinishReason.IMAGE_SAFETY: FinishReason.CONTENT_FILTER,
    GoogleFinishReason.IMAGE_PROHIBITED_CONTENT: FinishReason.CONTENT_FILTER,
    GoogleFinishReason.IMAGE_RECITATION: FinishReason.CONTENT_FILTER,
    GoogleFinishReason.ESCALATION: FinishReason.CONTENT_FILTER,
    GoogleFinishReason.PUP_LIMITED_DISABLED: FinishReason.CONTENT_FILTER,
    GoogleFinishReason.MODEL_ARMOR: FinishReason.CONTENT_FILTER,
    GoogleFinishReason.MALFORMED_FUNCTION_CALL: FinishReason.UNFINISHED,
    GoogleFinishReason.MALFORMED_RESPONSE: FinishReason.UNFINISHED,
    GoogleFinishReason.UNEXPECTED_TOOL_CALL: FinishReason.UNFINISHED,
    GoogleFinishReason.TOO_MANY_TOOL_CALLS: FinishReason.UNFINISHED,
    GoogleFinishReason.MISSING_THOUGHT_SIGNATURE: FinishReason.UNFINISHED,
}


async def file_part(file: MediaSource) -> Part:
    """Return a file as a part of a message. An address is fetched here: the API takes only those of its own storage."""
    fetched = await file.fetched()
    return Part.from_bytes(data=fetched.data or b"", mime_type=fetched.media_type())


def all_parts(response: GenerateContentResponse) -> list[Part]:
    """Return the parts of the first candidate, thoughts and calls included."""
    candidate = response.candidates[0] if response.candidates else None
    content = candidate.content if candidate is not None else None
    return (content.parts if content is not None else None) or []


def answer_parts(response: GenerateContentResponse) -> list[Part]:
    """Return the parts of the first candidate that are answer and not thought."""
    return [part for part in all_parts(response) if not part.thought]


def text_of(response: GenerateContentResponse) -> str:
    """Return the text of an answer, or of a piece of one."""
    return "".join(part.text or "" for part in answer_parts(response))


def ending_of(response: GenerateContentResponse) -> tuple[FinishReason | None, str | None]:
    """Return why the model stopped, in our words and in Google's; ``None`` where the response does not say."""
    feedback = response.prompt_feedback
    if feedback is not None and feedback.block_reason is not None:
        return FinishReason.CONTENT_FILTER, feedback.block_reason_message or _word(feedback.block_reason)
    candidate = response.candidates[0] if response.candidates else None
    if candidate is None or candidate.finish_reason is None:
        return None, None
    reason = _FINISH_REASONS.get(candidate.finish_reason, FinishReason.OTHER)
    return reason, candidate.finish_message or _word(candidate.finish_reason)


def _word(said: object) -> str:
    return str(getattr(said, "value", said))


def usage_of(response: GenerateContentResponse, *, images: int | None = None) -> InferenceUsage | None:
    """Return the token counts.

    Google counts thoughts beside the answer, and what tools added beside the prompt; here they are part of them.
    """
    counts = response.usage_metadata
    usage = read_usage(
        counts,
        input_tokens="prompt_token_count+tool_use_prompt_token_count|tool_use_prompt_token_count",
        output_tokens="candidates_token_count+thoughts_token_count|thoughts_token_count",
        cached_input_tokens="cached_content_token_count",
        reasoning_tokens="thoughts_token_count",
    )
    if counts is None or usage is None:
        return InferenceUsage(images=images) if images is not None else None
    return replace(
        usage,
        input_image_tokens=_image_tokens(counts.prompt_tokens_details),
        output_image_tokens=_image_tokens(counts.candidates_tokens_details),
        images=images,
    )


def _image_tokens(counts: Iterable[ModalityTokenCount] | None) -> int | None:
    """Return how many tokens are images; ``None`` where Google does not tell them apart."""
    if counts is None:
        return None
    return sum(count.token_count or 0 for count in counts if count.modality is MediaModality.IMAGE)
