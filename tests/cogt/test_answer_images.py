"""An image of an answer is taken whichever way the vendor holds it, and something else is never taken for one."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING

import pytest

from pipelex.cogt.exceptions import InferenceAmbiguousError, InferenceInvalidAnswerError
from pipelex.cogt.img_gen.img_gen_job import GeneratedImage
from pipelex.cogt.inference.answer_images import fetch_answer_image
from pipelex.cogt.inference.inference_result import InferenceResult
from pipelex.cogt.inference.media import MediaSource
from pipelex.cogt.model_backends.model_spec import InferenceModelSpec
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.testing import samples
from tests.cogt.workers import ScriptedImgGen
from tests.providers.replay import Replay, raw

if TYPE_CHECKING:
    from pipelex.cogt.img_gen.img_gen_job import ImgGenJob

PNG = samples.png("answer")
HTML = b"<html><body>Sign in</body></html>"


def fetched(text: str, *, endpoint: str | None = None, mime_type: str | None = None) -> MediaSource:
    model = InferenceModelSpec(
        name="m", family=InferenceFamily.IMG_GEN, backend_name="b", sdk="s", model_id="m", endpoint=endpoint
    )
    return asyncio.run(fetch_answer_image(text, model=model, mime_type=mime_type))


@pytest.mark.parametrize("declared", [None, "image/jpeg", "png", "text/plain"])
@pytest.mark.parametrize(
    "text",
    [
        base64.b64encode(PNG).decode(),
        base64.encodebytes(PNG).decode(),
        base64.b64encode(PNG).decode().rstrip("="),
        f" data:image/webp;base64,{base64.b64encode(PNG).decode()}\n",
        f"DATA:;base64,{base64.b64encode(PNG).decode()}",
    ],
    ids=["base64", "line breaks", "no padding", "data URL", "data URL without type"],
)
def test_an_image_is_decoded_however_it_is_written(text: str, declared: str | None) -> None:
    assert MediaSource(data=PNG, mime_type="image/png") == fetched(text, mime_type=declared)


@pytest.mark.parametrize("text", ["%%%", "", "data:image/png", base64.b64encode(HTML).decode(), "x" * 5001])
def test_what_is_no_image_is_an_invalid_answer(text: str) -> None:
    with pytest.raises(InferenceInvalidAnswerError) as caught:
        fetched(text)
    assert len(str(caught.value)) < 300


def test_a_page_at_the_address_of_an_image_is_no_image() -> None:
    with Replay() as replay:
        replay.on("GET /made", raw(HTML, content_type="image/png"))
        with pytest.raises(InferenceAmbiguousError, match=r"no image but text/html\. It begins with '<html>"):
            fetched(f"{replay.url}/made", endpoint=replay.url)


class Painter(ScriptedImgGen):
    """Returns one file as its image, declared a PNG."""

    data = PNG

    async def _gen_image_list(self, job: ImgGenJob) -> InferenceResult[tuple[GeneratedImage, ...]]:
        return InferenceResult(content=(GeneratedImage(data=self.data, mime_type="image/png"),))


@pytest.mark.parametrize("data", [HTML, samples.pdf("answer"), b""])
def test_no_driver_can_return_as_an_image_what_is_none(data: bytes) -> None:
    painter = Painter()
    painter.data = data
    with pytest.raises(InferenceInvalidAnswerError, match="image is"):
        painter.gen_image_sync("a cat")


def test_the_type_that_a_driver_declares_gives_way_to_the_bytes() -> None:
    painter = Painter()
    painter.data = b"\xff\xd8\xff\xe0JFIF"
    assert "image/jpeg" == painter.gen_image_sync("a cat").mime_type
