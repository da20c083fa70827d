"""Documents read by a gateway's ``/ocr``, in the format of Mistral's OCR that LiteLLM's proxy shares.

https://docs.litellm.ai/docs/ocr
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from pipelex.cogt.exceptions import InferenceInvalidAnswerError, InferenceRequestError
from pipelex.cogt.extract.extract_job import BoundingBox, ExtractedImage, ExtractedPage, ExtractedTable
from pipelex.cogt.extract.extract_worker_abstract import ExtractWorkerAbstract
from pipelex.cogt.inference.answer_images import read_answer_image
from pipelex.cogt.inference.answer_parts import items_of, usage_of, word_of
from pipelex.cogt.inference.inference_result import InferenceResult
from pipelex.cogt.inference.sdk_worker import SdkWorker
from pipelex.providers.gateway.client import NoAnswerError, classify, post
from pipelex.reporting.reporting_protocol import InferenceUsage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipelex.cogt.exceptions import InferenceError
    from pipelex.cogt.extract.extract_job import ExtractJob, ExtractJobParams

_POINTS_PER_INCH = 72
_CORNERS = ("top_left_x", "top_left_y", "bottom_right_x", "bottom_right_y")


class GatewayExtractWorker(SdkWorker[httpx.AsyncClient], ExtractWorkerAbstract):
    """Serves document extraction by ``POST /ocr``."""

    async def _extract_pages(self, job: ExtractJob) -> InferenceResult[tuple[ExtractedPage, ...]]:
        answer = await post(await self._client(), "ocr", await self._request(job))
        items = _list(answer.get("pages"), "pages")
        found = (_page(item, position, job.params) for position, item in enumerate(items))
        pages = {page.number: page for page in found}
        wanted = job.params.pages or tuple(pages)
        missing = [number for number in wanted if number not in pages]
        if missing:
            raise InferenceInvalidAnswerError(f"The answer lacks the pages {', '.join(map(str, missing))}")
        counted = usage_of(answer.get("usage_info"), pages="pages_processed")
        return InferenceResult(
            content=tuple(pages[number] for number in wanted),
            usage=counted or InferenceUsage(pages=len(pages)),
            model_served=word_of(answer.get("model")),
        )

    def _classify_error(self, error: Exception) -> InferenceError | None:
        return classify(error)

    async def _request(self, job: ExtractJob) -> dict[str, object]:
        params = job.params
        for name in ("password", "page_view_dpi"):
            if getattr(params, name) is not None:
                raise InferenceRequestError(f"A gateway's /ocr takes no '{name}': leave it out")
        document = job.document
        kind = "image_url" if document.media_type().startswith("image/") else "document_url"
        place = document.url if document.url is not None else await document.as_data_url()
        return {
            "model": self.inference_model.model_id,
            "document": {"type": kind, kind: place},
            "include_image_base64": params.embedded_images,
            **({"pages": [number - 1 for number in params.pages]} if params.pages else {}),
            **({"table_format": "markdown"} if params.tables else {}),
        }


def _page(item: object, position: int, params: ExtractJobParams) -> ExtractedPage:
    """Convert a page: numbers count from 1, lengths are in points. One that states no index has that of its place."""
    page = _dict(item, "page")
    index, text = page.get("index"), page.get("markdown")
    if not isinstance(index, int):
        index = params.pages[position] - 1 if position < len(params.pages) else position
    if not isinstance(text, str):
        raise NoAnswerError("The answer holds a page without text")
    size = page.get("dimensions")
    dimensions = size if isinstance(size, dict) else {}
    dpi = dimensions.get("dpi")
    scale = _POINTS_PER_INCH / dpi if isinstance(dpi, int) and dpi > 0 else None
    tables = [_dict(table, "table") for table in _list(page.get("tables"), "tables")] if params.tables else []
    images = (image for image in items_of(page.get("images")) if isinstance(image, dict))
    return ExtractedPage(
        number=index + 1,
        text=_whole(text.replace("\r\n", "\n"), tables),
        width=_points(dimensions.get("width"), scale),
        height=_points(dimensions.get("height"), scale),
        images=tuple(_image(image, scale) for image in images if image.get("image_base64")),
        tables=tuple(_table(table) for table in tables),
    )


def _whole(text: str, tables: list[dict[str, object]]) -> str:
    """Put the tables back into the places that point to them: asked for apart, they are left out of the text."""
    for table in tables:
        text = text.replace(f"[{table.get('id')}]({table.get('id')})", str(table.get("content")))
    return text


def _table(table: Mapping[str, object]) -> ExtractedTable:
    content = str(table.get("content"))
    is_html = table.get("format") == "html"
    return ExtractedTable(text=content, mime_type="text/html") if is_html else ExtractedTable.of_markdown(content)


def _image(image: Mapping[str, object], scale: float | None) -> ExtractedImage:
    file = read_answer_image(str(image["image_base64"]))
    corners = [length for name in _CORNERS if (length := _points(image.get(name), scale)) is not None]
    box = BoundingBox(left=corners[0], top=corners[1], right=corners[2], bottom=corners[3]) if corners[3:] else None
    caption = image.get("image_annotation")
    return ExtractedImage(
        data=file.data or b"",
        mime_type=file.media_type(),
        box=box,
        caption=caption if isinstance(caption, str) else None,
    )


def _points(pixels: object, scale: float | None) -> float | None:
    return pixels * scale if isinstance(pixels, int | float) and scale is not None else None


def _list(value: object, what: str) -> list[object]:
    items = items_of(value)
    if not items and not isinstance(value, list):
        raise NoAnswerError(f"The answer holds no list of {what}")
    return items


def _dict(value: object, what: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise NoAnswerError(f"The answer holds a {what} that is no object")
    return value
