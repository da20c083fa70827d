"""The PDF extractor, on real documents and the real PDFium."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import re
import struct
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import pytest

from pipelex.cogt.exceptions import InferenceRequestError, UnsupportedCapabilityError
from pipelex.cogt.extract.extract_job import BoundingBox, ExtractedPage, ExtractJob, ExtractJobParams, ExtractProgress
from pipelex.cogt.inference.media import MediaSource
from pipelex.cogt.model_backends.model_spec import Capability, InferenceModelSpec
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.providers.pypdfium2 import document as document_module
from pipelex.providers.pypdfium2.document import PdfDocument
from pipelex.providers.pypdfium2.extract import PdfiumExtractWorker
from pipelex.reporting.reporting_protocol import InferenceUsage
from pipelex.reporting.usage_log import UsageLog
from tests.providers.pypdfium2.pdf_files import Annotation, Page, Picture, jpeg_picture, make_pdf, rgb_picture

pytestmark = pytest.mark.counterpart("pdfium", "extract:pypdfium2")

_ROOT = Path(__file__).parents[3]
PIXELS = bytes([255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30])
PICTURE = rgb_picture(width=2, height=2, pixels=PIXELS, place=(100, 600, 50, 40))
JPEG = base64.b64decode(
    "/9j/2wBDAAMCAgICAgMCAgIDAwMDBAYEBAQEBAgGBgUGCQgKCgkICQkKDA8MCgsOCwkJDRENDg8QEBEQCgwSExIQEw8QEBD/"
    "yQALCAABAAEBAREA/8wABgAQEAX/2gAIAQEAAD8A0s8g/9k="
)
CAPABILITIES = frozenset(Capability) - {Capability.URL}


def make_worker(log: UsageLog | None = None) -> PdfiumExtractWorker:
    spec = InferenceModelSpec(
        name="pdf-text",
        family=InferenceFamily.EXTRACT,
        backend_name="pypdfium2",
        sdk="pypdfium2",
        model_id="pdfium",
        capabilities=CAPABILITIES,
    )
    return PdfiumExtractWorker(inference_model=spec, reporting_delegate=log)


def job(source: bytes | Path, params: ExtractJobParams) -> ExtractJob:
    return ExtractJob(document=MediaSource.of(source), params=params)


def extract(source: bytes | Path, params: ExtractJobParams | None = None) -> list[ExtractedPage]:
    return make_worker().extract_pages_sync(job(source, params or ExtractJobParams()))


def test_it_tells_page_by_page_how_far_it_is() -> None:
    told: list[ExtractProgress] = []
    document = make_pdf(Page(("one",)), Page(("two",)), Page(("three",)))
    make_worker().extract_pages_sync(document, on_progress=told.append)
    assert [(1, 3), (2, 3), (3, 3)] == [(progress.pages_done, progress.pages_total) for progress in told]
    told.clear()
    make_worker().extract_pages_sync(job(document, ExtractJobParams(pages=(3, 1))), on_progress=told.append)
    assert [(1, 2), (2, 2)] == [(progress.pages_done, progress.pages_total) for progress in told]


def test_tables_are_refused_by_name_although_declared() -> None:
    with pytest.raises(InferenceRequestError, match="knows no tables"):
        extract(make_pdf(Page(("one",))), ExtractJobParams(tables=True))


def read_png(data: bytes) -> tuple[int, int, int, bytes]:
    """Return width, height, colour type and the rows without their filter bytes."""
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height, depth, colour = struct.unpack(">IIBB", data[16:26])
    assert depth == 8
    length = struct.unpack(">I", data[33:37])[0]
    assert data[37:41] == b"IDAT"
    assert struct.unpack(">I", data[41 + length : 45 + length])[0] == zlib.crc32(data[37 : 41 + length])
    rows = zlib.decompress(data[41 : 41 + length])
    step = len(rows) // height
    return width, height, colour, b"".join(rows[row * step + 1 : (row + 1) * step] for row in range(height))


def test_a_page_gives_its_text_and_size() -> None:
    [page] = extract(make_pdf(Page(("Hello world", "second line"), size=(300, 400))))
    assert (1, "Hello world\nsecond line", 300.0, 400.0) == (page.number, page.text, page.width, page.height)
    assert () == page.images
    assert page.view is None


def test_a_hyphen_at_the_end_of_a_line_is_kept() -> None:
    [page] = extract(make_pdf(Page(("exam-", "ple"))))
    assert page.text == "exam-\nple"


def test_a_glyph_whose_code_is_that_of_the_hyphen_mark_is_none() -> None:
    cmap = b"/CIDInit /ProcSet findresource begin 1 beginbfchar <7E> <0002> endbfchar end"
    stream = b"4 0 obj\n<< /Length %d >>\nstream\n%s\nendstream\nendobj\n" % (len(cmap), cmap)
    document = make_pdf(Page(("exam-", "ple ~ ~")))
    document = document.replace(b"/BaseFont /Helvetica", b"/BaseFont /Helvetica /ToUnicode 44 0 R")
    document = document.replace(b"\nxref\n", b"\n4" + stream + b"xref\n")  # the table is wrong now: it is made anew
    assert ["exam-\nple \ufffd \ufffd"] == [page.text for page in extract(document)]


def test_what_is_filled_into_a_form_and_noted_on_a_page_is_text() -> None:
    drawn = Annotation("Widget", "drawn", "/FT /Tx /T (a) /V (drawn)")
    not_drawn = Annotation("Widget", "", "/FT /Tx /T (b) /V (held) /DA (/F1 12 Tf 0 g)")
    noted = Annotation("FreeText", "noted")
    hidden = Annotation("FreeText", "hidden", "/F 2")
    document = make_pdf(Page(("label",), annotations=(drawn, not_drawn, noted, hidden)), Page(("next",)))
    for params in (ExtractJobParams(), ExtractJobParams(page_view_dpi=72)):
        first, second = extract(document, params)
        assert ["drawn", "held", "label", "noted"] == sorted(first.text.split())
        assert second.text == "next"
    [page] = extract(make_pdf(Page((), annotations=(noted,))))
    assert page.text == "noted"


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (Annotation("FreeText", entries="/Contents (typed) /DA (/F1 12 Tf 0 g)"), "typed"),
        (Annotation("FreeText", text="typed", entries="/Contents (typed)"), "typed"),
        (Annotation("Widget", entries="/FT /Tx /T (a) /V <FEFF4F60597D> /DA (/F1 12 Tf 0 g)"), "你好"),
        (Annotation("Widget", text="1,234 EUR", entries="/FT /Tx /T (a) /V (1234)"), "1,234 EUR"),
        (Annotation("Widget", entries="/FT /Tx /Ff 8192 /T (a) /V <FEFF4F60597D> /DA (/F1 12 Tf 0 g)"), "**"),
        (Annotation("FreeText", entries="/F 2 /Contents (hidden)"), ""),
    ],
    ids=["not drawn", "drawn", "not in the font", "formatted", "a password", "hidden"],
)
def test_what_has_no_appearance_is_text_once(annotation: Annotation, text: str) -> None:
    [page] = extract(make_pdf(Page((), annotations=(annotation,))))
    assert page.text == text


_XFA = "<xdp:xdp xmlns:xdp='http://ns.adobe.com/xdp/'><datasets><name>unseen</name></datasets></xdp:xdp>"


def _with(kind: str, *, text: str = "", entries: str = "") -> bytes:
    return make_pdf(Page((), annotations=(Annotation(kind, text, entries),)))


@pytest.mark.parametrize(
    ("named", "document"),
    [
        ("signatures", _with("Widget", entries="/FT /Sig /T (s) /V << /Name (unseen) >>")),
        ("XFA", make_pdf(Page(("Please wait",)), xfa=_XFA)),
        ("hidden", _with("FreeText", text="unseen", entries="/F 2")),
        ("pop-up notes", _with("Text", entries="/Contents (unseen)")),
        ("attached files", _with("FileAttachment", entries="/Contents (unseen)")),
    ],
)
def test_what_is_left_out_is_listed_on_the_page_of_the_provider(
    named: str, document: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    listed = (_ROOT / "docs/providers/pypdfium2.md").read_text(encoding="utf-8").partition("## What is not")[2]
    assert named in listed
    for params in (ExtractJobParams(), ExtractJobParams(page_view_dpi=72)):
        assert "unseen" not in "".join(page.text for page in extract(document, params))
    warnings = ["The document is a form of the kind XFA, which is not read: what is filled in is left out"]
    assert (2 * warnings if named == "XFA" else []) == [record.getMessage() for record in caplog.records]


def test_a_page_that_cannot_be_read_is_named_and_costs_no_other() -> None:
    document = make_pdf(Page(("one",)), Page(("two",)), Page(("three",)))
    kids = re.search(rb"/Kids \[(\d+) 0 R (\d+) 0 R", document)
    assert kids is not None
    document = document.replace(b"/Kids [%s 0 R %s 0 R" % kids.groups(), b"/Kids [%s 0 R null  " % kids[1])
    for params in (ExtractJobParams(), ExtractJobParams(page_view_dpi=72, embedded_images=True)):
        pages = extract(document, params)
        assert [(1, "one"), (2, ""), (3, "three")] == [(page.number, page.text) for page in pages]
        [error] = [page.error for page in pages if page.error is not None]
        assert "[pypdfium2] Page 2 of The document cannot be read" in str(error)


@pytest.mark.parametrize(
    ("second_page", "reason"),
    [
        (Page(("two",), extra="/CropBox [612 792 700 800]"), "its size is 0 x 0 points"),
        (Page(("two",), size=(200_000, 200_000)), "at 72 dpi it has 40000 megapixels"),
    ],
    ids=["a page of which nothing is seen", "a huge page"],
)
def test_a_page_that_cannot_be_rendered_is_named_and_costs_no_other(second_page: Page, reason: str) -> None:
    document = make_pdf(Page(("one",)), second_page, Page(("three",)))
    first, second, third = extract(document, ExtractJobParams(page_view_dpi=72))
    assert ("one", "three") == (first.text, third.text)
    assert first.view is not None
    assert third.view is not None
    assert second.view is None
    assert f"Page 2 of The document has no picture: {reason}" in str(second.error)


def test_pages_come_in_the_order_asked_for() -> None:
    document = make_pdf(*[Page((f"page {number}",)) for number in (1, 2, 3)])
    pages = extract(document, ExtractJobParams(pages=(3, 1, 3)))
    assert [(3, "page 3"), (1, "page 1"), (3, "page 3")] == [(page.number, page.text) for page in pages]


@pytest.mark.parametrize("missing", [0, 4, -1])
def test_a_page_that_is_not_there_is_refused_with_the_page_count(missing: int) -> None:
    with pytest.raises(InferenceRequestError, match=f"no page {missing}: its pages are 1 to 3"):
        extract(make_pdf(Page(), Page(), Page()), ExtractJobParams(pages=(2, missing)))


def test_an_encrypted_document_opens_with_its_password() -> None:
    document = make_pdf(Page(("secret",)), password="open sesame")
    [page] = extract(document, ExtractJobParams(password="open sesame"))
    assert page.text == "secret"


def test_an_encrypted_document_asks_for_its_password() -> None:
    with pytest.raises(InferenceRequestError, match="encrypted: give its password"):
        extract(make_pdf(Page(("secret",)), password="open sesame"))


def test_a_password_that_is_not_needed_changes_nothing() -> None:
    for document in (make_pdf(Page(("open",))), make_pdf(Page(("open",)), password="")):
        assert ["open"] == [page.text for page in extract(document, ExtractJobParams(password="not needed"))]


def test_a_wrong_password_is_named_as_such_and_never_shown() -> None:
    with pytest.raises(InferenceRequestError, match="password given does not open it") as caught:
        extract(make_pdf(Page(), password="open sesame"), ExtractJobParams(password="hunter2"))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (make_pdf(), "has no pages"),
        (b"Dear sirs, this is a letter.", "not a PDF document, or a damaged one"),
        (make_pdf(Page(("whole",)))[:200], "not a PDF document, or a damaged one"),
    ],
)
def test_what_is_no_whole_document_is_refused(data: bytes, reason: str, tmp_path: Path) -> None:
    file = tmp_path / "letter.pdf"
    file.write_bytes(data)
    with pytest.raises(InferenceRequestError, match=reason):
        extract(data)
    with pytest.raises(InferenceRequestError, match=f"letter.pdf {reason}|letter.pdf is {reason}"):
        extract(file)


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("a.docx", b"PK\x03\x04 word/document.xml", "wordprocessingml.document"),
        ("a", b"<!doctype html><html><p>hello", "text/html"),
        ("a.pdf", b"\x89PNG\r\n\x1a\n0000", "image/png"),
    ],
)
def test_a_document_of_another_kind_is_named_with_the_model_that_reads_it(
    name: str, data: bytes, kind: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InferenceRequestError, match=f"{name} is no PDF document but .*{kind}.* -m docling"):
        extract(tmp_path / name)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InferenceRequestError, match=r"missing\.pdf does not exist"):
        extract(tmp_path / "missing.pdf")
    with pytest.raises(InferenceRequestError, match="is a folder"):
        extract(tmp_path)


def test_a_path_beyond_ascii_is_opened(tmp_path: Path) -> None:
    file = tmp_path / "Übersicht 学.pdf"
    file.write_bytes(make_pdf(Page(("found",))))
    assert extract(file)[0].text == "found"


def test_an_image_comes_out_pixel_by_pixel_with_its_place() -> None:
    [page] = extract(make_pdf(Page(("text",), (PICTURE,))), ExtractJobParams(embedded_images=True))
    [image] = page.images
    assert image.mime_type == "image/png"
    assert (2, 2, 2, PIXELS) == read_png(image.data)
    assert BoundingBox(left=100, top=152, right=150, bottom=192) == image.box


def test_a_place_is_told_on_the_page_as_it_is_seen() -> None:
    turned = Page((), (PICTURE,), extra="/Rotate 90 /CropBox [50 50 400 700]")
    [page] = extract(make_pdf(turned), ExtractJobParams(embedded_images=True))
    assert (650.0, 350.0) == (page.width, page.height)
    assert BoundingBox(left=550, top=50, right=590, bottom=100) == page.images[0].box


def test_an_image_inside_a_form_has_its_place_on_the_page() -> None:
    small = rgb_picture(width=2, height=2, pixels=PIXELS, place=(10, 20, 30, 40))
    [page] = extract(make_pdf(Page((), (small,), in_form="2 0 0 2 10 20")), ExtractJobParams(embedded_images=True))
    left, bottom = 2 * 10 + 10 + 5, 2 * 20 + 20 + 7
    assert BoundingBox(left=left, top=792 - bottom - 80, right=left + 60, bottom=792 - bottom) == page.images[0].box


def test_a_jpeg_comes_out_as_the_file_that_it_is() -> None:
    picture = jpeg_picture(jpeg=JPEG, width=1, height=1, place=(10, 10, 20, 20))
    [page] = extract(make_pdf(Page((), (picture,))), ExtractJobParams(embedded_images=True))
    assert [("image/jpeg", JPEG)] == [(image.mime_type, image.data) for image in page.images]


def _picture(colour_space: str, bits: int, stream: bytes, width: int) -> Picture:
    dictionary = (
        f"/Type /XObject /Subtype /Image /Width {width} /Height 1 /ColorSpace {colour_space} /BitsPerComponent {bits}"
    )
    return Picture(dictionary, stream, (10, 10, 20, 20))


@pytest.mark.parametrize(
    ("picture", "grey_levels"),
    [
        (_picture("/DeviceGray", 8, bytes([0, 128, 255]), 3), [0, 128, 255]),
        (_picture("/DeviceGray", 1, bytes([0b01000000]), 3), [0, 255, 0]),
        (_picture("/DeviceCMYK", 8, bytes([0, 0, 0, 0]), 1), [255]),
    ],
)
def test_other_colour_spaces_come_out_as_png(picture: Picture, grey_levels: list[int]) -> None:
    [page] = extract(make_pdf(Page((), (picture,))), ExtractJobParams(embedded_images=True))
    width, height, colour, pixels = read_png(page.images[0].data)
    channels = {0: 1, 2: 3, 6: 4}[colour]
    assert (len(grey_levels), 1) == (width, height)
    assert grey_levels == list(pixels[::channels])


def test_a_broken_image_is_left_out_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    broken = Picture(PICTURE.dictionary, b"not deflated", PICTURE.place)
    with caplog.at_level(logging.WARNING, logger="pipelex"):
        [page] = extract(make_pdf(Page(("text",), (broken, PICTURE))), ExtractJobParams(embedded_images=True))
    assert page.text == "text"
    assert PIXELS == read_png(page.images[-1].data)[3]
    assert len(page.images) + len(caplog.records) == 2


def test_the_picture_of_a_page_has_the_resolution_asked_for() -> None:
    [page] = extract(make_pdf(Page((), (PICTURE,))), ExtractJobParams(page_view_dpi=144))
    assert page.view is not None
    width, height, colour, pixels = read_png(page.view.data)
    assert (1224, 1584, 2) == (width, height, colour)
    row, column = 2 * 152 + 10, 2 * 100 + 10  # inside the upper left quarter of the picture, which is red
    start = (row * width + column) * 3
    assert (255, 0, 0) == tuple(pixels[start : start + 3])
    assert (255, 255, 255) == tuple(pixels[:3])


@pytest.mark.parametrize("dpi", [0, -72, 1_000_000])
def test_a_resolution_that_cannot_be_meant_is_refused(dpi: int) -> None:
    with pytest.raises(InferenceRequestError, match="page_view_dpi"):
        extract(make_pdf(Page()), ExtractJobParams(page_view_dpi=dpi))


def test_an_address_is_refused_rather_than_fetched() -> None:
    with pytest.raises(UnsupportedCapabilityError, match="url"):
        make_worker().extract_pages_sync("https://example.com/a.pdf")


def test_usage_counts_the_pages() -> None:
    log = UsageLog()
    make_worker(log).extract_pages_sync(make_pdf(Page(), Page()))
    [record] = log.records
    assert InferenceUsage(pages=2) == record.usage
    assert record.model_served == "pdfium"


def test_extractions_at_the_same_time_do_not_mix() -> None:
    documents = [make_pdf(*[Page((f"document {name} page {n}",)) for n in range(1, 6)]) for name in range(8)]

    async def run() -> list[list[ExtractedPage]]:
        worker = make_worker()
        return await asyncio.gather(*[worker.extract_pages(document) for document in documents])

    for name, pages in enumerate(asyncio.run(run())):
        assert [f"document {name} page {n}" for n in range(1, 6)] == [page.text for page in pages]


def test_a_stream_that_is_left_early_closes_its_document(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = _watch_closing(monkeypatch)
    for page in make_worker().stream_pages_sync(make_pdf(*[Page((str(n),)) for n in range(1, 50)])):
        if page.number == 2:
            break
    assert closed.wait(timeout=10)


def test_a_cancelled_extraction_closes_its_document(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = _watch_closing(monkeypatch)

    async def run() -> None:
        worker, reading = make_worker(), asyncio.Event()
        loop = asyncio.get_running_loop()
        original = PdfDocument.read_page

        def announce(self: PdfDocument, number: int) -> ExtractedPage:
            loop.call_soon_threadsafe(reading.set)
            return original(self, number)

        monkeypatch.setattr(PdfDocument, "read_page", announce)
        async with asyncio.timeout(30) as deadline:
            task = asyncio.gather(worker.extract_pages(make_pdf(*[Page() for _ in range(500)])))
            await reading.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert not deadline.expired()

    asyncio.run(run())
    assert closed.is_set()


def test_a_long_document_is_opened_anew_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document_module, "_PAGES_PER_OPENING", 2)
    document = make_pdf(*[Page((f"page {n}",)) for n in range(1, 6)], password="pw")
    pages = extract(document, ExtractJobParams(password="pw"))
    assert [f"page {n}" for n in range(1, 6)] == [page.text for page in pages]


@pytest.mark.parametrize("many", [200, pytest.param(1000, marks=pytest.mark.heavy)])
def test_many_pages_take_little_more_memory_than_fifty(tmp_path: Path, many: int) -> None:
    """Streaming a 30 MB document of 1,000 pages, images included, grows the process by less than 10 MB more."""
    growth = {}
    for count in (50, many):
        file = tmp_path / f"{count}.pdf"
        file.write_bytes(make_pdf(*[_heavy_page(number) for number in range(count)]))
        growth[count] = _peak_growth(file, pages=count)
    assert growth[many] - growth[50] < 10_000 * many / 1000


def _heavy_page(number: int) -> Page:
    noise = b"".join(struct.pack(">Q", (number * 7919 + n) * 2654435761 % 2**64) for n in range(3750))
    picture = Picture(_RAW, noise, (100, 100, 200, 200))
    return Page(tuple(f"page {number} line {line} and some more words" for line in range(30)), (picture,))


_RAW = "/Type /XObject /Subtype /Image /Width 100 /Height 100 /ColorSpace /DeviceRGB /BitsPerComponent 8"

_MEASURE = """
import json, resource, sys
from pathlib import Path
from tests.providers.pypdfium2.test_pdfium_extract import ExtractJobParams, extract, job, make_pdf, make_worker, Page
extract(make_pdf(Page(("warm up",))))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
pages = make_worker().stream_pages_sync(job(Path(sys.argv[1]), ExtractJobParams(embedded_images=True)))
count = sum(len(page.images) for page in pages)
print(json.dumps([count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before]))
"""


def _peak_growth(file: Path, *, pages: int) -> int:
    """Return by how many kilobytes streaming a document grows a fresh process."""
    command = [sys.executable, "-c", _MEASURE, str(file)]
    run = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    count, growth = json.loads(run.stdout)
    assert pages == count
    return int(growth)


def _watch_closing(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Return an event that is set when a document has been closed."""
    closed = threading.Event()
    original = PdfDocument.close

    def close(self: PdfDocument) -> None:
        original(self)
        closed.set()

    monkeypatch.setattr(PdfDocument, "close", close)
    return closed
