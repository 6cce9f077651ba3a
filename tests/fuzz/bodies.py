"""Bodies and headers of requests to every endpoint of every provider, made from examples of the schemas."""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from random import Random
from typing import Any
from urllib.parse import urlsplit

import orjson

from fuzz.asgi import Reply, send
from fuzz.mutations import changed_bytes, changed_json, dumped
from qwenmock.mockserver.calls.double import create_double
from qwenmock.mockserver.http.app import create_app
from qwenmock.mockserver.settings import Settings
from qwenmock.pytest_plugin.examiner.bodies import example, largest
from qwenmock.pytest_plugin.examiner.schema_judge import broken_rules
from qwenmock.pytest_plugin.recording.recorder import documents_for, variant_of, violations
from qwenmock.schemas.catalog import Catalog, load
from qwenmock.schemas.models import Endpoint, Provider

KEYS = ["sk-mock", "sk-mock.fuzz", "sk-mock-empty", "sk-mock-expired", "sk-mock-forbidden", "sk-mock-limited", "other"]
NAMES = [
    "content-type",
    "authorization",
    "prefer",
    "host",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-dashscope-async",
]
NOT_OF_THE_CONTRACT = (b"[[qwenmock", b"__files__")
"""Directives, and links to images of the double: what is answered to them follows from no schema."""
DIRECTIVES = ["status=429", "wait=0", "refuse", "fail-images=1", "fail-task=x", "fail-images=99", "status=", "=", ""]


class Bodies:
    """Requests that create images or tasks, to a double in this process."""

    def __init__(self, catalog: Catalog, loop: asyncio.Runner) -> None:
        self._loop = loop
        self._app = create_app(create_double(Settings(seed=1), catalog), calls_out=False)
        self._posts = [(p, e) for p in catalog for e in p.endpoints.values() if e.method == "POST" and e.variants]

    def run_one(self, rng: Random) -> None:
        self._loop.run(self._run_one(rng))

    async def _run_one(self, rng: Random) -> None:
        provider, endpoint = rng.choice(self._posts)
        headers, data = self.request(endpoint, rng)
        reply = await send(self._app, "POST", f"/{provider.slug}{endpoint.path}", headers, data)
        body = check_reply(provider, endpoint, data, reply)
        if headers == plain_headers(endpoint) and not any(text in data for text in NOT_OF_THE_CONTRACT):
            check_agreement(provider, endpoint, data, reply.status, body)
        if reply.status == 200 and rng.random() < 0.1:
            await self._follow(provider, body, headers)

    def request(self, endpoint: Endpoint, rng: Random) -> tuple[dict[str, str], bytes]:
        """Return headers and a body with something wrong, or not."""
        others = [each for _, other in self._posts for each in other.variants]
        variant = rng.choice(endpoint.variants if rng.random() < 0.9 else others)
        body: Any = example(variant, rng.choice(variant.models))
        if rng.random() < 0.3:
            body = (
                {**largest(variant.request.schema), **body} if rng.random() < 0.5 else largest(variant.request.schema)
            )
        for _ in range(rng.choice([0, 1, 1, 1, 2, 3])):
            body = changed_json(body, rng)
        data = dumped(body, rng)
        if rng.random() < 0.1:
            data = data.replace(b'"prompt": "', f'"prompt": "[[qwenmock: {rng.choice(DIRECTIVES)}]] '.encode())
        if rng.random() < 0.2:
            data = changed_bytes(data, rng, rng.randint(1, 5))
        return changed_headers(endpoint, rng), data

    async def _follow(self, provider: Provider, body: Any, headers: dict[str, str]) -> None:
        """Open the links of an answer, or query its task."""
        for link in links_of(body):
            parts = urlsplit(link)
            picture = await send(self._app, "GET", f"{parts.path}?{parts.query}", {})
            assert (picture.status, picture.body[:4]) == (200, b"\x89PNG"), link
        task = provider.endpoint_for("task")
        task_id = body.get("id") or body.get("output", {}).get("task_id") if isinstance(body, dict) else None
        if task is not None and isinstance(task_id, str):
            path = f"/{provider.slug}{task.path.replace('{task_id}', task_id)}"
            assert (await send(self._app, "GET", path, headers)).status in provider.statuses


def plain_headers(endpoint: Endpoint) -> dict[str, str]:
    """Return the headers of a request that breaks no rule by them."""
    headers = {"content-type": "application/json", "authorization": "Bearer sk-mock"}
    return headers if endpoint.required_header is None else headers | dict([endpoint.required_header])


def changed_headers(endpoint: Endpoint, rng: Random) -> dict[str, str]:
    key = "sk-mock" if rng.random() < 0.9 else rng.choice(KEYS)
    headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
    if endpoint.required_header is not None and rng.random() < 0.9:
        headers[endpoint.required_header[0]] = endpoint.required_header[1]
    for _ in range(rng.choice([0, 0, 0, 0, 0, 1, 3])):
        headers[rng.choice(NAMES)] = rng.randbytes(rng.randint(0, 40)).decode("latin-1")
    return headers


def check_reply(provider: Provider, endpoint: Endpoint, sent: bytes, reply: Reply) -> Any:
    """Return the body of an answer, which must be one that the provider documents."""
    assert reply.status in provider.statuses, (reply.status, reply.body[:300])
    assert b"Traceback" not in reply.body
    body = json.loads(reply.body)
    try:
        request = orjson.loads(sent)
    except orjson.JSONDecodeError:
        request = None
    documents = documents_for(provider, endpoint, variant_of(endpoint, request), reply.status)
    broken = [broken_rules(document, body) for document in documents]
    assert not all(broken), [sorted(rule.id for rule in rules) for rules in broken]
    return body


def links_of(value: Any) -> Iterator[str]:
    """Yield the double's links in a JSON value."""
    if isinstance(value, str) and "/__files__/" in value and value.startswith("http"):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from links_of(inner)


def check_agreement(provider: Provider, endpoint: Endpoint, sent: bytes, status: int, body: Any) -> None:
    """The examiner's judge, which shares no code with the server's validator, says the same of a request."""
    with contextlib.suppress(orjson.JSONDecodeError):
        found = violations(provider, endpoint, orjson.loads(sent), status, body)
        # The server reads headers of images only, and accepts one whose pixels are damaged.
        found = [each for each in found if not each.endswith("/integrity: the request breaks it, but was accepted")]
        assert not found, (found, sent[-300:])


@contextlib.contextmanager
def bodies() -> Iterator[Bodies]:
    with asyncio.Runner() as loop:
        yield Bodies(load(), loop)
