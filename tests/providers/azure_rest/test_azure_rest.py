"""Image generation by Azure's REST API, without an SDK.

The answers are written after https://learn.microsoft.com/azure/ai-foundry/openai/how-to/dall-e and
https://learn.microsoft.com/azure/ai-foundry/openai/reference; nothing was recorded.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pipelex.cogt.exceptions import (
    InferenceAmbiguousError,
    InferenceAuthenticationError,
    InferenceCapacityError,
    InferenceInvalidAnswerError,
    InferenceModelNotFoundError,
    InferenceRateLimitError,
    InferenceRefusedError,
    InferenceRequestError,
    InferenceServerError,
)
from pipelex.cogt.img_gen.img_gen_job import GeneratedImage, ImgGenJob, ImgGenJobParams, ImgGenPrompt
from pipelex.cogt.inference.media import MediaSource
from pipelex.cogt.model_backends.backend import InferenceBackend
from pipelex.cogt.model_backends.model_spec import CallPolicy
from pipelex.generated.builtins import AzureRestPlugin
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.providers.azure_rest.client import make_client
from pipelex.reporting.reporting_protocol import InferenceUsage
from pipelex.testing import samples
from pipelex.testing.img_gen import ImgGenConformance
from tests.providers import replay as scripted
from tests.providers.calls import KEY, Caller
from tests.providers.openai import wire
from tests.providers.openai.test_openai_kit import IMAGES, QUICK
from tests.providers.openai.vendors import ImagesVendor
from tests.providers.replay import Replay

if TYPE_CHECKING:
    from pipelex.cogt.exceptions import InferenceError
    from pipelex.plugins.contract import PipelexPlugin

pytest_plugins = ["pipelex.testing"]

pytestmark = pytest.mark.counterpart("azure_docs", "img_gen:azure_rest_img_gen")

GENERATE, EDIT = "POST /openai/v1/images/generations", "POST /openai/v1/images/edits"
PNG, JPEG = samples.png("kit-000001"), b"\xff\xd8\xff\xe0 no real picture"
ALL = ImgGenJobParams(size=(1536, 1024), quality="high", output_format="jpeg", background="opaque")
FIELDS = {"size": "1536x1024", "quality": "high", "output_format": "jpeg", "background": "opaque"}


def caller(url: str, **extras: str) -> Caller:
    return Caller(
        plugin=AzureRestPlugin(),
        family=InferenceFamily.IMG_GEN,
        sdk="azure_rest_img_gen",
        endpoint=url,
        model_id="my-images",
        extras=extras,
    )


def one(caller: Caller, job: ImgGenJob | str = "a cat") -> GeneratedImage:
    return caller.img_gen(lambda worker: worker.gen_image(job))


def test_a_job_is_sent_with_the_deployment_as_the_model(replay: Replay) -> None:
    replay.on(GENERATE, scripted.answer(wire.images([PNG])))
    api = caller(replay.url)
    assert GeneratedImage(data=PNG, mime_type="image/png", width=1, height=1) == one(api)
    assert {"model": "my-images", "prompt": "a cat", "n": 1} == replay.last.json()
    assert (KEY, None) == (replay.last.headers["api-key"], replay.last.headers.get("authorization"))
    assert (
        InferenceUsage(images=1, input_tokens=50, output_tokens=100, input_image_tokens=40) == api.log.records[0].usage
    )


def test_a_dated_version_has_the_deployment_in_the_path(replay: Replay) -> None:
    replay.on("*", scripted.answer(wire.images([PNG])))
    one(caller(replay.url, api_version="2025-04-01-preview"))
    path = "/openai/deployments/my-images/images/generations?api-version=2025-04-01-preview"
    assert (path, {"prompt": "a cat", "n": 1}) == (replay.last.target, replay.last.json())


def test_every_parameter_is_sent(replay: Replay) -> None:
    replay.on(GENERATE, scripted.answer(wire.images([JPEG, JPEG])))
    job = ImgGenJob(prompt=ImgGenPrompt(text="a cat"), params=ALL, count=2)
    images = caller(replay.url).img_gen(lambda worker: worker.gen_image_list(job))
    assert [GeneratedImage(data=JPEG, mime_type="image/jpeg")] * 2 == images
    assert {"model": "my-images", "prompt": "a cat", "n": 2, **FIELDS} == replay.last.json()


def test_input_images_make_it_an_edit(replay: Replay) -> None:
    replay.on(EDIT, scripted.answer(wire.images([PNG])))
    prompt = ImgGenPrompt(text="a cat", images=(MediaSource(data=PNG), MediaSource(data=JPEG)))
    one(caller(replay.url), ImgGenJob(prompt=prompt, params=ALL))
    assert replay.last.headers["content-type"].startswith("multipart/form-data")
    sent = (b'name="image[]"', PNG, JPEG, b"image/jpeg", b"my-images", *(value.encode() for value in FIELDS.values()))
    assert [] == [part for part in sent if part not in replay.last.body]


def test_an_image_that_comes_as_an_address_is_fetched(replay: Replay) -> None:
    replay.on(GENERATE, scripted.answer({"data": [{"url": f"{replay.url}/made"}]}))
    replay.on("GET /made", scripted.raw(JPEG, content_type="image/jpeg"))
    assert GeneratedImage(data=JPEG, mime_type="image/jpeg") == one(caller(replay.url))
    replay.on("GET /made", scripted.answer({}, status=403))
    with pytest.raises(InferenceAmbiguousError, match="cannot be fetched"):
        one(caller(replay.url))


@pytest.mark.parametrize(
    ("job", "word"),
    [
        (ImgGenJob(prompt=ImgGenPrompt(text="x"), params=ImgGenJobParams(aspect_ratio="16:9")), "aspect_ratio"),
        (ImgGenJob(prompt=ImgGenPrompt(text="x"), params=ImgGenJobParams(seed=0)), "seed"),
        (ImgGenJob(prompt=ImgGenPrompt(text="x", negative_text="dogs")), "negative_text"),
        (ImgGenJob(prompt=ImgGenPrompt(text="x"), params=ImgGenJobParams(quality="superb")), "superb"),
    ],
    ids=["aspect ratio", "seed", "negative text", "quality"],
)
def test_what_the_api_has_no_word_for_is_refused_by_name(replay: Replay, job: ImgGenJob, word: str) -> None:
    with pytest.raises(InferenceRequestError, match=word):
        one(caller(replay.url), job)
    assert [] == replay.requests


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, wire.error("No", code="contentFilter"), InferenceRefusedError),
        (400, wire.error("No", code="moderation_blocked"), InferenceRefusedError),
        (400, wire.error("No"), InferenceRequestError),
        (401, {"statusCode": 401, "message": "No"}, InferenceAuthenticationError),
        (404, wire.error("No", code="DeploymentNotFound"), InferenceModelNotFoundError),
        (429, wire.error("No", code="429"), InferenceRateLimitError),
        (429, wire.error("No", code="insufficient_quota"), InferenceCapacityError),
        (500, {"oops": 1}, InferenceServerError),
    ],
)
def test_a_status_and_its_code_make_the_kind(
    replay: Replay, status: int, body: object, kind: type[InferenceError]
) -> None:
    headers = {"Retry-After": "4", "x-request-id": "r-1"}
    replay.on(GENERATE, scripted.answer(body, status=status, headers=headers))
    with pytest.raises(kind) as caught:
        one(caller(replay.url))
    assert (kind, status, "r-1") == (type(caught.value), caught.value.status_code, caught.value.request_id)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (scripted.reset(scripted.answer(wire.images([PNG]))), InferenceServerError),
        (scripted.answer([]), InferenceInvalidAnswerError),
        (scripted.answer({"data": []}), InferenceInvalidAnswerError),
        (scripted.answer({"data": [{}]}), InferenceInvalidAnswerError),
        (scripted.answer({"data": [{"b64_json": "no base64!"}]}), InferenceInvalidAnswerError),
    ],
    ids=["reset", "a list", "no image", "an empty image", "no base64"],
)
def test_what_may_be_charged_is_sent_once(replay: Replay, reply: scripted.Scripted, kind: type[InferenceError]) -> None:
    replay.on(GENERATE, reply)
    with pytest.raises(kind):
        one(replace(caller(replay.url), policy=CallPolicy(max_attempts=3)))
    assert 1 == len(replay.requests)


def test_a_resource_needs_an_endpoint() -> None:
    with pytest.raises(InferenceRequestError, match=r"in \[backends\.mine\]"):
        make_client(sdk="azure_rest_img_gen", backend=InferenceBackend(name="mine"))


class TestAzureRest(ImgGenConformance):
    """The REST API in the conformance kit."""

    sdk = "azure_rest_img_gen"
    model_id = "my-images"
    capabilities = IMAGES
    sdk_imports = ("httpx",)
    extra = "azure"
    policy = QUICK

    def plugin(self) -> PipelexPlugin:
        return AzureRestPlugin()

    def vendor(self) -> ImagesVendor:
        return ImagesVendor()

    def backend(self, endpoint: str | None) -> InferenceBackend:
        return InferenceBackend(name="kit", endpoint=endpoint, policy=self.policy)
