"""`qwenmock listen`: a receiver that verifies callbacks and prints them."""

import json
import sys
import time
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from qwenmock.mockserver.net import webhook_signatures

MAX_BODY_BYTES = 2**20


def create_listener(secret: str | None, fail: int, report: Callable[[str], None]) -> Starlette:
    """Return the receiver as an ASGI application.

    Args:
        secret: Secret (`whsec_…`) that callbacks must be signed with, others get a 401; None accepts unsigned ones.
        fail: Number of callbacks to answer with a 500 first.
        report: Called with the text to print for each callback.

    """
    failures_left = fail

    async def receive(request: Request) -> Response:
        nonlocal failures_left
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                return Response(status_code=413)
        problem = None
        if secret is not None:
            problem = webhook_signatures.problem(secret, dict(request.headers), body, time.time())
        status = 500 if failures_left > 0 else 401 if problem else 200
        failures_left = max(0, failures_left - 1)
        signature = "not checked" if secret is None else problem or "valid"
        report(_describe(request.url.path, body, signature, status))
        return Response(status_code=status)

    return Starlette(routes=[Route("/{path:path}", receive, methods=["POST"])])


def _describe(path: str, body: bytes, signature: str, status: int) -> str:
    try:
        content = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        content = repr(body[:500])
    return f"{time.strftime('%H:%M:%S')} POST {path}, signature {signature}, answered {status}\n{content}"


def print_line(text: str) -> None:
    """Print and flush."""
    print(text, file=sys.stdout, flush=True)
