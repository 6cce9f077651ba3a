"""The bodies that pass the proxy, and what is recorded of an exchange."""

import asyncio
import gzip
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from qwenmock.pytest_plugin.examiner.bodies import example, smallest
from qwenmock.pytest_plugin.examiner.schema_judge import broken_rules
from qwenmock.pytest_plugin.examiner.target import Reply
from qwenmock.pytest_plugin.recording import proxy_bodies
from qwenmock.pytest_plugin.recording.proxy_bodies import AnswerCopy, NotKept, plain_object, read_limited
from qwenmock.pytest_plugin.recording.recorder import (
    Recorder,
    documents_for,
    endpoint_at,
    print_error,
    recording_of,
    violations,
)
from qwenmock.schemas.catalog import load
from qwenmock.schemas.recordings import load_recordings

NEBULA, EVOLINK = load()["nebula"], load()["evolink"]
CREATE = NEBULA.create_endpoint
VALID: Any = example(NEBULA.variants["simplified"])
ERROR = {"code": 400, "msg": "Parameter Error: why", "data": None}


@pytest.mark.parametrize(
    "content", [b"{}", b'{"a": [1, 2.5, null, true], "b": {"c": "\xe7\x8c\xab"}}', b' {"a": 1} \n']
)
def test_object_that_every_parser_reads_alike(content: bytes) -> None:
    assert plain_object(content) == json.loads(content)


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"1", b"null", b'"x"', b"\xef\xbb\xbf{}", b'{"a": 1,}', b'{"a": NaN}', b'{"a": Infinity}',
     b'{"a": -Infinity}', b'{"a": 1, "a": 2}', b'{"b": {"a": 1, "a": 2}}', b'{"a": "\xff"}', "{}".encode("utf-16"),
     gzip.compress(b"{}", mtime=0), b"a=1", b"{'a': 1}", b'{"a": 1} x', b'{"a":' * 100_000],
    ids=lambda content: repr(content[:12]),
)  # fmt: skip
def test_what_a_provider_may_read_otherwise_is_no_object(content: bytes) -> None:
    assert plain_object(content) is None


def test_whole_numbers_of_any_length_are_read() -> None:
    found = plain_object(b'{"n": ' + b"9" * 5000 + b"}")
    assert found == {"n": float("inf")}


def limited(chunks: list[bytes], most: int) -> bytes | None:
    async def stream() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    return asyncio.run(read_limited(stream(), most))


def test_body_is_read_up_to_a_length() -> None:
    assert limited([], 0) == b""
    assert limited([b"ab", b"c"], 3) == b"abc"
    assert limited([b"ab", b"cd"], 3) is None
    assert limited([b"abcd"], 3) is None


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy_bodies, "KEPT_BYTES", 10)


def copied(*chunks: bytes, encoding: str = "") -> bytes:
    copy = AnswerCopy()
    for chunk in chunks:
        copy.add(chunk)
    return copy.decoded(encoding)


@pytest.mark.usefixtures("small")
def test_answer_is_kept_up_to_a_length() -> None:
    assert copied(b"01234", b"56789") == b"0123456789"
    for chunks in ((b"01234", b"567890"), (b"01234567890",), (b"01234567890", b"1"), (b"01234567890", b"")):
        with pytest.raises(NotKept, match=f"the answer has {sum(map(len, chunks))} bytes, at most 10 are kept"):
            copied(*chunks)


@pytest.mark.usefixtures("small")
def test_answer_that_is_too_long_is_not_kept_in_memory() -> None:
    copy = AnswerCopy()
    copy.add(b"01234")
    copy.add(b"56789x")
    assert copy._chunks == []


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", " GZIP "])
def test_answer_is_unpacked(encoding: str) -> None:
    assert copied(gzip.compress(b"hello"), encoding=encoding) == b"hello"
    assert copied(b"hello", encoding=" Identity ") == b"hello"


def test_answer_is_unpacked_up_to_a_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy_bodies, "KEPT_BYTES", 1000)
    assert copied(gzip.compress(b"x" * 1000), encoding="gzip") == b"x" * 1000
    with pytest.raises(NotKept, match="the unpacked answer has more than 1000 bytes"):
        copied(gzip.compress(b"x" * 1001), encoding="gzip")


def test_limit_of_an_answer() -> None:
    assert proxy_bodies.KEPT_BYTES == 32 * 1024 * 1024


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip"])
def test_other_encodings_are_not_kept(encoding: str) -> None:
    with pytest.raises(NotKept, match="expected the content encoding gzip or none, got"):
        copied(b"x", encoding=encoding)


def test_answer_that_does_not_unpack_is_not_kept() -> None:
    with pytest.raises(NotKept, match="cannot be unpacked"):
        copied(b"no gzip", encoding="gzip")


def test_endpoint_of_a_path() -> None:
    assert endpoint_at(NEBULA, "POST", CREATE.path) is CREATE
    assert endpoint_at(NEBULA, "GET", CREATE.path) is None
    assert endpoint_at(NEBULA, "POST", CREATE.path + "/x") is None
    task = EVOLINK.endpoint_for("task")
    assert task is not None
    assert endpoint_at(EVOLINK, "GET", "/v1/tasks/a.b-c") is task
    assert endpoint_at(EVOLINK, "GET", "/v1/tasks/a/b") is None
    assert endpoint_at(EVOLINK, "GET", "/v1/task") is None
    assert endpoint_at(EVOLINK, "POST", "/v1/tasks/a") is None


def test_violations_of_an_exchange() -> None:
    wrong = {**VALID, "parameters": {"n": 99}}
    rule = "nebula/simplified/parameters/n/maximum"
    assert violations(NEBULA, CREATE, wrong, 400, ERROR) == []
    found = violations(NEBULA, CREATE, wrong, 200, ERROR)
    assert f"{rule}: the request breaks it, but was accepted" in found
    assert any(text.endswith(": the answer breaks it") for text in found)
    assert violations(NEBULA, CREATE, VALID, 400, ERROR) == [
        "nebula/simplified: the request breaks no rule, but was refused"
    ]
    assert violations(NEBULA, CREATE, VALID, 418, ERROR) == ["nebula: status 418 is not documented"]
    assert violations(NEBULA, CREATE, VALID, 401, {**ERROR, "msg": 1}) == [
        "nebula/error/msg/type: the answer breaks it"
    ]
    assert violations(NEBULA, CREATE, {"model": "unknown"}, 400, ERROR) == []
    assert violations(NEBULA, CREATE, "text", 400, ERROR) == []
    assert violations(NEBULA, CREATE, {"model": 1}, 400, ERROR) == []


def test_member_with_a_default_may_be_left_out_though_it_is_called_required() -> None:
    body = {name: value for name, value in example(EVOLINK.variants["edit"]).items() if name != "model"}
    found = violations(EVOLINK, EVOLINK.create_endpoint, body, 200, {})
    assert found
    assert not any("the request breaks it" in each for each in found)


def test_documents_of_a_status() -> None:
    variant = NEBULA.variants["simplified"]
    assert documents_for(NEBULA, CREATE, variant, 200) == [variant.answer]
    assert documents_for(NEBULA, CREATE, variant, 400) == [NEBULA.error]
    assert documents_for(NEBULA, CREATE, variant, 418) == []
    assert documents_for(NEBULA, CREATE, None, 200) == list(NEBULA.answers_of(CREATE))
    edit = EVOLINK.variants["edit"]
    assert documents_for(EVOLINK, EVOLINK.create_endpoint, edit, 200) == [EVOLINK.create_endpoint.created_response]


def test_answer_is_compared_with_the_document_that_it_comes_nearest_to() -> None:
    task = EVOLINK.endpoint_for("task")
    assert task is not None
    documents = documents_for(EVOLINK, task, None, 200)
    answer = smallest(documents[0].schema)
    counts = [len(broken_rules(document, answer)) for document in documents]
    assert min(counts) < max(counts)
    assert len(violations(EVOLINK, task, None, 200, answer)) == min(counts)


def test_message_goes_to_the_standard_error_output(capsys: pytest.CaptureFixture[str]) -> None:
    print_error("a message")
    assert capsys.readouterr() == ("", "a message\n")


def test_recording_of_an_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_700_000_000.12345)
    made = recording_of(NEBULA, CREATE, CREATE.path, b"", Reply(400, {"a": "b"}, b"\xff<html>", 1.23456))
    assert (made.provider, made.method, made.path, made.status) == ("nebula", "POST", CREATE.path, 400)
    assert (made.request, made.answer, made.seconds, made.headers) == (None, "\ufffd<html>", 1.235, {"a": "b"})
    assert made.at == 1_700_000_000.123
    assert made.violations
    assert recording_of(NEBULA, CREATE, CREATE.path, b'{"a": 1}', Reply(400, {}, b"{}", 0.0)).request == {"a": 1}


class Fake:
    name, base_url = "target", "http://target.example/base"

    def __init__(self) -> None:
        self.is_closed = False

    def send(self, *_: object) -> Reply:
        return Reply(400, {}, json.dumps(ERROR).encode(), 0.1)

    def close(self) -> None:
        self.is_closed = True


def test_recorder_passes_every_answer_on(tmp_path: Path) -> None:
    said: list[str] = []
    target = Fake()
    recorder = Recorder(target, NEBULA, tmp_path, ("sk-secret-of-the-test",), said.append)
    assert (recorder.name, recorder.base_url) == ("target", target.base_url)
    assert recorder.send("POST", f"{target.base_url}{CREATE.path}?x=y", {}, b'{"a": 1}').status == 400
    assert recorder.send("GET", f"{target.base_url}/other", {}).status == 400
    [recording] = load_recordings(tmp_path)
    assert (recording.path, recording.request) == (CREATE.path, {"a": 1})
    assert said == []
    leak = b'{"a": "of-the-test"}'
    assert recorder.send("POST", target.base_url + CREATE.path, {}, leak).status == 400
    [line] = said
    assert line.startswith(f"POST {CREATE.path} 400: not recorded: an exchange still contains part of the key")
    assert len(load_recordings(tmp_path)) == 1
    recorder.close()
    assert target.is_closed
