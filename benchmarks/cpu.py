"""`make bench-cpu`: CPU time per request in one process, without sockets and without a load generator.

Each application is called as an ASGI server calls it, many times in turn, and rounds alternate between them: what
remains is the application's own work. The ratio to a raw ASGI application in the same run is the figure to compare.
"""

import argparse
import asyncio
import cProfile
import pstats
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from benchmarks.servers import BODY, PATH
from qwenmock.mockserver.calls.double import create_double
from qwenmock.mockserver.http.app import Application, create_app
from qwenmock.mockserver.http.request_log import RequestLog
from qwenmock.mockserver.settings import Settings

App = Callable[[Any, Any, Any], Awaitable[None]]
ROUNDS = 7
CALLS = 4000
AT_ONCE = 32
"""Calls in one turn of the event loop, as under load: what they write goes into one transaction."""
TASK_PATH = "/api/v1/services/aigc/text2image/image-synthesis"
TASK_BODY = {"model": "qwen-image", "input": {"prompt": "a cat"}, "parameters": {"size": "1328*1328", "n": 1}}
REFUSED = {**BODY, "parameters": {"n": 9}}


class Request:
    """A request that may be sent any number of times."""

    def __init__(self, path: str, body: object, *headers: tuple[bytes, bytes]) -> None:
        self._data = b"" if body is None else orjson.dumps(body)
        self.scope: dict[str, Any] = {
            "type": "http",
            "method": "GET" if body is None else "POST",
            "path": path,
            "query_string": b"",
            "scheme": "http",
            "server": ("127.0.0.1", 4010),
            "headers": [
                (b"host", b"127.0.0.1:4010"),
                (b"authorization", b"Bearer sk-mock"),
                *((b"content-type", b"application/json") for _ in self._data[:1]),
                *((b"content-length", b"%d" % len(self._data)) for _ in self._data[:1]),
                *headers,
            ],
        }
        self.status = 0
        self.answer = b""

    async def receive(self) -> dict[str, Any]:
        return {"type": "http.request", "body": self._data, "more_body": False}

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.answer = message["body"]


async def raw(_scope: object, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
    """Read the body and answer with a constant."""
    await receive()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"{}"})


class _Discard:
    """A stream whose writes cost nothing."""

    def isatty(self) -> bool:
        return False

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass


def double(*, is_compiled: bool = True, **settings: Any) -> Application:
    """Return a double that logs, with the compiled path or without."""
    app = create_app(create_double(Settings(**settings)), calls_out=False)
    app.double.log = RequestLog("text", _Discard())  # pyright: ignore[reportArgumentType]
    if not is_compiled:
        app.compiled = {}
    return app


async def one_round(app: App, request: Request, status: int, calls: int) -> float:
    """Return microseconds of CPU per call."""
    began = time.process_time()
    for _ in range(calls // AT_ONCE):
        await asyncio.gather(*(app(request.scope, request.receive, request.send) for _ in range(AT_ONCE)))
    used = time.process_time() - began
    if request.status != status:
        raise SystemExit(f"expected status {status}, got {request.status}")
    return used / (calls // AT_ONCE * AT_ONCE) * 1e6


async def poll(app: Application) -> Request:
    """Return the query of a task that has succeeded."""
    created = Request("/dashscope" + TASK_PATH, TASK_BODY, (b"x-dashscope-async", b"enable"))
    await app(created.scope, created.receive, created.send)
    await app.double.store.move_clock(60)
    app.double.clock.offset = 60
    task_id = orjson.loads(created.answer)["output"]["task_id"]
    return Request(f"/dashscope/api/v1/tasks/{task_id}", None)


async def make_cases(folder: str) -> dict[str, tuple[App, Request, int]]:
    """Return application, request and expected status by name; states in files are in the folder."""
    edit, refused = Request("/nebula" + PATH, BODY), Request("/nebula" + PATH, REFUSED)
    task = Request("/dashscope" + TASK_PATH, TASK_BODY, (b"x-dashscope-async", b"enable"))
    found: dict[str, tuple[App, Request, int]] = {"raw ASGI": (raw, edit, 200), "refusal": (double(), refused, 400)}
    for kind, is_compiled in (("", True), (", general path", False)):
        found[f"edit{kind}"] = (double(is_compiled=is_compiled), edit, 200)
        found[f"task{kind}"] = (double(is_compiled=is_compiled), task, 200)
        app = double(is_compiled=is_compiled)
        found[f"poll{kind}"] = (app, await poll(app), 200)
        for name, request in (("edit", edit), ("task", task)):
            app = double(is_compiled=is_compiled, state=f"{folder}/{name}{kind}.db")
            found[f"{name}, in a file{kind}"] = (app, request, 200)
    return found


async def profile(name: str, calls: int) -> None:
    """Print the functions of a case that take the most time themselves."""
    with tempfile.TemporaryDirectory() as folder:
        await _profile(*(await make_cases(folder))[name], calls)


async def _profile(app: App, request: Request, status: int, calls: int) -> None:
    await one_round(app, request, status, 300)
    with cProfile.Profile() as profiler:
        await one_round(app, request, status, calls)
    pstats.Stats(profiler).strip_dirs().sort_stats("tottime").print_stats(40)


async def measure(calls: int, rounds: int) -> dict[str, list[float]]:
    """Return microseconds of CPU per call of each round, by case."""
    with tempfile.TemporaryDirectory() as folder:
        return await _measure(await make_cases(folder), calls, rounds)


async def _measure(cases: dict[str, tuple[App, Request, int]], calls: int, rounds: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [] for name in cases}
    for app, request, status in cases.values():
        await one_round(app, request, status, min(calls, 300))
    for _ in range(rounds):
        for name, (app, request, status) in cases.items():
            found[name].append(await one_round(app, request, status, calls))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=CALLS, help=f"calls in a round (default {CALLS})")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"rounds (default {ROUNDS})")
    parser.add_argument("--profile", metavar="CASE", help="print the profile of one case instead, such as edit")
    options = parser.parse_args()
    if options.profile is not None:
        asyncio.run(profile(options.profile, options.calls))
        return
    found = asyncio.run(measure(options.calls, options.rounds))
    print(f"{'':22} {'us CPU/call: min':>16} {'median':>8} {'more than raw ASGI':>20}")
    base = min(found["raw ASGI"])
    for name, times in found.items():
        print(f"{name:22} {min(times):16.1f} {statistics.median(times):8.1f} {min(times) - base:20.1f}")


if __name__ == "__main__":
    main()
