"""The target of an examination: the double in this process, or any server over HTTP."""

import asyncio
import time
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar
from urllib.parse import unquote, urlsplit

import httpx
import orjson
from starlette.types import ASGIApp, Message

from qwenmock.pytest_plugin.examiner.findings import Request
from qwenmock.pytest_plugin.examiner.results import UnreadableAnswer
from qwenmock.schemas.vocabulary import JSON

Result = TypeVar("Result")
TIMEOUT_SECONDS = 45.0
WHOLE_SECONDS = 10.0
"""The most that an answer may take after it has begun, unless the timeout is shorter."""
ORIGIN = "http://127.0.0.1:4010"
"""Origin of the embedded double's URLs; nothing listens there."""


class TargetError(Exception):
    """The target could not be reached, or did not answer in HTTP."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer.

    Attributes:
        headers: By lower-case name.
        seconds: From the request's first byte to the answer's last.
        request: What it answers, if that was kept.

    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float
    request: Request | None = None

    def json(self) -> JSON:
        """Return the body as JSON.

        Raises:
            UnreadableAnswer: It is not JSON.

        """
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise UnreadableAnswer(f"the body is not JSON: {error}") from error

    @property
    def excerpt(self) -> str:
        """The beginning of the body, as text."""
        return self.body[:500].decode("utf-8", "replace")


class Target(Protocol):
    """Something that answers requests.

    Attributes:
        name: For reports.
        base_url: Replaces the provider's production base URL.

    """

    name: str
    base_url: str

    def send(self, method: str, url: str, headers: Mapping[str, str], content: bytes = b"") -> Reply:
        """Send one request to an absolute URL and return the answer.

        Raises:
            TargetError: No answer came.

        """
        ...

    def close(self) -> None:
        """Close connections."""
        ...


class EmbeddedTarget:
    """An ASGI application in this process: no socket, no thread.

    It calls the application itself and not through httpx.ASGITransport, which is slower: 8300 requests against 3500 in
    a second of processor time, and 197 against 170 in a whole examination with profile `smoke`.
    """

    def __init__(self, app: ASGIApp, slug: str) -> None:
        self.name = "the embedded double"
        self.base_url = f"{ORIGIN}/{slug}"
        self._app = app
        self._loop = asyncio.new_event_loop()

    def send(self, method: str, url: str, headers: Mapping[str, str], content: bytes = b"") -> Reply:
        """Call the application."""
        return self.run(self.call(method, url, headers, content))

    def run(self, work: Awaitable[Result]) -> Result:
        """Run something on the application's event loop, and return its result."""
        return self._loop.run_until_complete(work)

    async def call(self, method: str, url: str, headers: Mapping[str, str], content: bytes = b"") -> Reply:
        """Call the application from its own event loop."""
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise TargetError(f"{method} {url[:200]}: {error}") from error
        sent = {"host": parts.netloc, "content-length": str(len(content)), **{k.lower(): v for k, v in headers.items()}}
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": parts.scheme,
            "path": unquote(parts.path),
            "raw_path": parts.path.encode(),
            "query_string": parts.query.encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in sent.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 4010),
        }
        events: list[Message] = [{"type": "http.request", "body": content, "more_body": False}]
        status = 0
        received: dict[str, str] = {}
        chunks: list[bytes] = []

        async def receive() -> Message:
            return events.pop() if events else {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            nonlocal status, received
            if message["type"] == "http.response.start":
                status = message["status"]
                received = {
                    name.decode("latin-1").lower(): value.decode("latin-1") for name, value in message["headers"]
                }
            else:
                chunks.append(message.get("body", b""))

        started = time.perf_counter()
        try:
            await self._app(scope, receive, send)
        except ConnectionError as error:
            raise TargetError(str(error)) from error
        request = Request(method, url, headers, content)
        return Reply(status, received, b"".join(chunks), time.perf_counter() - started, request)

    def close(self) -> None:
        """Cancel the tasks that the application left, and close the event loop."""
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        if left:
            self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self._loop.close()


class ControlledTarget:
    """A target that is sent a token with each call of its control API, and with nothing else.

    Args:
        control: URL of the control API.

    """

    def __init__(self, target: Target, control: str, token: str) -> None:
        self.name = target.name
        self.base_url = target.base_url
        self._target = target
        self._control = control
        self._token = token

    def send(self, method: str, url: str, headers: Mapping[str, str], content: bytes = b"") -> Reply:
        """Send one request."""
        if url.startswith(f"{self._control}/"):
            headers = {**headers, "Authorization": f"Bearer {self._token}"}
        return self._target.send(method, url, headers, content)

    def close(self) -> None:
        """Close the target."""
        self._target.close()


class HttpTarget:
    """A server at a URL."""

    def __init__(self, base_url: str, timeout: float = TIMEOUT_SECONDS) -> None:
        self.name = base_url
        self.base_url = base_url.rstrip("/")
        self._whole_seconds = min(WHOLE_SECONDS, timeout)
        self._client = httpx.Client(timeout=timeout, follow_redirects=False, trust_env=True)

    def send(self, method: str, url: str, headers: Mapping[str, str], content: bytes = b"") -> Reply:
        """Send one request; an answer that has begun must be complete within some seconds."""
        where = f"{method} {url.partition('?')[0][:200]}"
        started = time.perf_counter()
        try:
            with self._client.stream(method, url, headers=dict(headers), content=content) as response:
                begun = time.perf_counter()
                chunks: list[bytes] = []
                for chunk in response.iter_bytes():
                    chunks.append(chunk)
                    if time.perf_counter() - begun > self._whole_seconds:
                        late = f"the answer is incomplete {self._whole_seconds:g} s after it began"
                        raise TargetError(f"{where}: {late}")
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, ValueError) as error:
            raise TargetError(f"{where}: {type(error).__name__}: {error}") from error
        seconds = time.perf_counter() - started
        request = Request(method, url, headers, content)
        return Reply(response.status_code, dict(response.headers), b"".join(chunks), seconds, request)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
