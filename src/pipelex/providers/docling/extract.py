"""Document extraction by Docling: office documents, web pages and PDF, without any model, in a process of its own."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from pipelex.cogt.exceptions import InferenceRequestError
from pipelex.cogt.extract.extract_job import ExtractedPage
from pipelex.cogt.extract.extract_worker_abstract import ExtractWorkerAbstract
from pipelex.cogt.inference.engine_thread import OneThread
from pipelex.cogt.inference.forking import renew_after_fork
from pipelex.cogt.inference.inference_result import InferenceResult
from pipelex.providers.docling.process import DoclingProcess, ProcessEndedError, RemoteDocument
from pipelex.reporting.reporting_protocol import InferenceUsage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from pipelex.cogt.exceptions import InferenceError
    from pipelex.cogt.extract.extract_job import ExtractJob

ReturnT = TypeVar("ReturnT")

_SHARE_OF_LIMIT = 0.9
"""How much of ``timeout_s`` a page may take: what is left is for naming it, before the whole call is cancelled."""
_docling_thread = OneThread("pipelex-docling")
"""The thread of this process that asks Docling's process: it does one thing at a time."""
_process = DoclingProcess()
_inherited: list[object] = []
"""What is the parent process's: Docling's process goes on serving it."""


def _renew() -> None:
    global _process  # noqa: PLW0603 - one process is the point
    _inherited.append(_process)
    _process = DoclingProcess()


renew_after_fork(_renew)


async def _asked(document: RemoteDocument, function: Callable[[], ReturnT]) -> ReturnT:
    """Await what is asked of Docling's process. What waits for its turn is dropped when the call is given up."""
    try:
        return await _docling_thread.run(function)
    except asyncio.CancelledError:
        document.give_up()
        raise


class DoclingExtractWorker(ExtractWorkerAbstract):
    """Serves document extraction from DOCX, PPTX, XLSX, HTML, Markdown, CSV and PDF: no key, no network, no model."""

    async def _extract_pages(self, job: ExtractJob) -> InferenceResult[tuple[ExtractedPage, ...]]:
        pages = tuple([page async for page in self._stream_pages(job)])
        return InferenceResult(
            content=pages, usage=InferenceUsage(pages=len(pages)), model_served=self.inference_model.model_id
        )

    async def _stream_pages(self, job: ExtractJob) -> AsyncIterator[ExtractedPage]:
        source = await job.document.fetched()
        name = job.document.path.name if job.document.path is not None else "The document"
        document = RemoteDocument(
            _process,
            source.data or b"",
            name=name,
            media_type=source.mime_type or "",
            params=job.params,
            limit_s=self.inference_model.policy.timeout_s * _SHARE_OF_LIMIT,
        )
        try:
            try:
                numbers = await _asked(document, document.open)
            except ProcessEndedError as exc:
                msg = f"{name} cannot be read: {exc}"
                raise InferenceRequestError(msg) from exc
            for number in numbers:
                try:
                    page = await _asked(document, partial(document.read, number))
                except ProcessEndedError as exc:
                    error = InferenceRequestError(f"Page {number} of {name} cannot be read: {exc}")
                    page = ExtractedPage(number=number, text="", error=error)
                yield page
        finally:
            _docling_thread.post(document.close)

    def _classify_error(self, error: Exception) -> InferenceError | None:
        return InferenceRequestError(str(error)) if isinstance(error, OSError) else None
