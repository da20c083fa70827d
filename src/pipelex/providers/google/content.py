"""What Google's LLM and image workers share: how files are said, and how an answer is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.genai.types import FinishReason as GoogleFinishReason
from google.genai.types import MediaModality, Part

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
}


async def file_parts(files: Iterable[MediaSource]) -> list[Part]:
    """Return files as parts of a message. An address is fetched here: the API takes only those of its own storage."""
    parts: list[Part] = []
    for file in files:
        fetched = await file.fetched()
        parts.append(Part.from_bytes(data=fetched.data or b"", mime_type=fetched.media_type()))
    return parts


def answer_parts(response: GenerateContentResponse) -> list[Part]:
    """Return the parts of the first candidate that are answer and not thought."""
    candidate = response.candidates[0] if response.candidates else None
    content = candidate.content if candidate is not None else None
    return [part for part in (content.parts if content is not None else None) or [] if not part.thought]


def text_of(response: GenerateContentResponse) -> str:
    """Return the text of an answer, or of a piece of one."""
    return "".join(part.text or "" for part in answer_parts(response))


def finish_reason_of(response: GenerateContentResponse) -> FinishReason | None:
    """Return why the model stopped; ``None`` where the response does not say."""
    if response.prompt_feedback is not None and response.prompt_feedback.block_reason is not None:
        return FinishReason.CONTENT_FILTER
    candidate = response.candidates[0] if response.candidates else None
    if candidate is None or candidate.finish_reason is None:
        return None
    return _FINISH_REASONS.get(candidate.finish_reason, FinishReason.OTHER)


def usage_of(response: GenerateContentResponse, *, images: int | None = None) -> InferenceUsage | None:
    """Return the token counts. Google counts thoughts beside the answer; here they are part of it."""
    counts = response.usage_metadata
    if counts is None:
        return InferenceUsage(images=images) if images is not None else None
    written = [count for count in (counts.candidates_token_count, counts.thoughts_token_count) if count is not None]
    return InferenceUsage(
        input_tokens=counts.prompt_token_count,
        output_tokens=sum(written) if written else None,
        cached_input_tokens=counts.cached_content_token_count,
        reasoning_tokens=counts.thoughts_token_count,
        input_image_tokens=_image_tokens(counts.prompt_tokens_details),
        output_image_tokens=_image_tokens(counts.candidates_tokens_details),
        images=images,
    )


def _image_tokens(counts: Iterable[ModalityTokenCount] | None) -> int | None:
    """Return how many tokens are images; ``None`` where Google does not tell them apart."""
    if counts is None:
        return None
    return sum(count.token_count or 0 for count in counts if count.modality is MediaModality.IMAGE)
