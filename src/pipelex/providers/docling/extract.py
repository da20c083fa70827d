"""Document extraction by Docling: office documents, web pages and PDF, without any model."""

from __future__ import annotations

import asyncio
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from pipelex.cogt.exceptions import InferenceRequestError
from pipelex.cogt.extract.extract_worker_abstract import ExtractWorkerAbstract
from pipelex.cogt.inference.inference_result import InferenceResult
from pipelex.providers.docling.document import DocumentError, is_known_ending, name_of, pages_of
from pipelex.reporting.reporting_protocol import InferenceUsage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from concurrent.futures import ThreadPoolExecutor

    from pipelex.cogt.exceptions import InferenceError
    from pipelex.cogt.extract.extract_job import ExtractedPage, ExtractJob
    from pipelex.cogt.inference.media import MediaSource

ReturnT = TypeVar("ReturnT")

_lock = Lock()
_executor: ThreadPoolExecutor | None = None


def _docling_thread() -> ThreadPoolExecutor:
    """Return the one thread of this process on which Docling runs: it promises nothing for more than one."""
    global _executor  # noqa: PLW0603 - one thread a process is the point
    with _lock:
        if _executor is None:
            from concurrent.futures import ThreadPoolExecutor

            _executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pipelex-docling")
        return _executor


async def _on_docling_thread(function: Callable[..., ReturnT], *args: object) -> ReturnT:
    # What waits for its turn is dropped when the call is given up; what runs, runs to its end.
    return await asyncio.wrap_future(_docling_thread().submit(function, *args))


class DoclingExtractWorker(ExtractWorkerAbstract):
    """Serves document extraction from DOCX, PPTX, XLSX, HTML, Markdown, CSV and PDF: no key, no network, no model."""

    async def _extract_pages(self, job: ExtractJob) -> InferenceResult[tuple[ExtractedPage, ...]]:
        pages = await _on_docling_thread(tuple, await self._pages(job, at_once=True))
        return InferenceResult(
            content=pages, usage=InferenceUsage(pages=len(pages)), model_served=self.inference_model.model_id
        )

    async def _stream_pages(self, job: ExtractJob) -> AsyncIterator[ExtractedPage]:
        pages = await self._pages(job, at_once=False)
        while (page := await _on_docling_thread(next, pages, None)) is not None:
            yield page

    async def _pages(self, job: ExtractJob, *, at_once: bool) -> Iterator[ExtractedPage]:
        """Return the pages of a document, to be drawn on Docling's thread."""
        source = await job.document.fetched()
        name, limit = _name(job.document, source), self.inference_model.policy.timeout_s
        return pages_of(source.data or b"", name=name, params=job.params, timeout_s=limit, at_once=at_once)

    def _classify_error(self, error: Exception) -> InferenceError | None:
        if isinstance(error, DocumentError | OSError):
            return InferenceRequestError(str(error))
        return None


def _name(given: MediaSource, fetched: MediaSource) -> str:
    """Return a name whose ending tells the document's format: its own where Docling knows the ending."""
    if given.path is not None and given.mime_type is None and is_known_ending(given.path.suffix):
        return given.path.name
    return name_of(fetched.media_type(), stem=given.path.stem if given.path is not None else "document")
