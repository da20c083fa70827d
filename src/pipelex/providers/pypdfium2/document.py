"""One open PDF document. Everything here runs on PDFium's own thread (see ``extract``)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from pipelex.cogt.extract.extract_job import BoundingBox, ExtractedImage, ExtractedPage
from pipelex.providers.pypdfium2.png import bgr_to_rgb, encode_png, without_fourth_channel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.cogt.extract.extract_job import ExtractJobParams
    from pipelex.cogt.inference.media import MediaSource

_POINTS_PER_INCH = 72
_FINENESS = 100  # PDFium places things in whole device units: hundredths of a point are fine enough
_MAX_PIXELS = 100_000_000  # 300 MB of raw pixels; a page of this size at more is a mistake in the resolution
_PAGES_PER_OPENING = 100  # PDFium keeps what it has parsed until the document is closed
_CHARACTERS = (
    ("\r\n", "\n"),
    ("\r", "\n"),
    ("\x02", "-\n"),
    ("\ufffe", "-\n"),
)  # the last two: a hyphen that ends a line


class DocumentError(Exception):
    """A document cannot be read, or not as asked; the message says which and why."""


class Document:
    """A PDF document, read page by page in bounded memory.

    Args:
        source: The document.
        params: What to take from it.

    Raises:
        DocumentError: It cannot be opened, or lacks a page that was asked for.
    """

    def __init__(self, source: MediaSource, params: ExtractJobParams) -> None:
        self._source = source
        self._params = params
        self._pages_read = 0
        self._pdf: Any = self._open()
        try:
            self.numbers = self._choose(len(self._pdf))
        except DocumentError:
            self.close()
            raise

    def close(self) -> None:
        """Close the document. May be called again."""
        pdf, self._pdf = self._pdf, None
        if pdf is not None:
            pdf.close()

    def read_page(self, number: int) -> ExtractedPage:
        """Read one page.

        Args:
            number: Its place in the document, counted from 1.
        """
        if self._pages_read >= _PAGES_PER_OPENING:
            self.close()
            self._pdf, self._pages_read = self._open(), 0
        self._pages_read += 1
        page = self._pdf[number - 1]
        try:
            width, height = page.get_size()
            return ExtractedPage(
                number=number,
                text=_text(page),
                width=width,
                height=height,
                images=tuple(_images(page)) if self._params.embedded_images else (),
                view=self._view(page) if self._params.page_view_dpi is not None else None,
                page_count=len(self._pdf),
            )
        finally:
            page.close()

    @property
    def _name(self) -> str:
        return str(self._source.path) if self._source.path is not None else "The document"

    def _open(self) -> Any:
        import pypdfium2

        if self._is_empty():
            msg = f"{self._name} is empty"
            raise DocumentError(msg)
        given = self._source.path if self._source.path is not None else self._source.read()
        try:
            pdf = pypdfium2.PdfDocument(given, password=self._params.password)
        except FileNotFoundError as exc:
            what = "is a folder, not a file" if self._source.path and self._source.path.is_dir() else "does not exist"
            msg = f"{self._name} {what}"
            raise DocumentError(msg) from exc
        except pypdfium2.PdfiumError as exc:
            msg = f"{self._name} {self._why(exc.err_code)}"
            raise DocumentError(msg) from exc
        if self._params.page_view_dpi is not None:
            pdf.init_forms()  # so that what was filled into form fields is in the picture
        return pdf

    def _is_empty(self) -> bool:
        path = self._source.path
        return path.is_file() and path.stat().st_size == 0 if path is not None else self._source.data == b""

    def _why(self, code: int | None) -> str:
        """Say what PDFium's error code means for the user."""
        import pypdfium2.raw as codes

        if code == codes.FPDF_ERR_PASSWORD:
            if self._params.password is None:
                return "is encrypted: give its password"
            return "is encrypted, and the password given does not open it"
        if code == codes.FPDF_ERR_SECURITY:
            return "is encrypted in a way that PDFium does not know"
        if code == codes.FPDF_ERR_FILE:
            return "cannot be read: its permissions do not allow it"
        if code == codes.FPDF_ERR_FORMAT:
            return "is not a PDF document, or a damaged one"
        return f"cannot be opened by PDFium (its error {code})"

    def _choose(self, count: int) -> tuple[int, ...]:
        """Return the pages asked for, all of them where none were named."""
        wanted = self._params.pages or tuple(range(1, count + 1))
        missing = next((number for number in wanted if not 1 <= number <= count), None)
        if missing is not None:
            msg = f"{self._name} has no page {missing}: its pages are 1 to {count}"
            raise DocumentError(msg)
        if self._params.tables:
            msg = "PDFium knows no tables. Take it from the model's 'capabilities'"
            raise DocumentError(msg)
        dpi = self._params.page_view_dpi
        if dpi is not None and dpi < 1:
            msg = f"page_view_dpi is {dpi}; the least is 1"
            raise DocumentError(msg)
        return wanted

    def _view(self, page: Any) -> ExtractedImage:
        """Render a page."""
        dpi = self._params.page_view_dpi or 0
        width, height = page.get_size()
        pixels = width * height * (dpi / _POINTS_PER_INCH) ** 2
        if pixels > _MAX_PIXELS:
            msg = f"At {dpi} dpi a page of {self._name} has {pixels / 1e6:.0f} megapixels. Lower page_view_dpi"
            raise DocumentError(msg)
        bitmap = page.render(scale=dpi / _POINTS_PER_INCH, rev_byteorder=True)
        try:
            box = BoundingBox(left=0.0, top=0.0, right=width, bottom=height)
            return ExtractedImage(data=_png(bitmap), mime_type="image/png", box=box)
        finally:
            bitmap.close()


def _text(page: Any) -> str:
    textpage = page.get_textpage()
    try:
        text: str = textpage.get_text_bounded()
    finally:
        textpage.close()
    for written, meant in _CHARACTERS:
        text = text.replace(written, meant)
    return text


def _images(page: Any) -> Iterator[ExtractedImage]:
    """Take the images that stand on a page; one that is broken is left out with a warning."""
    import pypdfium2
    import pypdfium2.raw as pdfium

    for image in page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE]):
        try:
            data, mime_type = _image_file(image)
            yield ExtractedImage(data=data, mime_type=mime_type, box=_box(page, image))
        except pypdfium2.PdfiumError as exc:
            logging.getLogger(__name__).warning("An image could not be taken from the page: %s", exc)


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
