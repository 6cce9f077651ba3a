"""The proxy where money or an answer could be lost; applications of a few lines stand in for production."""

import contextlib
import gzip
import re
import socket
import subprocess
import sys
import zlib
from collections.abc import AsyncGenerator, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from qwenmock.mockserver.http.server import serving
from qwenmock.mockserver.net.own_site import OwnSiteOnly
from qwenmock.pytest_plugin.examiner.budget import Budget
from qwenmock.pytest_plugin.examiner.expected_cost import worst_case, worst_case_of_any
from qwenmock.pytest_plugin.examiner.target import Reply
from qwenmock.pytest_plugin.recording.proxy import Proxy
from qwenmock.pytest_plugin.recording.proxy_bodies import KEPT_BYTES, AnswerCopy, NotKept, plain_object
from qwenmock.pytest_plugin.recording.recorder import Recorder
from qwenmock.schemas.catalog import load
from qwenmock.schemas.recordings import load_recordings

NEBULA = load()["nebula"]
PATH = "/v1/images/generations"
SECRET = "sk-mock.a-secret-9f8e7d6c5b4a"
KEY = {"Authorization": f"Bearer {SECRET}"}
BODY = {"model": "qwen-image-plus", "prompt": "a cat", "parameters": {"size": "1328*1328"}}
TEXT = orjson.dumps(BODY)
DEAREST = Decimal("1.08")
"""Six images at 0.18: the most that one request may cost at Nebula."""
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
UNREADABLE: dict[str, tuple[bytes, dict[str, str]]] = {
    "byte order mark": (b"\xef\xbb\xbf" + TEXT, {}),
    "trailing comma": (TEXT[:-1] + b",}", {}),
    "NaN": (TEXT[:-1] + b',"seed":NaN}', {}),
    "UTF-16": (TEXT.decode().encode("utf-16"), {}),
    "gzip": (gzip.compress(TEXT), {"Content-Encoding": "gzip"}),
    "form": (b"model=qwen-image-plus&prompt=a+cat&n=6", FORM),
    "comment": (b"/* */" + TEXT, {}),
    "member twice": (b'{"parameters":{"n":6},' + TEXT[1:], {}),
    "array": (b"[" + TEXT + b"]", {}),
    "too deep": (b"[" * 100_000, {}),
    "empty": (b"", {}),
}


class Production:
    """Accepts everything."""

    def __init__(self, answer: bytes = b'{"ok":true}', headers: dict[str, str] | None = None) -> None:
        self.bodies: list[bytes] = []
        self._answer = answer
        self._headers = headers or {"content-type": "application/json"}

    async def answer(self, request: Request) -> Response:
        self.bodies.append(await request.body())
        return Response(self._answer, 200, self._headers)


class Running:
    """A proxy in front of a production, with what it reported."""

    def __init__(self, production: Production, folder: Path | None, budget: str) -> None:
        self.production = production
        self.said: list[str] = []
        self.budget = Budget(Decimal(budget), "CNY", option="--budget")
        self.origin = ""
        self._folder = folder

    def post(self, content: bytes = TEXT, headers: dict[str, str] | None = None) -> httpx.Response:
        return httpx.post(self.origin + PATH, content=content, headers=KEY | (headers or {}), timeout=60)

    @contextlib.contextmanager
    def run(self) -> Iterator["Running"]:
        upstream = Starlette(routes=[Route("/{path:path}", self.production.answer, methods=["GET", "POST"])])
        with serving(upstream) as port:
            proxy = Proxy(NEBULA, f"http://127.0.0.1:{port}", self.budget, self._folder, self.said.append)
            with serving(OwnSiteOnly(proxy.app(), ())) as own:
                self.origin = f"http://127.0.0.1:{own}"
                yield self


def proxied(production: Production | None = None, folder: Path | None = None, budget: str = "2") -> Any:
    return Running(production or Production(), folder, budget).run()


def test_headers_and_paths_are_forwarded_as_they_are_written() -> None:
    with proxied(budget="0.18") as proxy:
        assert proxy.post(headers={"X-Title": "\u00e9".encode()}).status_code == 200  # type: ignore[dict-item]
    assert proxy.budget.spent == Decimal("0.18")


def test_what_cannot_be_forwarded_costs_nothing() -> None:
    with proxied(budget="0.18") as proxy:
        for path in (b"/v1/images/%2e%2e", b"/v1/%2E/generations"):
            with httpx.Client() as client:
                answer = client.send(client.build_request("GET", proxy.origin, extensions={"target": path}))
            assert answer.status_code in {400, 404}, answer.text
        assert proxy.production.bodies == []
        assert proxy.budget.spent == 0


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_costs_the_worst_case(name: str) -> None:
    content, headers = UNREADABLE[name]
    with proxied(budget="1.07") as proxy:
        answer = proxy.post(content, headers)
        assert answer.status_code == 402
        assert answer.json()["error"].startswith(
            "not forwarded: could cost 1.08 CNY, and 1.07 CNY of --budget are left"
        )
        assert proxy.production.bodies == []
    with proxied(budget="1.08") as proxy:
        assert proxy.post(content, headers).status_code == 200
        assert proxy.production.bodies == [content]
        assert proxy.budget.spent == DEAREST


def test_worst_case_of_any_request_is_the_most_images_at_the_highest_price() -> None:
    assert worst_case_of_any(NEBULA) == DEAREST
    assert worst_case_of_any(load()["dashscope"]) == 6 * Decimal("0.50") + 10 * Decimal("0.02")  # with input images
    assert worst_case_of_any(load()["aigc"]) == 0  # no document names a price


def test_an_unknown_model_may_read_the_number_of_images_where_any_variant_does() -> None:
    body: Any = {"model": "unknown", "extra": {"parameters": {"n": 4}}}
    assert worst_case(NEBULA, None, body) == Decimal("0.72")


@pytest.mark.parametrize("text", [b'{"n": 1e999}', b'{"n": ' + b"9" * 400 + b"}"])
def test_numbers_of_any_size_are_read(text: bytes) -> None:
    assert plain_object(text) == {"n": float("inf")}


def test_a_body_longer_than_the_provider_takes_is_not_forwarded() -> None:
    with proxied() as proxy:
        assert proxy.post(b"x" * (NEBULA.max_body_bytes + 1)).status_code == 413
        assert proxy.production.bodies == []


def test_a_paid_answer_is_delivered_though_it_cannot_be_recorded(tmp_path: Path) -> None:
    leaking = orjson.dumps(BODY | {"prompt": f"my key begins with {SECRET[8:20]}"})
    with proxied(folder=tmp_path) as proxy:
        answer = proxy.post(leaking)
        assert (answer.status_code, answer.content) == (200, b'{"ok":true}')
    assert any("not recorded: an exchange still contains part of the key" in line for line in proxy.said)
    assert list(tmp_path.iterdir()) == []


def test_a_paid_answer_is_delivered_though_the_disk_does_not_take_the_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with proxied(folder=tmp_path / "file") as proxy:
        assert proxy.post().status_code == 200
    assert any("not recorded" in line and "File exists" in line for line in proxy.said)


def test_the_examiner_gets_a_paid_answer_that_cannot_be_recorded(tmp_path: Path) -> None:
    class Paid:
        name, base_url = "production", NEBULA.base_url

        def send(self, *_: object) -> Reply:
            return Reply(200, {}, b"{}", 0.1)

        def close(self) -> None: ...

    (tmp_path / "file").touch()
    said: list[str] = []
    recorder = Recorder(Paid(), NEBULA, tmp_path / "file", (SECRET,), said.append)
    assert recorder.send("POST", NEBULA.base_url + PATH, {}, TEXT).body == b"{}"
    assert len(said) == 1
    assert "200: not recorded" in said[0]


def test_an_answer_is_recorded_though_the_client_has_left(tmp_path: Path) -> None:
    with proxied(folder=tmp_path) as proxy:
        host, port = proxy.origin.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as client:
            head = f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(TEXT)}\r\n\r\n"
            client.sendall(head.encode() + TEXT)
        proxy.post(orjson.dumps(BODY | {"prompt": "a dog"}))
    assert len(load_recordings(tmp_path)) == 2


def test_an_answer_passes_as_it_was_encoded_and_is_recorded_unpacked(tmp_path: Path) -> None:
    packed = gzip.compress(b'{"code":1}')
    with (
        proxied(Production(packed, {"content-encoding": "gzip"}), tmp_path) as proxy,
        httpx.stream("POST", proxy.origin + PATH, content=TEXT, headers=KEY) as answer,
    ):
        assert b"".join(answer.iter_raw()) == packed
    (recording,) = load_recordings(tmp_path)
    assert recording.answer == {"code": 1}


@pytest.mark.parametrize(
    ("chunks", "encoding", "reason"),
    [
        ([bytes(KEPT_BYTES), b"x"], "", f"the answer has {KEPT_BYTES + 1} bytes"),
        ([gzip.compress(bytes(KEPT_BYTES + 1))], "gzip", f"more than {KEPT_BYTES} bytes"),
        ([b"not gzip"], "gzip", "cannot be unpacked"),
        ([b"x"], "br", "expected the content encoding gzip or none, got 'br'"),
    ],
    ids=["long", "bomb", "broken", "other"],
)
def test_what_cannot_be_kept_is_said(chunks: list[bytes], encoding: str, reason: str) -> None:
    copy = AnswerCopy()
    for chunk in chunks:
        copy.add(chunk)
    with pytest.raises(NotKept, match=re.escape(reason)):
        copy.decoded(encoding)


FOREIGN = [
    {"Host": "127.evil.example"},
    {"Host": "127.0.0.1.nip.io"},
    {"Host": "evil.example:4012"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_web_pages_of_other_sites_are_refused(headers: dict[str, str]) -> None:
    with proxied() as proxy:
        answer = proxy.post(headers=headers)
        assert (answer.status_code, list(answer.json())) == (403, ["error"])
        assert proxy.production.bodies == []


def test_own_pages_and_programs_are_answered() -> None:
    with proxied() as proxy:
        assert proxy.post().status_code == 200
        assert proxy.post(headers={"Origin": proxy.origin, "Sec-Fetch-Site": "same-origin"}).status_code == 200
        port = proxy.origin.rpartition(":")[2]
        assert proxy.post(headers={"Host": f"localhost:{port}"}).status_code == 200


def peak_bytes(process: subprocess.Popen[str]) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024  # type: ignore[index]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_large_answers_are_not_held_in_memory(encoding: str, tmp_path: Path) -> None:
    size = 400 * 2**20

    async def large(_request: Request) -> Response:
        async def parts() -> AsyncGenerator[bytes]:
            packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
            for _ in range(size // 2**20):
                part = bytes(2**20)
                yield part if encoding == "identity" else packer.compress(part)
            if encoding == "gzip":
                yield packer.flush()

        return StreamingResponse(parts(), 200, {"content-encoding": encoding})

    with serving(Starlette(routes=[Route("/{path:path}", large, methods=["POST"])])) as port:
        command = [sys.executable, "-m", "qwenmock.mockserver", "proxy", "--provider", "nebula", "--port", "0"]
        options = ["--target", f"http://127.0.0.1:{port}", "--budget", "2", "--record", str(tmp_path)]
        process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        try:
            origin = process.stdout.readline().split()[1]
            assert httpx.get(f"{origin}/elsewhere").status_code == 404  # everything is imported
            before = peak_bytes(process)
            with httpx.stream("POST", origin + PATH, content=TEXT, headers=KEY, timeout=60) as answer:
                assert answer.headers["content-encoding"] == encoding
                assert sum(len(chunk) for chunk in answer.iter_bytes()) == size
            assert "not recorded" in process.stdout.readline()
            assert peak_bytes(process) - before < 110 * 2**20
        finally:
            process.terminate()
            process.communicate(timeout=20)
