"""The proxy without a socket: what it forwards, what that may cost, and what becomes of the answer."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import orjson
import pytest
from httpx import AsyncClient

from qwenmock.mockserver._version import __version__
from qwenmock.pytest_plugin.examiner.budget import Budget
from qwenmock.pytest_plugin.recording.proxy import Proxy
from qwenmock.schemas.catalog import load
from qwenmock.schemas.models import Provider
from qwenmock.schemas.recordings import load_recordings

CATALOG = load()
NEBULA, EVOLINK = CATALOG["nebula"], CATALOG["evolink"]
PATH = "/v1/images/generations"
PRICE = Decimal("0.18")
DEAREST = 6 * PRICE
TARGET = "https://production.example/api"
TEXT = orjson.dumps({"model": "qwen-image-plus", "prompt": "a cat", "parameters": {"size": "1328*1328"}})
REFUSAL = b'{"code":400,"msg":"Parameter Error: why","data":null}'


class Stream(httpx.AsyncByteStream):
    """A body that arrives in pieces, and may break off."""

    def __init__(self, *pieces: bytes | Exception) -> None:
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece


def answering(status: int, *pieces: bytes | Exception, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, headers=named, stream=Stream(*pieces))


class Exchange:
    """One request to a proxy, whose target is a function.

    Attributes:
        forwarded: What the target got.
        said: What the proxy reported.
        clients: Those that it made.

    """

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, answer: httpx.Response | Exception | None = None, *,
        provider: Provider = NEBULA, budget: str = "2", folder: Path | None = None,
    ) -> None:  # fmt: skip
        self.forwarded: list[httpx.Request] = []
        self.said: list[str] = []
        self.sent: list[Any] = []
        self.clients: list[httpx.AsyncClient] = []
        self.answer = answering(200) if answer is None else answer
        self.budget = Budget(Decimal(budget), "CNY", option="--budget")
        self.proxy = Proxy(provider, TARGET, self.budget, folder, self.said.append)

        def client(**more: Any) -> httpx.AsyncClient:
            self.clients.append(AsyncClient(transport=httpx.MockTransport(self._handle), **more))
            return self.clients[-1]

        monkeypatch.setattr(httpx, "AsyncClient", client)

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.forwarded.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def ask(
        self, content: bytes = TEXT, *, method: str = "POST", path: str = PATH, raw: bytes | None = None,
        query: bytes = b"", **headers: str,
    ) -> tuple[int, bytes]:  # fmt: skip
        """Send a request, and return status and body."""
        names = {"authorization": "Bearer sk-mock-secret"} | {k.replace("_", "-"): v for k, v in headers.items()}
        scope: dict[str, Any] = {
            "type": "http", "method": method, "path": path, "query_string": query, "root_path": "",
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in names.items()],
        }  # fmt: skip
        if raw is not None:
            scope["raw_path"] = raw

        async def receive() -> Any:
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: Any) -> None:
            self.sent.append(message)

        asyncio.run(self.proxy.app()(scope, receive, send))
        assert all(client.is_closed for client in self.clients)
        assert self.budget.left + self.budget.spent == self.budget.limit, "nothing stays reserved"
        return self.sent[0]["status"], b"".join(message["body"] for message in self.sent[1:])


def error(message: str) -> bytes:
    return orjson.dumps({"error": message})


# What is forwarded.


def test_request_is_forwarded_as_it_was_written(monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = Exchange(monkeypatch)
    headers = dict.fromkeys(("accept", "user_agent", "connection", "te", "upgrade", "x_own"), "x")
    assert exchange.ask(query=b"a=%2F", raw=b"/v1/images/%67enerations", host="here", **headers)[0] == 200
    [request] = exchange.forwarded
    assert (request.method, request.content) == ("POST", TEXT)
    assert str(request.url) == TARGET + "/v1/images/%67enerations?a=%2F"
    assert dict(request.headers) == {
        "host": "production.example",
        "authorization": "Bearer sk-mock-secret",
        "accept": "x",
        "user-agent": "x",
        "x-own": "x",
        "connection": "keep-alive",
        "accept-encoding": "identity",
        "content-length": str(len(TEXT)),
    }
    assert exchange.clients[0].timeout == httpx.Timeout(120)


@pytest.mark.parametrize(
    ("asked", "forwarded"), [("br, GZIP", "gzip"), ("br", "identity"), ("", "identity"), ("gzip;q=1", "gzip")]
)
def test_encoding_is_one_that_can_be_read(asked: str, forwarded: str, monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = Exchange(monkeypatch)
    exchange.ask(accept_encoding=asked)
    assert exchange.forwarded[0].headers.get_list("accept-encoding") == [forwarded]


def test_path_that_is_not_given_as_it_was_written_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = Exchange(monkeypatch, provider=EVOLINK)
    exchange.ask(b"", method="GET", path="/v1/tasks/a b")
    assert str(exchange.forwarded[0].url) == TARGET + "/v1/tasks/a%20b"


@pytest.mark.parametrize(
    ("asked", "status", "reason"),
    [
        ({"path": "/elsewhere"}, 404, "Nebula has no endpoint POST /elsewhere"),
        ({"method": "GET"}, 404, f"Nebula has no endpoint GET {PATH}"),
        ({"path": "/" + "x" * 300}, 404, f"Nebula has no endpoint POST /{'x' * 199}"),
        (
            {"content": b"x" * (NEBULA.max_body_bytes + 1)},
            413,
            f"expected a body of at most {NEBULA.max_body_bytes} bytes",
        ),
    ],
)
def test_what_is_not_forwarded(
    asked: dict[str, Any], status: int, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange = Exchange(monkeypatch)
    assert exchange.ask(**asked) == (status, error(reason))
    assert exchange.forwarded == []
    assert (b"x-qwenmock", __version__.encode()) in exchange.sent[0]["headers"]
    assert exchange.budget.worst == 0


@pytest.mark.parametrize("name", [".", ".."])
def test_path_with_dots_is_not_forwarded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = Exchange(monkeypatch, provider=EVOLINK)
    found = exchange.ask(b"", method="GET", path=f"/v1/tasks/{name}")
    assert found == (400, error(f"expected a path without . and .. in it, got /v1/tasks/{name}"))
    assert exchange.forwarded == []


@pytest.mark.parametrize("raw", [b"/v1/images/gener\x00ations", b"/v1/images/gener\xff"])
def test_path_that_cannot_be_requested_is_not_forwarded(raw: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = Exchange(monkeypatch)
    status, body = exchange.ask(raw=raw)
    assert status == 400
    assert orjson.loads(body)["error"].startswith("cannot be forwarded: ")
    assert (exchange.forwarded, exchange.budget.worst, len(exchange.clients)) == ([], 0, 1)


# What it may cost.


def test_request_that_may_cost_more_than_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = Exchange(monkeypatch, budget="0.17")
    reason = "not forwarded: could cost 0.18 CNY, and 0.17 CNY of --budget are left"
    assert exchange.ask() == (402, error(reason))
    assert (exchange.forwarded, len(exchange.clients)) == ([], 1)


@pytest.mark.parametrize(
    ("status", "spent"),
    [
        *((status, PRICE) for status in (200, 202, 299, 502, 504)),
        *((status, 0) for status in (300, 302, 400, 429, 503)),
    ],
)
def test_what_is_spent_depends_on_the_answer(status: int, spent: Decimal, monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = Exchange(monkeypatch, answering(status, b"{}"))
    assert exchange.ask() == (status, b"{}")
    assert (exchange.budget.spent, exchange.budget.worst) == (spent, PRICE)


@pytest.mark.parametrize("status", [199, 600])
def test_answer_with_a_status_that_http_does_not_have(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = Exchange(monkeypatch, answering(status))
    reason = f"{TARGET} answered with status {status}, which HTTP does not have"
    assert exchange.ask() == (502, error(reason))
    assert isinstance(exchange.answer, httpx.Response)
    assert exchange.answer.is_closed
    assert exchange.budget.spent == (PRICE if status < 200 else 0)


def test_last_status_that_http_has(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Exchange(monkeypatch, answering(599)).ask()[0] == 599


def test_request_without_an_answer_may_have_been_billed(monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = Exchange(monkeypatch, httpx.ConnectError("no route"))
    assert exchange.ask() == (502, error(f"no answer from {TARGET}: ConnectError: no route"))
    assert exchange.budget.spent == PRICE
    exchange = Exchange(monkeypatch, RuntimeError("a mistake of the proxy"))
    with pytest.raises(RuntimeError):
        exchange.ask()
    assert (exchange.budget.spent, exchange.budget.left) == (PRICE, 2 - PRICE)


@pytest.mark.parametrize(
    ("content", "headers", "worst"),
    [
        (TEXT, {}, PRICE),
        (b"[" + TEXT + b"]", {}, DEAREST),
        (b"", {}, DEAREST),
        (TEXT, {"content_encoding": "gzip"}, DEAREST),
        (orjson.dumps({"model": "unknown", "parameters": {"n": 4}}), {}, 4 * PRICE),
    ],
)
def test_worst_case(content: bytes, headers: dict[str, str], worst: Decimal, monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = Exchange(monkeypatch)
    assert exchange.ask(content, **headers)[0] == 200
    assert exchange.budget.spent == worst


def test_query_of_a_task_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = Exchange(monkeypatch, provider=EVOLINK, budget="0")
    assert exchange.ask(b"", method="GET", path="/v1/tasks/t")[0] == 200
    assert exchange.budget.worst == 0


# The answer.


def test_answer_is_handed_on_as_it_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    headers = {"content-type": "application/json", "Connection": "close", "x-own": "1", "keep-alive": "5"}
    exchange = Exchange(monkeypatch, httpx.Response(200, headers=headers, stream=Stream(b"a" * 70_000, b"b")))
    assert exchange.ask() == (200, b"a" * 70_000 + b"b")
    assert exchange.sent[0]["headers"] == [(b"content-type", b"application/json"), (b"x-own", b"1")]
    assert [(len(each["body"]), each.get("more_body", False)) for each in exchange.sent[1:]] == [
        (65_536, True),
        (4465, True),
        (0, False),
    ]


def test_answer_that_breaks_off_is_said_and_not_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = answering(200, b"a" * 65_536, httpx.ReadError("reset"))
    exchange = Exchange(monkeypatch, answer, folder=tmp_path)
    with pytest.raises(httpx.ReadError):
        exchange.ask()
    assert exchange.said == [f"POST {PATH} 200; not recorded: the answer broke off: ReadError: reset"]
    assert [message["type"] for message in exchange.sent] == ["http.response.start", "http.response.body"]
    assert all(client.is_closed for client in exchange.clients)
    assert answer.is_closed
    assert exchange.budget.spent == PRICE
    assert load_recordings(tmp_path) == []


@pytest.mark.parametrize(
    ("credentials", "secret"),
    [
        ("Bearer sk-mock-secret", "sk-mock-secret"),
        ("Bearer plain-secret-text", "plain-secret-text"),
        ("bearer  sk-mock-secret", "sk-mock-secret"),
        ("opaque-secret", "opaque-secret"),
    ],
)
def test_exchange_is_recorded_without_the_key(
    credentials: str, secret: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = answering(400, REFUSAL.replace(b"why", secret.encode()), x_request_id="r")
    exchange = Exchange(monkeypatch, answer, folder=tmp_path)
    exchange.ask(orjson.dumps({"model": secret}), authorization=credentials)
    [recording] = load_recordings(tmp_path)
    assert (recording.provider, recording.method, recording.path, recording.status) == ("nebula", "POST", PATH, 400)
    assert secret not in str(recording)
    assert recording.answer == {"code": 400, "msg": "Parameter Error: removed", "data": None}
    assert recording.headers == {"x-request-id": "r"}
    [file] = [path for path in tmp_path.rglob("*") if path.is_file()]
    [line, *violations] = exchange.said
    assert line.startswith(f"POST {PATH} 400 ")
    assert line.endswith(f" s -> {file.name}")
    assert violations == [f"  {each}" for each in recording.violations]


def test_time_is_measured_from_the_request_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([100.0, 102.5, 103.25])
    monkeypatch.setattr("qwenmock.pytest_plugin.recording.proxy.time", SimpleNamespace(monotonic=lambda: next(times)))
    exchange = Exchange(monkeypatch, answering(400, REFUSAL), folder=tmp_path)
    exchange.ask()
    [recording] = load_recordings(tmp_path)
    assert recording.seconds == 3.25
    assert exchange.said[0].startswith(f"POST {PATH} 400 2.50 s -> ")


def test_violations_are_said_without_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = Exchange(monkeypatch, answering(200, b"{}"))
    exchange.ask()
    [line, *violations] = exchange.said
    assert line.startswith(f"POST {PATH} 200 ")
    assert line.endswith(" s")
    assert "  nebula/simplified.200/code/required: the answer breaks it" in violations


def test_answer_is_recorded_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = gzip.compress(REFUSAL)
    exchange = Exchange(monkeypatch, answering(400, packed, content_encoding="gzip"), folder=tmp_path)
    assert exchange.ask() == (400, packed)
    [recording] = load_recordings(tmp_path)
    assert recording.answer == orjson.loads(REFUSAL)


def test_answer_that_cannot_be_recorded_is_handed_on_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = Exchange(monkeypatch, answering(200, b"x", content_encoding="br"), folder=tmp_path)
    assert exchange.ask() == (200, b"x")
    [line] = exchange.said
    assert line.endswith(" s; not recorded: expected the content encoding gzip or none, got 'br'")
    exchange = Exchange(monkeypatch, folder=tmp_path / "file")
    (tmp_path / "file").touch()
    assert exchange.ask()[0] == 200
    assert " s; not recorded: " in exchange.said[0]


def test_mistake_in_recording_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise LookupError("what")

    monkeypatch.setattr("qwenmock.pytest_plugin.recording.proxy.recording_of", fail)
    exchange = Exchange(monkeypatch)
    assert exchange.ask()[0] == 200
    [line] = exchange.said
    assert line.endswith(" s; not recorded: LookupError: what")
