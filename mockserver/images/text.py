"""Text on pictures: by Pillow's own font, and by bitmap glyphs for the characters that it lacks."""

from functools import cache, lru_cache
from itertools import groupby

from PIL import Image, ImageDraw, ImageFont

from qwenmock.mockserver.images.glyphs import BASELINE, SIDE, glyph_of

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
NO_CHARACTER = "\uffff"
"""One that the font lacks, as every font does."""
LONGEST_KEPT = 16
"""Characters of a word whose shape is kept: 70 KB in the largest picture."""


@lru_cache(maxsize=32)
def font(size: int) -> Font:
    """Return the font, in a size in pixels."""
    return ImageFont.load_default(size)


def line_height(size: int) -> int:
    """Return the distance between lines of a font size."""
    return size * 5 // 4


def width(text: str, size: int) -> float:
    """Return the width of text in one line, in pixels."""
    return sum(_word_width(word, size) for word in _words(text))


def write(draw: ImageDraw.ImageDraw, text: str, at: tuple[float, float], size: int, colour: int) -> None:
    """Draw text in one line. A character without a glyph appears as its code, in a box."""
    x, y = at
    for word in _words(text):
        mask, left, top = (_kept_mask if len(word) <= LONGEST_KEPT else _mask)(word, size)
        draw.bitmap((int(x) + left, int(y) + top), mask, fill=colour)
        x += _word_width(word, size)


def _words(text: str) -> list[str]:
    """Return the words of text, each with the space after it."""
    return text.replace(" ", " \0").split("\0")


def _mask(word: str, size: int) -> tuple[Image.Image, int, int]:
    """Return the shape of a word, and where its left and top are from where the word is written."""
    mask = Image.new("1", (int(_word_width(word, size)) + 3 * size, 3 * size))
    draw = ImageDraw.Draw(mask)
    x = float(size)  # letters reach beyond their width
    for is_in_font, group in groupby(word, _is_in_font):
        run = "".join(group)
        if is_in_font:
            # With a call for each character a picture takes a quarter longer.
            draw.text((x, size), run, fill=1, font=font(size))
        else:
            _bitmaps(draw, run, (x, size), size, 1)
        x += sum(_width(character, size) for character in run)
    box = mask.getbbox() or (0, 0, 0, 0)
    return mask.crop(box), box[0] - size, box[1] - size


_kept_mask = lru_cache(maxsize=128)(_mask)
"""The same few words are written again and again: without this a picture takes 0.7 ms more."""


def _word_width(word: str, size: int) -> float:
    return (_kept_width if len(word) <= LONGEST_KEPT else _sum_of_widths)(word, size)


def _sum_of_widths(word: str, size: int) -> float:
    return sum(_width(character, size) for character in word)


_kept_width = lru_cache(maxsize=1024)(_sum_of_widths)


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
    left, y = at
    for line in _lines(text, room[0], size)[: room[1]]:
        write(draw, line, (left, y), size, colour)
        y += line_height(size)
    return y


def _lines(text: str, room: int, size: int) -> list[str]:
    """Return the lines of text in a width. A word that is wider than a line is broken where the line ends."""
    lines, x = [""], 0.0
    for word in _words(text.replace("\n", " ")):
        length = _word_width(word, size)
        if x and x + length > room >= length:
            lines, x = [*lines, ""], 0.0
        if x + length <= room:
            lines[-1] += word
            x += length
            continue
        for character in word:
            own = _width(character, size)
            if x + own > room:
                lines, x = [*lines, ""], 0.0
            lines[-1] += character
            x += own
    return lines


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


def _bitmaps(draw: ImageDraw.ImageDraw, characters: str, at: tuple[float, float], size: int, colour: int) -> None:
    """Draw characters that the font lacks."""
    (x, y), scale = at, _scale(size)
    top = int(y + _ascent(size) - BASELINE * scale)
    for character in characters:
        bitmap = _bitmap(character, scale)
        if bitmap is None:
            _numbered(draw, character, x, y, size, colour)
        else:
            draw.bitmap((int(x), top), bitmap, fill=colour)
        x += _width(character, size)


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
