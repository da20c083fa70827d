"""Document extraction by PDFium: the text of PDF documents, their images, and pictures of their pages."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pipelex.cogt.exceptions import InferenceRequestError
from pipelex.cogt.extract.extract_worker_abstract import ExtractWorkerAbstract
from pipelex.cogt.inference.engine_thread import OneThread
from pipelex.cogt.inference.inference_result import InferenceResult
from pipelex.providers.pypdfium2.document import PdfDocument
from pipelex.reporting.reporting_protocol import InferenceUsage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pipelex.cogt.exceptions import InferenceError
    from pipelex.cogt.extract.extract_job import ExtractedPage, ExtractJob

_pdfium_thread = OneThread("pipelex-pdfium")
"""The thread of this process on which PDFium runs: it is not safe under more than one."""


class PdfiumExtractWorker(ExtractWorkerAbstract):
    """Serves document extraction from PDF files: no key, no network."""

    async def _extract_pages(self, job: ExtractJob) -> InferenceResult[tuple[ExtractedPage, ...]]:
        pages = tuple([page async for page in self._stream_pages(job)])
        return InferenceResult(
            content=pages, usage=InferenceUsage(pages=len(pages)), model_served=self.inference_model.model_id
        )

    async def _stream_pages(self, job: ExtractJob) -> AsyncIterator[ExtractedPage]:
        import asyncio

        opened: list[PdfDocument] = []  # one that is being opened when the call is given up is closed, too

        def open_document() -> PdfDocument:
            opened.append(PdfDocument(job.document, job.params))
            return opened[0]

        def close_opened() -> None:
            for document in opened:
                document.close()

        try:
            document = await _pdfium_thread.run(open_document)
            for number in document.numbers:
                yield await _pdfium_thread.run(partial(document.read_page, number))
        finally:  # the thread does its work in order: the last page asked for is done by then
            await asyncio.shield(_pdfium_thread.run(close_opened))

    def _classify_error(self, error: Exception) -> InferenceError | None:
        if isinstance(error, OSError):
            return InferenceRequestError(str(error))
        return None
