"""The conformance kit on both sdks of the plugin: boto3 and aiobotocore, over a socket, on a replay of AWS's format."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pipelex.cogt.inference.inference_result import FinishReason
from pipelex.cogt.model_backends.backend import InferenceBackend
from pipelex.cogt.model_backends.model_spec import CallPolicy
from pipelex.generated.builtins import BedrockPlugin
from pipelex.testing.conversation import ConversationVendor
from pipelex.testing.llm import LLMConformance
from pipelex.testing.loopback import HttpReply, HttpRequest
from tests.providers.bedrock import frames, wire
from tests.providers.declared import declared

if TYPE_CHECKING:
    from pipelex.cogt.llm.llm_job import LLMAnswer
    from pipelex.cogt.model_backends.model_spec import InferenceModelSpec

pytest_plugins = ["pipelex.testing"]

pytestmark = pytest.mark.counterpart("aws_docs", "llm:bedrock_aioboto", "llm:bedrock_boto3")


class ConverseVendor(ConversationVendor):
    """Bedrock's Converse as its documentation describes it."""

    def reply_with(self, request: HttpRequest, answer: LLMAnswer) -> HttpReply:
        if request.target.endswith("/count-tokens"):
            return HttpReply.json({"inputTokens": wire.USAGE["inputTokens"]})
        reason, usage = wire.STOP_REASONS[answer.finish_reason or FinishReason.STOP], wire.usage(answer.usage)
        if request.target.endswith("/converse-stream"):
            return frames.stream(*wire.events_of(answer.parts, stop_reason=reason, usage=usage))
        return HttpReply.json(wire.message(*wire.blocks(answer.parts), stop_reason=reason, **usage))

    def refusal(self, request: HttpRequest, status: int) -> HttpReply:
        return wire.error(status)

    def read_piece(self, piece: bytes) -> object:
        return super().read_piece(piece) if piece.startswith(b"{") else frames.read(piece)

    def write_piece(self, piece: bytes, data: object) -> bytes:
        return super().write_piece(piece, data) if piece.startswith(b"{") else frames.written(piece, data)


class TestBedrockAioboto(LLMConformance):
    sdk = "bedrock_aioboto"
    model_id = wire.MODEL_ID
    capabilities = declared("bedrock_aioboto")
    sdk_imports = ("boto3", "aiobotocore")
    extra = "bedrock"
    concurrency = 64
    essential_keys = {  # noqa: RUF012 - as the kit declares it
        "stopReason = *": "it says that a stream was not broken off",
    }
    sdk_refuses = {  # noqa: RUF012
        "* = another type": "botocore reads an answer by its model, and raises where a value is of another type",
        "delta.reasoningContent*": "a part of a stream has to hold something, or botocore raises",
    }

    def plugin(self) -> BedrockPlugin:
        return BedrockPlugin()

    def vendor(self) -> ConverseVendor:
        return ConverseVendor()

    def model(self) -> InferenceModelSpec:
        return replace(super().model(), policy=CallPolicy(max_attempts=1, timeout_s=9.0))

    def backend(self, endpoint: str | None) -> InferenceBackend:
        policy = CallPolicy(timeout_s=1.0)
        return InferenceBackend(name="kit", endpoint=endpoint, policy=policy, extras={"region": "eu-west-1"})


class TestBedrockBoto3(TestBedrockAioboto):
    sdk = "bedrock_boto3"
    capabilities = declared("bedrock_boto3")
