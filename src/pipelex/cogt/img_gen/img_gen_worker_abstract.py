"""The base of image generation workers."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, final

from pipelex.cogt.exceptions import InferenceInvalidAnswerError
from pipelex.cogt.img_gen.img_gen_job import GeneratedImage, ImgGenJob
from pipelex.cogt.inference.inference_worker_abstract import (
    CallReport,
    InferenceWorkerAbstract,
    refuse_undeclared,
    refuse_unsendable,
)
from pipelex.cogt.model_backends.model_spec import Capability
from pipelex.plugins.returned_values import Shape

if TYPE_CHECKING:
    from pipelex.cogt.inference.inference_result import InferenceResult

__all__ = ["ImgGenWorkerAbstract"]

_IMAGES = Shape("_gen_image_list", tuple, GeneratedImage)


class ImgGenWorkerAbstract(InferenceWorkerAbstract):
    """Serves image generation. A driver writes ``_gen_image_list``."""

    @final
    async def gen_image(self, job: ImgGenJob | str) -> GeneratedImage:
        """Ask for one image.

        Args:
            job: The job, or simply the text of the prompt.

        Returns:
            The image.

        Raises:
            UnsupportedCapabilityError: The job asks for what the model does not declare.
            InferenceError: The call failed; its subclass says how.
        """
        job = _accept(self, job, count=1)
        return (await _made(self, "gen_image", job))[0]

    @final
    async def gen_image_list(self, job: ImgGenJob | str, count: int | None = None) -> list[GeneratedImage]:
        """Ask for several images of one prompt.

        Args:
            job: The job, or simply the text of the prompt.
            count: How many; in place of the job's own count.

        Returns:
            The images.

        Raises:
            UnsupportedCapabilityError: The job asks for what the model does not declare.
            InferenceError: The call failed; its subclass says how.
        """
        job = _accept(self, job, count=count)
        return await _made(self, "gen_image_list", job)

    @final
    def gen_image_sync(self, job: ImgGenJob | str) -> GeneratedImage:
        """Do what :meth:`gen_image` does, from code that runs no event loop.

        Args:
            job: The job, or simply the text of the prompt.

        Returns:
            The image.

        Raises:
            SyncCallInRunningLoopError: An event loop runs on this thread.
            InferenceError: The call failed; its subclass says how.
        """
        from pipelex.cogt.inference.sync_calls import call_sync

        return call_sync(self.gen_image, job)

    @final
    def gen_image_list_sync(self, job: ImgGenJob | str, count: int | None = None) -> list[GeneratedImage]:
        """Do what :meth:`gen_image_list` does, from code that runs no event loop.

        Args:
            job: The job, or simply the text of the prompt.
            count: How many; in place of the job's own count.

        Returns:
            The images.

        Raises:
            SyncCallInRunningLoopError: An event loop runs on this thread.
            InferenceError: The call failed; its subclass says how.
        """
        from pipelex.cogt.inference.sync_calls import call_sync

        return call_sync(self.gen_image_list, job, count)

    @abstractmethod
    async def _gen_image_list(self, job: ImgGenJob) -> InferenceResult[tuple[GeneratedImage, ...]]:
        """Make the images of a job.

        Args:
            job: The job; the model declares everything that it asks for.

        Returns:
            ``job.count`` images, with usage and the model that served it; that there are fewer is the base's matter.
        """


async def _made(worker: ImgGenWorkerAbstract, operation: str, job: ImgGenJob) -> list[GeneratedImage]:
    """Run the hook inside a frame, and hold what it returns against what was asked for."""
    from pipelex.cogt.inference.attempts import attempted

    with CallReport(worker, operation, _IMAGES, job=job) as report:
        images = report.note(await attempted(worker, lambda: worker._gen_image_list(job), report))[: job.count]
        report.refuse_half_answer()
        if len(images) < job.count:
            raise InferenceInvalidAnswerError(f"{job.count} images were asked for, {len(images)} came")
        return [_measured(image) for image in images]


def _measured(image: GeneratedImage) -> GeneratedImage:
    """Read an image's type out of its file, and its size where the vendor does not state it."""
    from pipelex.cogt.inference.answer_images import image_type_of

    kind = image_type_of(image.data, image.mime_type)
    if kind != image.mime_type:
        image = replace(image, mime_type=kind)
    if image.width is not None and image.height is not None:
        return image
    from pipelex.cogt.img_gen.image_size import size_of

    size = size_of(image.data)
    return image if size is None else replace(image, width=size[0], height=size[1])


def _accept(worker: ImgGenWorkerAbstract, source: ImgGenJob | str, *, count: int | None) -> ImgGenJob:
    """Make a job of what the caller gave, and refuse it where the model does not declare what it needs."""
    job = ImgGenJob.of(source)
    if count is not None and count != job.count:
        job = replace(job, count=count)
    if job.prompt.images:
        from pipelex.cogt.inference.media import expecting_images

        job = replace(job, prompt=replace(job.prompt, images=expecting_images(job.prompt.images)))
    refuse_unsendable(worker, job)
    refuse_undeclared(worker, [Capability.COUNT] if job.count > 1 else [], job.prompt, job.params)
    return job
