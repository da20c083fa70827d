"""Document extraction by Mistral's OCR: Markdown with its tables, images with their places and captions."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from mistralai.client.errors import ResponseValidationError
from mistralai.client.types import UNSET

from pipelex.cogt.exceptions import InferenceError, InferenceRequestError
from pipelex.cogt.extract.extract_job import BoundingBox, ExtractedImage, ExtractedPage, ExtractedTable
from pipelex.cogt.extract.extract_worker_abstract import ExtractWorkerAbstract
from pipelex.cogt.inference.answer_images import read_answer_image
from pipelex.cogt.inference.answer_parts import field_of, items_of, json_of, usage_of, word_of
from pipelex.cogt.inference.inference_result import InferenceResult
from pipelex.cogt.inference.sdk_worker import SdkWorker
from pipelex.providers.mistral.client import MistralClient
from pipelex.providers.mistral.errors import classify
from pipelex.providers.mistral.messages import address
from pipelex.reporting.reporting_protocol import InferenceUsage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mistralai.client.models import DocumentUnionTypedDict

    from pipelex.cogt.extract.extract_job import ExtractJob, ExtractJobParams
    from pipelex.cogt.inference.media import MediaSource

_POINTS_PER_INCH = 72


class MistralExtractWorker(SdkWorker[MistralClient], ExtractWorkerAbstract):
    """Serves document extraction through Mistral's OCR."""

    async def _extract_pages(self, job: ExtractJob) -> InferenceResult[tuple[ExtractedPage, ...]]:
        self._refuse_unknown(job)
        wanted = job.params.pages
        answer = await self._ask(job)
        pages = {_number(page, position, wanted): page for position, page in enumerate(items_of(answer.get("pages")))}
        missing = [number for number in wanted if number not in pages]
        if missing:
            raise InferenceRequestError(f"The document has no page {missing[0]}")
        content = tuple(_page(number, pages[number], job.params) for number in wanted or sorted(pages))
        return InferenceResult(
            content=content,
            usage=usage_of(answer.get("usage_info"), pages="pages_processed") or InferenceUsage(pages=len(content)),
            model_served=word_of(answer.get("model")),
        )

    async def _ask(self, job: ExtractJob) -> dict[str, object]:
        """Return the answer as plain JSON: the SDK refuses it whole where one field is null or of another type."""
        params = job.params
        try:
            response = await (await self._client()).sdk.ocr.process_async(
                model=self.inference_model.model_id,
                document=await _document(job.document),
                pages=sorted({number - 1 for number in params.pages}) if params.pages else UNSET,
                include_image_base64=params.embedded_images,
                include_blocks=params.embedded_images or params.tables,  # captions and places are among them
                table_format="markdown" if params.tables else UNSET,  # without it they stand in the text alone
            )
        except ResponseValidationError as exc:
            answer = json_of(exc.body)
            if not isinstance(answer, dict) or not isinstance(answer.get("pages"), list):
                raise
            return answer
        return response.model_dump(by_alias=True)

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


def _number(page: object, position: int, wanted: tuple[int, ...]) -> int:
    """Return a page's number, counted from 1; one that states no index has that of its place."""
    index = field_of(page, "index")
    if isinstance(index, int):
        return index + 1
    return sorted(set(wanted))[position] if position < len(set(wanted)) else position + 1


def _page(number: int, page: object, params: ExtractJobParams) -> ExtractedPage:
    text = field_of(page, "markdown")
    if not isinstance(text, str):
        raise InferenceError.from_answer(page, expected="a page of Markdown")
    size = field_of(page, "dimensions")
    tables = [table for table in items_of(field_of(page, "tables")) if _content(table)]
    blocks = items_of(field_of(page, "blocks"))
    captions = _captions(blocks)
    return ExtractedPage(
        number=number,
        text=_markdown(text, tables),
        width=_points(field_of(size, "width"), size),
        height=_points(field_of(size, "height"), size),
        images=tuple(
            _image(data, image, size=size, caption=captions.get(word_of(field_of(image, "id"))))
            for image in items_of(field_of(page, "images"))
            if params.embedded_images and (data := word_of(field_of(image, "image_base64"))) is not None
        ),
        tables=tuple(_tables(tables, blocks, size)) if params.tables else (),
    )


def _content(item: object) -> str:
    return word_of(field_of(item, "content")) or ""


def _markdown(text: str, tables: list[object]) -> str:
    """Return a page's Markdown, with the tables that came beside it in the places that point to them."""
    text = text.replace("\r\n", "\n")
    for table in tables:
        name = field_of(table, "id")
        text = text.replace(f"[{name}]({name})", _content(table))
    return text


def _captions(blocks: list[object]) -> dict[object, str]:
    """Return the captions by image: a caption is the block that follows its image in reading order."""
    return {
        word_of(field_of(image, "image_id")): _content(caption)
        for image, caption in pairwise(blocks)
        if (field_of(image, "type"), field_of(caption, "type")) == ("image", "caption")
    }


def _tables(tables: list[object], blocks: list[object], size: object) -> Iterator[ExtractedTable]:
    """Read the tables; where each stands is said by its block."""
    places = {
        word_of(field_of(block, "table_id")): _box(block, size)
        for block in blocks
        if field_of(block, "type") == "table"
    }
    for table in tables:
        box = places.get(word_of(field_of(table, "id")))
        if field_of(table, "format") == "html":
            yield ExtractedTable(text=_content(table), mime_type="text/html", box=box)
        else:
            yield ExtractedTable.of_markdown(_content(table), box=box)


def _box(item: object, size: object) -> BoundingBox | None:
    corners = (field_of(item, name) for name in ("top_left_x", "top_left_y", "bottom_right_x", "bottom_right_y"))
    known = [distance for corner in corners if (distance := _points(corner, size)) is not None]
    return BoundingBox(left=known[0], top=known[1], right=known[2], bottom=known[3]) if len(known) == 4 else None


def _points(pixels: object, size: object) -> float | None:
    """Return a distance on the picture that OCR made of a page, in PDF points."""
    dpi = field_of(size, "dpi")
    if not isinstance(pixels, int | float) or not isinstance(dpi, int | float) or dpi <= 0:
        return None
    return pixels * _POINTS_PER_INCH / dpi


def _image(data: str, image: object, *, size: object, caption: str | None) -> ExtractedImage:
    """Read an image: a ``data:`` URL, or bare base64 of a JPEG in older answers."""
    file = read_answer_image(data, mime_type="image/jpeg")
    return ExtractedImage(data=file.data or b"", mime_type=file.media_type(), box=_box(image, size), caption=caption)
