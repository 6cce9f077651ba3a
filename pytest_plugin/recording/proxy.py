"""`qwenmock proxy`: forward requests to a provider within a budget, check every exchange, and record it.

An answer is handed on as it arrives. A copy is kept for the recording, up to `KEPT_BYTES`.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote

import httpx
import orjson
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from qwenmock.mockserver._version import __version__
from qwenmock.pytest_plugin.examiner.budget import Budget, OverBudget
from qwenmock.pytest_plugin.examiner.expected_cost import worst_case, worst_case_of_any
from qwenmock.pytest_plugin.examiner.target import Reply
from qwenmock.pytest_plugin.recording.proxy_bodies import AnswerCopy, NotKept, plain_object, read_limited
from qwenmock.pytest_plugin.recording.recorder import endpoint_at, recording_of, variant_of
from qwenmock.schemas.errors import RecordingError
from qwenmock.schemas.models import Endpoint, Provider
from qwenmock.schemas.recordings import save

HOP_HEADERS = {
    "host",
    "connection",
    "keep-alive",
    "transfer-encoding",
    "upgrade",
    "te",
}
SCHEME = "bearer "
NO_ANSWER = frozenset({502, 504})
"""Statuses of a gateway that got no answer: the request may still have been billed."""
STATUSES = range(200, 600)
TIMEOUT_SECONDS = 120.0
CHUNK_BYTES = 2**16


@dataclass
class Proxy:
    """A forwarding proxy.

    Attributes:
        provider: The provider whose API the target speaks.
        target: Base URL to forward to.
        budget: Limits what the forwarded requests may cost.
        folder: Where to write recordings; None to write none.
        report: Called with one line for each exchange, and one for each contract violation.

    """

    provider: Provider
    target: str
    budget: Budget
    folder: Path | None
    report: Callable[[str], None]

    def app(self) -> Starlette:
        """Return the ASGI application that forwards."""
        return Starlette(routes=[Route("/{path:path}", self._forward, methods=["GET", "POST", "DELETE"])])

    async def _forward(self, request: Request) -> Response:
        path: str = request.scope["path"]
        endpoint = endpoint_at(self.provider, request.method, path)
        if endpoint is None:
            return _error(404, f"{self.provider.name} has no endpoint {request.method} {path[:200]}")
        if {".", ".."} & set(path.split("/")):
            return _error(400, f"expected a path without . and .. in it, got {path[:200]}")
        content = await read_limited(request.stream(), self.provider.max_body_bytes)
        if content is None:
            return _error(413, f"expected a body of at most {self.provider.max_body_bytes} bytes")
        worst = await run_in_threadpool(self._worst, endpoint, request, content)
        client = httpx.AsyncClient(timeout=TIMEOUT_SECONDS)
        try:
            outgoing = self._outgoing(client, request, content)
        except (httpx.InvalidURL, ValueError) as error:
            await client.aclose()
            return _error(400, f"cannot be forwarded: {error}")
        try:
            self.budget.reserve(worst)
        except OverBudget as error:
            await client.aclose()
            return _error(402, f"not forwarded: {error}")
        spent = worst  # if no answer comes, the request may still have been billed
        try:
            started = time.monotonic()
            response = await client.send(outgoing, stream=True)
            spent = worst if response.status_code < 300 or response.status_code in NO_ANSWER else Decimal(0)
        except httpx.HTTPError as error:
            await client.aclose()
            return _error(502, f"no answer from {self.target}: {type(error).__name__}: {error}")
        finally:
            self.budget.settle(worst, spent)
        if response.status_code not in STATUSES:
            await response.aclose()
            await client.aclose()
            return _error(502, f"{self.target} answered with status {response.status_code}, which HTTP does not have")
        exchange = _Exchange(request, endpoint, content, response, started)
        return _Relay(lambda send: self._relay(client, exchange, send))

    def _worst(self, endpoint: Endpoint, request: Request, content: bytes) -> Decimal:
        """Return the highest possible cost of a request.

        An unknown model counts as the most expensive one. What cannot be read here may be read by the provider.
        """
        if not endpoint.variants:
            return Decimal(0)
        body = None if request.headers.get("content-encoding") else plain_object(content)
        if body is None:
            return worst_case_of_any(self.provider)
        return worst_case(self.provider, variant_of(endpoint, body), body)

    def _outgoing(self, client: httpx.AsyncClient, request: Request, content: bytes) -> httpx.Request:
        """Return the request as it is forwarded, with the path and the headers as the client wrote them.

        Raises:
            httpx.InvalidURL: The path is none that can be requested.
            ValueError: A header is none that can be sent.

        """
        own = {name.encode() for name in HOP_HEADERS} | {b"accept-encoding", b"content-length"}
        headers = [(name, value) for name, value in request.headers.raw if name.lower() not in own]
        # The answer is handed on as it is, so its encoding must be one that both the client and the recorder read.
        has_gzip = "gzip" in request.headers.get("accept-encoding", "").lower()
        headers.append((b"accept-encoding", b"gzip" if has_gzip else b"identity"))
        written: bytes = request.scope.get("raw_path") or quote(request.scope["path"]).encode()
        query: bytes = request.scope["query_string"]
        url = self.target + written.decode("ascii") + (f"?{query.decode('ascii')}" if query else "")
        return client.build_request(request.method, url, headers=headers, content=content)

    async def _relay(self, client: httpx.AsyncClient, exchange: "_Exchange", send: Send) -> None:
        """Hand an answer on, and record it, also if the client has left: it has been paid for."""
        copy, response = AnswerCopy(), exchange.response
        headers = [(n, value) for n, value in response.headers.raw if n.decode("latin-1").lower() not in HOP_HEADERS]
        try:
            await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
            async for chunk in response.aiter_raw(CHUNK_BYTES):
                copy.add(chunk)
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        except httpx.HTTPError as error:
            self.report(f"{exchange.title}; not recorded: the answer broke off: {type(error).__name__}: {error}")
            raise
        finally:
            await response.aclose()
            await client.aclose()
        await send({"type": "http.response.body", "body": b""})
        for line in await run_in_threadpool(self._record, exchange, copy):
            self.report(line)

    def _record(self, exchange: "_Exchange", copy: AnswerCopy) -> list[str]:
        """Check and write an exchange, and return what to report of it."""
        title = f"{exchange.title} {time.monotonic() - exchange.started:.2f} s"
        try:
            body = copy.decoded(exchange.response.headers.get("content-encoding", ""))
            return self._recorded(exchange, body, title)
        except NotKept as error:
            return [f"{title}; not recorded: {error}"]
        except Exception as error:  # whatever a strange answer breaks here, the proxy goes on
            return [f"{title}; not recorded: {type(error).__name__}: {error}"]

    def _recorded(self, exchange: "_Exchange", body: bytes, title: str) -> list[str]:
        request, response = exchange.request, exchange.response
        reply = Reply(response.status_code, dict(response.headers), body, time.monotonic() - exchange.started)
        recording = recording_of(self.provider, exchange.endpoint, request.scope["path"], exchange.content, reply)
        violations = [f"  {violation}" for violation in recording.violations]
        if self.folder is None:
            return [title, *violations]
        try:
            where = f" -> {save(self.folder, recording, (_key_of(request),)).name}"
        except RecordingError as error:
            where = f"; not recorded: {error}"
        return [title + where, *violations]


class _Relay(Response):
    """An answer that something else sends."""

    def __init__(self, relay: Callable[[Send], Awaitable[None]]) -> None:
        super().__init__()
        self._relay = relay

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002, as ASGI calls it
        """Have the answer sent."""
        await self._relay(send)


@dataclass(frozen=True)
class _Exchange:
    """A request whose answer has begun."""

    request: Request
    endpoint: Endpoint
    content: bytes
    response: httpx.Response
    started: float

    @property
    def title(self) -> str:
        return f"{self.request.method} {self.request.scope['path']} {self.response.status_code}"


def _key_of(request: Request) -> str:
    credentials = request.headers.get("authorization", "")
    is_bearer = credentials.lower().startswith(SCHEME)
    return credentials[len(SCHEME) :].strip() if is_bearer else credentials


def _error(status: int, message: str) -> Response:
    return Response(orjson.dumps({"error": message}), status, {"X-Qwenmock": __version__}, "application/json")
