"""The request log on a stream that takes nothing, or not everything."""

import asyncio
import io
import json
import os
import select
from collections.abc import Iterator
from typing import Any, TextIO

import pytest

from qwenmock.mockserver.http.request_log import LONGEST_LINE, RequestLog, as_compact, as_text, parts
from qwenmock.mockserver.store.compact import CompactEntry, Place

ENTRY: Any = {
    "at": 0.0,
    "provider": "nebula",
    "method": "POST",
    "path": "/nebula/v1/images/generations",
    "status": 400,
    "milliseconds": 1.0,
    "key": "sk-m…",
    "id": "1",
    "variant": None,
    "model": None,
    "rule": None,
    "charge": None,
    "refusal": {"detail": "n must be at least 1"},
}


@pytest.fixture
def pipe() -> Iterator[tuple[int, TextIO]]:
    """The end of a pipe to read from, and the other one as a stream."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        yield reading, stream
    os.close(reading)


def log(request_log: RequestLog, number: int) -> None:
    async def write() -> None:
        for _ in range(number):
            request_log(ENTRY)
        request_log.flush()

    asyncio.run(write())


@pytest.mark.skipif(not hasattr(select, "poll"), reason="this system cannot tell whether a pipe takes more")
@pytest.mark.parametrize("form", ["text", "json"])
def test_pipe_that_nobody_reads_stops_nothing(form: str, pipe: tuple[int, TextIO]) -> None:
    reading, stream = pipe
    request_log = RequestLog(form, stream)
    for _ in range(100):
        log(request_log, 100)
    taken = os.read(reading, 2**20).decode().splitlines()
    assert 0 < len(taken) < 10_000
    log(request_log, 1)
    note, line = os.read(reading, 2**20).decode().splitlines()
    missing = 10_000 - len(taken)
    assert note == (
        f"{missing} lines are missing here: nothing read the log" if form == "text" else f'{{"missing":{missing}}}'
    )
    assert ("n must be at least 1" in line) if form == "text" else (json.loads(line)["status"] == 400)


def test_stream_without_a_descriptor_gets_every_line() -> None:
    stream = io.StringIO()
    log(RequestLog("text", stream), 1000)
    assert len(stream.getvalue().splitlines()) == 1000


def test_parts_are_as_large_as_a_pipe_takes_at_once() -> None:
    lines = ["界" * LONGEST_LINE, "x" * 50, *["y" * 100] * 100]
    found = list(parts(lines))
    assert "".join(text for text, _ in found).split("\n") == [*lines, ""]
    assert all(text.count("\n") == number and len(text.encode()) < 4096 for text, number in found)
    assert len(found) == 4


@pytest.mark.skipif(not hasattr(select, "poll"), reason="this system cannot tell whether a pipe takes more")
def test_characters_that_the_stream_cannot_encode_do_not_make_it_wait() -> None:
    """A backslash sequence is longer than what it stands for."""
    reading, writing = os.pipe()
    entry = ENTRY | {"refusal": {"detail": "😀猫" * 100}}
    with os.fdopen(writing, "w", encoding="ascii", errors="backslashreplace") as stream:
        os.set_blocking(writing, False)  # a write that would wait raises an error instead
        request_log = RequestLog("text", stream)

        async def write() -> None:
            for _ in range(1000):
                request_log(entry)
            request_log.flush()

        for _ in range(20):
            asyncio.run(write())
        shown = os.read(reading, 2**20).decode()
    os.close(reading)
    assert "\\U0001f600\\u732b" in shown


def test_line_that_is_too_long_for_a_pipe_is_a_part_of_its_own() -> None:
    lines = ["x" * 10, "y" * 5000, "z" * 10]
    assert [text for text, _ in parts(lines)] == [f"{line}\n" for line in lines]
    assert list(parts([])) == []


def test_path_with_control_characters_is_one_line() -> None:
    """A task id in a path is the client's: it must neither write a line of its own nor move a terminal's cursor."""
    path = "/dashscope/api/v1/tasks/x\nGET forged 200\x1b[31m"
    place = Place("dashscope", "task", "GET", "", "CNY")
    entry = CompactEntry(place, "k", "k", "r", 1.0, 0.001, path, "", "x", "", "", b"null", b"{}", "", 0, "")
    shown = as_compact(entry)
    assert shown == as_text(entry.expand())
    assert shown.startswith("GET /dashscope/api/v1/tasks/x GET forged 200 [31m 200 1.0 ms")
