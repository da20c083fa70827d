"""What Docling makes of real documents of each format: no counterpart is needed, the library itself reads them."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("docling", reason="the extra 'docling' is not installed")

import docx
import openpyxl
import pptx
from PIL import Image

from pipelex.cogt.exceptions import InferenceRequestError
from pipelex.cogt.extract.extract_job import BoundingBox, ExtractedPage, ExtractJob, ExtractJobParams, ExtractProgress
from pipelex.cogt.inference.media import MediaSource
from pipelex.cogt.model_backends.model_spec import Capability
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.providers.docling.extract import DoclingExtractWorker
from pipelex.testing import samples
from tests.providers.pypdfium2.pdf_files import Page, make_pdf
from tests.providers.replay import Replay, raw
from tests.providers.running import run
from tests.providers.targets import model_of

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.counterpart("docling", "extract:docling_sdk")

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def extract(document: MediaSource | bytes | Path | str, **params: object) -> list[ExtractedPage]:
    job = ExtractJob(document=MediaSource.of(document), params=ExtractJobParams(**params))  # type: ignore[arg-type]  # test data
    return run(make_worker().extract_pages(job))


def make_worker() -> DoclingExtractWorker:
    model = model_of(InferenceFamily.EXTRACT, "docling_sdk", "docling", *Capability)
    return DoclingExtractWorker(inference_model=model, reporting_delegate=None)


def word_file() -> bytes:
    document = docx.Document()
    document.add_heading("Report", level=1)
    document.add_paragraph("It went well.")
    table = document.add_table(rows=2, cols=2)
    for index, text in enumerate(("city", "people", "Lyon", "520000")):
        table.cell(index // 2, index % 2).text = text
    document.add_picture(io.BytesIO(samples.png("inside")))
    return _saved(document)


def slides_file() -> bytes:
    slides = pptx.Presentation()
    for number in (1, 2):
        slide = slides.slides.add_slide(slides.slide_layouts[1])
        slide.shapes.title.text = f"Slide {number}"
        slide.placeholders[1].text = f"Point {number}"
    picture = io.BytesIO(samples.png("inside"))
    slides.slides[1].shapes.add_picture(picture, left=12700 * 72, top=12700 * 36, width=12700 * 144, height=12700 * 72)
    return _saved(slides)


def sheets_file() -> bytes:
    book = openpyxl.Workbook()
    for row in (("city", "people"), ("Lyon", 520000)):
        book["Sheet"].append(row)
    book.create_sheet("Other").append(("only",))
    return _saved(book)


def _saved(document: object) -> bytes:
    buffer = io.BytesIO()
    document.save(buffer)  # type: ignore[attr-defined]  # each of the three libraries calls it so
    return buffer.getvalue()


def cells(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if "---" not in line]


def size_of(file: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(file)) as image:
        return image.size


def test_a_word_document_is_one_page_of_markdown_with_its_table_and_picture() -> None:
    (page,) = extract(MediaSource(data=word_file(), mime_type=DOCX), embedded_images=True)
    heading, text, table = page.text.split("\n\n")[:3]
    assert ("## Report", "It went well.") == (heading, text)
    assert [["city", "people"], ["Lyon", "520000"]] == cells(table)
    assert (1, None, None) == (page.number, page.width, page.height)
    assert [(1, 1)] == [size_of(image.data) for image in page.images]
    assert [None] == [image.box for image in page.images]


def test_slides_are_pages_with_a_size_in_points_and_pictures_with_a_place() -> None:
    source = MediaSource(data=slides_file(), mime_type=PPTX)
    pages = extract(source, embedded_images=True)
    assert ["# Slide 1\n\n- Point 1", "# Slide 2\n\n- Point 2"] == [page.text.strip() for page in pages]
    assert [(720.0, 540.0)] * 2 == [(page.width, page.height) for page in pages]
    assert [0, 1] == [len(page.images) for page in pages]
    assert BoundingBox(left=72.0, top=36.0, right=216.0, bottom=108.0) == pages[1].images[0].box
    assert [2] == [page.number for page in extract(source, pages=(2,))]


def test_sheets_are_pages() -> None:
    pages = extract(MediaSource(data=sheets_file(), mime_type=XLSX))
    (name, table), (other_name, other_table) = [page.text.split("\n\n") for page in pages]
    assert ("# Sheet", "# Other") == (name, other_name)
    assert [["city", "people"], ["Lyon", "520000"]] == cells(table)
    assert [["only"]] == cells(other_table)


def test_tables_come_with_their_cells_and_their_caption() -> None:
    rows = b"<tr><th>a</th><th colspan=2>b</th></tr><tr><td>1</td><td>2</td><td>3</td></tr>"
    html = b"<table><caption>Towns</caption>%s</table>" % rows
    [page] = extract(MediaSource(data=html, mime_type="text/html"), tables=True)
    assert [((("a", "b", "b"), ("1", "2", "3")), "Towns")] == [(table.rows, table.caption) for table in page.tables]
    pages = extract(MediaSource(data=sheets_file(), mime_type=XLSX), tables=True)
    assert [[(("city", "people"), ("Lyon", "520000"))], [(("only",),)]] == [
        [t.rows for t in page.tables] for page in pages
    ]


def test_a_pdf_comes_piece_by_piece_and_tells_how_far_it_is() -> None:
    told: list[ExtractProgress] = []
    worker = make_worker()
    document = make_pdf(*(Page(lines=(f"Page {number}",)) for number in range(1, 13)))
    pages = run(worker.extract_pages(document, on_progress=told.append))
    assert pages == run(worker.extract_pages(document))
    expected = [(number, 12) for number in range(1, 13)]
    assert expected == [(progress.pages_done, progress.pages_total) for progress in told]


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("page.html", b"<html><body><h1>Hi</h1><p>There</p></body></html>", "# Hi\n\nThere"),
        ("notes.md", b"# Hi\n\nThere", "# Hi\n\nThere"),
        ("table.csv", b"a,b\n1,2\n", "|   a |   b |\n|-----|-----|\n|   1 |   2 |"),
    ],
)
def test_text_formats_are_told_by_the_name_of_the_file(tmp_path: Path, name: str, data: bytes, expected: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    assert [expected] == [page.text for page in extract(path)]


def test_a_page_behind_an_address_is_told_by_its_media_type(replay: Replay) -> None:
    replay.on("GET /page", raw(b"<html><body><h1>Hi</h1></body></html>", content_type="text/html; charset=utf-8"))
    assert ["# Hi"] == [page.text for page in extract(f"{replay.url}/page")]


def test_pdf_pages_come_in_the_order_asked_for_with_lines_and_size() -> None:
    data = make_pdf(Page(lines=("One", "and more")), Page(lines=("Two",)), Page(lines=("Three",)))
    pages = extract(data, pages=(3, 1))
    assert [(3, "Three"), (1, "One\nand more")] == [(page.number, page.text) for page in pages]
    assert (612.0, 792.0) == (pages[0].width, pages[0].height)


def test_pictures_of_a_pdf_have_their_place_from_the_top_left() -> None:
    page = extract(samples.pdf("kit-1"), embedded_images=True)[0]
    assert BoundingBox(left=20.0, top=140.0, right=60.0, bottom=180.0) == page.images[0].box
    assert (1, 1) == size_of(page.images[0].data)


def test_a_view_has_the_resolution_asked_for() -> None:
    page = extract(samples.pdf("kit-1"), page_view_dpi=144)[0]
    assert page.view is not None
    assert (600, 400) == size_of(page.view.data)


def test_an_encrypted_pdf_opens_with_its_password_alone() -> None:
    data = make_pdf(Page(lines=("Secret",)), password="open")
    assert ["Secret"] == [page.text for page in extract(data, password="open")]
    with pytest.raises(InferenceRequestError, match="is encrypted: give its password"):
        extract(data)
    with pytest.raises(InferenceRequestError, match="the password given does not open it"):
        extract(data, password="wrong")


@pytest.mark.parametrize(
    ("document", "params", "said"),
    [
        (MediaSource(data=b"PK nothing", mime_type=DOCX), {}, "cannot be read as docx: it is damaged"),
        (MediaSource(data=b"\0\1\2"), {}, "of a format that is not read here"),
        (MediaSource.of("/nowhere/report.docx"), {}, "/nowhere/report.docx cannot be read"),
        (MediaSource(data=samples.pdf("kit-1")), {"pages": (3,)}, "has no page 3: its pages are 1 to 2"),
        (MediaSource(data=samples.pdf("kit-1")), {"pages": (0,)}, "has no page 0: its pages are 1 to 2"),
        (MediaSource(data=samples.pdf("kit-1")), {"tables": True}, "tables are for documents that mark them"),
        (MediaSource(data=samples.pdf("kit-1")), {"page_view_dpi": 0}, "page_view_dpi has to be at least 1"),
        (
            MediaSource(data=b"# Hi", mime_type="text/markdown"),
            {"page_view_dpi": 72},
            "is for PDF, and The document is md",
        ),
        (MediaSource(data=b"# Hi", mime_type="text/markdown"), {"pages": (2,)}, "has no page 2"),
    ],
)
def test_what_cannot_be_read_is_a_wrong_request(document: MediaSource, params: dict[str, object], said: str) -> None:
    with pytest.raises(InferenceRequestError, match=said):
        extract(document, **params)


def test_no_model_is_loaded() -> None:
    extract(samples.pdf("kit-1"))
    assert {"torch", "transformers", "onnxruntime"}.isdisjoint(sys.modules)
