"""Shortens JSON values for the journal: data URLs and long texts are cut."""

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import overload

import pybase64

from qwenmock.schemas.vocabulary import JSON

LONGEST_TEXT = 4000
LONGEST_LIST = 100
DEEPEST = 20
LONG_RUN = 200
LONGEST_HEAD = 1000
"""Characters of a data URL up to its comma."""
PIECE = 2**15
"""Characters that are decoded and hashed at once; a multiple of 4."""


def is_brief(data: bytes | bytearray) -> bool:
    """Return whether a JSON text needs no shortening, by a quick check that most texts pass: 2 µs instead of 7 µs."""
    return (
        len(data) <= LONGEST_TEXT
        and data.count(b"[") + data.count(b"{") <= DEEPEST
        and data.count(b",") < LONGEST_LIST
        and b'\\"' not in data
        and not _has_long_run(data)
    )


def _has_long_run(data: bytes | bytearray) -> bool:
    """Return whether a string in a JSON text may be longer than `LONG_RUN`: no quotation mark for as long."""
    for at in range(LONG_RUN, len(data), LONG_RUN):
        end = data.find(b'"', at)
        if (len(data) if end < 0 else end) - data.rfind(b'"', 0, at) > LONG_RUN:
            return True
    return False


def digest_of(url: str) -> str:
    """Return the SHA-256 of what a data URL in base64 holds; of its text if it is another one, or does not decode."""
    head, comma, _ = url[:LONGEST_HEAD].partition(",")
    if comma and head.lower().endswith(";base64"):
        with contextlib.suppress(ValueError):
            return _digest(pybase64.b64decode(piece, validate=True) for piece in _pieces(url, len(head) + 1))
    return _digest(piece.encode("utf-8", "replace") for piece in _pieces(url, 0))


def _pieces(text: str, start: int) -> Iterator[str]:
    """Yield a text by pieces: 12 MB more at once would take longer than hashing."""
    return (text[at : at + PIECE] for at in range(start, len(text), PIECE))


def _digest(pieces: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


@overload
def brief(value: str) -> str: ...
@overload
def brief(value: JSON, depth: int = 0, digest: Callable[[str], str] = digest_of) -> JSON: ...
def brief(value: JSON, depth: int = 0, digest: Callable[[str], str] = digest_of) -> JSON:
    """Return a value with data URLs replaced by the digest of their image and other long texts cut off.

    Args:
        value: Any value.
        depth: Of the value in the body.
        digest: Returns the digest of a data URL.

    """
    if isinstance(value, str):
        if len(value) <= LONG_RUN:
            return value
        if value.startswith("data:"):
            head = value[:100].partition(",")[0]
            return f"{head},… ({len(value)} characters, sha256 {digest(value)[:16]})"
        return value if len(value) <= LONGEST_TEXT else f"{value[:LONGEST_TEXT]}… ({len(value)} characters)"
    if isinstance(value, dict):
        if depth > DEEPEST:
            return "…"
        items = list(value.items())[:LONGEST_LIST]
        return {name[:200]: brief(member, depth + 1, digest) for name, member in items}
    if isinstance(value, list):
        return ["…"] if depth > DEEPEST else [brief(item, depth + 1, digest) for item in value[:LONGEST_LIST]]
    return value
