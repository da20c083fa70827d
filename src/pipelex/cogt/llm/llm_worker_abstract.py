"""The base of LLM workers."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, TypeVar

from pipelex.cogt.exceptions import InferenceServerError
from pipelex.cogt.inference.inference_worker_abstract import (
    CallReport,
    InferenceWorkerAbstract,
    not_written,
    object_adapter,
    refuse_undeclared,
    run_call,
    run_object_call,
)
from pipelex.cogt.inference.iterators import close_iterator
from pipelex.cogt.llm.llm_job import LLMJob, LLMTextChunk
from pipelex.cogt.model_backends.model_spec import Capability
from pipelex.plugins.returned_values import Shape, check_record, fields_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from pipelex.cogt.inference.inference_result import InferenceResult

__all__ = ["LLMWorkerAbstract"]

ObjectT = TypeVar("ObjectT")

_LONGEST_SHOWN = 8_000  # characters of a wrong answer that the model is shown again
_END_UNNAMED = "stream_end_unnamed"  # the extra of a model whose server sends no finish reason
_TEXT, _OBJECT, _STREAM = (Shape(hook, str) for hook in ("_gen_text", "_gen_object", "_stream_text"))
_CHUNK_FIELDS = fields_of(LLMTextChunk)


class LLMWorkerAbstract(InferenceWorkerAbstract):
    """Serves LLM calls. A driver writes ``_gen_text`` and, where its models declare them, the other hooks.

    Attributes:
        streams_name_their_end: Whether every whole stream of the vendor says why the model stopped. A stream that
            ends without is then an InferenceServerError, unless the model's extra ``stream_end_unnamed`` is true.
    """

    streams_name_their_end: ClassVar[bool] = False

    async def gen_text(self, job: LLMJob | str) -> str:
        """Ask for a text.

        Args:
            job: The job, or simply the user's text.

        Returns:
            The whole answer.

        Raises:
            UnsupportedCapabilityError: The job asks for what the model does not declare.
            InferenceError: The call failed; its subclass says how.
        """
        job = _accept(self, job)
        return await run_call(self, "gen_text", lambda: self._gen_text(job), job=job, shape=_TEXT)

    async def gen_object(self, job: LLMJob | str, schema: type[ObjectT]) -> ObjectT:
        """Ask for an object.

        Args:
            job: The job, or simply the user's text.
            schema: The type of the answer: any type that pydantic can validate.

        Returns:
            An instance of exactly that type.

        Raises:
            UnsupportedCapabilityError: The job asks for what the model does not declare.
            InferenceRequestError: No JSON schema can be made of the type.
            InferenceInvalidAnswerError: The answer does not fit the type.
            InferenceError: The call failed; its subclass says how.
        """
        job = _accept(self, job, Capability.STRUCTURED_OUTPUT)
        adapter = object_adapter(schema)
        json_schema = adapter.json_schema()
        return await run_object_call(
            self,
            "gen_object",
            lambda asked: self._gen_object(asked, json_schema),
            shape=_OBJECT,
            adapter=adapter,
            job=job,
            ask_again=_ask_again,
        )

    async def stream_text(self, job: LLMJob | str) -> AsyncIterator[str]:
        """Ask for a text and get it in pieces as it is made.

        Args:
            job: The job, or simply the user's text.

        Yields:
            The pieces; together they are the whole answer.

        Raises:
            UnsupportedCapabilityError: The job asks for what the model does not declare.
            InferenceError: The call failed, before or after the first piece; its subclass says how.
        """
        from pipelex.cogt.inference.attempts import streamed

        job = _accept(self, job, Capability.STREAMING)
        with CallReport(self, "stream_text", _STREAM, job=job) as report:
            chunks = streamed(self, lambda: self._stream_text(job), report)
            try:
                async for chunk in chunks:
                    if type(chunk) is not LLMTextChunk or type(chunk.text) is not str:
                        check_record(report.origin, chunk, LLMTextChunk, _CHUNK_FIELDS)
                    report.fold(chunk)
                    if chunk.text:
                        yield chunk.text
            finally:
                await close_iterator(chunks)
            _refuse_broken_stream(self, report)
            report.refuse_half_answer()
            report.refuse_empty_answer()

    def gen_text_sync(self, job: LLMJob | str) -> str:
        """Do what :meth:`gen_text` does, from code that runs no event loop.

        Args:
            job: The job, or simply the user's text.

        Returns:
            The whole answer.

        Raises:
            SyncCallInRunningLoopError: An event loop runs on this thread.
            InferenceError: The call failed; its subclass says how.
        """
        from pipelex.cogt.inference.sync_calls import call_sync

        return call_sync(self.gen_text, job)

    def gen_object_sync(self, job: LLMJob | str, schema: type[ObjectT]) -> ObjectT:
        """Do what :meth:`gen_object` does, from code that runs no event loop.

        Args:
            job: The job, or simply the user's text.
            schema: The type of the answer: any type that pydantic can validate.

        Returns:
            An instance of exactly that type.

        Raises:
            SyncCallInRunningLoopError: An event loop runs on this thread.
            InferenceError: The call failed; its subclass says how.
        """
        from pipelex.cogt.inference.sync_calls import call_sync

        return call_sync(self.gen_object, job, schema)

    def stream_text_sync(self, job: LLMJob | str) -> Iterator[str]:
        """Do what :meth:`stream_text` does, from code that runs no event loop.

        Args:
            job: The job, or simply the user's text.

        Returns:
            An iterator over the pieces.

        Raises:
            SyncCallInRunningLoopError: An event loop runs on this thread.
            InferenceError: The call failed; its subclass says how.
        """
        from pipelex.cogt.inference.sync_calls import iterate_sync

        return iterate_sync("stream_text", self.stream_text(job))

    @abstractmethod
    async def _gen_text(self, job: LLMJob) -> InferenceResult[str]:
        """Answer a job with a text.

        Args:
            job: The job; the model declares everything that it asks for.

        Returns:
            The answer, with usage, finish reason and the model that served it.
        """

    async def _gen_object(
        self,
        job: LLMJob,  # noqa: ARG002 - for overriders
        json_schema: dict[str, object],  # noqa: ARG002
    ) -> InferenceResult[str]:
        """Answer a job with JSON that fits a schema, by the vendor's own mechanism.

        Called only for models that declare the capability ``structured_output``.

        Args:
            job: The job; the model declares everything that it asks for.
            json_schema: The JSON schema of the answer.

        Returns:
            The answer as JSON text; the base validates it.
        """
        raise not_written(Capability.STRUCTURED_OUTPUT)

    def _stream_text(self, job: LLMJob) -> AsyncIterator[LLMTextChunk]:  # noqa: ARG002 - for overriders
        """Answer a job with a text in pieces; write it as an async generator.

        Called only for models that declare the capability ``streaming``.

        Args:
            job: The job; the model declares everything that it asks for.

        Returns:
            The pieces; the last one carries usage and finish reason.
        """
        raise not_written(Capability.STREAMING)


def _accept(worker: LLMWorkerAbstract, source: LLMJob | str, *needed: Capability) -> LLMJob:
    """Make a job of what the caller gave, and refuse it where the model does not declare what it needs."""
    job = LLMJob.of(source)
    refuse_undeclared(worker, needed, job.prompt, job.params)
    if job.prompt.images:
        from pipelex.cogt.inference.media import expecting_images

        return replace(job, prompt=replace(job.prompt, images=expecting_images(job.prompt.images)))
    return job


def _refuse_broken_stream(worker: LLMWorkerAbstract, report: CallReport) -> None:
    """Turn a stream that came to its end before the answer did into an error.

    Raises:
        InferenceServerError: No piece said why the model stopped, and every whole stream of the vendor does.
    """
    if report.finish_reason is not None or not worker.streams_name_their_end:
        return
    if worker.inference_model.extras.get(_END_UNNAMED) is True:
        return
    msg = "The stream ended before the answer was whole: no finish reason came. Where the server never sends one, "
    raise InferenceServerError(f"{msg}set '{_END_UNNAMED} = true' in the model's table in .pipelex/models.toml")


def _ask_again(job: LLMJob, answer: str, problems: str) -> LLMJob:
    """Show the model its answer and what is wrong with it."""
    user_text = (
        f"{job.prompt.user_text}\n\nYou answered:\n{answer[:_LONGEST_SHOWN]}\n\n{problems}\n"
        "Answer once more, with JSON that fits and nothing else: no fence around it, no words before or after it."
    )
    return replace(job, prompt=replace(job.prompt, user_text=user_text))
