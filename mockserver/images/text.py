"""Text on pictures: by Pillow's own font, and by bitmap glyphs for the characters that it lacks."""

from functools import cache, lru_cache

from PIL import Image, ImageDraw, ImageFont

from qwenmock.mockserver.images.glyphs import BASELINE, SIDE, glyph_of

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
NO_CHARACTER = "\uffff"
"""One that the font lacks, as every font does."""


@lru_cache(maxsize=32)
def font(size: int) -> Font:
    """Return the font, in a size in pixels."""
    return ImageFont.load_default(size)


def line_height(size: int) -> int:
    """Return the distance between lines of a font size."""
    return size * 5 // 4


def width(text: str, size: int) -> float:
    """Return the width of text in one line, in pixels."""
    return sum(_width(character, size) for character in text)


def write(draw: ImageDraw.ImageDraw, text: str, at: tuple[float, float], size: int, colour: int) -> None:
    """Draw text in one line. A character without a glyph appears as its code, in a box."""
    x, y = at
    for character in text:
        _character(draw, character, x, y, size, colour)
        x += _width(character, size)


def paragraph(
    draw: ImageDraw.ImageDraw, text: str, at: tuple[int, int], room: tuple[int, int], size: int, colour: int
) -> int:
    """Draw text with line breaks, return the y below it.

    Args:
        draw: The picture.
        text: What is drawn; what does not fit is left out.
        at: Left and top.
        room: Width in pixels, and number of lines.
        size: Size of the font.
        colour: Index in the palette.

    """
    x, y = at
    left, advance = x, line_height(size)
    right, lines = left + room[0], room[1]
    for word in text.replace("\n", " ").replace(" ", " \0").split("\0"):
        length = width(word, size)
        if x + length > right and x > left and length <= room[0]:
            x, y, lines = left, y + advance, lines - 1
        for character in word:
            own = _width(character, size)
            if x + own > right:
                x, y, lines = left, y + advance, lines - 1
            if lines < 1:
                return y
            _character(draw, character, x, y, size, colour)
            x += own
    return y + advance


@lru_cache(maxsize=8192)
def _width(character: str, size: int) -> float:
    """Return the width of a character in pixels, whatever it is drawn as."""
    if _is_in_font(character):
        return font(size).getlength(character)
    glyph = glyph_of(character)
    return size if glyph is None else glyph[0] * _scale(size)


@lru_cache(maxsize=8192)
def _is_in_font(character: str) -> bool:
    return character.isspace() or _shape(character) not in _missing()


@cache
def _missing() -> tuple[bytes, bytes]:
    """Return what the font draws for characters that it lacks: nothing, or a sign."""
    return _shape(" "), _shape(NO_CHARACTER)


def _shape(character: str) -> bytes:
    image = Image.new("L", (SIDE * 2, SIDE * 2))
    ImageDraw.Draw(image).text((SIDE // 2, 0), character, fill=255, font=font(SIDE))
    return image.tobytes()


def _scale(size: int) -> int:
    """Return how many pixels a pixel of a bitmap glyph takes beside a font size: a whole number, so it stays sharp."""
    return max(1, min(round(size / SIDE), line_height(size) // SIDE))


@lru_cache(maxsize=512)
def _bitmap(character: str, scale: int) -> Image.Image | None:
    """Return the glyph of a character that the font lacks, as a mask; None if there is none."""
    glyph = glyph_of(character)
    if glyph is None:
        return None
    columns, rows = glyph
    cell = Image.frombytes("1", (SIDE, SIDE), rows).crop((0, 0, columns, SIDE))
    return cell.resize((columns * scale, SIDE * scale), Image.Resampling.NEAREST)


def _character(draw: ImageDraw.ImageDraw, character: str, x: float, y: float, size: int, colour: int) -> None:
    if _is_in_font(character):
        draw.text((x, y), character, fill=colour, font=font(size))
        return
    scale = _scale(size)
    bitmap = _bitmap(character, scale)
    if bitmap is None:
        _numbered(draw, character, x, y, size, colour)
    else:
        draw.bitmap((int(x), int(y + _ascent(size) - BASELINE * scale)), bitmap, fill=colour)


@lru_cache(maxsize=32)
def _ascent(size: int) -> int:
    """Return the distance from the top of a line to its base line, on which an H stands."""
    return int(font(size).getbbox("H")[3])


def _numbered(draw: ImageDraw.ImageDraw, character: str, x: float, y: float, size: int, colour: int) -> None:
    digits = f"{ord(character):04X}"
    small = max(6, size * 2 // 5)
    draw.rectangle((x + 1, y + 1, x + size - 2, y + size), outline=colour)
    half = (len(digits) + 1) // 2
    draw.text((x + 3, y + 1), digits[:half], fill=colour, font=font(small))
    draw.text((x + 3, y + small + 1), digits[half:], fill=colour, font=font(small))
