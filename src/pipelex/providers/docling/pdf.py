"""A PDF: its lines by Docling's parser, without any model; all else, and what the parser cannot read, by PDFium."""

from __future__ import annotations

import logging
from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING

from pipelex.cogt.exceptions import InferenceRequestError
from pipelex.cogt.inference.media import MediaSource
from pipelex.providers.pypdfium2.document import PdfDocument

if TYPE_CHECKING:
    from docling_parse.pdf_parser import ContentConfig
    from docling_parse.pdf_parser import PdfDocument as ParsedDocument

    from pipelex.cogt.extract.extract_job import ExtractedPage, ExtractJobParams

_log = logging.getLogger(__name__)

_SHARE = 0.9
"""How much of the characters that PDFium finds on a page Docling's parser has to find, to be believed."""


class ParsedPdf:
    """A PDF, page by page in bounded memory.

    Args:
        data: The document.
        name: What errors call it.
        params: What to take from it.

    Attributes:
        numbers: The pages asked for, in their order.

    Raises:
        InferenceRequestError: It cannot be opened, or not read as asked.
    """

    def __init__(self, data: bytes, name: str, params: ExtractJobParams) -> None:
        if params.tables:
            msg = f"tables are for documents that mark them, and {name} is a PDF: only a model would find them there"
            raise InferenceRequestError(msg)
        self._pdf = PdfDocument(MediaSource(data=data), params, name=name)
        self.numbers = self._pdf.numbers
        self._name = name
        self._parsed = _parsed(data, params.password)
        self._content = lines_alone()

    def read_page(self, number: int) -> ExtractedPage:
        """Read one page; of it PDFium's text where Docling's parser finds clearly less."""
        page = self._pdf.read_page(number)
        lines = self._lines(number, page)
        if lines is not None and _known(lines) >= _SHARE * _known(page.text):
            page = replace(page, text=lines)
        if 2 * _known(page.text) < len("".join(page.text.split())):
            _log.warning("Page %s of %s: the file names no character for most of its glyphs", number, self._name)
        return page

    def close(self) -> None:
        """Close the document."""
        self._pdf.close()
        if self._parsed is not None:
            self._parsed.unload()

    def _lines(self, number: int, page: ExtractedPage) -> str | None:
        """Return the lines of a page as Docling's parser has them; ``None`` where it cannot read the page."""
        parsed = self._parsed
        if parsed is None or parsed.number_of_pages() != page.page_count:  # it leaves out pages that are damaged
            return None
        try:
            lines = [cell.text for cell in parsed.get_page(number, content_config=self._content).textline_cells]
        except (RuntimeError, ValueError):
            return None
        finally:
            parsed.unload_pages((number, number + 1))
        return "\n".join(line for line in lines if line)


def _parsed(data: bytes, password: str | None) -> ParsedDocument | None:
    """Open a document by Docling's parser; ``None`` where it cannot."""
    from docling_parse.pdf_parser import DoclingPdfParser

    try:
        return DoclingPdfParser().load(BytesIO(data), password=password)
    except (RuntimeError, ValueError):
        return None


def lines_alone() -> ContentConfig:
    """Return what to parse: no picture is decoded, nothing drawn."""
    from docling_parse.pdf_parser import ContentConfig, ContentLevel

    return ContentConfig(
        char_cells_content_level=ContentLevel.COMPUTE,
        word_cells_content_level=ContentLevel.SKIP,
        line_cells_content_level=ContentLevel.COMPUTE_AND_MATERIALIZE,
        shapes_content_level=ContentLevel.SKIP,
        bitmaps_content_level=ContentLevel.SKIP,
        include_bitmap_bytes=False,
    )


def _known(text: str) -> int:
    """Count the characters of a text that are known, but for space."""
    return len("".join(text.replace("\ufffd", "").split()))
