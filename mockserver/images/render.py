"""Draws PNGs: the prompt as text, the scaled input images and the watermark; text chunks describe the request.

An image is a pure function of its recipe: the seed decides colours and shapes. It uses a small palette, which makes
it ten times cheaper to write than RGB.
"""

import hashlib
import io
from collections import OrderedDict
from collections.abc import Sequence
from random import Random

from PIL import Image, ImageDraw

from qwenmock.mockserver.images.links import Recipe
from qwenmock.mockserver.images.png import write_png
from qwenmock.mockserver.images.text import font, line_height, paragraph, width, write

INK, PAPER, FAINT = 0, 1, 2
SHADES = 13
"""Colours of the background; with ink, paper and faint they are the 16 colours of a 4-bit image."""
CUBE = 16
"""First palette index of the 6x6x6 colours for the input images in an 8-bit image."""
CUBE_COLOURS = bytes(level * 51 for r in range(6) for g in range(6) for b in range(6) for level in (r, g, b))
TO_CUBE = [
    first + (value + 25) // 51 * weight for first, weight in ((CUBE, 36), (0, 6), (0, 1)) for value in range(256)
]
"""From the values of a pixel's red, green and blue to numbers whose sum is the index of its colour."""
LONGEST_TEXT = 240
"""Characters of the prompt that are drawn; the text chunk has all of it."""

KEPT_INPUTS = 8
"""Scaled input images that are kept: at most 3 MB each."""
MAX_INPUT_PIXELS = 2**25
"""Of an input image that is drawn: unpacked it takes 100 MB."""


def render(recipe: Recipe, index: int, inputs: Sequence[bytes | None]) -> bytes:
    """Return the PNG of one image of a recipe.

    Args:
        recipe: What to draw.
        index: Number of the image, from 0.
        inputs: The bytes of the input images, in order; None for one that is not kept here.

    """
    rng = Random(_digest(recipe, index))
    image = Image.new("P", (recipe.width, recipe.height), 3)
    palette = _shades(rng) + CUBE_COLOURS if inputs else _shades(rng)
    image.putpalette(palette)
    draw = ImageDraw.Draw(image)
    _background(draw, recipe, rng)
    top = _inputs(image, draw, recipe, inputs) if inputs else recipe.height // 2
    _text(draw, recipe, index, top)
    if recipe.watermark:
        _watermark(draw, recipe)
    return write_png(image, palette, 8 if inputs else 4, _texts(recipe, index))


def _digest(recipe: Recipe, index: int) -> bytes:
    """Return a digest of everything the image depends on; the request id is not part of it."""
    parts = (recipe.model, recipe.prompt, recipe.negative_prompt, recipe.seed, index, recipe.inputs)
    return hashlib.sha256(repr(parts).encode()).digest()


def _texts(recipe: Recipe, index: int) -> dict[str, str]:
    return {
        "prompt": recipe.prompt,
        "negative_prompt": recipe.negative_prompt,
        "seed": str(recipe.seed),
        "model": recipe.model,
        "image": f"{index + 1}/{recipe.images}",
        "request_id": recipe.request_id,
    }


def _shades(rng: Random) -> bytes:
    """Return the palette of the 16 colours."""
    base = [rng.randrange(30, 226) for _ in range(3)]
    far = [rng.randrange(30, 226) for _ in range(3)]
    colours = [(20, 20, 28), (250, 250, 246), (150, 150, 158)]
    for step in range(SHADES):
        colours.append(tuple(a + (b - a) * step // (SHADES - 1) for a, b in zip(base, far, strict=True)))  # type: ignore[arg-type]
    return bytes(channel for colour in colours for channel in colour)


def _background(draw: ImageDraw.ImageDraw, recipe: Recipe, rng: Random) -> None:
    band = recipe.height // SHADES + 1
    for shade in range(SHADES):
        draw.rectangle((0, shade * band, recipe.width, (shade + 1) * band), fill=3 + shade)
    for _ in range(9):
        x, y = rng.randrange(recipe.width), rng.randrange(recipe.height)
        radius = rng.randrange(min(recipe.width, recipe.height) // 16 + 1, min(recipe.width, recipe.height) // 5 + 2)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=3 + rng.randrange(SHADES))


def _inputs(image: Image.Image, draw: ImageDraw.ImageDraw, recipe: Recipe, inputs: Sequence[bytes | None]) -> int:
    """Draw the input images side by side, numbered; return the y coordinate below them."""
    margin = max(4, min(recipe.width, recipe.height) // 40)
    cell = (recipe.width - margin * (len(inputs) + 1)) // len(inputs)
    height = recipe.height * 11 // 20
    for position, (data, described) in enumerate(zip(inputs, recipe.inputs, strict=True)):
        left = margin + position * (cell + margin)
        box = (left, margin, left + cell, margin + height)
        draw.rectangle(box, fill=PAPER, outline=INK, width=3)
        picture = None if data is None else _SCALED.get(described[0], data, cell - 6, height - 6)
        if picture is None:
            why = "this input is no longer kept" if data is None else "this input cannot be drawn"
            _label(draw, box, described[1] or why)
        else:
            x = left + (cell - picture.width) // 2
            y = margin + (height - picture.height) // 2
            image.paste(picture, (x, y))
        size = max(14, recipe.height // 40)
        draw.rectangle((left, margin, left + size * 2, margin + size * 3 // 2), fill=INK)
        draw.text((left + size // 2, margin + size // 8), str(position + 1), fill=PAPER, font=font(size))
    return height + margin * 2


class _ScaledInputs:
    """The input images that were scaled last: tests send the same few again and again."""

    def __init__(self) -> None:
        self._pictures: OrderedDict[tuple[str, int, int], tuple[Image.Image | None]] = OrderedDict()

    def get(self, digest: str, data: bytes, width: int, height: int) -> Image.Image | None:
        """Return an input image, as `_scaled`."""
        key = digest, width, height
        found = self._pictures.get(key)  # in one step: several threads draw
        if found is None:
            found = self._pictures[key] = (_scaled(data, width, height),)
            if len(self._pictures) > KEPT_INPUTS:
                self._pictures.popitem(last=False)
        return found[0]


_SCALED = _ScaledInputs()


def _scaled(data: bytes, width: int, height: int) -> Image.Image | None:
    """Return an input image, scaled to fit, in the colours of the cube; None if it is too large or cannot be read."""
    try:
        with Image.open(io.BytesIO(data)) as opened:
            opened.draft("RGB", (width, height))
            if opened.width * opened.height > MAX_INPUT_PIXELS:
                return None
            opened.thumbnail((width, height), Image.Resampling.BILINEAR, reducing_gap=1.0)
            picture = opened.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return None
    placed = picture.point(TO_CUBE).convert("L", (1, 1, 1, 0))
    return Image.frombytes("P", placed.size, placed.tobytes())


def _label(draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], text: str) -> None:
    draw.line((box[0], box[1], box[2], box[3]), fill=FAINT, width=2)
    draw.line((box[0], box[3], box[2], box[1]), fill=FAINT, width=2)
    size = max(12, (box[3] - box[1]) // 24)
    at, room = (box[0] + size, (box[1] + box[3]) // 2), (box[2] - box[0] - 2 * size, 3)
    paragraph(draw, text, at, room, size, INK)


def _text(draw: ImageDraw.ImageDraw, recipe: Recipe, index: int, top: int) -> None:
    margin = max(4, min(recipe.width, recipe.height) // 20)
    size = max(14, min(recipe.width, recipe.height) // 22)
    bottom = max(recipe.height - margin, top + size)
    length = recipe.width - 2 * margin
    lines = max(1, (bottom - top - 3 * size) // line_height(size))
    draw.rectangle((margin // 2, top, recipe.width - margin // 2, bottom), fill=PAPER, outline=INK, width=3)
    end = paragraph(draw, recipe.prompt[:LONGEST_TEXT], (margin, top + size // 2), (length, lines), size, INK)
    small = max(12, size // 2)
    line = f"{recipe.model}  {recipe.width}x{recipe.height}  seed {recipe.seed}  image {index + 1} of {recipe.images}"
    paragraph(draw, line, (margin, end + small), (length, 2), small, INK)


def _watermark(draw: ImageDraw.ImageDraw, recipe: Recipe) -> None:
    size = max(16, min(recipe.width, recipe.height) // 28)
    x, y = recipe.width - width(recipe.watermark, size) - 16, recipe.height - line_height(size) - 6
    draw.rectangle((x - 8, y - 6, recipe.width - 6, recipe.height - 6), fill=INK)
    write(draw, recipe.watermark, (x, y), size, PAPER)
