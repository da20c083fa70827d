"""Document extraction by Mistral's OCR: Markdown with its tables, images with their places and captions."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from mistralai.client.models import OCRCaptionBlock, OCRImageBlock, OCRTableBlock
from mistralai.client.types import UNSET

from pipelex.cogt.exceptions import InferenceRequestError
from pipelex.cogt.extract.extract_job import BoundingBox, ExtractedImage, ExtractedPage, ExtractedTable
from pipelex.cogt.extract.extract_worker_abstract import ExtractWorkerAbstract
from pipelex.cogt.inference.answer_images import read_answer_image
from pipelex.cogt.inference.inference_result import InferenceResult
from pipelex.cogt.inference.sdk_worker import SdkWorker
from pipelex.providers.mistral.client import MistralClient
from pipelex.providers.mistral.errors import classify
from pipelex.providers.mistral.llm import address
from pipelex.reporting.reporting_protocol import InferenceUsage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mistralai.client.models import DocumentUnionTypedDict, OCRImageObject, OCRPageDimensions, OCRPageObject

    from pipelex.cogt.exceptions import InferenceError
    from pipelex.cogt.extract.extract_job import ExtractJob, ExtractJobParams
    from pipelex.cogt.inference.media import MediaSource

_POINTS_PER_INCH = 72


class MistralExtractWorker(SdkWorker[MistralClient], ExtractWorkerAbstract):
    """Serves document extraction through Mistral's OCR."""

    async def _extract_pages(self, job: ExtractJob) -> InferenceResult[tuple[ExtractedPage, ...]]:
        self._refuse_unknown(job)
        wanted = job.params.pages
        response = await (await self._client()).sdk.ocr.process_async(
            model=self.inference_model.model_id,
            document=await _document(job.document),
            pages=sorted({number - 1 for number in wanted}) if wanted else UNSET,
            include_image_base64=job.params.embedded_images,
            include_blocks=job.params.embedded_images or job.params.tables,  # captions and places are among them
            table_format="markdown" if job.params.tables else UNSET,  # without it they stand in the text alone
        )
        pages = {page.index + 1: page for page in response.pages}
        missing = [number for number in wanted if number not in pages]
        if missing:
            raise InferenceRequestError(f"The document has no page {missing[0]}")
        content = tuple(_page(number, pages[number], job.params) for number in wanted or sorted(pages))
        return InferenceResult(
            content=content,
            usage=InferenceUsage(pages=response.usage_info.pages_processed),
            model_served=response.model,
        )

    def _classify_error(self, error: Exception) -> InferenceError | None:
        return classify(error)

    def _refuse_unknown(self, job: ExtractJob) -> None:
        """Refuse what the model may have been declared to do by mistake, and pages that cannot be."""
        for name in ("password", "page_view_dpi"):
            if getattr(job.params, name) is not None:
                msg = f"Mistral's OCR knows no {name}. Take it from the model's 'capabilities'"
                raise InferenceRequestError(msg)
        wrong = [number for number in job.params.pages if number < 1]
        if wrong:
            raise InferenceRequestError(f"There is no page {wrong[0]}: pages are counted from 1")


async def _document(source: MediaSource) -> DocumentUnionTypedDict:
    if source.media_type().startswith("image/"):
        return {"type": "image_url", "image_url": await address(source)}
    return {"type": "document_url", "document_url": await address(source)}


def _page(number: int, page: OCRPageObject, params: ExtractJobParams) -> ExtractedPage:
    size = page.dimensions
    captions = _captions(page)
    return ExtractedPage(
        number=number,
        text=_markdown(page),
        width=_points(size.width, size) if size is not None else None,
        height=_points(size.height, size) if size is not None else None,
        images=tuple(
            _image(image, size=size, caption=captions.get(image.id))
            for image in page.images
            if params.embedded_images and image.image_base64
        ),
        tables=tuple(_tables(page)) if params.tables else (),
    )


def _markdown(page: OCRPageObject) -> str:
    """Return a page's Markdown, with the tables that came beside it in the places that point to them."""
    text = page.markdown.replace("\r\n", "\n")
    for table in page.tables or []:
        text = text.replace(f"[{table.id}]({table.id})", table.content)
    return text


def _captions(page: OCRPageObject) -> dict[str, str]:
    """Return the captions by image: a caption is the block that follows its image in reading order."""
    blocks = page.blocks if isinstance(page.blocks, list) else []
    return {
        image.image_id: caption.content
        for image, caption in pairwise(blocks)
        if isinstance(image, OCRImageBlock) and isinstance(caption, OCRCaptionBlock)
    }


def _tables(page: OCRPageObject) -> Iterator[ExtractedTable]:
    """Read the tables; where each stands is said by its block."""
    blocks = page.blocks if isinstance(page.blocks, list) else []
    places = {block.table_id: _box(block, page.dimensions) for block in blocks if isinstance(block, OCRTableBlock)}
    for table in page.tables or []:
        if table.format_ == "html":
            yield ExtractedTable(text=table.content, mime_type="text/html", box=places.get(table.id))
        else:
            yield ExtractedTable.of_markdown(table.content, box=places.get(table.id))


def _box(item: OCRImageObject | OCRTableBlock, size: OCRPageDimensions | None) -> BoundingBox | None:
    corners = (item.top_left_x, item.top_left_y, item.bottom_right_x, item.bottom_right_y)
    known = [distance for corner in corners if (distance := _points(corner, size)) is not None]
    return BoundingBox(left=known[0], top=known[1], right=known[2], bottom=known[3]) if len(known) == 4 else None


def _points(pixels: int | None, size: OCRPageDimensions | None) -> float | None:
    """Return a distance on the picture that OCR made of a page, in PDF points."""
    return pixels * _POINTS_PER_INCH / size.dpi if pixels is not None and size is not None and size.dpi else None


def _image(image: OCRImageObject, *, size: OCRPageDimensions | None, caption: str | None) -> ExtractedImage:
    """Read an image: a ``data:`` URL, or bare base64 of a JPEG in older answers."""
    file = read_answer_image(image.image_base64 or "", mime_type="image/jpeg")
    return ExtractedImage(data=file.data or b"", mime_type=file.media_type(), box=_box(image, size), caption=caption)
