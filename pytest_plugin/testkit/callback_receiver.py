"""`qwenmock listen`: a receiver that verifies callbacks, prints them and lists them.

A callback URL may have the query `answers=500,none,200`: the statuses that the first callbacks to it get. `none` stands
for no answer.
"""

import asyncio
import json
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import TypedDict

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from qwenmock.mockserver.net import webhook_signatures

MAX_BODY_BYTES = 2**20
MAX_LISTED = 1000
NO_ANSWER_SECONDS = 60.0
MAX_ANSWERS = 100


class ListedCallback(TypedDict):
    """A callback in the list of a receiver.

    Attributes:
        at: Unix seconds.
        url: As it was received.
        status: The answer; None if it got none.

    """

    at: float
    method: str
    url: str
    headers: dict[str, str]
    body: str
    status: int | None


def create_listener(secret: str | None, fail: int, report: Callable[[str], None]) -> Starlette:
    """Return the receiver as an ASGI application.

    Args:
        secret: Secret (`whsec_…`) that callbacks must be signed with, others get a 401; None accepts unsigned ones.
        fail: Number of callbacks to answer with a 500 first.
        report: Called with the text to print for each callback.

    """
    failures_left = fail
    listed: deque[ListedCallback] = deque(maxlen=MAX_LISTED)

    async def receive(request: Request) -> Response:
        nonlocal failures_left
        at = time.time()
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                return Response(status_code=413)
        problem = None
        if secret is not None:
            problem = webhook_signatures.problem(secret, dict(request.headers), body, time.time())
        status = 500 if failures_left > 0 else 401 if problem else _chosen(request, listed)
        failures_left = max(0, failures_left - 1)
        signature = "not checked" if secret is None else problem or "valid"
        report(_describe(request.url.path, body, signature, status))
        listed.append(
            {
                "at": at,
                "method": request.method,
                "url": str(request.url),
                "headers": dict(request.headers),
                "body": body.decode("utf-8", "replace"),
                "status": status,
            }
        )
        if status is None:
            await _wait_for_the_end(request)
        return Response(status_code=status or 504)

    async def show(_request: Request) -> Response:
        return JSONResponse(list(listed))

    return Starlette(
        routes=[Route("/{path:path}", receive, methods=["POST"]), Route("/{path:path}", show, methods=["GET"])]
    )


def _chosen(request: Request, listed: "deque[ListedCallback]") -> int | None:
    """Return the status that a callback's URL chooses for it; None for no answer."""
    answers = request.query_params.get("answers", "").split(",")[:MAX_ANSWERS]
    number = sum(each["url"] == str(request.url) for each in listed)
    chosen = answers[number] if number < len(answers) else ""
    if chosen == "none":
        return None
    return int(chosen) if chosen.isascii() and chosen.isdecimal() and 200 <= int(chosen[:4]) < 600 else 200


async def _wait_for_the_end(request: Request) -> None:
    """Wait until the sender closes the connection."""
    try:
        async with asyncio.timeout(NO_ANSWER_SECONDS):
            while (await request.receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return


def _describe(path: str, body: bytes, signature: str, status: int | None) -> str:
    try:
        content = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        content = repr(body[:500])
    answer = "not answered" if status is None else f"answered {status}"
    return f"{time.strftime('%H:%M:%S')} POST {path}, signature {signature}, {answer}\n{content}"


def print_line(text: str) -> None:
    """Print and flush."""
    print(text, file=sys.stdout, flush=True)
