"""The compared servers: how each is started, the request that it gets, and its processes."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
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


def qwenmock(name: str, port: int, *options: str) -> Spec:
    command = [sys.executable, "-m", "qwenmock.mockserver", "serve", "--port", str(port), *options]
    return Spec(name, command, "/nebula" + PATH, "validates, bills, journals")


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


@contextlib.contextmanager
def run(spec: Spec, port: int) -> Iterator[Running]:
    """Run a server in a process group of its own until the `with` block ends.

    Raises:
        Missing: It does not answer the request with status 200.

    """
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(spec.command, start_new_session=True, **quiet)
    running = Running(spec, port, process.pid)
    try:
        _await_answer(running, process)
        yield running
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
