"""Write the glyphs that pictures are labelled with. `make glyphs` runs this.

The input is `unifont.hex` of GNU Unifont, for example /usr/share/unifont/unifont.hex of the Debian package `unifont`:
a line for each character, with its code and the bits of its rows in hexadecimal digits.
"""

import sys
import zlib
from pathlib import Path

from qwenmock.mockserver.images.glyphs import BLOCK, FILE, GLYPH_BYTES, LENGTHS, SIDE

UNUSED = range(0xD800, 0xF900)
"""Surrogates and the private use area."""


def glyphs_in(text: str) -> dict[int, tuple[int, bytes]]:
    """Return width and rows of each glyph by the code of its character."""
    glyphs: dict[int, tuple[int, bytes]] = {}
    for line in text.splitlines():
        code, _, digits = line.partition(":")
        rows = bytes.fromhex(digits)
        width = len(rows) * 8 // SIDE
        if int(code, 16) not in UNUSED:
            glyphs[int(code, 16)] = width, rows if width == SIDE else bytes(b for row in rows for b in (row, 0))
    return glyphs


def file_of(glyphs: dict[int, tuple[int, bytes]]) -> bytes:
    """Return the content of the file."""
    blocks: list[bytes] = []
    for start in range(0, BLOCK * BLOCK, BLOCK):
        found = [glyphs.get(code, (0, bytes(GLYPH_BYTES))) for code in range(start, start + BLOCK)]
        block = bytes(width for width, _ in found) + b"".join(rows for _, rows in found)
        blocks.append(zlib.compress(block, 9) if any(block) else b"")
    return LENGTHS.pack(*map(len, blocks)) + b"".join(blocks)


if __name__ == "__main__":
    FILE.write_bytes(file_of(glyphs_in(Path(sys.argv[1]).read_text("ascii"))))
