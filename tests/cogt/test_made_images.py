"""Images are held against what was asked for, and their size is read from the file."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from pipelex.cogt.exceptions import InferenceInvalidAnswerError
from pipelex.cogt.img_gen.image_size import size_of
from pipelex.cogt.img_gen.img_gen_job import GeneratedImage
from pipelex.cogt.inference.inference_result import InferenceResult
from pipelex.cogt.model_backends.model_spec import Capability
from tests.cogt.workers import ScriptedImgGen

if TYPE_CHECKING:
    from pipelex.cogt.img_gen.img_gen_job import ImgGenJob

SIZE = (300, 70)


def image_file(kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", SIZE, "red").save(buffer, format=kind, **options)
    return buffer.getvalue()


class Painter(ScriptedImgGen):
    """Says nothing of its image but its type."""

    async def _gen_image_list(self, job: ImgGenJob) -> InferenceResult[tuple[GeneratedImage, ...]]:
        return InferenceResult(content=(GeneratedImage(data=image_file("PNG"), mime_type="image/png"),))


def test_fewer_images_than_were_asked_for_are_an_invalid_answer() -> None:
    with pytest.raises(InferenceInvalidAnswerError, match="2 images were asked for, 1 came"):
        Painter(Capability.COUNT).gen_image_list_sync("a cat", 2)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("GIF", {}),
        ("JPEG", {}),
        ("JPEG", {"progressive": True, "comment": b"x" * 300}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("WEBP", {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0"}),
    ],
)
def test_the_size_is_that_of_the_file(kind: str, options: dict[str, object]) -> None:
    assert size_of(image_file(kind, **options)) == SIZE


@pytest.mark.parametrize("kind", ["PNG", "GIF", "JPEG", "WEBP"])
def test_a_damaged_file_has_no_size_and_raises_nothing(kind: str) -> None:
    data = image_file(kind)
    assert {None, SIZE} >= {size_of(data[:end]) for end in range(len(data))}


def test_what_the_vendor_does_not_say_is_read_from_the_file() -> None:
    image = Painter().gen_image_sync("a cat")
    assert (image.width, image.height) == SIZE
