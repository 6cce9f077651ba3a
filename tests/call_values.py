"""Calls to a double without HTTP, and images to send with them."""

import base64
import itertools
from collections.abc import Mapping
from typing import Any

import orjson

from qwenmock.mockserver.accounts.keys import Caller
from qwenmock.mockserver.calls.call import Call, Trace
from qwenmock.mockserver.calls.double import Double
from qwenmock.mockserver.models import Job
from qwenmock.schemas.catalog import load

CATALOG = load()
BASE = "http://mock.example"
JSON_HEADERS = {"authorization": "Bearer sk-mock", "content-type": "application/json"}
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("nebula", "create"): {"model": "qwen-image-plus", "prompt": "a cat", "parameters": {"size": "1328*1328"}},
    ("evolink", "create"): {
        "model": "qwen-image-edit",
        "prompt": "a cat",
        "image_urls": ["https://images.example/a.png"],
    },
    ("dashscope", "synthesize"): {"model": "qwen-image", "input": {"prompt": "a cat"}},
    ("dashscope", "create"): {
        "model": "qwen-image",
        "input": {"messages": [{"role": "user", "content": [{"text": "a cat"}]}]},
    },
}
"""A body that an endpoint accepts."""
NUMBERS = itertools.count(1)


def call(
    slug: str = "nebula",
    endpoint: str = "create",
    body: object = None,
    *,
    headers: Mapping[str, str] = {},
    data: bytes | Exception | None = None,
    task_id: str = "",
    query: Mapping[str, str] = {},
    request_id: str = "",
) -> Call:
    """Return a call; `body` is sent as JSON, `data` as it is or raised, and else what the endpoint accepts."""
    provider = CATALOG[slug]
    found = provider.endpoints[endpoint]
    if data is None:
        data = orjson.dumps(BODIES.get((slug, endpoint)) if body is None else body)

    async def read() -> bytes:
        if isinstance(data, Exception):
            raise data
        assert data is not None
        return data

    sent = {name.encode(): value.encode("latin-1") for name, value in (JSON_HEADERS | dict(headers)).items()}
    path = found.path.replace("{task_id}", task_id)
    return Call(
        provider, found, found.method, path, sent, BASE, task_id, query, read, request_id or f"request-{next(NUMBERS)}"
    )


def trace() -> Trace:
    found = Trace("a-request", 1000.0)
    found.enter("authenticate")
    return found


def caller(double: Double, slug: str = "nebula", key: str = "sk-mock") -> Caller:
    return double.caller(slug, f"Bearer {key}")


def job(slug: str = "nebula", variant: str = "simplified", **more: Any) -> Job:
    provider = CATALOG[slug]
    found = provider.variants[variant]
    made = Job(provider, found, found.models[0], "a cat", "", 1, (640, 480), 7, False, False, (), None)
    return made._replace(**more)


def data_url(data: bytes, media_type: str = "image/png") -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"
