"""Whether a PNG decodes: the examiner's quick way, held to Pillow."""

import io
import struct
import zlib
from random import Random

import pytest
from PIL import Image

from qwenmock.pytest_plugin.examiner.sample_images import PNG_END, is_sound, picture, read_png

SIZE = (37, 21)


def written(mode: str, **options: object) -> bytes:
    out = io.BytesIO()
    rng = Random(0)
    pixels = bytes(rng.randrange(16) for _ in range(SIZE[0] * SIZE[1]))
    Image.frombytes("L", SIZE, pixels).convert(mode).save(out, "PNG", **options)
    return out.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(rows: bytes, *, width: int = 2, height: int = 2, kind: bytes = b"\x08\0\0\0\0") -> bytes:
    """Return a PNG of 8-bit grey with some unpacked data."""
    header = chunk(b"IHDR", struct.pack(">II", width, height) + kind)
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + PNG_END


ROWS = b"\0ab\4cd"


@pytest.mark.parametrize("mode", ["P", "L", "RGB", "RGBA"])
def test_usual_picture_is_sound(mode: str) -> None:
    data = written(mode)
    assert is_sound(data)
    assert read_png(data) == SIZE


@pytest.mark.parametrize("data", [written("LA"), picture(), written("I;16")])
def test_any_other_picture_is_read_by_pillow(data: bytes) -> None:
    assert not is_sound(data)
    assert read_png(data) == Image.open(io.BytesIO(data)).size


def test_picture_with_any_byte_changed_is_not_sound() -> None:
    data = written("P", bits=4)
    assert is_sound(data)
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 0x10
        assert place < 8 or not is_sound(bytes(changed)), place


@pytest.mark.parametrize("length", [0, 8, 20, 33, 60, -12, -1])
def test_picture_that_is_cut_off_is_refused(length: int) -> None:
    data = written("RGB")[:length]
    assert not is_sound(data)
    with pytest.raises(ValueError, match="the image"):
        read_png(data)


@pytest.mark.parametrize(
    ("data", "is_right"),
    [
        (png(ROWS), True),
        (png(ROWS[:-1]), False),
        (png(ROWS + b"x"), False),
        (png(b"\0ab\5cd"), False),
        (png(b""), False),
        (png(ROWS, height=0), False),
        (png(ROWS, kind=b"\x08\0\0\0\1"), False),
        (png(ROWS, kind=b"\x08\0\0\1\0"), False),
        (png(ROWS, kind=b"\x08\5\0\0\0"), False),
        (png(ROWS).replace(chunk(b"IDAT", zlib.compress(ROWS)), chunk(b"IDAT", b"no zlib stream")), False),
        (png(ROWS).replace(chunk(b"IDAT", zlib.compress(ROWS)), chunk(b"IDAT", zlib.compress(ROWS)[:-5])), False),
        (png(ROWS) + b"more", False),
        (png(bytes(2**26 + 2**13), width=2**13 - 1, height=2**13 + 1), False),
    ],
)
def test_pixels_are_unpacked_to_their_end(data: bytes, is_right: bool) -> None:
    assert is_sound(data) is is_right


def test_pixels_that_do_not_unpack_are_refused() -> None:
    with pytest.raises(ValueError, match="does not decode"):
        read_png(png(ROWS[:-1]))
