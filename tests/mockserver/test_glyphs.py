"""Text on pictures in characters that the outline font lacks, such as Chinese."""

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from PIL import Image

from qwenmock.mockserver.images import glyphs
from qwenmock.mockserver.images.glyphs import SIDE, glyph_of
from qwenmock.mockserver.images.links import Recipe
from qwenmock.mockserver.images.render import INK, PAPER, render

# Lines of unifont.hex 15.0.01.
ZHONG = "01000100010001003FF8210821082108210821083FF821080100010001000100"
KATAKANA_A = "00007F01090A0A080808081010202000"


def picture(prompt: str, side: int = 1024, watermark: str = "") -> Image.Image:
    recipe = Recipe("m", prompt, "", 1, side, side, 1, watermark, "id", ())
    return Image.open(io.BytesIO(render(recipe, 0, ())))


def ink(image: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    """Return which pixels of a part of a picture have the colour of ink, without the margins around them."""
    mask = image.crop(box).point([255 if value == INK else 0 for value in range(256)], "L")
    return mask.crop(mask.getbbox())


def first_line(image: Image.Image) -> Image.Image:
    """Return the ink of the first line of the prompt: from its first row to the next empty one."""
    side = image.width
    paper = ink(image, (side // 20, side // 2 + 5, side - side // 20, side - side // 20 - 5))
    rows = [paper.crop((0, y, paper.width, y + 1)).getbbox() is not None for y in range(paper.height)]
    return ink_of_mask(paper.crop((0, 0, paper.width, rows.index(False))))


def ink_of_mask(mask: Image.Image) -> Image.Image:
    return mask.crop(mask.getbbox())


def from_table(text: str, scale: int) -> Image.Image:
    """Return what a line of text looks like by the table of glyphs, without the margins around it."""
    found = [glyph for glyph in map(glyph_of, text) if glyph]
    assert len(found) == len(text)
    line = Image.new("L", (sum(width for width, _ in found), SIDE))
    left = 0
    for width, rows in found:
        line.paste(Image.frombytes("1", (SIDE, SIDE), rows).crop((0, 0, width, SIDE)), (left, 0))
        left += width
    return ink_of_mask(line.resize((line.width * scale, SIDE * scale), Image.Resampling.NEAREST))


@pytest.mark.parametrize("text", ["中猫水", "猫中", "日本語", "ねこ", "한국어", "ЖД", "ＡＢ", "ｱｲ"])
@pytest.mark.parametrize(("side", "scale"), [(512, 1), (1024, 3)])
def test_prompt_is_drawn_with_the_glyphs_of_the_table(text: str, side: int, scale: int) -> None:
    drawn, expected = first_line(picture(text, side)), from_table(text, scale)
    assert drawn.size == expected.size
    assert drawn.tobytes() == expected.tobytes()


def test_glyphs_are_those_of_the_font() -> None:
    assert glyph_of("中") == (16, bytes.fromhex(ZHONG))
    width, rows = glyph_of("ｱ") or (0, b"")
    assert (width, rows[::2], rows[1::2]) == (8, bytes.fromhex(KATAKANA_A), bytes(16))


def test_every_common_character_has_a_glyph() -> None:
    spans = ((0x4E00, 0x9FFF), (0x3041, 0x3096), (0x30A1, 0x30FA), (0xAC00, 0xD7A3), (0xFF01, 0xFF5E), (0x3001, 0x3011))
    assert [f"{code:X}" for first, last in spans for code in range(first, last + 1) if not glyph_of(chr(code))] == []


@pytest.mark.parametrize("character", ["\ue000", "\ud800", "\U0001f600", "\U0010ffff"])
def test_character_without_a_glyph_appears_as_its_code(character: str) -> None:
    assert glyph_of(character) is None
    if not "\ud800" <= character < "\ue000":
        numbers = first_line(picture(character + "中"))
        assert numbers.width > from_table("中", 3).width


@pytest.mark.parametrize(
    "prompt",
    [
        "\x00\x1b",
        "\r\n\t\x85\u2028",
        "\uffff\ufeff",
        "e\u0301",
        "\u202eabc",
        "\U0010ffff",
        "\u0b95\u0bc6",
        "长" * 300,
        "long" * 99,
    ],
)
def test_any_text_can_be_drawn(prompt: str) -> None:
    assert picture(prompt, 256, prompt[:9]).size == (256, 256)


def test_text_of_the_font_and_glyphs_stand_in_one_line() -> None:
    """A letter is neither above nor below the glyphs beside it."""
    line = first_line(picture("中H中"))
    assert line.height == from_table("中", 3).height


def test_watermark_may_be_chinese() -> None:
    side = 1024
    image = picture("a cat", side, "中")
    corner = image.crop((side - 54, side - 50, side - 7, side - 7))
    paper = corner.point([255 if value == PAPER else 0 for value in range(256)], "L")
    assert ink_of_mask(paper).tobytes() == from_table("中", 2).tobytes()


def test_table_is_read_when_the_first_glyph_is_needed_and_a_block_is_unpacked_once() -> None:
    code = (
        "import builtins, zlib\n"
        "from qwenmock.mockserver.images import glyphs, render\n"
        "unpack, sizes = zlib.decompress, []\n"
        "glyphs.zlib.decompress = lambda data: (sizes.append(len(data)), unpack(data))[1]\n"
        "print(glyphs._blocks.cache_info().currsize)\n"
        "glyphs.glyph_of('中'); glyphs.glyph_of('丁'); glyphs.glyph_of('ね')\n"
        "print(glyphs._blocks.cache_info().currsize, len(sizes))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "1", "2"]


def test_file_has_what_its_header_says() -> None:
    content = glyphs.FILE.read_bytes()
    lengths = struct.unpack(">256I", content[:1024])
    assert len(content) == 1024 + sum(lengths) < 2**20
    packed = content[1024 + sum(lengths[:0x4E]) :][: lengths[0x4E]]
    assert len(zlib.decompress(packed)) == 256 + 256 * 32


def test_script_writes_the_file(tmp_path: Path) -> None:
    """With two glyphs, one of them of the private use area."""
    script = Path(__file__).parents[2] / "docs" / "glyphs.py"
    source = tmp_path / "some.hex"
    source.write_text(f"4E2D:{ZHONG}\nFF71:{KATAKANA_A}\nE000:{ZHONG}\n")
    code = (
        "import runpy, sys; from pathlib import Path\n"
        "from qwenmock.mockserver.images import glyphs\n"
        f"glyphs.FILE = Path({str(tmp_path / 'glyphs.bin')!r}); sys.argv[1:] = [{str(source)!r}]\n"
        f"runpy.run_path({str(script)!r}, run_name='__main__')\n"
        "print([glyphs.glyph_of(c) is not None for c in '中ｱ\ue000丁'], glyphs.glyph_of('中')[1].hex().upper())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"[True, True, False, False] {ZHONG}\n"
