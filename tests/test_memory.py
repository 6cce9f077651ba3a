"""What refused requests leave in memory: nothing that grows with them."""

import asyncio
import gc
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import orjson
import pytest
from commands import serving
from fuzz.asgi import send

from qwenmock.mockserver.calls.double import create_double
from qwenmock.mockserver.http.app import create_app
from qwenmock.mockserver.settings import Settings

PATH = "/nebula/v1/images/generations"
KEY = {"authorization": "Bearer sk-mock", "content-type": "application/json"}
TEXT = {"model": "qwen-image-plus", "prompt": "a cat", "parameters": {"size": "1328*1328"}}
MEGABYTES = 2**20
AT_ONCE = 20
PATIENCE = 30
KEPT = 150
"""Megabytes that the process may keep."""


def edit(*parts: dict[str, str]) -> bytes:
    contents = [{"role": "user", "parts": list(parts)}]
    return orjson.dumps({"model": "qwen-image-edit-plus", "prompt": "a", "parameters": {}, "contents": contents})


def refused(size: int) -> Iterator[tuple[str, bytes, dict[str, str]]]:
    """Yield a name, a body of about that many bytes and headers for each kind of refusal."""
    fill = "data:," + "x" * size  # other texts are not read further when they have more than 1 MB
    image = "data:image/png;base64," + "A" * (size // 4 * 4)
    large = orjson.dumps({**TEXT, "prompt": fill})
    yield "not JSON", large[:-1], KEY
    if size > MEGABYTES:
        yield "large text", orjson.dumps({**TEXT, "prompt": fill[6:]}), KEY
    yield "not an object", orjson.dumps([fill]), KEY
    yield "no model", orjson.dumps({"prompt": fill}), KEY
    yield "unknown model", orjson.dumps({**TEXT, "model": fill}), KEY
    yield "wrong type", orjson.dumps({**TEXT, "prompt": [fill]}), KEY
    yield "wrong value", orjson.dumps({**TEXT, "prompt": fill, "parameters": {"size": "1x1"}}), KEY
    yield "not an image", edit({"image": image}, {"text": "a"}), KEY
    yield "image and text", edit({"image": image, "text": "a"}), KEY
    yield "too many images", edit(*[{"image": image[: size // 4]}] * 4, {"text": "a"}), KEY
    yield "wrong key", large, {**KEY, "authorization": "Bearer wrong"}
    yield "wrong type of content", large, {**KEY, "content-type": "text/plain"}


def resident(pid: int) -> int:
    """Return the memory of a process, in megabytes."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text("utf-8"))
    assert found is not None
    return int(found[1]) // 1024


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, which only Linux has")
def test_large_refused_bodies_leave_no_memory() -> None:
    """200 of 8 to 12 MB: half of them one after another, half 20 at once."""
    bodies = [each for size in range(8, 12) for each in refused(size * MEGABYTES)]

    async def send_bodies(client: httpx.AsyncClient, times: int, at_once: int) -> None:
        turn = asyncio.Semaphore(at_once)

        async def send_one(body: bytes, headers: dict[str, str]) -> None:
            async with turn:
                answer = await client.post(PATH, content=body, headers=headers)
            assert 400 <= answer.status_code < 500, answer.text

        await asyncio.gather(*(send_one(body, headers) for _ in range(times) for _, body, headers in bodies))

    async def send_all(origin: str) -> None:
        async with httpx.AsyncClient(base_url=origin, timeout=120) as client:
            assert (await client.post(PATH, json=TEXT, headers=KEY)).status_code == 200
            await send_bodies(client, times=2, at_once=1)
            await send_bodies(client, times=3, at_once=AT_ONCE)

    with serving("--port", "0", "--quiet") as (process, origin):
        asyncio.run(send_all(origin))
        # A second after the last large body the server gives its free memory back.
        deadline = time.monotonic() + PATIENCE
        while resident(process.pid) > KEPT and time.monotonic() < deadline:
            time.sleep(0.1)
        assert resident(process.pid) <= KEPT


async def cycles() -> dict[str, list[str]]:
    """Return the types of the objects in reference cycles that a request leaves, by kind of refusal."""
    app = create_app(create_double(Settings(seed=1)), calls_out=False)
    found: dict[str, list[str]] = {}
    for name, body, headers in [*refused(1000), *refused(2 * MEGABYTES)]:
        assert 400 <= (await send(app, "POST", PATH, headers, body)).status < 500  # loads what is loaded once
        gc.collect()
        gc.disable()
        gc.set_debug(gc.DEBUG_SAVEALL)
        await send(app, "POST", PATH, headers, body)
        gc.collect()
        found[f"{name}, {len(body)} bytes"] = [type(each).__qualname__ for each in gc.garbage]
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    return found


def test_refused_request_leaves_no_reference_cycle() -> None:
    """What only the collector can free stays for long, since it runs seldom in a server.

    In a process of its own: other threads of this one leave cycles too.
    """
    code = "import asyncio, json, test_memory; print(json.dumps(asyncio.run(test_memory.cycles())))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert len(found) == 2 * len(list(refused(0))) + 1
    assert {name: types for name, types in found.items() if types} == {}
