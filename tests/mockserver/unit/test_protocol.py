"""A request that is answered without ASGI is answered as uvicorn and the application would answer it."""

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from qwenmock.mockserver.calls.double import create_double
from qwenmock.mockserver.calls.faults import Fault
from qwenmock.mockserver.clock import Clock
from qwenmock.mockserver.errors import StoreError
from qwenmock.mockserver.http import protocol
from qwenmock.mockserver.http.app import Application, create_app
from qwenmock.mockserver.http.protocol import DoubleHttpProtocol
from qwenmock.mockserver.settings import Settings
from qwenmock.mockserver.store.protocols import Selection
from qwenmock.schemas.catalog import load

CATALOG = load()
TURNS = 60
"""Turns of the event loop in which everything is answered that needs no time: three times as many as that takes."""
BODY = {"model": "qwen-image-plus", "prompt": "a cat, 猫", "parameters": {"size": "1328*1328"}}
TASK = {"model": "qwen-image", "input": {"prompt": "a cat"}, "parameters": {"size": "1328*1328", "n": 1}}
KEY = b"Authorization: Bearer sk-mock\r\n"
TYPE = b"Content-Type: application/json\r\n"


class StoppedClock(Clock):
    def now(self) -> float:
        return 1_800_000_000.25 + self.offset


class Transport(asyncio.Transport):
    """A connection to nobody."""

    def __init__(self) -> None:
        super().__init__({"sockname": ("127.0.0.1", 4010), "peername": ("127.0.0.1", 50000)})
        self.sent = b""
        self.writes = 0
        self.end = ""
        self.is_paused = False

    def write(self, data: Any) -> None:
        self._check()
        if not self.end:
            self.sent += bytes(data)
            self.writes += 1

    def is_closing(self) -> bool:
        return bool(self.end)

    def close(self) -> None:
        self.end = self.end or "closed"

    def abort(self) -> None:
        self.end = self.end or "aborted"

    def reset(self) -> None:
        """End the connection as the other side does; the protocol does not know yet."""
        self.end = "reset"

    def pause_reading(self) -> None:
        self._check()
        self.is_paused = True

    def resume_reading(self) -> None:
        self._check()
        self.is_paused = False

    def _check(self) -> None:
        if self.end == "reset":
            raise RuntimeError("the handler is closed")  # as uvloop does


class Connection:
    """One connection to a double.

    Args:
        kind: The protocol that it speaks.
        app: The double; None for a new one.
        settings: Of the new one.

    """

    def __init__(self, kind: type[HttpToolsProtocol], app: Application | None = None, **settings: Any) -> None:
        self.app = app or application(**settings)
        config = uvicorn.Config(
            self.app, http=kind, log_config=None, access_log=False, lifespan="off", proxy_headers=False
        )
        config.load()
        state = ServerState()
        state.default_headers = [(b"date", b"today")]
        self.transport = Transport()
        self.task: asyncio.Future[Any] | None = None
        self.state = state
        self.protocol = kind(config, state, {}, asyncio.get_running_loop())
        self.protocol.connection_made(self.transport)

    async def play(self, steps: Sequence[object]) -> tuple[bytes, str]:
        """Receive bytes, or call functions; return what was sent, and how the connection ended."""
        for step in steps:
            if isinstance(step, bytes):
                self.protocol.data_received(step)
            else:
                assert callable(step)
                step(self)
            await settled()
        return self.transport.sent, self.transport.end

    async def kept(self) -> tuple[object, ...]:
        """Return the charges and journal entries, but for times."""
        store = self.app.double.store
        entries = [
            {name: value for name, value in entry.items() if name not in {"milliseconds", "microseconds"}}
            for entry in await store.journal(Selection())
        ]
        return await store.charges(Selection()), entries, await store.tasks(Selection())


def application(**settings: Any) -> Application:
    double = create_double(Settings(seed=7, **settings), CATALOG)
    double.clock = StoppedClock()
    app = create_app(double, calls_out=False)
    double.wake = lambda: None  # each test has an event loop of its own, and the worker only one
    return app


async def settled() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


def request(
    path: str = "/nebula/v1/images/generations",
    body: object = BODY,
    *,
    method: str = "POST",
    more: bytes = b"",
    head: bytes = KEY + TYPE,
    version: str = "1.1",
) -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    length = b"Content-Length: %d\r\n" % len(data) if data else b""
    start = f"{method} {path} HTTP/{version}\r\nHost: 127.0.0.1:4010\r\n".encode()
    return start + head + more + length + b"\r\n" + data


def split(data: bytes, at: int) -> list[object]:
    return [data[:at], data[at:]]


def fault(**values: Any) -> Callable[[Connection], None]:
    def plan(connection: Connection) -> None:
        connection.task = asyncio.ensure_future(connection.app.double.plan.set([Fault(times=1, **values)]))

    return plan


def polled(connection: Connection) -> None:
    """Ask for the newest task."""

    async def ask() -> None:
        (task,) = await connection.app.double.store.tasks(Selection(limit=1))
        connection.protocol.data_received(request(f"/dashscope/api/v1/tasks/{task.id}", b"", method="GET", head=KEY))

    connection.task = asyncio.ensure_future(ask())


def later(connection: Connection) -> None:
    """Let the tasks end."""

    async def move() -> None:
        connection.app.double.clock.offset = await connection.app.double.store.move_clock(100)

    connection.task = asyncio.ensure_future(move())


CHUNKED = (
    b"POST /nebula/v1/images/generations HTTP/1.1\r\nHost: 127.0.0.1\r\n" + KEY + TYPE + b"Transfer-Encoding: chunked"
    b"\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(json.dumps(BODY)), json.dumps(BODY).encode())
)
TASKS = "/dashscope/api/v1/services/aigc/text2image/image-synthesis"
ASYNC = b"X-DashScope-Async: enable\r\n"
SCENARIOS: dict[str, list[object]] = {
    "usual": [request()],
    "head and body apart": split(request(), request().index(b"\r\n\r\n") + 4),
    "body in two parts": split(request(), len(request()) - 20),
    "head in two parts": split(request(), 30),
    "one after another": [request(), request(), request()],
    "another body of the same length": [request(), request(), request().replace(b"a cat", b"a dog"), request()],
    "another length": [request(), request(body={**BODY, "prompt": "a"}), request()],
    "the same after a part": [request(), request()[:50], request()[50:], request(), request()],
    "a part that is as long": [request() + request()[:10], request()[10:] + request()[:10], request()[10:], request()],
    "line breaks between": [request(), b"\r\n", request(), b"\r", request(), b"\n" + request(), request() + b"\r\n"],
    "line breaks at the end": [request() + b"\r\n\r\n", request() + b"\r\n\r\n", request()],
    "refused, and again": [request(body={**BODY, "parameters": {"size": "1*1"}})] * 3,
    "by ASGI between": [request(), request(more=b"Prefer: code=500\r\n"), request(), request()],
    "chunked, and again": [request(), CHUNKED, CHUNKED, request()],
    "fault between": [request(), request(), fault(status=429), request(), request()],
    "not JSON, with a head that is known": [request(), b"{".join((request()[:-170], b"x" * 169))],
    "pipelined": [request() * 3],
    "pipelined, another way between": [request() + request("/health", b"", method="GET") + request()],
    "pipelined, the second one later": [request() + request()[:200], request()[200:]],
    "another head on the connection": [request(), request(head=KEY + TYPE + b"X-Other: 1\r\n"), request()],
    "another path": [request(), request("/nebula/v1/images/other"), request()],
    "another method": [request(), request(method="PUT"), request()],
    "another host": [request(), request().replace(b"127.0.0.1:4010", b"double.example"), request()],
    "path with a query": [request("/nebula/v1/images/generations?a=b")],
    "encoded path": [request("/nebula/v1/images/gener%61tions")],
    "absolute URL": [request("http://127.0.0.1:4010/nebula/v1/images/generations")],
    "path outside of ASCII": [request("/nebula/é")],
    "refused": [request(body={**BODY, "parameters": {"size": "1*1"}})],
    "refused, outside of Latin-1": [request(body={**BODY, "parameters": {"size": "猫"}})],
    "not JSON": [request(body=b"{")],
    "another content type": [request(head=KEY + b"Content-Type: text/plain\r\n")],
    "no body": [request(body=b"")],
    "no key": [request(head=TYPE)],
    "key that always fails": [request(head=TYPE + b"Authorization: Bearer sk-mock-broken\r\n")],
    "preferred error": [request(more=b"Prefer: code=500\r\n")],
    "connection is to be closed": [request(more=b"Connection: close\r\n")],
    "HTTP 1.0": [request(version="1.0")],
    "HTTP 1.0, kept alive": [request(version="1.0", more=b"Connection: keep-alive\r\n")],
    "refused before its body has come": [request(head=TYPE)[:-20]],
    "after one that expects 100": [request(more=b"Expect: 100-continue\r\n"), request()[:-20], request()[-20:]],
    "expects 100": [request(more=b"Expect: 100-continue\r\n")],
    "asks for another protocol": [request(more=b"Connection: Upgrade\r\nUpgrade: h2c\r\n")],
    "chunked": [CHUNKED],
    "body of a query": [request("/ai302/302/credits", b"{}", method="GET")],
    "fault: 429": [fault(status=429), request(), request()],
    "fault: 429, after a usual one": [request(), fault(status=429), request(), request()],
    "fault: no answer": [fault(drop="before"), request()],
    "fault: half an answer": [fault(drop="mid-body"), request()],
    "task": [request(TASKS, TASK, more=ASYNC)],
    "task and query": [request(TASKS, TASK, more=ASYNC), polled, polled, polled],
    "list, and again": [request("/dashscope/api/v1/tasks/", b"", method="GET")] * 3,
    "task after one that has ended": [request(TASKS, TASK, more=ASYNC), later, request(TASKS, TASK, more=ASYNC)],
    "unknown task": [request("/dashscope/api/v1/tasks/none", b"", method="GET", head=KEY)],
    "list of tasks": [request(TASKS, TASK, more=ASYNC), request("/dashscope/api/v1/tasks/", b"", method="GET")],
    "head too large": [request(more=b"X-Long: " + b"x" * 9000 + b"\r\n")],
    "body too large for the direct way": [request(body={**BODY, "prompt": "a" * 20_000})],
    "not HTTP": [b"hello\r\n\r\n"],
    "control API": [request("/__mock__/ledger", b"", method="GET")],
    "forwarded": [request(more=b"X-Forwarded-Proto: https\r\nX-Forwarded-Host: a.example\r\n")],
    "URL without a host, its body later": split(request("http:///x"), request("http:///x").index(b"\r\n\r\n") + 4),
    "path outside of ASCII, its body later": split(request("/nebula/é"), -10),
}


APP = application()


@pytest.fixture(scope="module", params=["memory", "file"])
def apps(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Application, Application]:
    """Two doubles with the same seed, for both ways: the same requests get the same ids."""
    folder = tmp_path_factory.mktemp("states")
    states = [{}, {}] if request.param == "memory" else [{"state": str(folder / name)} for name in ("1.db", "2.db")]
    return application(**states[0]), application(**states[1])


@pytest.mark.parametrize("name", SCENARIOS)
def test_hot_path_agrees_with_asgi(name: str, apps: tuple[Application, Application]) -> None:
    async def play(kind: type[HttpToolsProtocol], app: Application) -> tuple[object, ...]:
        connection = Connection(kind, app)
        seen = await connection.play(SCENARIOS[name])
        kept = await connection.kept()
        await app.double.store.reset("all")
        await app.double.plan.load()
        return *seen, kept

    direct = asyncio.run(play(DoubleHttpProtocol, apps[0]))
    assert direct == asyncio.run(play(HttpToolsProtocol, apps[1]))


@pytest.mark.parametrize("state", ["", "state.db"])
@pytest.mark.parametrize(
    "usual", [request(), request(TASKS, TASK, more=ASYNC), request(body={**BODY, "parameters": {"size": "1*1"}})]
)
def test_usual_request_needs_neither_a_task_nor_two_writes(
    usual: bytes, state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> None:
        connection = Connection(DoubleHttpProtocol, **({"state": str(tmp_path / state)} if state else {}))
        await connection.play([request(TASKS, TASK, more=ASYNC), request()])  # opens the accounts
        writes = connection.transport.writes
        with monkeypatch.context() as patch:
            patch.setattr(connection.protocol.loop, "create_task", refuse_task)
            await connection.play([usual])
        assert connection.transport.writes == writes + 1

    asyncio.run(play())


@pytest.mark.parametrize("state", ["", "state.db"])
@pytest.mark.parametrize(
    ("before", "is_known"),
    [
        (request(), True),
        (b"\r\n", True),
        (request("/health", b"", method="GET"), False),
        (request() + b"\r\n\r\n", False),
        (request() + request()[:9], False),
        (request()[:9], False),
        (request()[:-2], False),
        (request("/nebula/v1/images/other"), False),
        (request(head=KEY + TYPE + b"X-Other: 1\r\n"), False),
    ],
)
def test_request_with_a_head_that_is_known_is_not_parsed(
    state: str, before: bytes, is_known: bool, tmp_path: Path
) -> None:
    """The head of the last request that was answered directly, if it came by itself and nothing follows it."""

    async def play() -> None:
        connection = Connection(DoubleHttpProtocol, **({"state": str(tmp_path / state)} if state else {}))
        await connection.play([request(), before])
        sent = connection.transport.sent
        with pytest.MonkeyPatch.context() as patch:
            parser = connection.protocol.parser
            patch.setattr(connection.protocol, "parser", None)
            if is_known:
                await connection.play([request().replace(b"a cat", b"a dog")])
                assert connection.transport.sent[len(sent) :].startswith(b"HTTP/1.1 200 OK")
                *_, entries, _tasks = await connection.kept()
                assert json.loads(json.dumps(entries[0]))["request"]["prompt"] == "a dog, 猫"  # type: ignore[index]
            else:
                with pytest.raises(AttributeError):
                    connection.protocol.data_received(request())
            patch.setattr(connection.protocol, "parser", parser)

    asyncio.run(play())


def test_request_with_a_head_that_is_known_is_answered_by_asgi_if_it_must_be(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> int:
        connection = Connection(DoubleHttpProtocol)
        await connection.play([request()])
        monkeypatch.setattr(connection.app.double, "waits_are_real", lambda: False)
        sent, _ = await connection.play([request()])
        return sent.count(b"HTTP/1.1 200 OK")

    assert asyncio.run(play()) == 2


def test_timer_of_an_answer_by_asgi_ends_with_a_request_whose_head_is_known() -> None:
    async def play() -> None:
        connection = Connection(DoubleHttpProtocol, APP)
        await connection.play([request(), request()[:-5], request()[-5:]])
        timer = connection.protocol.timeout_keep_alive_task
        assert timer is not None
        await connection.play([request()])
        assert timer.cancelled()

    asyncio.run(play())


def refuse_task(*_args: object, **_options: object) -> None:
    raise AssertionError("a task")


def test_answer_waits_for_its_commit_and_others_wait_for_it(tmp_path: Path) -> None:
    async def play() -> None:
        connection = Connection(DoubleHttpProtocol, state=str(tmp_path / "state.db"))
        await connection.play([request()])
        before = connection.transport.sent
        store = connection.app.double.store
        commit = store._commit  # type: ignore[attr-defined]
        store._commit = lambda: None  # type: ignore[attr-defined]
        await connection.play([request(), request()])
        assert connection.transport.sent == before
        connection.protocol.shutdown()
        assert not connection.transport.end
        store._commit = commit  # type: ignore[attr-defined]
        commit()
        await settled()
        assert connection.transport.sent[len(before) :].startswith(b"HTTP/1.1 200 OK")
        assert connection.transport.end == "closed"

    asyncio.run(play())


def test_client_that_left_before_the_commit_is_charged_and_sent_nothing(tmp_path: Path) -> None:
    async def play() -> None:
        connection = Connection(DoubleHttpProtocol, state=str(tmp_path / "state.db"))
        await connection.play([request()])
        sent = connection.transport.sent
        connection.protocol.data_received(request())
        connection.protocol.connection_lost(None)
        await settled()
        assert connection.transport.sent == sent
        charges, *_ = await connection.kept()
        assert len(charges) == 2  # type: ignore[arg-type]

    asyncio.run(play())


@pytest.mark.parametrize(
    "waiting",
    [
        request(),
        request(more=b"Prefer: wait=0\r\n"),
        request() + request() * (protocol.MOST_QUEUED + 2),
        request("/__mock__/journal/events", b"", method="GET") + request(),
    ],
    ids=["commit", "asgi", "queue", "stream"],
)
@pytest.mark.parametrize("is_known", [False, True])
def test_connection_that_ends_before_the_answer_is_no_error(
    waiting: bytes, is_known: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Also if other requests of the connection wait, and if the transport knows of the end before the protocol."""

    async def play() -> None:
        connection = Connection(DoubleHttpProtocol, state=str(tmp_path / "state.db"))
        await connection.play([request()])
        sent = connection.transport.sent
        connection.protocol.data_received(waiting)
        connection.transport.reset()
        if not is_known:
            await settled()
        connection.protocol.connection_lost(ConnectionResetError())
        async with asyncio.timeout(5):
            while connection.state.tasks:
                await settled()
        assert connection.transport.sent == sent

    asyncio.run(play())
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize("state", [False, True])
@pytest.mark.parametrize("error", [StoreError("gone"), KeyError("x")])
def test_failure_is_a_500(state: bool, error: Exception, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One of the store is documented; another one is logged, and ends the connection."""

    async def play() -> None:
        connection = Connection(DoubleHttpProtocol, **({"state": str(tmp_path / "state.db")} if state else {}))
        await connection.play([request()])
        sent = len(connection.transport.sent)

        async def fail(*_args: object, **_options: object) -> None:
            await asyncio.sleep(0)
            raise error

        def refuse(*_args: object) -> None:
            raise error

        store = connection.app.double.store
        store.sell = refuse  # type: ignore[attr-defined, method-assign]
        store.charge = fail  # type: ignore[method-assign]
        with caplog.at_level(logging.ERROR, "uvicorn.error"):
            await connection.play([request()])
        answer = connection.transport.sent[sent:]
        assert answer.startswith(b"HTTP/1.1 500 ")
        assert (connection.transport.end == "closed") == isinstance(error, KeyError)
        assert bool(caplog.records) == isinstance(error, KeyError)

    asyncio.run(play())


LIMIT = 128 * 1024
START = b"GET /health HTTP/1.1\r\n"


@pytest.mark.parametrize(
    ("steps", "found"),
    [
        ([START, b"X-A: " + b"x" * (LIMIT - len(START) - 7) + b"\r\n", b"\r\n"], (b"HTTP/1.1 200 OK", "")),
        ([START, b"X-A: " + b"x" * (LIMIT - len(START) - 6) + b"\r\n"], (b"HTTP/1.1 431 Request Hea", "closed")),
        ([START, *[b"X-A: " + b"x" * 4000 + b"\r\n"] * 33], (b"HTTP/1.1 431 Request Hea", "closed")),
        ([*[START + b"X-A: " + b"x" * 4000 + b"\r\n\r\n"] * 40], (b"HTTP/1.1 200 OK", "")),
        ([CHUNKED[:-5], b"0\r\n", *[b"X-A: " + b"x" * 4000 + b"\r\n"] * 33], (b"", "closed")),
        ([request(body=b"[" + b" " * LIMIT)[:-10], *[b" "] * 5], (b"", "")),
        ([CHUNKED[:-5], *[b"1\r\n \r\n" * 800] * 33, b"0\r\n\r\n"], (b"HTTP/1.1 200 OK", "")),
    ],
)
def test_what_is_kept_of_a_request_besides_its_body_is_bounded(steps: list[object], found: tuple[bytes, str]) -> None:
    """Headers, and what follows the last chunk, are; many requests of one connection and many chunks are not."""

    async def play() -> tuple[bytes, str]:
        return await Connection(DoubleHttpProtocol, APP).play(steps)

    sent, end = asyncio.run(play())
    assert (sent[: len(found[0])], end) == found
    assert bool(sent) == bool(found[0])


def test_line_breaks_between_requests_are_counted_for_the_next_one_only() -> None:
    async def play() -> tuple[bytes, str]:
        return await Connection(DoubleHttpProtocol, APP).play([request(), b"\r\n" * 30_000] * 5)

    sent, end = asyncio.run(play())
    assert (sent.count(b"HTTP/1.1 200 OK"), end) == (5, "")


def test_idle_connection_is_closed_after_its_time() -> None:
    async def play() -> str:
        connection = Connection(DoubleHttpProtocol, APP)
        connection.protocol.timeout_keep_alive = 0.01
        await connection.play([request() * 2])
        while not connection.transport.end:
            await asyncio.sleep(0.001)
        return connection.transport.end

    assert asyncio.run(play()) == "closed"


def test_connection_is_not_idle_while_a_request_that_came_with_an_answered_one_is_under_way() -> None:
    async def play() -> str:
        connection = Connection(DoubleHttpProtocol, APP)
        connection.protocol.timeout_keep_alive = 0.01
        stream = request("/__mock__/journal/events", b"", method="GET")
        await connection.play([request() + request(more=b"Prefer: wait=1\r\n") + stream])
        await asyncio.sleep(0.05)
        return connection.transport.end

    assert asyncio.run(play()) == ""


def test_client_that_ends_what_it_sends_gets_the_answer_that_it_waits_for(tmp_path: Path) -> None:
    async def play() -> None:
        connection = Connection(DoubleHttpProtocol, state=str(tmp_path / "state.db"))
        await connection.play([request()])
        before = len(connection.transport.sent)
        connection.protocol.data_received(request())
        assert connection.protocol.eof_received()
        await settled()
        answer = connection.transport.sent[before:]
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert b"connection: close" in answer
        assert connection.transport.end == "closed"

    asyncio.run(play())


@pytest.mark.parametrize("steps", [[request()], [request(), request()[:-10]]])
def test_client_that_ends_what_it_sends_ends_its_connection(steps: list[object]) -> None:
    """If nothing is under way, or by ASGI, which has no other way to learn that the client has left."""

    async def play() -> None:
        connection = Connection(DoubleHttpProtocol, APP)
        await connection.play([request(), *steps[:-1]])
        connection.protocol.data_received(steps[-1])  # type: ignore[arg-type]
        assert not connection.protocol.eof_received()

    asyncio.run(play())


def test_request_that_was_on_its_way_when_the_server_stops_is_answered() -> None:
    async def play() -> None:
        connection = Connection(DoubleHttpProtocol, APP)
        await connection.play([request()])
        before = len(connection.transport.sent)
        connection.protocol.shutdown()
        await connection.play([request() * 2])
        answers = connection.transport.sent[before:]
        assert answers.count(b"HTTP/1.1 200 OK") == 2
        # The second one is answered by uvicorn, which in older versions closes the connection without saying so.
        assert answers.count(b"connection: close") <= 1
        assert connection.transport.end == "closed"

    asyncio.run(play())


@pytest.mark.parametrize("steps", [[], [request()], [request()[:-10]]])
def test_idle_connection_is_closed_when_the_server_stops(steps: list[object]) -> None:
    async def play() -> None:
        connection = Connection(DoubleHttpProtocol, APP)
        await connection.play(steps[:1])
        connection.protocol.shutdown()
        connection.protocol.shutdown()
        await asyncio.sleep(2 * protocol.STOP_SECONDS)
        assert bool(connection.transport.end) == (steps != [request()[:-10]])

    asyncio.run(play())


def test_many_requests_that_wait_for_one_are_not_read() -> None:
    async def play() -> None:
        connection = Connection(DoubleHttpProtocol, APP)
        waiting = protocol.MOST_QUEUED + 2
        health = request("/health", b"", method="GET")
        connection.protocol.pause_writing()
        await connection.play([request() + health * waiting])
        assert connection.protocol.flow.read_paused
        assert connection.transport.is_paused
        connection.protocol.resume_writing()
        await settled()
        assert connection.transport.sent.count(b"HTTP/1.1 200 OK") == waiting + 1
        assert not connection.protocol.flow.read_paused
        assert not connection.transport.is_paused

    asyncio.run(play())


def test_one_stop_closes_an_idle_connection_a_moment_later() -> None:
    async def play() -> str:
        connection = Connection(DoubleHttpProtocol, APP)
        connection.protocol.shutdown()
        assert not connection.transport.end
        async with asyncio.timeout(5):
            while not connection.transport.end:
                await asyncio.sleep(0.001)
        return connection.transport.end

    assert asyncio.run(play()) == "closed"


class Times:
    """A loop whose time stands still, and which only notes what it is to do later."""

    def __init__(self) -> None:
        self.now = 100.0
        self.planned: list[tuple[float, Callable[[], object]]] = []
        self.cancelled = 0

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, function: Callable[[], object]) -> "Times":
        self.planned.append((delay, function))
        return self

    def create_task(self, task: Any) -> "asyncio.Task[Any]":
        return asyncio.get_running_loop().create_task(task)

    def cancel(self) -> None:
        self.cancelled += 1

    def pass_until(self, now: float) -> None:
        """Do what was planned last."""
        self.now = now
        self.planned[-1][1]()


@pytest.fixture
def times() -> Times:
    return Times()


def timed(times: Times) -> Connection:
    connection = Connection(DoubleHttpProtocol, APP)
    connection.protocol.loop = times  # type: ignore[assignment]
    connection.protocol.timeout_keep_alive = 5
    return connection


def test_connection_is_idle_from_its_last_answer(times: Times) -> None:
    async def play() -> None:
        connection = timed(times)
        await connection.play([request()])
        times.now = 103.0
        await connection.play([request()])
        times.pass_until(105.0)
        times.pass_until(107.5)
        assert not connection.transport.end
        assert [delay for delay, _ in times.planned] == [5, 3, 0.5]
        times.pass_until(108.0)
        assert connection.transport.end == "closed"

    asyncio.run(play())


@pytest.mark.parametrize("beginning", [request()[:30], request() + request()[:-10]])
def test_connection_is_not_idle_while_a_request_comes(beginning: bytes, times: Times) -> None:
    async def play() -> None:
        connection = timed(times)
        await connection.play([request(), beginning])
        times.pass_until(1000.0)
        assert not connection.transport.end
        assert len(times.planned) == 1
        if beginning == request()[:30]:
            await connection.play([request()[30:]])
            assert len(times.planned) == 2  # it is idle again

    asyncio.run(play())


def test_connection_is_not_idle_while_an_answer_waits(times: Times, monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        connection = timed(times)
        usual, future = APP.direct, asyncio.get_running_loop().create_future()
        await connection.play([request()])

        def once(*_: object) -> Any:
            monkeypatch.setattr(APP, "direct", lambda *_: wait_for(future))
            return usual(*_)  # type: ignore[arg-type]

        monkeypatch.setattr(APP, "direct", once)
        await connection.play([request() * 2])
        times.pass_until(1000.0)
        assert not connection.transport.end
        assert len(times.planned) == 1

    asyncio.run(play())


async def wait_for(future: "asyncio.Future[Any]") -> Any:
    return await future


def test_timer_of_a_connection_ends_with_it(times: Times) -> None:
    async def play() -> None:
        connection = timed(times)
        await connection.play([request()])
        connection.protocol.connection_lost(None)
        assert times.cancelled == 1
        assert connection.state.connections == set()

    asyncio.run(play())


@pytest.mark.parametrize(
    ("is_cancelled", "start", "end"), [(False, b"HTTP/1.1 500 ", "closed"), (True, b"", "aborted")]
)
def test_error_after_the_first_wait(
    is_cancelled: bool, start: bytes, end: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def play() -> tuple[bytes, str]:
        connection = Connection(DoubleHttpProtocol, APP)
        future = asyncio.get_running_loop().create_future()
        monkeypatch.setattr(APP, "direct", lambda *_: wait_for(future))
        connection.protocol.data_received(request())
        if is_cancelled:
            future.cancel()
        else:
            future.set_exception(KeyError("x"))
        await settled()
        return connection.transport.sent, connection.transport.end

    sent, found = asyncio.run(play())
    assert (sent[: len(start)], found) == (start, end)
    assert bool(sent) == bool(start)


def test_error_after_another_wait_than_a_commit(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail() -> Any:
        await asyncio.sleep(0)
        raise KeyError("x")

    async def play() -> None:
        connection = Connection(DoubleHttpProtocol, APP)
        monkeypatch.setattr(APP, "direct", lambda *_: fail())
        connection.protocol.data_received(request())
        assert len(connection.state.tasks) == 1
        await settled()
        assert connection.state.tasks == set()
        assert connection.transport.sent.startswith(b"HTTP/1.1 500 ")
        assert connection.transport.end == "closed"

    asyncio.run(play())


@pytest.mark.parametrize("queue", [[b"/2"], [b"/2", b"/3"], [b"/1", b"/2"], [b"/1", b"/2", b"/3"]])
def test_end_of_the_connection_is_told_to_the_request_that_is_being_answered(queue: list[bytes]) -> None:
    """Which may not be the last one that came."""
    seen: list[tuple[str, str]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if scope["path"] == "/1":
            await asyncio.sleep(0)
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})
        else:
            seen.append((scope["path"], (await receive())["type"]))

    async def play() -> None:
        connection = Connection(DoubleHttpProtocol, app)  # type: ignore[arg-type]
        await connection.play([b"".join(request(path.decode(), b"", method="GET", head=b"") for path in queue)])
        assert seen == []
        connection.protocol.connection_lost(None)
        await settled()

    asyncio.run(play())
    assert seen == [("/2", "http.disconnect")]


def test_connection_without_a_request_may_end() -> None:
    async def play() -> None:
        connection = Connection(DoubleHttpProtocol, APP)
        assert connection.protocol.server == ("127.0.0.1", 4010)
        connection.protocol.connection_lost(None)

    asyncio.run(play())


def test_links_have_the_scheme_of_the_connection() -> None:
    async def play(scheme: str) -> bytes:
        connection = Connection(DoubleHttpProtocol, APP)
        connection.protocol.scheme = scheme
        return (await connection.play([request()]))[0]

    assert b'"http://127.0.0.1:4010/' in asyncio.run(play("http"))
    assert b'"https://127.0.0.1:4010/' in asyncio.run(play("https"))


def test_url_without_a_host_is_refused_before_its_body_has_come(caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> tuple[bytes, str]:
        head, _, _ = request("http:///x").partition(b"\r\n\r\n")
        return await Connection(DoubleHttpProtocol, APP).play([head + b"\r\n\r\n"])

    with caplog.at_level(logging.WARNING, "uvicorn.error"):
        sent, end = asyncio.run(play())
    assert sent.startswith(b"HTTP/1.1 400 ")
    assert end == "closed"
    assert [record.getMessage() for record in caplog.records] == [protocol.INVALID]


def test_head_that_is_too_large_after_another_request_is_answered_with_431() -> None:
    async def play() -> bytes:
        large = START + b"X-A: " + b"x" * LIMIT
        return (await Connection(DoubleHttpProtocol, APP).play([request(), large]))[0]

    assert b"HTTP/1.1 431 " in asyncio.run(play())


@pytest.mark.parametrize("state", ["", "state.db"])
def test_requests_are_counted(state: str, tmp_path: Path) -> None:
    async def play() -> int:
        connection = Connection(DoubleHttpProtocol, **({"state": str(tmp_path / state)} if state else {}))
        await connection.play([request() * 3, request(), request()])
        return connection.state.total_requests

    assert asyncio.run(play()) == 5


def test_timer_of_another_answer_does_not_end_a_connection_that_is_used() -> None:
    async def play() -> None:
        connection = Connection(DoubleHttpProtocol, APP)
        await connection.play([request(), request("/health", b"", method="GET")])
        assert connection.protocol.timeout_keep_alive_task is not None
        await connection.play([request()])
        assert connection.protocol.timeout_keep_alive_task is None

    asyncio.run(play())


def test_resumed_coroutine_is_thrown_what_its_task_is() -> None:
    """A coroutine that began outside of a task goes on in one as if it had begun there."""
    seen: list[str] = []

    async def begun(first: "asyncio.Future[int]", second: "asyncio.Future[int]") -> int:
        try:
            await first
        except asyncio.CancelledError:
            seen.append("cancelled")
        return await second

    async def play() -> int:
        loop = asyncio.get_running_loop()
        first, second = loop.create_future(), loop.create_future()
        coroutine = begun(first, second)
        task = loop.create_task(go_on(coroutine, coroutine.send(None)))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        second.set_result(5)
        return await task

    async def go_on(coroutine: Any, waits_for: object) -> int:
        return await protocol.resumed(coroutine, waits_for)

    assert asyncio.run(play()) == 5
    assert seen == ["cancelled"]
