"""What fal's driver sends, and what it makes of answers: the official SDK against a replay of fal's documented queue
(tests/providers/fal/wire.py names the pages)."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pipelex.cogt.exceptions import (
    InferenceAmbiguousError,
    InferenceAuthenticationError,
    InferenceError,
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
from pipelex.cogt.model_backends.model_spec import CallPolicy, Capability
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.providers.fal.client import make_client
from pipelex.providers.fal.img_gen import FalImgGenWorker
from pipelex.testing import samples
from tests.providers.fal import wire
from tests.providers.replay import Replay, answer, malformed, raw, reset, truncated
from tests.providers.running import keep, run
from tests.providers.targets import ONCE, backend_at, model_of

if TYPE_CHECKING:
    from pipelex.cogt.model_backends.model_spec import InferenceModelSpec
    from pipelex.testing.loopback import HttpReply

pytestmark = pytest.mark.counterpart("fal_docs", "img_gen:fal")

PNG = samples.png("made")
THREE_ATTEMPTS = CallPolicy(max_attempts=3, timeout_s=9.0)


def model(policy: CallPolicy = ONCE, **extras: str | int | float | bool) -> InferenceModelSpec:
    return model_of(InferenceFamily.IMG_GEN, "fal", wire.MODEL_ID, *Capability, policy=policy, extras=extras)


def make_worker(endpoint: str, spec: InferenceModelSpec | None = None) -> FalImgGenWorker:
    client = keep(make_client(sdk="fal", backend=backend_at(endpoint)))
    spec = replace(spec or model(), endpoint=endpoint)
    return FalImgGenWorker(sdk_instance=client, inference_model=spec, reporting_delegate=None)


def make_image(
    replay: Replay, job: ImgGenJob | str = "A cat", spec: InferenceModelSpec | None = None
) -> GeneratedImage:
    return run(make_worker(replay.url, spec).gen_image_list(job))[0]


def with_images(*images: MediaSource) -> ImgGenJob:
    return ImgGenJob(prompt=ImgGenPrompt(text="A cat", images=images))


def targets(replay: Replay, method: str) -> list[str]:
    return [request.target for request in replay.requests if request.method == method]


def test_a_generation_is_submitted_awaited_and_fetched(replay: Replay) -> None:
    wire.script(replay, answer(wire.result(f"{replay.url}/files/cat.png")), image=PNG)
    image = make_image(replay)
    assert GeneratedImage(data=PNG, mime_type="image/png", width=1, height=1) == image
    assert {"prompt": "A cat"} == replay.requests[0].json()
    assert "Key test-key" == replay.requests[0].headers["authorization"]
    polls = [target for target in targets(replay, "GET") if "/status" in target]
    assert 3 == len(polls)
    assert "authorization" not in replay.last.headers  # the file's server is not told the key


def test_a_job_is_said_in_the_arguments_that_fal_documents(replay: Replay) -> None:
    wire.script(replay, answer(wire.result(*[f"{replay.url}/files/cat.png"] * 2)), image=PNG)
    params = ImgGenJobParams(
        size=(640, 480), aspect_ratio="4:3", quality="high", output_format="jpeg", background="opaque", seed=0
    )
    job = ImgGenJob(prompt=ImgGenPrompt(text="A cat", negative_text="dogs"), params=params, count=2)
    make_image(replay, job, model(num_inference_steps=4))
    assert {
        "prompt": "A cat",
        "negative_prompt": "dogs",
        "num_images": 2,
        "image_size": {"width": 640, "height": 480},
        "aspect_ratio": "4:3",
        "quality": "high",
        "output_format": "jpeg",
        "background": "opaque",
        "seed": 0,
        "num_inference_steps": 4,
    } == replay.requests[0].json()


def test_input_images_go_into_the_argument_that_the_model_names(replay: Replay) -> None:
    wire.script(replay, answer(wire.result(f"{replay.url}/files/cat.png")), image=PNG)
    given = MediaSource(data=PNG)
    as_address = f"data:image/png;base64,{b64encode(PNG).decode()}"
    make_image(replay, with_images(given))
    assert as_address == replay.requests[0].json()["image_url"]
    seen = len(replay.requests)
    two = with_images(given, MediaSource.of("https://example.com/dog.png"))
    make_image(replay, two, model(image_argument="image_urls"))
    assert [as_address, "https://example.com/dog.png"] == replay.requests[seen].json()["image_urls"]


def test_more_images_than_the_argument_takes_are_refused(replay: Replay) -> None:
    with pytest.raises(InferenceRequestError, match="'image_url' takes one image, not 2"):
        make_image(replay, with_images(MediaSource(data=PNG), MediaSource(data=PNG)))
    assert [] == replay.requests


def test_an_image_inside_the_answer_is_taken_from_there(replay: Replay) -> None:
    address = f"data:image/png;base64,{b64encode(PNG).decode()}"
    wire.script(replay, answer(wire.result(address, content_type=None)))
    assert PNG == make_image(replay, spec=model(sync_mode=True)).data


def test_a_single_image_is_an_image_too(replay: Replay) -> None:
    wire.script(replay, answer({"image": {"url": f"{replay.url}/files/cat.png"}}), image=PNG)
    assert GeneratedImage(data=PNG, mime_type="image/png", width=1, height=1) == make_image(replay)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (answer({"detail": "No such key"}, status=401), InferenceAuthenticationError),
        (answer({"detail": "User is locked"}, status=403), InferenceAuthenticationError),
        (answer({"detail": "Application not found"}, status=404), InferenceModelNotFoundError),
        (answer({"detail": "Slow down"}, status=429), InferenceRateLimitError),
        (answer({"detail": "Oh"}, status=500), InferenceServerError),
        (answer({"detail": "Oh"}, status=503), InferenceServerError),
        (truncated(answer(wire.submitted())), InferenceServerError),
        (reset(answer(wire.submitted())), InferenceServerError),
        (malformed(), InferenceInvalidAnswerError),
        (answer({"queued": True}), InferenceInvalidAnswerError),
    ],
)
def test_a_submission_that_fails_has_its_kind_and_the_sdk_does_not_repeat_it(
    replay: Replay, reply: HttpReply, kind: type[InferenceError]
) -> None:
    replay.on(wire.SUBMIT, reply)
    with pytest.raises(InferenceError) as caught:
        make_image(replay)
    assert kind is type(caught.value)
    assert [f"/{wire.MODEL_ID}"] == targets(replay, "POST")


def test_a_submission_that_may_have_arrived_is_not_repeated_by_core_either(replay: Replay) -> None:
    replay.on(wire.SUBMIT, reset(answer(wire.submitted())))
    with pytest.raises(InferenceServerError):
        make_image(replay, spec=model(THREE_ATTEMPTS))
    assert 1 == len(replay.requests)


def test_a_submission_that_fal_turned_away_is_repeated_by_core(replay: Replay) -> None:
    wire.script(replay, answer(wire.result(f"{replay.url}/files/cat.png")), image=PNG)
    turned_away = answer({"detail": "Slow down"}, status=429, headers={"Retry-After": "0"})
    replay.on(wire.SUBMIT, turned_away, answer(wire.submitted()))
    assert PNG == make_image(replay, spec=model(THREE_ATTEMPTS)).data
    assert 2 == len(targets(replay, "POST"))


@pytest.mark.parametrize(
    ("outcome", "kind", "said"),
    [
        (answer(wire.problem("content_policy_violation", "Flagged"), status=422), InferenceRefusedError, "Flagged"),
        (answer(wire.problem("missing", "Field required"), status=422), InferenceRequestError, "Field required"),
        (answer({"detail": "Runner died"}, status=500), InferenceServerError, "Runner died"),
        (raw(b"<html>", content_type="text/html"), InferenceInvalidAnswerError, "documented"),
        (answer({"video": {}}), InferenceInvalidAnswerError, "not a list of images"),
        (answer(wire.result("https://x/black.png", flagged=True)), InferenceRefusedError, "refused"),
    ],
)
def test_a_generation_that_fails_has_its_kind(
    replay: Replay, outcome: HttpReply, kind: type[InferenceError], said: str
) -> None:
    wire.script(replay, outcome)
    with pytest.raises(InferenceError, match=said) as caught:
        make_image(replay, spec=model(THREE_ATTEMPTS))
    assert kind is type(caught.value)
    assert "secret plan" not in str(caught.value)
    assert 1 == len(targets(replay, "POST"))


def test_a_look_at_progress_is_repeated_by_the_sdk(replay: Replay) -> None:
    wire.script(replay, answer(wire.result(f"{replay.url}/files/cat.png")), image=PNG)
    replay.on(wire.STATUS, answer({}, status=429), reset(wire.COMPLETED), wire.COMPLETED)
    assert PNG == make_image(replay).data


def test_a_generation_that_takes_too_long_is_called_off_and_not_repeated(replay: Replay) -> None:
    wire.script(replay, answer({})).on(wire.STATUS, wire.IN_PROGRESS)
    with pytest.raises(InferenceAmbiguousError, match="may have been made and charged"):
        make_image(replay, spec=model(CallPolicy(max_attempts=3, timeout_s=2.5)))
    assert 1 == len(targets(replay, "POST"))
    assert [f"/fal-ai/flux/requests/{wire.ID}/cancel"] == targets(replay, "PUT")


def test_a_call_that_is_given_up_is_called_off(replay: Replay) -> None:
    wire.script(replay, answer({})).on(wire.STATUS, wire.IN_PROGRESS)

    async def give_up() -> None:
        call = asyncio.create_task(make_worker(replay.url).gen_image("A cat"))
        while not any("/status" in request.target for request in replay.requests):
            await asyncio.sleep(0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    run(give_up())
    assert 1 == len(targets(replay, "PUT"))


@pytest.mark.parametrize("file", [answer({}, status=404), truncated(raw(PNG, content_type="image/png"))])
def test_an_image_that_was_made_and_cannot_be_had_is_not_made_again(replay: Replay, file: HttpReply) -> None:
    wire.script(replay, answer(wire.result(f"{replay.url}/files/cat.png?signature=abc")))
    replay.on("GET /files/cat.png", file)
    with pytest.raises(InferenceAmbiguousError, match="was made, and cannot be fetched") as caught:
        make_image(replay, spec=model(THREE_ATTEMPTS))
    assert "signature" not in str(caught.value)
    assert 1 == len(targets(replay, "POST"))


def test_an_endpoint_may_have_a_path(replay: Replay) -> None:
    replay.on("*", answer({"detail": "Application not found"}, status=404))
    with pytest.raises(InferenceModelNotFoundError):
        run(make_worker(f"{replay.url}/proxy/").gen_image("A cat"))
    assert f"/proxy/{wire.MODEL_ID}" == replay.last.target


def test_a_key_of_the_environment_is_not_sent_to_an_endpoint_without_one(
    replay: Replay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAL_KEY", "the-key-of-somebody-else")
    replay.on("*", answer({"detail": "No key"}, status=401))
    client = keep(make_client(sdk="fal", backend=InferenceBackend(name="test", endpoint=replay.url)))
    worker = FalImgGenWorker(sdk_instance=client, inference_model=model(), reporting_delegate=None)
    with pytest.raises(InferenceAuthenticationError):
        run(worker.gen_image("A cat"))
    assert "Key none" == replay.last.headers["authorization"]
