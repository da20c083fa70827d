"""One open PDF document, read by PDFium."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pipelex.cogt.exceptions import InferenceRequestError
from pipelex.cogt.extract.extract_job import BoundingBox, ExtractedImage, ExtractedPage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pipelex.cogt.extract.extract_job import ExtractJobParams
    from pipelex.cogt.inference.media import MediaSource

__all__ = ["PdfDocument"]

_POINTS_PER_INCH = 72
_FINENESS = 100  # PDFium places things in whole device units: hundredths of a point are fine enough
_MAX_PIXELS = 100_000_000  # 300 MB of raw pixels; a page of this size at more is a mistake in the resolution
_LARGEST_DPI = 2400  # of a printing plate
_PAGES_PER_OPENING = 100  # PDFium keeps what it has parsed until the document is closed
_XFA_THROUGHOUT = 2  # FORMTYPE_XFA_FULL
_NO_PAGES = "has no pages"
_DAMAGED = "cannot be read: it is damaged"
_UNKNOWN = "\ufffd"
_HYPHENS = "\x02\ufffe"  # what PDFium writes for a hyphen that ends a line, in place of both


class _PageError(Exception):
    """A part of a page cannot be read; the message goes on after the page's name."""


class PdfDocument:
    """A PDF document, read page by page in bounded memory.

    PDFium is not safe under more than one thread: what uses it in one process shares one thread.

    Args:
        source: The document: its bytes or its file.
        params: What to take from it.
        name: What errors call it, by default its path.

    Attributes:
        numbers: The pages asked for, in their order: all of them where none were named.

    Raises:
        InferenceRequestError: It cannot be opened, or lacks a page that was asked for.
    """

    def __init__(self, source: MediaSource, params: ExtractJobParams, *, name: str = "") -> None:
        self._source = source
        self._params = params
        self._name = name or (str(source.path) if source.path is not None else "The document")
        self._pages_read = 0
        self._pdf: Any = self._open()
        try:
            self.numbers: tuple[int, ...] = self._choose(len(self._pdf))
        except InferenceRequestError:
            self.close()
            raise
        if self._pdf.get_formtype() == _XFA_THROUGHOUT:
            _warn(f"{self._name} is a form of the kind XFA, which is not read: what is filled in is left out")

    def close(self) -> None:
        """Close the document. May be called again."""
        pdf, self._pdf = self._pdf, None
        if pdf is not None:
            pdf.close()

    def read_page(self, number: int) -> ExtractedPage:
        """Read one page. What of it cannot be read is left out, and the page's ``error`` names it.

        Args:
            number: Its place in the document, counted from 1.

        Returns:
            The page, with what was asked for.
        """
        if self._pages_read >= _PAGES_PER_OPENING:
            self.close()
            self._pdf, self._pages_read = self._open(), 0
        self._pages_read += 1
        found: dict[str, Any] = {"text": "", "page_count": len(self._pdf)}
        try:
            page, texts = self._load(number)
            try:
                self._take(page, number, found)
                found["text"] = "\n".join(filter(None, (found["text"], *_missing(texts, found["text"]))))
            finally:
                page.close()
        except _PageError as exc:
            found["error"] = InferenceRequestError(f"Page {number} of {self._name} {exc}")
        return ExtractedPage(number=number, **found)

    def _load(self, number: int) -> tuple[Any, list[str]]:
        """Load a page, with what is filled in and noted on it as part of its content.

        Values of form fields and text annotations are no content of the page: they have appearances of their own.

        Returns:
            The page, and the texts that may have no appearance.
        """
        import pypdfium2.raw as pdfium

        page = self._page(number)
        count = pdfium.FPDFPage_GetAnnotCount(page)
        if count == 0:
            return page, []
        try:
            texts = [text for index in range(count) if (text := _text_of(page, index))]
            pdfium.FPDFPage_Flatten(page, pdfium.FLAT_NORMALDISPLAY)  # refused for XFA: then the page is as it was
        finally:
            page.close()
        return self._page(number), texts

    def _page(self, number: int) -> Any:
        import pypdfium2

        try:
            return self._pdf[number - 1]
        except pypdfium2.PdfiumError as exc:
            raise _PageError(_DAMAGED) from exc

    def _take(self, page: Any, number: int, found: dict[str, Any]) -> None:
        """Take from a page what is asked for; what is found before something cannot be read is kept."""
        found["width"], found["height"] = page.get_size()
        found["text"] = _text(page)
        if self._params.embedded_images:
            found["images"] = tuple(_images(page, number))
        if self._params.page_view_dpi is not None:
            found["view"] = _view(page, self._params.page_view_dpi)

    def _open(self) -> Any:
        import pypdfium2
        import pypdfium2.raw as codes

        if self._is_empty():
            msg = f"{self._name} is empty"
            raise InferenceRequestError(msg)
        codes.FPDF_LoadDocument(b"", None)  # sets PDFium's last error: not all that fails sets it anew
        given = self._source.path if self._source.path is not None else self._source.read()
        try:
            pdf = self._unlocked(given)
        except FileNotFoundError as exc:
            what = "is a folder, not a file" if self._source.path and self._source.path.is_dir() else "does not exist"
            msg = f"{self._name} {what}"
            raise InferenceRequestError(msg) from exc
        except pypdfium2.PdfiumError as exc:
            msg = f"{self._name} {self._why(exc.err_code)}"
            raise InferenceRequestError(msg) from exc
        if pdf.get_formtype() == codes.FORMTYPE_ACRO_FORM:
            pdf.init_forms()  # draws what was filled into fields, where the file holds their values alone
        return pdf

    def _unlocked(self, given: Path | bytes) -> Any:
        """Open the document with the password given, or without one where it needs none."""
        import pypdfium2
        import pypdfium2.raw as codes

        password = self._params.password
        try:
            return pypdfium2.PdfDocument(given, password=password)
        except pypdfium2.PdfiumError as exc:
            if password is None or exc.err_code != codes.FPDF_ERR_PASSWORD:
                raise
            with suppress(pypdfium2.PdfiumError):
                return pypdfium2.PdfDocument(given)
            raise

    def _is_empty(self) -> bool:
        path = self._source.path
        return path.is_file() and path.stat().st_size == 0 if path is not None else self._source.data == b""

    def _why(self, code: int | None) -> str:
        """Return what PDFium's error code means for the user."""
        import pypdfium2.raw as codes

        if code == codes.FPDF_ERR_PASSWORD:
            if self._params.password is None:
                return "is encrypted: give its password"
            return "is encrypted, and the password given does not open it"
        if code == codes.FPDF_ERR_SECURITY:
            return "is encrypted in a way that PDFium does not know"
        if code == codes.FPDF_ERR_FILE:
            is_readable = self._source.path is None or os.access(self._source.path, os.R_OK)
            return _NO_PAGES if is_readable else "cannot be read: its permissions do not allow it"
        if code == codes.FPDF_ERR_FORMAT:
            return self._what_else()
        return f"cannot be opened by PDFium (its error {code})"

    def _what_else(self) -> str:
        """Say what a document is that is no PDF."""
        kind = self._source.media_type()
        if kind in {"application/pdf", "application/octet-stream"}:
            return "is not a PDF document, or a damaged one"
        return f"is no PDF document but {kind}. Office files, web pages and images are read by docling: -m docling"

    def _choose(self, count: int) -> tuple[int, ...]:
        """Return the pages asked for, all of them where none were named."""
        if not count:
            raise InferenceRequestError(f"{self._name} {_NO_PAGES}")
        wanted = self._params.pages or tuple(range(1, count + 1))
        missing = next((number for number in wanted if not 1 <= number <= count), None)
        if missing is not None:
            msg = f"{self._name} has no page {missing}: its pages are 1 to {count}"
            raise InferenceRequestError(msg)
        if self._params.tables:
            msg = "PDFium knows no tables. Take it from the model's 'capabilities'"
            raise InferenceRequestError(msg)
        dpi = self._params.page_view_dpi
        if dpi is not None and not 1 <= dpi <= _LARGEST_DPI:
            msg = f"page_view_dpi is {dpi}; it lies from 1 to {_LARGEST_DPI}"
            raise InferenceRequestError(msg)
        return wanted


def _text(page: Any) -> str:
    import pypdfium2

    try:
        textpage = page.get_textpage()
    except pypdfium2.PdfiumError as exc:
        raise _PageError(_DAMAGED) from exc
    try:
        text: str = textpage.get_text_bounded()
        is_marked = any(mark in text for mark in _HYPHENS)
        return _with_hyphens(text, textpage) if is_marked else text
    finally:
        textpage.close()


def _text_of(page: Any, index: int) -> str:
    """Return the text that an annotation or a text field holds, where PDFium may not have drawn it.

    It draws no text annotation that has no appearance, and a field without one in a font that knows Latin alone.
    Nothing is returned of what is hidden, or a password.
    """
    import pypdfium2.raw as pdfium

    annotation = pdfium.FPDFPage_GetAnnot(page, index)
    try:
        kind, flags = pdfium.FPDFAnnot_GetSubtype(annotation), pdfium.FPDFAnnot_GetFlags(annotation)
        if flags & (pdfium.FPDF_ANNOT_FLAG_HIDDEN | pdfium.FPDF_ANNOT_FLAG_NOVIEW):
            return ""
        if kind == pdfium.FPDF_ANNOT_FREETEXT:
            return _utf16(lambda *buffer: pdfium.FPDFAnnot_GetStringValue(annotation, b"Contents", *buffer))
        field = (page.formenv, annotation)
        if kind != pdfium.FPDF_ANNOT_WIDGET or page.formenv is None:
            return ""
        if pdfium.FPDFAnnot_GetFormFieldType(*field) != pdfium.FPDF_FORMFIELD_TEXTFIELD:
            return ""
        if pdfium.FPDFAnnot_GetFormFieldFlags(*field) & pdfium.FPDF_FORMFLAG_TEXT_PASSWORD:
            return ""
        value = _utf16(lambda *buffer: pdfium.FPDFAnnot_GetFormFieldValue(*field, *buffer))
        return value if any(character > "\xff" for character in value) else ""
    finally:
        pdfium.FPDFPage_CloseAnnot(annotation)


def _utf16(read: Callable[..., int]) -> str:
    """Return a text that PDFium writes into a buffer, two bytes a character, a zero at its end."""
    import ctypes

    import pypdfium2.raw as pdfium

    size = read(None, 0)
    buffer = ctypes.create_string_buffer(size)
    read(ctypes.cast(buffer, ctypes.POINTER(pdfium.FPDF_WCHAR)), size)
    return buffer.raw[: max(size - 2, 0)].decode("utf-16-le", "replace")


def _missing(texts: list[str], page: str) -> list[str]:
    """Return the texts that a page has not got."""
    there = "".join(page.split())
    return [text for text in texts if "".join(text.split()) not in there]


def _with_hyphens(text: str, textpage: Any) -> str:
    """Write hyphens that end a line as such; in a font without characters the same number is the code of a glyph."""
    import pypdfium2.raw as pdfium

    first, *others = re.split(f"[{_HYPHENS}]", text)
    places = range(textpage.count_chars())
    marked = [place for place in places if chr(pdfium.FPDFText_GetUnicode(textpage, place)) in _HYPHENS]
    are_hyphens = [pdfium.FPDFText_IsHyphen(textpage, place) == 1 for place in marked]
    if len(are_hyphens) != len(others):  # some lie outside of the page that is seen
        are_hyphens = [any(are_hyphens)] * len(others)
    for is_hyphen, after in zip(are_hyphens, others, strict=True):
        first += ("-\n" if is_hyphen else _UNKNOWN) + after
    return first


def _view(page: Any, dpi: int) -> ExtractedImage:
    """Render a page."""
    import pypdfium2

    width, height = page.get_size()
    pixels = width * height * (dpi / _POINTS_PER_INCH) ** 2
    if not pixels > 0:
        msg = f"has no picture: its size is {width:g} x {height:g} points"
        raise _PageError(msg)
    if pixels > _MAX_PIXELS:
        msg = f"has no picture: at {dpi} dpi it has {pixels / 1e6:.0f} megapixels. Lower page_view_dpi"
        raise _PageError(msg)
    try:
        bitmap = page.render(scale=dpi / _POINTS_PER_INCH, rev_byteorder=True)
    except (pypdfium2.PdfiumError, ValueError) as exc:
        msg = f"has no picture: PDFium cannot render it ({exc})"
        raise _PageError(msg) from exc
    try:
        box = BoundingBox(left=0.0, top=0.0, right=width, bottom=height)
        return ExtractedImage(data=_png(bitmap), mime_type="image/png", box=box)
    finally:
        bitmap.close()


def _images(page: Any, number: int) -> Iterator[ExtractedImage]:
    """Take the images that stand on a page; one that is broken is left out with a warning."""
    import pypdfium2
    import pypdfium2.raw as pdfium

    for image in page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE]):
        try:
            data, mime_type = _image_file(image)
            yield ExtractedImage(data=data, mime_type=mime_type, box=_box(page, image))
        except (pypdfium2.PdfiumError, ValueError) as exc:
            _warn(f"An image of page {number} is left out: PDFium cannot decode it ({exc})")


def _warn(message: str) -> None:
    import logging

    logging.getLogger(__name__).warning("%s", message)


def _image_file(image: Any) -> tuple[bytes, str]:
    """Return an image as the JPEG file that it already is, or else as PNG."""
    if image.get_filters(skip_simple=True) == ["DCTDecode"]:
        return bytes(image.get_data(decode_simple=True)), "image/jpeg"
    bitmap = image.get_bitmap()
    bitmap.warn_on_close = False  # its pixels are copied before it is closed
    try:
        return _png(bitmap), "image/png"
    finally:
        bitmap.close()


def _png(bitmap: Any) -> bytes:
    """Encode a bitmap, whichever of PDFium's pixel formats it has."""
    from pipelex.providers.pypdfium2.png import bgr_to_rgb, encode_png, without_fourth_channel

    pixels, channels, stride = memoryview(bitmap.buffer).cast("B"), bitmap.n_channels, bitmap.stride
    data: memoryview | bytearray = pixels
    if channels >= 3 and not bitmap.rev_byteorder:
        packed = b"".join(pixels[row * stride : row * stride + bitmap.width * channels] for row in range(bitmap.height))
        data, stride = bgr_to_rgb(memoryview(packed), channels=channels), bitmap.width * channels
    if bitmap.mode in {"BGRX", "RGBX"}:
        data, channels, stride = without_fourth_channel(memoryview(data)), 3, stride // 4 * 3
    return encode_png(data, width=bitmap.width, height=bitmap.height, channels=channels, stride=stride)


def _box(page: Any, image: Any) -> BoundingBox:
    """Return where an object stands on the page as it is seen: after cropping and rotation, from the top left."""
    corners = [_seen(page, image, x, y) for x, y in image.get_quad_points()]
    across, down = [x for x, _ in corners], [y for _, y in corners]
    return BoundingBox(left=min(across), top=min(down), right=max(across), bottom=max(down))


def _seen(page: Any, image: Any, x: float, y: float) -> tuple[float, float]:
    """Bring a point of an object to the page as it is seen."""
    import ctypes

    import pypdfium2.raw as pdfium

    container = image.container
    while container is not None:  # inside a form the coordinates are the form's own
        x, y = container.get_matrix().on_point(x, y)
        container = container.container
    width, height = page.get_size()
    size = round(width * _FINENESS), round(height * _FINENESS)
    across, down = ctypes.c_int(), ctypes.c_int()
    pdfium.FPDF_PageToDevice(page, 0, 0, *size, 0, x, y, across, down)
    return across.value / _FINENESS, down.value / _FINENESS
