"""The body of a request: put together from its parts, whatever its length is said to be, up to a limit."""

import asyncio
from mmap import mmap
from typing import Any

import pytest

from qwenmock.mockserver.calls.call import BodyTooLarge, BodyUnfinished
from qwenmock.mockserver.http import bodies
from qwenmock.mockserver.http.bodies import Body

LIMIT = 40_000
LARGEST_BLOCK = 10_000
PARTS = {
    "none": [b""],
    "one": [b"abc"],
    "an empty one first": [b"", b"abc", b"def"],
    "small": [b"abc", b"d" * 100, b"", b"e"],
    "as large as a block": [b"a" * 4000, b"b" * 6000],
    "larger than a block": [b"a" * 4000, b"b" * 6000, b"c"],
    "as large as the limit": [b"a", b"b" * (LIMIT - 2), b"c"],
}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "LARGEST_BLOCK", LARGEST_BLOCK)


def body(parts: list[bytes], announced: int | None, *, is_whole: bool = True) -> Body:
    messages: list[dict[str, Any]] = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    messages[-1]["more_body"] = not is_whole
    coming = iter([*messages, {"type": "http.disconnect"}])

    async def receive() -> dict[str, Any]:
        return next(coming)

    headers = {} if announced is None else {b"content-length": b"%d" % announced}
    return Body(receive, "POST", headers, LIMIT)


def read(found: Body) -> bytes:
    return bytes(asyncio.run(found.read()))


@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)
@pytest.mark.parametrize("announced", ["its length", "nothing", "too little", "too much"])
def test_parts_are_put_together(parts: list[bytes], announced: str) -> None:
    length = sum(map(len, parts))
    lengths = {"its length": length, "nothing": None, "too little": min(length, 2), "too much": min(length + 5, LIMIT)}
    found = body(parts, lengths[announced])
    assert read(found) == b"".join(parts)
    assert read(found) == b"".join(parts), "read again"


@pytest.mark.parametrize("announced", [LARGEST_BLOCK + 1, None])
def test_room_for_a_large_body_is_not_filled_at_once(announced: int | None) -> None:
    found = body([b"a" * LARGEST_BLOCK, b"b"], announced)
    assert isinstance(asyncio.run(found.read()), mmap)


def test_mapping_that_cannot_be_made_smaller_is_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    class Fixed(mmap):
        def resize(self, _: int) -> None:
            raise SystemError("mremap not available")

    monkeypatch.setattr(bodies.mmap, "mmap", Fixed)
    found = body([b"a" * LARGEST_BLOCK, b"b"], None)
    assert read(found) == b"a" * LARGEST_BLOCK + b"b"


@pytest.mark.parametrize(
    ("parts", "announced"), [([b"a"], LIMIT + 1), ([b"a", b"b" * LIMIT], None), ([b"a", b"b" * LIMIT], 5)]
)
def test_too_large(parts: list[bytes], announced: int | None) -> None:
    found = body(parts, announced)
    for _ in range(2):
        with pytest.raises(BodyTooLarge):
            read(found)


def test_end_of_the_connection() -> None:
    found = body([b"abc"], 5, is_whole=False)
    with pytest.raises(BodyUnfinished):
        read(found)
