"""The conformance kit on both sdks of the plugin: boto3 and aiobotocore, over a socket, on a replay of AWS's format."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pipelex.cogt.model_backends.backend import InferenceBackend
from pipelex.cogt.model_backends.model_spec import CallPolicy, Capability
from pipelex.generated.builtins import BedrockPlugin
from pipelex.testing.llm import LLMConformance
from pipelex.testing.loopback import HttpReply, HttpRequest, LoopbackVendor
from tests.providers.bedrock import frames, wire

if TYPE_CHECKING:
    from pipelex.cogt.inference.inference_result import InferenceResult
    from pipelex.cogt.model_backends.model_spec import InferenceModelSpec

pytest_plugins = ["pipelex.testing"]

pytestmark = pytest.mark.counterpart("aws_docs", "llm:bedrock_aioboto", "llm:bedrock_boto3")


class ConverseVendor(LoopbackVendor[str]):
    """Bedrock's Converse as its documentation describes it."""

    def reply(self, request: HttpRequest, answer: InferenceResult[str]) -> HttpReply:
        stop_reason = wire.STOP_REASONS[answer.finish_reason]
        if request.target.endswith("/converse-stream"):
            return frames.stream(*wire.events(answer.content, stop_reason=stop_reason))
        return HttpReply.json(wire.text(answer.content, stop_reason=stop_reason))

    def refusal(self, request: HttpRequest, status: int) -> HttpReply:
        return wire.error(status)

    def read_piece(self, piece: bytes) -> object:
        return super().read_piece(piece) if piece.startswith(b"{") else frames.read(piece)

    def write_piece(self, piece: bytes, data: object) -> bytes:
        return super().write_piece(piece, data) if piece.startswith(b"{") else frames.written(piece, data)


class TestBedrockAioboto(LLMConformance):
    sdk = "bedrock_aioboto"
    model_id = wire.MODEL_ID
    capabilities = frozenset(LLMConformance.family_capabilities) - {Capability.SEED}
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
