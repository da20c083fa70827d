"""Image generation through Hugging Face: one of its inference providers, or an endpoint of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from huggingface_hub import AsyncInferenceClient, ImageToImageTargetSize
from huggingface_hub.inference._providers._common import _fetch_inference_provider_mapping
from PIL.Image import MIME
from PIL.ImageFile import ImageFile

from pipelex.cogt.exceptions import InferenceInvalidAnswerError, InferenceRequestError
from pipelex.cogt.img_gen.img_gen_job import GeneratedImage
from pipelex.cogt.img_gen.img_gen_worker_abstract import ImgGenWorkerAbstract
from pipelex.cogt.inference.daemon_thread import on_daemon_thread
from pipelex.cogt.inference.inference_result import InferenceResult
from pipelex.cogt.inference.sdk_worker import SdkWorker
from pipelex.providers.huggingface.errors import classify
from pipelex.reporting.reporting_protocol import InferenceUsage

if TYPE_CHECKING:
    from PIL.Image import Image

    from pipelex.cogt.exceptions import InferenceError
    from pipelex.cogt.img_gen.img_gen_job import ImgGenJob


class HuggingFaceImgGenWorker(SdkWorker[AsyncInferenceClient], ImgGenWorkerAbstract):
    """Serves image generation through Hugging Face, one image a call.

    The model's extras go out as further parameters (``num_inference_steps = 4``).
    """

    async def _gen_image_list(self, job: ImgGenJob) -> InferenceResult[tuple[GeneratedImage, ...]]:
        self._refuse_unknown(job)
        client = await self._client()
        # A backend that is one endpoint serves one model, of which the SDK is told nothing.
        model = self.inference_model.model_id if client.model is None else None
        if model is not None:
            await _learn_route(model)
        image = await (self._change(client, model, job) if job.prompt.images else self._make(client, model, job))
        return InferenceResult(
            content=(self._as_sent(image),),
            usage=InferenceUsage(images=1),
            model_served=self.inference_model.model_id,
        )

    def _classify_error(self, error: Exception) -> InferenceError | None:
        return classify(error)

    def _refuse_unknown(self, job: ImgGenJob) -> None:
        """Refuse what the model's record declares and no provider is told by the SDK."""
        asked = {
            "more than one image": job.count > 1,
            "more than one input image": len(job.prompt.images) > 1,
            "aspect_ratio (say size)": job.params.aspect_ratio,
            "quality": job.params.quality,
            "output_format": job.params.output_format,
            "background": job.params.background,
        }
        for name, is_asked in asked.items():
            if is_asked:
                msg = f"The Hugging Face client has no way to ask for {name}. Take it from the job or 'capabilities'"
                raise InferenceRequestError(msg)

    async def _make(self, client: AsyncInferenceClient, model: str | None, job: ImgGenJob) -> Image:
        width, height = job.params.size or (None, None)
        return await client.text_to_image(
            job.prompt.text,
            model=model,
            negative_prompt=job.prompt.negative_text,
            width=width,
            height=height,
            seed=job.params.seed,
            extra_body=dict(self.inference_model.extras),
        )

    async def _change(self, client: AsyncInferenceClient, model: str | None, job: ImgGenJob) -> Image:
        source = await job.prompt.images[0].fetched()
        size = job.params.size
        further: dict[str, Any] = dict(self.inference_model.extras)
        if job.params.seed is not None:
            further["seed"] = job.params.seed
        return await client.image_to_image(
            source.data or b"",
            job.prompt.text,
            model=model,
            negative_prompt=job.prompt.negative_text,
            target_size=ImageToImageTargetSize(width=size[0], height=size[1]) if size is not None else None,
            **further,
        )

    def _as_sent(self, image: Image) -> GeneratedImage:
        """Return the very file that came: the SDK hands over an image that is opened and not yet decoded."""
        if not isinstance(image, ImageFile) or image.fp is None:
            raise InferenceInvalidAnswerError("The SDK handed over something else than an image file")
        with image:
            image.fp.seek(0)
            data = image.fp.read()
        width, height = image.size
        return GeneratedImage(
            data=data, mime_type=MIME.get(image.format or "", "image/png"), width=width, height=height
        )


async def _learn_route(model: str) -> None:
    """Ask the hub who serves a model, away from the event loop.

    The SDK asks by a call that blocks, even in its async client, and remembers the answer for the process.
    """
    await on_daemon_thread(lambda: _fetch_inference_provider_mapping(model))
