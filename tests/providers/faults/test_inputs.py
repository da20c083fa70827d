"""Each driver sends an image as what its bytes are, however it is given, and refuses what is none before it asks."""

from __future__ import annotations

import base64
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from pipelex.cogt.exceptions import InferenceError, InferenceRequestError
from pipelex.cogt.img_gen.img_gen_job import ImgGenJob, ImgGenPrompt
from pipelex.cogt.inference.media import MediaSource
from pipelex.cogt.llm.llm_job import LLMJob, LLMPrompt
from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
from pipelex.cogt.model_backends.model_spec import Capability
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.testing import samples
from tests.heavy import heavy_but
from tests.providers.faults.drivers import DRIVERS, play

if TYPE_CHECKING:
    from pathlib import Path

    from pipelex.cogt.img_gen.img_gen_worker_abstract import ImgGenWorkerAbstract
    from pipelex.testing.stage import Stage

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # of Hugging Face's own call

TOKEN = "kit-000001"
PNG = samples.png(TOKEN)
ENCODED = base64.b64encode(PNG).decode()
TAKE_IMAGES = [
    name
    for name, driver in DRIVERS.items()
    if name != "huggingface_img_gen"  # its API takes no type of an image
    and driver.family in {InferenceFamily.LLM, InferenceFamily.IMG_GEN}
    and Capability.IMAGES in driver.capabilities
]


def holds_the_image(body: bytes) -> bool:
    return PNG in body or ENCODED in body.decode("utf-8", "replace").translate(str.maketrans("-_", "+/"))


async def ask(worker: LLMWorkerAbstract | ImgGenWorkerAbstract, image: MediaSource) -> None:
    """Ask for an answer about an image, or for an image made of it."""
    text = f"Look at {TOKEN}"
    if isinstance(worker, LLMWorkerAbstract):
        await worker.gen_text(LLMJob(prompt=LLMPrompt(user_text=text, images=(image,))))
    else:
        await worker.gen_image(ImgGenJob(prompt=ImgGenPrompt(text=text, images=(image,))))


@pytest.mark.parametrize("name", heavy_but("openai", "anthropic", "google llm", "openai_img_gen", names=TAKE_IMAGES))
def test_an_image_is_sent_as_what_its_bytes_are(name: str, tmp_path: Path) -> None:
    ways = [MediaSource(data=PNG, mime_type="image/jpeg"), MediaSource(url=f"data:;base64,{ENCODED}")]
    for ending in ("", ".tmp", ".jpg"):
        path = tmp_path / f"image{ending}"
        path.write_bytes(PNG)
        ways.append(MediaSource.of(path))

    async def scene(_: Stage[Any, Any], worker: LLMWorkerAbstract | ImgGenWorkerAbstract) -> None:
        for image in ways:
            with suppress(InferenceError):  # what the vendor makes of it is of no interest here
                await ask(worker, image)

    with DRIVERS[name].vendor() as vendor:
        play(DRIVERS[name], scene, vendor=vendor)
        bodies = [body for body in vendor.requests if holds_the_image(body)]
    assert len(ways) == len(bodies)
    for body in bodies:
        assert b"png" in body.lower()
        assert not any(other in body for other in (b"octet-stream", b"jpeg", b"jpg", b"image/*"))


@pytest.mark.parametrize("name", heavy_but("openai", "google llm", names=TAKE_IMAGES))
def test_what_is_no_image_is_refused_before_the_vendor_is_asked(name: str) -> None:
    image = MediaSource(data=b"<!DOCTYPE html><p>Sign in</p>", mime_type="image/png")

    async def scene(_: Stage[Any, Any], worker: LLMWorkerAbstract | ImgGenWorkerAbstract) -> None:
        with pytest.raises(InferenceRequestError, match="no image but text/html"):
            await ask(worker, image)

    with DRIVERS[name].vendor() as vendor:
        play(DRIVERS[name], scene, vendor=vendor)
        assert [] == list(vendor.requests)
