"""What Mistral's OCR is sent, and what pages come of its answers: the official SDK against a replay of the documented
wire format (tests/providers/mistral/wire.py names the page)."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

import pytest

from pipelex.cogt.exceptions import InferenceInvalidAnswerError, InferenceRequestError
from pipelex.cogt.extract.extract_job import BoundingBox, ExtractedPage, ExtractJob, ExtractJobParams
from pipelex.cogt.inference.media import MediaSource
from pipelex.reporting.reporting_protocol import InferenceUsage
from pipelex.reporting.usage_log import UsageLog
from tests.providers.mistral import wire
from tests.providers.mistral.mistral_workers import extract_worker
from tests.providers.replay import Replay, answer
from tests.providers.running import run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.counterpart("mistral_docs", "extract:mistral")

PATH = "POST /v1/ocr"
PDF = MediaSource(data=b"%PDF-1.4")
JPEG = b"\xff\xd8\xff picture"


def extract(
    replay: Replay, source: MediaSource = PDF, params: ExtractJobParams | None = None, log: UsageLog | None = None
) -> list[ExtractedPage]:
    job = ExtractJob(document=source, params=params or ExtractJobParams())
    return run(extract_worker(replay.url, log).extract_pages(job))


def test_pages_come_as_markdown_with_their_size_in_points(replay: Replay) -> None:
    log = UsageLog()
    replay.on(PATH, answer(wire.ocr(wire.page(1, "# One\r\n\r\n| a | b |"), wire.page(2, "Two"))))
    pages = extract(replay, log=log)
    assert [(1, "# One\n\n| a | b |"), (2, "Two")] == [(page.number, page.text) for page in pages]
    assert (595.44, 842.04) == (pages[0].width, pages[0].height)
    assert (InferenceUsage(pages=2), wire.OCR_MODEL_ID) == (log.records[0].usage, log.records[0].model_served)
    assert {
        "model": wire.OCR_MODEL_ID,
        "document": {"type": "document_url", "document_url": "data:application/pdf;base64,JVBERi0xLjQ="},
        "include_image_base64": False,
        "include_blocks": False,
    } == replay.last.json()


def test_an_address_is_handed_on_and_an_image_is_told_apart(replay: Replay, tmp_path: Path) -> None:
    replay.on(PATH, answer(wire.ocr(wire.page(1, "One"))))
    extract(replay, MediaSource.of("https://example.com/paper.pdf"))
    document = {"type": "document_url", "document_url": "https://example.com/paper.pdf"}
    assert document == replay.last.json()["document"]
    (tmp_path / "scan.jpeg").write_bytes(JPEG)
    extract(replay, MediaSource.of(tmp_path / "scan.jpeg"))
    scan = {"type": "image_url", "image_url": f"data:image/jpeg;base64,{b64encode(JPEG).decode()}"}
    assert scan == replay.last.json()["document"]


def test_pages_are_counted_from_one_and_come_in_the_order_asked_for(replay: Replay) -> None:
    replay.on(PATH, answer(wire.ocr(wire.page(1, "One"), wire.page(3, "Three"))))
    pages = extract(replay, params=ExtractJobParams(pages=(3, 1, 3)))
    assert [0, 2] == replay.last.json()["pages"]
    assert [(3, "Three"), (1, "One"), (3, "Three")] == [(page.number, page.text) for page in pages]


def test_a_page_that_is_not_there_is_a_wrong_request(replay: Replay) -> None:
    replay.on(PATH, answer(wire.ocr(wire.page(1, "One"))))
    with pytest.raises(InferenceRequestError, match="no page 7"):
        extract(replay, params=ExtractJobParams(pages=(1, 7)))


@pytest.mark.parametrize(
    ("params", "said"),
    [
        (ExtractJobParams(pages=(0,)), "counted from 1"),
        (ExtractJobParams(password="open"), "knows no password"),
        (ExtractJobParams(page_view_dpi=72), "knows no page_view_dpi"),
    ],
)
def test_what_ocr_does_not_know_is_refused_by_name(replay: Replay, params: ExtractJobParams, said: str) -> None:
    with pytest.raises(InferenceRequestError, match=said):
        extract(replay, params=params)
    assert [] == replay.requests


def test_images_come_with_their_place_and_caption(replay: Replay) -> None:
    place = {"top_left_x": 200, "top_left_y": 100, "bottom_right_x": 600, "bottom_right_y": 500}
    picture = {"id": "img-0.jpeg", "image_base64": f"data:image/jpeg;base64,{b64encode(JPEG).decode()}", **place}
    nowhere = {
        **dict.fromkeys(place),
        "id": "img-1.jpeg",
        "image_base64": b64encode(JPEG).decode(),
    }
    blocks = [
        {"type": "image", "content": "![img-0.jpeg](img-0.jpeg)", "image_id": "img-0.jpeg", **place},
        {"type": "caption", "content": "Figure 1: a cat", **place},
        {"type": "a_block_of_tomorrow", "content": "?"},
    ]
    page = wire.page(1, "![img-0.jpeg](img-0.jpeg)", images=[picture, nowhere], blocks=blocks)
    replay.on(PATH, answer(wire.ocr(page)))
    first, second = extract(replay, params=ExtractJobParams(embedded_images=True))[0].images
    assert (JPEG, "image/jpeg", "Figure 1: a cat") == (first.data, first.mime_type, first.caption)
    assert BoundingBox(left=72.0, top=36.0, right=216.0, bottom=180.0) == first.box
    assert (JPEG, "image/jpeg", None, None) == (second.data, second.mime_type, second.caption, second.box)
    assert {"include_image_base64": True, "include_blocks": True}.items() <= replay.last.json().items()


def test_tables_that_come_beside_the_text_go_back_to_their_places(replay: Replay) -> None:
    table = {"id": "tbl-0.html", "content": "<table><tr><td>1</td></tr></table>", "format": "html"}
    page = wire.page(1, "Before\n\n[tbl-0.html](tbl-0.html)\n\nAfter", tables=[table])
    replay.on(PATH, answer(wire.ocr(page)))
    assert "Before\n\n<table><tr><td>1</td></tr></table>\n\nAfter" == extract(replay)[0].text


def test_tables_come_apart_with_their_cells_and_their_place(replay: Replay) -> None:
    place = {"top_left_x": 200, "top_left_y": 100, "bottom_right_x": 600, "bottom_right_y": 500}
    tables = [wire.table(0, "| a | b |\n|---|---|\n| 1 | 2 |"), wire.table(1, "<table></table>", notation="html")]
    blocks = [{"type": "table", "content": "[tbl-0](tbl-0)", "table_id": "tbl-0", **place}]
    replay.on(PATH, answer(wire.ocr(wire.page(1, "[tbl-0](tbl-0)", tables=tables, blocks=blocks))))
    [page] = extract(replay, params=ExtractJobParams(tables=True))
    first, second = page.tables
    assert ((("a", "b"), ("1", "2")), page.text) == (first.rows, first.text)
    assert BoundingBox(left=72.0, top=36.0, right=216.0, bottom=180.0) == first.box
    assert ("<table></table>", "text/html", (), None) == (second.text, second.mime_type, second.rows, second.box)
    assert {"table_format": "markdown", "include_blocks": True}.items() <= replay.last.json().items()


def test_an_image_that_is_no_base64_is_an_invalid_answer(replay: Replay) -> None:
    broken = {"id": "img-0", "image_base64": "data:image/png;base64,%%%", "top_left_x": 1, "top_left_y": 1}
    broken |= {"bottom_right_x": 2, "bottom_right_y": 2}
    replay.on(PATH, answer(wire.ocr(wire.page(1, "One", images=[broken]))))
    with pytest.raises(InferenceInvalidAnswerError, match="no base64"):
        extract(replay, params=ExtractJobParams(embedded_images=True))


def test_a_document_that_cannot_be_read_is_a_wrong_request(replay: Replay, tmp_path: Path) -> None:
    with pytest.raises(InferenceRequestError, match="cannot be read"):
        extract(replay, MediaSource.of(tmp_path / "nowhere.pdf"))
