"""Bytes on a connection that are nearly HTTP, to a server on a loopback port."""

import contextlib
import json
import logging
import re
import socket
from collections.abc import Iterator
from random import Random

import httpx
from starlette.requests import ClientDisconnect

from fuzz.mutations import changed_bytes, changed_json, dumped
from qwenmock.mockserver.http.server import RunningServer, running
from qwenmock.mockserver.settings import Settings
from qwenmock.pytest_plugin.examiner.bodies import example

SECONDS = 5
PAUSE_SECONDS = 0.3
LAST = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
"""Comes after every input, so that the server closes the connection when it has answered."""
STATUS = re.compile(rb"HTTP/1\.1 ([1-5][0-9]{2}) ")
MAX_ANSWER = 2**22
HEADERS = [
    "Transfer-Encoding: chunked", "Expect: 100-continue", "Connection: close", "Connection: Upgrade, HTTP2-Settings",
    "Upgrade: websocket", "Upgrade: h2c", "Content-Length: 5", "Content-Length: -1", "Content-Length: 99999999999999",
    "Content-Encoding: gzip", "Host: x", "X: " + "a" * 3000, "Range: bytes=0-1", "Accept-Encoding: gzip", ": x",
    "Transfer-Encoding: gzip, chunked", "Cookie: a=b", "Origin: null", "Sec-Fetch-Site: cross-site", "Prefer: wait=0",
    "Content-Type: multipart/form-data; boundary=x", "Content-Type: text/plain", "X-DashScope-Async: enable", "X : y",
]  # fmt: skip
CONTROL: list[tuple[str, str, object]] = [
    ("GET", "journal?limit=5&status=200&provider=nebula&key=sk-mock", None),
    ("GET", "ledger?limit=5&request_id=x", None),
    ("GET", "ledger.csv?limit=1", None),
    ("GET", "verdict", None),
    ("GET", "metrics", None),
    ("GET", "tasks/x", None),
    ("GET", "openapi/nebula.json", None),
    ("GET", "contract/aigc", None),
    ("GET", "docs/evolink", None),
    ("PATCH", "accounts/sk-mock.fuzz", {"provider": "nebula", "balance": "5.5", "requests_per_minute": 3}),
    ("PUT", "faults", [{"provider": "x", "key": "k", "times": 1, "probability": 0.5, "delay_ms": 1, "fail_images": 1}]),
    ("PUT", "faults", [{"key": "k", "callback": "late", "drop": "before", "fail_task": "x", "status": 429}]),
    ("POST", "clock", {"advance_seconds": 1}),
    ("POST", "tasks/x/cancel", {}),
    ("POST", "callbacks/x/resend", {}),
    ("POST", "reset/journal", {}),
    ("POST", "images?suffix=.png", "x"),
]
UPLOAD = (
    b'--x\r\nContent-Disposition: form-data; name="key"\r\n\r\na\r\n'
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx\r\n--x--\r\n'
)


class HttpBytes:
    """A server in a thread of this process."""

    def __init__(self, server: RunningServer) -> None:
        self._server = server
        self._number = 0
        creations = [
            (provider.slug, endpoint, variant)
            for provider in server.double.catalog
            for endpoint in provider.endpoints.values()
            for variant in endpoint.variants
        ]
        self._creations = [(f"/{slug}{e.path}", example(variant)) for slug, e, variant in creations]
        self._queries = [
            f"/{provider.slug}{endpoint.path.replace('{task_id}', 'task-unified-1-abcdefgh')}"
            for provider in server.double.catalog
            for endpoint in provider.endpoints.values()
            if endpoint.method == "GET"
        ]

    def run_one(self, rng: Random) -> None:
        data = b"".join(self.request(rng) for _ in range(rng.choice([1, 1, 1, 1, 2, 3])))
        if rng.random() < 0.8:
            data = changed_bytes(data, rng, rng.randint(1, 5))
        self._check(self._exchange(data, rng))
        self._number += 1
        if self._number % 20 == 0:
            self._reset()

    def _reset(self) -> None:
        """Check that the server still answers, and undo what inputs did to clock, faults and balances."""
        url = f"{self._server.origin}/__mock__/reset"
        assert httpx.post(url, json={}, timeout=SECONDS).status_code == 200

    def request(self, rng: Random) -> bytes:
        """Return one request with something unusual in it, or not."""
        method, path, body = self._parts(rng)
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Authorization: Bearer sk-mock"]
        if body:
            lines.append("Content-Type: application/json")
            lines.append(f"Content-Length: {len(body)}")
        for _ in range(rng.choice([0, 0, 1, 2])):
            lines.insert(rng.randint(1, len(lines)), rng.choice(HEADERS))
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    def _parts(self, rng: Random) -> tuple[str, str, bytes]:
        kind = rng.random()
        if kind < 0.4:
            path, body = rng.choice(self._creations)
            return "POST", path, dumped(changed_json(body, rng) if rng.random() < 0.3 else body, rng)
        if kind < 0.55:
            return rng.choice(["GET", "GET", "HEAD", "DELETE", "OPTIONS", "TRACE"]), rng.choice(self._queries), b""
        if kind < 0.9:
            method, path, content = rng.choice(CONTROL)
            changed = changed_json(content, rng) if rng.random() < 0.7 else content
            return method, f"/__mock__/{path}", b"" if content is None else dumped(changed, rng)
        path = rng.choice(["/health", "/", "*", "http://x/", "/__files__/a/0.png?Expires=1&Signature=x", "/__upload__"])
        return ("POST", path, UPLOAD) if path == "/__upload__" else ("GET", path, b"")

    def _exchange(self, data: bytes, rng: Random) -> bytes:
        """Send bytes, in one piece or two, and return everything that comes back."""
        answer = b""
        address = ("127.0.0.1", self._server.port)
        with contextlib.suppress(OSError), socket.create_connection(address, timeout=SECONDS) as connection:
            at = rng.randrange(len(data) + 1) if rng.random() < 0.3 else 0
            connection.sendall(data[:at])
            connection.sendall(data[at:] + LAST)
            connection.settimeout(PAUSE_SECONDS)
            while len(answer) < MAX_ANSWER and (part := received(connection)):
                answer += part
        return answer

    def _check(self, answer: bytes) -> None:
        """Check the first answer: later ones begin where a length says, which may be of a HEAD."""
        if not answer:
            return
        status = STATUS.match(answer)
        assert status is not None, answer[:200]
        assert int(status[1]) < 500 or int(status[1]) == 503, answer[:500]
        assert b"Traceback (most" not in answer
        head, _, body = answer.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: ([0-9]+)", head)
        if body.startswith(b"HTTP/1.1 "):
            return  # the first was a HEAD
        if b"application/json" in head and length is not None and len(body) >= int(length[1]) > 0:
            json.loads(body[: int(length[1])])


def received(connection: socket.socket) -> bytes:
    """Return the next bytes. If none come for a while, the server waits for more of the request: end it."""
    try:
        return connection.recv(65536)
    except TimeoutError:
        connection.settimeout(SECONDS)
        connection.shutdown(socket.SHUT_WR)
        return connection.recv(65536)


def is_of_server(record: logging.LogRecord) -> bool:
    """Return whether an error is not only that a client has left, for which Starlette raises one."""
    error = None if record.exc_info is None else record.exc_info[1]
    return not isinstance(error, ClientDisconnect)


@contextlib.contextmanager
def http_bytes() -> Iterator[HttpBytes]:
    with running(Settings(port=0, seed=1)) as server:
        httpx.get(f"{server.origin}/health", timeout=SECONDS).raise_for_status()
        # uvicorn configures its loggers when it is created: what it reports as an error is a finding.
        logger = logging.getLogger("uvicorn.error")
        logger.setLevel(logging.ERROR)
        logger.addFilter(is_of_server)
        yield HttpBytes(server)
