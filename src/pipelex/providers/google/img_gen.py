"""Image generation served by Gemini's image models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.genai.types import (
    AutomaticFunctionCallingConfig,
    Content,
    ImageConfig,
    Part,
)

from pipelex.cogt.exceptions import InferenceError, InferenceRequestError
from pipelex.cogt.img_gen.img_gen_job import GeneratedImage
from pipelex.cogt.img_gen.img_gen_worker_abstract import ImgGenWorkerAbstract
from pipelex.cogt.inference.inference_result import FinishReason, InferenceResult, PartialAnswer
from pipelex.cogt.inference.sdk_worker import SdkWorker
from pipelex.providers.google.client import GoogleClient, RequestConfig
from pipelex.providers.google.content import answer_parts, ending_of, file_part, text_of, usage_of
from pipelex.providers.google.errors import classify

if TYPE_CHECKING:
    from google.genai.types import GenerateContentResponse

    from pipelex.cogt.img_gen.img_gen_job import ImgGenJob


class GoogleImgGenWorker(SdkWorker[GoogleClient], ImgGenWorkerAbstract):
    """Serves image generation through Gemini's generateContent, one image a call.

    A quality is a resolution here: ``"1K"``, ``"2K"`` or ``"4K"``.
    """

    async def _gen_image_list(self, job: ImgGenJob) -> InferenceResult[tuple[GeneratedImage, ...]]:
        self._refuse_unknown(job)
        parts = [*[await file_part(image) for image in job.prompt.images], Part.from_text(text=job.prompt.text)]
        client = await self._client()
        response = await client.generate(
            model_id=self.inference_model.model_id,
            contents=[Content(role="user", parts=parts)],
            config=RequestConfig(
                response_modalities=["IMAGE"],
                seed=job.params.seed,
                image_config=_image_config(job),
                automatic_function_calling=AutomaticFunctionCallingConfig(disable=True),
            ),
        )
        images = _images(response)
        reason, detail = ending_of(response)
        if not images and reason is not FinishReason.CONTENT_FILTER:
            said = text_of(response)
            answer = PartialAnswer(text=said, usage=usage_of(response), finish_reason=reason, finish_detail=detail)
            raise InferenceError.from_answer(said, expected="an image", known=answer)
        return InferenceResult(
            content=images,
            usage=usage_of(response, images=len(images)),
            finish_reason=reason or FinishReason.OTHER,
            finish_detail=detail,
            model_served=response.model_version,
        )

    def _classify_error(self, error: Exception) -> InferenceError | None:
        return classify(error)

    def _refuse_unknown(self, job: ImgGenJob) -> None:
        """Refuse what the model's record declares and Gemini has no word for."""
        params = job.params
        unknown = {
            "count": job.count if job.count > 1 else None,
            "negative_text": job.prompt.negative_text,
            "size": params.size,
            "output_format": params.output_format,
            "background": params.background,
        }
        given = [name for name, value in unknown.items() if value is not None]
        if given:
            msg = f"Gemini's image models know no {', '.join(given)}. Take it from 'capabilities'"
            raise InferenceRequestError(msg)


def _image_config(job: ImgGenJob) -> ImageConfig | None:
    if job.params.aspect_ratio is None and job.params.quality is None:
        return None
    return ImageConfig(aspect_ratio=job.params.aspect_ratio, image_size=job.params.quality)


def _images(response: GenerateContentResponse) -> tuple[GeneratedImage, ...]:
    files = [part.inline_data for part in answer_parts(response) if part.inline_data is not None]
    return tuple(GeneratedImage(data=file.data, mime_type=file.mime_type or "image/png") for file in files if file.data)
