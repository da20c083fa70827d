"""OpenAI as the conformance kit's orders have it: the same answers, in the format of each API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.cogt.inference.inference_result import FinishReason
from pipelex.testing.chat_completions import ChatCompletionsVendor
from pipelex.testing.conversation import ConversationVendor
from pipelex.testing.loopback import HttpReply, HttpRequest, LoopbackVendor
from tests.providers.openai import wire

if TYPE_CHECKING:
    from pipelex.cogt.img_gen.img_gen_job import GeneratedImage
    from pipelex.cogt.inference.inference_result import InferenceResult
    from pipelex.cogt.llm.llm_job import LLMAnswer

_INCOMPLETE = {FinishReason.LENGTH: "max_output_tokens", FinishReason.CONTENT_FILTER: "content_filter"}


def refuse(status: int) -> HttpReply:
    """Say an error as OpenAI does."""
    return HttpReply.json(
        wire.error(f"The kit asked for a {status} of this model"), status=status, headers={"x-request-id": "req-9"}
    )


def pieces_of(text: str) -> list[str]:
    """Cut a text into pieces as a stream does."""
    return [text[start : start + 7] for start in range(0, len(text), 7)]


class ChatVendor(ChatCompletionsVendor):
    """Chat completions, with what OpenRouter adds."""

    has_reasoning_details = True
    has_citations = True

    def refusal(self, request: HttpRequest, status: int) -> HttpReply:
        return refuse(status)


class ResponsesVendor(ConversationVendor):
    """The Responses API."""

    def reply_with(self, request: HttpRequest, answer: LLMAnswer) -> HttpReply:
        if request.target.endswith("/input_tokens"):
            return HttpReply.json(
                {"object": "response.input_tokens", "input_tokens": wire.RESPONSE_USAGE["input_tokens"]}
            )
        body = request.json()
        incomplete = _INCOMPLETE.get(answer.finish_reason or FinishReason.STOP)
        items = wire.items(answer.parts)
        whole = {
            **wire.response("", model=str(body["model"]), incomplete=incomplete),
            "output": items,
            "usage": wire.response_usage(answer.usage),
        }
        return wire.item_events(whole) if body.get("stream") else HttpReply.json(whole)

    def refusal(self, request: HttpRequest, status: int) -> HttpReply:
        return refuse(status)


class ImagesVendor(LoopbackVendor["tuple[GeneratedImage, ...]"]):
    """The Images API; a filter's refusal is an error there."""

    def reply(self, request: HttpRequest, answer: InferenceResult[tuple[GeneratedImage, ...]]) -> HttpReply:
        if answer.finish_reason is FinishReason.CONTENT_FILTER:
            return HttpReply.json(wire.error("Your request was rejected", code="moderation_blocked"), status=400)
        return HttpReply.json(wire.images([image.data for image in answer.content], size="1x1"))

    def refusal(self, request: HttpRequest, status: int) -> HttpReply:
        return refuse(status)
