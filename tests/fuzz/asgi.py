"""One request to an application in this process."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes


async def send(app: ASGIApp, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Reply:
    """Send a request; raise if the answer is not one that a server could write."""
    given = {"host": "127.0.0.1", "content-length": str(len(body)), **headers}
    path, _, query = path.partition("?")
    scope: dict[str, Any] = {
        "type": "http",
        "method": method,
        "scheme": "http",
        "path": path,
        "query_string": query.encode(),
        "server": ("127.0.0.1", 80),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in given.items()],
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def collect(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, collect)
    start, *rest = sent
    assert start["type"] == "http.response.start"
    answered = {name.decode("ascii"): value.decode("latin-1") for name, value in start["headers"]}
    return Reply(start["status"], answered, b"".join(message.get("body", b"") for message in rest))
