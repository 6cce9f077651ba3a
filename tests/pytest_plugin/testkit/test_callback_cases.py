"""`qwenmock check-callback` against correct and careless receivers."""

import base64
import json
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from commands import run_here
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from qwenmock.mockserver.http.server import serving
from qwenmock.mockserver.net import webhook_signatures as signatures
from qwenmock.pytest_plugin.testkit.callback_cases import Case, examine
from qwenmock.schemas.catalog import load

SECRET = "whsec_" + base64.b64encode(b"a secret of a few bytes").decode()
PROGRAM = [sys.executable, "-m", "qwenmock.mockserver", "check-callback"]


def receiver(*, careful: bool) -> Starlette:
    async def receive(request: Request) -> Response:
        body = await request.body()
        if careful:
            if len(body) > 2**20:
                return Response(status_code=413)
            if signatures.problem(SECRET, dict(request.headers), body, time.time()) is not None:
                return Response(status_code=401)
            try:
                await request.json()
            except ValueError:
                return Response(status_code=400)
        return Response(status_code=200)

    return Starlette(routes=[Route("/", receive, methods=["POST"])])


@pytest.fixture(params=[True, False], ids=["careful", "careless"])
def receiving(request: pytest.FixtureRequest) -> Iterator[tuple[str, bool]]:
    with serving(receiver(careful=request.param)) as port:
        yield f"http://127.0.0.1:{port}/", request.param


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_receiver_is_examined(receiving: tuple[str, bool]) -> None:
    url, is_careful = receiving
    done = run(url, "--secret", SECRET)
    assert done.returncode == (0 if is_careful else 1), done.stdout + done.stderr
    marks = {line.split()[1]: line.split()[0] for line in done.stdout.splitlines()}
    assert marks["first"] == marks["duplicate"] == marks["late"] == marks["out-of-order"] == marks["huge"] == "ok"
    due = "ok" if is_careful else "FAIL"
    assert marks["forged"] == marks["unsigned"] == marks["replayed"] == due


def test_what_cannot_be_examined_is_one_line() -> None:
    for arguments, text in (
        (("http://127.0.0.1:9/",), "does not answer"),
        (("nowhere",), "expected a URL such as"),
        (("http://127.0.0.1:9/", "--provider", "nebula"), "nebula makes no callbacks"),
        (("http://127.0.0.1:9/", "--secret", "x"), "--secret"),
    ):
        done = run_here("check-callback", *arguments)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert text in done.stderr


def test_late_and_out_of_order_callbacks_are_of_another_task_and_an_earlier_state() -> None:
    received: list[bytes] = []
    reported: list[Case] = []

    async def receive(request: Request) -> Response:
        received.append(await request.body())
        return Response()

    with serving(Starlette(routes=[Route("/", receive, methods=["POST"])])) as port:
        cases = examine(load()["evolink"], f"http://127.0.0.1:{port}/", None, reported.append)
    bodies = {
        case.name: json.loads(body) for case, body in zip(cases, received, strict=True) if case.name != "invalid-json"
    }
    assert reported == cases
    assert bodies["duplicate"] == bodies["first"]
    assert bodies["late"] == bodies["first"] | {"id": bodies["late"]["id"]} != bodies["first"]
    assert (bodies["first"]["status"], bodies["out-of-order"]["status"]) == ("completed", "processing")
    assert bodies["out-of-order"]["id"] == bodies["first"]["id"]
    assert [case.name for case in cases if not case.holds] == ["invalid-json"]
