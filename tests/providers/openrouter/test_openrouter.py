"""OpenRouter: its Image API, and what it adds to chat completions.

The answers are written after https://openrouter.ai/docs/guides/overview/multimodal/image-generation and
https://openrouter.ai/docs/api-reference/errors; nothing was recorded. OpenRouter's own client, which is generated from
its API, says whether they and our requests are right.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from pipelex.cogt.exceptions import InferenceRateLimitError, InferenceRequestError, InferenceServerError
from pipelex.cogt.img_gen.img_gen_job import GeneratedImage, ImgGenJob, ImgGenJobParams, ImgGenPrompt
from pipelex.cogt.inference.inference_result import FinishReason
from pipelex.cogt.inference.media import MediaSource
from pipelex.cogt.model_backends.backend import InferenceBackend
from pipelex.cogt.model_backends.model_spec import Capability
from pipelex.generated.builtins import OpenrouterPlugin
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.reporting.reporting_protocol import InferenceUsage
from pipelex.testing import samples
from pipelex.testing.img_gen import ImgGenConformance
from pipelex.testing.loopback import HttpReply, HttpRequest
from tests.providers import replay as scripted
from tests.providers.calls import KEY, Caller
from tests.providers.openai import wire
from tests.providers.openai.test_openai_kit import QUICK
from tests.providers.openai.vendors import ImagesVendor

if TYPE_CHECKING:
    from pipelex.cogt.inference.inference_result import InferenceResult
    from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
    from pipelex.plugins.contract import PipelexPlugin
    from tests.providers.replay import Replay

pytest_plugins = ["pipelex.testing"]

pytestmark = [
    pytest.mark.counterpart("openrouter_client", "img_gen:openrouter_img_gen"),
    pytest.mark.counterpart("openrouter_docs", "img_gen:openrouter_img_gen"),
]

PNG, JPEG = samples.png("kit-000001"), b"\xff\xd8\xff\xe0 no real picture"


def images(replay: Replay) -> Caller:
    return Caller(
        plugin=OpenrouterPlugin(),
        family=InferenceFamily.IMG_GEN,
        sdk="openrouter_img_gen",
        endpoint=f"{replay.url}/api/v1",
    )


def answer_of(data: bytes, media_type: str) -> HttpReply:
    row = {"b64_json": base64.b64encode(data).decode(), "media_type": media_type}
    made = {"completion_tokens": 1290, "completion_tokens_details": {"image_tokens": 1280}}
    return scripted.answer(
        {"created": 1, "data": [row], "usage": {"prompt_tokens": 9, **made, "total_tokens": 1299, "cost": 0.04}}
    )


def test_openrouters_own_client_sends_the_same_and_reads_the_same(replay: Replay) -> None:
    from openrouter import OpenRouter

    replay.on("POST /api/v1/images", answer_of(JPEG, "image/jpeg"))
    params = ImgGenJobParams(
        size=(2048, 1024),
        aspect_ratio="2:1",
        quality="high",
        output_format="jpeg",
        background="opaque",
        seed=0,
    )
    pictures = (MediaSource(data=PNG), MediaSource(url="https://example.org/a.png"))
    job = ImgGenJob(prompt=ImgGenPrompt(text="a cat", images=pictures), params=params)
    caller = images(replay)
    image = caller.img_gen(lambda worker: worker.gen_image(job))
    png = base64.b64encode(PNG).decode()
    with OpenRouter(api_key=KEY, server_url=f"{replay.url}/api/v1") as client:
        theirs = client.images.generate(
            model="gpt-x",
            prompt="a cat",
            size="2048x1024",
            aspect_ratio="2:1",
            quality="high",
            output_format="jpeg",
            background="opaque",
            seed=0,
            input_references=[
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{png}"}},
                {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
            ],
        )
    sent, their = (
        (request.method, request.target, request.headers["authorization"], request.json())
        for request in replay.requests
    )
    assert their == sent
    assert GeneratedImage(data=JPEG, mime_type="image/jpeg") == image
    assert [(base64.b64encode(JPEG).decode(), "image/jpeg")] == [(row.b64_json, row.media_type) for row in theirs.data]
    usage = InferenceUsage(input_tokens=9, output_tokens=1290, output_image_tokens=1280, images=1)
    assert usage == caller.log.records[0].usage
    assert theirs.usage is not None
    assert (9, 1290) == (theirs.usage.prompt_tokens, theirs.usage.completion_tokens)


def test_negative_text_is_refused_by_name(replay: Replay) -> None:
    job = ImgGenJob(prompt=ImgGenPrompt(text="a cat", negative_text="dogs"))
    with pytest.raises(InferenceRequestError, match="negative_text"):
        images(replay).img_gen(lambda worker: worker.gen_image(job))


@pytest.mark.parametrize(("code", "kind"), [(502, InferenceServerError), (429, InferenceRateLimitError)])
def test_an_error_in_the_middle_of_a_stream_is_found(replay: Replay, code: int, kind: type[Exception]) -> None:
    chunk = {
        "id": "gen-1",
        "object": "chat.completion.chunk",
        "model": "x",
        "error": {"code": code, "message": "Provider disconnected"},
        "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}],
    }
    replay.on("*", scripted.sse([*wire.completion_chunks(["Hel"])[:2], chunk]))
    chat = Caller(
        plugin=OpenrouterPlugin(), family=InferenceFamily.LLM, sdk="openrouter", endpoint=f"{replay.url}/api/v1"
    )
    pieces: list[str] = []

    async def collect(worker: LLMWorkerAbstract) -> None:
        async for piece in worker.stream_text("Hi"):
            pieces.append(piece)  # noqa: PERF401 - what came before the error is told

    with pytest.raises(kind, match="Provider disconnected"):
        chat.llm(collect)
    assert ["Hel"] == pieces


class _Images(ImagesVendor):
    def reply(self, request: HttpRequest, answer: InferenceResult[tuple[GeneratedImage, ...]]) -> HttpReply:
        assert request.target == "/api/v1/images" or answer.finish_reason is not FinishReason.STOP
        return super().reply(request, answer)


class TestOpenRouterImages(ImgGenConformance):
    """The Image API, in the conformance kit."""

    sdk = "openrouter_img_gen"
    model_id = "vendor/model"
    capabilities = frozenset(ImgGenConformance.family_capabilities) - {Capability.NEGATIVE_TEXT}
    sdk_imports = ("openai",)
    extra = "openrouter"
    policy = QUICK

    def plugin(self) -> PipelexPlugin:
        return OpenrouterPlugin()

    def vendor(self) -> ImagesVendor:
        return _Images()

    def backend(self, endpoint: str | None) -> InferenceBackend:
        return InferenceBackend(name="kit", endpoint=f"{endpoint}/api/v1", policy=self.policy)
