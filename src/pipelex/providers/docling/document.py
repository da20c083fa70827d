"""Office documents, web pages and text files, converted by Docling as a whole and given out page by page."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from itertools import chain
from typing import TYPE_CHECKING

from docling.datamodel.base_models import (
    ConversionStatus,
    DocumentStream,
    FailureCategory,
    FormatToExtensions,
    FormatToMimeType,
    InputFormat,
)
from docling.document_converter import DocumentConverter
from docling_core.types.doc.common.content_layer import ContentLayer
from docling_core.types.doc.labels import GroupLabel

from pipelex.cogt.exceptions import InferenceRequestError
from pipelex.cogt.extract.extract_job import BoundingBox, ExtractedImage, ExtractedPage, ExtractedTable
from pipelex.providers.docling.sources import is_whole, notes_of_word_file, repaired_word_file, utf8, why_unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docling_core.types.doc.document import DoclingDocument
    from docling_core.types.doc.items.node import DocItem
    from PIL.Image import Image

    from pipelex.cogt.extract.extract_job import ExtractJobParams

_OFFICE = (InputFormat.DOCX, InputFormat.PPTX, InputFormat.XLSX)
_FORMATS = (*_OFFICE, InputFormat.HTML, InputFormat.MD, InputFormat.CSV)
_UNITS_PER_POINT = {InputFormat.PPTX: 12_700.0}  # elsewhere there is no size in print
_LAYERS = {ContentLayer.BODY, ContentLayer.FURNITURE, ContentLayer.NOTES}
"""What of a document is its text: headers and footers, notes and comments too; not what is hidden."""


@dataclass(frozen=True)
class _Part:
    """What makes up a page.

    Attributes:
        page_no: Docling's number of it; ``None`` where the document has no pages.
        title: The name of a sheet.
        notes: The comments on a sheet, which Docling keeps beside its sheets.
    """

    page_no: int | None = None
    title: str = ""
    notes: tuple[str, ...] = ()


class ConvertedDocument:
    """A document that Docling has converted. One of a format without pages is one page.

    Args:
        data: The document.
        name: Its name, whose ending names its format.
        media_type: Its media type, for where the ending names none.
        params: What to take from it.

    Attributes:
        numbers: The pages asked for, in their order.

    Raises:
        InferenceRequestError: It cannot be read, or not as asked.
    """

    def __init__(self, data: bytes, name: str, media_type: str, params: ExtractJobParams) -> None:
        self._params = params
        kind = _format_of(name, media_type)
        if kind is None:
            raise InferenceRequestError(why_unreadable(data, name))
        if params.page_view_dpi is not None:
            msg = f"page_view_dpi is for PDF, and {name} is {kind.value}"
            raise InferenceRequestError(msg)
        self._document = _converted(data, name, kind)
        self._per_point = _UNITS_PER_POINT.get(kind)
        self._parts = tuple(_parts(self._document, kind, data))
        count = len(self._parts)
        if not count:
            msg = f"{name} has no page that is not hidden"
            raise InferenceRequestError(msg)
        missing = next((number for number in params.pages if not 1 <= number <= count), None)
        if missing is not None:
            msg = f"{name} has no page {missing}: its pages are 1 to {count}"
            raise InferenceRequestError(msg)
        self.numbers = params.pages or tuple(range(1, count + 1))

    def read_page(self, number: int) -> ExtractedPage:
        """Return one page."""
        part = self._parts[number - 1]
        page = self._document.pages.get(part.page_no) if part.page_no is not None else None
        size = page.size if page is not None and self._per_point is not None else None
        return ExtractedPage(
            number=number,
            text=self._text(part),
            width=size.width / self._per_point if size is not None and self._per_point else None,
            height=size.height / self._per_point if size is not None and self._per_point else None,
            images=tuple(self._images(part)) if self._params.embedded_images else (),
            tables=tuple(self._tables(part)) if self._params.tables else (),
            page_count=len(self._parts),
        )

    def close(self) -> None:
        """Nothing is held open."""

    def _text(self, part: _Part) -> str:
        body = self._document.export_to_markdown(
            page_no=part.page_no, image_placeholder="", included_content_layers=_LAYERS
        )
        return "\n\n".join(piece for piece in (part.title and f"# {part.title}", body.strip(), *part.notes) if piece)

    def _images(self, part: _Part) -> Iterator[ExtractedImage]:
        for picture in self._document.pictures:
            image = picture.get_image(self._document) if _is_on(picture, part) else None
            if image is not None:  # a picture that is linked to, not embedded, has none
                yield ExtractedImage(
                    data=_png(image),
                    mime_type="image/png",
                    box=self._box(picture),
                    caption=picture.caption_text(self._document) or None,
                )

    def _tables(self, part: _Part) -> Iterator[ExtractedTable]:
        for table in self._document.tables:
            if _is_on(table, part):
                yield ExtractedTable(
                    text=table.export_to_markdown(self._document),
                    rows=tuple(tuple(cell.text for cell in row) for row in table.data.grid),
                    box=self._box(table),
                    caption=table.caption_text(self._document) or None,
                )

    def _box(self, item: DocItem) -> BoundingBox | None:
        """Return the place of something, in points from the top left of its page."""
        unit = self._per_point
        if unit is None or not item.prov:
            return None
        place = item.prov[0]
        box = place.bbox.to_top_left_origin(self._document.pages[place.page_no].size.height)
        return BoundingBox(left=box.l / unit, top=box.t / unit, right=box.r / unit, bottom=box.b / unit)


def _parts(document: DoclingDocument, kind: InputFormat, data: bytes) -> Iterator[_Part]:
    """Yield what makes up the pages."""
    if kind in (InputFormat.XLSX, InputFormat.PPTX):
        yield from _shown(document, GroupLabel.SHEET if kind is InputFormat.XLSX else GroupLabel.CHAPTER)
    elif document.pages:
        yield from (_Part(page_no) for page_no in document.pages)
    else:
        yield _Part(notes=notes_of_word_file(data) if kind is InputFormat.DOCX else ())


def _shown(document: DoclingDocument, label: GroupLabel) -> Iterator[_Part]:
    """Yield the sheets or slides that are not hidden. Docling numbers all of them, and has a group of each."""
    groups = document.groups
    starts = [at for at, group in enumerate(groups) if group.label is label and group.parent == document.body.get_ref()]
    for page_no, (start, end) in enumerate(zip(starts, [*starts[1:], len(groups)], strict=False), start=1):
        if groups[start].content_layer is ContentLayer.INVISIBLE:
            continue
        if label is GroupLabel.CHAPTER:
            yield _Part(page_no)
            continue
        comments = [item for group in groups[start + 1 : end] for item in group.children]  # a group behind each sheet
        texts = (getattr(comment.resolve(document), "text", "") for comment in comments)
        yield _Part(page_no, groups[start].name, tuple(text for text in texts if text))


def _format_of(name: str, media_type: str) -> InputFormat | None:
    """Return the format of a document: by what it holds, or else by the ending of its name."""
    ending = name.rpartition(".")[2].lower()
    office = (kind for kind in _OFFICE if media_type in FormatToMimeType[kind])
    by_name = (kind for kind in _FORMATS if ending in FormatToExtensions[kind])
    by_type = (kind for kind in _FORMATS if media_type in FormatToMimeType[kind])
    return next(chain(office, by_name, by_type), None)


def _converted(data: bytes, name: str, kind: InputFormat) -> DoclingDocument:
    """Convert a document.

    Raises:
        InferenceRequestError: It cannot be read, or there is nothing in it.
    """
    if kind in (InputFormat.MD, InputFormat.CSV):
        data = utf8(data, name)
    if kind is InputFormat.DOCX:
        data = repaired_word_file(data)
    source = DocumentStream(name=f"document.{FormatToExtensions[kind][0]}", stream=BytesIO(data))
    converted = DocumentConverter(allowed_formats=list(_FORMATS)).convert(source, raises_on_error=False)
    if converted.status in (ConversionStatus.SUCCESS, ConversionStatus.PARTIAL_SUCCESS):
        return converted.document
    if any(error.category is FailureCategory.POLICY for error in converted.errors) and is_whole(data, kind.value):
        raise InferenceRequestError(f"{name} has no {'slides' if kind is InputFormat.PPTX else 'pages'}")
    reason = "; ".join(error.error_message for error in converted.errors)
    raise InferenceRequestError(why_unreadable(data, name, kind=kind.value, reason=reason))


def _is_on(item: DocItem, part: _Part) -> bool:
    return part.page_no is None or any(place.page_no == part.page_no for place in item.prov)


def _png(image: Image) -> bytes:
    buffer = BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()
