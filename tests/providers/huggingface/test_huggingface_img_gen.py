"""What Hugging Face's driver sends, and what it makes of answers: the official SDK against a replay of its documented
formats. The SDK has fixed addresses for its providers; its own hook for HTTP clients leads them to loopback.

Endpoints: https://huggingface.co/docs/inference-providers/tasks/text-to-image
Who serves a model: https://huggingface.co/docs/inference-providers/hub-api
The providers together and nscale answer as OpenAI's images API: https://docs.together.ai/reference/post-images-generations
"""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, cast

import httpx2
import huggingface_hub
import pytest
from huggingface_hub.inference._providers import _common
from huggingface_hub.utils import _http

from pipelex.cogt.exceptions import (
    InferenceCapacityError,
    InferenceError,
    InferenceInvalidAnswerError,
    InferenceModelNotFoundError,
    InferenceRequestError,
    InferenceServerError,
)
from pipelex.cogt.img_gen.img_gen_job import GeneratedImage, ImgGenJob, ImgGenJobParams, ImgGenPrompt
from pipelex.cogt.inference.media import MediaSource
from pipelex.cogt.model_backends.backend import InferenceBackend
from pipelex.cogt.model_backends.model_spec import CallPolicy, Capability
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.providers.huggingface.client import make_client
from pipelex.providers.huggingface.img_gen import HuggingFaceImgGenWorker
from pipelex.testing import samples
from tests.providers.replay import Replay, answer, raw, reset
from tests.providers.running import keep, run
from tests.providers.targets import ONCE, model_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.testing.loopback import HttpReply

PNG = samples.png("made")
IMAGE = raw(PNG, content_type="image/png")
MODEL_ID = "black-forest-labs/FLUX.1-schnell"
KEY = "hf_canary"  # a key of this form is one of Hugging Face's own, and goes through its router

pytestmark = [
    pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning"),  # of the SDK's own call of httpx2
    pytest.mark.counterpart("huggingface_docs", "img_gen:huggingface_img_gen"),
]


def make_worker(
    endpoint: str | None, *, provider: str = "auto", policy: CallPolicy = ONCE, **extras: str | int | float
) -> HuggingFaceImgGenWorker:
    backend = InferenceBackend(name="test", endpoint=endpoint, api_key=KEY, policy=ONCE, extras={"provider": provider})
    client = keep(make_client(sdk="huggingface_img_gen", backend=backend))
    model = model_of(
        InferenceFamily.IMG_GEN, "huggingface_img_gen", MODEL_ID, *Capability, policy=policy, extras=extras
    )
    return HuggingFaceImgGenWorker(sdk_instance=client, inference_model=model, reporting_delegate=None)


def job_of(*images: MediaSource, negative_text: str | None = None, count: int = 1, **params: object) -> ImgGenJob:
    prompt = ImgGenPrompt(text="A cat", negative_text=negative_text, images=images)
    return ImgGenJob(prompt=prompt, params=ImgGenJobParams(**params), count=count)  # type: ignore[arg-type]  # test data


class TestEndpoint:
    def test_a_job_is_sent_as_an_endpoint_wants_it(self, replay: Replay) -> None:
        replay.on("*", IMAGE)
        worker = make_worker(f"{replay.url}/mine", num_inference_steps=4)
        images = run(worker.gen_image_list(job_of(negative_text="dogs", size=(640, 480), seed=0)))
        assert [GeneratedImage(data=PNG, mime_type="image/png", width=1, height=1)] == images
        parameters = {"negative_prompt": "dogs", "width": 640, "height": 480, "seed": 0, "num_inference_steps": 4}
        assert {"inputs": "A cat", "parameters": parameters} == replay.last.json()
        assert ("/mine", f"Bearer {KEY}") == (replay.last.target, replay.last.headers["authorization"])

    def test_an_image_to_change_goes_along(self, replay: Replay) -> None:
        replay.on("*", IMAGE)
        worker = make_worker(replay.url, guidance_scale=3.5)
        run(worker.gen_image(job_of(MediaSource(data=PNG), size=(640, 480), seed=7)))
        sent = replay.last.json()
        assert b64encode(PNG).decode() == sent["inputs"]
        size = {"width": 640, "height": 480}
        assert {"prompt": "A cat", "target_size": size, "guidance_scale": 3.5, "seed": 7} == sent["parameters"]

    @pytest.mark.parametrize(
        ("job", "named"),
        [
            (job_of(count=2), "more than one image"),
            (job_of(MediaSource(data=PNG), MediaSource(data=PNG)), "more than one input image"),
            (job_of(aspect_ratio="16:9"), "aspect_ratio"),
            (job_of(quality="high"), "quality"),
            (job_of(output_format="webp"), "output_format"),
            (job_of(background="opaque"), "background"),
        ],
    )
    def test_what_the_client_cannot_ask_for_is_refused_by_name(
        self, replay: Replay, job: ImgGenJob, named: str
    ) -> None:
        with pytest.raises(InferenceRequestError, match=named):
            run(make_worker(replay.url).gen_image_list(job))
        assert [] == replay.requests

    @pytest.mark.parametrize(
        ("reply", "kind"),
        [
            (answer({"error": "You have exceeded your monthly credits"}, status=402), InferenceCapacityError),
            (answer({"error": "Bad size"}, status=422), InferenceRequestError),
            (answer({"error": "Loading"}, status=503), InferenceServerError),
            (reset(IMAGE), InferenceServerError),
            (raw(b"<html>", content_type="text/html"), InferenceInvalidAnswerError),
            (answer({"images": []}), InferenceInvalidAnswerError),
        ],
    )
    def test_what_goes_wrong_has_its_kind(self, replay: Replay, reply: HttpReply, kind: type[InferenceError]) -> None:
        replay.on("*", reply)
        with pytest.raises(InferenceError) as caught:
            run(make_worker(replay.url).gen_image("A cat"))
        assert kind is type(caught.value)
        assert 1 == len(replay.requests)


@pytest.fixture
def led_to(replay: Replay) -> Iterator[Replay]:
    """Lead whatever the SDK sends anywhere to the replay, over a socket, by the SDK's own hook for HTTP clients."""
    _common._fetch_inference_provider_mapping.cache_clear()
    huggingface_hub.set_client_factory(lambda: httpx2.Client(event_hooks={"request": [lambda r: lead(r, replay)]}))

    async def lead_async(request: httpx2.Request) -> None:
        lead(request, replay)

    huggingface_hub.set_async_client_factory(lambda: httpx2.AsyncClient(event_hooks={"request": [lead_async]}))
    yield replay
    huggingface_hub.close_session()
    huggingface_hub.set_client_factory(_http.default_client_factory)
    huggingface_hub.set_async_client_factory(_http.default_async_client_factory)
    _common._fetch_inference_provider_mapping.cache_clear()


def lead(request: httpx2.Request, replay: Replay) -> None:
    request.headers["x-meant-for"] = request.url.host
    request.url = httpx2.URL(replay.url).copy_with(raw_path=request.url.raw_path)


def model_info(*providers: str) -> HttpReply:
    """The hub's record of a model: who serves it, and under which name."""
    mapping = {name: {"providerId": f"{name}/flux", "status": "live", "task": "text-to-image"} for name in providers}
    return answer({"id": MODEL_ID, "modelId": MODEL_ID, "inferenceProviderMapping": mapping})


HUB = f"GET /api/models/{MODEL_ID}"
B64_IMAGE = answer({"data": [{"b64_json": b64encode(PNG).decode()}]})


class TestProviders:
    @pytest.mark.parametrize(("provider", "expected"), [("together", "together"), ("auto", "nscale")])
    def test_the_hub_is_asked_once_and_the_provider_called(self, led_to: Replay, provider: str, expected: str) -> None:
        led_to.on(HUB, model_info("nscale", "together")).on("*", B64_IMAGE)
        for _ in range(2):
            image = run(make_worker(None, provider=provider).gen_image(job_of(size=(640, 480))))
            assert PNG == image.data
        hosts = [request.headers["x-meant-for"] for request in led_to.requests]
        assert ["huggingface.co", "router.huggingface.co", "router.huggingface.co"] == hosts
        assert f"/{expected}/v1/images/generations" == led_to.last.target
        assert f"{expected}/flux" == led_to.last.json()["model"]
        assert f"Bearer {KEY}" == led_to.last.headers["authorization"]

    def test_a_provider_that_does_not_serve_the_model_is_a_wrong_request(self, led_to: Replay) -> None:
        led_to.on(HUB, model_info("nscale"))
        with pytest.raises(InferenceRequestError, match="not supported by provider together"):
            run(make_worker(None, provider="together").gen_image("A cat"))

    def test_a_model_that_the_hub_does_not_know_is_told(self, led_to: Replay) -> None:
        led_to.on(HUB, answer({"error": "Repository not found"}, status=401, headers={"X-Error-Code": "RepoNotFound"}))
        with pytest.raises(InferenceModelNotFoundError, match="no such model"):
            run(make_worker(None, provider="together").gen_image("A cat"))

    def test_an_answer_in_another_format_is_told(self, led_to: Replay) -> None:
        led_to.on(HUB, model_info("together")).on("*", answer({"data": []}))
        with pytest.raises(InferenceInvalidAnswerError):
            run(make_worker(None, provider="together").gen_image("A cat"))

    def test_a_provider_that_nobody_knows_is_a_wrong_request(self, led_to: Replay) -> None:
        led_to.on(HUB, model_info("together"))
        with pytest.raises(InferenceRequestError, match="'nobody' not supported"):
            run(make_worker(None, provider="nobody").gen_image("A cat"))
        assert 1 == len(cast("list[object]", led_to.requests))
