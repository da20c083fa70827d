"""Files for calls to work on, each with a token inside that identifies its call. Written out by hand: no library."""

from __future__ import annotations

import hashlib
import struct
import zlib

_ID = b"pipelex-kit-file"
_PADDING = bytes.fromhex("28bf4e5e4e758a4164004e56fffa01082e2e00b6d0683e802f0ca9fe6453697a")
_PERMISSIONS = struct.pack("<i", -4)  # all


class _Encryption:
    """The standard security handler of PDF 1.4, revision 2: RC4 with a key of 40 bits, which every reader knows.

    PDF Reference 1.4, section 3.5: algorithms 3.1 to 3.4. The owner's password is the user's.
    """

    def __init__(self, password: str) -> None:
        padded = (password.encode("latin-1") + _PADDING)[:32]
        self._owner = _rc4(_md5(padded)[:5], padded)
        self._key = _md5(padded + self._owner + _PERMISSIONS + _ID)[:5]

    @property
    def dictionary(self) -> bytes:
        """The encryption dictionary."""
        user = _rc4(self._key, _PADDING)
        return b"<< /Filter /Standard /V 1 /R 2 /O <%b> /U <%b> /P -4 >>" % (
            self._owner.hex().encode(),
            user.hex().encode(),
        )

    def encrypted(self, number: int, data: bytes) -> bytes:
        """Return the data of a stream as the object of a number holds it."""
        return _rc4(_md5(self._key + struct.pack("<I", number)[:3] + b"\0\0")[:10], data)


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


def _rc4(key: bytes, data: bytes) -> bytes:
    state, other = list(range(256)), 0
    for index in range(256):
        other = (other + state[index] + key[index % len(key)]) % 256
        state[index], state[other] = state[other], state[index]
    out, first, second = bytearray(), 0, 0
    for byte in data:
        first = (first + 1) % 256
        second = (second + state[first]) % 256
        state[first], state[second] = state[second], state[first]
        out.append(byte ^ state[(state[first] + state[second]) % 256])
    return bytes(out)


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


def pdf(token: str, *, password: str | None = None) -> bytes:
    """Return a document of two pages: each holds the token and its number, and has an image of one pixel.

    Args:
        token: The token.
        password: The password to encrypt it with; it is not encrypted if not given. A comment then holds the token,
            by which a vendor finds the call.
    """
    encryption = _Encryption(password) if password is not None else None
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R 5 0 R] /Count 2 >>",
        *_page(4, f"{token} page 1", encryption),
        *_page(6, f"{token} page 2", encryption),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        _stream(8, b"\xff\0\0", b"/Type /XObject /Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceRGB "
                                b"/BitsPerComponent 8 ", encryption),
        *([encryption.dictionary] if encryption is not None else []),
    ]  # fmt: skip
    out = bytearray(b"%PDF-1.4\n" + (f"%{token}\n".encode() if encryption is not None else b""))
    offsets = []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    file_id = _ID.hex().encode()
    security = b" /Encrypt %d 0 R /ID [<%b> <%b>]" % (size - 1, file_id, file_id) if encryption else b""
    trailer = b"trailer\n<< /Size %d /Root 1 0 R%b >>\nstartxref\n%d\n%%%%EOF\n" % (size, security, len(out))
    return bytes(out) + b"xref\n0 %d\n0000000000 65535 f \n" % size + table + trailer


def _page(content_number: int, text: str, encryption: _Encryption | None) -> tuple[bytes, bytes]:
    """Return a page and its content, which is the object ``content_number``."""
    resources = b"/Resources << /Font << /F1 7 0 R >> /XObject << /I1 8 0 R >> >>"
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 200] %b /Contents %d 0 R >>" % (resources, content_number)
    drawing = f"BT /F1 18 Tf 20 150 Td ({text}) Tj ET q 40 0 0 40 20 20 cm /I1 Do Q".encode()
    return page, _stream(content_number, drawing, b"", encryption)


def _stream(number: int, data: bytes, entries: bytes, encryption: _Encryption | None) -> bytes:
    if encryption is not None:
        data = encryption.encrypted(number, data)
    return b"<< %b/Length %d >>\nstream\n%b\nendstream" % (entries, len(data), data)


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
