"""Image generation through fal's queue."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pipelex.cogt.exceptions import (
    InferenceAmbiguousError,
    InferenceConnectionError,
    InferenceError,
    InferenceInvalidAnswerError,
    InferenceRateLimitError,
    InferenceRequestError,
)
from pipelex.cogt.img_gen.img_gen_job import GeneratedImage
from pipelex.cogt.img_gen.img_gen_worker_abstract import ImgGenWorkerAbstract
from pipelex.cogt.inference.answer_images import fetch_answer_image
from pipelex.cogt.inference.answer_parts import field_of, items_of, word_of
from pipelex.cogt.inference.inference_result import FinishReason, InferenceResult
from pipelex.cogt.inference.sdk_worker import SdkWorker
from pipelex.providers.fal.client import FalClient
from pipelex.providers.fal.errors import classify
from pipelex.reporting.reporting_protocol import InferenceUsage

if TYPE_CHECKING:
    from fal_client import AsyncRequestHandle

    from pipelex.cogt.img_gen.img_gen_job import ImgGenJob
    from pipelex.cogt.inference.media import MediaSource

_POLL_S = 0.25
_CANCEL_S = 1.0  # how long to tell fal that nobody waits any more
_IMAGE_ARGUMENT = "image_argument"


class FalImgGenWorker(SdkWorker[FalClient], ImgGenWorkerAbstract):
    """Serves image generation through fal's queue.

    A job's parameters go out under the names that most of fal's image models share (fal.ai/docs, "Model Arguments").
    The model's extras go out as further arguments (``num_inference_steps = 4``), but for ``image_argument``: it names
    the argument that takes the input images, ``"image_url"`` (one image) where it is not set, or a list of them.
    """

    async def _gen_image_list(self, job: ImgGenJob) -> InferenceResult[tuple[GeneratedImage, ...]]:
        client = await self._client()
        handle = await client.submit(self.inference_model.model_id, await self._arguments(job))
        answer = await self._wait_for(handle)
        if True in items_of(answer.get("has_nsfw_concepts")):  # fal then paints the image black
            return InferenceResult(content=(), finish_reason=FinishReason.CONTENT_FILTER)
        files = items_of(answer.get("images")) or items_of(answer.get("image"))
        if not files:
            raise InferenceError.from_answer(answer, expected="a list of images")
        images = tuple(await asyncio.gather(*(self._image(file) for file in files)))
        return InferenceResult(
            content=images,
            usage=InferenceUsage(images=len(images)),
            model_served=self.inference_model.model_id,
        )

    def _classify_error(self, error: Exception) -> InferenceError | None:
        return classify(error)

    async def _wait_for(self, handle: AsyncRequestHandle) -> dict[str, Any]:
        """Wait until a generation is done. Whatever breaks on the way, it was begun and must not be begun again."""
        try:
            return dict(await handle.get(interval=_POLL_S))
        except asyncio.CancelledError:
            with suppress(Exception):  # fal may be done with it, or be the very reason for the cancellation
                async with asyncio.timeout(_CANCEL_S):
                    await handle.cancel()
            raise
        except Exception as exc:
            named = self._classify_error(exc)
            if not isinstance(named, InferenceConnectionError | InferenceRateLimitError):
                raise
            msg = f"The generation {handle.request_id} was begun, but how it ended could not be asked: {named.message}"
            raise InferenceAmbiguousError(msg) from exc

    async def _arguments(self, job: ImgGenJob) -> dict[str, Any]:
        """Say a job in fal's words; what it does not set is left to the model."""
        params = job.params
        size = {"width": params.size[0], "height": params.size[1]} if params.size is not None else None
        given: dict[str, Any] = {
            "negative_prompt": job.prompt.negative_text,
            "num_images": job.count if job.count > 1 else None,
            "image_size": size,
            "aspect_ratio": params.aspect_ratio,
            "quality": params.quality,
            "output_format": params.output_format,
            "background": params.background,
            "seed": params.seed,
        }
        return {
            **{name: value for name, value in self.inference_model.extras.items() if name != _IMAGE_ARGUMENT},
            "prompt": job.prompt.text,
            **{name: value for name, value in given.items() if value is not None},
            **await self._image_argument(job.prompt.images),
        }

    async def _image_argument(self, images: tuple[MediaSource, ...]) -> dict[str, Any]:
        if not images:
            return {}
        name = str(self.inference_model.extras.get(_IMAGE_ARGUMENT, "image_url"))
        addresses = [image.url or await image.as_data_url() for image in images]
        if name.endswith("s"):
            return {name: addresses}
        if len(addresses) > 1:
            msg = f"'{name}' takes one image, not {len(addresses)}. Where the model takes more, set {_IMAGE_ARGUMENT}"
            raise InferenceRequestError(msg)
        return {name: addresses[0]}

    async def _image(self, file: object) -> GeneratedImage:
        """Return an image of the answer: fal answers with its address, or with itself as a ``data:`` URL."""
        address = word_of(field_of(file, "url"))
        if address is None:
            raise InferenceInvalidAnswerError("The answer holds an image without an address")
        declared = word_of(field_of(file, "content_type"))
        source = await fetch_answer_image(address, model=self.inference_model, mime_type=declared)
        width, height = (field_of(file, name) for name in ("width", "height"))
        return GeneratedImage(
            data=source.data or b"",
            mime_type=source.media_type(),
            width=width if isinstance(width, int) else None,
            height=height if isinstance(height, int) else None,
        )
