"""The table `cpu`, and `make bench-cpu`: CPU time per request in one process, without sockets and load generator.

Each application is called as an ASGI server calls it, many times in turn, and rounds alternate between them. What a
raw ASGI application takes is taken off: what remains is the application's own work.
"""

import argparse
import asyncio
import cProfile
import pstats
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, NamedTuple

import orjson

from benchmarks.growth import KB, body_of
from benchmarks.servers import BODY, PATH
from benchmarks.tables import Deadline, markdown, median, spread
from qwenmock.mockserver.calls.double import create_double
from qwenmock.mockserver.http.app import Application, create_app
from qwenmock.mockserver.http.memory import settle_memory
from qwenmock.mockserver.http.request_log import RequestLog
from qwenmock.mockserver.settings import Settings

App = Callable[[Any, Any, Any], Awaitable[None]]
ROUNDS = 7
CALLS = 4000
AT_ONCE = 32
"""Calls in one turn of the event loop, as under load: what they write goes into one transaction."""
CHUNK = 64 * KB
"""Bytes of a body that an ASGI server hands over at once."""
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

    def receiver(self) -> Callable[[], Awaitable[dict[str, Any]]]:
        """Return what hands over the body once."""
        chunks = self._chunks()

        async def receive() -> dict[str, Any]:
            return next(chunks)

        return receive

    def _chunks(self) -> Iterator[dict[str, Any]]:
        for at in range(0, max(len(self._data), 1), CHUNK):
            body = self._data[at : at + CHUNK]
            yield {"type": "http.request", "body": body, "more_body": at + CHUNK < len(self._data)}

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

    encoding = errors = None

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


class Case(NamedTuple):
    """What is measured.

    Attributes:
        one_of: Only one of so many calls is made, and no two at once: large bodies take longer.

    """

    app: App
    request: Request
    status: int = 200
    one_of: int = 1


async def one_round(case: Case, calls: int) -> float:
    """Return microseconds of CPU per call."""
    app, request = case.app, case.request
    at_once = AT_ONCE if case.one_of == 1 else 1
    turns = max(1, calls // case.one_of // at_once)
    began = time.process_time()
    for _ in range(turns):
        await asyncio.gather(*(app(request.scope, request.receiver(), request.send) for _ in range(at_once)))
    used = time.process_time() - began
    if request.status != case.status:
        raise SystemExit(f"expected status {case.status}, got {request.status}")
    return used / (turns * at_once) * 1e6


async def poll(app: Application) -> Request:
    """Return the query of a task that has succeeded."""
    created = Request("/dashscope" + TASK_PATH, TASK_BODY, (b"x-dashscope-async", b"enable"))
    await app(created.scope, created.receiver(), created.send)
    await app.double.store.move_clock(60)
    app.double.clock.offset = 60
    task_id = orjson.loads(created.answer)["output"]["task_id"]
    return Request(f"/dashscope/api/v1/tasks/{task_id}", None)


async def make_cases(folder: str) -> dict[str, Case]:
    """Return what is measured by name; states in files are in the folder."""
    edit, refused = Request("/nebula" + PATH, BODY), Request("/nebula" + PATH, REFUSED)
    task = Request("/dashscope" + TASK_PATH, TASK_BODY, (b"x-dashscope-async", b"enable"))
    found = {"raw ASGI": Case(raw, edit)}
    for kind, is_compiled in (("", True), (", general path", False)):
        found[f"edit{kind}"] = Case(double(is_compiled=is_compiled), edit)
        found[f"refusal{kind}"] = Case(double(is_compiled=is_compiled), refused, 400)
        found[f"task{kind}"] = Case(double(is_compiled=is_compiled), task)
        app = double(is_compiled=is_compiled)
        found[f"poll{kind}"] = Case(app, await poll(app))
        for name, request in (("edit", edit), ("task", task)):
            app = double(is_compiled=is_compiled, state=f"{folder}/{name}{kind}.db")
            found[f"{name}, in a file{kind}"] = Case(app, request)
    for megabytes, one_of in ((1, 100), (9, 500)):
        large = Request("/nebula" + PATH, body_of(megabytes * KB * KB))
        found[f"edit, data URL of {megabytes} MB"] = Case(double(), large, one_of=one_of)
    return found


async def profile(name: str, calls: int) -> None:
    """Print the functions of a case that take the most time themselves."""
    with tempfile.TemporaryDirectory() as folder:
        case = (await make_cases(folder))[name]
        await one_round(case, 300)
        with cProfile.Profile() as profiler:
            await one_round(case, calls)
    pstats.Stats(profiler).strip_dirs().sort_stats("tottime").print_stats(40)


async def measure(calls: int, rounds: int, deadline: Deadline) -> Mapping[str, list[float]]:
    """Return microseconds of CPU per call of each round, by case."""
    settle_memory()
    with tempfile.TemporaryDirectory() as folder:
        cases = await make_cases(folder)
        found: dict[str, list[float]] = {name: [] for name in cases}
        for case in cases.values():
            await one_round(case, 300)
        for _ in deadline.rounds(rounds, calls * len(cases) * 1e-4):
            for name, case in cases.items():
                found[name].append(await one_round(case, calls))
    return found


def table(deadline: Deadline, calls: int = CALLS, rounds: int = ROUNDS) -> str:
    found = asyncio.run(measure(calls, rounds, deadline))
    base = median(found.pop("raw ASGI"))
    own = {name: [each - base for each in times] for name, times in found.items()}
    edit = median(own["edit"])
    rows = [(name, spread(times, ".1f"), f"{median(times) / edit:.2f}") for name, times in own.items()]
    return markdown(("in one process", "CPU time per request, µs", "ratio to an edit"), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=CALLS, help=f"calls in a round (default {CALLS})")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"rounds (default {ROUNDS})")
    parser.add_argument("--profile", metavar="CASE", help="print the profile of one case instead, such as edit")
    options = parser.parse_args()
    if options.profile is not None:
        asyncio.run(profile(options.profile, options.calls))
        return
    print(table(Deadline(600), options.calls, options.rounds))


if __name__ == "__main__":
    main()
