"""Image generation by Azure OpenAI's REST API, for those who do without the openai SDK.

https://learn.microsoft.com/azure/ai-foundry/openai/how-to/dall-e
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pipelex.cogt.exceptions import InferenceError, InferenceInvalidAnswerError, InferenceRequestError
from pipelex.cogt.img_gen.img_gen_job import GeneratedImage
from pipelex.cogt.img_gen.img_gen_worker_abstract import ImgGenWorkerAbstract
from pipelex.cogt.inference.answer_images import fetch_answer_image
from pipelex.cogt.inference.answer_parts import field_of, items_of, json_of, usage_of, word_of
from pipelex.cogt.inference.inference_result import InferenceResult
from pipelex.cogt.inference.sdk_worker import SdkWorker
from pipelex.providers.azure_rest.client import AzureClient
from pipelex.providers.azure_rest.errors import classify
from pipelex.reporting.reporting_protocol import InferenceUsage

if TYPE_CHECKING:
    from pipelex.cogt.img_gen.img_gen_job import ImgGenJob

_QUALITIES = ("low", "medium", "high", "auto")


class AzureImgGenWorker(SdkWorker[AzureClient], ImgGenWorkerAbstract):
    """Serves image generation by a deployment of an Azure resource; the model's id is the deployment's name."""

    async def _gen_image_list(self, job: ImgGenJob) -> InferenceResult[tuple[GeneratedImage, ...]]:
        files = []
        for number, image in enumerate(job.prompt.images, start=1):
            fetched = await image.fetched()
            files.append(("image[]", (f"image{number}.png", fetched.data or b"", fetched.media_type())))
        client = await self._client()
        response = await client.post_to(
            "images/edits" if files else "images/generations",
            deployment=self.inference_model.model_id,
            fields=self._fields(job),
            files=files,
        )
        answer = json_of(response.content)
        rows = items_of(field_of(answer, "data"))
        if not rows:
            raise InferenceError.from_answer(answer, expected="a list of images")
        images = tuple([await self._image(row) for row in rows])
        return InferenceResult(
            content=images,
            usage=replace(_usage(field_of(answer, "usage")) or InferenceUsage(), images=len(images)),
            model_served=self.inference_model.model_id,
        )

    def _classify_error(self, error: Exception) -> InferenceError | None:
        return classify(error)

    def _fields(self, job: ImgGenJob) -> dict[str, object]:
        params, prompt = job.params, job.prompt
        refused = {"aspect_ratio": params.aspect_ratio, "seed": params.seed, "negative_text": prompt.negative_text}
        for name, value in refused.items():
            if value is not None:
                raise InferenceRequestError(f"Azure's Images API takes no '{name}': leave it out")
        if params.quality is not None and params.quality not in _QUALITIES:
            raise InferenceRequestError(f"The quality '{params.quality}' is none of {', '.join(_QUALITIES)}")
        fields: dict[str, object] = {"prompt": prompt.text, "n": job.count}
        if params.size is not None:
            width, height = params.size
            fields["size"] = f"{width}x{height}"
        for name in ("quality", "output_format", "background"):
            if getattr(params, name) is not None:
                fields[name] = getattr(params, name)
        return fields

    async def _image(self, row: object) -> GeneratedImage:
        """Return an image of the answer: its bytes, or what stands at its address."""
        held = word_of(field_of(row, "b64_json")) or word_of(field_of(row, "url"))
        if held is None:
            raise InferenceInvalidAnswerError("The answer holds an image without bytes and without address")
        file = await fetch_answer_image(held, model=self.inference_model)
        return GeneratedImage(data=file.data or b"", mime_type=file.media_type())


def _usage(counts: object) -> InferenceUsage | None:
    return usage_of(
        counts,
        input_tokens="input_tokens",
        output_tokens="output_tokens",
        input_image_tokens="input_tokens_details.image_tokens",
        output_image_tokens="output_tokens_details.image_tokens",
    )
