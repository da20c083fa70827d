"""The conformance kit, over a socket, with fal's own SDK and a replay of its queue."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from pipelex.cogt.img_gen.img_gen_job import GeneratedImage
from pipelex.generated.builtins import FalPlugin
from pipelex.testing.img_gen import ImgGenConformance
from pipelex.testing.loopback import HttpReply, HttpRequest, LoopbackVendor
from tests.providers.fal import wire
from tests.providers.replay import answer as json_answer
from tests.providers.replay import raw
from tests.providers.targets import KIT_POLICY

if TYPE_CHECKING:
    from pipelex.cogt.inference.inference_result import InferenceResult

pytest_plugins = ["pipelex.testing"]

pytestmark = pytest.mark.counterpart("fal_docs", "img_gen:fal")

_FILE = re.compile(r"/files/kit-[0-9a-f]{6}-(\d)\.png")


class FalVendor(LoopbackVendor[tuple[GeneratedImage, ...]]):
    """fal's queue as its documentation describes it: the id of a generation is the token of its prompt."""

    def reply(self, request: HttpRequest, answer: InferenceResult[tuple[GeneratedImage, ...]]) -> HttpReply:
        token = self.token_of(request)
        file = _FILE.fullmatch(request.target)
        if request.method == "POST":
            return json_answer(wire.submitted(token))
        if "/status" in request.target:
            return wire.COMPLETED
        if file is not None:
            return raw(answer.content[int(file[1])].data, content_type="image/png")
        addresses = [f"{self.server.url}/files/{token}-{number}.png" for number in range(len(answer.content))]
        return json_answer(wire.result(*addresses) if addresses else wire.result("unused", flagged=True))

    def refusal(self, request: HttpRequest, status: int) -> HttpReply:
        return json_answer({"detail": "The replay refuses this model"}, status=status)


class TestFal(ImgGenConformance):
    sdk = "fal"
    model_id = wire.MODEL_ID
    capabilities = frozenset(ImgGenConformance.family_capabilities)
    sdk_imports = ("fal_client", "httpx")
    extra = "fal"
    concurrency = 64
    policy = KIT_POLICY
    essential_keys = {  # noqa: RUF012 - as the kit declares it
        **dict.fromkeys(
            ("*_url = *", "request_id = *"), "the addresses of the queue: without them, nothing can be asked"
        ),
        **dict.fromkeys(
            ("images = *", "images.0 = *", "images.0.url = *"), "the address of the image, or what holds it"
        ),
    }
    sdk_refuses = dict.fromkeys(("status = *", "logs = *"), "the SDK reads every status by these keys")

    def plugin(self) -> FalPlugin:
        return FalPlugin()

    def vendor(self) -> FalVendor:
        return FalVendor()
