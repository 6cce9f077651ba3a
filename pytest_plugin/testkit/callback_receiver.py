"""`qwenmock listen`: a receiver for callbacks that verifies and prints them."""

import json
import sys
import time
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from qwenmock.mockserver.net import webhook_signatures

LARGEST_BODY = 2**20


def create_listener(secret: str | None, fail: int, tell: Callable[[str], None]) -> Starlette:
    """Return the receiver.

    Args:
        secret: What callbacks must be signed with; None takes them unsigned.
        fail: How many callbacks are answered with a 500 first.
        tell: Given what to print.

    """
    left = fail

    async def receive(request: Request) -> Response:
        nonlocal left
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > LARGEST_BODY:
                return Response(status_code=413)
        problem = None
        if secret is not None:
            problem = webhook_signatures.problem(secret, dict(request.headers), body, time.time())
        status = 500 if left > 0 else 401 if problem else 200
        left = max(0, left - 1)
        tell(_told(request, body, problem if secret else "not checked", status))
        return Response(status_code=status)

    return Starlette(routes=[Route("/{path:path}", receive, methods=["POST"])])


def _told(request: Request, body: bytes, problem: str | None, status: int) -> str:
    try:
        shown = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        shown = repr(body[:500])
    stamp = time.strftime("%H:%M:%S")
    return f"{stamp} POST {request.url.path}, signature {problem or 'right'}, answered {status}\n{shown}"


def print_line(text: str) -> None:
    """Print at once."""
    print(text, file=sys.stdout, flush=True)
