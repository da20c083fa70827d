"""What goes into a document extraction, and the pages that come out."""

from __future__ import annotations

import re
from dataclasses import field
from typing import TYPE_CHECKING

from pipelex.cogt.inference.media import MediaSource
from pipelex.field_types import BYTES_IN_JSON, with_field_types
from pipelex.records import dataclass

if TYPE_CHECKING:
    from pathlib import Path

    from pipelex.cogt.exceptions import InferenceError

__all__ = [
    "BoundingBox",
    "ExtractJob",
    "ExtractJobParams",
    "ExtractProgress",
    "ExtractedImage",
    "ExtractedPage",
    "ExtractedTable",
]

_MARKDOWN = "text/markdown"
_LINE_ENDS = re.compile("\r\n?")
_CONTROLS = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f]")  # the category Cc of Unicode, but for tab and line feed


@dataclass(frozen=True, kw_only=True)
class ExtractJobParams:
    """What to take from the document. What is set and undeclared by the model is refused.

    Attributes:
        pages: The pages to take, counted from 1, in the order wanted; empty means all.
        password: The password of an encrypted document.
        embedded_images: Whether to take the images on the pages.
        page_view_dpi: The resolution, in dots per inch, of a picture of each page; ``None`` means no pictures.
        tables: Whether to take the tables on the pages, beside the text that they are part of.
    """

    pages: tuple[int, ...] = ()
    password: str | None = field(default=None, repr=False)
    embedded_images: bool = False
    page_view_dpi: int | None = None
    tables: bool = False


@dataclass(frozen=True, kw_only=True)
class ExtractJob:
    """One document extraction.

    Attributes:
        document: The document.
        params: What to take from it.
    """

    document: MediaSource
    params: ExtractJobParams = ExtractJobParams()

    @classmethod
    def of(cls, source: ExtractJob | MediaSource | bytes | Path | str) -> ExtractJob:
        """Make a job of a document: its bytes, its path or its address. A job is returned as it is."""
        return source if isinstance(source, ExtractJob) else cls(document=MediaSource.of(source))

    def fingerprint(self) -> str:
        """Return the SHA-256 digest of the job: equal jobs have equal ones, in every process and version.

        Fields with their defaults do not count. A file counts by its content, an address by itself.

        Raises:
            InferenceRequestError: The job holds a value that has no stable form.
        """
        from pipelex.cogt.inference.fingerprint import fingerprint_of

        return fingerprint_of(self)


@dataclass(frozen=True, kw_only=True)
class BoundingBox:
    """A rectangle on a page, in PDF points (1/72 inch) from the page's top left corner.

    Attributes:
        left: Distance of its left edge.
        top: Distance of its top edge.
        right: Distance of its right edge.
        bottom: Distance of its bottom edge.
    """

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, kw_only=True)
class ExtractedImage:
    """An image taken from a page, or the picture of a page.

    Attributes:
        data: The bytes of the image file.
        mime_type: Its media type (``"image/png"``).
        box: Its place on the page, where known.
        caption: Its caption, where the engine finds one.
    """

    __pydantic_config__ = BYTES_IN_JSON

    data: bytes = field(repr=False)
    mime_type: str
    box: BoundingBox | None = None
    caption: str | None = None


@dataclass(frozen=True, kw_only=True)
class ExtractedTable:
    """A table on a page.

    Attributes:
        text: It as the engine writes it.
        mime_type: In which notation that is (``"text/markdown"``, ``"text/html"``).
        rows: Its cells, row by row, where they are known; a cell that spans several is in each of them.
        box: Its place on the page, where known.
        caption: Its caption, where the engine finds one.
    """

    text: str
    mime_type: str = _MARKDOWN
    rows: tuple[tuple[str, ...], ...] = ()
    box: BoundingBox | None = None
    caption: str | None = None

    @classmethod
    def of_markdown(cls, text: str, *, box: BoundingBox | None = None, caption: str | None = None) -> ExtractedTable:
        """Make a table of its Markdown, and read its cells from that."""
        lines = [line.strip() for line in text.splitlines() if line.strip().startswith("|")]
        rows = [_cells(line) for line in lines]
        is_ruled = len(rows) > 1 and all(set(cell) <= set(":-") for cell in rows[1])
        return cls(text=text, rows=tuple(rows[:1] + rows[2:] if is_ruled else rows), box=box, caption=caption)


def _cells(line: str) -> tuple[str, ...]:
    """Split a line of a Markdown table; a bar inside a cell has a backslash before it."""
    cells = line.replace(r"\|", "\0").strip("|").split("|")
    return tuple(cell.strip().replace("\0", "|") for cell in cells)


@dataclass(frozen=True, kw_only=True)
class ExtractedPage:
    r"""One page of a document.

    Attributes:
        number: Its place in the document, counted from 1.
        text: Its text, lines ended by ``\n``; Markdown where the engine gives it. Of control characters it holds ``\n``
            and ``\t`` alone. Whatever the engine gave, another one is U+FFFD here: in a PDF it is a glyph of which no
            character is known, and on a terminal it would be a command.
        width: Its width in PDF points, where known.
        height: Its height in PDF points, where known.
        images: The images on it, where they were asked for.
        view: The picture of it, where it was asked for.
        tables: The tables on it, where they were asked for; they are in the text, too.
        page_count: How many pages the document has, where known.
        error: Why the page, or what else of it was asked for, could not be read; what could is there. One bad page does
            not end an extraction.
    """

    number: int
    text: str
    width: float | None = None
    height: float | None = None
    images: tuple[ExtractedImage, ...] = ()
    view: ExtractedImage | None = None
    tables: tuple[ExtractedTable, ...] = ()
    page_count: int | None = None
    error: InferenceError | None = None

    __get_pydantic_core_schema__ = with_field_types

    def __post_init__(self) -> None:
        if isinstance(self.text, str):  # else the worker's base refuses it, by the name of its plugin
            object.__setattr__(self, "text", _printable(self.text))


def _printable(text: str) -> str:
    """Return a text without control characters but for tabs and the ends of lines."""
    if "\r" in text:
        text = _LINE_ENDS.sub("\n", text)
    return _CONTROLS.sub("\ufffd", text)


@dataclass(frozen=True, kw_only=True)
class ExtractProgress:
    """How far an extraction is.

    Attributes:
        pages_done: The pages that are extracted.
        pages_total: The pages to extract, where that is known before the end.
    """

    pages_done: int
    pages_total: int | None = None
