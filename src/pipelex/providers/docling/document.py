"""What Docling reads, page by page in our words. Everything here runs on Docling's own thread (see ``extract``)."""

from __future__ import annotations

import sys
from io import BytesIO
from typing import TYPE_CHECKING

from docling.datamodel.backend_options import PdfBackendOptions
from docling.datamodel.base_models import (
    ConversionStatus,
    DocumentStream,
    FormatToExtensions,
    FormatToMimeType,
    InputFormat,
)
from docling.datamodel.pipeline_options import NativePdfPipelineOptions
from docling.document_converter import DocumentConverter, PdfFormatOption
from docling.pipeline.native_pdf_pipeline import NativePdfPipeline

from pipelex.cogt.extract.extract_job import BoundingBox, ExtractedImage, ExtractedPage, ExtractedTable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docling.datamodel.document import ConversionResult
    from docling_core.types.doc.document import DoclingDocument
    from docling_core.types.doc.items.node import DocItem
    from PIL.Image import Image

    from pipelex.cogt.extract.extract_job import ExtractJobParams

_FORMATS = (
    InputFormat.PDF,
    InputFormat.DOCX,
    InputFormat.PPTX,
    InputFormat.XLSX,
    InputFormat.HTML,
    InputFormat.MD,
    InputFormat.CSV,
)
_POINTS_PER_INCH = 72
_UNITS_PER_POINT = {InputFormat.PDF: 1.0, InputFormat.PPTX: 12_700.0}  # elsewhere there is no size in print
_LARGEST_DPI = 600
_PDF = b"%PDF-"
_AT_A_TIME = 10  # pages of a PDF: each conversion opens the document anew, which takes as long as some of its pages


class DocumentError(Exception):
    """A document cannot be read, or not as asked; the message says which and why."""


def pages_of(
    data: bytes, *, name: str, params: ExtractJobParams, timeout_s: float, at_once: bool
) -> Iterator[ExtractedPage]:
    """Read a document.

    A format without pages (DOCX, HTML, Markdown, CSV) comes as one page; slides and sheets are pages.

    Args:
        data: The document.
        name: Its name, whose ending tells its format; without one, its first bytes do.
        params: What to take from it.
        timeout_s: After how long to give up a PDF, in seconds, between two of its pages.
        at_once: Whether a PDF is read as a whole, which is faster, rather than a few pages after the other.

    Yields:
        The pages, in the order asked for.

    Raises:
        DocumentError: It cannot be read, or lacks what was asked for.
    """
    if params.page_view_dpi is not None and not 1 <= params.page_view_dpi <= _LARGEST_DPI:
        msg = f"page_view_dpi is {params.page_view_dpi}; it lies from 1 to {_LARGEST_DPI}"
        raise DocumentError(msg)
    wanted = params.pages or (1, sys.maxsize)
    first, last = max(1, min(wanted)), max(1, *wanted)
    converted = _convert(data, name, params, timeout_s, (first, last if at_once else first + _AT_A_TIME - 1))
    kind, is_pdf = converted.input.format, converted.input.format is InputFormat.PDF
    _refuse_what_is_not_known(params, kind, name)
    count = _count(converted, params, name)
    for number in params.pages or range(1, count + 1):
        if is_pdf and number not in converted.document.pages:
            converted = _convert(data, name, params, timeout_s, (number, number + _AT_A_TIME - 1))
            _count(converted, params, name)
        yield _page(converted.document, number, kind, params, count)


def _refuse_what_is_not_known(params: ExtractJobParams, kind: InputFormat, name: str) -> None:
    is_pdf = kind is InputFormat.PDF
    if not is_pdf and (params.page_view_dpi is not None or params.password is not None):
        msg = f"page_view_dpi and password are for PDF, and {name} is {kind.value}"
        raise DocumentError(msg)
    if is_pdf and params.tables:
        msg = f"tables are for documents that tell them, and {name} is a PDF: only a model would find them there"
        raise DocumentError(msg)


def is_known_ending(suffix: str) -> bool:
    """Return whether the ending of a file's name, ``".docx"``, is one of a format that is read here."""
    return any(suffix[1:].lower() in FormatToExtensions[kind] for kind in _FORMATS)


def name_of(media_type: str, *, stem: str) -> str:
    """Return a name whose ending stands for a media type; without an ending where the type is unknown."""
    for kind in _FORMATS:
        if media_type in FormatToMimeType[kind]:
            return f"{stem}.{FormatToExtensions[kind][0]}"
    return stem


def _convert(
    data: bytes, name: str, params: ExtractJobParams, timeout_s: float, span: tuple[int, int]
) -> ConversionResult:
    """Convert a document; of a PDF only the pages from one to another."""
    dpi = params.page_view_dpi
    pdf = PdfFormatOption(
        pipeline_cls=NativePdfPipeline,  # Docling's other ones run models, whose weights come from a hub
        pipeline_options=NativePdfPipelineOptions(
            document_timeout=timeout_s,
            generate_page_images=dpi is not None,
            images_scale=(dpi or _POINTS_PER_INCH) / _POINTS_PER_INCH,
            generate_picture_images=params.embedded_images,
        ),
        backend_options=PdfBackendOptions.model_validate(
            {"password": params.password, "include_bitmap_images": params.embedded_images}
        ),
    )
    converter = DocumentConverter(allowed_formats=list(_FORMATS), format_options={InputFormat.PDF: pdf})
    source = DocumentStream(name=name, stream=BytesIO(data))
    if not data.startswith(_PDF):  # what a page is there is the format's matter
        return converter.convert(source, raises_on_error=False)
    return converter.convert(source, raises_on_error=False, page_range=span)


def _why(converted: ConversionResult, name: str, *, has_password: bool) -> str:
    """Say what went wrong with a document."""
    if converted.status is ConversionStatus.SKIPPED:
        return f"{name} is of a format that is not read here. Read are: {', '.join(kind.value for kind in _FORMATS)}"
    about = "damaged, or the password given does not open it" if has_password else "damaged or encrypted"
    if converted.input.format is not InputFormat.PDF:
        about = "damaged"
    said = "; ".join(error.error_message for error in converted.errors)
    return f"{name} cannot be read as {converted.input.format.value}: it is {about} ({said})"


def _count(converted: ConversionResult, params: ExtractJobParams, name: str) -> int:
    """Return how many pages a document has; refuse one that cannot be read, or lacks a page that was asked for."""
    is_read = converted.status is ConversionStatus.SUCCESS
    count = converted.input.page_count if converted.input.format is InputFormat.PDF else len(converted.document.pages)
    missing = next((number for number in params.pages if not 1 <= number <= max(count, 1)), None)
    if missing is not None and (is_read or count):
        msg = f"{name} has no page {missing}: its pages are 1 to {max(count, 1)}"
        raise DocumentError(msg)
    if not is_read:
        raise DocumentError(_why(converted, name, has_password=params.password is not None))
    return max(count, 1)


def _page(
    document: DoclingDocument, number: int, kind: InputFormat, params: ExtractJobParams, count: int
) -> ExtractedPage:
    page = document.pages.get(number)
    per_point = _UNITS_PER_POINT.get(kind)
    size = page.size if page is not None else None
    view = page.image.pil_image if page is not None and page.image is not None else None
    return ExtractedPage(
        number=number,
        text=_text(document, number, kind),
        width=size.width / per_point if size is not None and per_point is not None else None,
        height=size.height / per_point if size is not None and per_point is not None else None,
        images=tuple(_images(document, number, per_point)) if params.embedded_images else (),
        view=ExtractedImage(data=_png(view), mime_type="image/png") if view is not None else None,
        tables=tuple(_tables(document, number, per_point)) if params.tables else (),
        page_count=count,
    )


def _text(document: DoclingDocument, number: int, kind: InputFormat) -> str:
    """Return the text of a page: Markdown, but for PDF, where nothing is known of it but its lines."""
    if kind is InputFormat.PDF:
        return "\n".join(line.text for line in document.texts if any(place.page_no == number for place in line.prov))
    page_no = number if document.pages else None
    return document.export_to_markdown(page_no=page_no, image_placeholder="")


def _images(document: DoclingDocument, number: int, per_point: float | None) -> Iterator[ExtractedImage]:
    for picture in document.pictures:
        image = picture.get_image(document) if _is_on(picture, number, document) else None
        if image is not None:  # a picture that is linked to, not embedded, has none
            yield ExtractedImage(
                data=_png(image),
                mime_type="image/png",
                box=_box(document, picture, per_point),
                caption=picture.caption_text(document) or None,
            )


def _tables(document: DoclingDocument, number: int, per_point: float | None) -> Iterator[ExtractedTable]:
    for table in document.tables:
        if _is_on(table, number, document):
            yield ExtractedTable(
                text=table.export_to_markdown(document),
                rows=tuple(tuple(cell.text for cell in row) for row in table.data.grid),
                box=_box(document, table, per_point),
                caption=table.caption_text(document) or None,
            )


def _is_on(item: DocItem, number: int, document: DoclingDocument) -> bool:
    return not document.pages or any(place.page_no == number for place in item.prov)


def _box(document: DoclingDocument, item: DocItem, per_point: float | None) -> BoundingBox | None:
    """Return where something stands, in points from the top left of its page."""
    if per_point is None or not item.prov:
        return None
    place = item.prov[0]
    box = place.bbox.to_top_left_origin(document.pages[place.page_no].size.height)
    return BoundingBox(left=box.l / per_point, top=box.t / per_point, right=box.r / per_point, bottom=box.b / per_point)


def _png(image: Image) -> bytes:
    buffer = BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()
