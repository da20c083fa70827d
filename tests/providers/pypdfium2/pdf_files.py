"""Small real PDF files, written by hand so that every byte of them is known."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass, field

_PADDING = bytes.fromhex("28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A")


@dataclass(frozen=True)
class Picture:
    """An image and where it stands: left, bottom, width and height in PDF coordinates."""

    dictionary: str
    stream: bytes
    place: tuple[float, float, float, float]


def rgb_picture(*, width: int, height: int, pixels: bytes, place: tuple[float, float, float, float]) -> Picture:
    """An RGB image, compressed without loss."""
    dictionary = (
        f"/Type /XObject /Subtype /Image /Width {width} /Height {height} /ColorSpace /DeviceRGB "
        "/BitsPerComponent 8 /Filter /FlateDecode"
    )
    return Picture(dictionary, zlib.compress(pixels), place)


def jpeg_picture(*, jpeg: bytes, width: int, height: int, place: tuple[float, float, float, float]) -> Picture:
    """A grey JPEG file, embedded as it is."""
    dictionary = (
        f"/Type /XObject /Subtype /Image /Width {width} /Height {height} /ColorSpace /DeviceGray "
        "/BitsPerComponent 8 /Filter /DCTDecode"
    )
    return Picture(dictionary, jpeg, place)


@dataclass(frozen=True)
class Annotation:
    """What is put on a page: a form's field (``Widget``), a comment (``FreeText``, ``Text``).

    Its appearance draws ``text``; without one a reader has to draw it from the ``entries`` of its dictionary.
    """

    kind: str
    text: str = ""
    entries: str = ""


@dataclass(frozen=True)
class Page:
    """A page: its lines of text from the top, its pictures, and entries for its dictionary."""

    lines: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    extra: str = ""
    size: tuple[int, int] = (612, 792)
    in_form: str | None = field(default=None)
    """The matrix of a form in which the pictures stand, moved right by 5 and up by 7, instead of on the page itself."""
    annotations: tuple[Annotation, ...] = ()


def make_pdf(*pages: Page, password: str | None = None, xfa: str | None = None) -> bytes:
    """Write a PDF document; with a password it is encrypted (RC4, 40 bits). ``xfa``: the XML of an XFA form."""
    objects: list[bytes] = [b"", b"", b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    key = _key(password) if password is not None else None
    kids = [_add_page(objects, page, key) for page in pages]
    fields = " ".join(f"{at} 0 R" for at, body in enumerate(objects, start=1) if b"/Subtype /Widget" in body)
    xml = f"/XFA {_add(objects, '', xfa.encode(), key)} 0 R" if xfa is not None else ""
    resources = "/DA (/F1 12 Tf 0 g) /DR << /Font << /F1 3 0 R >> >>"
    whole = "/NeedsRendering true" if xml else ""
    form = f"{whole} /AcroForm << /Fields [{fields}] {resources} {xml} >>" if fields or xml else ""
    objects[0] = f"<< /Type /Catalog /Pages 2 0 R {form} >>".encode()
    references = " ".join(f"{kid} 0 R" for kid in kids)
    objects[1] = f"<< /Type /Pages /Count {len(kids)} /Kids [{references}] >>".encode()
    trailer = f"/Size {len(objects) + 1} /Root 1 0 R /ID [<{_ID.hex()}> <{_ID.hex()}>]"
    if password is not None and key is not None:
        owner, user = _owner(password), _rc4(key, _PADDING)
        trailer += f" /Encrypt << /Filter /Standard /V 1 /R 2 /O <{owner.hex()}> /U <{user.hex()}> /P -4 >>"
    return _file(objects, trailer)


def _add_page(objects: list[bytes], page: Page, key: bytes | None) -> int:
    names = [
        (f"Im{place}", _add(objects, picture.dictionary, picture.stream, key), picture)
        for place, picture in enumerate(page.pictures)
    ]
    resources = " ".join(f"/{name} {number} 0 R" for name, number, _ in names)
    draw = "".join(
        f"q {p.place[2]} 0 0 {p.place[3]} {p.place[0]} {p.place[1]} cm /{name} Do Q\n" for name, _, p in names
    )
    if page.in_form is not None:
        form = f"/Type /XObject /Subtype /Form /BBox [0 0 9999 9999] /Resources << /XObject << {resources} >> >>"
        number = _add(objects, f"{form} /Matrix [{page.in_form}]", draw.encode(), key)
        resources, draw = f"/Fm0 {number} 0 R", "q 1 0 0 1 5 7 cm /Fm0 Do Q\n"
    text = "".join(f"({line}) Tj 0 -20 Td\n" for line in page.lines)
    content = f"{draw}BT /F1 12 Tf 72 {page.size[1] - 72} Td\n{text}ET"
    stream = _add(objects, "", content.encode("latin-1"), key)
    annotations = " ".join(f"{_annotate(objects, annotation, key)} 0 R" for annotation in page.annotations)
    objects.append(
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {page.size[0]} {page.size[1]}] /Contents {stream} 0 R "
        f"/Resources << /Font << /F1 3 0 R >> /XObject << {resources} >> >> "
        f"/Annots [{annotations}] {page.extra} >>".encode()
    )
    return len(objects)


def _annotate(objects: list[bytes], annotation: Annotation, key: bytes | None) -> int:
    appearance = ""
    if annotation.text:
        form = "/Type /XObject /Subtype /Form /BBox [0 0 200 20] /Resources << /Font << /F1 3 0 R >> >>"
        content = f"BT /F1 12 Tf 2 5 Td ({annotation.text}) Tj ET"
        appearance = f"/AP << /N {_add(objects, form, content.encode('latin-1'), key)} 0 R >>"
    objects.append(
        f"<< /Type /Annot /Subtype /{annotation.kind} /Rect [72 300 272 320] /F 4 {appearance} "
        f"{annotation.entries} >>".encode("latin-1")
    )
    return len(objects)


def _add(objects: list[bytes], dictionary: str, stream: bytes, key: bytes | None) -> int:
    number = len(objects) + 1
    if key is not None:
        own = hashlib.md5(key + number.to_bytes(3, "little") + b"\0\0").digest()[:10]
        stream = _rc4(own, stream)
    objects.append(f"<< {dictionary} /Length {len(stream)} >>\nstream\n".encode("latin-1") + stream + b"\nendstream")
    return number


def _file(objects: list[bytes], trailer: str) -> bytes:
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
    table = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    out += b"".join(f"{offset:010} 00000 n \n".encode() for offset in offsets)
    out += f"trailer\n<< {trailer} >>\nstartxref\n{table}\n%%EOF\n".encode()
    return bytes(out)


_ID = bytes(range(16))


def _padded(password: str) -> bytes:
    return (password.encode("latin-1") + _PADDING)[:32]


def _owner(password: str) -> bytes:
    return _rc4(hashlib.md5(_padded(password)).digest()[:5], _padded(password))


def _key(password: str) -> bytes:
    permissions = (-4 & 0xFFFFFFFF).to_bytes(4, "little")
    return hashlib.md5(_padded(password) + _owner(password) + permissions + _ID).digest()[:5]


def _rc4(key: bytes, data: bytes) -> bytes:
    state = list(range(256))
    j = 0
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) % 256
        state[i], state[j] = state[j], state[i]
    out = bytearray()
    i = j = 0
    for byte in data:
        i = (i + 1) % 256
        j = (j + state[i]) % 256
        state[i], state[j] = state[j], state[i]
        out.append(byte ^ state[(state[i] + state[j]) % 256])
    return bytes(out)
