"""What Google's image driver sends, and what it makes of answers: the official SDK against a replay of the documented
wire format (tests/providers/google/wire.py names the pages)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipelex.cogt.exceptions import (
    InferenceError,
    InferenceInvalidAnswerError,
    InferenceRefusedError,
    InferenceRequestError,
    InferenceServerError,
)
from pipelex.cogt.img_gen.img_gen_job import GeneratedImage, ImgGenJob, ImgGenJobParams, ImgGenPrompt
from pipelex.cogt.inference.media import MediaSource
from pipelex.cogt.model_backends.model_spec import CallPolicy, Capability
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.providers.google.client import make_client
from pipelex.providers.google.img_gen import GoogleImgGenWorker
from pipelex.redaction import keep_secret
from pipelex.reporting.reporting_protocol import InferenceUsage
from pipelex.reporting.usage_log import UsageLog
from pipelex.testing import samples
from tests.providers.google import wire
from tests.providers.replay import Replay, answer, reset
from tests.providers.running import keep, run
from tests.providers.targets import ONCE, backend_at, model_of

if TYPE_CHECKING:
    from pipelex.testing.loopback import HttpReply

pytestmark = pytest.mark.counterpart("google_docs", "img_gen:google")

PNG = samples.png("made")


def make_image(
    replay: Replay, job: ImgGenJob, *, log: UsageLog | None = None, policy: CallPolicy = ONCE
) -> GeneratedImage:
    client = keep(make_client(sdk="google", backend=backend_at(replay.url)))
    model = model_of(InferenceFamily.IMG_GEN, "google", wire.IMAGE_MODEL_ID, *Capability, policy=policy)
    worker = GoogleImgGenWorker(sdk_instance=client, inference_model=model, reporting_delegate=log)
    return run(worker.gen_image_list(job))[0]


def job_of(negative_text: str | None = None, count: int = 1, **params: object) -> ImgGenJob:
    prompt = ImgGenPrompt(text="A cat", negative_text=negative_text, images=(MediaSource(data=samples.png("given")),))
    return ImgGenJob(prompt=prompt, params=ImgGenJobParams(**params), count=count)  # type: ignore[arg-type]  # test data


def test_a_job_is_sent_as_generate_content_wants_it(replay: Replay) -> None:
    log = UsageLog()
    replay.on("*", answer(wire.image(PNG)))
    image = make_image(replay, job_of(aspect_ratio="16:9", quality="2K", seed=7), log=log)
    assert GeneratedImage(data=PNG, mime_type="image/png", width=1, height=1) == image
    sent = replay.last.json()
    assert {
        "responseModalities": ["IMAGE"],
        "seed": 7,
        "imageConfig": {"aspectRatio": "16:9", "imageSize": "2K"},
    } == sent["generationConfig"]
    assert b"A cat" in replay.last.body
    assert InferenceUsage(input_tokens=11, output_tokens=7, reasoning_tokens=2, images=1) == log.records[0].usage


def test_tokens_of_images_are_told_apart_where_google_does(replay: Replay) -> None:
    log, body = UsageLog(), wire.image(PNG)
    details = {
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 11}],
        "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 4}, {"modality": "TEXT", "tokenCount": 1}],
    }
    replay.on("*", answer({**body, "usageMetadata": {**wire.USAGE, **details}}))
    make_image(replay, job_of(), log=log)
    usage = log.records[0].usage
    assert usage is not None
    assert (0, 4) == (usage.input_image_tokens, usage.output_image_tokens)


@pytest.mark.parametrize(
    ("job", "named"),
    [
        (job_of(size=(512, 512)), "size"),
        (job_of(output_format="webp"), "output_format"),
        (job_of(background="transparent"), "background"),
        (job_of(negative_text="dogs"), "negative_text"),
        (job_of(count=2), "count"),
    ],
)
def test_what_gemini_has_no_word_for_is_refused_by_name(replay: Replay, job: ImgGenJob, named: str) -> None:
    with pytest.raises(InferenceRequestError, match=named):
        make_image(replay, job)
    assert [] == replay.requests


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (answer(wire.blocked("PROHIBITED_CONTENT")), InferenceRefusedError),
        (answer(wire.image(reason="IMAGE_SAFETY")), InferenceRefusedError),
        (answer(wire.image(reason="NO_IMAGE")), InferenceInvalidAnswerError),
        (answer(wire.text("I cannot draw")), InferenceInvalidAnswerError),
        (reset(answer(wire.image(PNG))), InferenceServerError),
    ],
)
def test_what_goes_wrong_has_its_kind(replay: Replay, reply: HttpReply, kind: type[InferenceError]) -> None:
    replay.on("*", reply)
    with pytest.raises(InferenceError) as caught:
        make_image(replay, job_of())
    assert kind is type(caught.value)


def test_text_in_place_of_an_image_is_told(replay: Replay) -> None:
    replay.on("*", answer(wire.text("I cannot draw")))
    with pytest.raises(InferenceInvalidAnswerError, match="I cannot draw"):
        make_image(replay, job_of())


@pytest.mark.parametrize("length", [190, 485])
def test_a_secret_in_that_text_is_masked_before_it_is_cut(replay: Replay, length: int) -> None:
    secret = "sk-0123456789-canary-of-images"
    keep_secret(secret)
    replay.on("*", answer(wire.text(f"{'x' * length} {secret}")))
    with pytest.raises(InferenceInvalidAnswerError) as caught:
        make_image(replay, job_of())
    assert "sk-0123" not in str(caught.value)
    assert caught.value.answer is not None
    assert length < len(caught.value.answer.text)  # it was paid for, whole
