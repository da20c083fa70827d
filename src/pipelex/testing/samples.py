"""Files for calls to work on, each with a token inside that tells its call apart. Written out by hand: no library."""

from __future__ import annotations

import struct
import zlib


def png(token: str) -> bytes:
    """Return an image of one pixel that carries a token as a comment."""
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _png_chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)),
            _png_chunk(b"tEXt", b"Comment\0" + token.encode()),
            _png_chunk(b"IDAT", zlib.compress(b"\0\xff\0\0")),
            _png_chunk(b"IEND", b""),
        )
    )


def pdf(token: str) -> bytes:
    """Return a document of two pages: each says the token and its number, and has an image of one pixel."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R 5 0 R] /Count 2 >>",
        *_page(4, f"{token} page 1"),
        *_page(6, f"{token} page 2"),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        _stream(b"\xff\0\0", b"/Type /XObject /Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceRGB "
                             b"/BitsPerComponent 8 "),
    ]  # fmt: skip
    out = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    trailer = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, len(out))
    return bytes(out) + b"xref\n0 %d\n0000000000 65535 f \n" % size + table + trailer


def _page(content_number: int, text: str) -> tuple[bytes, bytes]:
    """Return a page and its content, which stands at ``content_number``."""
    resources = b"/Resources << /Font << /F1 7 0 R >> /XObject << /I1 8 0 R >> >>"
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 200] %b /Contents %d 0 R >>" % (resources, content_number)
    drawing = f"BT /F1 18 Tf 20 150 Td ({text}) Tj ET q 40 0 0 40 20 20 cm /I1 Do Q".encode()
    return page, _stream(drawing, b"")


def _stream(data: bytes, entries: bytes) -> bytes:
    return b"<< %b/Length %d >>\nstream\n%b\nendstream" % (entries, len(data), data)


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
