"""PNG files from raw pixels, by zlib alone: an imaging library is too much to install for this."""

from __future__ import annotations

import struct
import zlib

_COLOUR_TYPES = {1: 0, 3: 2, 4: 6}  # grey, RGB, RGBA
_LEVEL = 1  # level 6 takes several times as long for a tenth less


def encode_png(pixels: bytes | bytearray | memoryview, *, width: int, height: int, channels: int, stride: int) -> bytes:
    """Encode pixels as a PNG file.

    Args:
        pixels: The pixels, one byte a channel: grey, RGB or RGBA.
        width: Pixels in a row.
        height: Rows.
        channels: 1, 3 or 4.
        stride: Bytes from the start of one row to the next; what is beyond the row's pixels is left out.
    """
    view = memoryview(pixels)
    compressor = zlib.compressobj(_LEVEL)
    packed = bytearray()
    for row in range(height):
        start = row * stride
        packed += compressor.compress(b"\0")  # the row's filter: none
        packed += compressor.compress(view[start : start + width * channels])
    packed += compressor.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPES[channels], 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")


def bgr_to_rgb(pixels: memoryview, *, channels: int) -> bytearray:
    """Swap blue and red: PDFium writes them the other way round."""
    swapped = bytearray(pixels)
    swapped[0::channels] = pixels[2::channels]
    swapped[2::channels] = pixels[0::channels]
    return swapped


def without_fourth_channel(pixels: memoryview) -> bytearray:
    """Drop the unused fourth byte of each pixel."""
    kept = bytearray(len(pixels) // 4 * 3)
    for channel in range(3):
        kept[channel::3] = pixels[channel::4]
    return kept


def _chunk(kind: bytes, data: bytes | bytearray) -> bytes:
    return struct.pack(">I", len(data)) + kind + bytes(data) + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))
