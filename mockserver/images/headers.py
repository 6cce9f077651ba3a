"""The media type and size of an image, from its header.

Nothing is decoded, so a small file that unpacks to gigabytes costs nothing. Whether a file is complete follows from
its structure: the last chunk of a PNG, the lengths in a RIFF, a BMP or a TIFF. Every scan is bounded, so that a file of
10 MB takes at most some milliseconds, whatever it is made of.
"""

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import pybase64

from qwenmock.mockserver.store.brief import LONGEST_HEAD, PIECE

MAX_PARTS = 20_000
"""Chunks of a PNG, and segments of a JPEG before its size. A PNG of 10 MB in chunks of 1 KB has half as many."""
Buffer: TypeAlias = bytes | bytearray
_NOT_FILL = re.compile(rb"[^\xff]")


class NotAnImage(Exception):  # noqa: N818, a finding, not a failure
    """The bytes are not an image of a known format, or not a complete one.

    Attributes:
        keyword: The rule they break: `mediaTypes`, `encoding` or `integrity`.

    """

    def __init__(self, keyword: str, reason: str) -> None:
        super().__init__(reason)
        self.keyword = keyword
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Header:
    """The header of an image: media type, width and height in pixels, and whether the file is complete."""

    media_type: str
    width: int
    height: int
    whole: bool


def decode_data_url(url: str, max_bytes: int | None) -> bytearray | None:
    """Return the bytes of a data URL; None if they are more than `max_bytes`, which is checked before decoding.

    Raises:
        NotAnImage: It is not `data:{mime_type};base64,{data}`, or the base64 does not decode.

    """
    comma = url.find(",", 0, LONGEST_HEAD)
    if comma < 0 or not url[:comma].lower().endswith(";base64"):
        raise NotAnImage("encoding", "a data URL must be data:{mime_type};base64,{data}")
    start = comma + 1
    size = (len(url) - start) // 4 * 3 - url.count("=", max(start, len(url) - 2))
    if max_bytes is not None and size > max_bytes:
        return None
    decoded = bytearray()
    try:
        for at in range(start, len(url), PIECE):
            decoded += pybase64.b64decode(url[at : at + PIECE], validate=True)
    except ValueError as error:
        raise NotAnImage("encoding", "the base64 data does not decode") from error
    if len(decoded) != size:  # padding inside
        raise NotAnImage("encoding", "the base64 data does not decode")
    return decoded


def read_header(data: Buffer) -> Header:
    """Return the header of an image file.

    Raises:
        NotAnImage: It has none of the six formats, or is not complete.

    """
    for magic, offset, parse in FORMATS:
        if data.startswith(magic, offset):
            try:
                header = parse(data)
            except (struct.error, IndexError) as error:
                raise NotAnImage("integrity", "the image ends inside its header") from error
            if not header.width or not header.height:
                raise NotAnImage("integrity", f"the image is {header.width} pixels wide and {header.height} high")
            if not header.whole:
                raise NotAnImage("integrity", "the image is cut off before its end")
            return header
    raise NotAnImage("mediaTypes", "expected an image in a known format")


def _png(data: Buffer) -> Header:
    if data[12:16] != b"IHDR":
        raise NotAnImage("integrity", "the PNG does not begin with its header")
    width, height = struct.unpack_from(">II", data, 16)
    position = 8
    for _ in range(MAX_PARTS):
        if position + 12 > len(data):
            return Header("image/png", width, height, whole=False)
        (length,) = struct.unpack_from(">I", data, position)
        if data[position + 4 : position + 8] == b"IEND":
            return Header("image/png", width, height, whole=True)
        position += length + 12
    raise NotAnImage("integrity", f"the PNG has more than {MAX_PARTS} chunks")


def _jpeg(data: Buffer) -> Header:
    position = 2
    for _ in range(MAX_PARTS):
        if data[position] != 0xFF:
            raise NotAnImage("integrity", "the JPEG has no readable header")
        found = _NOT_FILL.search(data, position)
        if found is None:
            break
        position = found.start() - 1
        marker = data[position + 1]
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            height, width = struct.unpack_from(">HH", data, position + 5)
            return Header("image/jpeg", width, height, whole=data.rfind(b"\xff\xd9", position) > 0)
        (length,) = struct.unpack_from(">H", data, position + 2)
        position += 2 + length
    raise NotAnImage("integrity", f"the JPEG states no size in its first {MAX_PARTS} segments")


def _bmp(data: Buffer) -> Header:
    start, header_size = struct.unpack_from("<II", data, 10)
    if header_size == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        compression = 0
    else:
        width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    width, height = abs(width), abs(height)
    if compression in {0, 3}:
        end = start + (width * bits + 31) // 32 * 4 * height
    else:
        (size,) = struct.unpack_from("<I", data, 34)
        end = start + size
    return Header("image/bmp", width, height, whole=end <= len(data))


def _tiff(data: Buffer) -> Header:
    order = "<" if data[:2] == b"II" else ">"
    (position,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, position)
    tags: dict[int, list[int]] = {}
    for index in range(min(count, 512)):
        entry = position + 2 + 12 * index
        tag, kind, number = struct.unpack_from(order + "HHI", data, entry)
        if tag in {256, 257, 273, 279, 324, 325} and kind in {3, 4} and number <= 65536:
            code, size = ("H", 2) if kind == 3 else ("I", 4)
            place = entry + 8 if number * size <= 4 else struct.unpack_from(order + "I", data, entry + 8)[0]
            tags[tag] = list(struct.unpack_from(f"{order}{number}{code}", data, place))
    if 256 not in tags or 257 not in tags:
        raise NotAnImage("integrity", "the TIFF states no width and height")
    offsets = tags.get(273) or tags.get(324) or []
    counts = tags.get(279) or tags.get(325) or []
    end = max((o + c for o, c in zip(offsets, counts, strict=False)), default=len(data) + 1)
    return Header("image/tiff", tags[256][0], tags[257][0], whole=end <= len(data))


def _webp(data: Buffer) -> Header:
    (size,) = struct.unpack_from("<I", data, 4)
    whole = size + 8 <= len(data)
    form = data[12:16]
    if form == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return Header("image/webp", width & 0x3FFF, height & 0x3FFF, whole)
    if form == b"VP8L":
        (packed,) = struct.unpack_from("<I", data, 21)
        return Header("image/webp", (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1, whole)
    if form == b"VP8X":
        width = int.from_bytes(data[24:27], "little") + 1
        height = int.from_bytes(data[27:30], "little") + 1
        return Header("image/webp", width, height, whole and len(data) >= 30)
    raise NotAnImage("integrity", "the WebP holds no picture")


def _gif(data: Buffer) -> Header:
    width, height = struct.unpack_from("<HH", data, 6)
    return Header("image/gif", width, height, whole=data.rstrip(b"\0").endswith(b";"))


FORMATS: tuple[tuple[bytes, int, Callable[[Buffer], Header]], ...] = (
    (b"\x89PNG\r\n\x1a\n", 0, _png),
    (b"\xff\xd8\xff", 0, _jpeg),
    (b"BM", 0, _bmp),
    (b"II*\0", 0, _tiff),
    (b"MM\0*", 0, _tiff),
    (b"WEBP", 8, _webp),
    (b"GIF87a", 0, _gif),
    (b"GIF89a", 0, _gif),
)
"""Signature, its offset, and the function that reads the header."""
