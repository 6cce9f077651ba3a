"""PNG files as they are written, read by Pillow."""

import io
from random import Random
from typing import Literal

import pytest
from PIL import Image

from qwenmock.mockserver.images.png import BAND, write_png


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("size", [(1, 1), (2, BAND), (7, BAND + 1), (512, 2 * BAND - 1)])
def test_picture_is_read_as_it_was_written(bits: Literal[4, 8], size: tuple[int, int]) -> None:
    colours = 2**bits
    rng = Random(0)
    pixels = rng.randbytes(size[0] * size[1])
    image = Image.frombytes("P", size, pixels if bits == 8 else bytes(pixel % colours for pixel in pixels))
    palette = rng.randbytes(3 * colours)
    texts = {"prompt": "a cat, 猫, \0 and \n", "empty": ""}
    read = Image.open(io.BytesIO(write_png(image, palette, bits, texts)))
    read.load()
    assert (read.format, read.mode, read.size) == ("PNG", "P", size)
    assert read.tobytes() == image.tobytes()
    assert bytes(read.getpalette() or ()) == palette
    assert read.info == texts
