"""Images to send, of any format, size in pixels and length in bytes, made without the network."""

import hashlib
import io
import struct
import zlib
from functools import lru_cache

import pybase64
from PIL import Image

FORMATS = {
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/bmp": "BMP",
    "image/tiff": "TIFF",
    "image/webp": "WEBP",
    "image/gif": "GIF",
}
"""Media type to the name that Pillow has for it."""


@lru_cache(maxsize=128)
def picture(media_type: str = "image/png", width: int = 768, height: int = 512) -> bytes:
    """Return a picture of stripes, as small a file as the format allows."""
    if media_type == "image/png":
        return _png(width, height)
    image = Image.new("1", (width, height), 1)
    image.paste(0, (0, 0, width // 2, height // 3))
    out = io.BytesIO()
    if media_type in {"image/jpeg", "image/webp"}:
        image = image.convert("RGB")
    options = {"image/tiff": {"compression": "group4"}, "image/webp": {"quality": 1, "method": 0}}
    image.save(out, FORMATS[media_type], **options.get(media_type, {}))
    return out.getvalue()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


PNG_END = _chunk(b"IEND", b"")
"""The last chunk. Readers accept an image that is cut off before it."""

CHANNELS = {(1, 3): 1, (2, 3): 1, (4, 3): 1, (8, 3): 1, (8, 0): 1, (8, 2): 3, (8, 6): 4}
"""Numbers for each pixel of a PNG, by depth and type of colour. The usual kinds only."""
LAST_FILTER = 4
LARGEST_UNPACKED = 2**26
"""Bytes."""


def _png(width: int, height: int) -> bytes:
    """Return a PNG of one bit a pixel: the largest accepted side costs a millisecond and a few hundred bytes."""
    row = b"\0" + b"\xf0" * ((width + 7) // 8)
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    data = zlib.compress(row * height, 1)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + PNG_END


def picture_of_length(length: int, width: int = 768, height: int = 512) -> bytes:
    """Return a PNG of exactly so many bytes: a private chunk, which every reader ignores, fills it up."""
    small = _png(width, height)
    filling = length - len(small) - 12
    if filling < 0:
        raise ValueError(f"a PNG of {width}x{height} has at least {len(small) + 12} bytes, not {length}")
    return small[:-12] + _chunk(b"paDd", bytes(filling)) + small[-12:]


def data_url(data: bytes, media_type: str = "image/png") -> str:
    """Return the bytes as a data URL."""
    return f"data:{media_type};base64,{pybase64.b64encode_as_string(data)}"


@lru_cache(maxsize=256)
def picture_url(media_type: str = "image/png", width: int = 768, height: int = 512) -> str:
    """Return a picture as a data URL."""
    return data_url(picture(media_type, width, height), media_type)


@lru_cache(maxsize=4)
def url_of_length(length: int) -> str:
    """Return a picture of exactly so many bytes as a data URL."""
    return data_url(picture_of_length(length))


SAMPLES = ("https://example.com/image1.png", "http://example.com/image2.png")
"""URLs that stand for any image. A live target gets that of a real image instead."""
HOSTED: dict[str, str] = {}
"""URLs that stand for images where only URLs are accepted, and the images as data URLs."""


def hosted_url(url: str) -> str:
    """Return a URL for a data URL's image. Nothing is there: a real URL replaces it before it is sent."""
    address = f"https://pictures.example.com/{hashlib.sha256(url.encode()).hexdigest()[:24]}.png"
    HOSTED[address] = url
    return address


def read_png(data: bytes) -> tuple[int, int]:
    """Return width and height of a PNG, having decoded all of it.

    Raises:
        ValueError: It is not a PNG, or damaged.

    """
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        raise ValueError(f"the image does not begin like a PNG, but with {data[:8]!r}")
    if PNG_END not in data:
        raise ValueError("the image ends before its last chunk")
    if is_sound(data):
        return struct.unpack_from(">II", data, 16)
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            return image.size
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError) as error:
        raise ValueError(f"the image does not decode: {error}") from error


def is_sound(data: bytes) -> bool:
    """Return whether a PNG of a usual kind decodes to its end.

    This takes a third of Pillow's time, which unpacks the pixels too. What is False may decode all the same.
    """
    position, packed = 8, bytearray()
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        chunk = data[position + 4 : position + 8 + length]
        if data[position + 8 + length : position + 12 + length] != struct.pack(">I", zlib.crc32(chunk)):
            return False
        packed += chunk[4:] if chunk[:4] == b"IDAT" else b""
        position += length + 12
    if data[12:16] != b"IHDR" or position != len(data) or not data.endswith(PNG_END):
        return False
    width, height, depth, colour, *others = struct.unpack_from(">IIBBBBB", data, 16)
    row = 1 + (width * depth * CHANNELS.get((depth, colour), 0) + 7) // 8
    if row == 1 or any(others) or not 0 < row * height <= LARGEST_UNPACKED:
        return False
    unpacking = zlib.decompressobj()
    try:
        pixels = unpacking.decompress(packed, row * height + 1)
    except zlib.error:
        return False
    return unpacking.eof and len(pixels) == row * height and max(pixels[::row]) <= LAST_FILTER


@lru_cache(maxsize=256)
def size_of(url: str) -> tuple[int, int]:
    """Return width and height of a data URL's picture."""
    with Image.open(io.BytesIO(pybase64.b64decode(url.partition(",")[2]))) as image:
        return image.size


def png_text(data: bytes) -> dict[str, str]:
    """Return the text chunks of a PNG that decodes."""
    with Image.open(io.BytesIO(data)) as image:
        return {str(name): text for name, text in image.info.items() if isinstance(text, str)}
