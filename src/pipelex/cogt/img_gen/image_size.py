"""The size of an image, read from the head of its file: nothing is decoded, and no library is needed."""

from __future__ import annotations

_NO_FRAME = {0xC4, 0xC8, 0xCC}  # JPEG markers among those of frames that are none


def size_of(data: bytes) -> tuple[int, int] | None:
    """Return width and height in pixels.

    Args:
        data: A PNG, GIF, JPEG or WebP file.

    Returns:
        The size; ``None`` for a file of another kind, or a damaged one.
    """
    if data.startswith(b"\x89PNG\r\n\x1a\n") and len(data) >= 24:
        return int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
    if data.startswith(b"GIF8") and len(data) >= 10:
        return int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little")
    if data.startswith(b"\xff\xd8\xff"):
        return _of_jpeg(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP" and len(data) >= 30:
        return _of_webp(data)
    return None


def _of_jpeg(data: bytes) -> tuple[int, int] | None:
    """Go from segment to segment until the one that begins a frame."""
    place = 2
    while place + 9 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME:
            return int.from_bytes(data[place + 7 : place + 9]), int.from_bytes(data[place + 5 : place + 7])
        place += 2 + int.from_bytes(data[place + 2 : place + 4])
    return None


def _of_webp(data: bytes) -> tuple[int, int] | None:
    """Read one of the three kinds: extended, lossless, lossy (RFC 9649)."""
    kind = data[12:16]
    if kind == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF
    return None
