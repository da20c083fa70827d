"""Image generation by the Images API: OpenAI's own, gateways that copy it, and OpenRouter's variant."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypedDict, cast, get_args

from openai import AsyncOpenAI
from openai.types import ImagesResponse

from pipelex.cogt.exceptions import InferenceError, InferenceInvalidAnswerError, InferenceRequestError
from pipelex.cogt.img_gen.img_gen_job import GeneratedImage
from pipelex.cogt.img_gen.img_gen_worker_abstract import ImgGenWorkerAbstract
from pipelex.cogt.inference.answer_images import fetch_answer_image
from pipelex.cogt.inference.answer_parts import field_of, items_of, usage_of, word_of
from pipelex.cogt.inference.inference_result import InferenceResult
from pipelex.cogt.inference.sdk_worker import SdkWorker
from pipelex.providers.openai.errors import classify
from pipelex.providers.openai.inputs import address
from pipelex.reporting.reporting_protocol import InferenceUsage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipelex.cogt.img_gen.img_gen_job import ImgGenJob
    from pipelex.cogt.inference.media import MediaSource

Quality = Literal["low", "medium", "high", "xhigh", "max", "auto", "standard"]


class _Options(TypedDict, total=False):
    """The parameters of a request that may be left to the model."""

    n: int
    size: str
    quality: Quality
    output_format: Literal["png", "jpeg", "webp"]
    background: Literal["transparent", "opaque"]


class OpenAIImgGenWorker(SdkWorker[AsyncOpenAI], ImgGenWorkerAbstract):
    """Serves image generation by ``POST /images/generations``, and ``/images/edits`` where there are input images."""

    async def _gen_image_list(self, job: ImgGenJob) -> InferenceResult[tuple[GeneratedImage, ...]]:
        response: object = await self._make(job)  # the SDK validates nothing
        if not isinstance(response, ImagesResponse) or not response.model_fields_set & {"data", "usage"}:
            raise InferenceError.from_answer(response, expected="a list of images")
        images = tuple([await self._image(image, response.size) for image in items_of(response.data)])
        return InferenceResult(
            content=images,
            usage=replace(self._usage(response.usage) or InferenceUsage(), images=len(images)),
            model_served=self.inference_model.model_id,
        )

    def _classify_error(self, error: Exception) -> InferenceError | None:
        return classify(error)

    async def _make(self, job: ImgGenJob) -> ImagesResponse:
        self._refuse(job, "aspect_ratio", "seed", "negative_text")
        model, options = self.inference_model.model_id, self._options(job)
        client = await self._client()
        if not job.prompt.images:
            return await client.images.generate(model=model, prompt=job.prompt.text, **options)
        files = [await _upload(number, image) for number, image in enumerate(job.prompt.images, start=1)]
        return await client.images.edit(model=model, prompt=job.prompt.text, image=files, **options)

    def _options(self, job: ImgGenJob) -> _Options:
        """Say how the image is to be made; what the job leaves open is not sent."""
        params = job.params
        if params.quality is not None and params.quality not in get_args(Quality):
            msg = f"The quality '{params.quality}' is none of {', '.join(get_args(Quality))}"
            raise InferenceRequestError(msg)
        options = {
            "n": job.count if job.count > 1 else None,
            "size": f"{params.size[0]}x{params.size[1]}" if params.size is not None else None,
            "quality": params.quality,
            "output_format": params.output_format,
            "background": params.background,
        }
        return cast("_Options", {name: value for name, value in options.items() if value is not None})

    def _usage(self, counts: object) -> InferenceUsage | None:
        return usage_of(
            counts,
            input_tokens="input_tokens",
            output_tokens="output_tokens",
            input_image_tokens="input_tokens_details.image_tokens",
            output_image_tokens="output_tokens_details.image_tokens",
        )

    def _refuse(self, job: ImgGenJob, *names: str) -> None:
        """Refuse what the API has no word for, although the model's table declares it."""
        for name in names:
            if any(getattr(record, name, None) is not None for record in (job.params, job.prompt)):
                raise InferenceRequestError(f"The Images API takes no '{name}': leave it out")

    async def _image(self, image: object, size: object) -> GeneratedImage:
        """Return an image of the answer; where it holds an address only, fetch it."""
        width, height = _pixels(word_of(size))
        held = word_of(field_of(image, "b64_json")) or word_of(field_of(image, "url"))
        if held is None:
            raise InferenceInvalidAnswerError("The answer holds an image without bytes and without address")
        declared = word_of(field_of(image, "media_type"))  # a field of OpenRouter's
        file = await fetch_answer_image(held, model=self.inference_model, mime_type=declared)
        return GeneratedImage(data=file.data or b"", mime_type=file.media_type(), width=width, height=height)


class OpenRouterImgGenWorker(OpenAIImgGenWorker):
    """Serves image generation by ``POST /images``: one request for all models, input images among its fields.

    https://openrouter.ai/docs/guides/overview/multimodal/image-generation
    """

    async def _make(self, job: ImgGenJob) -> ImagesResponse:
        self._refuse(job, "negative_text")
        body: dict[str, object] = {
            "model": self.inference_model.model_id,
            "prompt": job.prompt.text,
            **self._options(job),
        }
        if job.params.aspect_ratio is not None:
            body["aspect_ratio"] = job.params.aspect_ratio
        if job.params.seed is not None:
            body["seed"] = job.params.seed
        if job.prompt.images:
            body["input_references"] = [
                {"type": "image_url", "image_url": {"url": await address(image)}} for image in job.prompt.images
            ]
        client = await self._client()
        return await client.post("/images", body=body, cast_to=ImagesResponse)

    def _usage(self, counts: object) -> InferenceUsage | None:
        """Read the tokens, which have the names of chat completions here."""
        return usage_of(
            counts,
            input_tokens="prompt_tokens",
            output_tokens="completion_tokens",
            output_image_tokens="completion_tokens_details.image_tokens",
        )


async def _upload(number: int, image: MediaSource) -> tuple[str, bytes, str]:
    """Return an input image as a part of a form: a name, the bytes and the type."""
    fetched = await image.fetched()
    kind = fetched.media_type()
    return f"image{number}.{kind.rpartition('/')[2]}", fetched.data or b"", kind


def _pixels(size: str | None) -> tuple[int | None, int | None]:
    """Read ``"1024x1536"``."""
    numbers: Iterable[str] = (size or "").split("x")
    width, height = ([int(number) for number in numbers if number.isdigit()] + [0, 0])[:2]
    return width or None, height or None
