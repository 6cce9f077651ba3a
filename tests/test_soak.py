"""`make soak`: a short run holds, and each of its rules can fail."""

import base64
import io
import os
import re
import signal
import struct
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from fuzz.bodies import links_of
from PIL import Image
from soak import verdict
from soak.receiver import Receiver
from soak.server import Sample, Server, running
from soak.traffic import Book, Client, CreatedTask
from soak.verdict import Row, ledger_rows, process_rows, task_rows

from qwenmock.mockserver.http import server as http_server
from qwenmock.mockserver.images import files
from qwenmock.mockserver.settings import Settings
from qwenmock.schemas.catalog import load

TESTS = Path(__file__).parent
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, which only Linux has")


@pytest.mark.thorough
def test_short_run_holds() -> None:
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    command = [
        sys.executable,
        "-m",
        "soak",
        "--minutes",
        "0.15",
        "--seed",
        "1",
        "--kill-seconds",
        "3",
        "--pictures",
        "4",
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"^[0-9]+ actions, ([0-9]+) kills, ([0-9]+) faults armed$", done.stdout, re.MULTILINE)
    assert found is not None
    assert min(map(int, found.groups())) > 0


def failed(rows: list[Row]) -> list[str]:
    return [row.name for row in rows if not row.is_kept]


CHARGE = {"request_id": "r1", "provider": "nebula", "images": "1", "amount": "0.18"}
ACCOUNT = {"provider": "nebula", "balance": "999999.82", "spent": "0.18", "reserved": "0"}
TOLD = Book(charged={"r1": (1, Decimal("0.18"))})


def ledger(charges: list[dict[str, str]], account: dict[str, str]) -> httpx.Client:
    """Return a client that is answered with a ledger."""
    lines = [",".join(CHARGE), *[",".join(charge.values()) for charge in charges]]

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("ledger.csv"):
            return httpx.Response(200, text="\r\n".join(lines))
        return httpx.Response(200, json={"accounts": [account]})

    return httpx.Client(transport=httpx.MockTransport(answer), base_url="http://double")


@pytest.mark.parametrize(
    ("charges", "account", "expected"),
    [
        ([CHARGE], {}, []),
        ([CHARGE, CHARGE], {"spent": "0.36", "balance": "999999.64"}, ["charges booked twice"]),
        ([], {"spent": "0", "balance": "1000000"}, ["acknowledged charges"]),
        ([{**CHARGE, "images": "2"}], {}, ["acknowledged charges"]),
        (
            [CHARGE, {**CHARGE, "request_id": "r2"}],
            {"spent": "0.36", "balance": "999999.64"},
            ["charges of unanswered requests"],
        ),
        ([CHARGE], {"spent": "0.36", "balance": "999999.64"}, ["spent is the sum of the charges"]),
        ([CHARGE], {"balance": "999999.83"}, ["balance and spent make the first balance"]),
        ([CHARGE], {"reserved": "0.18"}, ["still reserved after a minute"]),
    ],
    ids=["exact", "twice", "missing", "images", "unknown", "spent", "balance", "reserved"],
)
def test_ledger_must_be_exact(
    monkeypatch: pytest.MonkeyPatch, charges: list[dict[str, str]], account: dict[str, str], expected: list[str]
) -> None:
    monkeypatch.setattr(verdict, "SETTLE_SECONDS", 0)
    with ledger(charges, {**ACCOUNT, **account}) as client:
        assert failed(list(ledger_rows(client, TOLD, []))) == expected


def task(state: str) -> dict[str, Any]:
    return {"id": "t1", "state": state, "urls": ["u"], "callbacks": []}


def test_only_tasks_that_succeeded_cost() -> None:
    told = Book(tasks={"t1": CreatedTask("t1", load()["evolink"], "r1", "qwen-image-edit", asks_callback=True)})
    charge = {**CHARGE, "amount": "2.3", "provider": "evolink"}
    account = {**ACCOUNT, "provider": "evolink", "spent": "2.3", "balance": "999997.7"}
    with ledger([charge], account) as client:
        assert failed(list(ledger_rows(client, told, [task("succeeded")]))) == []
        assert failed(list(ledger_rows(client, told, [task("cancelled")]))) == ["charges of tasks that failed"]


def test_tasks_must_end_and_call_back() -> None:
    told = Book(tasks={"t1": CreatedTask("t1", load()["evolink"], "r1", "qwen-image-edit", asks_callback=True)})
    receiver = Receiver(1)
    assert failed(list(task_rows(told, receiver, [task("running")]))) == [
        "tasks that have not ended",
        "callbacks of tasks that asked",
    ]
    assert failed(list(task_rows(told, receiver, []))) == ["tasks", "callbacks of tasks that asked"]
    receiver.received["t1"] = 2
    assert failed(list(task_rows(told, receiver, [task("succeeded")]))) == []
    receiver.problems.append("a callback's signature: it is not signed")
    assert failed(list(task_rows(told, receiver, [task("succeeded")]))) == ["callbacks with something wrong"]


@pytest.fixture
def server(tmp_path: Path) -> Server:
    """A server whose processes are this one; it has reported one death."""
    errors = tmp_path / "errors.txt"
    errors.write_text("qwenmock: worker 7 died with -9\n")
    process: Any = type("Process", (), {"pid": os.getpid()})
    return Server(process, "http://127.0.0.1:1", errors, killed=[7])


@pytest.mark.parametrize(
    ("megabytes", "files", "expected"),
    [
        (100, 10**6, []),
        (109, 10**6, []),
        (111, 10**6, ["memory of a worker, first and second half"]),
        (100, 10**6 + 11, ["its descriptors"]),
    ],
)
def test_memory_and_descriptors_must_be_flat(server: Server, megabytes: float, files: int, expected: list[str]) -> None:
    samples = [Sample(0, 50, 5)] * 2 + [Sample(0, 100, 10**6)] * 4 + [Sample(0, megabytes, files)] * 4
    assert failed(list(process_rows(server, os.getpid(), samples, before=10**6))) == expected


def test_memory_is_not_judged_in_a_short_run(server: Server) -> None:
    samples = [Sample(0, 100, 10**6)] * 6 + [Sample(0, 200, 10**6)] * 4
    rows = list(process_rows(server, os.getpid(), samples, before=10**6, is_long=False))
    assert failed(rows) == []
    assert rows[0].found == "100 and 200 MB, not judged in a short run"


def test_descriptors_of_the_supervisor_must_be_flat(server: Server) -> None:
    rows = process_rows(server, os.getpid(), [Sample(0, 100, 10**6)] * 10, before=-100)
    assert failed(list(rows)) == ["descriptors of the supervisor"]


def test_other_lines_in_the_error_log_are_found(server: Server) -> None:
    server.killed.clear()
    rows = process_rows(server, os.getpid(), [Sample(0, 100, 10**6)] * 10, before=10**6)
    assert failed(list(rows)) == ["lines in the error log"]


def test_workers_that_listen_are_found_and_killed_ones_are_expected(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        # A look into /proc can miss a process while another one starts: only what one look has found is used.
        while len(first := server.workers()) < 2:
            assert server.process.poll() is None
        server.kill(first[0])
        while len(now := server.workers()) < 2 or first[0] in now:
            assert server.process.poll() is None
        assert server.error_lines() == []
        os.kill(now[1], signal.SIGKILL)
        while not server.error_lines():
            assert server.process.poll() is None


def test_pictures_are_drawn_until_each_worker_has_enough_to_remember(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a worker remembers is bounded; before the bound is reached, its memory grows and says nothing."""
    drawn: list[int] = []
    render = files.render

    def noting(*args: Any) -> bytes:
        picture = render(*args)
        drawn.append(len(picture))
        return picture

    monkeypatch.setattr(files, "render", noting)
    with http_server.running(Settings(port=0)) as target:
        client = Client(0, target.origin, load(), "", 1)
        client.fill(1_000_000)
    assert sum(drawn) >= 1_000_000
    assert not client.book.problems
    assert sum(images for images, _ in client.book.charged.values()) == len(drawn)


def broken_tiff() -> bytes:
    """Return a TIFF with more samples for a pixel than Pillow can decode."""
    out = io.BytesIO()
    Image.new("RGB", (400, 390)).save(out, "TIFF")
    samples = struct.pack("<HHI", 277, 3, 1)  # one value of 16 bits
    at = out.getvalue().index(samples) + len(samples)
    return out.getvalue()[:at] + struct.pack("<H", 27136) + out.getvalue()[at + 2 :]


def test_image_that_cannot_be_drawn_writes_nothing_to_the_error_log(tmp_path: Path) -> None:
    url = f"data:image/tiff;base64,{base64.b64encode(broken_tiff()).decode()}"
    body = {
        "model": "qwen-image-edit",
        "input": {"messages": [{"role": "user", "content": [{"image": url}, {"text": "a hat"}]}]},
    }
    with running(tmp_path) as server:
        headers = {"Authorization": "Bearer sk-mock"}
        answer = httpx.post(f"{server.origin}/aigc/v1/images/generations", json=body, headers=headers, timeout=30)
        (link,) = set(links_of(answer.json()))
        assert httpx.get(link, timeout=30).status_code == 200
        assert server.error_lines() == []
