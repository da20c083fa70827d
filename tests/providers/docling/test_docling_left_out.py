"""What of a document is text and what is left out, as the page of the provider lists it; and what is wrong with one."""

from __future__ import annotations

import io
import logging
import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("docling", reason="the extra 'docling' is not installed")

import docx
import openpyxl
import pptx
from openpyxl.comments import Comment

from pipelex.cogt.exceptions import InferenceRequestError
from pipelex.cogt.inference.media import MediaSource
from tests.providers.docling.test_docling_extract import DOCX, PPTX, XLSX, _saved, extract, slides_file, word_file

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.counterpart("docling", "extract:docling_sdk")

_PAGE = Path(__file__).parents[3] / "docs/providers/docling.md"
_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_RUN = "<w:r><w:t>{text}</w:t></w:r>"
_ATTRIBUTES = 'w:id="9" w:author="me" w:date="2026-01-01T00:00:00Z"'


def with_part(document: bytes, name: str, change: Callable[[str], str]) -> bytes:
    """Return an office document with one of its parts changed, or added."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(document)) as old, zipfile.ZipFile(buffer, "w") as new:
        for part in {*old.namelist(), name}:
            text = old.read(part) if part in old.namelist() else b""
            new.writestr(part, change(text.decode()).encode() if part == name else text)
    return buffer.getvalue()


def with_paragraph(inner: str) -> bytes:
    """Return a DOCX with one paragraph more, given as XML."""
    return with_part(
        word_file(), "word/document.xml", lambda xml: xml.replace("<w:sectPr", f"<w:p>{inner}</w:p><w:sectPr", 1)
    )


def tracked(kind: str, text: str = "kept") -> bytes:
    return with_paragraph(f"<w:{kind} {_ATTRIBUTES}>{_RUN.format(text=text)}</w:{kind}>")


def word_file_with_header() -> bytes:
    document = docx.Document()
    document.add_paragraph("body")
    document.sections[0].header.paragraphs[0].text = "kept"
    return _saved(document)


def word_file_with_note(part: str) -> bytes:
    note = f'<w:{part} w:id="2"><w:p>{_RUN.format(text="kept")}</w:p></w:{part}>'
    mark = f'<w:{part} w:type="separator" w:id="0"><w:p>{_RUN.format(text="lost")}</w:p></w:{part}>'
    return with_part(word_file(), f"word/{part}s.xml", lambda _: f"<w:{part}s {_W}>{mark}{note}</w:{part}s>")


def slides_with_notes() -> bytes:
    slides = pptx.Presentation()
    slides.slides.add_slide(slides.slide_layouts[6]).notes_slide.notes_text_frame.text = "kept"
    return _saved(slides)


def sheets() -> bytes:
    book = openpyxl.Workbook()
    book["Sheet"].append(("first",))
    hidden = book.create_sheet("Hidden")
    hidden.append(("lost",))
    hidden.sheet_state = "hidden"
    third = book.create_sheet("kept name")
    third.append(("third",))
    third["A1"].comment = Comment("kept comment", "me")
    return _saved(book)


def formula() -> bytes:
    book = openpyxl.Workbook()
    book["Sheet"].append(("a", "=1+1"))
    return _saved(book)


@pytest.mark.parametrize(
    ("listed", "media_type", "document"),
    [
        ("headers", DOCX, word_file_with_header()),
        ("footnotes", DOCX, word_file_with_note("footnote")),
        ("endnotes", DOCX, word_file_with_note("endnote")),
        ("tracked insertions", DOCX, tracked("ins")),
        ("moved text", DOCX, tracked("moveTo")),
        ("speaker notes", PPTX, slides_with_notes()),
        ("header", "text/html", b"<html><header>kept</header><h1>x</h1></html>"),
        ("navigation", "text/html", b"<html><nav>kept</nav><h1>x</h1></html>"),
    ],
)
def test_what_is_listed_as_text_is_text(listed: str, media_type: str, document: bytes) -> None:
    assert listed in _row(media_type)[0]
    [page] = extract(MediaSource(data=document, mime_type=media_type))
    assert "kept" in page.text
    assert "lost" not in page.text


def test_sheets_have_their_names_and_comments_and_hidden_ones_are_left_out() -> None:
    text, left_out = _row(XLSX)
    assert ("names of sheets, comments" in text, "hidden sheets" in left_out) == (True, True)
    source = MediaSource(data=sheets(), mime_type=XLSX)
    first, second = extract(source)
    assert (first.number, second.number, second.page_count) == (1, 2, 2)
    assert "# kept name" in second.text
    assert "third" in second.text
    assert "kept comment" in second.text
    assert ["# kept name"] == [page.text.splitlines()[0] for page in extract(source, pages=(2,), tables=True)]


def test_hidden_slides_are_no_pages() -> None:
    assert "hidden slides" in _row(PPTX)[1]
    slides = pptx.Presentation(io.BytesIO(slides_file()))
    slides.slides[0]._element.set("show", "0")
    [page] = extract(MediaSource(data=_saved(slides), mime_type=PPTX))
    assert (1, 1) == (page.number, page.page_count)
    assert "Slide 2" in page.text
    slides.slides[1]._element.set("show", "0")
    with pytest.raises(InferenceRequestError, match="has no page that is not hidden"):
        extract(MediaSource(data=_saved(slides), mime_type=PPTX))


@pytest.mark.parametrize(
    ("listed", "media_type", "document", "lost"),
    [
        ("tracked deletions", DOCX, tracked("moveFrom", "lost"), "lost"),
        ("formulas", XLSX, formula(), "=1+1"),
        ("the box of `- [ ]`", "text/markdown", b"- [ ] todo", "[ ]"),
        ("the language of a code fence", "text/markdown", b"```python\nx = 1\n```", "python"),
        ("what a script would write", "text/html", b"<h1>x</h1><script>document.write('lost')</script>", "lost"),
    ],
)
def test_what_is_listed_as_left_out_is_left_out(listed: str, media_type: str, document: bytes, lost: str) -> None:
    assert listed in _row(media_type)[1]
    [page] = extract(MediaSource(data=document, mime_type=media_type))
    assert page.text
    assert lost not in page.text


def _row(media_type: str) -> tuple[str, str]:
    """Return what the page lists for a format: what is in the text, and what is left out."""
    name = {DOCX: "DOCX", PPTX: "PPTX", XLSX: "XLSX", "text/html": "HTML", "text/markdown": "Markdown"}[media_type]
    table = _PAGE.read_text(encoding="utf-8").partition("## What is in the text")[2]
    row = re.search(rf"^\| {name} \| (.*) \| (.*) \|$", table, re.MULTILINE)
    assert row is not None
    return row[1], row[2]


def test_an_xml_comment_in_a_word_document_costs_nothing() -> None:
    [page] = extract(MediaSource(data=with_paragraph(f"<!-- aside -->{_RUN.format(text='kept')}"), mime_type=DOCX))
    assert "kept" in page.text
    assert "aside" not in page.text


def damaged_inside(document: bytes) -> bytes:
    """Return an archive of which the text can no longer be unpacked."""
    with zipfile.ZipFile(io.BytesIO(document)) as file:
        start = file.getinfo("word/document.xml").header_offset + 60
    return document[:start] + bytes(40) + document[start + 40 :]


def test_damaged_notes_cost_themselves_alone(caplog: pytest.LogCaptureFixture) -> None:
    [page] = extract(
        MediaSource(data=with_part(word_file(), "word/footnotes.xml", lambda _: "<w:footnotes"), mime_type=DOCX)
    )
    assert "It went well." in page.text
    assert "word/footnotes.xml of the document are left out" in caplog.text


_OLD = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)


@pytest.mark.parametrize(
    ("media_type", "document", "reason"),
    [
        (DOCX, _OLD + "EncryptedPackage".encode("utf-16-le"), "is encrypted: save it without a password"),
        (DOCX, _OLD, "is of an old office format"),
        (DOCX, word_file()[:2000], "cannot be read as docx: it is damaged, or another format"),
        (DOCX, damaged_inside(word_file()), "cannot be read as docx: it is damaged, or another format"),
        (PPTX, _saved(pptx.Presentation()), "has no slides"),
        ("text/csv", "名前、年".encode("shift_jis"), "is a text of an unknown encoding: convert it to UTF-8"),
        (
            DOCX,
            with_part(word_file(), "word/document.xml", lambda xml: xml.replace("</w:body>", "")),
            r"cannot be read as docx: Docling failed on it \([^()]{1,250}\)",
        ),
    ],
    ids=[
        "encrypted",
        "old",
        "cut off",
        "damaged inside",
        "without slides",
        "of another encoding",
        "Docling's own fault",
    ],
)
def test_an_error_names_the_cause(media_type: str, document: bytes, reason: str) -> None:
    with pytest.raises(InferenceRequestError, match=f"The document {reason}") as caught:
        extract(MediaSource(data=document, mime_type=media_type))
    assert not re.search("[0-9a-f]{64}|BackendOptions", str(caught.value))


def test_what_a_library_warns_of_is_one_line_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert "naïve" in extract(MediaSource(data="naïve,b\n1,2,3\n".encode("latin-1"), mime_type="text/csv"))[0].text
    assert {"pipelex.providers.docling.process"} == {record.name for record in caplog.records}
    messages = [record.getMessage() for record in caplog.records]
    assert (
        "The document is not UTF-8 and was read as Windows-1252: where that is wrong, convert it to UTF-8" in messages
    )
    assert not any("\n" in message or "BackendOptions" in message for message in messages)


def test_a_password_is_of_no_concern_to_what_is_not_encrypted() -> None:
    [page] = extract(MediaSource(data=word_file(), mime_type=DOCX), password="not needed")
    assert "It went well." in page.text
    assert 2 == len(extract(MediaSource(data=slides_file(), mime_type=PPTX), password="not needed"))
