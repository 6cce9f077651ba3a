"""`qwenmock proxy`: forwards to a provider, within a budget, holds every exchange to the contract, and keeps it."""

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

HOP = {"host", "connection", "keep-alive", "transfer-encoding", "upgrade", "content-length", "accept-encoding", "te"}
SCHEME = "bearer "
TIMEOUT_SECONDS = 120.0


@dataclass
class Proxy:
    """What a proxy works with.

    Attributes:
        target: What stands in for the provider's base URL.
        folder: Where exchanges are kept; None for nowhere.
        tell: Told one line for each exchange.

    """

    provider: Provider
    target: str
    budget: Budget
    folder: Path | None
    tell: Callable[[str], None]

    def app(self) -> Starlette:
        """Return the application that forwards."""
        return Starlette(routes=[Route("/{path:path}", self._forward, methods=["GET", "POST", "DELETE"])])

    async def _forward(self, request: Request) -> Response:
        path, content = request.url.path, await request.body()
        endpoint = endpoint_at(self.provider, request.method, path)
        if endpoint is None:
            return _said(404, f"{self.provider.name} has no {request.method} {path[:200]}")
        worst = self._worst(endpoint, content)
        try:
            self.budget.reserve(worst)
        except OverBudget as error:
            return _said(402, f"not forwarded: {error}")
        spent = worst  # also where no answer comes: it may have been billed
        try:
            reply = await self._send(request, path, content)
            spent = worst if reply.status < 300 else Decimal(0)
        except httpx.HTTPError as error:
            return _said(502, f"{self.target} does not answer: {type(error).__name__}: {error}")
        finally:
            self.budget.settle(worst, spent)
        self._keep(request, endpoint, path, content, reply)
        headers = {name: value for name, value in reply.headers.items() if name not in HOP | {"content-encoding"}}
        return Response(reply.body, reply.status, headers)

    def _worst(self, endpoint: Endpoint, content: bytes) -> Decimal:
        """Return what a request may cost; a model that no document names may cost as much as the dearest."""
        if not endpoint.variants:
            return Decimal(0)
        try:
            body: JSON = orjson.loads(content or b"null")
        except orjson.JSONDecodeError:
            return Decimal(0)
        return worst_case(self.provider, variant_of(endpoint, body), body)

    async def _send(self, request: Request, path: str, content: bytes) -> Reply:
        headers = {name: value for name, value in request.headers.items() if name not in HOP}
        url = self.target + path + (f"?{request.url.query}" if request.url.query else "")
        async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as client:
            response = await client.request(request.method, url, headers=headers, content=content)
            return Reply(
                response.status_code, dict(response.headers), response.content, response.elapsed.total_seconds()
            )

    def _keep(self, request: Request, endpoint: Endpoint, path: str, content: bytes, reply: Reply) -> None:
        recording = recording_of(self.provider, endpoint, path, content, reply)
        given = request.headers.get("authorization", "")
        key = given[len(SCHEME) :].strip() if given.lower().startswith(SCHEME) else given
        where = "" if self.folder is None else f" -> {save(self.folder, recording, (key,)).name}"
        self.tell(f"{request.method} {path} {reply.status} {reply.seconds:.2f} s{where}")
        for violation in recording.violations:
            self.tell(f"  {violation}")


def _said(status: int, text: str) -> Response:
    return Response(orjson.dumps({"error": text}), status, {"X-Qwenmock": __version__}, "application/json")
