"""What goes over the wire of the Images API, OpenAI's and OpenRouter's, and what becomes of what comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipelex.cogt.exceptions import (
    InferenceAmbiguousError,
    InferenceInvalidAnswerError,
    InferenceRefusedError,
    InferenceRequestError,
    InferenceServerError,
)
from pipelex.cogt.img_gen.img_gen_job import GeneratedImage, ImgGenJob, ImgGenJobParams, ImgGenPrompt
from pipelex.cogt.inference.media import MediaSource
from pipelex.cogt.model_backends.model_spec import CallPolicy
from pipelex.generated.builtins import OpenaiPlugin
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.reporting.reporting_protocol import InferenceUsage
from pipelex.testing import samples
from tests.providers import replay as scripted
from tests.providers.calls import Caller
from tests.providers.openai import wire

if TYPE_CHECKING:
    from tests.providers.replay import Replay

pytestmark = pytest.mark.counterpart("openai_docs", "img_gen:openai_img_gen")

GENERATE, EDIT = "POST /v1/images/generations", "POST /v1/images/edits"
PNG, JPEG = samples.png("kit-000001"), b"\xff\xd8\xff\xe0 no real picture"
ALL = ImgGenJobParams(size=(1536, 1024), quality="high", output_format="jpeg", background="opaque")


def caller(url: str, *, policy: CallPolicy | None = None) -> Caller:
    return Caller(
        plugin=OpenaiPlugin(),
        family=InferenceFamily.IMG_GEN,
        sdk="openai_img_gen",
        endpoint=f"{url}/v1",
        policy=policy or CallPolicy(max_attempts=1, timeout_s=5.0),
    )


def one(caller: Caller, job: ImgGenJob | str = "a cat") -> GeneratedImage:
    return caller.img_gen(lambda worker: worker.gen_image(job))


def test_a_plain_job_sends_the_model_and_the_text_alone(replay: Replay) -> None:
    replay.on(GENERATE, scripted.answer(wire.images([PNG])))
    api = caller(replay.url)
    assert GeneratedImage(data=PNG, mime_type="image/png", width=1024, height=1024) == one(api)
    assert {"model": "gpt-x", "prompt": "a cat"} == replay.last.json()
    assert (
        InferenceUsage(images=1, input_tokens=50, output_tokens=100, input_image_tokens=40) == api.log.records[0].usage
    )


def test_every_parameter_is_sent(replay: Replay) -> None:
    replay.on(GENERATE, scripted.answer(wire.images([JPEG, JPEG], size="1536x1024")))
    job = ImgGenJob(prompt=ImgGenPrompt(text="a cat"), params=ALL, count=2)
    images = caller(replay.url).img_gen(lambda worker: worker.gen_image_list(job))
    assert [GeneratedImage(data=JPEG, mime_type="image/jpeg", width=1536, height=1024)] * 2 == images
    expected = {"n": 2, "size": "1536x1024", "quality": "high", "output_format": "jpeg", "background": "opaque"}
    assert {"model": "gpt-x", "prompt": "a cat", **expected} == replay.last.json()


def test_input_images_make_it_an_edit_with_the_same_parameters(replay: Replay) -> None:
    replay.on(EDIT, scripted.answer(wire.images([PNG])))
    prompt = ImgGenPrompt(text="a cat", images=(MediaSource(data=PNG), MediaSource(data=JPEG)))
    one(caller(replay.url), ImgGenJob(prompt=prompt, params=ALL))
    body = replay.last.body
    assert replay.last.headers["content-type"].startswith("multipart/form-data")
    sent = (b'filename="image1.png"', b'filename="image2.jpeg"', PNG, JPEG, b"1536x1024", b"high", b"opaque", b"a cat")
    assert [] == [part for part in sent if part not in body]


def test_an_image_that_comes_as_an_address_is_fetched(replay: Replay) -> None:
    replay.on(GENERATE, scripted.answer({"created": 1, "data": [{"url": f"{replay.url}/made"}]}))
    replay.on("GET /made", scripted.raw(JPEG, content_type="image/jpeg"))
    assert GeneratedImage(data=JPEG, mime_type="image/jpeg") == one(caller(replay.url))


def test_an_image_that_cannot_be_fetched_was_charged_all_the_same(replay: Replay) -> None:
    replay.on(GENERATE, scripted.answer({"created": 1, "data": [{"url": f"{replay.url}/gone?signed=secret"}]}))
    with pytest.raises(InferenceAmbiguousError, match="cannot be fetched") as caught:
        one(caller(replay.url))
    assert "secret" not in str(caught.value)


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
    "body",
    [
        {"created": 1, "data": []},
        {"created": 1},
        {"created": 1, "data": [{"revised_prompt": "x"}]},
        {"created": 1, "data": [{"b64_json": "no base64!"}]},
    ],
    ids=["no image", "no list", "an empty image", "no base64"],
)
def test_an_answer_without_the_images_is_invalid(replay: Replay, body: object) -> None:
    replay.on(GENERATE, scripted.answer(body))
    with pytest.raises(InferenceInvalidAnswerError):
        one(caller(replay.url))


def test_fewer_images_than_were_asked_for_are_an_error(replay: Replay) -> None:
    replay.on(GENERATE, scripted.answer(wire.images([PNG])))
    with pytest.raises(InferenceInvalidAnswerError, match="2 images were asked for, 1 came"):
        caller(replay.url).img_gen(lambda worker: worker.gen_image_list("a cat", 2))


def test_a_refusal_of_the_filter_is_no_wrong_request(replay: Replay) -> None:
    replay.on(GENERATE, scripted.answer(wire.error("Rejected", code="moderation_blocked"), status=400))
    with pytest.raises(InferenceRefusedError, match="Rejected"):
        one(caller(replay.url))


def test_what_may_be_charged_is_sent_once(replay: Replay) -> None:
    replay.on(GENERATE, scripted.reset(scripted.answer(wire.images([PNG]))))
    with pytest.raises(InferenceServerError):
        one(caller(replay.url, policy=CallPolicy(max_attempts=3)))
    assert 1 == len(replay.requests)
