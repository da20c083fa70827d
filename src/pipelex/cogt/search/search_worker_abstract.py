"""The base of search workers."""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from typing import TYPE_CHECKING, TypeVar, final

from pipelex.cogt.inference.inference_worker_abstract import (
    InferenceWorkerAbstract,
    not_written,
    object_adapter,
    refuse_undeclared,
    refuse_unsendable,
    run_call,
    run_object_call,
)
from pipelex.cogt.model_backends.model_spec import Capability
from pipelex.cogt.search.search_job import SearchAnswer, SearchJob
from pipelex.plugins.returned_values import Shape

if TYPE_CHECKING:
    from typing_extensions import TypeForm

    from pipelex.cogt.inference.inference_result import InferenceResult

__all__ = ["SearchWorkerAbstract"]

ObjectT = TypeVar("ObjectT")

_ANSWER = Shape("_search", SearchAnswer)
_OBJECT = Shape("_search_structured", str)


class SearchWorkerAbstract(InferenceWorkerAbstract):
    """Serves search. A driver writes ``_search`` and, where its models declare it, ``_search_structured``."""

    @final
    async def search(self, job: SearchJob | str) -> SearchAnswer:
        """Search, and get an answer with its sources.

        Args:
            job: The job, or simply the query.

        Returns:
            The answer and what it rests on.

        Raises:
            UnsupportedCapabilityError: The job asks for what the model does not declare.
            InferenceError: The call failed; its subclass says how.
        """
        job = _accept(self, job)
        return await run_call(self, "search", lambda: self._search(job), job=job, shape=_ANSWER)

    @final
    async def search_structured(self, job: SearchJob | str, schema: TypeForm[ObjectT]) -> ObjectT:
        """Search, and get the answer as an object.

        Args:
            job: The job, or simply the query.
            schema: The type of the answer: any type that pydantic can validate.

        Returns:
            An instance of exactly that type.

        Raises:
            UnsupportedCapabilityError: The job asks for what the model does not declare.
            InferenceInvalidAnswerError: The answer does not fit the type.
            InferenceError: The call failed; its subclass says how.
        """
        job = _accept(self, job, Capability.STRUCTURED_OUTPUT)
        adapter = object_adapter(schema)
        hook = partial(self._search_structured, job, adapter.json_schema())
        return await run_object_call(self, "search_structured", hook, shape=_OBJECT, adapter=adapter, job=job)

    @final
    def search_sync(self, job: SearchJob | str) -> SearchAnswer:
        """Do what :meth:`search` does, from code that runs no event loop.

        Args:
            job: The job, or simply the query.

        Returns:
            The answer and what it rests on.

        Raises:
            SyncCallInRunningLoopError: An event loop runs on this thread.
            InferenceError: The call failed; its subclass says how.
        """
        from pipelex.cogt.inference.sync_calls import call_sync

        return call_sync(self.search, job)

    @final
    def search_structured_sync(self, job: SearchJob | str, schema: TypeForm[ObjectT]) -> ObjectT:
        """Do what :meth:`search_structured` does, from code that runs no event loop.

        Args:
            job: The job, or simply the query.
            schema: The type of the answer: any type that pydantic can validate.

        Returns:
            An instance of exactly that type.

        Raises:
            SyncCallInRunningLoopError: An event loop runs on this thread.
            InferenceError: The call failed; its subclass says how.
        """
        from pipelex.cogt.inference.sync_calls import call_sync

        return call_sync(self.search_structured, job, schema)

    @abstractmethod
    async def _search(self, job: SearchJob) -> InferenceResult[SearchAnswer]:
        """Run a search.

        Args:
            job: The job; the model declares everything that it asks for.

        Returns:
            The answer and its sources, with usage.
        """

    async def _search_structured(
        self,
        job: SearchJob,  # noqa: ARG002 - for overriders
        json_schema: dict[str, object],  # noqa: ARG002
    ) -> InferenceResult[str]:
        """Run a search whose answer is JSON that fits a schema.

        Called only for models that declare the capability ``structured_output``.

        Args:
            job: The job; the model declares everything that it asks for.
            json_schema: The JSON schema of the answer.

        Returns:
            The answer as JSON text; the base validates it.
        """
        raise not_written(Capability.STRUCTURED_OUTPUT)


def _accept(worker: SearchWorkerAbstract, source: SearchJob | str, *needed: Capability) -> SearchJob:
    """Make a job of what the caller gave, and refuse it where the model does not declare what it needs."""
    job = SearchJob.of(source)
    refuse_unsendable(worker, job)
    refuse_undeclared(worker, needed, job.params)
    return job
