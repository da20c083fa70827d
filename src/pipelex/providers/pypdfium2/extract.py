"""Document extraction by PDFium: the text of PDF documents, their images, and pictures of their pages."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from pipelex.cogt.exceptions import InferenceRequestError
from pipelex.cogt.extract.extract_worker_abstract import ExtractWorkerAbstract
from pipelex.cogt.inference.forking import renew_after_fork
from pipelex.cogt.inference.inference_result import InferenceResult
from pipelex.providers.pypdfium2.document import PdfDocument
from pipelex.reporting.reporting_protocol import InferenceUsage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from concurrent.futures import Future, ThreadPoolExecutor

    from pipelex.cogt.exceptions import InferenceError
    from pipelex.cogt.extract.extract_job import ExtractedPage, ExtractJob

ReturnT = TypeVar("ReturnT")

_lock = Lock()
_executor: ThreadPoolExecutor | None = None


def _renew() -> None:
    global _lock, _executor
    _lock, _executor = Lock(), None


renew_after_fork(_renew)


def _pdfium_thread() -> ThreadPoolExecutor:
    """Return the one thread of this process on which PDFium runs: it is not safe under more than one."""
    global _executor  # noqa: PLW0603 - one thread a process is the point
    with _lock:
        if _executor is None:
            from concurrent.futures import ThreadPoolExecutor

            _executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pipelex-pdfium")
        return _executor


async def _on_pdfium_thread(function: Callable[..., ReturnT], *args: object) -> ReturnT:
    import asyncio

    return await asyncio.wrap_future(_pdfium_thread().submit(function, *args))


class PdfiumExtractWorker(ExtractWorkerAbstract):
    """Serves document extraction from PDF files: no key, no network."""

    async def _extract_pages(self, job: ExtractJob) -> InferenceResult[tuple[ExtractedPage, ...]]:
        pages = tuple([page async for page in self._stream_pages(job)])
        return InferenceResult(
            content=pages, usage=InferenceUsage(pages=len(pages)), model_served=self.inference_model.model_id
        )

    async def _stream_pages(self, job: ExtractJob) -> AsyncIterator[ExtractedPage]:
        import asyncio

        opening = _pdfium_thread().submit(PdfDocument, job.document, job.params)
        try:
            # A document that is being opened when the call is given up must be closed all the same.
            document = await asyncio.shield(asyncio.wrap_future(opening))
            for number in document.numbers:
                yield await _on_pdfium_thread(document.read_page, number)
        finally:
            await asyncio.shield(asyncio.wrap_future(_pdfium_thread().submit(_close_opened, opening)))

    def _classify_error(self, error: Exception) -> InferenceError | None:
        if isinstance(error, OSError):
            return InferenceRequestError(str(error))
        return None


def _close_opened(opening: Future[PdfDocument]) -> None:
    """Close what was opened: the thread takes its work in order, so the last page asked for is done by now."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
