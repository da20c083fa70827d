"""What an image generation plugin has to do: derive a test class from ``ImgGenConformance``."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, ClassVar

from pipelex.cogt.exceptions import InferenceRefusedError
from pipelex.cogt.img_gen.img_gen_job import GeneratedImage, ImgGenJob, ImgGenJobParams, ImgGenPrompt
from pipelex.cogt.img_gen.img_gen_worker_abstract import ImgGenWorkerAbstract
from pipelex.cogt.inference.inference_result import FinishReason, InferenceResult
from pipelex.cogt.inference.media import MediaSource
from pipelex.cogt.model_backends.model_spec import Capability
from pipelex.generated.families import IMG_GEN
from pipelex.reporting.reporting_protocol import InferenceUsage
from pipelex.testing import samples
from pipelex.testing.checks import check, require
from pipelex.testing.conformance import Conformance, new_token

if TYPE_CHECKING:
    from pipelex.testing.stage import Stage

ImagesT = tuple[GeneratedImage, ...]


class ImgGenConformance(Conformance[ImgGenWorkerAbstract, ImagesT]):
    """The checks of the image generation family.

    The vendor's orders are ``InferenceResult[tuple[GeneratedImage, ...]]``: the images to answer, PNG files.
    """

    token = IMG_GEN
    operation = "gen_image"
    usage_fields: ClassVar[frozenset[str]] = frozenset({"images"})
    called_capabilities = (Capability.COUNT,)
    half_answers: ClassVar[tuple[FinishReason, ...]] = (FinishReason.CONTENT_FILTER,)

    @check(since="1.0")
    def test_as_many_images_come_as_are_asked_for(self) -> None:
        """``gen_image_list`` returns as many images as were asked for."""
        self._skip_undeclared(Capability.COUNT)

        async def scene(stage: Stage[ImgGenWorkerAbstract, ImagesT]) -> None:
            images = await self._make(stage).gen_image_list(self._job(new_token(), None), 2)
            require(len(images) == 2, f"gen_image_list(count=2) returned {len(images)} images.")

        self._play(scene, capability=Capability.COUNT)

    @check(since="1.0")
    def test_half_an_answer_is_an_error(self, half_answer: FinishReason) -> None:
        """An answer that was refused is its own error and never an image."""

        async def scene(stage: Stage[ImgGenWorkerAbstract, ImagesT]) -> None:
            await self._check_half_answer(stage, InferenceRefusedError)

        self._play(scene, answer=lambda _: InferenceResult(content=(), finish_reason=half_answer))

    @check(since="1.0")
    def test_an_odd_answer_costs_no_content(self) -> None:
        """A key of an answer that is null, missing or of another type costs nothing else of the answer."""
        self._meet_odd_answers()

    def _answer(self, token: str, capability: Capability | None) -> InferenceResult[ImagesT]:
        count = 2 if capability is Capability.COUNT else 1
        image = GeneratedImage(data=samples.png(token), mime_type="image/png", width=1, height=1)
        return InferenceResult(content=(image,) * count, usage=InferenceUsage(images=count), model_served=self.model_id)

    async def _call(self, worker: ImgGenWorkerAbstract, token: str, capability: Capability | None) -> object:
        if capability is Capability.COUNT:
            return (await worker.gen_image_list(self._job(token, None), 2))[0]
        return await worker.gen_image(self._job(token, capability))

    def _call_sync(self, worker: ImgGenWorkerAbstract, token: str) -> object:
        return worker.gen_image_sync(self._job(token, None))

    def _tokens_in(self, content: object) -> str:
        return content.data.decode("latin-1") if isinstance(content, GeneratedImage) else repr(content)

    def _texts_in(self, content: object) -> str:
        return base64.b64encode(content.data).decode() if isinstance(content, GeneratedImage) else repr(content)

    def _check_content(self, content: object, expected: InferenceResult[ImagesT] | None) -> None:
        require(isinstance(content, GeneratedImage), f"gen_image returned {content!r}, not a GeneratedImage.")
        if isinstance(content, GeneratedImage):
            require(content.mime_type.startswith("image/"), f"The image's mime_type is {content.mime_type!r}.")
            wanted = expected.content[0].data if expected is not None else content.data
            require(content.data and content.data == wanted, "The image's bytes are not those that the vendor sent.")

    def _check_honoured(self, content: object, capability: Capability) -> None:
        require(isinstance(content, GeneratedImage), f"With '{capability}', gen_image returned {content!r}.")

    def _job(self, token: str, capability: Capability | None) -> ImgGenJob:
        """Return a job that needs one capability and nothing else."""
        text = self.prompt(token)
        picture = MediaSource(data=samples.png(token), mime_type="image/png")
        prompts = {
            Capability.NEGATIVE_TEXT: ImgGenPrompt(text=text, negative_text="clouds"),
            Capability.IMAGES: ImgGenPrompt(text=text, images=(picture,)),
        }
        params = {
            Capability.SIZE: ImgGenJobParams(size=(512, 512)),
            Capability.ASPECT_RATIO: ImgGenJobParams(aspect_ratio="16:9"),
            Capability.QUALITY: ImgGenJobParams(quality="high"),
            Capability.OUTPUT_FORMAT: ImgGenJobParams(output_format="jpeg"),
            Capability.BACKGROUND: ImgGenJobParams(background="transparent"),
            Capability.SEED: ImgGenJobParams(seed=4711),
        }
        if capability is None:
            return ImgGenJob(prompt=ImgGenPrompt(text=text))
        prompt = prompts.get(capability, ImgGenPrompt(text=text))
        return ImgGenJob(prompt=prompt, params=params.get(capability, ImgGenJobParams()))
