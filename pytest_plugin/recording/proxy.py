"""`qwenmock proxy`: forward requests to a provider within a budget, check every exchange, and record it."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import httpx
import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from qwenmock.mockserver._version import __version__
from qwenmock.pytest_plugin.examiner.budget import Budget, OverBudget
from qwenmock.pytest_plugin.examiner.expected_cost import worst_case
from qwenmock.pytest_plugin.examiner.target import Reply
from qwenmock.pytest_plugin.recording.recorder import endpoint_at, recording_of, variant_of
from qwenmock.schemas.models import Endpoint, Provider
from qwenmock.schemas.recordings import save
from qwenmock.schemas.vocabulary import JSON

HOP_HEADERS = {
    "host",
    "connection",
    "keep-alive",
    "transfer-encoding",
    "upgrade",
    "content-length",
    "accept-encoding",
    "te",
}
SCHEME = "bearer "
TIMEOUT_SECONDS = 120.0


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
        path, content = request.url.path, await request.body()
        endpoint = endpoint_at(self.provider, request.method, path)
        if endpoint is None:
            return _error(404, f"{self.provider.name} has no endpoint {request.method} {path[:200]}")
        worst = self._worst(endpoint, content)
        try:
            self.budget.reserve(worst)
        except OverBudget as error:
            return _error(402, f"not forwarded: {error}")
        spent = worst  # if no answer comes, the request may still have been billed
        try:
            reply = await self._send(request, path, content)
            spent = worst if reply.status < 300 else Decimal(0)
        except httpx.HTTPError as error:
            return _error(502, f"no answer from {self.target}: {type(error).__name__}: {error}")
        finally:
            self.budget.settle(worst, spent)
        self._record(request, endpoint, path, content, reply)
        headers = {
            name: value for name, value in reply.headers.items() if name not in HOP_HEADERS | {"content-encoding"}
        }
        return Response(reply.body, reply.status, headers)

    def _worst(self, endpoint: Endpoint, content: bytes) -> Decimal:
        """Return the highest possible cost of a request; an unknown model counts as the most expensive one."""
        if not endpoint.variants:
            return Decimal(0)
        try:
            body: JSON = orjson.loads(content or b"null")
        except orjson.JSONDecodeError:
            return Decimal(0)
        return worst_case(self.provider, variant_of(endpoint, body), body)

    async def _send(self, request: Request, path: str, content: bytes) -> Reply:
        headers = {name: value for name, value in request.headers.items() if name not in HOP_HEADERS}
        url = self.target + path + (f"?{request.url.query}" if request.url.query else "")
        async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as client:
            response = await client.request(request.method, url, headers=headers, content=content)
            return Reply(
                response.status_code, dict(response.headers), response.content, response.elapsed.total_seconds()
            )

    def _record(self, request: Request, endpoint: Endpoint, path: str, content: bytes, reply: Reply) -> None:
        recording = recording_of(self.provider, endpoint, path, content, reply)
        credentials = request.headers.get("authorization", "")
        is_bearer = credentials.lower().startswith(SCHEME)
        key = credentials[len(SCHEME) :].strip() if is_bearer else credentials
        where = "" if self.folder is None else f" -> {save(self.folder, recording, (key,)).name}"
        self.report(f"{request.method} {path} {reply.status} {reply.seconds:.2f} s{where}")
        for violation in recording.violations:
            self.report(f"  {violation}")


def _error(status: int, message: str) -> Response:
    return Response(orjson.dumps({"error": message}), status, {"X-Qwenmock": __version__}, "application/json")
