"""The media type of a file: its bytes decide, then its name, then what was declared. Nothing is decoded."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from pipelex.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterable
    from mimetypes import MimeTypes

UNKNOWN = "application/octet-stream"
HEAD_BYTES = 65_536
"""How much of a file its type is read from, where it is not read as a whole."""

_LONGEST_READ = 4096
_LONGEST_SHOWN = 60  # characters of a data: URL, or of a file's beginning, in a message

_SIGNATURES: tuple[tuple[dict[int, bytes], str], ...] = (  # bytes by their place in the file
    ({0: b"%PDF-"}, "application/pdf"),
    ({0: b"\x89PNG\r\n\x1a\n"}, "image/png"),
    ({0: b"\xff\xd8\xff"}, "image/jpeg"),
    ({0: b"GIF87a"}, "image/gif"),
    ({0: b"GIF89a"}, "image/gif"),
    ({0: b"RIFF", 8: b"WEBP"}, "image/webp"),
    ({0: b"BM", 6: b"\0\0\0\0"}, "image/bmp"),  # two reserved words, which are zero
    ({0: b"II*\0"}, "image/tiff"),
    ({0: b"MM\0*"}, "image/tiff"),
    ({0: b"II+\0"}, "image/tiff"),  # BigTIFF
    ({0: b"MM\0+"}, "image/tiff"),
    ({0: b"\0\0\0\x0cJXL \r\n\x87\n"}, "image/jxl"),
    ({0: b"\0\0\0\x0cjP  \r\n\x87\n"}, "image/jp2"),
    ({0: b"\0\0\1\0"}, "image/x-icon"),
    ({0: b"{\\rtf"}, "application/rtf"),
    ({0: b"\x1f\x8b"}, "application/gzip"),
)
_BRANDS = {  # of an ISO base media file: https://mp4ra.org/registered-types/brands
    **dict.fromkeys((b"avif", b"avis"), "image/avif"),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"), "image/heic"),
    **dict.fromkeys((b"mif1", b"msf1"), "image/heif"),
}
_ZIP, _OLE = "application/zip", "application/x-ole-storage"
_CONTAINERS = (_ZIP, _OLE)  # formats that hold others: the name or the declared type may be more specific
_OOXML = "application/vnd.openxmlformats-officedocument"
_PARTS_OF_ZIP = {
    b"word/document": f"{_OOXML}.wordprocessingml.document",
    b"xl/workbook": f"{_OOXML}.spreadsheetml.sheet",
    b"ppt/presentation": f"{_OOXML}.presentationml.presentation",
}
_STREAMS_OF_OLE = {
    "WordDocument": "application/msword",
    "Workbook": "application/vnd.ms-excel",
    "PowerPoint Document": "application/vnd.ms-powerpoint",
}
_MARKUP = (
    (re.compile(r"<(!doctype\s+html|html|head|body)[\s>]"), "text/html"),
    (re.compile(r"(<\?xml.*?)?(<!doctype\s+svg.*?)?<svg[\s>]", re.DOTALL), "image/svg+xml"),
    (re.compile(r"<\?xml.*<html[\s>]", re.DOTALL), "application/xhtml+xml"),
    (re.compile(r"<\?xml\s"), "application/xml"),
    (re.compile(r'(\{\s*"|\[\s*[{"])'), "application/json"),
)
_BEFORE_MARKUP = re.compile(r"\s*(<!--.*?-->\s*)*", re.DOTALL)

_MORE_ENDINGS = {
    ".avif": "image/avif",
    ".heic": "image/heic",
    ".heif": "image/heif",
    ".webp": "image/webp",
    ".jxl": "image/jxl",
    ".jp2": "image/jp2",
    ".bmp": "image/bmp",
    ".md": "text/markdown",
    ".docx": f"{_OOXML}.wordprocessingml.document",
    ".xlsx": f"{_OOXML}.spreadsheetml.sheet",
    ".pptx": f"{_OOXML}.presentationml.presentation",
    ".odt": "application/vnd.oasis.opendocument.text",
    ".ods": "application/vnd.oasis.opendocument.spreadsheet",
    ".odp": "application/vnd.oasis.opendocument.presentation",
    ".epub": "application/epub+zip",
    ".rtf": "application/rtf",
}
_ALIASES = {
    **dict.fromkeys(("image/jpg", "image/pjpeg", "image/x-jpeg", "image/x-jpg", "image/jpe"), "image/jpeg"),
    **dict.fromkeys(("image/x-png", "image/vnd.mozilla.apng"), "image/png"),
    **dict.fromkeys(("image/tif", "image/x-tiff", "image/x-tif"), "image/tiff"),
    **dict.fromkeys(("image/x-ms-bmp", "image/x-bmp", "image/x-windows-bmp", "image/ms-bmp"), "image/bmp"),
    **dict.fromkeys(("image/svg", "image/svg-xml"), "image/svg+xml"),
    **dict.fromkeys(("image/x-webp",), "image/webp"),
    **dict.fromkeys(("image/x-gif",), "image/gif"),
    **dict.fromkeys(
        ("application/x-pdf", "application/acrobat", "application/vnd.pdf", "text/pdf", "text/x-pdf"), "application/pdf"
    ),
    **dict.fromkeys(("text/x-markdown", "text/x-web-markdown"), "text/markdown"),
    **dict.fromkeys(("application/csv", "text/x-csv", "text/comma-separated-values"), "text/csv"),
    **dict.fromkeys(("text/rtf", "text/richtext"), "application/rtf"),
    **dict.fromkeys(("application/x-zip-compressed", "application/x-zip"), _ZIP),
}
_GENERIC = {"*", "octet-stream", "x-octet-stream", "binary", "x-binary", "unknown", "download", "force-download"}
_NO_TEXT = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")


def media_type_of(data: bytes, *, name: str = "", declared: Iterable[str | None] = ()) -> str:
    """Return the media type of a file: by its bytes, or else by its name, or else as declared.

    Markup and JSON are recognized by their first characters only where neither the name nor what was declared is a kind
    of text.

    Args:
        data: The file, or its beginning; empty where nothing of it is known.
        name: Its name, whose ending counts.
        declared: What was declared, the most trusted first. Aliases are resolved; generic types
            (``*/octet-stream``), and ``text/plain`` for what is no text, count as not declared.

    Returns:
        The type; ``"application/octet-stream"`` where none of them gives one.
    """
    candidates = [kind for kind in (_type_of_name(name), *map(_usual, declared)) if kind is not None]
    found = _type_of_signature(data)
    if found in _CONTAINERS:
        return next((kind for kind in candidates if not kind.startswith(("image/", "text/"))), found)
    if found is not None:
        return found
    markup = _type_of_markup(data)
    if markup is not None:
        return next((kind for kind in candidates if _is_specific_text(kind)), markup)
    if _NO_TEXT.search(data[:1024]):
        candidates = [kind for kind in candidates if kind != "text/plain"]
    return next((kind for kind in candidates if kind != "text/plain"), next(iter(candidates), UNKNOWN))


def is_image(media_type: str | None) -> bool:
    """Return whether a media type, ``"image/*"`` included, is that of an image."""
    return media_type is not None and media_type.lstrip().lower().startswith("image/")


def beginning_of(data: bytes | str) -> str:
    """Return the beginning of a file or of an address, short enough for a message."""
    read = data[:_LONGEST_READ]
    text = redact(read.decode("utf-8", "replace") if isinstance(read, bytes) else read)  # before the cut
    return repr(text) if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]!r}..."


def decode_base64(text: str) -> bytes:
    """Decode base64 as vendors and users write it: with line breaks, without padding, in the alphabet for addresses.

    Raises:
        ValueError: It is no base64; the message holds its beginning only.
    """
    from base64 import b64decode

    bare = "".join(text.split()).rstrip("=").translate(_STANDARD_ALPHABET)
    try:
        return b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except ValueError:
        msg = f"it is no base64: {beginning_of(text)}"
    raise ValueError(msg)


_STANDARD_ALPHABET = str.maketrans("-_", "+/")


def is_data_url(text: str) -> bool:
    """Return whether a text is a ``data:`` URL (RFC 2397)."""
    return text[:5].lower() == "data:"


def parse_data_url(url: str) -> tuple[bytes, str | None]:
    """Decode a ``data:`` URL (RFC 2397).

    Returns:
        The bytes, and the media type where the URL states one.

    Raises:
        ValueError: It cannot be decoded; the message holds its beginning only.
    """
    from urllib.parse import unquote, unquote_to_bytes

    head, comma, body = url[5:].partition(",")
    if not comma:
        msg = f"A data: URL has a comma before its data: {beginning_of(url)}"
        raise ValueError(msg)
    media_type, *parameters = (part.strip() for part in head.split(";"))
    if "base64" not in map(str.lower, parameters):
        return unquote_to_bytes(body), media_type or None
    try:
        return decode_base64(unquote(body)), media_type or None
    except ValueError as exc:
        msg = f"A data: URL cannot be decoded, {exc}"
    raise ValueError(msg)


@lru_cache(maxsize=1)
def _endings() -> MimeTypes:
    """Return the types by file name ending: the same on every machine, since no file of the system is read."""
    from mimetypes import MimeTypes

    endings = MimeTypes()
    for ending, kind in _MORE_ENDINGS.items():
        endings.add_type(kind, ending)
    return endings


def _type_of_name(name: str) -> str | None:
    return _usual(_endings().guess_type(name.rpartition("/")[2])[0]) if "." in name else None


def _usual(declared: str | None) -> str | None:
    """Return a declared type by its usual name and without parameters; ``None`` where it is generic."""
    kind = (declared or "").partition(";")[0].strip().lower()
    if "/" not in kind:
        return _type_of_name(f"x.{kind}") if kind.isalnum() else None  # "png" for "image/png"
    return None if kind.rpartition("/")[2] in _GENERIC else _ALIASES.get(kind, kind)


def _is_specific_text(kind: str) -> bool:
    is_text = kind.startswith("text/") or kind.endswith(("+xml", "+json", "/xml", "/json", "/javascript"))
    return is_text and kind not in {"text/plain", "image/svg+xml"}


def _type_of_signature(data: bytes) -> str | None:
    """Return the type of a binary format by its first bytes."""
    if data[4:8] == b"ftyp":
        return _type_of_brands(data)
    if data[:4] == b"PK\3\4":
        return _type_of_zip(data)
    if data[:8] == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":
        found = (kind for stream, kind in _STREAMS_OF_OLE.items() if stream.encode("utf-16-le") in data)
        return next(found, _OLE)
    known = (kind for places, kind in _SIGNATURES if all(data.startswith(sign, at) for at, sign in places.items()))
    return next(known, "application/pdf" if _has_late_pdf_header(data) else None)


def _has_late_pdf_header(data: bytes) -> bool:
    """Return whether a header follows some other bytes, as readers accept it (ISO 32000-1, annex H.3.4.1)."""
    return b"%PDF-" in data[:1024] and _NO_TEXT.search(data) is not None


def _type_of_brands(data: bytes) -> str:
    """Return the type of an ISO base media file: of its brands the most telling one (ISO/IEC 14496-12, 4.3)."""
    size = min(int.from_bytes(data[:4]), 512)
    brands = [data[8:12], *(data[place : place + 4] for place in range(16, size, 4))]
    found = [kind for brand in brands if (kind := _BRANDS.get(brand)) is not None]
    return next((kind for kind in found if kind != "image/heif"), found[0] if found else "video/mp4")


def _type_of_zip(data: bytes) -> str:
    """Return the type of an archive: an entry ``mimetype`` comes first (ODF, EPUB), office formats have known parts."""
    if data[30:38] == b"mimetype":
        size = int.from_bytes(data[18:22], "little")
        start = 38 + int.from_bytes(data[28:30], "little")
        return data[start : start + size].decode("ascii", "replace").strip() or _ZIP
    names = _names_in_zip(data)
    return next((kind for part, kind in _PARTS_OF_ZIP.items() if any(name.startswith(part) for name in names)), _ZIP)


def _names_in_zip(data: bytes) -> list[bytes]:
    """Return the names of an archive's parts: an office file may hold others, whose parts are none of its own.

    Of the beginning of an archive, which has no directory, the first office part that is named there.
    """
    import zipfile
    from io import BytesIO

    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            return [name.encode() for name in archive.namelist()]
    except (zipfile.BadZipFile, NotImplementedError, ValueError):
        places = {place: part for part in _PARTS_OF_ZIP if (place := data.find(part)) >= 0}
        return [places[min(places)]] if places else []


def _type_of_markup(data: bytes) -> str | None:
    """Return the type of a text by its first characters."""
    head = data[:2048]
    encoding = "utf-16" if head[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig"
    text = head.decode(encoding, "replace").lower()
    text = text[len(match.group()) :] if (match := _BEFORE_MARKUP.match(text)) else text
    return next((kind for pattern, kind in _MARKUP if pattern.match(text)), None)
