"""The base of document extraction workers."""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from typing import TYPE_CHECKING, final

from pipelex.cogt.exceptions import InferenceError, say_whom
from pipelex.cogt.extract.extract_job import ExtractedPage, ExtractJob, ExtractProgress
from pipelex.cogt.inference.inference_result import InferenceResult
from pipelex.cogt.inference.inference_worker_abstract import (
    CallReport,
    InferenceWorkerAbstract,
    refuse_undeclared,
    run_call,
)
from pipelex.cogt.inference.iterators import close_iterator
from pipelex.cogt.model_backends.model_spec import Capability
from pipelex.plugins.returned_values import Shape, check_content, check_record, fields_of, origin_of
from pipelex.reporting.reporting_protocol import InferenceUsage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator
    from pathlib import Path

    from pipelex.cogt.inference.media import MediaSource

__all__ = ["ExtractWorkerAbstract"]

_PAGES = Shape("_extract_pages", tuple, ExtractedPage)
_STREAM = Shape("_stream_pages", ExtractedPage)
_PAGE_FIELDS = fields_of(ExtractedPage)


class ExtractWorkerAbstract(InferenceWorkerAbstract):
    """Serves document extraction. A driver writes ``_extract_pages``, and ``_stream_pages`` where it can."""

    @final
    async def extract_pages(
        self,
        job: ExtractJob | MediaSource | bytes | Path | str,
        *,
        on_progress: Callable[[ExtractProgress], object] | None = None,
    ) -> list[ExtractedPage]:
        """Extract the pages of a document.

        Args:
            job: The job, or simply the document: its bytes, its path or its address.
            on_progress: Called after each page; after the last one alone where the engine gives all of them at once.
                What it raises is logged, and ignored.

        Returns:
            The pages, in the order asked for. One that cannot be read is among them, with its ``error``.

        Raises:
            UnsupportedCapabilityError: The job asks for what the model does not declare.
            InferenceError: The call failed; its subclass says how.
        """
        job = _accept(self, job)
        if on_progress is not None and type(self)._stream_pages is not ExtractWorkerAbstract._stream_pages:
            return await _collected(self, job, on_progress)
        extracted = await run_call(self, "extract_pages", lambda: self._extract_pages(job), job=job, shape=_PAGES)
        pages = [_named(self, page, _PAGES) for page in extracted]
        if on_progress is not None:
            from pipelex.reporting.observers import notify

            notify(on_progress, partial(on_progress, ExtractProgress(pages_done=len(pages), pages_total=len(pages))))
        return pages

    @final
    async def stream_pages(
        self, job: ExtractJob | MediaSource | bytes | Path | str
    ) -> AsyncGenerator[ExtractedPage, None]:
        """Extract the pages of a document one by one: long documents in little memory, with progress.

        Args:
            job: The job, or simply the document: its bytes, its path or its address.

        Yields:
            The pages, in the order asked for. One that cannot be read is among them, with its ``error``.

        Raises:
            UnsupportedCapabilityError: The job asks for what the model does not declare.
            InferenceError: The call failed, before or after the first page; its subclass says how.
        """
        job = _accept(self, job)
        pages = _drawn(self, job, "stream_pages")
        try:
            async for page in pages:
                yield page
        finally:
            await close_iterator(pages)

    @final
    def extract_pages_sync(
        self,
        job: ExtractJob | MediaSource | bytes | Path | str,
        *,
        on_progress: Callable[[ExtractProgress], object] | None = None,
    ) -> list[ExtractedPage]:
        """Do what :meth:`extract_pages` does, from code that runs no event loop.

        Args:
            job: The job, or simply the document: its bytes, its path or its address.
            on_progress: Called after each page, on another thread than the caller's. What it raises is logged, and
                ignored.

        Returns:
            The pages, in the order asked for.

        Raises:
            SyncCallInRunningLoopError: An event loop runs on this thread.
            InferenceError: The call failed; its subclass says how.
        """
        from pipelex.cogt.inference.sync_calls import call_sync

        return call_sync(partial(self.extract_pages, on_progress=on_progress), job)

    @final
    def stream_pages_sync(
        self, job: ExtractJob | MediaSource | bytes | Path | str
    ) -> Generator[ExtractedPage, None, None]:
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
        result = await self._extract_pages(job)
        origin = origin_of(self, _PAGES.hook)
        check_record(origin, result, InferenceResult, {})
        check_content(origin, result.content, _PAGES)
        for page in result.content:
            yield page


async def _drawn(worker: ExtractWorkerAbstract, job: ExtractJob, operation: str) -> AsyncIterator[ExtractedPage]:
    """Draw the pages of a document one by one, inside the frame of a call."""
    from pipelex.cogt.inference.attempts import streamed

    with CallReport(worker, operation, _STREAM, job=job) as report:
        count = 0
        pages = streamed(worker, lambda: worker._stream_pages(job), report)
        try:
            async for page in pages:
                check_record(report.origin, page, ExtractedPage, _PAGE_FIELDS)
                if count == 0:
                    report.note_first_piece()
                count += 1
                report.usage = InferenceUsage(pages=count)
                yield _named(worker, page, _STREAM)
        finally:
            await close_iterator(pages)


def _named(worker: ExtractWorkerAbstract, page: ExtractedPage, shape: Shape) -> ExtractedPage:
    """Complete the error of a page, where it has one, by whom it is about."""
    error = page.error
    if error is None:
        return page
    if not isinstance(error, InferenceError):
        expected, at = "InferenceError or None", ", field 'error' of ExtractedPage"
        raise origin_of(worker, shape.hook).error(expected, error, at=at)
    model = worker.inference_model
    say_whom(error, provider=model.backend_name, model=model.name)
    return page


async def _collected(
    worker: ExtractWorkerAbstract, job: ExtractJob, on_progress: Callable[[ExtractProgress], object]
) -> list[ExtractedPage]:
    """Draw all pages, and report the progress after each."""
    from pipelex.reporting.observers import notify

    collected: list[ExtractedPage] = []
    pages = _drawn(worker, job, "extract_pages")
    try:
        async for page in pages:
            collected.append(page)
            total = len(job.params.pages) or page.page_count
            progress = ExtractProgress(pages_done=len(collected), pages_total=total)
            notify(on_progress, partial(on_progress, progress))
    finally:
        await close_iterator(pages)
    return collected


def _accept(worker: ExtractWorkerAbstract, source: ExtractJob | MediaSource | bytes | Path | str) -> ExtractJob:
    """Make a job of what the caller gave, and refuse it where the model does not declare what it needs."""
    job = ExtractJob.of(source)
    refuse_undeclared(worker, [Capability.URL] if job.document.url is not None else [], job.params)
    return job
