"""Web pages as Markdown, fetched by Linkup."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from pipelex.cogt.exceptions import InferenceError, InferenceRequestError
from pipelex.cogt.extract.extract_job import ExtractedImage, ExtractedPage
from pipelex.cogt.extract.extract_worker_abstract import ExtractWorkerAbstract
from pipelex.cogt.inference.answer_images import fetch_answer_image
from pipelex.cogt.inference.answer_parts import field_of, items_of, word_of
from pipelex.cogt.inference.inference_result import InferenceResult
from pipelex.cogt.inference.sdk_worker import SdkWorker
from pipelex.providers.linkup.client import PooledLinkupClient
from pipelex.providers.linkup.errors import classify
from pipelex.reporting.reporting_protocol import InferenceUsage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipelex.cogt.extract.extract_job import ExtractJob

_IMAGE_S = 30.0  # the longest time to fetch an image of a page


class LinkupFetchWorker(SdkWorker[PooledLinkupClient], ExtractWorkerAbstract):
    """Serves web pages and PDF documents on the web as one page of Markdown.

    With the model's extra ``render_js = true`` the page's scripts run first.
    """

    async def _extract_pages(self, job: ExtractJob) -> InferenceResult[tuple[ExtractedPage, ...]]:
        address = self._address(job)
        fetched = await (await self._client()).async_fetch(
            address,
            render_js=True if self.inference_model.extras.get("render_js") else None,
            extract_images=job.params.embedded_images or None,
            timeout=self.inference_model.policy.timeout_s,
        )
        text = field_of(fetched, "markdown")
        if not isinstance(text, str):
            raise InferenceError.from_answer(fetched, expected="a page of Markdown")
        found = items_of(field_of(fetched, "images")) if job.params.embedded_images else []
        page = ExtractedPage(number=1, text=text.replace("\r\n", "\n"), images=await self._images(found))
        return InferenceResult(
            content=(page,), usage=InferenceUsage(pages=1), model_served=self.inference_model.model_id
        )

    def _classify_error(self, error: Exception) -> InferenceError | None:
        return classify(error)

    def _address(self, job: ExtractJob) -> str:
        """Return the page's address; refuse what Linkup cannot be told."""
        params = job.params
        if params.pages or params.password is not None or params.page_view_dpi is not None or params.tables:
            msg = "Linkup fetches a whole page as it is: it knows no pages, password, page_view_dpi and tables"
        elif job.document.url is None:
            msg = "Linkup fetches an http or https address, and neither bytes nor a file"
        else:
            return job.document.url
        raise InferenceRequestError(msg)

    async def _images(self, found: Iterable[object]) -> tuple[ExtractedImage, ...]:
        images = await asyncio.gather(*(self._image(image) for image in found))
        return tuple(image for image in images if image is not None)

    async def _image(self, found: object) -> ExtractedImage | None:
        """Fetch an image of the page; one that cannot be had is left out with a warning."""
        try:
            source = await fetch_answer_image(
                word_of(field_of(found, "url")) or "", model=self.inference_model, timeout_s=_IMAGE_S
            )
        except InferenceError as exc:
            logging.getLogger(__name__).warning("An image of the page is left out: %s", exc)
            return None
        return ExtractedImage(
            data=source.data or b"", mime_type=source.media_type(), caption=word_of(field_of(found, "alt"))
        )
