"""Size and completeness of images of six formats, and files made to be slow to read."""

import base64
import io
import struct

import pytest
from PIL import Image

from qwenmock.mockserver.calls.generation import MAX_RATIO, default_size
from qwenmock.mockserver.images.headers import MAX_PARTS, NotAnImage, decode_data_url, read_header
from qwenmock.mockserver.images.links import Recipe
from qwenmock.mockserver.images.render import render
from qwenmock.mockserver.models import Input
from qwenmock.schemas.catalog import load

FORMATS = {"PNG": "png", "JPEG": "jpeg", "BMP": "bmp", "TIFF": "tiff", "WEBP": "webp", "GIF": "gif"}
PNG_START = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR"
JPEG_SIZE = b"\xff\xc0\x00\x11\x08" + struct.pack(">HH", 30, 40) + b"\x03" + bytes(9)
JPEG_END = b"\xff\xd9"


def encoded(name: str, width: int = 40, height: int = 30) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), (200, 30, 30)).save(out, name)
    return out.getvalue()


def png(width: int, height: int, chunks: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0) + bytes(4)
    return PNG_START + header + chunks + bytes(4) + b"IEND" + bytes(4)


def problem(data: bytes) -> NotAnImage:
    with pytest.raises(NotAnImage) as found:
        read_header(data)
    return found.value


@pytest.mark.parametrize("name", FORMATS)
def test_size_of_each_format(name: str) -> None:
    header = read_header(encoded(name))
    assert (header.media_type, header.width, header.height) == (f"image/{FORMATS[name]}", 40, 30)


@pytest.mark.parametrize("options", [{"lossless": True}, {"quality": 50}, {"quality": 50, "exif": b"Exif\0\0"}])
def test_size_of_each_kind_of_webp(options: dict[str, object]) -> None:
    out = io.BytesIO()
    Image.new("RGB", (41, 31)).save(out, "WEBP", **options)
    header = read_header(out.getvalue())
    assert (header.width, header.height) == (41, 31)


@pytest.mark.parametrize("name", FORMATS)
def test_file_that_is_cut_off_at_any_byte_is_no_image(name: str) -> None:
    data = encoded(name)
    for length in range(len(data) - 8):
        assert problem(data[:length]).keyword in {"integrity", "mediaTypes"}, length


@pytest.mark.parametrize("data", [b"", b"GIF", b"<svg/>", b"\0" * 100, b"%PDF-1.7"])
def test_other_data_is_no_image(data: bytes) -> None:
    assert problem(data).keyword == "mediaTypes"


@pytest.mark.parametrize(("width", "height"), [(0, 30), (40, 0), (0, 0)])
def test_image_without_width_or_height_is_no_image(width: int, height: int) -> None:
    gif = b"GIF89a" + struct.pack("<HH", width, height) + bytes(3) + b";"
    bmp = bytearray(encoded("BMP"))
    struct.pack_into("<ii", bmp, 18, width, height)
    jpeg = b"\xff\xd8\xff\xc0\x00\x11\x08" + struct.pack(">HH", height, width) + b"\x03" + bytes(9) + JPEG_END
    for data in (png(width, height), gif, bytes(bmp), jpeg):
        assert problem(data).keyword == "integrity"


def test_fill_bytes_of_a_jpeg_are_skipped_at_once() -> None:
    header = read_header(b"\xff\xd8" + b"\xff" * 5_000_000 + JPEG_SIZE + JPEG_END)
    assert (header.width, header.height) == (40, 30)
    assert problem(b"\xff\xd8" + b"\xff" * 5_000_000).keyword == "integrity"


@pytest.mark.parametrize(
    "start", [b"\xff\xd8" + b"\xff\xe0\x00\x02" * 1_000_000, b"\xff\xd8" + b"\xff\xff\xe0\x00\x02" * 1_000_000]
)
def test_jpeg_of_empty_segments_is_given_up(start: bytes) -> None:
    assert f"first {MAX_PARTS} segments" in problem(start + JPEG_SIZE + JPEG_END).reason


def test_png_of_empty_chunks_is_given_up() -> None:
    chunk = bytes(4) + b"tEXt" + bytes(4)
    assert read_header(png(40, 30, chunk * (MAX_PARTS - 2))).width == 40
    assert f"more than {MAX_PARTS} chunks" in problem(png(40, 30, chunk * 800_000)).reason


def test_tiff_with_a_loop_or_endless_tags_is_no_image() -> None:
    tags = b"".join(struct.pack("<HHII", 273, 4, 2**32 - 1, 8) for _ in range(60_000))
    assert problem(b"II*\0" + struct.pack("<IH", 8, 60_000) + tags).keyword == "integrity"


@pytest.mark.parametrize(
    "url", ["data:", "data:image/png,AAAA", "data:image/png;base64", "data:;base64,A", "data:;base64,!"]
)
def test_data_url_that_cannot_be_decoded(url: str) -> None:
    with pytest.raises(NotAnImage) as found:
        decode_data_url(url, None)
    assert found.value.keyword == "encoding"


def test_data_url_is_measured_before_it_is_decoded() -> None:
    url = "data:image/png;base64," + base64.b64encode(b"12345").decode()
    assert decode_data_url(url, 5) == b"12345"
    assert decode_data_url(url, 4) is None
    assert decode_data_url("data:;base64," + "!" * 100, 4) is None


@pytest.mark.parametrize(
    ("width", "height"),
    [(1, 2**31 - 1), (2**31 - 1, 1), (2**32 - 1, 2**32 - 1), (1, 1), (65535, 1), (3072, 384), (1920, 1080)],
)
def test_size_of_an_output_is_bounded_whatever_an_input_claims(width: int, height: int) -> None:
    for provider in load():
        sides = default_size(provider, [Input("", "", "image/png", width, height)])
        assert max(sides) <= MAX_RATIO * min(sides)
        assert sides[0] * sides[1] <= provider.picture.area * 1.1


@pytest.mark.parametrize(("width", "height"), [(1, 2**31 - 1), (1, 10**8), (30_000, 30_000), (8000, 8000), (1, 1)])
def test_input_that_claims_to_be_huge_is_not_unpacked(width: int, height: int) -> None:
    recipe = Recipe("m", "a cat", "", 1, 256, 256, 1, "", "id", (("d", "", width, height),))
    data = render(recipe, 0, [png(width, height)])
    assert (read_header(data).width, read_header(data).height) == (256, 256)
