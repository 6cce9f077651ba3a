"""Writes PNG files of images with a palette.

Pillow spends two thirds of its time for one of 4 bits on packing the pixels: 2.1 ms for 1024*1024 where this takes
0.7 ms.
"""

import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import Literal

from PIL import Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"
LEVEL = 1
"""Of compression. The next one takes longer, and saves a tenth."""
BAND = 128
"""Rows that are compressed at once: with all 2048 rows of 2048 pixels it takes 1.7 times as long."""


def write_png(image: Image.Image, palette: bytes, bits: Literal[4, 8], texts: Mapping[str, str]) -> bytes:
    """Return an image of mode P as a PNG file.

    Args:
        image: What it shows.
        palette: Red, green and blue of each colour; at most 16 colours for 4 bits.
        bits: Of a pixel.
        texts: International text chunks, by keyword.

    """
    header = struct.pack(">IIBBBBB", image.width, image.height, bits, 3, 0, 0, 0)
    chunks = [_chunk(b"IHDR", header), _chunk(b"PLTE", palette)]
    chunks += [_chunk(b"iTXt", name.encode() + b"\0\0\0\0\0" + text.encode()) for name, text in texts.items()]
    compressor = zlib.compressobj(LEVEL)
    data = b"".join([*map(compressor.compress, _scanlines(image, bits)), compressor.flush()])
    return SIGNATURE + b"".join([*chunks, _chunk(b"IDAT", data), _chunk(b"IEND", b"")])


def _scanlines(image: Image.Image, bits: Literal[4, 8]) -> Iterator[bytes]:
    """Yield the packed pixels of some rows. A byte 0, for no filter, is before each row: columns of colour 0."""
    for top in range(0, image.height, BAND):
        rows = image.crop((-8 // bits, top, image.width, min(top + BAND, image.height)))
        yield rows.tobytes("raw", "P;4" if bits == 4 else "P")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))
