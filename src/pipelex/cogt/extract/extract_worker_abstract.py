"""The base of document extraction workers."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from pipelex.cogt.extract.extract_job import ExtractJob
from pipelex.cogt.inference.inference_worker_abstract import (
    CallReport,
    InferenceWorkerAbstract,
    close_iterator,
    refuse_undeclared,
    run_call,
)
from pipelex.cogt.model_backends.model_spec import Capability
from pipelex.reporting.reporting_protocol import InferenceUsage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from pipelex.cogt.extract.extract_job import ExtractedPage
    from pipelex.cogt.inference.inference_result import InferenceResult
    from pipelex.cogt.inference.media import MediaSource

__all__ = ["ExtractWorkerAbstract"]


class ExtractWorkerAbstract(InferenceWorkerAbstract):
    """Serves document extraction. A driver writes ``_extract_pages``, and ``_stream_pages`` where it can."""

    async def extract_pages(self, job: ExtractJob | MediaSource | bytes | Path | str) -> list[ExtractedPage]:
        """Extract the pages of a document.

        Args:
            job: The job, or simply the document: its bytes, its path or its address.

        Returns:
            The pages, in the order asked for.

        Raises:
            UnsupportedCapabilityError: The job asks for what the model does not declare.
            InferenceError: The call failed; its subclass says how.
        """
        job = _accept(self, job)
        return list(await run_call(self, "extract_pages", lambda: self._extract_pages(job)))

    async def stream_pages(self, job: ExtractJob | MediaSource | bytes | Path | str) -> AsyncIterator[ExtractedPage]:
        """Extract the pages of a document one by one: long documents in little memory, with progress.

        Args:
            job: The job, or simply the document: its bytes, its path or its address.

        Yields:
            The pages, in the order asked for.

        Raises:
            UnsupportedCapabilityError: The job asks for what the model does not declare.
            InferenceError: The call failed, before or after the first page; its subclass says how.
        """
        from pipelex.cogt.inference.attempts import streamed

        job = _accept(self, job)
        with CallReport(self, "stream_pages") as report:
            count = 0
            pages = streamed(self, lambda: self._stream_pages(job))
            try:
                async for page in pages:
                    count += 1
                    report.usage = InferenceUsage(pages=count)
                    yield page
            finally:
                await close_iterator(pages)

    def extract_pages_sync(self, job: ExtractJob | MediaSource | bytes | Path | str) -> list[ExtractedPage]:
        """Do what :meth:`extract_pages` does, from code that runs no event loop.

        Args:
            job: The job, or simply the document: its bytes, its path or its address.

        Returns:
            The pages, in the order asked for.

        Raises:
            SyncCallInRunningLoopError: An event loop runs on this thread.
            InferenceError: The call failed; its subclass says how.
        """
        from pipelex.cogt.inference.sync_calls import call_sync

        return call_sync(self.extract_pages, job)

    def stream_pages_sync(self, job: ExtractJob | MediaSource | bytes | Path | str) -> Iterator[ExtractedPage]:
        """Do what :meth:`stream_pages` does, from code that runs no event loop.

        Args:
            job: The job, or simply the document: its bytes, its path or its address.

        Returns:
            An iterator over the pages.

        Raises:
            SyncCallInRunningLoopError: An event loop runs on this thread.
            InferenceError: The call failed; its subclass says how.
        """
        from pipelex.cogt.inference.sync_calls import iterate_sync

        return iterate_sync("stream_pages", self.stream_pages(job))

    @abstractmethod
    async def _extract_pages(self, job: ExtractJob) -> InferenceResult[tuple[ExtractedPage, ...]]:
        """Extract the pages of a document.

        Args:
            job: The job; the model declares everything that it asks for.

        Returns:
            The pages, with usage and the model that served them.
        """

    async def _stream_pages(self, job: ExtractJob) -> AsyncIterator[ExtractedPage]:
        """Extract the pages one by one; override it where the engine can.

        Args:
            job: The job; the model declares everything that it asks for.

        Yields:
            The pages. As it stands, what ``_extract_pages`` returned.
        """
        for page in (await self._extract_pages(job)).content:
            yield page


def _accept(worker: ExtractWorkerAbstract, source: ExtractJob | MediaSource | bytes | Path | str) -> ExtractJob:
    """Make a job of what the caller gave, and refuse it where the model does not declare what it needs."""
    job = ExtractJob.of(source)
    refuse_undeclared(worker, [Capability.URL] if job.document.url is not None else [], job.params)
    return job
