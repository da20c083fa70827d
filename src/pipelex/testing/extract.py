"""What a document extraction plugin has to do: derive a test class from ``ExtractConformance``."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pipelex.cogt.extract.extract_job import (
    ExtractedImage,
    ExtractedPage,
    ExtractedTable,
    ExtractJob,
    ExtractJobParams,
    ExtractProgress,
)
from pipelex.cogt.extract.extract_worker_abstract import ExtractWorkerAbstract
from pipelex.cogt.inference.inference_result import InferenceResult
from pipelex.cogt.inference.media import MediaSource
from pipelex.cogt.model_backends.model_spec import Capability
from pipelex.generated.families import EXTRACT
from pipelex.reporting.reporting_protocol import InferenceUsage
from pipelex.testing import samples
from pipelex.testing.checks import check, require
from pipelex.testing.conformance import Conformance, new_token
from pipelex.testing.loopback import HttpReply, LoopbackServer

if TYPE_CHECKING:
    from pipelex.testing.stage import Stage

PagesT = tuple[ExtractedPage, ...]

_ROWS = (("city", "people"), ("Lyon", "520000"))
_PASSWORD = "open sesame"  # noqa: S105 - that of the kit's own document
_TABLE = "| city | people |\n| --- | ---: |\n| Lyon | 520000 |"


class ExtractConformance(Conformance[ExtractWorkerAbstract, PagesT]):
    """The checks of the document extraction family.

    The document is a PDF of two pages. The vendor's orders are ``InferenceResult[tuple[ExtractedPage, ...]]``: the
    pages to answer. A real engine reads the document itself.
    """

    token = EXTRACT
    operation = "extract_pages"
    usage_fields: ClassVar[frozenset[str]] = frozenset({"pages"})

    @check(since="1.0")
    def test_pages_come_one_by_one(self) -> None:
        """``stream_pages`` brings the pages that ``extract_pages`` returns."""

        async def scene(stage: Stage[ExtractWorkerAbstract, PagesT]) -> None:
            worker = self._make(stage)
            job = ExtractJob.of(_document(new_token()))
            streamed = [page async for page in worker.stream_pages(job)]
            whole = await worker.extract_pages(job)
            require(streamed == whole, f"stream_pages brought {streamed}, extract_pages {whole}.")

        self._play(scene)

    @check(since="1.0")
    def test_progress_is_told(self) -> None:
        """``on_progress`` is called with more and more pages, of all of them at the end, and of no wrong total."""

        async def scene(stage: Stage[ExtractWorkerAbstract, PagesT]) -> None:
            seen: list[ExtractProgress] = []
            pages = await self._make(stage).extract_pages(_document(new_token()), on_progress=seen.append)
            done = [progress.pages_done for progress in seen]
            totals = {progress.pages_total for progress in seen}
            is_right = done == sorted(set(done)) and done[-1:] == [len(pages)] and totals <= {None, len(pages)}
            require(is_right, f"{len(pages)} pages came; the progress was {seen}.")

        self._play(scene)

    @check(since="1.0")
    def test_an_odd_answer_costs_no_content(self) -> None:
        """A key of an answer that is null, missing or of another type costs nothing else of the answer."""
        self._meet_odd_answers()

    def _answer(self, token: str, capability: Capability | None) -> InferenceResult[PagesT]:
        image = ExtractedImage(data=samples.png(token), mime_type="image/png")
        pages = tuple(
            ExtractedPage(
                number=number,
                text=f"{token} page {number}",
                images=(image,) if capability is Capability.EMBEDDED_IMAGES else (),
                view=image if capability is Capability.PAGE_VIEW_DPI else None,
                tables=(ExtractedTable.of_markdown(_TABLE),) if capability is Capability.TABLES else (),
            )
            for number in ((2,) if capability is Capability.PAGES else (1, 2))
        )
        return InferenceResult(content=pages, usage=InferenceUsage(pages=len(pages)), model_served=self.model_id)

    async def _call(self, worker: ExtractWorkerAbstract, token: str, capability: Capability | None) -> object:
        if capability is not Capability.URL:
            return await worker.extract_pages(self._job(token, capability))
        files = LoopbackServer(
            lambda _: HttpReply(body=samples.pdf(token), headers={"Content-Type": "application/pdf"})
        )
        try:
            return await worker.extract_pages(f"{files.url}/{token}.pdf")
        finally:
            files.close()

    def _call_sync(self, worker: ExtractWorkerAbstract, token: str) -> object:
        return worker.extract_pages_sync(self._job(token, None))

    def _tokens_in(self, content: object) -> str:
        return "\n".join(page.text for page in _pages(content))

    def _texts_in(self, content: object) -> str:
        return "\n".join(f"{page.number} {page.text}" for page in _pages(content))

    def _check_content(self, content: object, expected: InferenceResult[PagesT] | None) -> None:
        got = [(page.number, page.text.strip()) for page in _pages(content)]
        wanted = [(page.number, page.text) for page in expected.content] if expected is not None else None
        require([number for number, _ in got] == [1, 2], f"The document has pages 1 and 2; these came: {got}.")
        require(wanted in (None, got), f"extract_pages returned {got}; the vendor sent {wanted}.")

    def _check_honoured(self, content: object, capability: Capability) -> None:
        pages = _pages(content)
        if capability is Capability.PAGES:
            require([page.number for page in pages] == [2], f"Page 2 was asked for; these came: {pages}.")
        if capability is Capability.EMBEDDED_IMAGES:
            require(all(page.images for page in pages), f"Each page has an image; these came: {pages}.")
        if capability is Capability.PAGE_VIEW_DPI:
            require(all(page.view for page in pages), f"A picture of each page was asked for; these came: {pages}.")
        if capability is Capability.TABLES:
            rows = [table.rows for page in pages for table in page.tables]
            require(rows == [_ROWS] * len(pages), f"Each page has the table {_ROWS}; these came: {rows}.")

    def _job(self, token: str, capability: Capability | None) -> ExtractJob:
        """Return a job that needs one capability and nothing else."""
        params = {
            Capability.PAGES: ExtractJobParams(pages=(2,)),
            Capability.PASSWORD: ExtractJobParams(password=_PASSWORD),
            Capability.EMBEDDED_IMAGES: ExtractJobParams(embedded_images=True),
            Capability.PAGE_VIEW_DPI: ExtractJobParams(page_view_dpi=72),
            Capability.TABLES: ExtractJobParams(tables=True),
        }
        chosen = params[capability] if capability is not None else ExtractJobParams()
        document = _document(token, password=_PASSWORD if capability is Capability.PASSWORD else None)
        return ExtractJob(document=document, params=chosen)


def _document(token: str, *, password: str | None = None) -> MediaSource:
    return MediaSource(data=samples.pdf(token, password=password), mime_type="application/pdf")


def _pages(content: object) -> list[ExtractedPage]:
    if isinstance(content, list) and all(isinstance(page, ExtractedPage) for page in content):
        return content
    require(False, f"extract_pages returned {content!r}, not a list of ExtractedPage.")
    return []
