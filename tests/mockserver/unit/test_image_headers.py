"""Size and completeness of images of six formats, and files made to be slow to read."""

import base64
import io
import struct

import pytest
from PIL import Image

from qwenmock.mockserver.calls.sizes import MAX_RATIO, default_size
from qwenmock.mockserver.images import headers
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
        sides = default_size(provider.picture, [Input("", "", "image/png", width, height)])
        assert max(sides) <= MAX_RATIO * min(sides)
        assert sides[0] * sides[1] <= provider.picture.area * 1.1


@pytest.mark.parametrize(("width", "height"), [(1, 2**31 - 1), (1, 10**8), (30_000, 30_000), (8000, 8000), (1, 1)])
def test_input_that_claims_to_be_huge_is_not_unpacked(width: int, height: int) -> None:
    digest = f"{width}*{height}"
    recipe = Recipe("m", "a cat", "", 1, 256, 256, 1, "", "id", ((digest, "", width, height),))
    data = render(recipe, 0, [png(width, height)])
    assert (read_header(data).width, read_header(data).height) == (256, 256)


def tiff(order: str, tags: list[tuple[int, int, list[int]]], size: int = 200) -> bytes:
    """Return a TIFF of some tags, each with its type and values, in a file of some length."""
    start = 8 + 2 + 12 * len(tags)
    mark = b"II*\0" if order == "<" else b"MM\0*"
    out, far = mark + struct.pack(f"{order}IH", 8, len(tags)), b""
    for tag, kind, values in tags:
        data = struct.pack(f"{order}{len(values)}{'H' if kind == 3 else 'I'}", *values)
        out += struct.pack(f"{order}HHI", tag, kind, len(values))
        if len(data) <= 4:
            out += data.ljust(4, b"\0")
        else:
            out += struct.pack(f"{order}I", start + len(far))
            far += data
    return (out + far).ljust(size, b"\0")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [3, 4])
@pytest.mark.parametrize(("offset_tag", "count_tag"), [(273, 279), (324, 325)])
def test_tiff_of_strips_or_tiles_is_complete_up_to_its_last_byte(
    order: str, kind: int, offset_tag: int, count_tag: int
) -> None:
    tags = [(256, kind, [40]), (257, kind, [30]), (offset_tag, kind, [150, 190, 120]), (count_tag, kind, [1, 10, 5])]
    header = read_header(tiff(order, tags))
    assert (header.media_type, header.width, header.height, header.whole) == ("image/tiff", 40, 30, True)
    assert problem(tiff(order, tags, 199)).keyword == "integrity"
    two = [(256, kind, [40]), (257, kind, [30]), (offset_tag, kind, [150, 190]), (count_tag, kind, [1, 10])]
    assert read_header(tiff(order, two)).whole
    assert problem(tiff(order, two, 199)).keyword == "integrity"


@pytest.mark.parametrize("missing", [256, 257])
def test_tiff_without_a_side_is_no_image(missing: int) -> None:
    tags = [(256, 3, [40]), (257, 3, [30]), (273, 3, [10]), (279, 3, [10])]
    left = [each for each in tags if each[0] != missing]
    assert problem(tiff("<", left)).reason == "the TIFF states no width and height"


def test_tiff_tags_of_other_types_and_numbers_do_not_count() -> None:
    tags = [(256, 3, [40]), (257, 3, [30]), (273, 3, [10]), (279, 3, [10])]
    assert read_header(tiff("<", [*tags, (258, 3, [9]), (255, 3, [9])])).width == 40
    assert problem(tiff("<", tags[:2])).keyword == "integrity"
    for kind in (2, 5):
        assert problem(tiff("<", [(256, kind, [40]), *tags[1:]])).reason == "the TIFF states no width and height"


def test_tiff_with_more_offsets_than_counts_is_read() -> None:
    assert read_header(tiff("<", [(256, 3, [40]), (257, 3, [30]), (273, 3, [10, 20]), (279, 3, [10])])).width == 40


@pytest.mark.parametrize(("count", "is_read"), [(65536, True), (65537, False)])
def test_tiff_of_many_strips(count: int, is_read: bool) -> None:
    tags = [(256, 3, [40]), (257, 3, [30]), (273, 4, [10] * count), (279, 4, [10] * count)]
    data = tiff("<", tags, 600_000)
    if is_read:
        assert read_header(data).whole
    else:
        assert problem(data).keyword == "integrity"


@pytest.mark.parametrize(("before", "is_read"), [(510, True), (511, False)])
def test_tiff_tags_are_read_up_to_512(before: int, is_read: bool) -> None:
    strips = [(273, 3, [10]), (279, 3, [10])]
    others = [(300, 3, [1])] * (before - len(strips))
    data = tiff("<", [*strips, *others, (256, 3, [40]), (257, 3, [30])], 10_000)
    if is_read:
        assert read_header(data).width == 40
    else:
        assert problem(data).keyword == "integrity"


def bmp(width: int, height: int, bits: int, compression: int = 0, size: int = 0, length: int | None = None) -> bytes:
    row = (width * bits + 31) // 32 * 4
    pixels = size if compression not in {0, 3} else row * abs(height)
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, size, 0, 0, 0, 0)
    data = b"BM" + struct.pack("<IHHI", 0, 0, 0, 54) + info + bytes(pixels)
    return data if length is None else data[:length]


@pytest.mark.parametrize("width", [1, 3, 4, 31, 32, 33, 40])
@pytest.mark.parametrize("bits", [1, 4, 8, 24, 32])
@pytest.mark.parametrize("compression", [0, 3])
def test_bmp_is_complete_up_to_its_last_byte(width: int, bits: int, compression: int) -> None:
    data = bmp(width, 7, bits, compression)
    header = read_header(data)
    assert (header.width, header.height) == (width, 7)
    assert problem(data[:-1]).keyword == "integrity"


@pytest.mark.parametrize("compression", [1, 2, 4, 5])
def test_compressed_bmp_is_as_long_as_it_states(compression: int) -> None:
    data = bmp(40, -30, 8, compression, 100)
    assert (read_header(data).width, read_header(data).height) == (40, 30)
    assert problem(data[:-1]).keyword == "integrity"
    assert read_header(bmp(40, 30, 8, compression, 258)).width == 40
    assert problem(bmp(40, 30, 8, compression, 258)[:-1]).keyword == "integrity"


def test_bmp_of_the_oldest_kind() -> None:
    core = struct.pack("<IHHHH", 12, 40, 30, 1, 24)
    data = b"BM" + struct.pack("<IHHI", 0, 0, 0, 26) + core + bytes(40 * 3 * 30)
    assert (read_header(data).width, read_header(data).height) == (40, 30)
    assert problem(data[:-1]).keyword == "integrity"


@pytest.mark.parametrize(("width", "height"), [(1, 1), (40, 30), (257, 65537), (2**24, 1), (1, 2**24)])
def test_extended_webp(width: int, height: int) -> None:
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    chunk = b"VP8X" + struct.pack("<I", 10) + bytes(4) + sides
    data = b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk
    header = read_header(data)
    assert (header.media_type, header.width, header.height) == ("image/webp", width, height)
    assert problem(data[:-1]).keyword == "integrity"
    more = b"EXIF" + struct.pack("<I", 4) + b"\xff" * 4
    longer = read_header(b"RIFF" + struct.pack("<I", 4 + len(chunk) + len(more)) + b"WEBP" + chunk + more)
    assert (longer.width, longer.height) == (width, height)
    short = b"RIFF" + struct.pack("<I", 21) + data[8:-1]
    assert problem(short).keyword == "integrity"


@pytest.mark.parametrize(("width", "height"), [(1, 1), (41, 31), (16384, 2), (2, 16384)])
def test_lossless_webp_of_any_size(width: int, height: int) -> None:
    packed = struct.pack("<I", width - 1 | height - 1 << 14)
    chunk = b"VP8L" + struct.pack("<I", 5) + b"\x2f" + packed + b"\0"
    header = read_header(b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk)
    assert (header.width, header.height) == (width, height)


def test_webp_is_complete_up_to_its_last_byte() -> None:
    data = encoded("WEBP")
    (size,) = struct.unpack_from("<I", data, 4)
    assert size + 8 == len(data)
    assert problem(data[:-1]).keyword == "integrity"


def test_webp_without_a_picture_is_no_image() -> None:
    assert problem(b"RIFF" + struct.pack("<I", 22) + b"WEBPICCP" + bytes(14)).reason == "the WebP holds no picture"


@pytest.mark.parametrize("marker", range(0xC0, 0xD0))
def test_jpeg_of_each_kind(marker: int) -> None:
    frame = b"\xff" + bytes([marker]) + JPEG_SIZE[2:]
    other = b"\xff\xc0\x00\x11\x08" + struct.pack(">HH", 3, 4) + b"\x03" + bytes(9)
    header = read_header(b"\xff\xd8" + frame + other + JPEG_END)
    is_frame = marker not in {0xC4, 0xC8, 0xCC}
    assert (header.width, header.height) == ((40, 30) if is_frame else (4, 3))


@pytest.mark.parametrize("marker", [0xBF, 0xD0, 0xE0, 0xFE])
def test_other_segments_of_a_jpeg_are_skipped(marker: int) -> None:
    segment = b"\xff" + bytes([marker]) + b"\x00\x11\x08" + struct.pack(">HH", 3, 4) + b"\x03" + bytes(9)
    header = read_header(b"\xff\xd8" + b"\xff\xe1\x00\x02" + segment + JPEG_SIZE + JPEG_END)
    assert (header.width, header.height) == (40, 30)


def test_jpeg_between_whose_segments_is_something_else_is_no_image() -> None:
    found = problem(b"\xff\xd8\xff\xe0\x00\x02" + b"\x00\xc0" + JPEG_SIZE + JPEG_END)
    assert found.reason == "the JPEG has no readable header"


def test_jpeg_whose_end_comes_before_its_size_is_not_complete() -> None:
    data = b"\xff\xd8\xff\xe1\x00\x04" + JPEG_END + JPEG_SIZE
    assert problem(data).keyword == "integrity"


def test_png_without_its_header_first_is_no_image() -> None:
    data = png(40, 30)
    assert problem(data[:12] + b"IDAT" + data[16:]).reason == "the PNG does not begin with its header"


def test_png_is_complete_up_to_its_last_byte() -> None:
    data = png(40, 30)
    assert read_header(data).whole
    assert problem(data[:-1]).keyword == "integrity"
    assert problem(data[:-12]).keyword == "integrity"


def test_limit_of_the_scans() -> None:
    assert MAX_PARTS == 20_000
    chunk = bytes(4) + b"tEXt" + bytes(4)
    assert read_header(png(40, 30, chunk * 19_998)).width == 40
    assert "20000 chunks" in problem(png(40, 30, chunk * 19_999)).reason
    segment = b"\xff\xe0\x00\x02"
    assert read_header(b"\xff\xd8" + segment * 19_999 + JPEG_SIZE + JPEG_END).width == 40
    assert "20000 segments" in problem(b"\xff\xd8" + segment * 20_000 + JPEG_SIZE + JPEG_END).reason


@pytest.mark.parametrize("length", range(1, 13))
def test_data_url_of_each_length_is_measured_exactly(length: int) -> None:
    url = "data:image/png;base64," + base64.b64encode(b"x" * length).decode()
    assert decode_data_url(url, length) == b"x" * length
    assert decode_data_url(url, length - 1) is None


@pytest.mark.parametrize("length", [23, 24, 25, 47, 48, 49])
def test_long_data_url_is_decoded_by_pieces(length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(headers, "PIECE", 8)
    data = bytes(range(length))
    url = "data:image/png;base64," + base64.b64encode(data).decode()
    assert decode_data_url(url, None) == data
    for place in range(url.index(",") + 1, len(url) - 4):
        for wrong in ("=", "-", "\n", "é"):
            with pytest.raises(NotAnImage, match="does not decode"):
                decode_data_url(url[:place] + wrong + url[place + 1 :], None)


def test_data_url_of_several_pieces() -> None:
    data = bytes(range(256)) * 400
    assert decode_data_url("data:image/png;base64," + base64.b64encode(data).decode(), None) == data


def test_data_url_begins_before_its_first_comma() -> None:
    with pytest.raises(NotAnImage, match="a data URL must be"):
        decode_data_url(",;base64,YWJj", None)


def test_reason_is_the_text_of_the_exception() -> None:
    assert str(NotAnImage("integrity", "why")) == "why"


@pytest.mark.parametrize(("length", "is_read"), [(999, True), (1000, False)])
def test_head_of_a_data_url_is_short(length: int, is_read: bool) -> None:
    url = f"data:image/png;{'x' * (length - 22)};base64,YWJj"
    assert url.index(",") == length
    if is_read:
        assert decode_data_url(url, None) == b"abc"
        return
    with pytest.raises(NotAnImage, match="a data URL must be"):
        decode_data_url(url, None)
