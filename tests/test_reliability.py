"""What the double does when it is killed, starved, flooded and lied to. `docs/reliability.md` has the figures."""

import asyncio
import base64
import contextlib
import csv
import json
import os
import random
import re
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import jsonschema
import pytest
from commands import COMMAND, serving
from extent import usually
from fuzz.mutations import changed_json, dumped
from redis_server import RedisServer

from qwenmock.mockserver.calls.double import create_double
from qwenmock.mockserver.http.app import create_app
from qwenmock.mockserver.http.server import RunningServer, running
from qwenmock.mockserver.money import LARGEST, MAX_PRICE, UNIT
from qwenmock.mockserver.settings import Settings
from qwenmock.pytest_plugin.examiner.bodies import example
from qwenmock.schemas.catalog import load

PATH = "/nebula/v1/images/generations"
BODY = {"model": "qwen-image-plus", "prompt": "a cat", "parameters": {"size": "1328*1328"}}
KEY = {"Authorization": "Bearer sk-mock"}
PRICE = load()["nebula"].price_of("qwen-image-plus").amount or Decimal(0)
VARIANTS = [variant for provider in load() for variant in provider.variants.values()]
CLIENTS = 8
FUZZED = int(os.environ.get("QWENMOCK_TEST_FUZZED", "4000"))
"""How many wrong requests are sent; CI sends 100000."""
IDLE = 10_000


class Load:
    """Clients that send until they are stopped, and note every answer."""

    def __init__(self, origin: str) -> None:
        self.acknowledged: set[str] = set()
        self.answers: list[httpx.Response] = []
        self._origin = origin
        self._is_stopped = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(CLIENTS)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_stopped.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        with httpx.Client(headers=KEY, timeout=20) as client:
            while not self._is_stopped.is_set():
                try:
                    answer = client.post(f"{self._origin}{PATH}", json=BODY)
                except httpx.TransportError:
                    time.sleep(0.01)
                    continue
                if answer.status_code == 200:
                    self.acknowledged.add(answer.headers["X-Request-Id"])
                self.answers.append(answer)

    def until(self, answers: int, status: int = 200) -> None:
        """Wait until so many more answers have come with a status."""
        due = time.monotonic() + 60
        before = self._count(status)
        while self._count(status) < before + answers:
            assert time.monotonic() < due, f"{self._count(status) - before} of {answers} answers with {status}"
            time.sleep(0.01)

    def _count(self, status: int) -> int:
        return sum(answer.status_code == status for answer in list(self.answers))


def charged(origin: str) -> list[str]:
    """Return the requests in the ledger, whose sums must agree."""
    lines = list(csv.DictReader(httpx.get(f"{origin}/__mock__/ledger.csv", timeout=60).text.splitlines()))
    (account,) = httpx.get(f"{origin}/__mock__/ledger", timeout=60).json()["accounts"]
    assert sum((Decimal(line["amount"]) for line in lines), Decimal(0)) == Decimal(account["spent"])
    assert Decimal(account["balance"]) + Decimal(account["spent"]) == 1_000_000
    assert Decimal(account["reserved"]) == 0
    assert {Decimal(line["amount"]) for line in lines} <= {PRICE}
    return [line["request_id"] for line in lines]


def test_every_acknowledged_charge_survives_a_kill(tmp_path: Path) -> None:
    state = ("--state", str(tmp_path / "qm.db"), "--port", "0", "--workers", "2")
    acknowledged: set[str] = set()
    for _ in range(3):
        with serving(*state) as (process, origin), Load(origin) as load_:
            load_.until(200)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        acknowledged |= load_.acknowledged
    with serving(*state) as (_, origin):
        found = charged(origin)
    assert len(found) == len(set(found))
    assert acknowledged <= set(found)
    # Besides, only what was booked while its answer was on its way: one for each client and kill at the most.
    assert len(found) - len(acknowledged) <= 3 * CLIENTS


def test_what_a_dead_process_held_is_given_back(tmp_path: Path) -> None:
    state = ("--state", str(tmp_path / "qm.db"), "--port", "0")
    with serving(*state, "--latency", "60000") as (process, origin):
        with pytest.raises(httpx.TimeoutException):
            httpx.post(f"{origin}{PATH}", json=BODY, headers=KEY, timeout=0.5)
        (account,) = httpx.get(f"{origin}/__mock__/ledger").json()["accounts"]
        assert Decimal(account["reserved"]) == PRICE
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    import sqlite3

    with contextlib.closing(sqlite3.connect(tmp_path / "qm.db", isolation_level=None)) as db:
        db.execute("UPDATE holds SET until = until - 3600")  # an hour later
    with serving(*state) as (_, origin):
        assert charged(origin) == []


@pytest.mark.parametrize("kind", ["file", "redis"])
def test_two_workers_never_overdraw_a_balance(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    state = str(tmp_path / "qm.db") if kind == "file" else request.getfixturevalue("redis_server").url
    with serving("--state", state, "--port", "0", "--workers", "2") as (_, origin), ThreadPoolExecutor(16) as pool:
        control = {"Content-Type": "application/json"}
        httpx.post(f"{origin}/__mock__/reset", headers=control).raise_for_status()
        change = {"provider": "nebula", "balance": f"{PRICE * 50:f}"}
        httpx.patch(f"{origin}/__mock__/accounts/sk-mock.small", json=change).raise_for_status()
        key = {"Authorization": "Bearer sk-mock.small"}
        answers = list(pool.map(lambda _: httpx.post(f"{origin}{PATH}", json=BODY, headers=key), range(200)))
        assert sorted(answer.status_code for answer in answers) == [200] * 50 + [403] * 150
        (account,) = httpx.get(f"{origin}/__mock__/ledger?key=sk-mock.small&provider=nebula").json()["accounts"]
        assert Decimal(account["balance"]) == 0
        assert Decimal(account["spent"]) == PRICE * 50


@pytest.fixture(params=usually(["memory", "file", "redis"], ["file"]))
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, ...]:
    """The options for each kind of store, without anything in it."""
    if request.param == "redis":
        store: RedisServer = request.getfixturevalue("redis_server")
        with serving("--state", store.url, "--port", "0") as (_, origin):
            httpx.post(f"{origin}/__mock__/reset", json={}).raise_for_status()
        return ("--state", store.url)
    return ("--state", str(tmp_path / "qm.db")) if request.param == "file" else ()


@pytest.mark.parametrize("latency", ["instant", "20"], ids=["at once", "reserved meanwhile"])
def test_reset_under_load_fails_no_request(kept: tuple[str, ...], latency: str) -> None:
    with serving(*kept, "--port", "0", "--latency", latency) as (_, origin), Load(origin) as load_:
        for _ in range(10):
            load_.until(20)
            httpx.post(f"{origin}/__mock__/reset", json={}).raise_for_status()
        load_.until(20)
    assert {answer.status_code for answer in load_.answers} == {200}


def test_sums_are_exact_at_the_largest_price(kept: tuple[str, ...]) -> None:
    price, number = MAX_PRICE - UNIT, 25
    with serving(*kept, "--port", "0", "--price", f"nebula={price}") as (_, origin):
        change = {"provider": "nebula", "balance": f"{LARGEST}"}
        httpx.patch(f"{origin}/__mock__/accounts/sk-mock", json=change).raise_for_status()
        for _ in range(number):
            httpx.post(f"{origin}{PATH}", json=BODY, headers=KEY).raise_for_status()
        (account,) = httpx.get(f"{origin}/__mock__/ledger?provider=nebula").json()["accounts"]
        assert Decimal(account["spent"]) == price * number
        assert Decimal(account["balance"]) == LARGEST - price * number


def test_replicas_on_one_redis_have_one_balance_one_journal_and_one_clock(redis_server: RedisServer) -> None:
    options = ("--state", redis_server.url, "--port", "0", "--seed", "7")
    with serving(*options) as (_, one), serving(*options) as (_, other):
        httpx.post(f"{one}/__mock__/reset", json={}).raise_for_status()
        first, second = (httpx.post(f"{origin}{PATH}", json=BODY, headers=KEY) for origin in (one, other))
        ids = [answer.headers["X-Request-Id"] for answer in (second, first)]
        assert ids[0] != ids[1]
        for origin in (one, other):
            assert charged(origin) == ids
            assert [entry["id"] for entry in httpx.get(f"{origin}/__mock__/journal").json()] == ids
        link = first.json()["data"]["data"][0]["url"].replace(one, other)
        assert httpx.get(link).status_code == 200
        httpx.post(f"{one}/__mock__/clock", json={"advance_seconds": 90_000}).raise_for_status()
        assert httpx.get(link).status_code == 403
        fault = [{"status": 429, "times": 1}]
        httpx.put(f"{one}/__mock__/faults", json=fault).raise_for_status()
        assert httpx.post(f"{other}{PATH}", json=BODY, headers=KEY).status_code == 429
        assert httpx.post(f"{one}{PATH}", json=BODY, headers=KEY).status_code == 200
        httpx.post(f"{one}/__mock__/reset/clock", json={}).raise_for_status()


def test_redis_that_dies_under_load_means_documented_errors_until_it_is_back(tmp_path: Path) -> None:
    document = load()["nebula"].errors["internal"].document.schema
    with (
        RedisServer(tmp_path).running() as store,
        serving("--state", store.url, "--port", "0") as (_, origin),
    ):
        with Load(origin) as load_:
            load_.until(100)
            store.kill()
            load_.until(50, status=500)
            store.start()
            load_.until(100)
        assert {answer.status_code for answer in load_.answers} == {200, 500}
        for answer in load_.answers:
            if answer.status_code == 500:
                jsonschema.validate(answer.json(), document)
                assert answer.headers["X-Qwenmock-Detail"].startswith("the store failed")
        found = charged(origin)
        # Redis has synced what it appended a second ago; what it had not is lost with it, in the account too.
        assert len(found) == len(set(found))
        late = [answer.headers["X-Request-Id"] for answer in load_.answers[-50:] if answer.status_code == 200]
        assert set(late) <= set(found)


def test_full_disk_means_documented_errors_until_there_is_room(tmp_path: Path) -> None:
    with serving("--state", str(tmp_path / "qm.db"), "--port", "0") as (process, origin), Load(origin) as load_:
        load_.until(50)
        _, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
        largest = max(path.stat().st_size for path in tmp_path.iterdir())
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (largest, hard))
        load_.until(50, status=500)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (hard, hard))
        load_.until(50)
        load_.__exit__()
        found = charged(origin)
        assert load_.acknowledged <= set(found)
        assert len(found) == len(set(found))


def emptied(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate()


def replaced(path: Path) -> None:
    (path.parent / "other.db").write_bytes(path.read_bytes())
    (path.parent / "other.db").replace(path)


@pytest.mark.parametrize("end", [Path.unlink, emptied, replaced])
def test_state_file_that_vanishes_means_documented_errors(end: Callable[[Path], object], tmp_path: Path) -> None:
    """What is written to a file without a name would be lost at the end, although it was answered."""
    with serving("--state", str(tmp_path / "qm.db"), "--port", "0") as (_, origin):
        httpx.post(f"{origin}{PATH}", json=BODY, headers=KEY).raise_for_status()
        end(tmp_path / "qm.db")
        answer = httpx.post(f"{origin}{PATH}", json=BODY, headers=KEY)
        assert answer.status_code == 500
        assert "was removed, emptied or replaced" in answer.headers["X-Qwenmock-Detail"]


UNPRIVILEGED = (
    sys.executable,
    "-c",
    "import ctypes, os, sys\n"
    "for capability in (1, 2): ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)\n"
    "os.execv(sys.argv[1], sys.argv[1:])",
)
"""Runs a command for which the permissions of files hold, also as root (Linux: without CAP_DAC_OVERRIDE and
CAP_DAC_READ_SEARCH)."""


@pytest.mark.skipif(sys.platform != "linux", reason="root may write everywhere; Linux can take that away")
@pytest.mark.parametrize("protected", ["file", "folder"])
def test_state_that_cannot_be_written_is_said_at_the_start(protected: str, tmp_path: Path) -> None:
    path = tmp_path / "qm.db"
    with serving("--state", str(path), "--port", "0") as (_, origin):
        httpx.post(f"{origin}{PATH}", json=BODY, headers=KEY).raise_for_status()
    (path if protected == "file" else tmp_path).chmod(0o444 if protected == "file" else 0o555)
    try:
        done = subprocess.run(
            [*UNPRIVILEGED, *COMMAND, "--state", str(path), "--port", "0"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        tmp_path.chmod(0o755)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(rf".*{re.escape(str(path))}: (attempt to write a readonly|unable to open).*\n", done.stderr)


def test_folder_of_the_state_that_becomes_read_only_disturbs_nothing(tmp_path: Path) -> None:
    with serving("--state", str(tmp_path / "qm.db"), "--port", "0", prefix=UNPRIVILEGED) as (
        _,
        origin,
    ):
        httpx.post(f"{origin}{PATH}", json=BODY, headers=KEY).raise_for_status()
        (tmp_path / "qm.db").chmod(0o444)
        tmp_path.chmod(0o555)
        for _ in range(20):
            httpx.post(f"{origin}{PATH}", json=BODY, headers=KEY).raise_for_status()
        assert len(charged(origin)) == 21
        tmp_path.chmod(0o755)


def test_sigterm_finishes_what_was_begun() -> None:
    with serving("--port", "0", "--latency", "1500") as (process, origin), ThreadPoolExecutor(1) as pool:
        answer = pool.submit(httpx.post, f"{origin}{PATH}", json=BODY, headers=KEY, timeout=20)
        while not httpx.get(f"{origin}/__mock__/ledger").json()["accounts"]:
            time.sleep(0.01)
        process.terminate()
        assert answer.result().status_code == 200
        assert process.wait(timeout=20) == 0


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    """Return the worker processes of a server, which has two."""
    while True:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        with contextlib.suppress(FileNotFoundError):  # it was reaped meanwhile
            workers = [int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
            if len(workers) == 2:
                return workers
        assert process.poll() is None, "the server has ended"
        time.sleep(0.01)


def test_every_worker_that_dies_is_started_again(tmp_path: Path) -> None:
    with serving("--port", "0", "--workers", "2", "--state", str(tmp_path / "qm.db")) as (process, origin):
        first = workers_of(process)
        for worker in first:
            os.kill(worker, signal.SIGKILL)
            while worker in workers_of(process):
                time.sleep(0.01)
        assert not set(first) & set(workers_of(process))
        with Load(origin) as load_:
            load_.until(100)
        assert len(charged(origin)) >= 100


# What follows is sent by strangers.


@pytest.fixture(scope="module")
def target() -> Iterator[RunningServer]:
    with running(Settings(port=0)) as server:
        yield server


def open_socket(server: RunningServer) -> socket.socket:
    parts = urlsplit(server.origin)
    return socket.create_connection((parts.hostname or "", parts.port or 0), timeout=20)


def answers(server: RunningServer) -> None:
    assert httpx.post(f"{server.origin}{PATH}", json=BODY, headers=KEY, timeout=10).status_code == 200


def fuzzed(rng: random.Random) -> tuple[dict[str, str], bytes]:
    """Return headers and a body with something wrong, or not."""
    variant = rng.choice(VARIANTS)
    body: Any = example(variant)
    for _ in range(rng.randint(0, 3)):
        body = changed_json(body, rng)
    data = dumped(body, rng)
    for _ in range(rng.choice([0, 0, 1, 5])):
        at = rng.randrange(len(data) + 1)
        data = data[:at] + rng.randbytes(rng.randint(0, 3)) + data[at + rng.randint(0, 3) :]
    headers = {"content-type": "application/json", "authorization": "Bearer sk-mock"}
    for _ in range(rng.choice([0, 0, 0, 1, 3])):
        name = rng.choice(
            ["content-type", "authorization", "prefer", "host", "x-forwarded-host", "x-dashscope-async", "x-y"]
        )
        headers[name] = rng.randbytes(rng.randint(0, 40)).decode("latin-1")
    return headers, data


def test_no_fuzzed_request_gets_an_undocumented_answer(caplog: pytest.LogCaptureFixture) -> None:
    rng = random.Random(20260101)
    catalog = load()
    double = create_double(Settings(seed=1), catalog)
    app = create_app(double)
    posts = [(p, e) for p in catalog for e in p.endpoints.values() if e.method == "POST" and e.variants]
    seen: dict[int, int] = {}

    async def send_one(number: int) -> None:
        provider, endpoint = posts[number % len(posts)]
        headers, data = fuzzed(rng)
        path = f"/{provider.slug}{endpoint.path}"
        scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "query_string": b"",
            "scheme": "http",
            "server": ("127.0.0.1", 80),
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
        }
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": data, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await app(scope, receive, send)
        status = sent[0]["status"]
        seen[status] = seen.get(status, 0) + 1
        text = b"".join(message.get("body", b"") for message in sent[1:])
        assert status in provider.statuses, (headers, data, status)
        assert b"Traceback" not in text
        assert isinstance(json.loads(text), dict)

    async def send_all() -> None:
        for number in range(FUZZED):
            await send_one(number)

    asyncio.run(send_all())
    # Bugs of the server would be logged; a 500 that a directive requests is not.
    assert "the mock server failed" not in caplog.text
    assert {200, 400, 401} <= seen.keys()


def test_no_broken_http_gets_a_500_or_ends_the_server(target: RunningServer) -> None:
    rng = random.Random(7)
    body = json.dumps(BODY).encode()
    head = b"POST " + PATH.encode() + b" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk-mock\r\n"
    request = (
        head + b"Content-Type: application/json\r\nContent-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body
    )
    for _ in range(300):
        data = bytearray(request)
        for _ in range(rng.randint(1, 6)):
            at = rng.randrange(len(data))
            data[at : at + rng.randint(0, 2)] = rng.randbytes(rng.randint(0, 3))
        with contextlib.suppress(ConnectionError), open_socket(target) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(65536)
            assert not answer.startswith(b"HTTP/1.1 5")
    answers(target)


def test_slow_and_half_open_clients_hold_nobody_up(target: RunningServer) -> None:
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk-mock\r\nContent-Type: application/json\r\n"
    with contextlib.ExitStack() as stack:
        for part in ("", "POST", head, f"{head}Content-Length: 100\r\n\r\n", f'{head}Content-Length: 100\r\n\r\n{{"a'):
            for _ in range(20):
                stack.enter_context(open_socket(target)).sendall(part.encode())
        answers(target)
        slow = stack.enter_context(open_socket(target))
        body = json.dumps(BODY)
        for character in f"{head}Content-Length: {len(body)}\r\n\r\n{body}":
            slow.sendall(character.encode())
        assert slow.recv(100).startswith(b"HTTP/1.1 200")
    answers(target)


def test_ten_thousand_idle_connections_hold_nobody_up() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    room = hard - 1000
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with serving("--port", "0") as (_, origin), contextlib.ExitStack() as stack:
            parts = urlsplit(origin)
            for _ in range(min(IDLE, room)):
                address = (parts.hostname or "", parts.port or 0)
                stack.enter_context(socket.create_connection(address, timeout=20))
            answer = httpx.post(f"{origin}{PATH}", json=BODY, headers=KEY, timeout=20)
            assert answer.status_code == 200
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def png(width: int, height: int, data: bytes) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("width", "height", "status"),
    [(3072, 3072, 200), (3073, 3073, 400), (30_000, 30_000, 400), (2**31 - 1, 2**31 - 1, 400), (0, 0, 400)],
)
def test_pictures_that_claim_to_be_huge_are_never_unpacked(
    target: RunningServer, width: int, height: int, status: int
) -> None:
    bomb = zlib.compress(bytes(50_000_000), 9)  # 50 KB that would become 50 MB
    url = f"data:image/png;base64,{base64.b64encode(png(width, height, bomb)).decode()}"
    parts = [{"image": url}, {"text": "a hat"}]
    body = {
        "model": "qwen-image-edit-plus",
        "prompt": "a hat",
        "contents": [{"role": "user", "parts": parts}],
        "parameters": {},
    }
    answer = httpx.post(f"{target.origin}{PATH}", json=body, headers=KEY, timeout=20)
    assert answer.status_code == status
    if status == 200:
        # The picture made from it shows its input, or says that it could not.
        link = answer.json()["data"]["data"][0]["url"]
        assert httpx.get(link, timeout=20).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/__files__/../../etc/passwd",
        "/__files__/%2e%2e/%2e%2e/etc/passwd",
        "/__files__//etc/passwd",
        "/__files__/-..%2f..%2fetc%2fpasswd/0.png",
        "/__files__/%00/0.png?Expires=1&Signature=x",
        "/__files__/a/0.png?Expires=99999999999999999999&Signature=AAAA",
        "/__files__/~x/..%2f0.png?Expires=1&OSSAccessKeyId=qwenmock&Signature=%ff",
        "/__files__/" + "a" * 20_000 + "/0.png",
    ],
)
def test_tricks_with_image_paths_lead_nowhere(target: RunningServer, path: str) -> None:
    with open_socket(target) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    status = int(answer.split(b" ", 2)[1])
    assert status in {400, 403, 404}
    assert b"root:" not in answer
    assert b"Traceback" not in answer


def test_no_part_of_a_link_can_be_changed(target: RunningServer) -> None:
    answer = httpx.post(f"{target.origin}{PATH}", json=BODY, headers=KEY).json()
    link = answer["data"]["data"][0]["url"]
    assert httpx.get(link).status_code == 200
    start = link.index("/__files__/") + len("/__files__/")
    with httpx.Client() as client:
        # Token, name, expiry, key id and signature, their names, and what is between them.
        for at in range(start, len(link)):
            forged = link[:at] + ("a" if link[at] != "a" else "b") + link[at + 1 :]
            assert client.get(forged).status_code == 403, forged
        place, _, query = link.partition("?")
        for forged in (
            place,
            f"{place}?Expires=99999999999&{query}",
            f"{place}?{query}".replace("Expires=", "Expires=+"),
            f"{place}?OSSAccessKeyId=other&{query}",
            f"{place}?Signature=AAAA&{query}",
            *(
                f"{place}?{'&'.join(part for part in query.split('&') if part != left_out)}"
                for left_out in query.split("&")
            ),
        ):
            assert client.get(forged).status_code == 403, forged


@pytest.mark.parametrize("path", ["journal", "ledger", "ledger.csv", "metrics", "providers", "faults", "tasks"])
def test_control_api_is_closed_to_other_addresses_without_the_token(path: str) -> None:
    with running(Settings(host="0.0.0.0", port=0, admin_token="a-token")) as server:
        own = socket.gethostbyname(socket.gethostname())
        url = f"http://{own}:{server.port}/__mock__/{path}"
        assert httpx.get(url).status_code == 401
        assert httpx.get(url, headers={"Authorization": "Bearer another"}).status_code == 401
        assert httpx.get(url, headers={"Authorization": "Bearer a-token"}).status_code == 200
