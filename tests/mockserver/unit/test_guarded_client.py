"""The client that reaches public addresses only, with a resolver and connections that exist in memory."""

import asyncio
import socket
from collections.abc import Coroutine
from typing import Any, TypeVar

import httpcore
import pytest

from qwenmock.mockserver.net.guarded_client import REDIRECTS, Outbound, OutboundError

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
SECONDS = 5.0
Result = TypeVar("Result")


class Network(httpcore.AsyncNetworkBackend):
    """Resolves names as told, and answers each connection with the next answer; notes what happens."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.addresses: dict[str, list[str]] = {}
        self.answers: list[list[bytes]] = []
        self.connected: list[tuple[str, int]] = []
        self.streams: list[Stream] = []
        monkeypatch.setattr(httpcore, "AnyIOBackend", lambda: self)
        monkeypatch.setattr(socket, "getaddrinfo", self._resolve)

    def _resolve(self, host: str | bytes, port: int, *_args: Any, **_options: Any) -> list[tuple[Any, ...]]:
        name = host.decode() if isinstance(host, bytes) else host
        if name not in self.addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        known = self.addresses[name]
        address = known.pop(0) if len(known) > 1 else known[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    async def connect_tcp(self, host: str, port: int, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        self.connected.append((host, port))
        self.streams.append(Stream(self.answers.pop(0)))
        return self.streams[-1]

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Stream(httpcore.AsyncNetworkStream):
    """A connection that keeps what is written and is read from a list of chunks."""

    def __init__(self, chunks: list[bytes]) -> None:
        self._chunks = chunks
        self.written = b""
        self.chunks_read = 0
        self.is_closed = False

    async def read(self, *_: Any, **__: Any) -> bytes:
        self.chunks_read += 1
        if not self._chunks:
            return b""
        if self._chunks[0] == b"hang":
            await asyncio.Event().wait()
        return self._chunks.pop(0)

    async def write(self, buffer: bytes, *_: Any, **__: Any) -> None:
        self.written += buffer

    async def aclose(self) -> None:
        self.is_closed = True

    def get_extra_info(self, *_: Any, **__: Any) -> Any:
        return None


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    network = Network(monkeypatch)
    network.addresses = {"a.example": ["8.8.8.8"], "inside.example": ["10.0.0.1"], "here.example": ["127.0.0.1"]}
    return network


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run something on a loop that looks names up by `socket`: older versions of uvicorn set uvloop for all."""
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        return runner.run(work)


def post(url: str, *, allow_loopback: bool = False, seconds: float = SECONDS) -> int:
    return run(Outbound(allow_loopback=allow_loopback).post(url, {"Host": "a.example"}, b"{}", seconds))


def get(url: str, max_bytes: int = 100, seconds: float = SECONDS) -> bytes | None:
    return run(Outbound(allow_loopback=False).get(url, max_bytes, seconds))


def redirect(location: str) -> list[bytes]:
    return [f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()]


def test_connection_goes_to_the_address_that_was_checked(network: Network) -> None:
    network.addresses["rebound.example"] = ["8.8.8.8", "127.0.0.1"]
    network.answers = [[OK]]
    assert post("http://rebound.example/hook") == 200
    assert network.connected == [("8.8.8.8", 80)]


@pytest.mark.parametrize("host", ["inside.example", "here.example"])
def test_name_that_leads_inside_is_not_connected(network: Network, host: str) -> None:
    with pytest.raises(OutboundError, match="internal address"):
        post(f"http://{host}/hook")
    assert network.connected == []


def test_loopback_is_reached_where_it_is_allowed(network: Network) -> None:
    network.answers = [[OK]]
    assert post("http://here.example:8080/hook", allow_loopback=True) == 200
    assert network.connected == [("127.0.0.1", 8080)]
    with pytest.raises(OutboundError, match="internal address"):
        post("http://inside.example/hook", allow_loopback=True)


def test_body_of_an_answer_to_a_callback_is_not_read(network: Network) -> None:
    endless = [b"HTTP/1.1 200 OK\r\nContent-Length: 1500000000\r\n\r\n", *[bytes(2**16)] * 100]
    network.answers = [endless]
    assert post("http://a.example/hook") == 200
    [stream] = network.streams
    assert (stream.chunks_read, stream.is_closed) == (1, True)


def test_redirect_of_a_callback_is_not_followed(network: Network) -> None:
    network.answers = [redirect("http://inside.example/")]
    assert post("http://a.example/hook") == 302
    assert len(network.connected) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://a.example/höök",
        "http://a.example/?q=猫",
        "http://ä.example/hook",
        "http://a.example:99999/hook",
        "http://a.example:port/hook",
        f"http://{'a' * 64}.example/hook",
        "http://[::1/hook",
        "ftp://a.example/hook",
        "http://unknown.example/hook",
        "http:///hook",
        "hook",
    ],
)
def test_url_that_cannot_be_requested_is_a_failure(network: Network, url: str) -> None:
    with pytest.raises(OutboundError):
        post(url)
    with pytest.raises(OutboundError):
        get(url)
    assert network.connected == []


@pytest.mark.parametrize("answer", [[], [b"nonsense\r\n\r\n"], [b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000]])
def test_answer_that_is_not_http_is_a_failure(network: Network, answer: list[bytes]) -> None:
    network.answers = [answer]
    with pytest.raises(OutboundError):
        post("http://a.example/hook")


def test_answer_that_does_not_come_is_a_failure(network: Network) -> None:
    network.answers = [[b"hang"], [OK[:-2], b"hang"]]
    with pytest.raises(OutboundError, match="no answer within"):
        post("http://a.example/hook", seconds=0.01)
    with pytest.raises(OutboundError, match="no answer within"):
        get("http://a.example/image", seconds=0.01)


def test_content_is_returned_up_to_a_size(network: Network) -> None:
    network.answers = [[OK], [OK], [OK]]
    assert get("http://a.example/image", max_bytes=5) == b"hello"
    assert get("http://a.example/image", max_bytes=4) is None
    assert network.streams[-1].is_closed


def test_status_other_than_200_is_a_failure(network: Network) -> None:
    network.answers = [[b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"]]
    with pytest.raises(OutboundError, match="status 404"):
        get("http://a.example/image")


def test_redirects_are_followed_and_each_is_checked(network: Network) -> None:
    network.answers = [redirect("/elsewhere"), redirect("http://a.example:81/"), [OK]]
    assert get("http://a.example/image") == b"hello"
    assert network.connected == [("8.8.8.8", 80), ("8.8.8.8", 80), ("8.8.8.8", 81)]
    network.answers = [redirect("http://inside.example/")]
    with pytest.raises(OutboundError, match="internal address"):
        get("http://a.example/image")


def test_redirects_end(network: Network) -> None:
    network.answers = [redirect("/again") for _ in range(REDIRECTS + 1)]
    with pytest.raises(OutboundError, match="more than 3 redirects"):
        get("http://a.example/image")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_each_status_of_a_redirect_is_followed(network: Network, status: int) -> None:
    network.answers = [[f"HTTP/1.1 {status} X\r\nLocation: /y\r\nContent-Length: 0\r\n\r\n".encode()], [OK]]
    assert get("http://a.example/image") == b"hello"


@pytest.mark.parametrize("status", [200, 201, 300, 302, 304, 305, 306, 309])
def test_what_is_no_redirect_is_not_followed(network: Network, status: int) -> None:
    location = b"" if status == 302 else b"Location: /y\r\n"
    network.answers = [[b"HTTP/1.1 %d X\r\n%sContent-Length: 2\r\n\r\nok" % (status, location)], [OK]]
    if status == 200:
        assert get("http://a.example/image") == b"ok"
    else:
        with pytest.raises(OutboundError, match=f"status {status}"):
            get("http://a.example/image")
    assert len(network.connected) == 1


def test_three_redirects_are_followed(network: Network) -> None:
    network.answers = [*[redirect("/again") for _ in range(3)], [OK]]
    assert get("http://a.example/image") == b"hello"
    network.answers = [*[redirect("/again") for _ in range(4)], [OK]]
    with pytest.raises(OutboundError, match="more than 3 redirects"):
        get("http://a.example/image")


def test_headers_and_body_of_a_callback_are_sent(network: Network) -> None:
    network.answers = [[OK]]
    headers = {"Host": "a.example", "X-Name": "é"}
    run(Outbound(allow_loopback=False).post("http://a.example/hook", headers, b"{}", SECONDS))
    [stream] = network.streams
    assert b"\r\nX-Name: \xe9\r\n" in stream.written
    assert stream.written.startswith(b"POST /hook HTTP/1.1\r\n")
    assert b"\r\nHost: a.example\r\n" in stream.written
    assert stream.written.endswith(b"\r\n\r\n{}")


def test_backend_waits(network: Network) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    network.sleep = sleep  # type: ignore[method-assign]
    run(Outbound(allow_loopback=False)._backend.sleep(0.5))
    assert waited == [0.5]
