"""Images of six formats with broken headers: read, unpacked and drawn."""

import base64
import contextlib
import hashlib
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

from PIL import Image

from fuzz.mutations import changed_bytes, changed_number
from qwenmock.mockserver.http.server import silence_image_library
from qwenmock.mockserver.images.headers import NotAnImage, decode_data_url, read_header
from qwenmock.mockserver.images.links import Recipe
from qwenmock.mockserver.images.render import render

FORMATS = {
    "PNG": [{}, {"compress_level": 0}],
    "JPEG": [{}, {"progressive": True}],
    "BMP": [{}],
    "TIFF": [{}, {"compression": "tiff_lzw"}, {"compression": "packbits"}],
    "WEBP": [{}, {"lossless": True}, {"exif": b"Exif\0\0"}],
    "GIF": [{}],
}
KEYWORDS = {"mediaTypes", "encoding", "integrity"}
HEAD = 64
"""Bytes in which most changes are made."""
SIDE = 64


def samples() -> list[bytes]:
    """Return a small image in every form."""
    found: list[bytes] = []
    for mode, size in (("RGB", (40, 30)), ("L", (400, 390)), ("L", (7, 5))):
        image = Image.new(mode, size)
        for name, forms in FORMATS.items():
            for options in forms:
                out = io.BytesIO()
                image.save(out, name, **options)
                found.append(out.getvalue())
    return found


class Images:
    """Files that claim to be images."""

    def __init__(self) -> None:
        self._samples = samples()

    def run_one(self, rng: Random) -> None:
        data = self.data(rng)
        self._check_url(data, rng)
        try:
            header = read_header(data)
        except NotAnImage as error:
            assert error.keyword in KEYWORDS
            assert error.reason
            return
        assert header.width > 0
        assert header.height > 0
        self._check_drawing(header.width, header.height, data)

    def data(self, rng: Random) -> bytes:
        """Return an image with something wrong, or not."""
        data = rng.choice(self._samples)
        for _ in range(rng.choice([0, 1, 1, 2, 4])):
            head, rest = (data[:HEAD], data[HEAD:]) if rng.random() < 0.7 else (data, b"")
            change = rng.choice([changed_bytes, changed_number, changed_number])
            data = change(head, rng) + rest
        if rng.random() < 0.1:
            at = rng.randrange(len(data) + 1)
            data = data[:at] + rng.choice(self._samples)[at:]
        return data

    def _check_url(self, data: bytes, rng: Random) -> None:
        """A data URL is decoded, or refused as one that cannot be decoded."""
        url = f"data:image/png;base64,{base64.b64encode(data).decode()}"
        assert decode_data_url(url, None) == data
        wrong = changed_bytes(url.encode(), rng).decode("utf-8", "replace")
        with contextlib.suppress(NotAnImage):
            decode_data_url(wrong, rng.choice([None, 0, len(data)]))

    def _check_drawing(self, width: int, height: int, data: bytes) -> None:
        """An output that shows the image has its own size, whatever the image claims."""
        digest = hashlib.sha256(data).hexdigest()  # what is drawn is kept under it
        recipe = Recipe("m", "a cat", "", 1, SIDE, SIDE, 1, "", "id", ((digest, "", width, height),))
        with silenced():
            picture = render(recipe, 0, [data])
        with Image.open(io.BytesIO(picture)) as drawn:
            drawn.load()
            assert (drawn.format, drawn.size) == ("PNG", (SIDE, SIDE))


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Drop what libtiff writes to the standard error output about each broken file."""
    sys.stderr.flush()
    kept = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


@contextlib.contextmanager
def images() -> Iterator[Images]:
    silence_image_library()
    yield Images()
