"""The conformance kit on both families of the plugin, over a socket, with Google's SDK and a replay of its format."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipelex.cogt.img_gen.img_gen_job import GeneratedImage
from pipelex.cogt.inference.inference_result import FinishReason
from pipelex.cogt.model_backends.model_spec import Capability
from pipelex.generated.builtins import GooglePlugin
from pipelex.testing.conversation import ConversationVendor
from pipelex.testing.img_gen import ImgGenConformance
from pipelex.testing.llm import LLMConformance
from pipelex.testing.loopback import HttpReply, HttpRequest, LoopbackVendor
from tests.providers.declared import declared
from tests.providers.google import wire
from tests.providers.targets import KIT_POLICY

if TYPE_CHECKING:
    from pipelex.cogt.inference.inference_result import InferenceResult
    from pipelex.cogt.llm.llm_job import LLMAnswer

pytest_plugins = ["pipelex.testing"]

pytestmark = pytest.mark.counterpart("google_docs", "img_gen:google", "llm:google")


class GeminiVendor(ConversationVendor):
    """The Gemini API as its documentation describes it, answering with text and function calls."""

    def reply_with(self, request: HttpRequest, answer: LLMAnswer) -> HttpReply:
        if ":countTokens" in request.target:
            return HttpReply.json({"totalTokens": wire.USAGE["promptTokenCount"]})
        reason = wire.FINISH_REASONS[answer.finish_reason or FinishReason.STOP]
        usage, parts = wire.usage(answer.usage), list(wire.parts(answer.parts))
        grounding = wire.grounding(answer.parts)
        if ":streamGenerateContent" in request.target:
            pieces = [piece for part in parts for piece in wire.pieces_of(part)]
            last = wire.response(*pieces[-1:], reason=reason, **usage)
            last["candidates"][0] |= grounding
            return HttpReply.events(
                [*(wire.response(piece, reason=None, **usage) for piece in pieces[:-1]), last], last=None
            )
        whole = wire.response(*parts, reason=reason, **usage)
        whole["candidates"][0] |= grounding
        return HttpReply.json(whole)

    def refusal(self, request: HttpRequest, status: int) -> HttpReply:
        return HttpReply.json(wire.error(status), status=status)


class GeminiImageVendor(LoopbackVendor[tuple[GeneratedImage, ...]]):
    """The Gemini API as its documentation describes it, answering with images."""

    def reply(self, request: HttpRequest, answer: InferenceResult[tuple[GeneratedImage, ...]]) -> HttpReply:
        reason = wire.FINISH_REASONS[answer.finish_reason]
        return HttpReply.json(wire.image(*(image.data for image in answer.content), reason=reason))

    def refusal(self, request: HttpRequest, status: int) -> HttpReply:
        return HttpReply.json(wire.error(status), status=status)


class TestGoogleLLM(LLMConformance):
    sdk = "google"
    model_id = wire.MODEL_ID
    capabilities = declared("google")
    sdk_imports = ("google.genai", "httpx2")
    extra = "google"
    concurrency = 64
    policy = KIT_POLICY
    essential_keys = {  # noqa: RUF012 - as the kit declares it
        "candidates*": "the candidate says why the answer ended: without it, it may not have",
    }

    def plugin(self) -> GooglePlugin:
        return GooglePlugin()

    def vendor(self) -> GeminiVendor:
        return GeminiVendor()


class TestGoogleImgGen(ImgGenConformance):
    sdk = "google"
    model_id = wire.IMAGE_MODEL_ID
    capabilities = frozenset({Capability.IMAGES, Capability.ASPECT_RATIO, Capability.QUALITY, Capability.SEED})
    sdk_imports = ("google.genai", "httpx2")
    extra = "google"
    concurrency = 64
    policy = KIT_POLICY

    def plugin(self) -> GooglePlugin:
        return GooglePlugin()

    def vendor(self) -> GeminiImageVendor:
        return GeminiImageVendor()
