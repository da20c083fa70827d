"""The bytes of a document before Docling converts them: encodings, what Docling drops of DOCX, and what is wrong."""

from __future__ import annotations

import codecs
import logging
import re
import zipfile
import zlib
from io import BytesIO
from typing import TYPE_CHECKING

from pipelex.cogt.exceptions import InferenceRequestError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_log = logging.getLogger(__name__)

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # [MS-CFB] 2.2: office documents before 2007, and encrypted ones
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")  # [MS-OFFCRYPTO] 2.3.4.4: the stream of an encrypted document
_KNOWN = "PDF, DOCX, PPTX, XLSX, HTML, Markdown, CSV"
_MAIN_PARTS = {"docx": "word/document", "pptx": "ppt/presentation", "xlsx": "xl/workbook"}
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_MOVED = re.compile(rb"<(/?)w:moveTo([ >])")
_COMMENT = re.compile(rb"<!--.*?-->", re.DOTALL)
_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_BODY = "word/document.xml"
_NOTES = ("word/footnotes.xml", "word/endnotes.xml")
_LONGEST_REASON = 200
_BROKEN = (zipfile.BadZipFile, zlib.error, KeyError, NotImplementedError, RuntimeError, OSError, ValueError)
"""What the standard library raises over an archive that is damaged, encrypted or lacks a part."""


def utf8(data: bytes, name: str) -> bytes:
    """Return a text in UTF-8: from its byte order mark, or as Windows-1252, with a warning.

    Raises:
        InferenceRequestError: It is of neither encoding.
    """
    encoding = next((encoding for mark, encoding in _MARKS if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding).removeprefix("\ufeff").encode()
    except UnicodeDecodeError:
        pass
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError as exc:
        msg = f"{name} is a text of an unknown encoding: convert it to UTF-8"
        raise InferenceRequestError(msg) from exc
    _log.warning("%s is not UTF-8 and was read as Windows-1252: where that is wrong, convert it to UTF-8", name)
    return text.encode()


def repaired_word_file(data: bytes) -> bytes:
    """Return a DOCX that Docling reads whole: without XML comments, and with tracked moves as insertions."""
    try:
        with zipfile.ZipFile(BytesIO(data)) as old:
            body = old.read(_BODY)
            repaired = _MOVED.sub(rb"<\1w:ins\2", _COMMENT.sub(b"", body))
            if repaired == body:
                return data
            buffer = BytesIO()
            with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
                for item in old.infolist():
                    new.writestr(item.filename, repaired if item.filename == _BODY else old.read(item))
            return buffer.getvalue()
    except _BROKEN:
        return data  # Docling, or why_unreadable, names what is wrong


def notes_of_word_file(data: bytes) -> tuple[str, ...]:
    """Return the footnotes and endnotes of a DOCX, which Docling does not read."""
    from xml.etree import ElementTree

    notes = []
    with zipfile.ZipFile(BytesIO(data)) as file:
        for part in (name for name in _NOTES if name in file.namelist()):
            try:
                root = ElementTree.fromstring(file.read(part))  # noqa: S314 - in a process of bounded memory
            except (ElementTree.ParseError, *_BROKEN) as exc:
                _log.warning("The notes in %s of the document are left out: it is damaged (%s)", part, exc)
                continue
            notes += [_text_of(note) for note in root if note.get(f"{_WORD}type", "normal") == "normal"]
    return tuple(note for note in notes if note)


def _text_of(note: Element) -> str:
    """Return the paragraphs of a note, one a line."""
    paragraphs = note.iter(f"{_WORD}p")
    texts = ("".join(run.text or "" for run in paragraph.iter(f"{_WORD}t")) for paragraph in paragraphs)
    return "\n".join(text.strip() for text in texts if text.strip())


def why_unreadable(data: bytes, name: str, *, kind: str = "", reason: str = "") -> str:
    """Return why a document cannot be read.

    Args:
        data: The document.
        name: What it is called.
        kind: Its format, where it is one of them.
        reason: Docling's message.
    """
    if data.startswith(_OLE):
        if _ENCRYPTED in data:
            return f"{name} is encrypted: save it without a password. Of encrypted documents only PDF is read"
        return f"{name} is of an old office format (before 2007): save it as DOCX, PPTX or XLSX"
    if not kind:
        return f"{name} is of a format that is not read here. Read are: {_KNOWN}"
    if not is_whole(data, kind):
        return f"{name} cannot be read as {kind}: it is damaged, or another format"
    reason = re.sub(r"\s+(with hash )?[0-9a-f]{64}\b", "", " ".join(reason.split()))
    return f"{name} cannot be read as {kind}: Docling failed on it ({reason[:_LONGEST_REASON]})"


def is_whole(data: bytes, kind: str) -> bool:
    """Return whether an office document can be unpacked, and has its main part. Other formats are whole always."""
    if kind not in _MAIN_PARTS:
        return True
    try:
        with zipfile.ZipFile(BytesIO(data)) as file:
            return file.testzip() is None and any(name.startswith(_MAIN_PARTS[kind]) for name in file.namelist())
    except _BROKEN:
        return False
