"""Large bodies, and what is done with their images: in one thread, one after another, in steps of some milliseconds.

Python runs one thread at a time, and a call of a C library keeps all others waiting until it returns, wherever it is
made: `orjson.loads` takes 40 to 80 ms for 37 MB. Only images make a documented body large. So long strings are taken
out of the text first and decoded piece by piece, and the rest must be small.
"""

import asyncio
import re
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from mmap import mmap
from typing import TypeAlias, TypeVar

import orjson

from qwenmock.mockserver.api_error import ApiError
from qwenmock.schemas.vocabulary import JSON

LARGE = 2**18
"""Bytes of a body, or characters of a data URL, that are not worked on in the event loop's thread."""
LONG_STRING = 2**12
"""Bytes of a string that is decoded by itself."""
LARGEST_TEXT = 2**20
"""Bytes of a body without its long strings, and of a string that is not a data URL."""
PIECE = 2**15
"""Bytes that are worked on at once: little enough for the processor's cache, and for memory that is used again."""
SCHEME_BYTES = 36
"""Within these is the whole of `data:`, however it is written."""
MAX_COMMAS = 4000
"""A documented request has about a hundred values. A million take seconds to parse and to explain."""
STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
MAX_QUOTES = 40_000
MAX_BACKSLASHES = 1000
"""In a row."""

Buffer: TypeAlias = bytes | bytearray | mmap
"""A mapping is always large."""
T = TypeVar("T")
_THREAD = ThreadPoolExecutor(1, "large-bodies")


class Unreadable(Exception):  # noqa: N818, a finding, not a failure
    """A body is not JSON."""


async def in_turn(function: Callable[..., T], *args: object) -> T:
    """Return what a function returns, called in the thread for what is large."""
    return await asyncio.get_running_loop().run_in_executor(_THREAD, function, *args)


def parsed(data: Buffer) -> JSON:
    """Return a body of any size, parsed.

    Raises:
        Unreadable: It is not JSON.
        ApiError: It has too many values, or too much besides its images.

    """
    try:
        return _parsed_by_pieces(data) if isinstance(data, mmap) or len(data) > LARGE else _loaded(data)
    except orjson.JSONDecodeError as error:
        raise Unreadable(str(error)) from None


def _parsed_by_pieces(data: Buffer) -> JSON:
    # A mark that the client cannot know stands for each long string.
    mark = secrets.token_hex(16)
    long: list[str] = []
    rest = bytearray()
    copied = 0
    for start, end in _strings(data):
        if end - start > LONG_STRING:
            _check_rest(len(rest) + start - copied)
            rest += data[copied : start + 1]
            rest += f"{mark}{len(long)}".encode()
            long.append(_decoded(data, start, end))
            copied = end
    _check_rest(len(rest) + len(data) - copied)
    rest += data[copied:]
    return _with_strings(_loaded(rest), mark, long)


def _loaded(data: bytes | bytearray) -> JSON:
    if data.count(b",") > MAX_COMMAS and STRING.sub(b"", data).count(b",") > MAX_COMMAS:
        raise ApiError("malformed", f"the body must have at most {MAX_COMMAS} commas outside of its strings")
    return orjson.loads(data)


def _check_rest(size: int) -> None:
    if size > LARGEST_TEXT:
        raise ApiError("malformed", f"the body must have at most {LARGEST_TEXT} bytes besides its images")


def _strings(data: Buffer) -> Iterator[tuple[int, int]]:
    """Yield the places of the first and the last quotation mark of each string."""
    start, at = -1, -1
    for _ in range(MAX_QUOTES + 1):  # once more: to find that there is none
        at = data.find(b'"', at + 1)
        if at < 0:
            if start >= 0:
                raise Unreadable("a string has no end")
            return
        if start < 0:
            start = at
        elif not _is_escaped(data, at):
            yield start, at
            start = -1
    raise ApiError("malformed", f"the body must have at most {MAX_QUOTES} quotation marks")


def _is_escaped(data: Buffer, at: int) -> bool:
    """Return whether a byte in a string follows an odd number of backslashes."""
    before = data[max(0, at - MAX_BACKSLASHES) : at]
    run = len(before) - len(before.rstrip(b"\\"))
    if run == MAX_BACKSLASHES:
        raise ApiError("malformed", f"the body must have fewer than {MAX_BACKSLASHES} backslashes in a row")
    return run % 2 == 1


def _decoded(data: Buffer, start: int, end: int) -> str:
    """Return the string between two quotation marks; one that is larger than a text must be a data URL."""
    if end - start <= LARGEST_TEXT:
        return orjson.loads(memoryview(data)[start : end + 1])
    at = start + 1
    beginning = bytes(data[at : _before_escape(data, at + SCHEME_BYTES)]).decode("ascii", "ignore")
    if not _unescaped(beginning.encode()).lower().startswith("data:"):
        raise ApiError("malformed", f"only images may have more than {LARGEST_TEXT} bytes")
    if data.find(b"\\", at, end) < 0:
        _check_plain(data, at, end)
        return str(memoryview(data)[at:end], "ascii")
    pieces: list[str] = []
    while at < end:
        stop = end if end - at <= PIECE else _before_escape(data, at + PIECE)
        pieces.append(_ascii(data[at:stop]))
        at = stop
    return "".join(pieces)


def _check_plain(data: Buffer, start: int, end: int) -> None:
    """Check a string without escape sequences; what is made of its pieces is not kept."""
    for at in range(start, end, PIECE):
        _ascii(data[at : min(at + PIECE, end)])


def _ascii(written: bytes | bytearray) -> str:
    """Return the piece of a string between two quotation marks."""
    if not written.isascii() or not (piece := _unescaped(written)).isascii():
        raise ApiError("malformed", "a data URL must be ASCII")
    return piece


def _unescaped(written: bytes | bytearray) -> str:
    return orjson.loads(b'"%b"' % written)


def _before_escape(data: Buffer, stop: int) -> int:
    """Return the last place up to `stop` that is not inside an escape sequence, which has up to 6 bytes."""
    for place in range(stop - 1, stop - 6, -1):
        if data[place] == ord("\\") and not _is_escaped(data, place):
            return place
    return stop


def _with_strings(value: JSON, mark: str, long: list[str]) -> JSON:
    """Put the long strings in the place of their marks. Not recursive: a body may be nested a thousand times."""

    def restored(text: str) -> str:
        return long[int(text[len(mark) :])] if text.startswith(mark) else text

    def replaced(member: JSON) -> JSON:
        if isinstance(member, str):
            return restored(member)
        if isinstance(member, dict | list):
            left.append(member)
        return member

    root = [value]
    left: list[dict[str, JSON] | list[JSON]] = [root]
    while left:
        holder = left.pop()
        if isinstance(holder, dict):
            items = {restored(name): replaced(member) for name, member in holder.items()}
            holder.clear()
            holder.update(items)
        else:
            holder[:] = [replaced(item) for item in holder]
    return root[0]
