"""The conformance kit, over a socket, with Hugging Face's own SDK and a replay of an Inference Endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipelex.cogt.img_gen.img_gen_job import GeneratedImage
from pipelex.cogt.inference.inference_result import FinishReason
from pipelex.cogt.model_backends.model_spec import Capability
from pipelex.generated.builtins import HuggingfacePlugin
from pipelex.testing.img_gen import ImgGenConformance
from pipelex.testing.loopback import HttpReply, HttpRequest, LoopbackVendor
from tests.providers.replay import raw
from tests.providers.targets import KIT_POLICY

if TYPE_CHECKING:
    from pipelex.cogt.inference.inference_result import InferenceResult

pytest_plugins = ["pipelex.testing"]

pytestmark = pytest.mark.counterpart("huggingface_docs", "img_gen:huggingface_img_gen")


class EndpointVendor(LoopbackVendor[tuple[GeneratedImage, ...]]):
    """An Inference Endpoint: it answers with the image itself.

    https://huggingface.co/docs/inference-providers/tasks/text-to-image
    """

    def reply(self, request: HttpRequest, answer: InferenceResult[tuple[GeneratedImage, ...]]) -> HttpReply:
        return raw(answer.content[0].data, content_type="image/png")

    def refusal(self, request: HttpRequest, status: int) -> HttpReply:
        return HttpReply.json({"error": "The replay refuses this model"}, status=status)


@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # of the SDK's own call of httpx2
class TestHuggingFace(ImgGenConformance):
    sdk = "huggingface_img_gen"
    model_id = "black-forest-labs/FLUX.1-schnell"
    capabilities = frozenset({Capability.NEGATIVE_TEXT, Capability.IMAGES, Capability.SIZE, Capability.SEED})
    sdk_imports = ("huggingface_hub", "PIL")
    extra = "huggingface"
    cannot = {  # noqa: RUF012 - as the kit declares it
        FinishReason.CONTENT_FILTER: "the format has no word for it: a provider refuses by a status",
    }
    concurrency = 64
    policy = KIT_POLICY

    def plugin(self) -> HuggingfacePlugin:
        return HuggingfacePlugin()

    def vendor(self) -> EndpointVendor:
        return EndpointVendor()
