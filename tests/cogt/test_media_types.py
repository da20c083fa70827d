"""The media type of a file comes from its bytes, then its name, then what was declared."""

from __future__ import annotations

import asyncio
import base64
import io
import zipfile
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from pipelex.cogt.inference.media import MediaReadError, MediaSource, expecting_images
from pipelex.cogt.inference.media_types import UNKNOWN, media_type_of
from pipelex.testing import samples

if TYPE_CHECKING:
    from pathlib import Path

PNG, PDF = samples.png("type"), samples.pdf("type")
HTML = b"\xef\xbb\xbf\n<!-- a comment --> <!DOCTYPE html><html><body>Not found</body></html>"
OOXML = "application/vnd.openxmlformats-officedocument"


def image_of(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (3, 2), "red").save(buffer, format=kind)
    return buffer.getvalue()


def archive_of(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, "application/vnd.oasis.opendocument.text" if name == "mimetype" else "x")
    return buffer.getvalue()


def archive_in_archive(inner: str, part: str) -> bytes:
    """Return an office file that begins with another one, which holds the data of its charts."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(inner, archive_of("xl/workbook.xml"))
        archive.writestr(part, "x")
    return buffer.getvalue()


def box_of(*brands: bytes) -> bytes:
    """Return the head of an ISO base media file: its major brand, a version, its compatible brands."""
    return (16 + 4 * len(brands[1:])).to_bytes(4) + b"ftyp" + brands[0] + bytes(4) + b"".join(brands[1:]) + b"meta"


BYTES = [
    (PNG, "image/png"),
    (PDF, "application/pdf"),
    (b"\x00\x01 some bytes before it \n" + PDF, "application/pdf"),
    (b"\xff\xd8\xff\xe0....JFIF", "image/jpeg"),
    *((image_of(kind), f"image/{kind.lower()}") for kind in ("JPEG", "GIF", "WEBP", "BMP", "TIFF", "AVIF")),
    (b"MM\0*\0\0\0\x08", "image/tiff"),
    (box_of(b"heic", b"mif1"), "image/heic"),
    (box_of(b"mif1", b"heic"), "image/heic"),
    (box_of(b"mif1", b"avif"), "image/avif"),
    (box_of(b"mif1"), "image/heif"),
    (box_of(b"isom"), "video/mp4"),
    (archive_of("[Content_Types].xml", "word/document.xml"), f"{OOXML}.wordprocessingml.document"),
    (archive_of("[Content_Types].xml", "xl/workbook.xml"), f"{OOXML}.spreadsheetml.sheet"),
    (archive_of("[Content_Types].xml", "ppt/presentation.xml"), f"{OOXML}.presentationml.presentation"),
    (archive_in_archive("ppt/embeddings/sheet.xlsx", "ppt/presentation.xml"), f"{OOXML}.presentationml.presentation"),
    (archive_of("mimetype", "content.xml"), "application/vnd.oasis.opendocument.text"),
    (archive_of("a"), "application/zip"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "WordDocument".encode("utf-16-le"), "application/msword"),
    (HTML, "text/html"),
    ("<html lang=en>".encode("utf-16"), "text/html"),
    (b'<?xml version="1.0"?><svg xmlns="x"/>', "image/svg+xml"),
    (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "application/xml"),
    (b'{"error": "no such file"}', "application/json"),
]


@pytest.mark.parametrize(("data", "kind"), BYTES, ids=[f"{number} {kind}" for number, (_, kind) in enumerate(BYTES)])
@pytest.mark.parametrize("name", ["", "noext", "x.tmp", "x.bin", "x.jpg", "x.png"])
@pytest.mark.parametrize("declared", [None, "image/jpeg", "binary/octet-stream", "text/plain"])
def test_the_bytes_decide_whatever_the_name_and_the_declaration(
    data: bytes, kind: str, name: str, declared: str | None
) -> None:
    assert kind == media_type_of(data, name=name, declared=(declared,))


@pytest.mark.parametrize(
    ("declared", "kind"),
    [
        ("image/jpg", "image/jpeg"),
        ("IMAGE/PJPEG; q=1", "image/jpeg"),
        ("image/x-ms-bmp", "image/bmp"),
        ("application/x-pdf", "application/pdf"),
        ("png", "image/png"),
        ("pdf", "application/pdf"),
        ("application/octet-stream", UNKNOWN),
        ("binary/octet-stream", UNKNOWN),
        ("application/force-download", UNKNOWN),
        ("image/*", UNKNOWN),
        ("text/plain", UNKNOWN),
        ("", UNKNOWN),
    ],
)
def test_a_declared_type_counts_by_its_usual_name_and_a_generic_one_not_at_all(declared: str, kind: str) -> None:
    assert kind == media_type_of(b"\0\1\2", declared=(declared,))


@pytest.mark.parametrize(
    ("data", "name", "declared", "kind"),
    [
        (b"a,b", "x.csv", "text/html", "text/csv"),
        (b"a,b", "x.unheard-of", "text/csv", "text/csv"),
        (b"a,b", "x.txt", "text/csv", "text/csv"),
        (b"a,b", "", "text/plain", "text/plain"),
        (b"<html># Markdown may begin so", "x.md", None, "text/markdown"),
        (b"", "https://x.test/a.heic", None, "image/heic"),
        (archive_of("a"), "x.epub", None, "application/epub+zip"),
    ],
)
def test_where_the_bytes_do_not_tell_the_name_does_and_then_the_declaration(
    data: bytes, name: str, declared: str | None, kind: str
) -> None:
    assert kind == media_type_of(data, name=name, declared=(declared,))


@pytest.mark.parametrize("name", ["noext", "x.tmp", "x.jpg"])
def test_a_local_file_is_looked_into(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(PNG)
    source = MediaSource(path=path, mime_type="image/jpeg")
    assert "image/png" == source.media_type()
    assert MediaSource(data=PNG, mime_type="image/png") == asyncio.run(source.fetched())
    assert asyncio.run(source.as_data_url()).startswith("data:image/png;base64,")


@pytest.mark.parametrize("scheme", ["data:", "DATA:"])
@pytest.mark.parametrize(
    "encoded",
    [
        base64.b64encode(PNG).decode(),
        base64.encodebytes(PNG).decode(),
        base64.b64encode(PNG).decode().rstrip("="),
        base64.urlsafe_b64encode(PNG).decode(),
        base64.b64encode(PNG).decode().replace("+", "%2B").replace("=", "%3D"),
    ],
    ids=["plain", "with line breaks", "without padding", "alphabet for addresses", "percent-encoded"],
)
def test_a_data_url_is_decoded_wherever_it_is_given(scheme: str, encoded: str) -> None:
    url = f"{scheme}image/png;base64,{encoded}"
    for source in (MediaSource.of(url), MediaSource(url=url)):
        assert MediaSource(data=PNG, mime_type="image/png") == source
    assert MediaSource(data=b"a b", mime_type="text/plain") == MediaSource.of(f"{scheme}text/plain,a%20b")


@pytest.mark.parametrize("url", ["data:image/png;base64," + "%" * 5000, "data:" + "x" * 5000])
def test_a_data_url_that_cannot_be_decoded_is_refused_by_its_beginning(url: str) -> None:
    with pytest.raises(ValueError, match="data: URL") as caught:
        MediaSource.of(url)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("url", ["HTTP://x.test/a.png", "https://x.test/a.png", "gs://bucket/a.png"])
def test_an_address_is_one_whatever_the_case_of_its_scheme(url: str) -> None:
    assert MediaSource(url=url) == MediaSource.of(url)


def test_a_file_address_is_a_path(tmp_path: Path) -> None:
    path = tmp_path / "a b.png"
    assert MediaSource(path=path) == MediaSource.of(path.as_uri())


@pytest.mark.parametrize("data", [HTML, PDF, b'{"error": 1}', archive_of("a")])
@pytest.mark.parametrize("declared", [None, "image/png"])
def test_what_should_be_an_image_and_is_none_is_refused_by_its_first_bytes(data: bytes, declared: str | None) -> None:
    [image] = expecting_images((MediaSource(data=data, mime_type=declared),))
    with pytest.raises(MediaReadError, match=r"is no image but .* begins with"):
        asyncio.run(image.fetched())


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    for source in (MediaSource(data=b""), MediaSource(path=tmp_path / "a.png"), MediaSource.of("data:image/png,")):
        with pytest.raises(MediaReadError, match="empty"):
            asyncio.run(source.as_data_url())
