"""The drivers of OpenAI's three APIs go through the same kit as a stranger's plugin, over a socket, with the SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipelex.cogt.model_backends.backend import InferenceBackend
from pipelex.cogt.model_backends.model_spec import CallPolicy, Capability
from pipelex.generated.builtins import OpenaiPlugin
from pipelex.testing.img_gen import ImgGenConformance
from pipelex.testing.llm import LLMConformance
from tests.providers.declared import declared
from tests.providers.openai.vendors import ChatVendor, ImagesVendor, ResponsesVendor

if TYPE_CHECKING:
    from pipelex.plugins.contract import PipelexPlugin

pytest_plugins = ["pipelex.testing"]

pytestmark = pytest.mark.counterpart("openai_docs", "img_gen:openai_img_gen", "llm:openai", "llm:openai_responses")

QUICK = CallPolicy(timeout_s=1.5, max_attempts=1, max_validation_retries=0)
IMAGES = frozenset(
    {
        *(Capability.IMAGES, Capability.COUNT, Capability.SIZE, Capability.QUALITY, Capability.OUTPUT_FORMAT),
        Capability.BACKGROUND,
    }
)


class TestOpenAI(LLMConformance):
    """Chat completions."""

    sdk = "openai"
    model_id = "gpt-x"
    capabilities = declared("openai")
    sdk_imports = ("openai",)
    extra = "openai"
    concurrency = 64
    policy = QUICK
    essential_keys = {  # noqa: RUF012 - as the kit declares it
        "choices*": "the choice says why the answer ended: without it, a stream may have been broken off",
    }

    def plugin(self) -> PipelexPlugin:
        return OpenaiPlugin()

    def vendor(self) -> ChatVendor:
        return ChatVendor()

    def backend(self, endpoint: str | None) -> InferenceBackend:
        return InferenceBackend(name="kit", endpoint=f"{endpoint}/v1", policy=self.policy)


class TestOpenAIResponses(LLMConformance):
    """The Responses API, which knows no seed and no stop texts."""

    sdk = "openai_responses"
    model_id = "gpt-x"
    capabilities = declared("openai_responses")
    sdk_imports = ("openai",)
    extra = "openai"
    policy = QUICK
    essential_keys = {  # noqa: RUF012 - as the kit declares it
        "type = *": "an event is known by its type: what a piece of the text is, and that the answer is whole",
    }

    plugin = TestOpenAI.plugin
    backend = TestOpenAI.backend

    def vendor(self) -> ResponsesVendor:
        return ResponsesVendor()


class TestOpenAIImages(ImgGenConformance):
    """The Images API."""

    sdk = "openai_img_gen"
    model_id = "gpt-image-x"
    capabilities = IMAGES
    sdk_imports = ("openai",)
    extra = "openai"
    policy = QUICK

    plugin = TestOpenAI.plugin
    backend = TestOpenAI.backend

    def vendor(self) -> ImagesVendor:
        return ImagesVendor()
