"""What strangers send to make the server slow, large or wrong. `docs/reliability.md` has the figures."""

import asyncio
import base64
import contextlib
import json
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from qwenmock.mockserver.calls import acceptance, input_images, journal_feed
from qwenmock.mockserver.calls.double import create_double
from qwenmock.mockserver.calls.keywords import LONGEST_URL, is_uri
from qwenmock.mockserver.calls.large_bodies import MAX_COMMAS
from qwenmock.mockserver.http.app import create_app
from qwenmock.mockserver.http.protocol import MAX_HEAD_BYTES
from qwenmock.mockserver.http.server import RunningServer, running
from qwenmock.mockserver.images import uploads
from qwenmock.mockserver.settings import Settings
from qwenmock.pytest_plugin.examiner.sample_images import picture_of_length

PATH = "/nebula/v1/images/generations"
BODY: dict[str, Any] = {"model": "qwen-image-plus", "prompt": "a cat", "parameters": {"size": "1328*1328"}}
KEY = {"Authorization": "Bearer sk-mock"}
TIMEOUT = 30


@pytest.fixture(scope="module")
def target() -> Iterator[RunningServer]:
    with running(Settings(port=0)) as server:
        yield server


def jpeg(filler: bytes, size: int) -> bytes:
    start = b"\xff\xd8" + filler * (size // len(filler))
    return start + b"\xff\xc0\x00\x11\x08" + struct.pack(">HH", 1024, 1024) + b"\x03" + bytes(9) + b"\xff\xd9"


def png(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0) + bytes(4)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + header + bytes(4) + b"IEND" + bytes(4)


def data_url(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def edit(*images: str) -> dict[str, Any]:
    parts = [*({"image": image} for image in images), {"text": "a hat"}]
    return {
        "model": "qwen-image-edit-plus",
        "prompt": "a hat",
        "contents": [{"role": "user", "parts": parts}],
        "parameters": {},
    }


def upstream_edit(image: str) -> dict[str, Any]:
    content = [{"image": image}, {"text": "a hat"}]
    return {"model": "qwen-image-edit-plus", "input": {"messages": [{"role": "user", "content": content}]}}


def post_embedded(path: str, body: object) -> httpx.Response:
    async def send() -> httpx.Response:
        app = create_app(create_double(Settings(seed=1)))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            return await client.post(path, json=body, headers=KEY)

    return asyncio.run(send())


MANY_VALUES: list[dict[str, Any]] = [
    {"x": [1] * MAX_COMMAS},
    {"x": [{}] * MAX_COMMAS},
    {f"k{number}": 1 for number in range(MAX_COMMAS)},
]


@pytest.mark.parametrize("values", MANY_VALUES, ids=["numbers", "objects", "members"])
def test_body_of_many_values_is_refused_before_it_is_parsed(values: dict[str, Any]) -> None:
    answer = post_embedded(PATH, BODY | values)
    assert answer.status_code == 400
    assert f"at most {MAX_COMMAS} commas" in answer.json()["msg"]


@pytest.mark.parametrize("filler", [b"\xff", b"\xff\xe0\x00\x02"], ids=["fill bytes", "empty segments"])
def test_images_that_are_slow_to_read_leave_the_event_loop(monkeypatch: pytest.MonkeyPatch, filler: bytes) -> None:
    called: set[Any] = set()
    threads: set[str] = set()
    parsed = acceptance.parsed
    read_header, decode = input_images.header_and_digest, input_images.decode_data_url

    def noting(function: Any) -> Any:
        def call(*args: Any) -> Any:
            called.add(function)
            threads.add(threading.current_thread().name)
            return function(*args)

        return call

    monkeypatch.setattr(input_images, "header_and_digest", noting(read_header))
    monkeypatch.setattr(input_images, "decode_data_url", noting(decode))
    monkeypatch.setattr(acceptance, "parsed", noting(parsed))
    post_embedded(PATH, edit(*[data_url(jpeg(filler, 3_000_000))] * 3))
    assert called == {parsed, read_header, decode}
    assert len(threads) == 1, "several at once would keep others waiting"
    assert threading.main_thread().name not in threads


def test_largest_request_that_is_documented_is_accepted(target: RunningServer) -> None:
    """Also as PHP writes it, with a backslash before each slash."""
    picture = picture_of_length(10_000_000)
    body = json.dumps(edit(*[data_url(picture)] * 3)).encode()
    for sent in (body, body.replace(b"/", b"\\/")):
        url, headers = target.origin + PATH, {**KEY, "Content-Type": "application/json"}
        answer = httpx.post(url, content=sent, headers=headers, timeout=TIMEOUT)
        assert answer.status_code == 200, answer.text
        link = answer.json()["data"]["data"][0]["url"]
        assert httpx.get(link, timeout=TIMEOUT).status_code == 200


@pytest.mark.parametrize("prompt", ["x" * 2_000_000, "data:," + "x" * 2_000_000], ids=["text", "data URL"])
def test_only_images_are_larger_than_a_megabyte(prompt: str) -> None:
    answer = post_embedded(PATH, {**BODY, "prompt": prompt})
    assert (answer.status_code, "at most 1048576" in answer.text or "only images" in answer.text) == (400, True)


def test_urls_of_any_length_are_not_kept_in_memory() -> None:
    """`urlsplit` remembers what it has split: 128 URLs of a megabyte."""
    body = edit("https://example.com/" + "x" * 1_000_000)
    assert post_embedded(PATH, body).status_code == 400
    assert not is_uri("https://example.com/" + "x" * LONGEST_URL)
    assert is_uri("https://example.com/" + "x" * (LONGEST_URL - 20))


@pytest.mark.parametrize(
    "path", ["/aigc/v1/images/generations", "/dashscope/api/v1/services/aigc/multimodal-generation/generation"]
)
@pytest.mark.parametrize(("width", "height"), [(0, 1), (1, 0), (0, 0), (1, 2**31 - 1), (2**31 - 1, 1)])
def test_image_of_any_claimed_size_gets_a_documented_answer(
    target: RunningServer, path: str, width: int, height: int
) -> None:
    answer = httpx.post(
        target.origin + path, json=upstream_edit(data_url(png(width, height))), headers=KEY, timeout=TIMEOUT
    )
    assert answer.status_code in {200, 400, 404}
    if answer.status_code == 200:
        text = json.dumps(answer.json())
        link = text[text.index("http://127") :].partition('"')[0]
        assert httpx.get(link, timeout=TIMEOUT).status_code == 200


def permission(target: RunningServer) -> dict[str, str]:
    """Return the fields of an upload that the server permits."""
    query = {"action": "getPolicy", "model": "qwen-image-edit"}
    answer = httpx.get(f"{target.url('dashscope')}/api/v1/uploads", params=query, headers=KEY, timeout=TIMEOUT)
    data = answer.json()["data"]
    return {"policy": data["policy"], "Signature": data["signature"], "key": f"{data['upload_dir']}/a.png"}


def upload(target: RunningServer, *parts: tuple[str, str | bytes], megabytes: int = 0) -> httpx.Response:
    """Send a form without its length; its file has so many megabytes more."""

    def form() -> Iterator[bytes]:
        for name, value in parts:
            yield head_of(name, value)
            yield value.encode() if isinstance(value, str) else value
            for _ in range(megabytes if isinstance(value, bytes) else 0):
                yield bytes(2**20)
            yield b"\r\n"
        yield b"--x--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    return httpx.post(f"{target.origin}/__upload__", content=form(), headers=headers, timeout=TIMEOUT)


def head_of(name: str, value: str | bytes) -> bytes:
    """Return what comes before a part of a form; bytes are a file."""
    named = f'; filename="{name}.png"' if isinstance(value, bytes) else ""
    return f'--x\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'.encode()


def test_upload_is_accepted_as_permitted_and_not_otherwise(target: RunningServer) -> None:
    fields = permission(target)
    assert upload(target, *fields.items(), ("file", b"x")).status_code == 200
    for name, value, status in (
        ("Signature", "0" * 64, 403),
        ("key", "elsewhere/a.png", 403),
        ("policy", base64.b64encode(b'{"dir": "", "expires": 9999999999}').decode(), 403),
    ):
        changed = {**fields, name: value}
        assert upload(target, *changed.items(), ("file", b"x")).status_code == status, name
        # The last of several values counts: it must not escape the check by coming after the file.
        assert upload(target, *fields.items(), ("file", b"x"), (name, value)).status_code == status, name
        missing = {each: fields[each] for each in fields if each != name}
        assert upload(target, *missing.items(), ("file", b"x")).status_code in {400, 403}, name


def test_upload_that_is_not_permitted_is_refused_before_its_file() -> None:
    app = create_app(create_double(Settings(seed=1)), calls_out=False)
    received = 0
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        nonlocal received
        received += 1
        body = head_of("file", b"") if received == 1 else bytes(2**20)
        return {"type": "http.request", "body": body, "more_body": received < 90}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", b"double"), (b"content-type", b"multipart/form-data; boundary=x")]
    path = {"path": "/__upload__", "query_string": b"", "headers": headers}
    asyncio.run(app({"type": "http", "method": "POST", "scheme": "http", **path}, receive, send))
    assert (sent[0]["status"], sent[1]["body"].partition(b":")[0]) == (400, b"InvalidArgument")
    assert received == 1


def test_upload_without_a_length_is_counted(target: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_BYTES", 3_000_000)
    answer = upload(target, *permission(target).items(), ("file", b"x"), megabytes=8)
    assert (answer.status_code, answer.text.partition(":")[0]) == (400, "EntityTooLarge")


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * 10_000_000,
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 10_000_000,
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-Many: a\r\n" * 1_000_000,
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X" * 10_000_000,
    ],
    ids=["path", "value", "many", "name"],
)
def test_headers_are_bounded(target: RunningServer, head: bytes) -> None:
    sent = 0
    with (
        socket.create_connection(("127.0.0.1", target.port), timeout=TIMEOUT) as connection,
        contextlib.suppress(ConnectionError),
    ):
        for start in range(0, len(head), 65536):
            connection.sendall(head[start : start + 65536])
            sent += 65536
    assert sent < len(head)
    assert httpx.get(f"{target.origin}/health").status_code == 200


def test_request_with_too_many_header_bytes_is_a_431(target: RunningServer) -> None:
    head = b"GET /health HTTP/1.1\r\nHost: x\r\nX-Long: "
    with socket.create_connection(("127.0.0.1", target.port), timeout=TIMEOUT) as connection:
        connection.sendall(head + b"a" * MAX_HEAD_BYTES)
        assert connection.recv(100).startswith(b"HTTP/1.1 431 ")
    answer = httpx.get(f"{target.origin}/health", headers={"X-Long": "a" * 60_000})
    assert answer.status_code == 200


def test_event_streams_are_counted_and_share_one_query(target: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_feed, "MAX_STREAMS", 5)
    url = f"{target.origin}/__mock__/events"
    with httpx.Client(timeout=TIMEOUT) as client, contextlib.ExitStack() as stack:
        # Kept until the end: a stream whose lines nobody will read any more is closed.
        lines = [stack.enter_context(client.stream("GET", url)).iter_lines() for _ in range(5)]
        assert [next(each)[:6] for each in lines] == ["data: "] * 5
        with client.stream("GET", url) as refused:
            assert (refused.status_code, refused.headers["content-type"]) == (503, "application/json")
            assert list(json.loads(refused.read())) == ["error"]


def test_newest_entries_are_read_once_for_all_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    double = create_double(Settings(seed=1))
    feed, read = double.journal_feed, double.store.read_journal
    reads: list[None] = []
    monkeypatch.setattr(double.store, "read_journal", lambda: reads.append(None) or read())
    monkeypatch.setattr(journal_feed, "FRESH_SECONDS", 1e9)

    async def follow() -> None:
        numbers = [await feed.begin() for _ in range(5)]
        assert [await feed.since(number) for number in numbers] == [(numbers[0], [])] * 5
        assert len(reads) == 1
        monkeypatch.setattr(journal_feed, "FRESH_SECONDS", 0)
        for _ in range(journal_feed.KEPT_LOOKS):
            assert await feed.since(numbers[0]) is not None
        assert await feed.since(numbers[0]) is None, "a stream that fell behind begins anew"

    asyncio.run(follow())
