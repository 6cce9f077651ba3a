"""The bodies that pass the proxy: a request's, read as strictly as its price demands, and the copy of an answer."""

import json
import zlib
from collections.abc import AsyncIterable
from typing import NoReturn

from qwenmock.pytest_plugin.examiner.json_values import is_object
from qwenmock.schemas.vocabulary import JSON

KEPT_BYTES = 32 * 2**20
"""Longest answer that is checked and recorded, before and after it is unpacked."""


class NotKept(Exception):  # noqa: N818, a reason, not a failure
    """An answer cannot be checked and recorded; the message says why."""


class AnswerCopy:
    """A copy of an answer, made while it passes; dropped if it becomes too long."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._size = 0

    def add(self, chunk: bytes) -> None:
        """Add what has just arrived."""
        self._size += len(chunk)
        if self._size > KEPT_BYTES:
            self._chunks.clear()
        else:
            self._chunks.append(chunk)

    def decoded(self, encoding: str) -> bytes:
        """Return the answer, unpacked.

        Raises:
            NotKept: It is too long, or has an encoding other than gzip.

        """
        data = b"".join(self._chunks)
        if self._size > KEPT_BYTES:
            raise NotKept(f"the answer has {self._size} bytes, at most {KEPT_BYTES} are kept")
        match encoding.strip().lower():
            case "" | "identity":
                return data
            case "gzip" | "x-gzip":
                return _unpacked(data)
            case other:
                raise NotKept(f"expected the content encoding gzip or none, got {other!r}")


def _unpacked(data: bytes) -> bytes:
    try:
        unpacked = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(data, KEPT_BYTES + 1)
    except zlib.error as error:
        raise NotKept(f"the answer cannot be unpacked: {error}") from error
    if len(unpacked) > KEPT_BYTES:
        raise NotKept(f"the unpacked answer has more than {KEPT_BYTES} bytes")
    return unpacked


async def read_limited(chunks: AsyncIterable[bytes], most: int) -> bytes | None:
    """Return a body; None if it is longer than `most` bytes."""
    content = bytearray()
    async for chunk in chunks:
        if len(content) + len(chunk) > most:
            return None
        content += chunk
    return bytes(content)


def plain_object(content: bytes) -> dict[str, JSON] | None:
    """Return a body that every JSON parser reads as the same object; None for all others.

    A provider may accept a byte order mark, a trailing comma, NaN or UTF-16, and may take the first of two members with
    one name where this parser takes the last.
    """
    try:
        value: JSON = json.loads(
            content.decode("utf-8"), object_pairs_hook=_members, parse_constant=_refuse, parse_int=float
        )
    except (ValueError, RecursionError):
        return None
    return value if is_object(value) else None


def _members(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a member occurs twice")
    return members


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
