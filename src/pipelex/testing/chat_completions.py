"""A vendor that speaks chat completions, the format that most servers have copied."""

# Whole:     https://platform.openai.com/docs/api-reference/chat/object
# Streamed:  https://platform.openai.com/docs/api-reference/chat-streaming/streaming
# Reasoning: https://openrouter.ai/docs/guides/best-practices/reasoning-tokens#preserving-reasoning

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pipelex.cogt.inference.inference_result import FinishReason
from pipelex.cogt.llm.llm_job import ReasoningPart, TextPart, ToolCallPart
from pipelex.reporting.reporting_protocol import InferenceUsage
from pipelex.testing.conversation import ConversationVendor
from pipelex.testing.loopback import HttpReply

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pipelex.cogt.llm.llm_job import AssistantPart, LLMAnswer
    from pipelex.testing.loopback import HttpRequest

_PIECE = 7  # characters of a text in one chunk


class ChatCompletionsVendor(ConversationVendor):
    """Answers ``POST .../chat/completions``: texts, tool calls, usage, streamed where ``stream`` is set.

    Derive from it to set what a server adds to the format, or leaves out of it.
    """

    has_reasoning_details: ClassVar[bool] = False
    """Whether thoughts are in the answer, in blocks of their own, with their signatures."""
    has_citations: ClassVar[bool] = False
    """Whether citations are in the answer, as annotations ``url_citation``."""

    def reply_with(self, request: HttpRequest, answer: LLMAnswer) -> HttpReply:
        """Return an answer as one completion, or as its chunks."""
        body = request.json()
        frame = {"id": "chatcmpl-conformance", "created": 1_700_000_000, "model": body.get("model")}
        usage, reason = self.usage(answer.usage or InferenceUsage()), str(answer.finish_reason or FinishReason.STOP)
        if body.get("stream"):
            deltas: list[Mapping[str, object]] = [{"role": "assistant", "content": ""}, *self._deltas(answer), {}]
            reasons = [None] * (len(deltas) - 1) + [reason]
            choices = [
                [{"index": 0, "delta": delta, "finish_reason": why}] for delta, why in zip(deltas, reasons, strict=True)
            ]
            frame["object"] = "chat.completion.chunk"
            return HttpReply.events(
                [*({**frame, "choices": choice} for choice in choices), {**frame, "choices": [], "usage": usage}]
            )
        choice = {"index": 0, "message": self.message(answer), "logprobs": None, "finish_reason": reason}
        return HttpReply.json({**frame, "object": "chat.completion", "choices": [choice], "usage": usage})

    def refusal(self, request: HttpRequest, status: int) -> HttpReply:  # noqa: ARG002 - each request alike
        """Return an error of the format."""
        error = {"message": f"The kit asked for a {status}", "type": "invalid_request_error", "code": None}
        return HttpReply.json({"error": error}, status=status)

    def message(self, answer: LLMAnswer) -> dict[str, object]:
        """Return the message of an answer that is not streamed."""
        message: dict[str, object] = {"role": "assistant", "content": answer.text or None, "refusal": None}
        calls = [part for part in answer.parts if isinstance(part, ToolCallPart)]
        if calls:
            message["tool_calls"] = [_call(call) for call in calls]
        for part in answer.parts:
            message |= self.additions(part)
        return message

    def _deltas(self, answer: LLMAnswer) -> Iterator[Mapping[str, object]]:
        calls = 0
        for part in answer.parts:
            if isinstance(part, TextPart):
                pieces = [part.text[start : start + _PIECE] for start in range(0, len(part.text), _PIECE)]
                yield from ({"content": piece} for piece in pieces)
            elif isinstance(part, ToolCallPart):
                half = len(part.arguments) // 2
                yield {"tool_calls": [{"index": calls, **_call(part, part.arguments[:half])}]}
                yield {"tool_calls": [{"index": calls, "function": {"arguments": part.arguments[half:]}}]}
                calls += 1
            additions = self.additions(part)
            if additions:
                yield additions

    def additions(self, part: AssistantPart) -> dict[str, object]:
        """Return what servers add to a message for a part: thoughts in blocks, citations as annotations."""
        if isinstance(part, ReasoningPart) and self.has_reasoning_details:
            return {
                "reasoning": part.text,
                "reasoning_details": [
                    {"type": "reasoning.text", "text": part.text, "signature": part.opaque, "index": 0}
                ],
            }
        if isinstance(part, TextPart) and part.citations and self.has_citations:
            cited = [
                {"url": one.url, "title": one.title, "start_index": one.start, "end_index": one.end}
                for one in part.citations
            ]
            return {"annotations": [{"type": "url_citation", "url_citation": one} for one in cited]}
        return {}

    def usage(self, usage: InferenceUsage) -> dict[str, object]:
        """Return the counts; cached and reasoning tokens are parts of the totals."""
        cached = {"cached_tokens": usage.cached_input_tokens, "cache_write_tokens": usage.cache_write_tokens}
        return {
            "prompt_tokens": usage.input_tokens,
            "completion_tokens": usage.output_tokens,
            "total_tokens": (usage.input_tokens or 0) + (usage.output_tokens or 0),
            "prompt_tokens_details": cached,
            "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        }


def _call(call: ToolCallPart, arguments: str | None = None) -> dict[str, object]:
    function = {"name": call.name, "arguments": call.arguments if arguments is None else arguments}
    return {"id": call.id, "type": "function", "function": function}
