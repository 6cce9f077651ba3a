"""What strangers send to make the server slow, large or wrong. `docs/reliability.md` has the figures."""

import asyncio
import base64
import json
import struct
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from qwenmock.mockserver.calls import input_images
from qwenmock.mockserver.calls.acceptance import MAX_COMMAS
from qwenmock.mockserver.calls.double import create_double
from qwenmock.mockserver.http.app import create_app
from qwenmock.mockserver.http.server import RunningServer, running
from qwenmock.mockserver.settings import Settings

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


@pytest.mark.parametrize(
    "values",
    [{"x": [1] * MAX_COMMAS}, {"x": [{}] * MAX_COMMAS}, {f"k{number}": 1 for number in range(MAX_COMMAS)}],
    ids=["numbers", "objects", "members"],
)
def test_body_of_many_values_is_refused_before_it_is_parsed(values: dict[str, Any]) -> None:
    answer = post_embedded(PATH, BODY | values)
    assert answer.status_code == 400
    assert f"at most {MAX_COMMAS} commas" in answer.json()["msg"]


@pytest.mark.parametrize("filler", [b"\xff", b"\xff\xe0\x00\x02"], ids=["fill bytes", "empty segments"])
def test_images_that_are_slow_to_read_leave_the_event_loop(monkeypatch: pytest.MonkeyPatch, filler: bytes) -> None:
    threads: set[str] = set()
    read_header, decode = input_images.read_header, input_images.decode_data_url

    def noting(function: Any) -> Any:
        def call(*args: Any) -> Any:
            threads.add(threading.current_thread().name)
            return function(*args)

        return call

    monkeypatch.setattr(input_images, "read_header", noting(read_header))
    monkeypatch.setattr(input_images, "decode_data_url", noting(decode))
    post_embedded(PATH, edit(*[data_url(jpeg(filler, 3_000_000))] * 3))
    assert threads
    assert threading.main_thread().name not in threads


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
