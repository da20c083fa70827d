"""The conformance kit on both sdks of the plugin: Anthropic's own SDK, over a socket, and a replay of its format."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pipelex.cogt.inference.inference_result import FinishReason
from pipelex.cogt.model_backends.backend import InferenceBackend
from pipelex.cogt.model_backends.model_spec import CallPolicy, Capability
from pipelex.generated.builtins import AnthropicPlugin
from pipelex.testing.conversation import ConversationVendor
from pipelex.testing.llm import LLMConformance
from pipelex.testing.loopback import HttpReply, HttpRequest
from tests.providers.anthropic import wire
from tests.providers.bedrock import frames
from tests.providers.declared import declared
from tests.providers.replay import named_sse

if TYPE_CHECKING:
    from pipelex.cogt.llm.llm_job import LLMAnswer
    from pipelex.cogt.model_backends.model_spec import InferenceModelSpec

pytest_plugins = ["pipelex.testing"]

pytestmark = pytest.mark.counterpart("anthropic_docs", "llm:anthropic", "llm:bedrock_anthropic")


class AnthropicVendor(ConversationVendor):
    """Anthropic's API as its documentation describes it."""

    def reply_with(self, request: HttpRequest, answer: LLMAnswer) -> HttpReply:
        message = self.message(answer)
        if request.target.partition("?")[0].endswith("/count_tokens"):
            return HttpReply.json({"input_tokens": wire.INPUT_TOKENS})
        if request.json().get("stream"):
            return named_sse(wire.events_of(message))
        return HttpReply.json(message)

    def message(self, answer: LLMAnswer) -> dict[str, Any]:
        reason = wire.STOP_REASONS[answer.finish_reason or FinishReason.STOP]
        made = wire.message("", stop_reason=reason)
        return {**made, "content": list(wire.blocks(answer.parts)), "usage": wire.usage(answer.usage)}

    def refusal(self, request: HttpRequest, status: int) -> HttpReply:
        return HttpReply.json(wire.error(status), status=status)


class BedrockVendor(AnthropicVendor):
    """Bedrock's InvokeModel with Claude behind it: the same messages, streams in AWS's frames."""

    def reply_with(self, request: HttpRequest, answer: LLMAnswer) -> HttpReply:
        if request.target.endswith("/invoke-with-response-stream"):
            events = wire.events_of(self.message(answer))
            return frames.stream(*(frames.chunk(event) for _, event in events))
        return HttpReply.json(self.message(answer))

    def refusal(self, request: HttpRequest, status: int) -> HttpReply:
        return HttpReply.json({"message": "The kit asked for it of this model"}, status=status)

    def read_piece(self, piece: bytes) -> object:
        return super().read_piece(piece) if piece.startswith(b"{") else frames.read(piece)

    def write_piece(self, piece: bytes, data: object) -> bytes:
        return super().write_piece(piece, data) if piece.startswith(b"{") else frames.written(piece, data)


class TestAnthropic(LLMConformance):
    sdk = "anthropic"
    model_id = wire.MODEL_ID
    capabilities = declared("anthropic", Capability.TEMPERATURE)
    sdk_imports = ("anthropic",)
    extra = "anthropic"
    concurrency = 64

    def plugin(self) -> AnthropicPlugin:
        return AnthropicPlugin()

    def vendor(self) -> AnthropicVendor:
        return AnthropicVendor()

    def model(self) -> InferenceModelSpec:
        return replace(super().model(), policy=CallPolicy(max_attempts=1, timeout_s=9.0))

    def backend(self, endpoint: str | None) -> InferenceBackend:
        return InferenceBackend(name="kit", endpoint=endpoint, policy=CallPolicy(timeout_s=1.0))


class TestBedrockAnthropic(TestAnthropic):
    sdk = "bedrock_anthropic"
    model_id = "anthropic.claude-haiku-4-5-20251001-v1:0"
    capabilities = declared("bedrock_anthropic", Capability.TEMPERATURE)
    sdk_refuses = {"type = *": "the SDK leaves out an event of Bedrock's without a type"}  # noqa: RUF012

    def vendor(self) -> BedrockVendor:
        return BedrockVendor()

    def backend(self, endpoint: str | None) -> InferenceBackend:
        return replace(super().backend(endpoint), extras={"region": "eu-west-1"})
