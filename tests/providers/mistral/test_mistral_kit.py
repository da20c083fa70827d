"""The conformance kit on both families of the plugin: Mistral's own SDK, over a socket, and a replay of its format."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pipelex.cogt.inference.inference_result import FinishReason
from pipelex.cogt.llm.llm_job import ReasoningPart
from pipelex.cogt.model_backends.backend import InferenceBackend
from pipelex.cogt.model_backends.model_spec import CallPolicy, Capability
from pipelex.generated.builtins import MistralPlugin
from pipelex.testing.chat_completions import ChatCompletionsVendor
from pipelex.testing.extract import ExtractConformance
from pipelex.testing.llm import LLMConformance
from pipelex.testing.loopback import HttpReply, HttpRequest, LoopbackVendor
from tests.providers.declared import declared
from tests.providers.mistral import wire

if TYPE_CHECKING:
    from pipelex.cogt.extract.extract_job import ExtractedPage
    from pipelex.cogt.inference.inference_result import InferenceResult
    from pipelex.cogt.llm.llm_job import AssistantPart, LLMAnswer
    from pipelex.cogt.model_backends.model_spec import InferenceModelSpec
    from pipelex.reporting.reporting_protocol import InferenceUsage

pytest_plugins = ["pipelex.testing"]

pytestmark = pytest.mark.counterpart("mistral_docs", "extract:mistral", "llm:mistral")

_POLICY = CallPolicy(max_attempts=1, timeout_s=9.0)
_IMPATIENT = CallPolicy(timeout_s=1.0)


class ChatVendor(ChatCompletionsVendor):
    """Mistral's chat completions: the format of OpenAI, with thoughts as chunks of the content."""

    def message(self, answer: LLMAnswer) -> dict[str, object]:
        message = super().message(answer)
        thoughts = [self._thought(part) for part in answer.parts if isinstance(part, ReasoningPart)]
        text = [{"type": "text", "text": answer.text}] if answer.text else []
        return {**message, "content": [*thoughts, *text]} if thoughts else message

    def additions(self, part: AssistantPart) -> dict[str, object]:
        return {"content": [self._thought(part)]} if isinstance(part, ReasoningPart) else {}

    def usage(self, usage: InferenceUsage) -> dict[str, object]:
        return {**super().usage(usage), "num_cached_tokens": usage.cached_input_tokens}

    def refusal(self, request: HttpRequest, status: int) -> HttpReply:
        return HttpReply.json(wire.error(), status=status)

    @staticmethod
    def _thought(part: ReasoningPart) -> dict[str, object]:
        chunk: dict[str, object] = {"type": "thinking", "thinking": [{"type": "text", "text": part.text}]}
        return {**chunk, "signature": part.opaque} if part.opaque else chunk


class OcrVendor(LoopbackVendor["tuple[ExtractedPage, ...]"]):
    """Mistral's OCR as its documentation describes it."""

    def reply(self, request: HttpRequest, answer: InferenceResult[tuple[ExtractedPage, ...]]) -> HttpReply:
        return HttpReply.json(wire.ocr(*(self._page(page) for page in answer.content)))

    def refusal(self, request: HttpRequest, status: int) -> HttpReply:
        return HttpReply.json(wire.error(), status=status)

    @staticmethod
    def _page(page: ExtractedPage) -> dict[str, object]:
        corners = {"top_left_x": 1, "top_left_y": 2, "bottom_right_x": 3, "bottom_right_y": 4}
        images = [
            {"id": f"img-{index}", "image_base64": f"data:image/png;base64,{b64encode(image.data).decode()}", **corners}
            for index, image in enumerate(page.images)
        ]
        tables = [wire.table(index, table.text) for index, table in enumerate(page.tables)]
        return wire.page(page.number, page.text, images=images, tables=tables)


class TestMistralLLM(LLMConformance):
    sdk = "mistral"
    model_id = wire.MODEL_ID
    capabilities = declared("mistral")
    sdk_imports = ("mistralai",)
    extra = "mistral"
    cannot = {  # noqa: RUF012 - as the kit declares it
        FinishReason.CONTENT_FILTER: "Mistral documents no finish reason for it",
        Capability.SHOW_REASONING: "Mistral's reasoning models send their thoughts unasked",
    }
    concurrency = 64
    vendor_params = {"safe_prompt": True}  # noqa: RUF012 - its SDK takes none that it does not know
    essential_keys = {  # noqa: RUF012 - as the kit declares it
        "choices*": "the choice says why the answer ended: without it, a stream may have been broken off",
    }

    def plugin(self) -> MistralPlugin:
        return MistralPlugin()

    def vendor(self) -> ChatVendor:
        return ChatVendor()

    def model(self) -> InferenceModelSpec:
        return replace(super().model(), policy=_POLICY)

    def backend(self, endpoint: str | None) -> InferenceBackend:
        return InferenceBackend(name="kit", endpoint=endpoint, policy=_IMPATIENT)


class TestMistralExtract(ExtractConformance):
    sdk = "mistral"
    model_id = wire.OCR_MODEL_ID
    capabilities = frozenset({Capability.URL, Capability.PAGES, Capability.EMBEDDED_IMAGES, Capability.TABLES})
    sdk_imports = ("mistralai",)
    extra = "mistral"
    concurrency = 64

    def plugin(self) -> MistralPlugin:
        return MistralPlugin()

    def vendor(self) -> OcrVendor:
        return OcrVendor()

    def model(self) -> InferenceModelSpec:
        return replace(super().model(), policy=_POLICY)

    def backend(self, endpoint: str | None) -> InferenceBackend:
        return InferenceBackend(name="kit", endpoint=endpoint, policy=_IMPATIENT)
