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
    "an empty one last": [b"abc", b""],
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


@pytest.mark.parametrize("size", [1, LARGEST_BLOCK // 2 + 1, LARGEST_BLOCK])
def test_large_room_for_a_small_body_is_given_back(size: int) -> None:
    found = body([b"a" * size, b"b" * (LARGEST_BLOCK - size)], LIMIT)
    assert not isinstance(asyncio.run(found.read()), mmap)


def test_what_is_only_announced_takes_no_memory() -> None:
    found = body([b"a", b"b", b"c" * 98], LARGEST_BLOCK, is_whole=False)
    with pytest.raises(BodyUnfinished):
        read(found)
    assert len(found._data) == 200
    assert len(asyncio.run(body([b"a" * 60, b"b" * 40], 100).read())) == 100, "at most what is announced"


def test_blocks_of_16_mb_are_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert isinstance(bodies._room(2**24, 2**25), bytearray)
    assert isinstance(bodies._room(2**24 + 1, 2**25), mmap)


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


# What is known before anything is read.


@pytest.mark.parametrize(
    ("method", "headers", "ended", "announced"),
    [
        ("GET", {}, True, 0),
        ("GET", {b"transfer-encoding": b"chunked"}, False, 0),
        ("GET", {b"content-length": b"5"}, False, 5),
        ("GET", {b"content-length": b"1" * 5000}, False, 111_111_111_111_111_111),
        ("POST", {}, False, 0),
        ("POST", {b"content-length": b"0"}, True, 0),
        ("POST", {b"content-length": b"x"}, False, 0),
    ],
)
def test_body_that_is_known_to_be_empty_is_not_waited_for(
    method: str, headers: dict[bytes, bytes], ended: bool, announced: int
) -> None:
    async def receive() -> dict[str, Any]:
        raise AssertionError("nothing comes")

    found = Body(receive, method, headers, LIMIT)
    assert (found.ended, found.announced, found.received) == (ended, announced, 0)
    if ended:
        assert read(found) == b""


def test_message_without_more_is_the_last() -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"abc"}

    found = Body(receive, "POST", {}, LIMIT)
    assert read(found) == b"abc"
    assert (found.ended, found.received) == (True, 3)


# What is left of a body that is not read.


def coming(*messages: dict[str, Any]) -> tuple[Body, list[dict[str, Any]]]:
    """Return a body, and the messages that have not been received."""
    left = list(messages)

    async def receive() -> dict[str, Any]:
        return left.pop(0)

    return Body(receive, "POST", {}, LIMIT), left


def part(size: int) -> dict[str, Any]:
    return {"type": "http.request", "body": bytes(size), "more_body": True}


def test_rest_is_discarded_up_to_its_end() -> None:
    found, left = coming(part(5), {"type": "http.request", "more_body": True}, {"type": "http.request"}, part(1))
    asyncio.run(found.drain())
    assert found.ended
    assert len(left) == 1
    asyncio.run(found.drain())
    assert len(left) == 1, "nothing comes after the end"


def test_rest_is_discarded_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "DRAIN_BYTES", 10)
    found, left = coming(part(5), part(4), part(1), part(1))
    asyncio.run(found.drain())
    assert not found.ended
    assert len(left) == 1


def test_64_mb_are_discarded() -> None:
    found, left = coming(*[part(2**20)] * 66)
    asyncio.run(found.drain())
    assert len(left) == 2


@pytest.mark.parametrize("limit", ["DRAIN_SECONDS", "DRAIN_PAUSE_SECONDS"])
def test_client_that_sends_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setattr(bodies, limit, 0.0)

    async def receive() -> dict[str, Any]:
        return await asyncio.get_running_loop().create_future()

    asyncio.run(Body(receive, "POST", {}, LIMIT).drain())
