"""Glyphs for what the outline font lacks, such as Chinese: GNU Unifont, 16 pixels high, with one bit a pixel.

`unifont/glyphs.bin` has a block for each 256 characters, so that a prompt unpacks only what it needs. The file starts
with the length of each block, 0 for none, as 256 integers of 4 bytes, big-endian; the blocks follow. A block is packed
by zlib: the width of each glyph in pixels (8 or 16, 0 for none), then 16 rows of 2 bytes for each.
"""

import struct
import zlib
from functools import cache
from itertools import accumulate
from pathlib import Path

FILE = Path(__file__).parent / "unifont" / "glyphs.bin"
BLOCK = 256
"""Characters in a block, and blocks in the file."""
SIDE = 16
"""Height of each glyph, and width of a row of its bits."""
BASELINE = 14
"""Rows above the base line."""
GLYPH_BYTES = SIDE * SIDE // 8
LENGTHS = struct.Struct(f">{BLOCK}I")


def glyph_of(character: str) -> tuple[int, bytes] | None:
    """Return the width of a character's glyph and its rows, the leftmost pixel in the highest bit; None for none."""
    number, place = divmod(ord(character), BLOCK)
    block = _block(number)
    width = block[place] if block else 0
    if width == 0:
        return None
    start = BLOCK + place * GLYPH_BYTES
    return width, block[start : start + GLYPH_BYTES]


@cache
def _block(number: int) -> bytes:
    packed = _blocks()
    return zlib.decompress(packed[number]) if number < BLOCK and packed[number] else b""


@cache
def _blocks() -> list[bytes]:
    content = FILE.read_bytes()
    lengths = LENGTHS.unpack_from(content)
    ends = list(accumulate(lengths, initial=LENGTHS.size))
    return [content[start : start + length] for start, length in zip(ends, lengths, strict=False)]
